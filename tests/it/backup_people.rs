//! Who is erased stays erased in a backup restored later, in each of the ways there are; and what a backup
//! without its master key is good for.

use std::fs;

use crate::{
    backup::{backup, copied, doorbook, people, restore, said, text, url},
    byte_search::Needles,
    log_history::{data_dir, files_below},
    process::Process,
};

#[test]
fn who_is_erased_stays_erased_in_a_backup_restored_later() {
    let dir = data_dir();
    let (data, dest) = (dir.path().join("data"), dir.path().join("backup"));
    let server = Process::start(&data);
    let gathering = people(&server.client(), 6);
    backup(&server, &dest);
    let early = copied(&dest, "early");
    let url = url(&server);
    let erased = doorbook(&["erase", "P-3", "--yes", "--server", &url]);
    assert_eq!(erased.status.code(), Some(0), "{}", said(&erased));
    assert_eq!(backup(&server, &dest)["erased"], 1);
    let list = dir.path().join("erased.json");
    let answer = server.client().get("/api/admin/backup/erased").unwrap();
    fs::write(&list, &answer.text).unwrap();
    server.kill();

    // The limit: a copy made before, restored without a word, has everybody.
    let unaware = dir.path().join("unaware");
    assert_eq!(restore(&early, &unaware, &[])["erased"], 0);
    assert!(names(&unaware, &gathering).contains(&"Visitor P-3".to_owned()));

    let cases = [
        (&dest, None, 0),
        (&early, Some(dest.clone()), 1),
        (&early, Some(dest.join("manifest.json")), 1),
        (&early, Some(data), 1),
        (&early, Some(list), 1),
    ];
    for (number, (source, newer, added)) in cases.into_iter().enumerate() {
        let restored = dir.path().join(format!("restored-{number}"));
        let newer = newer.as_deref().map(text);
        let more: Vec<&str> = newer.map_or(vec![], |newer| vec!["--erased", newer]);
        let report = restore(source, &restored, &more);
        assert_eq!(
            (&report["erased"], &report["erasures_added"]),
            (&1.into(), &added.into())
        );
        let names = names(&restored, &gathering);
        assert_eq!(names.len(), 5, "case {number}: {names:?}");
        assert!(!names.contains(&"Visitor P-3".to_owned()));
        let needles = Needles::of_words(["Visitor P-3", "p-3@example.org"]);
        assert_eq!(needles.found_below(&restored), []);
        let verified = doorbook(&["verify", "--data", text(&restored)]);
        assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    }
}

#[test]
fn a_backup_without_its_master_key_is_restored_with_it_alone() {
    let dir = data_dir();
    let (data, dest) = (dir.path().join("data"), dir.path().join("backup"));
    let server = Process::start(&data);
    let gathering = people(&server.client(), 3);
    let apart = [
        "backup",
        "--server",
        &url(&server),
        text(&dest),
        "--without-master-key",
    ];
    let output = doorbook(&apart);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    server.kill();
    let held = files_below(&dest).unwrap();
    for apart in ["master", "checkpoint-key"] {
        assert!(!held.iter().any(|file| file.ends_with(apart)), "{held:?}");
    }

    let restored = dir.path().join("restored");
    let without = doorbook(&["restore", text(&dest), "--data", text(&restored)]);
    assert_eq!(without.status.code(), Some(2), "{}", said(&without));
    let other = dir.path().join("other");
    Process::start(&other).kill();
    let wrong = other.join("keys/master");
    let output = doorbook(&[
        "restore",
        text(&dest),
        "--data",
        text(&restored),
        "--master-key",
        text(&wrong),
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let right = data.join("keys/master");
    let done = restore(&dest, &restored, &["--master-key", text(&right)]);
    assert_eq!(done["checkpoint_key_missing"], true);
    let verified = doorbook(&["verify", "--data", text(&restored)]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    assert_eq!(names(&restored, &gathering).len(), 3);
    assert!(!restored.join("integrity/key").exists());
    fs::copy(data.join("integrity/key"), restored.join("integrity/key")).unwrap();
    let signed = doorbook(&["checkpoint", "--data", text(&restored)]);
    assert_eq!(signed.status.code(), Some(0), "{}", said(&signed));
}

/// Last names that a server on this directory finds.
fn names(data: &std::path::Path, gathering: &str) -> Vec<String> {
    let server = Process::start(data);
    let path = format!("/api/events/{gathering}/participants/?q=Visitor&limit=100");
    let found = server.client().get(&path).unwrap().json();
    let people = found["results"].as_array().unwrap().iter();
    let names = people
        .map(|person| person["user"]["last_name"].as_str().unwrap().to_owned())
        .collect();
    server.kill();
    names
}
