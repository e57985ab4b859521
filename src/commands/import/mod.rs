//! Attendee lists: CSV with a header row in any order and the usual spellings (pretix, Hi.Events, plain),
//! or NDJSON, line by line into [`Register`] commands, and those into the log.
//!
//! [`csv_lines`] and [`ndjson_lines`] only read: one line in, one command or one reason out.
//! [`run`] submits them. Which header means what is in [`columns`]; the rules for fields are those of every
//! registration ([`Register::parse`]). No message holds a value of a line, only field and header names.

pub mod columns;
mod csv_lines;
mod ndjson_lines;
pub mod run;
mod text;

pub use columns::HeaderProblem;
pub use csv_lines::{CsvLines, csv_lines};
pub use ndjson_lines::{NdjsonLines, ndjson_lines};
pub use run::{ImportProgress, ImportReport, REJECTED_LINES_MAX, RejectedLine, dry_run, import};

use super::register::{FieldProblem, Register};

/// One record of a list: what it asks for, or why it cannot.
pub struct ImportLine {
    /// The line of the file on which the record starts, from 1.
    pub line: u64,
    pub result: Result<Register, LineProblem>,
}

/// Why a line was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineProblem {
    /// Stable, snake_case.
    pub code: &'static str,
    pub detail: String,
}

impl From<FieldProblem> for LineProblem {
    fn from(problem: FieldProblem) -> Self {
        Self {
            code: "invalid_field",
            detail: problem.to_string(),
        }
    }
}
