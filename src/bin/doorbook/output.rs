//! The two streams: data to stdout, talk to stderr. Nothing else in the binary writes to either.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

use crate::failure::Failure;

/// A line of data, for people and programs.
pub(crate) fn data(line: impl Display) -> Result<(), Failure> {
    writeln!(io::stdout().lock(), "{line}").map_err(Failure::output)
}

/// Text that ends its last line itself.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    write!(io::stdout().lock(), "{text}").map_err(Failure::output)
}

/// A value as one line of JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    data(serde_json::to_string(value).map_err(Failure::check)?)
}

/// A sentence for the person at the terminal.
pub(crate) fn say(sentence: impl Display) {
    // Nobody is left to hear that stderr is closed; the work goes on.
    writeln!(io::stderr().lock(), "{sentence}").ok();
}
