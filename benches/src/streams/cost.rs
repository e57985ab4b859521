//! What a delivery costs the server, in CPU time: at a calm pace beside the floor and a plain axum
//! server.

use anyhow::Result;
use serde_json::json;

use super::{
    COMMITS_PER_SECOND, Size,
    contender::{self, AtTheDoor, Contender, Spent},
};
use crate::{
    Plan,
    publisher::Pace,
    report::{Reach, Report, short},
};

const CALM: (&str, Reach) = (
    "CPU per delivery, 20 commits/s to 1,000 readers",
    Reach::AtMost(1.3, "× raw fan-out"),
);

const PEOPLE: u64 = 5_000;
/// Commits before anything is counted.
const WARM_UP: Pace = Pace::as_fast_as_it_goes(5);

pub(super) fn beside_the_floor(plan: &Plan, size: &Size, report: &mut Report) {
    if let Err(error) = try_beside_the_floor(plan, size, report) {
        report.not_run(CALM.0, CALM.1, &error);
    }
}

/// The idle CPU of the slices is not taken off: it is part of what calm deliveries cost.
fn try_beside_the_floor(plan: &Plan, size: &Size, report: &mut Report) -> Result<()> {
    let server = AtTheDoor::open(plan, "streams-calm", PEOPLE)?;
    let readers = server.readers(size.readers)?;
    let mut ours = Contender { server, readers };
    ours.turn(WARM_UP, 1, |_| {})?;
    let message = ours.readers.heard.sample.clone();
    let mut floor = contender::raw_fanout(&plan.dir, &message, size.readers)?;
    let mut axum = contender::plain_axum(&plan.dir, &message)?;
    axum.server.connect(&mut axum.readers, size.readers)?;
    floor.turn(WARM_UP, 1, |_| {})?;
    axum.turn(WARM_UP, 1, |_| {})?;

    let pace = Pace::of(COMMITS_PER_SECOND, size.slice);
    let (mut spent, mut floor_spent, mut axum_spent) =
        (Spent::default(), Spent::default(), Spent::default());
    for _ in 0..size.rounds {
        floor_spent.add(floor.turn(pace, 1, |_| {})?);
        spent.add(ours.turn(pace, 1, |_| {})?);
        axum_spent.add(axum.turn(pace, 1, |_| {})?);
    }
    let (each, floor_each, axum_each) = (
        spent.micros_each(),
        floor_spent.micros_each(),
        axum_spent.micros_each(),
    );
    report.row(
        CALM.0,
        CALM.1,
        format!("{} µs", short(each)),
        format!("{} µs", short(floor_each)),
        each / floor_each,
    );
    report.note(format!(
        "calm deliveries: messages of {} bytes, {} readers, commits durable and their CPU included; plain axum \
         takes {} µs, {} × raw fan-out",
        short(spent.bytes_each()),
        short(size.readers as f64),
        short(axum_each),
        short(axum_each / floor_each)
    ));
    report.raw(
        "stream_cpu_us_per_delivery",
        json!({"doorbook": each, "raw_fanout": floor_each, "plain_axum": axum_each,
               "deliveries": spent.deliveries, "message_bytes": spent.bytes_each()}),
    );
    Ok(())
}
