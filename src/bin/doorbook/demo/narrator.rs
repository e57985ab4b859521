//! What the demo shows: a line per interesting thing at the doors, and a status that says how full it is. On a
//! terminal the status stands below the lines; elsewhere it is a line of its own now and then.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use clap::builder::styling::{AnsiColor, Style};
use doorbook::events::time::Timestamp;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::{entries::printable, failure::Failure, output};

/// The status counts the doors' work over this time.
const RATE_OVER: Duration = Duration::from_secs(60);
/// How often the status is a line, off a terminal.
const STATUS_LINE_EVERY: Duration = Duration::from_secs(10);
/// With more arrivals than this in the last minute, plain ones are only counted.
const PLAIN_LINES_PER_MINUTE_MAX: usize = 40;
/// Names are cut to this many characters.
const NAME_CHARS_MAX: usize = 34;

/// How a line is marked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mark {
    In,
    Out,
    Refused,
    Note,
}

pub(crate) struct Narrator {
    bar: Option<ProgressBar>,
    coloured: bool,
    scans: VecDeque<Instant>,
    status: String,
    last_status_line: Instant,
}

impl Narrator {
    pub(crate) fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        let bar = terminal.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self {
            bar,
            coloured: terminal && std::env::var_os("NO_COLOR").is_none(),
            scans: VecDeque::new(),
            status: String::new(),
            last_status_line: Instant::now(),
        }
    }

    /// Where the evening stands before anybody comes.
    pub(crate) fn begin(&mut self, gathering: &Value) -> Result<(), Failure> {
        self.status = status(
            gathering,
            ["inside_count", "checked_in_count", "participant_count"],
        );
        match &self.bar {
            Some(_) => self.show_status(),
            None => output::data(format_args!("          {}", self.status)),
        }
    }

    pub(crate) fn tell(
        &mut self,
        gate: &str,
        mark: Mark,
        who: &str,
        what: &str,
    ) -> Result<(), Failure> {
        let time = Timestamp::now().to_datetime().format("%H:%M:%S");
        let (sign, colour) = mark.sign();
        let sign = self.coloured(sign, colour);
        let who = shortened(who);
        let line = format!("{time}  {gate:<6} {sign}  {who:<NAME_CHARS_MAX$}  {what}");
        let line = line.trim_end();
        match &self.bar {
            Some(bar) => bar.suspend(|| output::data(line)),
            None => output::data(line),
        }
    }

    /// Whether the doors are calm enough for a line per plain arrival.
    pub(crate) fn is_calm(&self) -> bool {
        self.scans.len() <= PLAIN_LINES_PER_MINUTE_MAX
    }

    /// A door has answered: counts it and renews the status.
    pub(crate) fn count(&mut self, occupancy: Option<&Value>) -> Result<(), Failure> {
        self.scans.push_back(Instant::now());
        while self
            .scans
            .front()
            .is_some_and(|scan| scan.elapsed() > RATE_OVER)
        {
            self.scans.pop_front();
        }
        if let Some(occupancy) = occupancy {
            self.status = status(occupancy, ["inside", "checked_in", "registered"]);
        }
        self.show_status()
    }

    fn show_status(&mut self) -> Result<(), Failure> {
        let status = format!(
            "{} · {} scans in the last minute",
            self.status,
            self.scans.len()
        );
        match &self.bar {
            Some(bar) => {
                bar.set_message(status);
                bar.tick();
                Ok(())
            }
            None if self.last_status_line.elapsed() >= STATUS_LINE_EVERY => {
                self.last_status_line = Instant::now();
                output::data(format_args!("          {status}"))
            }
            None => Ok(()),
        }
    }

    /// Takes the status away; returns its last words.
    pub(crate) fn end(self) -> String {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.status
    }

    fn coloured(&self, sign: &str, colour: AnsiColor) -> String {
        if !self.coloured {
            return sign.to_owned();
        }
        let style: Style = colour.on_default();
        format!("{style}{sign}{style:#}")
    }
}

impl Mark {
    const fn sign(self) -> (&'static str, AnsiColor) {
        match self {
            Self::In => ("→ in ", AnsiColor::Green),
            Self::Out => ("← out", AnsiColor::Cyan),
            Self::Refused => ("✗ no ", AnsiColor::Red),
            Self::Note => ("·    ", AnsiColor::Yellow),
        }
    }
}

/// The counts in words; `fields` names those of who is inside, has been, and may come.
fn status(counts: &Value, fields: [&str; 3]) -> String {
    let [inside, checked_in, registered] =
        fields.map(|field| counts[field].as_u64().unwrap_or_default());
    let capacity = counts["capacity"]
        .as_u64()
        .map(|most| format!(" of at most {most}"))
        .unwrap_or_default();
    format!("{inside} inside{capacity} · {checked_in} checked in · {registered} registered")
}

/// A name on one line, whatever is in it.
fn shortened(name: &str) -> String {
    let mut short: String = name.chars().take(NAME_CHARS_MAX).map(printable).collect();
    if name.chars().count() > NAME_CHARS_MAX {
        short.pop();
        short.push('…');
    }
    short
}
