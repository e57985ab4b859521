//! Reads the sources of the pages and fails on what could make them unsafe or unreadable: markup from a
//! string, code from a string, a type that is none, a file without a preface or with two subjects.
//!
//! The Rust sources are `tidy`'s.

use std::path::Path;

use super::tidy::{EMPTY_NAMES, FILE_LINES_MAX, files_under, relative};

/// What no page may have, and why. Taken apart, so that these lines are no offence themselves.
const FORBIDDEN: &[(&str, &str)] = &[
    (
        concat!("{@", "html"),
        "a name with markup would be markup: show it as text",
    ),
    (
        concat!("inner", "HTML"),
        "a name with markup would be markup: show it as text",
    ),
    (
        concat!("@ts-", "ignore"),
        "the type check is there to be heard",
    ),
    (concat!("<a", "ny>"), "says nothing about the value"),
    (concat!(": a", "ny)"), "says nothing about the value"),
    (concat!(": a", "ny ="), "says nothing about the value"),
    (concat!(" as a", "ny)"), "says nothing about the value"),
    (concat!(" as a", "ny;"), "says nothing about the value"),
    (
        concat!("transition", ":fade"),
        "puts a style element into the document, which the policy forbids",
    ),
];

/// Made by a tool, not by hand.
const GENERATED: &[&str] = &["web/src/api/schema.d.ts"];

#[test]
fn the_pages_keep_the_rules_of_the_house() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut offences = Vec::new();
    let mut files = 0;
    for path in files_under(&root.join("web")) {
        let name = relative(root, &path);
        if !is_source(&name) {
            continue;
        }
        files += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        offences.extend(page_offences(&name, &text));
    }
    assert!(files > 30, "only {files} sources of pages were found");
    assert!(
        offences.is_empty(),
        "{} offences:\n{}",
        offences.len(),
        offences.join("\n")
    );
}

fn is_source(name: &str) -> bool {
    [".ts", ".svelte", ".mjs"]
        .iter()
        .any(|ending| name.ends_with(ending))
        && !GENERATED.contains(&name)
}

fn page_offences(path: &str, text: &str) -> Vec<String> {
    let mut offences = Vec::new();
    let is_test = path.ends_with(".test.ts") || path.ends_with(".spec.ts");
    if !is_test
        && !["//", "/*", "<!--"]
            .iter()
            .any(|open| text.starts_with(open))
    {
        offences.push(format!(
            "{path}: opens without a comment that says what lives here"
        ));
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        offences.push(format!(
            "{path}: {lines} lines, more than {FILE_LINES_MAX}: is there a second subject in it?"
        ));
    }
    for part in path.split(['/', '.']) {
        if EMPTY_NAMES.contains(&part) {
            offences.push(format!(
                "{path}: the name {part:?} says nothing; name the mechanism"
            ));
        }
    }
    for (forbidden, why) in FORBIDDEN {
        if text.contains(forbidden) {
            offences.push(format!("{path}: has `{forbidden}`: {why}"));
        }
    }
    offences
}

#[test]
fn each_rule_of_the_pages_can_fail() {
    let good = "// What lives here.\nexport const x = 1;\n";
    assert_eq!(page_offences("web/src/x.ts", good), Vec::<String>::new());
    let long = format!("// Long.\n{}", "x();\n".repeat(FILE_LINES_MAX));
    for (path, text) in [
        ("web/src/x.ts", "export const x = 1;\n"),
        ("web/src/x.ts", long.as_str()),
        ("web/src/utils/x.ts", good),
        ("web/src/helpers.ts", good),
    ] {
        assert_eq!(page_offences(path, text).len(), 1, "{path}");
    }
    for (forbidden, _) in FORBIDDEN {
        let text = format!("<!-- A page. -->\n{forbidden} x\n");
        assert_eq!(page_offences("web/src/X.svelte", &text).len(), 1, "{text}");
    }
}
