//! Server-sent events: the same messages as the WebSocket's, with the cursor as `id:`. What other
//! people's clients make of it is in `interop`.

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::{
    harness::{TestServer, User, ann, answer, bob, root, stu},
    stream_stage::{Asking, connect},
};

/// Reads events off an open answer.
struct Events {
    response: Response,
    text: String,
}

#[derive(Debug, PartialEq)]
struct Event {
    id: Option<String>,
    kind: String,
    data: Value,
}

impl Events {
    async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self {
            response,
            text: String::new(),
        }
    }

    async fn of(server: &TestServer, user: &User, path: &str) -> Self {
        let request = server.request(reqwest::Method::GET, path);
        Self::open(request.bearer_auth(&user.0)).await
    }

    async fn after(server: &TestServer, user: &User, path: &str, id: &str) -> Self {
        let request = server.request(reqwest::Method::GET, path);
        Self::open(request.bearer_auth(&user.0).header("last-event-id", id)).await
    }

    /// None when the server has ended it.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                self.text = rest.to_owned();
                if let Some(event) = event {
                    return Some(event);
                }
                continue;
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn expect(&mut self, kind: &str) -> Event {
        let event = self.next().await.expect("an event");
        assert_eq!(event.kind, kind, "{event:?}");
        assert_eq!(event.data["type"], kind);
        event
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let lines = block.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(field, _)| *field == name);
        let value = values.next().map(|(_, value)| value.to_owned());
        assert!(values.next().is_none(), "{name} twice: {block}");
        value
    };
    if let Some(retry) = field("retry") {
        assert_eq!(retry, "2000");
        return None;
    }
    Some(Event {
        id: field("id"),
        kind: field("event").unwrap(),
        data: serde_json::from_str(&field("data").unwrap()).unwrap(),
    })
}

fn path(gathering: impl std::fmt::Display) -> String {
    format!("/api/events/{gathering}/stream")
}

#[tokio::test]
async fn the_same_messages_as_on_the_websocket_each_with_its_cursor() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    server.register(gathering, "T-1").await;
    let mut events = Events::of(&server, &stu(), &path(gathering)).await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(events.response.headers()[name], value);
    }
    let socket = format!("/ws/events/checkin/{gathering}/");
    let opened = connect(server.address, &socket, &Asking::bearer(&stu().0)).await;
    let mut client = opened.map_err(|refusal| format!("{refusal:?}")).unwrap().0;
    let first = events.expect("initial_data").await;
    assert_eq!(first.data, client.expect("initial_data").await);
    assert_eq!(first.id.as_deref(), first.data["cursor"].as_str());
    let (epoch, _) = first.id.as_deref().unwrap().split_once(':').unwrap();
    server.check_in(&stu(), "T-1", json!({})).await.is(200);
    server.check_in(&stu(), "T-1", json!({})).await.is(409);
    server.check_out(&stu(), "T-1", json!({})).await.is(200);
    for kind in ["checkin_update", "scan_refused", "checkout_update"] {
        let event = events.expect(kind).await;
        assert_eq!(event.data, client.expect(kind).await);
        assert_eq!(event.id, Some(format!("{epoch}:{}", event.data["offset"])));
    }
    server.stop().await;
}

