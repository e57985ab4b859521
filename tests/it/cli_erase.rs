//! `doorbook erase`: one person by their ticket, and everybody of events that ended long ago, at a server
//! and in a closed directory.

use serde_json::json;

use crate::cli::{Evening, Serving, doorbook, json as answered, said, stderr};

#[test]
fn people_are_erased_by_ticket_and_by_age_at_a_server_and_without_one() {
    let (evening, gathering) = evening();
    let server = Serving::start(&evening.data);
    let at_server = |arguments: &[&str]| {
        let place = ["--server", server.url.as_str()];
        doorbook(&[arguments, &place].concat(), Some(&evening.token))
    };
    let old = ["erase", "--older-than", "30d"];
    let dry = at_server(&[&old[..], &["--dry-run"]].concat());
    assert_eq!(dry.status.code(), Some(0), "{}", stderr(&dry));
    assert!(said(&dry).contains(&format!("{gathering} ended 2026-05-01")));
    assert!(said(&dry).contains("2 people"), "{}", said(&dry));
    let unasked = at_server(&old);
    assert_eq!(unasked.status.code(), Some(2), "{}", stderr(&unasked));
    assert!(stderr(&unasked).contains("--yes"), "{}", stderr(&unasked));
    let young = at_server(&["erase", "--older-than", "5200w", "--yes", "--json"]);
    assert_eq!(
        answered(&young),
        json!({"dry_run": false, "erased": 0, "events": []})
    );

    let one = answered(&at_server(&["erase", "CLI-1", "--yes", "--json"]));
    assert_eq!(one["erased"], 1);
    let again = answered(&at_server(&["erase", "CLI-1", "--yes", "--json"]));
    assert_eq!(again["offset"], one["offset"]);
    let nobody = at_server(&["erase", "NO-1", "--yes"]);
    assert_eq!(nobody.status.code(), Some(1), "{}", stderr(&nobody));
    let left = answered(&at_server(&[&old[..], &["--dry-run", "--json"]].concat()));
    assert_eq!(left["events"][0]["people"], 1);
    server.stop();

    let here = |arguments: &[&str]| {
        let place = ["--data", evening.data()];
        doorbook(&[arguments, &place].concat(), None)
    };
    let done = answered(&here(
        &[&old[..], &["--yes", "--json", "--event", &gathering]].concat(),
    ));
    assert_eq!(
        (&done["erased"], &done["events"][0]["people"]),
        (&1.into(), &1.into())
    );
    let done = answered(&here(&[&old[..], &["--yes", "--json"]].concat()));
    assert_eq!(done, json!({"dry_run": false, "erased": 0, "events": []}));
    let nobody = here(&["erase", "NO-1", "--yes"]);
    assert_eq!(nobody.status.code(), Some(1), "{}", stderr(&nobody));
    let again = answered(&here(&["erase", "CLI-1", "--yes", "--json"]));
    assert_eq!(again["offset"], one["offset"]);
    let history = said(&here(&["history", "--type", "participant_erased"]));
    let lines: Vec<_> = history.lines().collect();
    assert_eq!(lines.len(), 2, "{history}");
    assert!(lines[0].contains("CLI-1 by me as superuser"), "{history}");
    assert!(
        lines[1].contains("CLI-2 by operator as operator"),
        "{history}"
    );
}

#[test]
fn whom_to_erase_has_to_be_said_once() {
    let (evening, _) = evening();
    for wrong in [
        &["erase"][..],
        &["erase", "CLI-1", "--older-than", "30d"],
        &["erase", "CLI-1", "--dry-run"],
        &["erase", "--older-than", "30"],
        &["erase", "--event", "0190c9a2-7c8e-7d31-b1b5-3f7a2f7d9e10"],
    ] {
        let output = doorbook(
            &[wrong, &["--yes", "--data", evening.data()]].concat(),
            None,
        );
        assert_eq!(
            output.status.code(),
            Some(2),
            "{wrong:?}: {}",
            stderr(&output)
        );
    }
}

/// A directory with an event of last May and two guests.
fn evening() -> (Evening, String) {
    let evening = Evening::new();
    let server = Serving::start(&evening.data);
    let gathering = server.create_gathering(&evening.token);
    let place = ["--server", server.url.as_str()];
    let import = ["import", "--event", &gathering, "--json", &evening.list];
    let report = answered(&doorbook(
        &[&import[..], &place].concat(),
        Some(&evening.token),
    ));
    assert_eq!(report["accepted"], 2);
    server.stop();
    (evening, gathering)
}
