//! Who is signed in, by header and by cookie, and the links that sign in once. Tickets for streams are in
//! `stream_tickets`, what a cookie may from other sites in `http_door`.

use doorbook::events::event::DoorRole;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{TestServer, User, ann, answer, at_door, auditor, bob, root};

const SESSION: &str = "/api/session/";

#[tokio::test]
async fn whoever_is_signed_in_can_ask_who_they_are() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let steward = at_door("north", gala, DoorRole::Steward);
    for (user, sub, roles) in [
        (root(), "root", json!(["superuser"])),
        (ann(), "ann", json!(["creator"])),
        (auditor(), "ada", json!(["auditor"])),
        (bob(), "bob", json!([])),
        (steward, "north", json!([])),
    ] {
        let signed_in = server.post(&user, SESSION, Value::Null).await;
        let by_header = server.get(&user, SESSION).await;
        let cookie = signed_in.header("set-cookie").unwrap();
        let pair = cookie.split(';').next().unwrap();
        let by_cookie = server.request(Method::GET, SESSION).header("cookie", pair);
        let by_cookie = answer(by_cookie).await;
        let who = signed_in.is(200);
        assert_eq!((&who["sub"], &who["roles"]), (&json!(sub), &roles));
        for asked in [by_header, by_cookie] {
            assert_eq!(asked.is(200), who);
            assert_eq!(asked.header("cache-control"), Some("no-store"));
            assert_eq!(asked.header("set-cookie"), None);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn nobody_is_signed_in_without_a_good_token() {
    let server = TestServer::start().await;
    let nobody = answer(server.request(Method::GET, SESSION)).await;
    nobody.is_problem(401, "token_missing");
    assert_eq!(nobody.header("cache-control"), Some("no-store"));
    let stale = server
        .request(Method::GET, SESSION)
        .header("cookie", "doorbook_session=x.y.z");
    answer(stale).await.is_problem(401, "token_invalid");
    let wrong = server.get(&User("x.y.z".to_owned()), SESSION).await;
    wrong.is_problem(401, "token_invalid");
    server.stop().await;
}
