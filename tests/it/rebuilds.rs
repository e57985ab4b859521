//! Rebuilds through the public doors: what subscribers see of them (nothing), what operators do with them, and
//! that a process killed in the middle of one goes on with it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    harness::{TestServer, ann, answer, root, stu},
    process::{Client, Process},
    stream_stage::{Asking, connect},
};

const VIEWS: [&str; 3] = ["participants", "dashboard", "history"];
/// Enough that a rebuild is noted on the disk, and takes a while.
const PEOPLE: usize = 12_000;
const KILLS: u64 = 4;
const KILLS_MAX: u64 = 40;
const PATIENCE: Duration = Duration::from_secs(120);

fn path(view: &str, what: &str) -> String {
    format!("/api/admin/projections/{view}/{what}/")
}

async fn ended(server: &TestServer, view: &str) -> Value {
    loop {
        let answer = server.get(&root(), &path(view, "rebuild")).await;
        if answer.is(200)["state"] != "running" {
            return answer.body;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_see_nothing_of_rebuilds_rollbacks_and_cancels() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    let from = server.register(gathering, "FIRST").await.offset();
    let mut streams = Vec::new();
    for stream in [format!("checkin/{gathering}"), "dashboard".to_owned()] {
        let path = format!("/ws/events/{stream}/?from={from}");
        let asking = Asking::bearer(&root().0);
        streams.push(connect(server.address, &path, &asking).await.unwrap().0);
    }
    for round in 0..6 {
        let name = VIEWS[round % VIEWS.len()];
        let view = if round == 4 { "all" } else { name };
        let started = server
            .post(&root(), &path(view, "rebuild"), json!({}))
            .await;
        started.is(202);
        for n in 0..5 {
            let code = format!("R-{round}-{n}");
            server.register(gathering, &code).await;
            server.check_in(&stu(), &code, json!({})).await.is(200);
            if round == 1 && n == 1 {
                let path = path(view, "rebuild");
                let cancel = server
                    .send(Method::DELETE, &root(), &path, Value::Null)
                    .await;
                // It may be over already.
                assert!([200, 409].contains(&cancel.status));
            }
        }
        ended(&server, view).await;
        let back = server
            .post(&root(), &path(name, "rollback"), json!({}))
            .await;
        assert!([200, 409].contains(&back.status), "{}", back.text);
        server
            .check_in(&stu(), &format!("R-{round}-0"), json!({}))
            .await
            .is(409);
    }
    let last = server.register(gathering, "LAST").await.offset();
    for mut stream in streams {
        let mut expected = from + 1;
        while expected <= last {
            let message = stream.next().await;
            match message["type"].as_str().unwrap() {
                "caught_up" | "heartbeat" => {}
                kind => {
                    assert_ne!(kind, "reset");
                    assert_eq!(message["offset"], expected, "{message}");
                    expected += 1;
                }
            }
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_compare_rebuild_and_go_back_over_http() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    server.register(gathering, "A-1").await;
    let unknown = server
        .post(&root(), &path("all", "rebuild"), json!({"dryrun": true}))
        .await;
    unknown.is(422);
    let nothing = server
        .post(&root(), &path("history", "rollback"), json!({}))
        .await;
    nothing.is_problem(409, "rebuild");
    server
        .post(&ann(), &path("history", "rollback"), json!({}))
        .await
        .is(403);
    server
        .post(&root(), &path("orders", "rollback"), json!({}))
        .await
        .is(404);
    let diff = json!({"diff": true});
    server
        .post(&root(), &path("all", "rebuild"), diff)
        .await
        .is(202);
    let compared = ended(&server, "all").await;
    assert_eq!(compared["differences"], 0, "{compared}");
    let views = compared["views"].as_array().unwrap();
    let views: Vec<_> = views
        .iter()
        .filter_map(|view| view["name"].as_str())
        .collect();
    assert_eq!(views, [&VIEWS[..], &["integrity"]].concat());
    let generation = async |view: &str| {
        let answer = server.get(&root(), "/api/admin/projections/").await;
        let results = answer.is(200)["results"].as_array().unwrap().clone();
        results.into_iter().find(|it| it["name"] == view).unwrap()
    };
    assert_eq!(generation("dashboard").await["generation"], 1);
    server
        .post(&root(), &path("dashboard", "rebuild"), json!({}))
        .await
        .is(202);
    let done = ended(&server, "dashboard").await;
    assert_eq!(
        (&done["state"], &done["processed"]),
        (&json!("done"), &done["total"])
    );
    let made = generation("dashboard").await;
    assert_eq!(
        (&made["generation"], &made["generation_before"]),
        (&json!(2), &json!(1))
    );
    assert!(made["built_at"].as_str().unwrap().ends_with('Z'), "{made}");
    let back = server
        .post(&root(), &path("dashboard", "rollback"), json!({}))
        .await;
    assert_eq!(back.is(200)["generation"], 1);
    let metrics = server.get(&root(), "/metrics").await.text;
    for line in [
        r#"doorbook_rebuild_state{view="dashboard",state="done"} 1"#,
        r#"doorbook_view_parked{view="participants"} 0"#,
        r#"doorbook_view_generation{view="dashboard"} 1"#,
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}\n{metrics}"
        );
    }
    server.stop().await;
}

/// People who have come, in two gatherings.
fn filled(client: &Client) -> Vec<String> {
    let gatherings: Vec<String> = ["One", "Two"]
        .map(|name| client.create_gathering(name))
        .into();
    for (number, gathering) in gatherings.iter().enumerate() {
        let lines: String = (0..PEOPLE / 2)
            .map(|n| {
                let person = json!({"first_name": "Ada", "last_name": "Visitor",
                    "email": "ada@example.org", "event_pax_id": format!("P{number}-{n}")});
                format!("{person}\n")
            })
            .collect();
        let imported = client.post_ndjson(&format!("/api/events/{gathering}/import/"), &lines);
        assert_eq!(imported.unwrap().json()["accepted"], PEOPLE / 2);
    }
    gatherings
}

fn doorbook(arguments: &[&str], data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_doorbook"))
        .args(arguments)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap()
}

#[track_caller]
fn exits(code: i32, arguments: &[&str], data: &Path) -> String {
    let output = doorbook(arguments, data);
    let said = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}: {said}{stderr}"
    );
    said
}

