//! Clients that nobody here wrote follow the contract against a whole server: Python `websockets` and
//! `aiohttp`, npm `ws` and `eventsource`, `curl -N`, Chromium's own `WebSocket` and `EventSource`, and one
//! in the shape of the origin's. The scripts in `tests/clients/` say what they check; here they are only run.

use tokio::process::Command;

use crate::{
    harness::{TestServer, ann},
    story::{self, prepared, script, tell},
};

#[test]
fn npm_eventsource_and_curl_follow_the_event_streams() {
    tell(story::node("node/sse_node.mjs"));
}

#[test]
fn chromium_s_own_websocket_and_the_client_of_the_origin_work_by_cookie() {
    tell(story::node("node/natives_chromium.mjs"));
}

#[test]
fn chromium_s_own_eventsource_resumes_by_itself_by_cookie() {
    tell(story::node("node/eventsource_chromium.mjs"));
}

#[test]
fn the_client_of_the_origin_works_in_node_by_header_and_by_subprotocol() {
    tell(story::node("node/origin_node.mjs"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_aiohttp_follows_both_streams() {
    let mut client = Command::new(prepared("python/bin/python"));
    client.arg(script("python/aiohttp_client.py"));
    run(client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_websockets_follows_the_contract() {
    let python = prepared("python/bin/python");
    let mut client = Command::new(python);
    client.arg(script("python/client.py"));
    run(client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn npm_ws_follows_the_contract() {
    let modules = prepared("node/node_modules");
    let mut client = Command::new("node");
    client
        .env("NODE_PATH", modules)
        .arg(script("node/client.cjs"));
    run(client).await;
}

async fn run(mut client: Command) {
    let server = TestServer::start().await;
    let output = client
        .env("DOORBOOK_URL", format!("http://{}", server.address))
        .env("DOORBOOK_TOKEN", ann().0)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .kill_on_drop(true)
        .output()
        .await
        .unwrap_or_else(|error| panic!("the client does not start: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let reason = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{reason}\nuntil then:\n{said}");
    server.stop().await;
}
