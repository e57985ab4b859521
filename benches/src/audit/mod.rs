//! What auditors and operators wait for: rebuilds, beside check-ins too, proving the log whole, the
//! state as of an offset, pages and exports of the history, proofs. Each file measures rows that share
//! a set-up; all rows share one data directory, which `prepared` makes, and each works on a copy.
//!
//! The rows go by number here, so that one can be run alone.

mod chance;
mod export;
mod prepared;
mod proofs;
mod queries;
mod rebuilds;
mod whole;

use std::{ops::RangeInclusive, time::Duration};

use anyhow::{Result, ensure};

use self::prepared::Prepared;
use crate::{Plan, report::Report};

pub(crate) const ROWS: RangeInclusive<u8> = 1..=7;

/// How much of everything the rows take.
struct Size {
    /// Events of the large gathering.
    events: u64,
    /// Its participants.
    people: u64,
    /// Participants of each of the small gatherings.
    few_people: u64,
    /// States asked for, each as of another offset.
    moments: u64,
    /// Pages of each kind.
    pages: u64,
    proofs: u64,
    rounds: usize,
    slice: Duration,
}

const PEOPLE: u64 = 100_000;
const FEW_PEOPLE: u64 = 500;
const QUICK_PEOPLE: u64 = 400;
const QUICK_FEW_PEOPLE: u64 = 20;

/// Measures a row, or several that share their set-up, and reports them, also when it fails.
type Measure = fn(&Prepared, &Size, &mut Report);

pub(crate) fn measure(plan: &Plan, row: Option<u8>, report: &mut Report) -> Result<()> {
    if let Some(row) = row {
        ensure!(ROWS.contains(&row), "the audit has rows 1 to 7");
    }
    let size = size(plan);
    let rows: [Measure; 7] = [
        rebuilds::alone,
        rebuilds::beside_check_ins,
        whole::measure,
        queries::as_of,
        queries::pages,
        export::measure,
        proofs::measure,
    ];
    let prepared = Prepared::make(&plan.dir.join("audit"), &size)?;
    report.note(prepared.words());
    for (number, measure) in ROWS.zip(rows) {
        if row.is_none_or(|row| row == number) {
            measure(&prepared, &size, report);
        }
    }
    prepared.remove()
}

fn size(plan: &Plan) -> Size {
    if plan.quick {
        return Size {
            events: plan.events,
            people: QUICK_PEOPLE,
            few_people: QUICK_FEW_PEOPLE,
            moments: 4,
            pages: 20,
            proofs: 20,
            rounds: 1,
            slice: Duration::from_millis(400),
        };
    }
    Size {
        events: plan.events,
        people: PEOPLE.min(plan.events / 4),
        few_people: FEW_PEOPLE,
        moments: 24,
        pages: 2_000,
        proofs: 5_000,
        rounds: 4,
        slice: Duration::from_secs(3),
    }
}
