//! Clients that nobody here wrote (Python `websockets`, npm `ws`) follow the contract against a
//! whole server. The scripts in `tests/clients/` say what they check; here they are only run.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::harness::{TestServer, ann};

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

fn script(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(path)
}

/// What `tests/clients/prepare.sh` put beside the build.
fn prepared(path: &str) -> PathBuf {
    // CARGO_TARGET_TMPDIR is <target>/tmp.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let path = target.join("clients").join(path);
    assert!(
        path.exists(),
        "{} is missing: run tests/clients/prepare.sh first (needs python3 and npm)",
        path.display()
    );
    path
}
