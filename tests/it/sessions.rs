//! Who is signed in, by header and by cookie, and the links that sign in once. Tickets for streams are in
//! `stream_tickets`, what a cookie may from other sites in `http_door`.

use doorbook::{
    auth::Claims,
    events::{event::DoorRole, time::Timestamp},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::{Evening, Serving, doorbook, said};
use crate::harness::{
    Answer, TestServer, User, ann, answer, at_door, auditor, bob, root, stu, token,
};

const SESSION: &str = "/api/session/";
const LINK: &str = "/api/session/link/";

async fn link(server: &TestServer, user: &User, body: Value) -> String {
    let issued = server.post(user, LINK, body).await;
    issued.is(201)["link"].as_str().unwrap().to_owned()
}

async fn follow(server: &TestServer, link: &str) -> Answer {
    let own = format!("http://{}", server.address);
    let request = server.request(Method::POST, SESSION).header("origin", own);
    answer(request.json(&json!({"link": link}))).await
}

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

#[tokio::test]
async fn a_link_signs_in_once_whoever_asked_for_it() {
    let server = TestServer::start().await;
    let before = Timestamp::now();
    let issued = server.post(&ann(), LINK, Value::Null).await;
    let body = issued.is(201);
    assert_eq!(issued.header("cache-control"), Some("no-store"));
    let expires_at = Timestamp::parse(body["expires_at"].as_str().unwrap()).unwrap();
    let latest = Timestamp::now().plus_seconds(600);
    assert!((before.plus_seconds(600)..=latest).contains(&expires_at));
    let code = body["link"].as_str().unwrap();
    assert!(
        code.len() >= 22
            && code
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
    );

    let signed_in = follow(&server, code).await;
    assert_eq!(signed_in.is(200)["sub"], "ann");
    let cookie = signed_in.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
    let pair = cookie.split(';').next().unwrap();
    let who = server.request(Method::GET, SESSION).header("cookie", pair);
    assert_eq!(answer(who).await.is(200)["sub"], "ann");

    let again = follow(&server, code).await;
    again.is_problem(401, "link_invalid");
    assert_eq!(again.header("set-cookie"), None);
    assert!(again.body["detail"].as_str().unwrap().contains("ask"));
    for strange in ["", "x", &"0".repeat(10_000)] {
        follow(&server, strange)
            .await
            .is_problem(401, "link_invalid");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_link_hands_on_a_door_token_and_no_token_that_is_not_good() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let tokens = format!("/api/events/{gala}/door-tokens/");
    let expires_at = Timestamp::now().plus_seconds(600).to_string();
    let body = json!({"name": "North", "door_role": "steward", "expires_at": expires_at});
    let minted = server.post(&ann(), &tokens, body).await;
    let (door, jti) = (&minted.is(201)["token"], &minted.body["jti"]);
    let first = link(&server, &ann(), json!({"token": door})).await;
    let second = link(&server, &ann(), json!({"token": door})).await;
    let who = follow(&server, &first).await;
    assert_eq!(who.is(200)["door_role"], "steward");
    assert_eq!(who.body["event_id"], json!(gala));
    let revoked = format!("{tokens}{}/", jti.as_str().unwrap());
    let revoked = server
        .send(Method::DELETE, &ann(), &revoked, Value::Null)
        .await;
    revoked.is(204);
    follow(&server, &second)
        .await
        .is_problem(401, "token_revoked");
    for bad in [door.clone(), json!("x.y.z"), json!("")] {
        let refused = server.post(&ann(), LINK, json!({"token": bad})).await;
        refused.is_problem(422, "invalid_field");
        assert_eq!(refused.body["field"], "token");
    }
    server.stop().await;
}

#[tokio::test]
async fn only_superusers_have_links_that_last() {
    let server = TestServer::start().await;
    for asked in [json!({"uses": 2}), json!({"minutes": 11})] {
        for user in [ann(), stu(), auditor(), bob()] {
            server
                .post(&user, LINK, asked.clone())
                .await
                .is_problem(403, "forbidden");
        }
    }
    let modest = json!({"uses": 1, "minutes": 10});
    server.post(&bob(), LINK, modest).await.is(201);
    for (field, wrong) in [
        ("uses", json!({"uses": 0})),
        ("uses", json!({"uses": 1_001})),
        ("minutes", json!({"minutes": 0})),
        ("minutes", json!({"minutes": 7 * 24 * 60 + 1})),
    ] {
        let refused = server.post(&root(), LINK, wrong).await;
        refused.is_problem(422, "invalid_field");
        assert_eq!(refused.body["field"], field);
    }
    let body = json!({"uses": 3, "minutes": 30});
    let code = link(&server, &root(), body).await;
    for _ in 0..3 {
        assert_eq!(follow(&server, &code).await.is(200)["sub"], "root");
    }
    follow(&server, &code).await.is_problem(401, "link_invalid");
    server.stop().await;
}

#[tokio::test]
async fn a_link_ends_with_its_token_and_with_a_restart() {
    let server = TestServer::start().await;
    let expires_at = Timestamp::now().plus_seconds(60);
    let soon_over = token(&Claims::new("ann", expires_at));
    let issued = server.post(&soon_over, LINK, Value::Null).await;
    let until = Timestamp::parse(issued.is(201)["expires_at"].as_str().unwrap()).unwrap();
    assert!(until <= expires_at);
    // Taken only because clocks may differ by a few seconds.
    let over = token(&Claims::new("ann", Timestamp::now().plus_seconds(-2)));
    let late = link(&server, &over, Value::Null).await;
    follow(&server, &late).await.is_problem(401, "link_invalid");
    let forgotten = link(&server, &ann(), Value::Null).await;
    let server = server.restart().await;
    follow(&server, &forgotten)
        .await
        .is_problem(401, "link_invalid");
    server.stop().await;
}

#[tokio::test]
async fn links_are_made_for_the_signed_in_and_followed_from_our_own_pages() {
    let server = TestServer::start().await;
    answer(server.request(Method::POST, LINK))
        .await
        .is_problem(401, "token_missing");
    let by_cookie = |origin: &str| {
        server
            .request(Method::POST, LINK)
            .header("cookie", format!("doorbook_session={}", ann().0))
            .header("origin", origin)
    };
    let own = format!("http://{}", server.address);
    let issued = answer(by_cookie(&own)).await;
    let code = issued.is(201)["link"].as_str().unwrap().to_owned();
    answer(by_cookie("https://elsewhere.example"))
        .await
        .is_problem(403, "cross_site");
    let foreign = server
        .request(Method::POST, SESSION)
        .header("origin", "https://elsewhere.example")
        .json(&json!({"link": code}));
    answer(foreign).await.is_problem(403, "cross_site");
    let both = server.request(Method::POST, SESSION);
    let both = both.json(&json!({"link": code, "token": ann().0}));
    answer(both).await.is_problem(422, "invalid_field");
    // Neither of them used it up.
    assert_eq!(follow(&server, &code).await.is(200)["sub"], "ann");
    server.stop().await;
}

#[tokio::test]
async fn one_caller_cannot_take_all_the_room() {
    let server = TestServer::start().await;
    let mut last = String::new();
    for _ in 0..512 {
        last = link(&server, &bob(), Value::Null).await;
    }
    let full = server.post(&bob(), LINK, Value::Null).await;
    full.is_problem(429, "too_many_links");
    assert!(full.header("retry-after").is_some());
    link(&server, &ann(), Value::Null).await;
    follow(&server, &last).await.is(200);
    link(&server, &bob(), Value::Null).await;
    server.stop().await;
}

#[test]
fn a_link_to_a_running_server_is_had_at_its_terminal() {
    let evening = Evening::new();
    let server = Serving::start(&evening.data);
    let asked = [
        "token", "--sub", "ann", "--role", "creator", "--name", "Ann",
    ];
    let asked = [
        &asked[..],
        &["--data", evening.data(), "--link", &server.url],
    ]
    .concat();
    let link = said(&doorbook(&asked, None)).trim().to_owned();
    let (page, code) = link.split_once("#link=").unwrap();
    assert_eq!(page, format!("{}/sign-in", server.url));
    let session = format!("{}/api/session", server.url);
    let mut signed_in = ureq::post(session)
        .send_json(json!({"link": code}))
        .unwrap();
    let who: Value = signed_in.body_mut().read_json().unwrap();
    assert_eq!((&who["sub"], &who["name"]), (&json!("ann"), &json!("Ann")));
    server.stop();
}
