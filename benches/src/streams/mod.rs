//! Live streams: what a delivery costs beside the floor, a plain axum server and the origin, how late
//! it comes, what a silent connection weighs, how fast the past is replayed, and what readers that
//! stall do to the others. Each file measures rows that share a set-up; all events are durable.
//!
//! The rows go by number here, so that one can be run alone.

mod contender;
mod cost;
mod delay;
mod memory;
mod past;
mod stalled;

use std::{ops::RangeInclusive, time::Duration};

use anyhow::{Result, ensure};

use crate::{Plan, child, report::Report};

const ROWS: RangeInclusive<u8> = 1..=9;

/// How much of everything the rows take.
struct Size {
    /// Readers of the rows about cost and delay.
    readers: usize,
    /// Idle connections, and readers of the slowest delivery.
    many: usize,
    /// Clients that come back at once.
    returning: usize,
    /// Readers of the row about stalled readers, and how many of them never read.
    stalled: usize,
    rounds: usize,
    slice: Duration,
    /// Commits of the flood.
    flood: u64,
    /// Commits to the last of many readers.
    slow_commits: u64,
    /// People registered in the log that is replayed.
    replayed: u64,
    /// How far behind the head the in-memory tail is read from.
    tail: u64,
}

const FULL: Size = Size {
    readers: 1_000,
    many: 10_000,
    returning: 5_000,
    stalled: 100,
    rounds: 4,
    slice: Duration::from_secs(2),
    flood: 12_000,
    slow_commits: 100,
    replayed: 300_000,
    tail: 4_000,
};
const QUICK: Size = Size {
    readers: 50,
    many: 100,
    returning: 50,
    stalled: 5,
    rounds: 1,
    slice: Duration::from_millis(500),
    flood: 200,
    slow_commits: 3,
    replayed: 5_000,
    tail: 500,
};

/// Connections of a flood of scans.
const FLOOD_CONNECTIONS: usize = 64;
/// Commits a second where readers are not flooded.
const COMMITS_PER_SECOND: f64 = 20.0;

/// Measures a row, or several that share their set-up, and reports them, also when it fails.
type Measure = fn(&Plan, &Size, &mut Report);

pub(crate) fn measure(plan: &Plan, row: Option<u8>, report: &mut Report) -> Result<()> {
    if let Some(row) = row {
        ensure!(ROWS.contains(&row), "the streams have rows 1 to 9");
    }
    child::raise_open_files()?;
    let size = if plan.quick { &QUICK } else { &FULL };
    let rows: [Measure; 9] = [
        cost::beside_the_floor,
        cost::flood,
        memory::measure,
        delay::to_the_last,
        delay::to_everybody,
        past::replay,
        past::return_at_once,
        cost::beside_the_origin,
        stalled::measure,
    ];
    for (number, measure) in ROWS.zip(rows) {
        if row.is_none_or(|row| row == number) {
            measure(plan, size, report);
        }
    }
    Ok(())
}
