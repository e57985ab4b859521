//! Live streams: what a delivery costs beside the floor, a plain axum server and the origin, how late
//! it comes, what a silent connection weighs, how fast the past is replayed, and what readers that
//! stall do to the others. Each file measures rows that share a set-up; all events are durable.
//!
//! The rows go by number here, so that one can be run alone.

mod contender;
mod cost;
mod memory;

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
    rounds: usize,
    slice: Duration,
}

const FULL: Size = Size {
    readers: 1_000,
    many: 10_000,
    rounds: 5,
    slice: Duration::from_secs(2),
};
const QUICK: Size = Size {
    readers: 50,
    many: 100,
    rounds: 1,
    slice: Duration::from_millis(500),
};

/// Commits a second where readers are not flooded.
const COMMITS_PER_SECOND: f64 = 20.0;

pub(crate) fn measure(plan: &Plan, row: Option<u8>, report: &mut Report) -> Result<()> {
    if let Some(row) = row {
        ensure!(ROWS.contains(&row), "the streams have rows 1 to 9");
    }
    child::raise_open_files()?;
    let size = if plan.quick { QUICK } else { FULL };
    let wanted = |number| row.is_none_or(|row| row == number);
    if wanted(1) {
        cost::beside_the_floor(plan, &size, report);
    }
    if wanted(3) {
        memory::measure(plan, &size, report);
    }
    Ok(())
}
