//! Reading personal data leaves a record: who, what, whose and when, and never what it said. What cannot
//! be recorded is not given.

use doorbook::events::{
    event::{Accessed, ActorRole, Event},
    ids::GatheringId,
};
use serde_json::{Value, json};

use crate::{
    harness::{TestServer, ann, auditor, root, stu, sue, with_roles},
    stream_stage::{Asking, DASHBOARD, Stage, claims, path, ping, superuser, token, user},
};

async fn records(server: &TestServer) -> Vec<Value> {
    let history = server
        .get(
            &root(),
            "/api/history/?type=personal_data_accessed&limit=1000",
        )
        .await;
    history.is(200)["results"].as_array().unwrap().clone()
}

/// Who read what, whose.
fn summary(records: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("all").to_owned();
    (records.iter())
        .map(|record| {
            let (who, what) = (&record["actor"]["id"], &record["accessed"]["what"]);
            let whose = &record["event_pax_id"];
            format!("{} {} {}", text(who), text(what), text(whose))
        })
        .collect()
}

#[tokio::test]
async fn what_an_auditor_reads_is_in_the_history_once_per_visit() {
    let server = TestServer::start().await;
    let id = server.gathering(json!({})).await;
    server.register(id, "A-1").await;
    let before = server.register(id, "B-1").await.offset();
    let paths = [
        format!("/api/events/{id}/participants/?q=zoe"),
        format!("/api/events/{id}/participants/?q=secretsearch"),
        "/api/events/participants/A-1/".to_owned(),
        "/api/events/participants/B-1/".to_owned(),
        format!("/api/events/{id}/history/"),
        format!("/api/events/{id}/history/?participant=A-1"),
        format!("/api/events/{id}/history/?participant=Zoë"),
        "/api/history/".to_owned(),
        format!("/api/log/proof/{before}"),
    ];
    for _ in 0..3 {
        for path in &paths {
            server.get(&auditor(), path).await.is(200);
        }
    }
    let records = records(&server).await;
    assert_eq!(
        summary(&records),
        [
            "ada participants all",
            "ada participant A-1",
            "ada participant B-1",
            "ada history all",
            "ada history A-1",
            "ada history all",
            "ada log all",
        ]
    );
    for (nth, record) in records.iter().enumerate() {
        assert_eq!(record["offset"], before + 1 + nth as u64);
        assert_eq!(record["actor"]["role"], "auditor");
        assert!(record["recorded_at"].is_string());
        assert_eq!(record["outcome"], Value::Null);
        let text = record.to_string().to_lowercase();
        assert!(
            !text.contains("zo") && !text.contains("secretsearch"),
            "{text}"
        );
    }
    assert_eq!(records[0]["event_id"], id.to_string());
    assert_eq!(records[5]["event_id"], Value::Null);
    let restarted = server.restart().await;
    restarted.get(&auditor(), &paths[0]).await.is(200);
    assert_eq!(self::records(&restarted).await.len(), 8);
    restarted.stop().await;
}

#[tokio::test]
async fn staff_at_their_work_leave_no_record_and_whoever_exports_does() {
    let server = TestServer::start().await;
    let id = server.gathering(json!({})).await;
    server.register(id, "A-1").await;
    let working_auditor = with_roles("sue", &["auditor"]);
    for user in [root(), ann(), sue(), working_auditor] {
        server
            .get(&user, &format!("/api/events/{id}/participants/"))
            .await
            .is(200);
        server
            .get(&user, &format!("/api/events/{id}/history/"))
            .await
            .is(200);
        server
            .get(&user, "/api/events/participants/A-1/")
            .await
            .is(200);
    }
    server
        .get(&stu(), "/api/events/participants/A-1/")
        .await
        .is(200);
    assert_eq!(records(&server).await, [] as [Value; 0]);
    // A steward who is an auditor reads the history as the latter.
    let steward = with_roles("stu", &["auditor"]);
    server
        .get(&steward, &format!("/api/events/{id}/history/"))
        .await
        .is(200);
    for format in ["csv", "ndjson", "xlsx"] {
        let path = format!("/api/events/{id}/history/?participant=A-1&format={format}");
        server.get(&sue(), &path).await.is(200);
    }
    for _ in 0..2 {
        server
            .get(&ann(), "/api/events/participants/A-1/export/")
            .await
            .is(200);
        server.get(&root(), "/api/log/").await.is(200);
    }
    assert_eq!(
        summary(&records(&server).await),
        [
            "stu history all",
            "sue history_export A-1",
            "sue history_export A-1",
            "sue history_export A-1",
            "ann person_export A-1",
            "root log all",
            "ann person_export A-1",
        ]
    );
    server.stop().await;
}

