//! Attendee lists over HTTP: every fixture loads as it is, once.

use std::{fs, path::Path};

use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, TestServer, ann, answer, stu};

async fn import(server: &TestServer, path: &str, kind: &str, list: Vec<u8>) -> Answer {
    let request = server.request(Method::POST, path).bearer_auth(ann().0);
    answer(request.header("Content-Type", kind).body(list)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_known_export_loads_without_a_mapping_and_adds_nothing_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/imports");
    let mut lists = 0;
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let kind = match file.extension().and_then(|it| it.to_str()) {
            Some("ndjson") => "application/x-ndjson",
            Some("csv" | "txt") => "text/csv; charset=utf-8",
            _ => continue,
        };
        // Codes are unique in a log, and the lists share some.
        let server = TestServer::start().await;
        loads_once(&server, kind, &fs::read(&file).unwrap(), &file).await;
        server.stop().await;
        lists += 1;
    }
    assert!(lists >= 4);
}

async fn loads_once(server: &TestServer, kind: &str, list: &[u8], file: &Path) {
    let gala = server.gathering(json!({})).await;
    let path = format!("/api/events/{gala}/import/");
    let file = file.display();
    let dry = import(server, &format!("{path}?dry_run=1"), kind, list.to_vec()).await;
    let first = import(server, &path, kind, list.to_vec()).await;
    for field in ["accepted", "rejected"] {
        assert_eq!(first.is(200)[field], dry.is(200)[field], "{file}");
    }
    let accepted = first.body["accepted"].as_u64().unwrap();
    assert!(accepted > 0, "{file}: {}", first.text);
    let shown = server.get(&ann(), &format!("/api/events/{gala}/")).await;
    assert_eq!(shown.is(200)["participant_count"], accepted, "{file}");
    let again = import(server, &path, kind, list.to_vec()).await;
    assert_eq!(again.is(200)["accepted"], 0, "{file}");
    assert_eq!(again.body["unchanged"], accepted, "{file}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_lines_land_beside_bad_ones() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let path = format!("/api/events/{gala}/import/");
    let list = "first_name,last_name,email,code\nAna,Ruiz,ana@example.org,C1\nBo,Li,nonsense,C2\nCy,Ng,,C1\nDi,Oz,,C3\n";
    let report = import(&server, &path, "text/csv", list.into()).await;
    assert_eq!(report.is(200)["accepted"], 2);
    let rejected = report.body["rejected"].as_array().unwrap();
    let lines: Vec<_> = rejected
        .iter()
        .map(|it| (it["line"].as_u64().unwrap(), it["code"].as_str().unwrap()))
        .collect();
    assert_eq!(lines, [(3, "invalid_field"), (4, "code_taken")]);
    assert!(
        !report.text.contains("nonsense"),
        "values are never repeated"
    );
    assert!(report.offset() > 0);
    server
        .get(&stu(), "/api/events/participants/C3/")
        .await
        .is(200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_list_is_refused() {
    let server = TestServer::start_with(|config| config.limits.import_bytes = 4096).await;
    let gala = server.gathering(json!({})).await;
    let path = format!("/api/events/{gala}/import/");
    import(&server, &path, "application/pdf", b"x".to_vec())
        .await
        .is_problem(415, "unsupported_media_type");
    import(&server, &path, "text/csv", Vec::new())
        .await
        .is_problem(422, "unreadable_list");
    import(&server, &path, "text/csv", b"a,b\n1,2\n".to_vec())
        .await
        .is_problem(422, "unreadable_list");
    import(&server, &path, "text/csv", vec![b'x'; 5000])
        .await
        .is_problem(413, "body_too_large");
    let odd = format!("{path}?dry_run=perhaps");
    import(&server, &odd, "text/csv", b"name\nAna\n".to_vec())
        .await
        .is_problem(422, "invalid_field");
    server.stop().await;
}