#[test]
fn a_process_that_is_killed_while_it_rebuilds_goes_on_and_its_views_are_those_of_a_fresh_fold() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let data = dir.path().join("data");
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut process = Process::start(&data);
    let gatherings = filled(&process.client());
    let mut kills = 0;
    let mut resumed = 0;
    // At least one of them in the middle of folding: the early ones are, unless all is over at once.
    while kills < KILLS || resumed == 0 {
        let client = process.client();
        let view = ["all", "participants"][usize::from(chance.bool())];
        let started = client
            .post(&path(view, "rebuild"), None, &json!({}))
            .unwrap();
        assert!([202, 409].contains(&started.status), "{}", started.text);
        client
            .register(&gatherings[0], &format!("K-{kills}"))
            .unwrap();
        let early = kills % 2 == 1;
        let enough = if early {
            1
        } else {
            chance.u64(0..=PEOPLE as u64)
        };
        let began = Instant::now();
        while let now = client.get(&path(view, "rebuild")).unwrap().json()
            && now["state"] == "running"
            && now["processed"].as_u64().unwrap() < enough
        {
            assert!(began.elapsed() < PATIENCE, "{now}");
        }
        process.kill();
        process = Process::start(&data);
        kills += 1;
        let reason = process.client().get(&path("participants", "rebuild"));
        resumed += u64::from(reason.unwrap().text.contains("\"resumed\""));
        assert!(kills < KILLS_MAX, "none of {kills} came while it folded");
    }
    let client = process.client();
    // What was under way goes on by itself; 409: nothing was.
    let began = Instant::now();
    while client
        .get(&path("all", "rebuild"))
        .unwrap()
        .text
        .contains("\"running\"")
    {
        assert!(began.elapsed() < PATIENCE);
    }
    process.kill();
    exits(0, &["verify"], &data);
    exits(0, &["rebuild-projection", "--all", "--diff"], &data);
    let gathering = &gatherings[0];
    let process = Process::start(&data);
    let seen = process
        .client()
        .get(&format!("/api/events/{gathering}/"))
        .unwrap()
        .json();
    assert_eq!(seen["participant_count"], PEOPLE as u64 / 2 + kills);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_begins_after_a_rebuild_is_told_what_it_has_mended_though_nothing_has_happened()
 {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({"name": "Gala"})).await;
    let mut list = "first_name,last_name,email,code\n".to_owned();
    for n in 0..400 {
        list += &format!("Ada,Visitor,ada@example.org,ROW-{n:03}\n");
    }
    let request = server
        .request(Method::POST, &format!("/api/events/{gathering}/import/"))
        .bearer_auth(&ann().0)
        .header("content-type", "text/csv");
    assert_eq!(answer(request.body(list)).await.is(200)["accepted"], 400);
    // It is loaded, and so it is saved.
    let visitor = "/api/events/participants/ROW-123";
    server.get(&root(), visitor).await.is(200);
    let place = gathering.to_string();
    let server = (server.restart_after(|data| {
        let participants = snapshot_of(data, &place, "participants");
        swap_in_snapshot(&participants, b"ROW-123", b"ROX-123");
        let dashboard = snapshot_of(data, "whole-log", "dashboard");
        swap_in_snapshot(&dashboard, b"Gala", b"Gola");
    }))
    .await;
    // Each stream is started twice, so that what it begins with is kept.
    for (code, name) in [
        ("ROX-123", "Gola"),
        ("ROX-123", "Gola"),
        ("ROW-123", "Gala"),
    ] {
        if name == "Gala" {
            let rebuild = path("all", "rebuild");
            server.post(&root(), &rebuild, json!({})).await.is(202);
            assert_eq!(ended(&server, "all").await["state"], "done");
        }
        let hello = async |stream: &str| {
            let path = format!("/ws/events/{stream}/");
            let asking = Asking::bearer(&root().0);
            let mut stream = connect(server.address, &path, &asking).await.unwrap().0;
            stream.expect("initial_data").await
        };
        let told = hello(&format!("checkin/{gathering}")).await;
        assert_eq!(told["participants"][123]["event_pax_id"], code);
        assert_eq!(hello("dashboard").await["events"][0]["name"], name);
    }
    server.stop().await;
}

