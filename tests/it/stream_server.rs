//! The streams in the whole server: behind its real listener, on a log on disk, over a restart.

use serde_json::{Value, json};

use crate::{
    harness::{TestServer, User, ann, bob, root, stu, sue},
    stream_stage::{Asking, Client, connect},
};

async fn stream(server: &TestServer, user: &User, path: &str) -> Client {
    let opened = connect(server.address, path, &Asking::bearer(&user.0)).await;
    opened.map_err(|refusal| format!("{refusal:?}")).unwrap().0
}

#[tokio::test]
async fn both_endpoints_answer_with_and_without_the_slash() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    for path in [
        format!("/ws/events/checkin/{gathering}/"),
        format!("/ws/events/checkin/{gathering}"),
        "/ws/events/dashboard/?from=earliest".to_owned(),
        "/ws/events/dashboard".to_owned(),
    ] {
        let mut client = stream(&server, &stu(), &path).await;
        assert!(client.next().await["type"].is_string());
    }
    let path = format!("/ws/events/checkin/{gathering}/");
    let refused = connect(server.address, &path, &Asking::bearer(&bob().0)).await;
    assert_eq!(refused.err().unwrap().0, 404);
    server.stop().await;
}

#[tokio::test]
async fn streams_are_counted() {
    let server = TestServer::start().await;
    let mut client = stream(&server, &root(), "/ws/events/dashboard").await;
    client.expect("initial_data").await;
    client.send_text("x").await;
    client.expect("error").await;
    let counted = async |line: &str| {
        let metrics = server.get(&root(), "/metrics").await;
        assert!(
            metrics.text.lines().any(|found| found == line),
            "{}",
            metrics.text
        );
    };
    counted(r#"doorbook_stream_connections{stream="dashboard"} 1"#).await;
    counted(r#"doorbook_stream_messages_sent_total{stream="dashboard"} 2"#).await;
    client.send_text("x".repeat(8_192)).await;
    assert_eq!(client.closed().await, Some(1009));
    counted(r#"doorbook_stream_closes_total{code="1009"} 1"#).await;
    let mut late = stream(&server, &root(), "/ws/events/dashboard/?from=99999").await;
    late.expect("reset").await;
    late.expect("initial_data").await;
    late.expect("caught_up").await;
    counted(r#"doorbook_stream_resets_total{reason="ahead"} 1"#).await;
    server.gathering(json!({})).await;
    late.expect("event_update").await;
    counted(r#"doorbook_stream_delivery_seconds_count{stream="dashboard"} 1"#).await;
    counted("doorbook_stream_readers_behind 0").await;
    counted("doorbook_stream_furthest_behind_offsets 0").await;
    let bytes = server.get(&root(), "/metrics").await.text;
    let sent = (bytes.lines())
        .find_map(|line| {
            line.strip_prefix(r#"doorbook_stream_bytes_sent_total{stream="dashboard"} "#)
        })
        .and_then(|bytes| bytes.parse::<u64>().ok());
    assert!(sent > Some(500), "{bytes}");
    server.stop().await;
}

#[tokio::test]
async fn a_plain_request_is_told_to_upgrade() {
    let server = TestServer::start().await;
    let answer = server.get(&root(), "/ws/events/dashboard/").await;
    answer.is_problem(426, "upgrade_required");
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    server.stop().await;
}

#[tokio::test]
async fn the_stream_shows_what_the_answer_to_the_command_shows() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({"capacity": 9})).await;
    server.register(gathering, "T-1").await;
    let path = format!("/ws/events/checkin/{gathering}/");
    let mut client = stream(&server, &stu(), &path).await;
    client.expect("initial_data").await;
    let shown = |message: &Value, answer: &Value| {
        for field in ["participant", "action", "timestamp", "offset"] {
            assert_eq!(message[field], answer[field], "{field}: {message} {answer}");
        }
    };
    let body = json!({"gate": "North", "scan_id": "one"});
    let answer = server.check_in(&stu(), "T-1", body).await;
    let message = client.expect("checkin_update").await;
    shown(&message, answer.is(200));
    assert_eq!(message["occupancy"], answer.body["occupancy"]);
    assert_eq!(message["warnings"], answer.body["warnings"]);
    let answer = server
        .check_in(&stu(), "T-1", json!({"gate": "South"}))
        .await;
    let message = client.expect("scan_refused").await;
    shown(&message, answer.is(409));
    assert_eq!(message["code"], answer.body["code"]);
    assert_eq!(message["previous"], answer.body["previous"]);
    // One whose answer has warnings: offline facts with a gap between them, and an override.
    let path = format!("/api/events/{gathering}/scan/");
    for (n, more) in [
        json!({"mode": "offline_fact", "device": "d", "device_seq": 1}),
        json!({"mode": "offline_fact", "device": "d", "device_seq": 5}),
        json!({"override": {"reason": "the list is wrong"}}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut scan = json!({"code": "T-1", "direction": "in", "scan_id": format!("scan-{n}")});
        scan.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let answer = server.post(&sue(), &path, scan).await;
        let message = client.expect("checkin_update").await;
        shown(&message, answer.is(200));
        assert!(!message["warnings"].as_array().unwrap().is_empty());
        assert_eq!(message["warnings"], answer.body["warnings"]);
    }
    server.stop().await;
}

#[tokio::test]
async fn the_event_of_the_stream_is_the_event_of_the_api() {
    let server = TestServer::start().await;
    let gathering = server
        .gathering(json!({"capacity": 9, "opens_at": "2026-05-01T17:00:00Z"}))
        .await;
    let path = format!("/ws/events/checkin/{gathering}/");
    let hello = stream(&server, &sue(), &path)
        .await
        .expect("initial_data")
        .await;
    let got = server
        .get(&sue(), &format!("/api/events/{gathering}/"))
        .await;
    // What a caller is there is theirs alone; a stream's messages are shared.
    let mut event = got.is(200).clone();
    let your_role = event.as_object_mut().unwrap().remove("your_role");
    assert_eq!(your_role, Some(json!("supervisor")));
    assert_eq!(hello["event"], event);
    let hello = stream(&server, &sue(), "/ws/events/dashboard")
        .await
        .expect("initial_data")
        .await;
    assert_eq!(hello["events"], json!([event]));
    server.stop().await;
}

#[tokio::test]
async fn a_restart_sends_clients_away_and_their_cursor_is_good_afterwards() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    for n in 0..5 {
        server.register(gathering, &format!("T-{n}")).await;
    }
    let path = format!("/ws/events/checkin/{gathering}/");
    let mut client = stream(&server, &ann(), &path).await;
    let cursor = client.expect("initial_data").await["cursor"].clone();
    let cursor = cursor.as_str().unwrap();
    let mut live = Vec::new();
    for n in 0..5 {
        server
            .check_in(&stu(), &format!("T-{n}"), json!({}))
            .await
            .is(200);
        live.push(client.next().await);
    }
    let (server, code) = tokio::join!(server.restart(), client.closed());
    assert_eq!(code, Some(1012));
    let mut again = stream(&server, &ann(), &format!("{path}?from={cursor}")).await;
    let mut replayed = again.until("caught_up").await;
    replayed.pop();
    assert_eq!(replayed, live);
    server.check_out(&stu(), "T-0", json!({})).await.is(200);
    again.expect("checkout_update").await;
    server.stop().await;
}

#[tokio::test]
async fn as_many_streams_open_as_the_settings_say() {
    let server = TestServer::start_with(|config| {
        config.limits.streams = 2;
        config.limits.streams_per_caller = 1;
    })
    .await;
    let refusal = async |user: &User| {
        let asking = Asking::bearer(&user.0);
        let opened = connect(server.address, "/ws/events/dashboard", &asking).await;
        opened.err().map(|(status, ..)| status)
    };
    let first = stream(&server, &root(), "/ws/events/dashboard").await;
    assert_eq!(refusal(&root()).await, Some(429));
    let second = stream(&server, &ann(), "/ws/events/dashboard").await;
    assert_eq!(refusal(&sue()).await, Some(429));
    drop((first, second));
    server.stop().await;
}

#[tokio::test]
async fn a_stream_keeps_its_connection_s_place_until_it_ends() {
    let server = TestServer::start_with(|config| config.limits.connections_per_address = 2).await;
    let place = async || {
        let asking = Asking::bearer(&root().0);
        let opened = connect(server.address, "/ws/events/dashboard", &asking).await;
        opened
            .map(|(client, ..)| client)
            .map_err(|(status, ..)| status)
    };
    let first = place().await.unwrap();
    let second = place().await.unwrap();
    assert_eq!(place().await.err(), Some(429));
    drop(first);
    // The place comes back when the server has seen the client go.
    let third = loop {
        match place().await {
            Ok(client) => break client,
            Err(status) => assert_eq!(status, 429),
        }
    };
    drop((second, third));
    server.stop().await;
}
