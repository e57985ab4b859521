//! What every request meets: error form, request ids, slashes, limits, sessions, health, the document.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Answer, TestServer, ann, answer, auditor, root, stu};

async fn raw(server: &TestServer, body: &'static str, kind: &str) -> Answer {
    let request = server
        .request(Method::POST, "/api/events/")
        .bearer_auth(ann().0);
    answer(request.header("Content-Type", kind).body(body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_is_a_problem() {
    let server = TestServer::start().await;
    server
        .get(&ann(), "/nowhere")
        .await
        .is_problem(404, "not_found");
    server
        .get(&ann(), "/api/events/not-a-uuid/")
        .await
        .is_problem(404, "unknown_event");
    server
        .get(&ann(), "/api/events/participants/%ff/")
        .await
        .is_problem(404, "unknown_code");
    let delete = server
        .send(Method::DELETE, &ann(), "/api/events/", Value::Null)
        .await;
    delete.is_problem(405, "method_not_allowed");
    assert!(
        delete
            .header("allow")
            .is_some_and(|allow| allow.contains("POST")),
        "{:?}",
        delete.headers
    );
    raw(&server, "{", "application/json")
        .await
        .is_problem(400, "invalid_json");
    raw(&server, "\"x\"", "application/json")
        .await
        .is_problem(422, "invalid_field");
    raw(&server, "{}", "text/plain")
        .await
        .is_problem(415, "unsupported_media_type");
    let unknown = raw(
        &server,
        r#"{"colour": 1}"#,
        "application/json; charset=utf-8",
    )
    .await;
    unknown.is_problem(422, "unknown_field");
    assert_eq!(unknown.body["field"], "colour");
    let big = json!({"name": "x".repeat(1024 * 1024 + 1)});
    server
        .post(&ann(), "/api/events/", big)
        .await
        .is_problem(413, "body_too_large");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_to_a_command_says_where_the_log_stood() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let head = server.register(gala, "A1").await.offset();
    let person = json!({"first_name": "Bo", "event_pax_id": "A1"});
    let register = format!("/api/events/{gala}/register/");
    let undo = "/api/events/participants/A1/undo/";
    for (answer, status) in [
        (server.post(&ann(), &register, person.clone()).await, 409),
        (server.post(&stu(), &register, person).await, 403),
        (server.post(&ann(), &register, json!({"x": 1})).await, 422),
        (server.post(&ann(), undo, Value::Null).await, 409),
        (server.check_in(&stu(), "nobody", Value::Null).await, 404),
    ] {
        assert_eq!((answer.status, answer.offset()), (status, head));
    }
    let stranger = server.request(Method::POST, &register).json(&json!({}));
    let stranger = answer(stranger).await;
    stranger.is_problem(401, "token_missing");
    let read = server.get(&ann(), "/api/events/").await;
    for other in [stranger, read] {
        assert_eq!(other.header("x-offset"), None);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_would_have_to_be_unpacked_is_refused() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    for (path, kind) in [
        ("/api/events/".to_owned(), "application/json"),
        (format!("/api/events/{gala}/import/"), "text/csv"),
    ] {
        let request = server.request(Method::POST, &path).bearer_auth(ann().0);
        let request = request.header("Content-Type", kind);
        let packed = request.header("Content-Encoding", "gzip").body("\u{1f}x");
        answer(packed).await.is_problem(415, "unsupported_encoding");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_work_with_and_without_their_slash() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    server.register(gala, "A1").await;
    for path in [
        "/api/events".to_owned(),
        format!("/api/events/{gala}"),
        "/api/events/participants/A1".to_owned(),
        "/healthz".to_owned(),
    ] {
        let without = server.get(&ann(), &path).await;
        let with = server.get(&ann(), &format!("{path}/")).await;
        assert_eq!(without.is(200), with.is(200));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_carries_the_requests_id() {
    let server = TestServer::start().await;
    let with = |id: &str| {
        answer(
            server
                .request(Method::GET, "/healthz")
                .header("X-Request-Id", id),
        )
    };
    assert_eq!(
        with("abc-123").await.header("x-request-id"),
        Some("abc-123")
    );
    assert_ne!(
        with("has space").await.header("x-request-id"),
        Some("has space")
    );
    assert_eq!(
        with(&"x".repeat(65))
            .await
            .header("x-request-id")
            .unwrap()
            .len(),
        36
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_waits_for_the_offset_it_asks_for() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let registered = server.register(gala, "A1").await;
    let read = |offset: &str| {
        let request = server
            .request(Method::GET, "/api/events/participants/A1/")
            .bearer_auth(ann().0);
        answer(request.header("X-Min-Offset", offset))
    };
    read(&registered.offset().to_string()).await.is(200);
    let ahead = read("1000").await;
    ahead.is_problem(503, "view_behind");
    assert!(ahead.header("retry-after").is_some());
    for wrong in ["soon", "-1", "+1", "1.5", ""] {
        read(wrong).await.is_problem(422, "invalid_field");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_cookie_signs_in_but_not_other_sites() {
    let server = TestServer::start_with(|config| {
        config.allowed_origins = vec!["https://desk.example".to_owned()]
    })
    .await;
    let signed_in = server.post(&ann(), "/api/session/", Value::Null).await;
    assert_eq!(signed_in.is(200)["sub"], "ann");
    let cookie = signed_in.header("set-cookie").unwrap();
    for part in [
        "doorbook_session=",
        "HttpOnly",
        "SameSite=Strict",
        "Path=/",
        "Max-Age=",
    ] {
        assert!(cookie.contains(part), "{part}");
    }
    assert!(!cookie.contains("Secure"), "the page did not come by https");
    let https = server
        .request(Method::POST, "/api/session/")
        .header("Origin", "https://desk.example");
    let https = answer(https.json(&json!({"token": ann().0}))).await;
    https.is(200);
    assert!(https.header("set-cookie").unwrap().contains("Secure"));

    let pair = cookie.split(';').next().unwrap();
    let with_cookie = |method, path: &str| server.request(method, path).header("Cookie", pair);
    answer(with_cookie(Method::GET, "/api/events/"))
        .await
        .is(200);
    let create = || {
        with_cookie(Method::POST, "/api/events/")
            .json(&json!({"name": "G", "start_date": "2026-05-01T18:00:00Z"}))
    };
    // No browser at all: a script that keeps cookies.
    answer(create()).await.is(201);
    answer(create().header("Origin", "null"))
        .await
        .is_problem(403, "cross_site");
    answer(create().header("Origin", "https://evil.example"))
        .await
        .is_problem(403, "cross_site");
    answer(create().header("Sec-Fetch-Site", "cross-site"))
        .await
        .is_problem(403, "cross_site");
    answer(create().header("Sec-Fetch-Site", "same-origin"))
        .await
        .is(201);
    answer(create().header("Origin", format!("http://{}", server.address)))
        .await
        .is(201);
    answer(create().header("Origin", "https://desk.example"))
        .await
        .is(201);

    let foreign = server
        .request(Method::POST, "/api/session/")
        .header("Origin", "https://evil.example");
    answer(foreign.json(&json!({"token": ann().0})))
        .await
        .is_problem(403, "cross_site");
    let out = answer(server.request(Method::DELETE, "/api/session/")).await;
    out.is(204);
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    answer(server.request(Method::POST, "/api/session/"))
        .await
        .is_problem(401, "token_missing");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_health_metrics_and_rebuilds() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    server.register(gala, "A1").await;
    server.check_in(&stu(), "A1", Value::Null).await.is(200);
    server.check_in(&stu(), "A1", Value::Null).await.is(409);
    assert_eq!(
        answer(server.request(Method::GET, "/healthz"))
            .await
            .is(200),
        &json!({"status": "ok"})
    );
    assert_eq!(
        answer(server.request(Method::GET, "/readyz")).await.is(200),
        &json!({"status": "ready"})
    );
    answer(server.request(Method::GET, "/metrics"))
        .await
        .is_problem(401, "token_missing");
    let metrics = server.get(&auditor(), "/metrics").await;
    metrics.is(200);
    for line in [
        "doorbook_commands_total{outcome=\"accepted\"} 5",
        "doorbook_commands_total{outcome=\"scan_refused\"} 1",
        "doorbook_log_head 6",
        "doorbook_log_writable 1",
        "doorbook_projection_lag_events{projection=\"participants\"} 0",
        "doorbook_requests_total{route=\"/api/events/participants/{event_pax_id}/check-in\",status=\"409\"} 1",
    ] {
        assert!(
            metrics.text.contains(line),
            "{line} is not in\n{}",
            metrics.text
        );
    }
    for secret in [gala.to_string().as_str(), "Zoë", "A1", "zoe@"] {
        assert!(!metrics.text.contains(secret), "{secret}");
    }

    let projections = server.get(&root(), "/api/admin/projections/").await;
    assert!(projections.is(200)["results"].as_array().unwrap().len() >= 3);
    let rebuild = "/api/admin/projections/participants/rebuild/";
    server
        .send(Method::POST, &root(), rebuild, Value::Null)
        .await
        .is(202);
    server.get(&root(), rebuild).await.is(200);
    server
        .get(&root(), "/api/admin/projections/nothing/rebuild/")
        .await
        .is_problem(404, "unknown_projection");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_describes_every_route() {
    let server = TestServer::start().await;
    let document = answer(server.request(Method::GET, "/openapi.json")).await;
    let document = document.is(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for path in [
        "/api/events",
        "/api/events/{event_id}",
        "/api/events/{event_id}/service-team/{user_id}",
        "/api/events/{event_id}/register",
        "/api/events/{event_id}/import",
        "/api/events/{event_id}/scan",
        "/api/events/{event_id}/participants",
        "/api/events/{event_id}/history",
        "/api/events/participants/{event_pax_id}",
        "/api/events/participants/{event_pax_id}/check-in",
        "/api/events/participants/{event_pax_id}/check-out",
        "/api/events/participants/{event_pax_id}/undo",
        "/api/events/participants/{event_pax_id}/cancel",
        "/api/history",
        "/api/log",
        "/api/admin/projections",
        "/api/admin/projections/{name}/rebuild",
        "/api/session",
        "/healthz",
        "/readyz",
        "/metrics",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    every_reference_leads_somewhere(document, document);
    let words = &document["components"]["schemas"]["Reentry"]["enum"];
    assert_eq!(
        words,
        &json!(["after_check_out", "never"]),
        "as requests and answers have them"
    );
    let page = answer(server.request(Method::GET, "/docs/")).await;
    page.is(200);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    answer(server.request(Method::GET, "/docs")).await.is(200);
    answer(server.request(Method::GET, "/docs/swagger-ui.css"))
        .await
        .is(200);
    answer(server.request(Method::GET, "/docs/nothing.js"))
        .await
        .is_problem(404, "not_found");
    server.stop().await;
}

fn every_reference_leads_somewhere(document: &Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                let pointer = reference.trim_start_matches('#');
                assert!(
                    document.pointer(pointer).is_some(),
                    "{reference} leads nowhere"
                );
            }
            fields
                .values()
                .for_each(|field| every_reference_leads_somewhere(document, field));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| every_reference_leads_somewhere(document, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_have_limits_and_slow_headers_end() {
    let server = TestServer::start_with(|config| {
        config.limits.connections_per_address = 2;
        config.limits.header_timeout = Duration::from_secs(1);
    })
    .await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    let mut second = TcpStream::connect(server.address).await.unwrap();
    for stream in [&mut first, &mut second] {
        let request = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
    }
    let mut third = TcpStream::connect(server.address).await.unwrap();
    let mut answer = String::new();
    third.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 429 ") && answer.contains("retry-after: 5"),
        "{answer}"
    );
    assert!(answer.contains("\"code\":\"too_many_connections\""));

    first
        .write_all(b"GET /healthz HTTP/1.1\r\nx-slow: ")
        .await
        .unwrap();
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).await.unwrap();
    let rest = String::from_utf8(rest).unwrap();
    assert!(
        rest.is_empty() || rest.starts_with("HTTP/1.1 408"),
        "{rest}"
    );
    drop(second);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_arrive_is_given_up() {
    let server =
        TestServer::start_with(|config| config.limits.body_timeout = Duration::from_secs(1)).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /api/events/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{",
        ann().0
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_the_same_data_is_told_who_holds_it() {
    let server = TestServer::start().await;
    let second = doorbook::server::Server::open(server.config.clone()).await;
    let error = second
        .err()
        .expect("one process per data directory")
        .to_string();
    assert!(error.contains("in use"), "{error}");
    let taken = doorbook::server::listen(server.address).expect_err("one listener per port");
    assert!(taken.to_string().contains("cannot listen"), "{taken}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_is_answered_before_the_server_stops() {
    let server = TestServer::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let body = r#"{"name": "Gala", "start_date": "2026-05-01T18:00:00Z"}"#;
    let head = format!(
        "POST /api/events/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        ann().0,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server has begun with the request once it asks for the body.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100 "));
    let stopping = tokio::spawn(server.stop());
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    stopping.await.unwrap();
}
