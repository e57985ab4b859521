//! What a stop looks like from outside: readiness goes first, every stream is sent away with 1012, and
//! every command is either answered or has never been heard of.
//!
//! That a client's cursor is good afterwards is in `stream_server`.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::future::join_all;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::{
    harness::{TestServer, ann, root},
    raw_stream::{Heard, Raw},
    stream_cases::DASHBOARD,
};

/// Streams of each kind that are open when the server stops.
const STREAMS: usize = 20;

async fn streams(server: &TestServer, paths: &[&str]) -> Vec<Raw> {
    let mut open = Vec::new();
    for _ in 0..STREAMS {
        for path in paths {
            let mut raw = Raw::open(server.address, path, &root().0).await;
            raw.expect("initial_data").await;
            open.push(raw);
        }
    }
    open
}

/// Reads to the end, which must be 1012 and an orderly goodbye.
async fn assert_sent_away(mut raw: Raw) {
    loop {
        match raw.next().await {
            Heard::Text(_) => {}
            Heard::Close(Some((code, reason))) => {
                assert_eq!(code, 1012);
                assert!(!reason.is_empty());
                break;
            }
            other => panic!("wanted 1012, got {other:?}"),
        }
    }
    assert_eq!(raw.next().await, Heard::End);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_first_says_not_ready_then_sends_everybody_away_and_answers_what_is_in_flight() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    // Two requests that have begun: one that only asks, and a command whose body is still to come.
    let (mut probe, mut command) = (
        Raw::connect(server.address).await,
        Raw::connect(server.address).await,
    );
    probe.send(b"GET /readyz HTTP/1.1\r\n").await;
    let body = json!({"first_name": "Zo", "last_name": "E", "email": "zo@example.org", "event_pax_id": "IN-FLIGHT"}).to_string();
    let head = format!(
        "POST /api/events/{gathering}/register/ HTTP/1.1\r\nHost: doorbook.example.org\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        ann().0,
        body.len()
    );
    command.send(head.as_bytes()).await;
    assert_eq!(command.head().await.status, 100, "the body is asked for");
    // The connections are accepted in order, so the probe's has been when these are open.
    let checkin = format!("/ws/events/checkin/{gathering}/");
    let mut open = streams(&server, &[&checkin, DASHBOARD]).await;
    let mut first = open.remove(0);
    let others = tokio::spawn(join_all(open.into_iter().map(assert_sent_away)));
    let stopping = tokio::spawn(server.restart());
    let heard = first.next().await;
    assert!(matches!(heard, Heard::Close(Some((1012, _)))), "{heard:?}");
    probe.send(b"Host: doorbook.example.org\r\n\r\n").await;
    assert_eq!(probe.head().await.status, 503);
    command.send(body.as_bytes()).await;
    assert_eq!(command.head().await.status, 201);
    assert_eq!(others.await.unwrap().len(), 2 * STREAMS - 1);
    let server = stopping.await.unwrap();
    let kept = server
        .get(&ann(), "/api/events/participants/IN-FLIGHT/")
        .await;
    kept.is(200);
    server.stop().await;
}

/// Commands as fast as they are answered, until one is not: its code, and those that were.
async fn register_until_the_end(
    url: String,
    who: usize,
    answered: Arc<AtomicUsize>,
) -> (Vec<String>, String) {
    let client = Client::builder().no_proxy().build().unwrap();
    let mut done = Vec::new();
    for n in 0.. {
        let code = format!("T-{who}-{n}");
        let body = json!({"first_name": "Zoë", "last_name": "E", "email": "zoe@example.org", "event_pax_id": code});
        let request = client.post(&url).bearer_auth(ann().0).json(&body);
        match request.send().await {
            Ok(answer) if answer.status() == 201 => {
                // The whole answer is to arrive, not its beginning.
                let registered: Value = answer.json().await.unwrap();
                assert_eq!(registered["event_pax_id"], code);
                answered.fetch_add(1, Ordering::Relaxed);
                done.push(code);
            }
            Ok(answer) => {
                assert_eq!(answer.status(), 503);
                return (done, code);
            }
            Err(_) => return (done, code),
        }
    }
    unreachable!("the server stops before the numbers end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_at_the_moment_of_the_stop_is_answered_or_has_not_happened() {
    let mut server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    for round in 0..3 {
        let answered = Arc::new(AtomicUsize::new(0));
        let url = format!("http://{}/api/events/{gathering}/register/", server.address);
        let clients: Vec<_> = (0..16)
            .map(|n| {
                let (url, answered) = (url.clone(), Arc::clone(&answered));
                tokio::spawn(register_until_the_end(url, 100 * round + n, answered))
            })
            .collect();
        while answered.load(Ordering::Relaxed) < 100 {
            tokio::task::yield_now().await;
        }
        server = server.restart().await;
        for client in clients {
            let (done, unanswered) = client.await.unwrap();
            for code in done {
                exists(&server, &code, 200).await;
            }
            exists(&server, &unanswered, 404).await;
        }
    }
    server.stop().await;
}

async fn exists(server: &TestServer, code: &str, status: u16) {
    let path = format!("/api/events/participants/{code}/");
    let found = server.send(Method::GET, &ann(), &path, Value::Null).await;
    assert_eq!(found.status, status, "{code}: {}", found.text);
}
