//! The opening handshake, word by word (RFC 6455, section 4): what is taken, what is refused and with
//! which status, and bytes that come too early or make no sense.
//!
//! Who may open a stream is in `stream_permissions`, how many may be open in `stream_limits`.

use serde_json::json;

use crate::{
    harness::root,
    raw_stream::{FIN, Head, Heard, PING, Raw, frame, handshake, request},
    stream_cases::{DASHBOARD, House, ping},
};

type Fields = Vec<(&'static str, String)>;

/// A proper handshake with other values for some fields; no value takes the field away.
fn with(changes: &[(&'static str, Option<&str>)]) -> Fields {
    let mut fields = handshake(&root().0);
    for (name, value) in changes {
        fields.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
        fields.extend(value.map(|value| (*name, value.to_owned())));
    }
    fields
}

async fn ask(house: &House, method: &str, version: &str, fields: &Fields) -> (Head, Raw) {
    let request = request(method, DASHBOARD, version, fields);
    Raw::ask(house.server.address, request.as_bytes()).await
}

#[tokio::test]
async fn words_are_taken_in_any_case_and_among_others() {
    let house = House::open().await;
    for changes in [
        &[("Upgrade", Some("WebSocket"))][..],
        &[
            ("UPGRADE", Some("WEBSOCKET")),
            ("CONNECTION", Some("UPGRADE")),
        ],
        &[
            ("upgrade", Some("websocket")),
            ("connection", Some("upgrade")),
        ],
        &[("Connection", Some("keep-alive, Upgrade"))],
        &[("Connection", Some("Upgrade, keep-alive"))],
        &[("Connection", Some("  Keep-Alive  ,upgrade  "))],
        &[("Connection", Some("Upgrade,,"))],
        &[("Sec-WebSocket-Version", Some("  13  "))],
        // Neither is known here, and neither is promised.
        &[(
            "Sec-WebSocket-Extensions",
            Some("permessage-deflate; client_max_window_bits"),
        )],
        &[("Sec-WebSocket-Protocol", Some("chat, superchat"))],
        &[("Origin", None)],
        &[("Cookie", Some("theme=dark"))],
    ] {
        let (head, mut raw) = ask(&house, "GET", "HTTP/1.1", &with(changes)).await;
        head.assert_switched();
        assert_eq!(head.header("sec-websocket-protocol"), None, "{changes:?}");
        raw.expect("initial_data").await;
        raw.leave().await;
    }
    house.close().await;
}

#[tokio::test]
async fn the_key_is_answered_as_the_rule_says() {
    let house = House::open().await;
    // Computed elsewhere: base64(sha1(key + the GUID of RFC 6455)).
    for (key, accept) in [
        ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
        ("/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g="),
    ] {
        let fields = with(&[("Sec-WebSocket-Key", Some(key))]);
        let (head, mut raw) = ask(&house, "GET", "HTTP/1.1", &fields).await;
        assert_eq!(
            (head.status, head.header("sec-websocket-accept")),
            (101, Some(accept))
        );
        raw.expect("initial_data").await;
        raw.leave().await;
    }
    house.close().await;
}

#[tokio::test]
async fn what_is_no_handshake_is_refused_before_the_upgrade() {
    let house = House::open().await;
    for (changes, statuses) in [
        (&[("Upgrade", None)][..], &[400, 426][..]),
        (&[("Upgrade", Some("h2c"))], &[400, 426]),
        (&[("Upgrade", Some("websockets"))], &[400, 426]),
        (&[("Connection", None)], &[400, 426]),
        (&[("Connection", Some("close"))], &[400, 426]),
        (&[("Connection", Some("not-upgrade"))], &[400, 426]),
        (&[("Upgrade", None), ("Connection", None)], &[400, 426]),
        (&[("Sec-WebSocket-Key", None)], &[400, 426]),
        (&[("Sec-WebSocket-Version", None)], &[400, 426]),
        (&[("Authorization", None)], &[401]),
        (&[("Authorization", Some("Bearer nonsense"))], &[401]),
        (&[("Origin", Some("https://elsewhere.example"))], &[403]),
    ] {
        let (head, _raw) = ask(&house, "GET", "HTTP/1.1", &with(changes)).await;
        assert!(statuses.contains(&head.status), "{changes:?}: {head:?}");
        assert_eq!(head.header("sec-websocket-accept"), None);
        assert_eq!(
            head.header("content-type"),
            Some("application/problem+json")
        );
    }
    house.close().await;
}

#[tokio::test]
async fn other_methods_and_older_versions_of_http_open_no_stream() {
    let house = House::open().await;
    for (method, version, statuses) in [
        ("POST", "HTTP/1.1", &[405][..]),
        ("PUT", "HTTP/1.1", &[405]),
        ("OPTIONS", "HTTP/1.1", &[200, 204, 405]),
        ("HEAD", "HTTP/1.1", &[400, 405, 426]),
        ("GET", "HTTP/1.0", &[400, 426, 505]),
    ] {
        let mut fields = with(&[]);
        fields.push(("Content-Length", "0".to_owned()));
        let (head, _raw) = ask(&house, method, version, &fields).await;
        assert!(
            statuses.contains(&head.status),
            "{method} {version}: {head:?}"
        );
        assert_eq!(head.header("sec-websocket-accept"), None);
    }
    house.close().await;
}

#[tokio::test]
async fn frames_right_behind_the_request_are_not_lost() {
    let house = House::open().await;
    let request = request("GET", DASHBOARD, "HTTP/1.1", &with(&[]));
    let frames = [frame(FIN | PING, b"early"), ping("early")].concat();
    let all = [request.as_bytes(), &frames].concat();
    // In one segment, and in two that part somewhere behind the seam.
    for cut in request.len()..=all.len() {
        let (head, mut raw) = Raw::ask(house.server.address, &all[..cut]).await;
        head.assert_switched();
        raw.send(&all[cut..]).await;
        let mut hello = 0;
        let mut answers = Vec::new();
        while hello == 0 || answers.len() < 2 {
            match raw.next().await {
                Heard::Pong(payload) => answers.push(String::from_utf8(payload).unwrap()),
                Heard::Text(text) => {
                    let message: serde_json::Value = serde_json::from_str(&text).unwrap();
                    match message["type"].as_str() {
                        Some("initial_data") => hello += 1,
                        Some("pong") => answers.push(message["timestamp"].to_string()),
                        _ => panic!("{message}"),
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(
            (hello, answers),
            (1, vec!["early".to_owned(), json!("early").to_string()])
        );
        raw.leave().await;
    }
    house.close().await;
}

#[tokio::test]
async fn a_request_in_single_bytes_is_taken() {
    let house = House::open().await;
    let request = request("GET", DASHBOARD, "HTTP/1.1", &with(&[]));
    let (head, mut raw) = Raw::ask_in_single_bytes(house.server.address, request.as_bytes()).await;
    head.assert_switched();
    raw.expect("initial_data").await;
    raw.leave().await;
    house.close().await;
}

#[tokio::test]
async fn garbage_behind_the_upgrade_ends_the_stream() {
    let house = House::open().await;
    let get = request("GET", "/api/events/", "HTTP/1.1", &with(&[]));
    for garbage in [get.as_bytes(), b"\r\n\r\n", &[0xFF; 200], b"<html>"] {
        let all = [
            request("GET", DASHBOARD, "HTTP/1.1", &with(&[])).as_bytes(),
            garbage,
        ]
        .concat();
        let (head, mut raw) = Raw::ask(house.server.address, &all).await;
        head.assert_switched();
        let code = loop {
            match raw.next().await {
                Heard::Text(text) => assert!(text.contains("initial_data"), "{text}"),
                Heard::Close(Some((code, _))) => break code,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(code, 1002);
        house.stream(0).await.leave().await;
    }
    house.close().await;
}

#[tokio::test]
async fn a_request_that_breaks_off_takes_no_place() {
    let house = House::open().await;
    let request = request("GET", DASHBOARD, "HTTP/1.1", &with(&[]));
    for cut in [1, 4, request.len() / 2, request.len() - 1] {
        Raw::broken_off(house.server.address, &request.as_bytes()[..cut]).await;
    }
    // Gone before the answer was read.
    for _ in 0..20 {
        Raw::broken_off(house.server.address, request.as_bytes()).await;
    }
    house.stream(1).await.leave().await;
    house.close().await;
}

#[tokio::test]
async fn another_version_is_refused_with_the_one_that_is_spoken() {
    let house = House::open().await;
    for version in [
        "0", "7", "8", "12", "14", "255", "thirteen", "-13", "13.0", "",
    ] {
        let fields = with(&[("Sec-WebSocket-Version", Some(version))]);
        let (head, _raw) = ask(&house, "GET", "HTTP/1.1", &fields).await;
        assert_eq!(head.status, 426, "{version:?}: {head:?}");
        assert_eq!(head.header("upgrade"), Some("websocket"));
        assert_eq!(
            head.header("sec-websocket-version"),
            Some("13"),
            "{version:?}"
        );
    }
    house.close().await;
}

#[tokio::test]
async fn a_key_that_is_not_sixteen_bytes_in_base64_is_refused() {
    let house = House::open().await;
    for key in [
        "",
        "x",
        "not base64!",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZQ==",
        "dGhlIHNhbXBsZSBub25jZSBhbmQgbW9yZQ==",
        "dGhl IHNhbXBsZSBub25jZQ==",
    ] {
        let fields = with(&[("Sec-WebSocket-Key", Some(key))]);
        let (head, _raw) = ask(&house, "GET", "HTTP/1.1", &fields).await;
        assert!([400, 426].contains(&head.status), "{key:?}: {head:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_request_that_names_no_host_is_refused() {
    let house = House::open().await;
    let (head, _raw) = ask(&house, "GET", "HTTP/1.1", &with(&[("Host", None)])).await;
    assert_eq!(head.status, 400, "{head:?}");
    house.close().await;
}
