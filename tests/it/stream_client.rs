//! `clients/js`, the client of the live streams: its logic on a clock that moves when told, and its
//! stories against the real program, in Node and in Chromium. The scripts are in `tests/clients/node/`.

use std::process::Command;

use crate::story::{node, prepared, script, tell};

#[test]
fn the_client_keeps_order_backs_off_and_knows_when_to_stop() {
    let mut tests = Command::new("node");
    tests
        .env("NODE_PATH", prepared("node/node_modules"))
        .arg("--test")
        .arg(script("node/stream_logic.test.mjs"));
    succeeds(tests);
}

#[test]
fn the_client_s_types_fit_what_is_done_with_it() {
    let mut check = Command::new("node");
    check
        .arg(prepared("node/node_modules/typescript/bin/tsc"))
        .arg("--project")
        .arg(script("node/tsconfig.json"));
    succeeds(check);
}

#[test]
fn the_client_tells_its_stories_in_node() {
    tell(node("node/stories_node.mjs"));
}

#[test]
fn the_client_tells_its_stories_in_chromium() {
    tell(node("node/stories_chromium.mjs"));
}

fn succeeds(mut command: Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let reason = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{reason}");
}
