//! How late a message comes: from the moment the command is sent, its sync included, until a reader, or
//! the last of many, has read the message.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde_json::json;

use super::{
    COMMITS_PER_SECOND, Size,
    contender::{AtTheDoor, Contender},
};
use crate::{
    Plan,
    publisher::{Commit, Pace},
    report::{Reach, Report, short},
};

const LAST: (&str, Reach) = (
    "commit to the last of 10,000 readers, p99",
    Reach::AtMost(150.0, "ms"),
);
const P50: (&str, Reach) = (
    "commit to reader, 1,000 readers, 20 commits/s, p50",
    Reach::AtMost(5.0, "ms"),
);
const P99: (&str, Reach) = ("the same, p99", Reach::AtMost(20.0, "ms"));

const PEOPLE: u64 = 5_000;
/// Commits before anything is counted.
pub(super) const WARM_UP: Pace = Pace::as_fast_as_it_goes(5);
const SLOW_COMMITS_PER_SECOND: f64 = 2.0;
/// The calm load is watched for so many slices.
const SLICES: u32 = 5;
const DELAY_US_MAX: u64 = 120_000_000;

/// When each message was read, by its offset.
pub(super) type Arrivals = Vec<(u64, Instant)>;

pub(super) fn to_the_last(plan: &Plan, size: &Size, report: &mut Report) {
    if let Err(error) = try_to_the_last(plan, size, report) {
        report.not_run(LAST.0, LAST.1, &error);
    }
}

pub(super) fn to_everybody(plan: &Plan, size: &Size, report: &mut Report) {
    if let Err(error) = try_to_everybody(plan, size, report) {
        for (what, reach) in [P50, P99] {
            report.not_run(what, reach, &error);
        }
    }
}

/// Delays in µs. Every arrival must be of a commit.
pub(super) fn delays(
    commits: &[Commit],
    arrivals: impl IntoIterator<Item = (u64, Instant)>,
) -> Result<Histogram<u64>> {
    let sent: HashMap<u64, Instant> = commits
        .iter()
        .map(|commit| (commit.offset, commit.sent))
        .collect();
    let mut delays = Histogram::new_with_max(DELAY_US_MAX, 3)?;
    for (offset, at) in arrivals {
        let sent = sent
            .get(&offset)
            .with_context(|| format!("a message about offset {offset}, which nobody committed"))?;
        delays.record(micros(at.saturating_duration_since(*sent)))?;
    }
    Ok(delays)
}

pub(super) fn quantile_ms(delays: &Histogram<u64>, quantile: f64) -> f64 {
    delays.value_at_quantile(quantile) as f64 / 1_000.0
}

fn try_to_the_last(plan: &Plan, size: &Size, report: &mut Report) -> Result<()> {
    let server = AtTheDoor::open(plan, "streams-last", PEOPLE)?;
    let readers = server.readers(size.many)?;
    let mut ours = Contender { server, readers };
    ours.turn(WARM_UP, |_| {})?;
    let mut last = HashMap::new();
    let pace = Pace {
        commands: size.slow_commits,
        per_second: SLOW_COMMITS_PER_SECOND,
    };
    let spent = ours.turn(pace, |delivery| {
        last.insert(delivery.offset, delivery.at);
    })?;
    let delays = delays(&spent.commits, last)?;
    let p99 = quantile_ms(&delays, 0.99);
    report.row(LAST.0, LAST.1, format!("{} ms", short(p99)), "", p99);
    report.note(format!(
        "to the last of {} readers: {} commits, p50 {} ms, max {} ms, from the command's sending on; the readers are \
         one thread on the same cores",
        short(size.many as f64),
        short(delays.len() as f64),
        short(quantile_ms(&delays, 0.5)),
        short(quantile_ms(&delays, 1.0))
    ));
    report.raw("stream_last_reader_ms", quantiles(&delays));
    Ok(())
}

fn try_to_everybody(plan: &Plan, size: &Size, report: &mut Report) -> Result<()> {
    let server = AtTheDoor::open(plan, "streams-delay", PEOPLE)?;
    let readers = server.readers(size.readers)?;
    let mut ours = Contender { server, readers };
    ours.turn(WARM_UP, |_| {})?;
    let mut arrivals = Arrivals::new();
    let pace = Pace::of(COMMITS_PER_SECOND, size.slice * SLICES);
    let spent = ours.turn(pace, |delivery| {
        arrivals.push((delivery.offset, delivery.at));
    })?;
    let delays = delays(&spent.commits, arrivals)?;
    for ((what, reach), quantile) in [(P50, 0.5), (P99, 0.99)] {
        let ms = quantile_ms(&delays, quantile);
        report.row(what, reach, format!("{} ms", short(ms)), "", ms);
    }
    report.note(format!(
        "commit to reader: {} deliveries of {} commits, max {} ms, from the command's sending on",
        short(delays.len() as f64),
        short(spent.commits.len() as f64),
        short(quantile_ms(&delays, 1.0))
    ));
    report.raw("stream_delay_ms", quantiles(&delays));
    Ok(())
}

fn quantiles(delays: &Histogram<u64>) -> serde_json::Value {
    let ms = |quantile| quantile_ms(delays, quantile);
    json!({"p50": ms(0.5), "p90": ms(0.9), "p99": ms(0.99), "max": ms(1.0), "count": delays.len()})
}

fn micros(delay: Duration) -> u64 {
    u64::try_from(delay.as_micros()).map_or(DELAY_US_MAX, |micros| micros.clamp(1, DELAY_US_MAX))
}
