//! A fold does nothing but fold: the files in which events are applied name nothing that acts on the world.
//! What `apply` is handed, its state and the fact, is in `src/projections/folds.rs`.

use std::{fs, path::Path};

use crate::tidy::{code_only, tokens};

const FOLDS: &[&str] = &[
    "src/projections/dashboard.rs",
    "src/projections/details.rs",
    "src/projections/index.rs",
    "src/projections/participants.rs",
    "src/projections/postings.rs",
];

/// Files, sockets, clocks, chance, threads, channels, the log, and what prints.
const ACTS: &[&str] = &[
    "File",
    "Instant",
    "Log",
    "Sender",
    "Snapshots",
    "SystemTime",
    "Views",
    "env",
    "fastrand",
    "fs",
    "getrandom",
    "io",
    "mpsc",
    "net",
    "now",
    "process",
    "rustix",
    "thread",
    "tokio",
    "tracing",
];

fn acts_named_in(text: &str) -> Vec<&'static str> {
    let tokens = tokens(&code_only(text));
    (ACTS.iter().copied())
        .filter(|acts| tokens.iter().any(|token| token == acts))
        .collect()
}

#[test]
fn nothing_that_acts_is_named_where_events_are_folded() {
    for path in FOLDS {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = fs::read_to_string(file).unwrap();
        let helps = path.ends_with("details.rs") || path.ends_with("postings.rs");
        assert!(helps || text.contains("fn apply"), "{path}");
        assert_eq!(acts_named_in(&text), [""; 0], "{path}");
    }
}

#[test]
fn what_acts_is_found_in_code_and_not_in_words() {
    assert_eq!(acts_named_in("use std::fs;"), ["fs"]);
    assert_eq!(acts_named_in("let at = Timestamp::now();"), ["now"]);
    assert_eq!(
        acts_named_in("// now, tokio\nlet text = \"fs::read\";"),
        [""; 0]
    );
}
