//! One-time tickets: good for one connect of whoever asked for them, within 30 s, and in no log line.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use doorbook::{auth::Claims, events::time::Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    harness::{TestServer, User, ann, answer, bob, root, stu, sue, token},
    stream_stage::{Asking, Client, DASHBOARD, connect},
};

const TICKET: &str = "/api/session/ticket/";

async fn ticket(server: &TestServer, user: &User) -> String {
    let issued = server.post(user, TICKET, Value::Null).await;
    issued.is(201)["ticket"].as_str().unwrap().to_owned()
}

fn with_ticket(path: &str, ticket: &str) -> String {
    format!("{path}?ticket={ticket}")
}

async fn try_ticket(server: &TestServer, path: &str, ticket: &str) -> Result<Client, (u16, Value)> {
    let path = with_ticket(path, ticket);
    let opened = connect(server.address, &path, &Asking::nothing()).await;
    opened.map(|(client, _)| client)
}

#[track_caller]
fn refused(outcome: Result<Client, (u16, Value)>, status: u16, code: &str) {
    let Err((found, problem)) = outcome else {
        panic!("let in instead of {status} {code}");
    };
    assert_eq!((found, &problem["code"]), (status, &json!(code)));
    assert!(problem["detail"].as_str().is_some_and(|it| !it.is_empty()));
}