#[tokio::test]
async fn the_last_event_id_resumes_with_nothing_missing_and_nothing_twice_after_a_restart_too() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    let mut events = Events::of(&server, &ann(), &path(gathering)).await;
    events.expect("initial_data").await;
    let mut live = Vec::new();
    for n in 0..6 {
        server.register(gathering, &format!("T-{n}")).await;
        live.push(events.expect("participant_registered").await);
    }
    let (server, ended) = tokio::join!(server.restart(), events.next());
    assert_eq!(ended, None, "a stopping server ends the stream");
    let seen = live[2].id.as_deref().unwrap();
    let mut again = Events::after(&server, &ann(), &path(gathering), seen).await;
    for event in &live[3..] {
        assert_eq!(again.next().await.as_ref(), Some(event));
    }
    let caught_up = again.expect("caught_up").await;
    assert_eq!(caught_up.id, live[5].id);
    server.register(gathering, "T-6").await;
    again.expect("participant_registered").await;
    // `?from=` means the same; what a browser remembers is newer than what its address says.
    let from = format!("{}?from=earliest", path(gathering));
    let mut newer = Events::after(&server, &ann(), &from, seen).await;
    assert_eq!(newer.next().await.as_ref(), Some(&live[3]));
    drop((again, newer));
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_resumed_starts_from_a_snapshot_with_the_reason() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    for (id, reason) in [
        ("0123456789abcdef0123456789abcdef:4", "log_changed"),
        ("4000", "ahead"),
    ] {
        let mut events = Events::after(&server, &ann(), &path(gathering), id).await;
        let reset = events.expect("reset").await;
        assert_eq!((reset.id, &reset.data["reason"]), (None, &json!(reason)));
        events.expect("initial_data").await;
        events.expect("caught_up").await;
    }
    let request = server.request(reqwest::Method::GET, &path(gathering));
    let malformed = request
        .bearer_auth(&ann().0)
        .header("last-event-id", "yesterday");
    assert_eq!(answer(malformed).await.status, 422);
    let from = format!("{}?from=yesterday", path(gathering));
    assert_eq!(server.get(&ann(), &from).await.status, 422);
    server.stop().await;
}

#[tokio::test]
async fn a_dashboard_streams_what_its_caller_may_see() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    let mut all = Events::of(&server, &root(), "/api/events/stream/").await;
    let mut none = Events::of(&server, &bob(), "/api/events/stream").await;
    let shown = all.expect("initial_data").await;
    assert_eq!(shown.data["events"][0]["id"], gathering.to_string());
    let empty = none.expect("initial_data").await;
    assert_eq!(empty.data["events"], json!([]));
    let offset = server.register(gathering, "T-1").await.offset();
    let update = all.expect("event_update").await;
    assert_eq!(update.data["offset"], offset);
    let own = json!({"name": "Bob's", "start_date": "2026-05-01T18:00:00Z"});
    let bob_too = crate::harness::with_roles("bob", &["creator"]);
    let created = server.post(&bob_too, "/api/events/", own).await;
    let update = none.expect("event_update").await;
    assert_eq!(update.data["event_id"], created.is(201)["id"]);
    server.stop().await;
}

#[tokio::test]
async fn nobody_listens_without_a_right_to() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    let get = |path: &str| server.request(reqwest::Method::GET, path);
    let of_gathering = path(gathering);
    for path in ["/api/events/stream", &of_gathering] {
        assert_eq!(answer(get(path)).await.status, 401);
        let token_in_url = format!("{path}?token={}", root().0);
        assert_eq!(answer(get(&token_in_url)).await.status, 401);
    }
    assert_eq!(server.get(&bob(), &of_gathering).await.status, 404);
    let cookie = format!("doorbook_session={}", ann().0);
    let foreign = get(&of_gathering)
        .header("cookie", &cookie)
        .header("origin", "https://elsewhere.example");
    assert_eq!(answer(foreign).await.status, 403);
    let own = format!("http://{}", server.address);
    let request = get(&of_gathering)
        .header("cookie", cookie)
        .header("origin", &own);
    let mut events = Events::open(request).await;
    let headers = events.response.headers();
    assert_eq!(headers["access-control-allow-origin"], own.as_str());
    assert_eq!(headers["access-control-allow-credentials"], "true");
    events.expect("initial_data").await;
    server.stop().await;
}

#[tokio::test]
async fn who_leaves_the_team_hears_no_more() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    let mut events = Events::of(&server, &stu(), &path(gathering)).await;
    events.expect("initial_data").await;
    let member = format!("/api/events/{gathering}/service-team/stu/");
    let removed = server
        .send(reqwest::Method::DELETE, &ann(), &member, Value::Null)
        .await;
    removed.is(204);
    server.register(gathering, "T-1").await;
    assert_eq!(events.next().await, None);
    server.stop().await;
}