#[test]
fn a_row_that_was_changed_on_the_disk_is_named_and_mended_from_the_command_line() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let data = dir.path().join("data");
    let process = Process::start(&data);
    let client = process.client();
    let gathering = client.create_gathering("Fair");
    let lines: String = (0..400)
        .map(|n| {
            let person = json!({"first_name": "Ada", "last_name": "Visitor",
                "email": "ada@example.org", "event_pax_id": format!("ROW-{n:03}")});
            format!("{person}\n")
        })
        .collect();
    let imported = client.post_ndjson(&format!("/api/events/{gathering}/import/"), &lines);
    assert_eq!(imported.unwrap().json()["accepted"], 400);
    process.kill();
    exits(
        1,
        &["rebuild-projection", "participants", "--rollback"],
        &data,
    );
    exits(0, &["rebuild-projection", "participants"], &data);
    let snapshot = snapshot_of(&data, &gathering, "participants");
    swap_in_snapshot(&snapshot, b"ROW-123", b"ROX-123");
    let found = exits(1, &["rebuild-projection", "participants", "--diff"], &data);
    assert_eq!(found.lines().count(), 1, "{found}");
    assert!(found.contains("differs in event_pax_id"), "{found}");
    assert!(!found.contains("ROX"), "{found}");
    exits(1, &["verify"], &data);
    exits(0, &["rebuild-projection", "--all", "--dry-run"], &data);
    exits(1, &["rebuild-projection", "participants", "--diff"], &data);
    exits(0, &["rebuild-projection", "participants"], &data);
    exits(0, &["rebuild-projection", "participants", "--diff"], &data);
    exits(0, &["verify"], &data);
    let projections = exits(0, &["projections", "--json"], &data);
    let status: Value = serde_json::from_str(projections.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&status["generation"], &status["generation_before"]),
        (&json!(3), &json!(2))
    );
    // Back to the one that was wrong: it was kept as it was.
    exits(
        0,
        &["rebuild-projection", "participants", "--rollback"],
        &data,
    );
    exits(1, &["rebuild-projection", "participants", "--diff"], &data);
}

fn snapshot_of(data: &Path, place: &str, view: &str) -> PathBuf {
    let files = fs::read_dir(data.join("snapshots").join(place)).unwrap();
    let mut found: Vec<PathBuf> = (files.map(|file| file.unwrap().path()))
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(view) && name.ends_with(".snap")
        })
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.pop().unwrap()
}

/// Changes a snapshot as somebody would who knows how its checksum is made.
fn swap_in_snapshot(path: &Path, from: &[u8], to: &[u8]) {
    /// Where the checksum of everything else stands.
    const CRC: std::ops::Range<usize> = 42..46;
    let mut bytes = fs::read(path).unwrap();
    let at = (bytes.windows(from.len()))
        .position(|window| window == from)
        .unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..CRC.start]), &bytes[CRC.end..]);
    bytes[CRC].copy_from_slice(&crc.to_le_bytes());
    fs::write(path, bytes).unwrap();
}
