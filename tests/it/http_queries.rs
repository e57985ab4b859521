//! What a query may ask: a question that would not be answered as asked is refused by name.

use serde_json::json;

use crate::harness::{TestServer, ann};

#[tokio::test]
async fn a_query_parameter_that_would_be_ignored_is_refused() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    let path = format!("/api/events/{gathering}");
    for (query, code) in [
        ("/?at=1", "unknown_parameter"),
        ("/participants/?at=1", "unknown_parameter"),
        ("/history/?as_of=1", "unknown_parameter"),
        ("/history/?kind=scan_refused", "unknown_parameter"),
        ("/history/?type=nope", "invalid_field"),
    ] {
        let answer = server.get(&ann(), &format!("{path}{query}")).await;
        answer.is_problem(422, code);
    }
    for kind in doorbook::events::event::Event::TYPE_NAMES {
        let answer = server
            .get(&ann(), &format!("{path}/history/?type={kind}"))
            .await;
        assert_eq!(answer.status, 200, "{kind}");
        let results = answer.body["results"].as_array().unwrap();
        assert!(results.iter().all(|entry| entry["type"] == kind));
        assert!(kind != "gathering_created" || results.len() == 1);
    }
    server.stop().await;
}
