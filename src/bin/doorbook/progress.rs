//! How far long work has come, on stderr: a bar on a terminal, a plain line now and then elsewhere.

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::say;

/// Plain lines are at least this far apart.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(2);

const BAR: &str = "{msg} {wide_bar} {human_pos}/{human_len} · {per_sec} · {eta} left";

pub(crate) struct Progress {
    label: String,
    total: u64,
    started: Instant,
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    Plain { last: Instant },
}

impl Progress {
    pub(crate) fn start(label: impl Into<String>, total: u64) -> Self {
        let label = label.into();
        let started = Instant::now();
        let shown = if io::stderr().is_terminal() {
            let bar = ProgressBar::new(total).with_message(label.clone());
            // The template is a constant: a bar in the default style is the worst that can happen.
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                bar.set_style(style);
            }
            Shown::Bar(bar)
        } else {
            Shown::Plain { last: started }
        };
        Self {
            label,
            total,
            started,
            shown,
        }
    }

    pub(crate) fn at(&mut self, done: u64, total: u64) {
        self.total = total;
        match &mut self.shown {
            Shown::Bar(bar) => {
                bar.set_length(total);
                bar.set_position(done);
            }
            Shown::Plain { last } if last.elapsed() >= PLAIN_LINE_EVERY => {
                *last = Instant::now();
                let rate = rate(done, self.started.elapsed());
                let left = total.saturating_sub(done).checked_div(rate);
                say(format_args!(
                    "{}: {done} of {total} ({} %), {rate}/s{}",
                    self.label,
                    percent(done, total),
                    left.map(|left| format!(", {left} s left"))
                        .unwrap_or_default()
                ));
            }
            Shown::Plain { .. } => {}
        }
    }

    /// Takes the bar away and leaves a sentence with the time it took.
    pub(crate) fn end(self, result: &str) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
        say(format_args!(
            "{}: {result} in {:.1} s",
            self.label,
            self.started.elapsed().as_secs_f64()
        ));
    }
}

fn rate(done: u64, took: Duration) -> u64 {
    let rate = u128::from(done) * 1_000 / took.as_millis().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

fn percent(done: u64, total: u64) -> u64 {
    done.saturating_mul(100).checked_div(total).unwrap_or(100)
}
