//! Reads the sources and fails on what the architecture forbids: an arrow between folders that is not
//! drawn in ARCHITECTURE.md, a storage or web crate outside its folder, a file without a preface or too
//! long to hold one subject, a name that says nothing, a path of somebody's machine.
//!
//! The rules are pure functions of a path and a text, so that the tests at the end can show that each
//! rule is able to fail. Nothing here runs the program.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Who may use whom. What is missing here is forbidden: above all commands and projections never see
/// each other, and neither do the two doors.
const ARROWS: &[(&str, &[&str])] = &[
    ("events", &[]),
    ("backup", &["events"]),
    ("commands", &["events"]),
    ("projections", &["events"]),
    ("auth", &["events"]),
    ("config", &["auth", "events"]),
    ("telemetry", &["config"]),
    ("ws", &["projections", "events", "auth", "telemetry"]),
    (
        "http",
        &["commands", "projections", "events", "auth", "telemetry"],
    ),
    (
        "server",
        &[
            "http",
            "ws",
            "commands",
            "projections",
            "events",
            "auth",
            "config",
            "telemetry",
        ],
    ),
];

/// Crates that one place hides from everybody else, and that place (paths that start with one of these).
const HIDDEN_CRATES: &[(&str, &[&str])] = &[
    ("sled", &["src/events/log/"]),
    ("bincode", &["src/events/codec.rs"]),
    ("axum", &["src/http/", "src/ws/", "src/server.rs"]),
];

/// Names of files and folders that say nothing about what lives there.
pub(crate) const EMPTY_NAMES: &[&str] = &[
    "common", "helper", "helpers", "manager", "misc", "models", "service", "services", "types",
    "util", "utils",
];

/// Home directories. Taken apart, so that this file does not break its own rule.
const HOMES: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
];

pub(crate) const FILE_LINES_MAX: usize = 500;

/// Folders that hold nothing written by hand.
const SKIPPED: &[&str] = &[
    "target",
    ".git",
    "node_modules",
    ".venv",
    "__pycache__",
    "dist",
];

#[test]
fn the_sources_keep_the_rules_of_the_house() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut offences = Vec::new();
    let mut rust_files = 0;
    for path in files_under(root) {
        let Ok(text) = fs::read_to_string(&path) else {
            continue; // not text
        };
        let name = relative(root, &path);
        offences.extend(home_paths(&name, &text));
        if name.ends_with(".rs") {
            rust_files += 1;
            offences.extend(rust_offences(&name, &text));
        }
    }
    assert!(
        rust_files > 30,
        "only {rust_files} Rust files were found: the walk is broken"
    );
    assert!(
        offences.is_empty(),
        "{} offences:\n{}",
        offences.len(),
        offences.join("\n")
    );
}

fn rust_offences(path: &str, text: &str) -> Vec<String> {
    let tokens = tokens(&code_only(text));
    let mut offences = shape_offences(path, text);
    offences.extend(crate_offences(path, &tokens));
    offences.extend(arrow_offences(path, &tokens));
    offences
}

/// Preface, length, name, and lints switched off without a reason.
fn shape_offences(path: &str, text: &str) -> Vec<String> {
    let mut offences = Vec::new();
    if !text.starts_with("//!") {
        offences.push(format!(
            "{path}: opens without a `//!` preface that says what lives here"
        ));
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        offences.push(format!(
            "{path}: {lines} lines, more than {FILE_LINES_MAX}: is there a second subject in it?"
        ));
    }
    for part in path.trim_end_matches(".rs").split('/') {
        if EMPTY_NAMES.contains(&part) {
            offences.push(format!(
                "{path}: the name {part:?} says nothing; name the mechanism"
            ));
        }
    }
    let code = code_only(text);
    if code.contains(concat!("#[", "allow(")) || code.contains(concat!("#![", "allow(")) {
        offences.push(format!(
            "{path}: switches a lint off; use #[expect(…, reason = \"…\")]"
        ));
    }
    offences
}

/// A crate named outside the one place that hides it. Tests may look behind the curtain.
fn crate_offences(path: &str, tokens: &[String]) -> Vec<String> {
    if !path.starts_with("src/") {
        return Vec::new();
    }
    HIDDEN_CRATES
        .iter()
        .filter(|(name, homes)| {
            !homes.iter().any(|home| path.starts_with(home))
                && tokens.windows(2).any(|pair| {
                    (pair[0] == *name && pair[1] == "::")
                        || (pair[0] == "use" && pair[1] == *name)
                        || (pair[0] == "crate" && pair[1] == *name)
                })
        })
        .map(|(name, homes)| format!("{path}: names {name}, which only {} may", homes.join(", ")))
        .collect()
}

