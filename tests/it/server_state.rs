//! What an operator is told of the server itself.

use doorbook::{events::time::Timestamp, http::pages};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    harness::{TestServer, ann, answer, auditor, root},
    stream_stage::{Asking, DASHBOARD, connect},
};

const STATE: &str = "/api/admin/server/";

#[tokio::test]
async fn operators_are_told_how_the_server_is() {
    let before = Timestamp::now();
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let offset = server.register(gala, "A1").await.offset();
    let asking = Asking::bearer(&root().0);
    let (mut stream, _) = connect(server.address, DASHBOARD, &asking)
        .await
        .ok()
        .unwrap();
    stream.expect("initial_data").await;
    let state = server.get(&root(), STATE).await;
    let state = state.is(200);
    assert_eq!(state["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(state["head"], offset);
    assert_eq!(state["epoch"].as_str().map(str::len), Some(36));
    let started_at = Timestamp::parse(state["started_at"].as_str().unwrap()).unwrap();
    assert!((before..=Timestamp::now()).contains(&started_at));
    assert_eq!(
        (&state["writable"], &state["queued"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(state["not_ready"], json!([]));
    assert_eq!(state["pages_built"], pages::built());
    let data = &state["data"];
    assert_eq!(data["name"], "data");
    let bytes = |name: &str| data[name].as_u64().unwrap();
    assert!(bytes("log_bytes") > 0 && bytes("log_bytes") <= bytes("data_bytes"));
    assert!(bytes("disk_free_bytes") > 0);
    let connections = &state["connections"];
    assert_eq!(connections["streams"], 1);
    assert!(connections["open"].as_u64().unwrap() >= 2);
    assert_eq!(
        (&connections["refused"], &connections["streams_behind"]),
        (&json!(0), &json!(0))
    );
    let text = state.to_string();
    for private in ["A1", "ann", server.config.data_dir.to_str().unwrap()] {
        assert!(!text.contains(private), "{private}: {text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn nobody_but_a_superuser_is_told() {
    let server = TestServer::start().await;
    for user in [ann(), auditor()] {
        server.get(&user, STATE).await.is_problem(403, "forbidden");
    }
    answer(server.request(Method::GET, STATE))
        .await
        .is_problem(401, "token_missing");
    let wrong = server.post(&root(), STATE, Value::Null).await;
    wrong.is_problem(405, "method_not_allowed");
    server.stop().await;
}