#[tokio::test]
async fn the_house_is_no_gathering() {
    let server = TestServer::start().await;
    let id = server.gathering(json!({})).await;
    server.get(&auditor(), "/api/history/").await.is(200);
    let events = server.get(&root(), "/api/events/").await;
    assert_eq!(events.is(200)["results"].as_array().unwrap().len(), 1);
    let nil = "00000000-0000-0000-0000-000000000000";
    for path in ["", "history/", "participants/"] {
        let path = format!("/api/events/{nil}/{path}");
        server
            .get(&root(), &path)
            .await
            .is_problem(404, "unknown_event");
    }
    let server = server.restart().await;
    server
        .get(&root(), &format!("/api/events/{id}/"))
        .await
        .is(200);
    server
        .get(&with_roles("eve", &["auditor"]), "/api/history/")
        .await
        .is(200);
    let found = summary(&records(&server).await);
    assert_eq!(found, ["ada history all", "eve history all"]);
    server.stop().await;
}

#[tokio::test]
async fn whose_data_it_was_is_kept_by_id_or_code_of_those_registered_here_alone() {
    let server = TestServer::start().await;
    let id = server.gathering(json!({})).await;
    let other = server.gathering(json!({"name": "Other"})).await;
    let registered = server.register(id, "A-1").await;
    let person = registered.body["id"].as_str().unwrap().to_owned();
    server.register(other, "B-1").await;
    let scan = json!({"code": "B-1", "direction": "in", "scan_id": "s1"});
    let scan_path = format!("/api/events/{id}/scan/");
    let refused = server.post(&root(), &scan_path, scan).await;
    assert_eq!(refused.is(200)["code"], "wrong_event");
    // A restart: nothing is in memory but what the reads bring there.
    let server = server.restart().await;
    for whose in [&person, "A-1", "B-1", "nobody"] {
        let path = format!("/api/events/{id}/history/?format=csv&participant={whose}");
        server.get(&root(), &path).await.is(200);
    }
    let records = records(&server).await;
    assert_eq!(
        summary(&records),
        [
            "root history_export A-1",
            "root history_export A-1",
            "root history_export all",
            "root history_export all",
        ]
    );
    assert_eq!(records[0]["participant_id"], person.as_str());
    server.stop().await;
}

/// Who opened a live stream, as far as that is recorded.
fn streams_opened(stage: &Stage, gathering: GatheringId) -> Vec<String> {
    let events = stage.log.read(0, 1_000).unwrap();
    (events.iter())
        .filter(|recorded| recorded.gathering == gathering)
        .filter_map(|recorded| match &recorded.event {
            Event::PersonalDataAccessed(access) => {
                assert_eq!(access.what, Accessed::LiveStream);
                assert_eq!(recorded.actor.role, ActorRole::Auditor);
                Some(recorded.actor.id.to_string())
            }
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn an_auditor_s_live_stream_is_recorded_before_it_starts_and_nobody_is_told() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    let by = |token: &str| Asking::bearer(token);
    let mut desk = stage.connect_as(&path(gathering), &by(&user("ada"))).await;
    desk.expect("initial_data").await;
    let mut board = stage.connect_as(DASHBOARD, &by(&superuser())).await;
    board.expect("initial_data").await;
    assert_eq!(streams_opened(&stage, gathering), [] as [String; 0]);
    let auditor = by(&token(&claims("ann", &["auditor"])));
    for _ in 0..3 {
        let mut stream = stage.connect_as(&path(gathering), &auditor).await;
        stream.expect("initial_data").await;
        assert_eq!(streams_opened(&stage, gathering), ["ann"]);
    }
    stage.connect_as(DASHBOARD, &auditor).await;
    let other = by(&token(&claims("art", &["auditor"])));
    let mut stream = stage.connect_as(&path(gathering), &other).await;
    stream.expect("initial_data").await;
    assert_eq!(streams_opened(&stage, gathering), ["ann", "art"]);
    // What comes next comes next: there is nothing in between.
    let offset = stage.register(gathering, "A1").await;
    assert_eq!(
        desk.expect("participant_registered").await["offset"],
        offset
    );
    assert_eq!(board.expect("event_update").await["offset"], offset);
    assert_eq!(
        stream.expect("participant_registered").await["offset"],
        offset
    );
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_shown_to_an_auditor() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    stage.log.close().unwrap();
    let auditor = Asking::bearer(&token(&claims("ann", &["auditor"])));
    let refused = stage.try_connect(&path(gathering), &auditor).await;
    let (status, problem) = refused.err().unwrap();
    assert_eq!(
        (status, &problem["code"]),
        (503, &json!("access_not_recorded"))
    );
    let mut desk = stage
        .connect_as(&path(gathering), &Asking::bearer(&user("ada")))
        .await;
    desk.expect("initial_data").await;
    desk.send(ping(1)).await;
    desk.expect("pong").await;
}
