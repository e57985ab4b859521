//! The document that describes the API, as it lies in the repository: the pages' types are made from it.
//! What it says of each route is tested in `http_door`, and by `make schemathesis`.

use std::{collections::HashSet, env, fs, path::Path};

use reqwest::Method;

use crate::harness::{TestServer, answer};

/// The variable that writes the file anew instead.
const UPDATE: &str = "DOORBOOK_UPDATE";

#[tokio::test]
async fn the_document_in_the_repository_is_the_one_that_is_served() {
    let server = TestServer::start().await;
    let document = answer(server.request(Method::GET, "/openapi.json")).await;
    document.is(200);
    let served = format!("{}\n", document.text.trim_end());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/openapi.json");
    if env::var_os(UPDATE).is_some() {
        fs::write(&file, &served).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let differs = (served.lines().zip(committed.lines()))
        .position(|(served, committed)| served != committed)
        .unwrap_or_else(|| served.lines().count().min(committed.lines().count()));
    assert!(
        served == committed,
        "web/openapi.json is not what is served, from line {} on: run `{UPDATE}=1 cargo test --test it openapi`, then `npm run api` in web/, and commit both",
        differs + 1
    );
    server.stop().await;
}

/// Programs that are made from the document name their functions by them.
#[tokio::test]
async fn no_two_operations_have_the_same_id() {
    let server = TestServer::start().await;
    let document = answer(server.request(Method::GET, "/openapi.json")).await;
    let paths = document.is(200)["paths"].as_object().unwrap();
    let mut seen = HashSet::new();
    for (path, item) in paths {
        for operation in item.as_object().unwrap().values() {
            if let Some(id) = operation["operationId"].as_str() {
                assert!(seen.insert(id), "{path}: {id}");
            }
        }
    }
    assert!(seen.len() > 40);
    server.stop().await;
}
