//! The past over the socket: a long replay to one client, a short one from the in-memory tail, and
//! thousands of clients that come back at once, each with its own cursor.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{
    COMMITS_PER_SECOND, FLOOD_CONNECTIONS, Size,
    contender::{AtTheDoor, Contender, Server},
    delay::WARM_UP,
};
use crate::{
    Plan,
    publisher::{self, Pace},
    readers::{Readers, Speaks},
    report::{Reach, Report, median, short},
};

const REPLAY: (&str, Reach) = (
    "replay to one client from the earliest event",
    Reach::AtLeast(200_000.0, "messages/s"),
);
const TAIL: (&str, Reach) = (
    "replay to one client from the in-memory tail",
    Reach::AtLeast(500_000.0, "messages/s"),
);
const RETURN: (&str, Reach) = (
    "5,000 clients reconnect at once with cursors, until all are caught up",
    Reach::AtMost(5.0, "s"),
);

/// Times that each replay is done.
const REPLAYS: usize = 3;
const TAIL_READS: usize = 20;
const PEOPLE: u64 = 5_000;
/// Longest replay.
const LONG: Duration = Duration::from_secs(60);
/// Commits go on so long before the clients leave, and while they are away.
const BEFORE: Duration = Duration::from_millis(500);
const AWAY: Duration = Duration::from_secs(1);
/// Commits go on for this many slices in all.
const SLICES: u32 = 3;
const TICK: Duration = Duration::from_millis(20);

pub(super) fn replay(plan: &Plan, size: &Size, report: &mut Report) {
    if let Err(error) = try_replay(plan, size, report) {
        for (what, reach) in [REPLAY, TAIL] {
            report.not_run(what, reach, &error);
        }
    }
}

pub(super) fn return_at_once(plan: &Plan, size: &Size, report: &mut Report) {
    if let Err(error) = try_return_at_once(plan, size, report) {
        report.not_run(RETURN.0, RETURN.1, &error);
    }
}

/// One gathering with many registrations, and after them more scans than the tail holds.
fn try_replay(plan: &Plan, size: &Size, report: &mut Report) -> Result<()> {
    let mut server = AtTheDoor::open(plan, "streams-replay", size.replayed)?;
    server.connections = FLOOD_CONNECTIONS;
    let scans = 2 * size.tail;
    publisher::finish(server.publish(Pace::as_fast_as_it_goes(scans)))?;
    // The gathering itself is the first event.
    let head = 1 + size.replayed + scans;

    let mut rates = Vec::new();
    for _ in 0..REPLAYS {
        let started = Instant::now();
        let readers = read_after(&server, 0, head, |_| {})?;
        rates.push(readers.heard.deliveries as f64 / started.elapsed().as_secs_f64());
    }
    let rate = median(&rates);
    let words = format!("{} messages at {}/s", short(head as f64), short(rate));
    report.row(REPLAY.0, REPLAY.1, words, "", rate);

    let mut tail_rates = Vec::new();
    let mut bytes_each = 0.0;
    for _ in 0..TAIL_READS {
        let mut times = Vec::new();
        let readers = read_after(&server, head - size.tail, head, |at| times.push(at))?;
        tail_rates.extend(rate_after_the_first_read(&times));
        bytes_each = readers.heard.bytes as f64 / readers.heard.deliveries as f64;
    }
    ensure!(!tail_rates.is_empty(), "each tail came in one read");
    let tail_rate = median(&tail_rates);
    let words = format!(
        "{} messages at {}/s",
        short(size.tail as f64),
        short(tail_rate)
    );
    report.row(TAIL.0, TAIL.1, words, "", tail_rate);
    report.note(format!(
        "replays: from the request to the last message, {REPLAYS} times; from the tail {TAIL_READS} times, without \
         the first read and what it brought, messages of {} bytes",
        short(bytes_each)
    ));
    report.raw(
        "stream_replay_per_second",
        json!({"earliest": rates, "tail": tail_rates}),
    );
    Ok(())
}

/// One client that reads everything after an offset; every message is checked to be the next.
fn read_after(
    server: &AtTheDoor,
    offset: u64,
    head: u64,
    mut note: impl FnMut(Instant),
) -> Result<Readers> {
    let mut readers = Readers::new(Speaks::Doorbook)?;
    let from = if offset == 0 {
        "earliest".to_owned()
    } else {
        offset.to_string()
    };
    readers.resume(server.doorbook.address, server.stream(&from), offset)?;
    readers.until(LONG, |heard| heard.ready == 1, |delivery| note(delivery.at))?;
    ensure!(
        readers.heard.deliveries == head - offset,
        "{} messages after {offset} of {head}",
        readers.heard.deliveries
    );
    Ok(readers)
}

/// What the first read brought was there before the clock started, so it is not counted.
fn rate_after_the_first_read(times: &[Instant]) -> Option<f64> {
    let (first, last) = (times.first()?, times.last()?);
    let later = times.iter().filter(|at| *at > first).count();
    (later > 0).then(|| later as f64 / last.duration_since(*first).as_secs_f64())
}

fn try_return_at_once(plan: &Plan, size: &Size, report: &mut Report) -> Result<()> {
    let server = AtTheDoor::open(plan, "streams-return", PEOPLE)?;
    let readers = server.readers(size.returning)?;
    let mut ours = Contender { server, readers };
    ours.turn(WARM_UP, |_| {})?;
    let Contender {
        server,
        mut readers,
    } = ours;
    let cursor = readers.heard.cursor.clone().context("no cursor heard")?;
    let (epoch, _) = cursor.split_once(':').context("a cursor of one part")?;

    let publishing = server.publish(Pace::of(COMMITS_PER_SECOND, size.slice * SLICES));
    let leave = Instant::now() + BEFORE;
    while Instant::now() < leave {
        readers.turn(TICK, &mut |_| {})?;
    }
    let offsets: Vec<u64> = readers.offsets().collect();
    drop(readers);
    std::thread::sleep(AWAY);

    let mut back = Readers::new(Speaks::Doorbook)?;
    let started = Instant::now();
    for offset in offsets {
        let request = server.stream(&format!("{epoch}:{offset}"));
        back.resume(server.doorbook.address, request, offset)?;
    }
    back.until_ready()?;
    let seconds = started.elapsed().as_secs_f64();
    let busy = !publishing.is_finished();
    let missed = back.heard.deliveries;

    while !publishing.is_finished() {
        back.turn(TICK, &mut |_| {})?;
    }
    let commits = publisher::finish(publishing)?;
    let head = commits.last().context("no commits")?.offset;
    everybody_at(&mut back, head)?;
    report.row(
        RETURN.0,
        RETURN.1,
        format!("{} s", short(seconds)),
        "",
        seconds,
    );
    report.note(format!(
        "return of {} clients: {} messages until all were caught up, commits {}; every reader had every offset once \
         and in order up to {head}",
        short(size.returning as f64),
        short(missed as f64),
        if busy { "going on" } else { "ended before" }
    ));
    report.raw("stream_return_seconds", json!(seconds));
    Ok(())
}

/// No offset came twice or not at all, or reading would have failed; here nobody is short of the end.
fn everybody_at(readers: &mut Readers, head: u64) -> Result<()> {
    let deadline = Instant::now() + LONG;
    while !readers.offsets().all(|offset| offset == head) {
        readers.turn(TICK, &mut |_| {})?;
        ensure!(
            Instant::now() < deadline,
            "{} readers are not at {head}",
            readers.offsets().filter(|offset| *offset != head).count()
        );
    }
    Ok(())
}
