//! What the measurements say: one row per promise, as a table for people, raw numbers for programs and
//! a plot for both.

use std::{fmt::Write as _, fs, path::Path, process::ExitCode};

use anyhow::Result;
use serde_json::{Value, json};

use crate::{machine::Machine, plot};

pub(crate) struct Report {
    machine: Machine,
    /// Whether the figures are meant to be judged.
    judged: bool,
    rows: Vec<Row>,
    /// Context that asks for nothing: what a reader needs to believe the rows.
    notes: Vec<String>,
    raw: serde_json::Map<String, Value>,
}

/// One promise and what became of it.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) ours: String,
    pub(crate) peer: String,
    pub(crate) figure: Figure,
    pub(crate) reach: Reach,
}

pub(crate) enum Figure {
    /// The number that the reach speaks about.
    Measured(f64),
    NotRun(String),
    /// The peer of the row could not be had.
    NoPeer(String),
}

#[derive(Clone, Copy)]
pub(crate) enum Reach {
    AtLeast(f64, &'static str),
    AtMost(f64, &'static str),
}

impl Report {
    pub(crate) fn new(machine: Machine, judged: bool) -> Self {
        Self {
            machine,
            judged,
            rows: Vec::new(),
            notes: Vec::new(),
            raw: serde_json::Map::new(),
        }
    }

    pub(crate) fn row(
        &mut self,
        what: &'static str,
        reach: Reach,
        ours: String,
        peer: impl Into<String>,
        figure: f64,
    ) {
        let row = Row {
            what,
            ours,
            peer: peer.into(),
            figure: Figure::Measured(figure),
            reach,
        };
        eprintln!("{}", row.line(self.judged));
        self.rows.push(row);
    }

    /// A row that could not be measured, with the reason.
    pub(crate) fn not_run(&mut self, what: &'static str, reach: Reach, error: &anyhow::Error) {
        self.unmeasured(what, reach, Figure::NotRun(format!("{error:#}")));
    }

    /// A row whose peer could not be had, with the reason.
    pub(crate) fn no_peer(&mut self, what: &'static str, reach: Reach, error: &anyhow::Error) {
        self.unmeasured(what, reach, Figure::NoPeer(format!("{error:#}")));
    }

    fn unmeasured(&mut self, what: &'static str, reach: Reach, figure: Figure) {
        let row = Row {
            what,
            ours: String::new(),
            peer: String::new(),
            figure,
            reach,
        };
        eprintln!("{}", row.line(self.judged));
        self.rows.push(row);
    }

    pub(crate) fn note(&mut self, note: String) {
        eprintln!("{note}");
        self.notes.push(note);
    }

    pub(crate) fn raw(&mut self, name: &str, value: Value) {
        self.raw.insert(name.to_owned(), value);
    }

    /// Prints the table and writes `table.md`, `plot.svg` and `raw.json`.
    pub(crate) fn write(&self, out: &Path) -> Result<()> {
        fs::create_dir_all(out)?;
        let table = self.table();
        println!("{table}");
        fs::write(out.join("table.md"), &table)?;
        fs::write(
            out.join("plot.svg"),
            plot::svg(&self.rows, &self.machine.to_string()),
        )?;
        fs::write(
            out.join("raw.json"),
            serde_json::to_vec_pretty(&self.json())?,
        )?;
        println!("table, plot and raw numbers: {}", out.display());
        Ok(())
    }

    /// Fails when a row was not run, or, where figures are judged, missed its reach. A quick run may
    /// lack peers, which not every machine can install.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let failed = |row: &Row| match row.figure {
            Figure::NotRun(_) => true,
            Figure::NoPeer(_) => self.judged,
            Figure::Measured(_) => self.judged && row.met() == Some(false),
        };
        if self.rows.iter().any(failed) {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }

    fn table(&self) -> String {
        let mut text = format!("{}\n\n", self.machine);
        text.push_str("| what | ours | peer | figure | reach | |\n|---|---|---|---|---|---|\n");
        for row in &self.rows {
            text.push_str(&row.line(self.judged));
            text.push('\n');
        }
        for note in &self.notes {
            text.push_str("\n- ");
            text.push_str(note);
        }
        text
    }

    fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::to_json).collect();
        json!({
            "machine": self.machine.to_json(), "judged": self.judged, "rows": rows,
            "notes": self.notes, "raw": self.raw,
        })
    }
}

impl Row {
    /// None when it was not measured.
    pub(crate) fn met(&self) -> Option<bool> {
        let Figure::Measured(figure) = self.figure else {
            return None;
        };
        Some(match self.reach {
            Reach::AtLeast(least, _) => figure >= least,
            Reach::AtMost(most, _) => figure <= most,
        })
    }

    fn line(&self, judged: bool) -> String {
        let verdict = match (self.met(), judged) {
            (None, _) => "NOT RUN",
            (Some(_), false) => "not judged",
            (Some(true), true) => "met",
            (Some(false), true) => "MISSED",
        };
        let mut line = String::new();
        let (sign, number, unit) = match self.reach {
            Reach::AtLeast(least, unit) => ("≥", least, unit),
            Reach::AtMost(most, unit) => ("≤", most, unit),
        };
        let figure = match &self.figure {
            Figure::Measured(figure) => format!("{} {unit}", short(*figure)),
            Figure::NotRun(reason) | Figure::NoPeer(reason) => reason.replace(['|', '\n'], " "),
        };
        // Writing to a String cannot fail.
        if write!(
            line,
            "| {} | {} | {} | {figure} | {sign} {} {unit} | {verdict} |",
            self.what,
            self.ours,
            self.peer,
            short(number)
        )
        .is_err()
        {
            line.clear();
        }
        line
    }

    fn to_json(&self) -> Value {
        let (figure, reason) = match &self.figure {
            Figure::Measured(figure) => (Some(*figure), None),
            Figure::NotRun(reason) | Figure::NoPeer(reason) => (None, Some(reason)),
        };
        let (kind, number, unit) = match self.reach {
            Reach::AtLeast(least, unit) => ("at_least", least, unit),
            Reach::AtMost(most, unit) => ("at_most", most, unit),
        };
        json!({
            "what": self.what, "ours": self.ours, "peer": self.peer, "figure": figure,
            "not_run": reason, "reach": {"kind": kind, "number": number, "unit": unit}, "met": self.met(),
        })
    }
}

/// Three digits that matter, thousands grouped.
pub(crate) fn short(number: f64) -> String {
    if number >= 1_000.0 {
        let whole = format!("{number:.0}");
        let mut grouped = String::new();
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        grouped
    } else if number >= 100.0 {
        format!("{number:.0}")
    } else if number >= 10.0 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    }
}

/// The middle one, which a stray slice does not move.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[length / 2],
        length => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
    }
}