fn arrow_offences(path: &str, tokens: &[String]) -> Vec<String> {
    let Some(from) = folder_of(path) else {
        return Vec::new();
    };
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == from) else {
        return vec![format!(
            "{path}: {from} is not on the map; draw its arrows in ARCHITECTURE.md and here"
        )];
    };
    let mut offences: Vec<String> = root_items(module_depth(path), tokens)
        .into_iter()
        .filter(|to| *to != from && ARROWS.iter().any(|(name, _)| name == to))
        .filter(|to| !allowed.contains(&to.as_str()))
        .map(|to| format!("{path}: the arrow {from} → {to} is not drawn"))
        .collect();
    offences.dedup();
    offences
}

/// `src/events/log/mod.rs` → `events`, `src/auth.rs` → `auth`; nothing for `lib.rs`, the binary and tests.
fn folder_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let first = inside.split('/').next()?.trim_end_matches(".rs");
    (!matches!(first, "lib" | "bin")).then_some(first)
}

/// How many `super`s lead from the file's module to the crate root.
fn module_depth(path: &str) -> usize {
    let inside = path
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    inside.split('/').count()
}

/// The items of the crate root that the code names, through `crate::` or enough `super::`s.
fn root_items(file_depth: usize, tokens: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut open_braces_of_modules = Vec::new();
    let mut braces = 0_usize;
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "{" => braces += 1,
            "}" => {
                if open_braces_of_modules.last() == Some(&braces) {
                    open_braces_of_modules.pop();
                }
                braces = braces.saturating_sub(1);
            }
            "mod" if tokens.get(at + 2).is_some_and(|next| next == "{") => {
                open_braces_of_modules.push(braces + 1)
            }
            "crate" if follows(tokens, at) => found.extend(first_names(tokens, at + 2)),
            "super" if follows(tokens, at) => {
                let mut supers = 1;
                while tokens.get(at + 2).is_some_and(|next| next == "super")
                    && follows(tokens, at + 2)
                {
                    supers += 1;
                    at += 2;
                }
                if supers >= file_depth + open_braces_of_modules.len() {
                    found.extend(first_names(tokens, at + 2));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn follows(tokens: &[String], at: usize) -> bool {
    tokens.get(at + 1).is_some_and(|next| next == "::")
}

/// The first name of a path, or of each path in a `{…}` group.
fn first_names(tokens: &[String], start: usize) -> Vec<String> {
    if tokens.get(start).is_none_or(|token| token != "{") {
        return tokens.get(start).cloned().into_iter().collect();
    }
    let mut names = Vec::new();
    let mut depth = 1;
    let mut expect_name = true;
    for token in &tokens[start + 1..] {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," => expect_name = depth == 1,
            name if expect_name => {
                names.push(name.to_owned());
                expect_name = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

pub(crate) fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut characters = code.chars().peekable();
    while let Some(character) = characters.next() {
        if character.is_alphanumeric() || character == '_' {
            let mut word = String::from(character);
            while let Some(next) = characters.next_if(|next| next.is_alphanumeric() || *next == '_')
            {
                word.push(next);
            }
            tokens.push(word);
        } else if character == ':' && characters.next_if_eq(&':').is_some() {
            tokens.push("::".to_owned());
        } else if !character.is_whitespace() {
            tokens.push(character.to_string());
        }
    }
    tokens
}

/// The text without comments and without the insides of string literals.
pub(crate) fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = skipped_literal(rest, code.chars().next_back());
        if skipped > 0 {
            code.push(' ');
            rest = &rest[skipped..];
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    code
}

/// Bytes of the comment or literal that `rest` starts with; 0 when it is code.
fn skipped_literal(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    let in_word = before.is_some_and(|character| character.is_alphanumeric() || character == '_');
    if rest.starts_with('r') && !in_word {
        let hashes = rest[1..]
            .chars()
            .take_while(|character| *character == '#')
            .count();
        if rest[1 + hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = 2 + hashes;
            return rest[body..]
                .find(&close)
                .map_or(rest.len(), |end| body + end + close.len());
        }
        return 0;
    }
    if rest.starts_with('"') {
        let mut escaped = false;
        for (at, character) in rest.char_indices().skip(1) {
            match character {
                '"' if !escaped => return at + 1,
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        return rest.len();
    }
    // A quote as a character, which would otherwise open a string.
    ["'\"'", "'\\\"'"]
        .iter()
        .find(|quote| rest.starts_with(**quote))
        .map_or(0, |quote| quote.len())
}

fn home_paths(path: &str, text: &str) -> Vec<String> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| HOMES.iter().any(|home| line.contains(home)))
        .map(|(at, _)| format!("{path}:{}: a path of somebody's machine", at + 1))
        .collect()
}

pub(crate) fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository can be read") {
            let entry = entry.expect("an entry of the repository can be read");
            let kind = entry.file_type().expect("the kind of an entry is known");
            let name = entry.file_name();
            if kind.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

pub(crate) fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .replace('\\', "/")
}

#[test]
fn an_arrow_that_is_not_drawn_is_found_however_it_is_written() {
    for (path, code) in [
        ("src/commands/scan.rs", "use crate::projections::Views;"),
        (
            "src/commands/scan.rs",
            "use crate::{events::ids, projections::{Views, feed}};",
        ),
        (
            "src/projections/feed.rs",
            "fn f() -> crate::commands::Command {}",
        ),
        (
            "src/events/log/mod.rs",
            "use super::super::commands::Command;",
        ),
        ("src/http/mod.rs", "use super::ws::Session;"),
        (
            "src/ws/session.rs",
            "mod tests { use super::super::super::http::Routes; }",
        ),
        ("src/auth.rs", "use super::commands::Command;"),
    ] {
        let found = rust_offences(path, &format!("//! Preface.\n{code}\n"));
        assert!(
            found.iter().any(|offence| offence.contains('→')),
            "{path}: {code}: {found:?}"
        );
    }
}

#[test]
fn arrows_that_are_drawn_pass() {
    for (path, code) in [
        (
            "src/commands/scan.rs",
            "use crate::events::{ids::Code, log::Log}; use super::Command;",
        ),
        (
            "src/http/mod.rs",
            "use crate::{auth, commands, events, projections};",
        ),
        ("src/server.rs", "use crate::{http, ws}; use axum::Router;"),
        (
            "src/projections/feed.rs",
            "// crate::commands is not used\nconst TEXT: &str = \"crate::commands::x \\\" sled::open\";",
        ),
        (
            "src/events/log/store.rs",
            "mod tests { use super::super::log::Log; } use sled::Db;",
        ),
        (
            "src/bin/doorbook/main.rs",
            "use doorbook::{commands, projections};",
        ),
    ] {
        let found = rust_offences(path, &format!("//! Preface.\n{code}\n"));
        assert!(found.is_empty(), "{path}: {found:?}");
    }
}

#[test]
fn hidden_crates_prefaces_lengths_names_and_homes_are_found() {
    let preface = "//! Preface.\n";
    for (path, text, part) in [
        (
            "src/projections/views.rs",
            format!("{preface}use sled::Db;"),
            "names sled",
        ),
        (
            "src/events/stored.rs",
            format!("{preface}fn f() {{ bincode::serialize(&1) }}"),
            "names bincode",
        ),
        ("src/auth.rs", format!("{preface}use axum;"), "names axum"),
        ("src/events/ids.rs", "use std::fmt;".to_owned(), "preface"),
        (
            "src/events/ids.rs",
            preface.repeat(FILE_LINES_MAX + 1),
            "lines",
        ),
        ("src/http/utils.rs", preface.to_owned(), "says nothing"),
        ("src/models/scan.rs", preface.to_owned(), "says nothing"),
        ("src/oracle.rs", preface.to_owned(), "not on the map"),
        (
            "src/http/mod.rs",
            format!("{preface}{}dead_code)]", concat!("#[", "allow(")),
            "switches a lint off",
        ),
    ] {
        let found = rust_offences(path, &text);
        assert!(
            found.iter().any(|offence| offence.contains(part)),
            "{path}: wanted {part:?}, found {found:?}"
        );
    }
    assert_eq!(
        home_paths("README.md", &format!("fine\nsee {}me/notes", HOMES[0])).len(),
        1
    );
}
