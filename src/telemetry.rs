//! Log lines, as text or JSON on stderr, and what a panic leaves in them.
//!
//! Lines carry ids and offsets as fields; never personal data, tokens or query strings.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Starts logging for the process: `DOORBOOK_LOG` filters (default `info`). A second call does nothing.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_env("DOORBOOK_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,sled=warn"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    if started.is_ok() {
        std::panic::set_hook(Box::new(report_panic));
    }
}

/// Where it happened and nothing else: a panic's message may hold what a person typed.
fn report_panic(info: &std::panic::PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string);
    tracing::error!(
        place = place.as_deref().unwrap_or("unknown"),
        "a panic, which is a defect in doorbook"
    );
}