#[tokio::test]
async fn a_ticket_opens_one_stream_for_whoever_asked_for_it() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let checkin = format!("/ws/events/checkin/{gala}/");
    for path in [checkin.as_str(), DASHBOARD, "/ws/events/dashboard/"] {
        let before = Timestamp::now();
        let issued = server.post(&stu(), TICKET, Value::Null).await;
        let body = issued.is(201);
        let expires_at = Timestamp::parse(body["expires_at"].as_str().unwrap()).unwrap();
        let latest = Timestamp::now().plus_seconds(30);
        assert!((before.plus_seconds(30)..=latest).contains(&expires_at));
        let ticket = body["ticket"].as_str().unwrap();
        assert!(ticket.len() >= 32 && ticket.bytes().all(|it| it.is_ascii_alphanumeric()));
        let mut client = try_ticket(&server, path, ticket).await.ok().unwrap();
        client.expect("initial_data").await;
        refused(
            try_ticket(&server, path, ticket).await,
            401,
            "ticket_invalid",
        );
    }
    for strange in ["", "x", &"0".repeat(48)] {
        refused(
            try_ticket(&server, DASHBOARD, strange).await,
            401,
            "ticket_invalid",
        );
    }
    let of_bob = ticket(&server, &bob()).await;
    refused(
        try_ticket(&server, &checkin, &of_bob).await,
        404,
        "unknown_event",
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_connects_with_the_same_ticket_at_once_one_is_let_in() {
    let server = TestServer::start().await;
    for _ in 0..10 {
        let ticket = ticket(&server, &ann()).await;
        let racing = (0..8).map(|_| try_ticket(&server, DASHBOARD, &ticket));
        let (let_in, others): (Vec<_>, Vec<_>) = futures_util::future::join_all(racing)
            .await
            .into_iter()
            .partition(Result::is_ok);
        assert_eq!(let_in.len(), 1);
        for other in others {
            refused(other, 401, "ticket_invalid");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn an_expired_ticket_is_refused() {
    let server = TestServer::start_with(|config| config.limits.ticket_life = Duration::ZERO).await;
    let ticket = ticket(&server, &ann()).await;
    refused(
        try_ticket(&server, DASHBOARD, &ticket).await,
        401,
        "ticket_invalid",
    );
    server.stop().await;
}

#[tokio::test]
async fn a_restart_forgets_every_ticket() {
    let server = TestServer::start().await;
    let ticket = ticket(&server, &ann()).await;
    let server = server.restart().await;
    refused(
        try_ticket(&server, DASHBOARD, &ticket).await,
        401,
        "ticket_invalid",
    );
    server.stop().await;
}

/// Nobody waits longer than the five seconds that clocks may differ by.
#[tokio::test]
async fn a_ticket_does_not_outlive_its_token() {
    let server = TestServer::start().await;
    let nearly_over = token(&Claims::new("ann", Timestamp::now().plus_seconds(-2)));
    let first = ticket(&server, &nearly_over).await;
    let second = ticket(&server, &nearly_over).await;
    let mut client = try_ticket(&server, DASHBOARD, &first).await.ok().unwrap();
    client.until("auth_expiring").await;
    assert_eq!(client.closed().await, Some(4401));
    refused(
        try_ticket(&server, DASHBOARD, &second).await,
        401,
        "token_expired",
    );
    server.stop().await;
}

#[tokio::test]
async fn a_ticket_is_the_last_identity_that_is_looked_at() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let checkin = format!("/ws/events/checkin/{gala}/");
    let of_bob = ticket(&server, &bob()).await;
    let asking = Asking::bearer(&sue().0);
    let path = with_ticket(&checkin, &of_bob);
    let (mut client, _) = connect(server.address, &path, &asking).await.ok().unwrap();
    client.expect("initial_data").await;
    // Nobody looked at it, so it is still good.
    let mut client = try_ticket(&server, DASHBOARD, &of_bob).await.ok().unwrap();
    client.expect("initial_data").await;

    let of_sue = ticket(&server, &sue()).await;
    let path = with_ticket(&checkin, &of_sue);
    let stale = Asking::nothing()
        .with("origin", format!("http://{}", server.address))
        .with("cookie", "doorbook_session=x.y.z");
    let (mut client, _) = connect(server.address, &path, &stale).await.ok().unwrap();
    client.expect("initial_data").await;
    let twice = connect(server.address, &path, &stale).await;
    refused(twice.map(|(client, _)| client), 401, "ticket_invalid");

    let foreign = Asking::nothing().with("origin", "https://elsewhere.example");
    let of_sue = ticket(&server, &sue()).await;
    let path = with_ticket(&checkin, &of_sue);
    let page = connect(server.address, &path, &foreign).await;
    refused(page.map(|(client, _)| client), 403, "origin_not_allowed");
    assert!(try_ticket(&server, &checkin, &of_sue).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn a_ticket_that_was_shown_is_used_up_whatever_became_of_it() {
    let server = TestServer::start().await;
    let shown = ticket(&server, &ann()).await;
    let nowhere = "/ws/events/checkin/0190c9a2-7c8e-7d31-b1b5-3f7a2f7d9e10/";
    refused(
        try_ticket(&server, nowhere, &shown).await,
        404,
        "unknown_event",
    );
    refused(
        try_ticket(&server, DASHBOARD, &shown).await,
        401,
        "ticket_invalid",
    );
    let twice = ticket(&server, &ann()).await;
    let path = format!("{DASHBOARD}?ticket={twice}&ticket={twice}");
    let both = connect(server.address, &path, &Asking::nothing()).await;
    refused(both.map(|(client, _)| client), 401, "ticket_invalid");
    server.stop().await;
}

#[tokio::test]
async fn tickets_are_for_the_signed_in_and_a_cookie_alone_is_no_foreign_pages_way_to_one() {
    let server = TestServer::start().await;
    answer(server.request(Method::POST, TICKET))
        .await
        .is_problem(401, "token_missing");
    let by_cookie = |origin: &str| {
        server
            .request(Method::POST, TICKET)
            .header("cookie", format!("doorbook_session={}", ann().0))
            .header("origin", origin)
    };
    let own = format!("http://{}", server.address);
    let issued = answer(by_cookie(&own)).await;
    assert!(issued.is(201)["ticket"].is_string());
    assert_eq!(issued.header("cache-control"), Some("no-store"));
    answer(by_cookie("https://elsewhere.example"))
        .await
        .is_problem(403, "cross_site");
    server.stop().await;
}

/// Everything that is logged on this thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// On one thread, so that the subscriber of this thread hears the whole server.
#[tokio::test(flavor = "current_thread")]
async fn no_log_line_holds_a_ticket_or_a_token() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let tokens = format!("/api/events/{gala}/door-tokens/");
    let expires_at = Timestamp::now().plus_seconds(600).to_string();
    let body = json!({"name": "North", "door_role": "steward", "expires_at": expires_at});
    let minted = server.post(&ann(), &tokens, body).await;
    let door = minted.is(201)["token"].as_str().unwrap().to_owned();
    let ticket = ticket(&server, &root()).await;
    assert!(try_ticket(&server, DASHBOARD, &ticket).await.is_ok());
    refused(
        try_ticket(&server, DASHBOARD, &ticket).await,
        401,
        "ticket_invalid",
    );
    server.get(&User(door.clone()), &tokens).await.is(403);
    server.stop().await;
    drop(guard);
    let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(
        lines.contains("the log is open"),
        "the server is heard here"
    );
    for secret in [ticket, door, root().0] {
        assert!(!lines.contains(&secret), "{lines}");
    }
}
