//! A log written out as lines and taken in again is the same log: offsets, ids, times, sealed bytes, keys.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use doorbook::events::{event::Event, log::Log};

use crate::{
    backup::{doorbook, said, text},
    log_fixture::unpack,
    log_history::{data_dir, read_all, write_history},
};

#[test]
fn a_log_that_is_exported_and_imported_is_the_same_log() {
    for events in [3, 40, 700, 1_500] {
        let dir = data_dir();
        let data = dir.path().join("data");
        let (log, _) = Log::open(&data).unwrap();
        write_history(&log, events);
        log.close().unwrap();
        drop(log);
        moves(&data, dir.path());
    }
}

#[test]
fn a_log_of_format_1_moves_as_it_is() {
    let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/log-v1");
    let dir = data_dir();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    unpack(&fixture, &data).unwrap();
    moves(&data, dir.path());
}

#[test]
fn a_cut_or_changed_export_and_a_wrong_kind_of_file_are_refused() {
    let dir = data_dir();
    let data = dir.path().join("data");
    let (log, _) = Log::open(&data).unwrap();
    write_history(&log, 30);
    log.close().unwrap();
    drop(log);
    let file = dir.path().join("log.ndjson");
    export(&data, &file);
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let cut = lines[..lines.len() - 1].join("\n") + "\n";
    let changed = whole.replacen("\"role\":\"", "\"role\": \"", 1);
    for (wrong, why) in [
        (cut, "cut after offset 30"),
        (changed, "SHA-256"),
        ("first_name,last_name\n".to_owned(), "no exported log"),
    ] {
        let other = dir.path().join("wrong.ndjson");
        fs::write(&other, wrong).unwrap();
        let to = dir.path().join("wrong");
        let output = doorbook(&["import", "--log", text(&other), "--data", text(&to)]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(why), "{}", said(&output));
    }
    let list = doorbook(&[
        "import",
        "--event",
        "0190c9a2-7c8e-7d31-b1b5-3f7a2f7d9e10",
        text(&file),
        "--data",
        text(&data),
    ]);
    assert_eq!(list.status.code(), Some(2), "{}", said(&list));
    assert!(said(&list).contains("--log"), "{}", said(&list));
}

fn moves(data: &Path, dir: &Path) {
    let file = dir.join("log.ndjson");
    export(data, &file);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let moved = dir.join("moved");
    let output = doorbook(&["import", "--log", text(&file), "--data", text(&moved)]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let (before, _) = Log::open(data).unwrap();
    let (after, report) = Log::open(&moved).unwrap();
    assert_eq!(report.cut_from, None);
    assert_ne!(before.epoch(), after.epoch());
    let (expected, found) = (read_all(&before), read_all(&after));
    assert_eq!(expected.len(), found.len());
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(expected, found);
        let gathering = expected.gathering;
        let opened = |log: &Log| match &expected.event {
            Event::ParticipantRegistered(registration) => log
                .keys()
                .unseal(
                    gathering,
                    registration.subject.participant.to_bytes(),
                    &registration.person,
                )
                .map_err(|error| error.to_string()),
            _ => log
                .keys()
                .keyed_hash(gathering, gathering.to_bytes(), b"own")
                .map(|hash| hash.to_vec())
                .map_err(|error| error.to_string()),
        };
        assert_eq!(opened(&before), opened(&after));
    }
}

fn export(data: &Path, file: &Path) {
    let output = doorbook(&[
        "export",
        "--ndjson",
        "--data",
        text(data),
        "--out",
        text(file),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}
