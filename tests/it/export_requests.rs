//! Asking for a history as a file: in which form, by whom, what is refused, and what becomes of clients that do
//! not read what they asked for.

use doorbook::events::log::Log;
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
};

use crate::{
    exports::{COLUMNS, Table, XLSX, get, history},
    harness::{TestServer, ann, answer, auditor, bob, root, stu, sue},
    log_history,
};

/// More than the server and both kernels hold of an answer that nobody reads.
const LARGE_EVENTS: usize = 12_000;

#[tokio::test]
async fn a_form_is_agreed_on_by_name_or_by_accept_and_what_does_not_fit_is_refused() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    for path in [
        history(gathering),
        history(gathering).trim_end_matches('/').to_owned(),
        "/api/history/".to_owned(),
    ] {
        for (accept, kind) in [
            ("*/*", "application/json"),
            ("text/csv", "text/csv"),
            (
                "text/html, application/x-ndjson;q=0.5",
                "application/x-ndjson",
            ),
            (XLSX, XLSX),
        ] {
            let request = server.request(Method::GET, &path).header("accept", accept);
            let answered = answer(request.bearer_auth(&auditor().0)).await;
            assert_eq!(answered.status, 200, "{accept}");
            assert!(
                answered.header("content-type").unwrap().starts_with(kind),
                "{accept}"
            );
        }
        let request = server
            .request(Method::GET, &path)
            .header("accept", "text/html");
        answer(request.bearer_auth(&auditor().0))
            .await
            .is_problem(406, "not_acceptable");
    }
    for query in [
        &[("format", "csv"), ("columns", "gate,nope")][..],
        &[("format", "csv"), ("columns", "gate,gate")],
        &[("format", "csv"), ("tz", "Mars/Olympus")],
        &[("format", "ndjson"), ("tz", "Europe/Berlin")],
        &[("format", "xlsx"), ("bom", "true")],
        &[("format", "xlsx"), ("trailer", "false")],
        &[("format", "csv"), ("limit", "0")],
        &[("columns", "gate")],
        &[("format", "pdf")],
    ] {
        let refused = get(&server, &auditor(), &history(gathering), query).await;
        refused.is_problem(422, "invalid_field");
    }
    let refused = get(
        &server,
        &auditor(),
        &history(gathering),
        &[("format", "csv"), ("columns", "x")],
    )
    .await;
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(
        COLUMNS.iter().all(|(name, _)| detail.contains(name)),
        "{detail}"
    );

    for (user, here, everywhere) in [
        (root(), 200, 200),
        (auditor(), 200, 200),
        (ann(), 200, 403),
        (sue(), 200, 403),
        (stu(), 403, 403),
        (bob(), 404, 403),
    ] {
        for format in ["csv", "xlsx", "ndjson"] {
            let answered = get(&server, &user, &history(gathering), &[("format", format)]).await;
            assert_eq!(answered.status, here);
            let answered = get(&server, &user, "/api/history/", &[("format", format)]).await;
            assert_eq!(answered.status, everywhere);
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_take_no_more_than_their_places_and_give_them_back_when_they_go() {
    let server = TestServer::start_with(|config| {
        let (log, _) = Log::open(&config.data_dir).unwrap();
        tokio::task::block_in_place(|| {
            log_history::write_history(&log, LARGE_EVENTS);
            log.close().unwrap();
        });
    })
    .await;
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let socket = TcpSocket::new_v4().unwrap();
        // So that the kernel on this side holds little of it.
        socket.set_recv_buffer_size(4_096).unwrap();
        let mut stream = socket.connect(server.address).await.unwrap();
        let request = format!(
            "GET /api/history/?format=ndjson HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
            root().0
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        waiting.push(stream);
    }
    let refused = get(&server, &root(), "/api/history/", &[("format", "csv")]).await;
    refused.is_problem(503, "busy");
    assert!(refused.header("retry-after").is_some());
    let page = get(&server, &root(), "/api/history/", &[("gate", "Tür 3")]).await;
    assert_eq!(
        page.is(200)["results"].as_array().unwrap().len(),
        100,
        "pages are served meanwhile"
    );
    drop(waiting);
    let whole = loop {
        let again = get(&server, &root(), "/api/history/", &[("format", "csv")]).await;
        if again.status == 200 {
            break Table::of(&again.text);
        }
        again.is_problem(503, "busy");
    };
    // Beside the events the records of those who asked for files before.
    assert!(whole.rows.len() > LARGE_EVENTS);
    assert_eq!(whole.checkpoint().size, whole.rows.len() as u64);
    server.stop().await;
}
