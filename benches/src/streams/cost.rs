//! What a delivery costs the server, in CPU time: at a calm pace beside the floor and a plain axum
//! server, in a flood, and beside the origin.

use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::json;

use super::{
    COMMITS_PER_SECOND, FLOOD_CONNECTIONS, Size,
    contender::{self, AtTheDoor, Contender, Spent},
};
use crate::{
    Plan,
    origin::{self, Origin},
    publisher::Pace,
    readers::{Readers, Speaks},
    report::{Reach, Report, short},
};

const CALM: (&str, Reach) = (
    "CPU per delivery, 20 commits/s to 1,000 readers",
    Reach::AtMost(1.3, "× raw fan-out"),
);
const FLOOD: (&str, Reach) = (
    "deliveries per CPU second under a flood, 1,000 readers",
    Reach::AtLeast(1_000_000.0, "deliveries per CPU s"),
);
const BESIDE_ORIGIN: (&str, Reach) = (
    "deliveries per CPU second at 20 commits/s offered, 1,000 readers",
    Reach::AtLeast(30.0, "× origin"),
);

const PEOPLE: u64 = 5_000;
const ORIGIN_ROUNDS: usize = 1;
/// The origin answers 500 when more connect at a time than it can greet within seconds.
const ORIGIN_WAVE: usize = 20;
/// Commits before anything is counted.
const WARM_UP: Pace = Pace::as_fast_as_it_goes(5);

pub(super) fn beside_the_floor(plan: &Plan, size: &Size, report: &mut Report) {
    if let Err(error) = try_beside_the_floor(plan, size, report) {
        report.not_run(CALM.0, CALM.1, &error);
    }
}

pub(super) fn flood(plan: &Plan, size: &Size, report: &mut Report) {
    if let Err(error) = try_flood(plan, size, report) {
        report.not_run(FLOOD.0, FLOOD.1, &error);
    }
}

pub(super) fn beside_the_origin(plan: &Plan, size: &Size, report: &mut Report) {
    match origin::start(&plan.dir) {
        Err(error) => report.no_peer(BESIDE_ORIGIN.0, BESIDE_ORIGIN.1, &error),
        Ok(origin) => {
            if let Err(error) = try_beside_the_origin(plan, size, origin, report) {
                report.not_run(BESIDE_ORIGIN.0, BESIDE_ORIGIN.1, &error);
            }
        }
    }
}

/// The idle CPU of the slices is not taken off: it is part of what calm deliveries cost.
fn try_beside_the_floor(plan: &Plan, size: &Size, report: &mut Report) -> Result<()> {
    let server = AtTheDoor::open(plan, "streams-calm", PEOPLE)?;
    let readers = server.readers(size.readers)?;
    let mut ours = Contender { server, readers };
    ours.turn(WARM_UP, |_| {})?;
    let message = ours.readers.heard.sample.clone();
    let mut floor = contender::raw_fanout(&plan.dir, &message, size.readers)?;
    let mut axum = contender::plain_axum(&plan.dir, &message)?;
    axum.server.connect(&mut axum.readers, size.readers)?;
    floor.turn(WARM_UP, |_| {})?;
    axum.turn(WARM_UP, |_| {})?;

    let pace = Pace::of(COMMITS_PER_SECOND, size.slice);
    let (mut spent, mut floor_spent, mut axum_spent) =
        (Spent::default(), Spent::default(), Spent::default());
    for _ in 0..size.rounds {
        floor_spent.add(floor.turn(pace, |_| {})?);
        spent.add(ours.turn(pace, |_| {})?);
        axum_spent.add(axum.turn(pace, |_| {})?);
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

/// Doors that never pause, until every reader has everything.
fn try_flood(plan: &Plan, size: &Size, report: &mut Report) -> Result<()> {
    let mut server = AtTheDoor::open(plan, "streams-flood", PEOPLE)?;
    server.connections = FLOOD_CONNECTIONS;
    let readers = server.readers(size.readers)?;
    let mut ours = Contender { server, readers };
    let started = Instant::now();
    let spent = ours.turn(Pace::as_fast_as_it_goes(size.flood), |_| {})?;
    let seconds = started.elapsed().as_secs_f64();
    let rate = spent.per_cpu_second();
    report.row(
        FLOOD.0,
        FLOOD.1,
        format!(
            "{} in {} s of CPU",
            short(spent.deliveries as f64),
            short(spent.cpu_seconds)
        ),
        "",
        rate,
    );
    report.note(format!(
        "flood: {} check-ins over {FLOOD_CONNECTIONS} connections, messages of {} bytes, all read after {} s; readers were told {} times \
         that they fell behind",
        short(size.flood as f64),
        short(spent.bytes_each()),
        short(seconds),
        short(ours.readers.heard.fell_behind as f64)
    ));
    report.raw(
        "stream_flood",
        json!({"deliveries": spent.deliveries, "cpu_seconds": spent.cpu_seconds, "seconds": seconds,
               "message_bytes": spent.bytes_each()}),
    );
    Ok(())
}

/// Both are offered the same; the origin takes what it can.
fn try_beside_the_origin(
    plan: &Plan,
    size: &Size,
    mut origin: Origin,
    report: &mut Report,
) -> Result<()> {
    let server = AtTheDoor::open(plan, "streams-beside-origin", PEOPLE)?;
    let readers = server.readers(size.readers)?;
    let mut ours = Contender { server, readers };
    // Few, since each reader is greeted with all of them; enough for the commits.
    origin.register(size.slice / 4)?;
    let mut readers = Readers::new(Speaks::Greeting)?;
    readers
        .connect_in_waves(
            size.readers,
            ORIGIN_WAVE,
            origin.address(),
            &origin.stream(),
        )
        .context("origin")?;
    let mut theirs = Contender {
        server: origin,
        readers,
    };
    let pace = Pace::of(COMMITS_PER_SECOND, size.slice);
    let (mut spent, mut their_spent, mut their_seconds) = (Spent::default(), Spent::default(), 0.0);
    for _ in 0..ORIGIN_ROUNDS {
        spent.add(ours.turn(pace, |_| {})?);
        let started = Instant::now();
        their_spent.add(theirs.turn(pace, |_| {})?);
        their_seconds += started.elapsed().as_secs_f64();
    }
    let (rate, their_rate) = (spent.per_cpu_second(), their_spent.per_cpu_second());
    report.row(
        BESIDE_ORIGIN.0,
        BESIDE_ORIGIN.1,
        format!("{}/CPU s", short(rate)),
        format!("{}/CPU s", short(their_rate)),
        rate / their_rate,
    );
    report.note(format!(
        "beside the origin: messages of {} bytes, the origin's of {}; it delivered {}/s",
        short(spent.bytes_each()),
        short(their_spent.bytes_each()),
        short(their_spent.deliveries as f64 / their_seconds)
    ));
    report.raw(
        "stream_deliveries_per_cpu_second",
        json!({"doorbook": rate, "origin": their_rate}),
    );
    Ok(())
}
