//! Door tokens through the public door: minted, used, listed, revoked; over restarts and rebuilds, and
//! what their streams hear of it. Who may mint is in `http_permissions`.

use std::time::Duration;

use doorbook::{
    auth::Claims,
    events::{door_tokens::DOOR_TOKENS_MAX, event::DoorRole, ids::GatheringId, time::Timestamp},
};
use reqwest::{Method, header::COOKIE};
use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestServer, User, ann, answer, at_door, auditor, root, stu, token},
    stream_stage::{Asking, Client, connect},
};

/// A client that is not sent away hears heartbeats for ever, so waiting for its end has an end.
const CLOSING_PATIENCE: Duration = Duration::from_secs(20);

fn tokens(gathering: GatheringId) -> String {
    format!("/api/events/{gathering}/door-tokens/")
}

fn in_an_hour() -> String {
    let later = Timestamp::now().plus_seconds(3_600);
    later.whole_second().to_string()
}

fn north() -> Value {
    json!({"name": "North, Zoë", "door_role": "steward", "expires_at": in_an_hour()})
}

async fn mint(server: &TestServer, gathering: GatheringId, body: Value) -> (User, String) {
    let minted = server.post(&ann(), &tokens(gathering), body).await;
    let body = minted.is(201);
    let text = |field: &str| body[field].as_str().unwrap().to_owned();
    (User(text("token")), text("jti"))
}

async fn revoke(server: &TestServer, gathering: GatheringId, jti: &str) -> Answer {
    let path = format!("{}{jti}/", tokens(gathering));
    server
        .send(Method::DELETE, &ann(), &path, Value::Null)
        .await
}

async fn minted_with_key(server: &TestServer, gathering: GatheringId, body: &Value) -> Answer {
    let request = server
        .request(Method::POST, &tokens(gathering))
        .bearer_auth(ann().0)
        .header("idempotency-key", "mint-1")
        .json(body);
    answer(request).await
}

async fn stream(server: &TestServer, path: &str, user: &User) -> Client {
    let asking = Asking::bearer(&user.0);
    let (mut client, _) = connect(server.address, path, &asking).await.ok().unwrap();
    client.expect("initial_data").await;
    client
}

#[tokio::test]
async fn a_minted_token_opens_its_own_door_and_no_other() {
    let server = TestServer::start().await;
    let (gala, other) = (
        server.gathering(json!({})).await,
        server.gathering(json!({})).await,
    );
    server.register(gala, "T-1").await;
    server.register(other, "T-2").await;
    let body = north();
    let minted = server.post(&ann(), &tokens(gala), body.clone()).await;
    let said = minted.is(201);
    for field in ["name", "door_role", "expires_at"] {
        assert_eq!(said[field], body[field], "{said}");
    }
    assert_eq!(said["offset"], minted.offset());
    assert_eq!(said["replayed"], false);
    let door = User(said["token"].as_str().unwrap().to_owned());

    server.check_in(&door, "T-1", json!({})).await.is(200);
    let elsewhere = server.check_in(&door, "T-2", json!({})).await;
    elsewhere.is_problem(404, "unknown_code");
    let history = format!("/api/events/{gala}/history/");
    server
        .get(&door, &history)
        .await
        .is_problem(403, "forbidden");

    let history = server.get(&ann(), &history).await;
    let entries = history.is(200)["results"].as_array().unwrap();
    let entry = entries
        .iter()
        .find(|it| it["type"] == "door_token_minted")
        .unwrap();
    assert_eq!(
        entry["door_token"],
        json!({"jti": said["jti"], "name": "North, Zoë", "door_role": "steward", "expires_at": body["expires_at"]})
    );
    let scan = entries.last().unwrap();
    let sub = format!("door:{}", said["jti"].as_str().unwrap());
    assert_eq!(scan["actor"]["id"], sub.as_str());
    assert_eq!(scan["actor"]["name"], "North, Zoë");
    assert_eq!(scan["actor"]["role"], "steward");
    assert!(!history.text.contains(&door.0), "the token is in no entry");
    server.stop().await;
}

#[tokio::test]
async fn a_revoked_token_is_refused_from_the_next_request_on_after_restarts_and_rebuilds() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    server.register(gala, "T-1").await;
    let (door, jti) = mint(&server, gala, north()).await;
    let (beside, _) = mint(&server, gala, north()).await;
    let participants = format!("/api/events/{gala}/participants/");
    server.get(&door, &participants).await.is(200);

    let revoked = revoke(&server, gala, &jti).await;
    assert_eq!((revoked.status, revoked.text.as_str()), (204, ""));
    let again = revoke(&server, gala, &jti).await;
    assert_eq!((again.status, again.offset()), (204, revoked.offset()));

    assert_refused(&server, gala, &door).await;
    server.get(&beside, &participants).await.is(200);
    let server = server.restart().await;
    assert_refused(&server, gala, &door).await;
    let rebuild = "/api/admin/projections/dashboard/rebuild/";
    server.post(&root(), rebuild, Value::Null).await.is(202);
    while server.get(&root(), rebuild).await.is(200)["state"] != "done" {
        tokio::task::yield_now().await;
    }
    assert_refused(&server, gala, &door).await;
    server.get(&beside, &participants).await.is(200);
    server.stop().await;
}

/// By header, by cookie, as a session, for a ticket, and on both streams.
async fn assert_refused(server: &TestServer, gathering: GatheringId, door: &User) {
    let participants = format!("/api/events/{gathering}/participants/");
    let refused = server.get(door, &participants).await;
    refused.is_problem(401, "token_revoked");
    assert!(!refused.text.contains(&door.0));
    let with_cookie = server
        .request(Method::GET, &participants)
        .header(COOKIE, format!("doorbook_session={}", door.0));
    answer(with_cookie).await.is_problem(401, "token_revoked");
    for path in ["/api/session/", "/api/session/ticket/"] {
        let refused = server.post(door, path, Value::Null).await;
        refused.is_problem(401, "token_revoked");
    }
    for path in [
        format!("/ws/events/checkin/{gathering}/"),
        "/ws/events/dashboard/".to_owned(),
    ] {
        let refused = connect(server.address, &path, &Asking::bearer(&door.0)).await;
        let (status, problem) = refused.err().unwrap();
        assert_eq!((status, &problem["code"]), (401, &json!("token_revoked")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_streams_of_a_revoked_token_close_at_once_and_the_others_hear_of_it() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let (door, jti) = mint(&server, gala, north()).await;
    let (beside, _) = mint(&server, gala, north()).await;
    let checkin = format!("/ws/events/checkin/{gala}/");
    let dashboard = "/ws/events/dashboard/";
    let gone = [
        stream(&server, &checkin, &door).await,
        stream(&server, dashboard, &door).await,
    ];
    let ticket = server
        .post(&door, "/api/session/ticket/", Value::Null)
        .await;
    let ticket = ticket.is(201)["ticket"].as_str().unwrap().to_owned();
    let path = format!("{dashboard}?ticket={ticket}");
    let (by_ticket, _) = connect(server.address, &path, &Asking::nothing())
        .await
        .ok()
        .unwrap();
    let unused = server
        .post(&door, "/api/session/ticket/", Value::Null)
        .await;
    let unused = unused.is(201)["ticket"].as_str().unwrap().to_owned();
    let mut staying = Vec::new();
    for (path, user) in [
        (checkin.as_str(), &beside),
        (dashboard, &beside),
        (checkin.as_str(), &auditor()),
        (dashboard, &root()),
    ] {
        staying.push(stream(&server, path, user).await);
    }

    let revoked = revoke(&server, gala, &jti).await;
    assert_eq!(revoked.status, 204);
    for client in gone.into_iter().chain([by_ticket]) {
        let closed = tokio::time::timeout(CLOSING_PATIENCE, client.closed()).await;
        assert_eq!(closed, Ok(Some(4401)));
    }
    for client in &mut staying {
        let told = client.expect("event_update").await;
        assert_eq!(told["update_type"], "door_token_revoked");
        assert_eq!(told["data"], json!({"jti": jti}));
        assert_eq!(told["offset"], revoked.offset());
    }
    let path = format!("{dashboard}?ticket={unused}");
    let refused = connect(server.address, &path, &Asking::nothing()).await;
    let (status, problem) = refused.err().unwrap();
    assert_eq!((status, &problem["code"]), (401, &json!("token_revoked")));

    let (_, next) = mint(&server, gala, north()).await;
    for client in &mut staying {
        let told = client.expect("event_update").await;
        assert_eq!(told["update_type"], "door_token_minted");
        assert_eq!(told["data"], json!({"jti": next}));
    }
    server.stop().await;
}

#[tokio::test]
async fn minting_again_under_the_same_key_gives_the_same_token() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let body = north();
    let first = minted_with_key(&server, gala, &body).await;
    let same = |again: &Answer| {
        let mut expected = first.is(201).clone();
        expected["replayed"] = true.into();
        assert_eq!(*again.is(201), expected);
        assert_eq!(again.offset(), first.offset());
    };
    same(&minted_with_key(&server, gala, &body).await);
    let server = server.restart().await;
    same(&minted_with_key(&server, gala, &body).await);
    let mut other = body.clone();
    other["name"] = "South".into();
    let conflict = minted_with_key(&server, gala, &other).await;
    conflict.is_problem(409, "idempotency_conflict");
    let jti = first.body["jti"].as_str().unwrap();
    assert_eq!(revoke(&server, gala, jti).await.status, 204);
    same(&minted_with_key(&server, gala, &body).await);
    let listed = server.get(&ann(), &tokens(gala)).await;
    assert_eq!(listed.is(200)["results"].as_array().unwrap().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_new_token_is_named() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let too_late = Timestamp::now().plus_seconds(367 * 86_400).to_string();
    for (change, code, field) in [
        (json!({"name": " "}), "invalid_field", "name"),
        (json!({"name": "x".repeat(101)}), "invalid_field", "name"),
        (json!({"name": "a\nb"}), "invalid_field", "name"),
        (json!({"door_role": "boss"}), "invalid_field", "door_role"),
        (json!({"expires_at": "soon"}), "invalid_field", "expires_at"),
        (
            json!({"expires_at": "2020-01-01T00:00:00Z"}),
            "invalid_field",
            "expires_at",
        ),
        (
            json!({"expires_at": too_late}),
            "invalid_field",
            "expires_at",
        ),
        (json!({"roles": []}), "unknown_field", "roles"),
    ] {
        let mut body = north();
        (body.as_object_mut().unwrap()).extend(change.as_object().unwrap().clone());
        let refused = server.post(&ann(), &tokens(gala), body).await;
        refused.is_problem(422, code);
        assert_eq!(refused.body["field"], field, "{}", refused.text);
    }
    let other = server.gathering(json!({})).await;
    let (_, jti) = mint(&server, other, north()).await;
    for unknown in [jti.as_str(), "0190c9a2-7c8e-7d31-b1b5-3f7a2f7d9e10", "7"] {
        let refused = revoke(&server, gala, unknown).await;
        refused.is_problem(404, "unknown_door_token");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_list_shows_what_was_minted_page_by_page_and_never_a_token() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let mut minted = Vec::new();
    for number in 0..5 {
        let role = ["steward", "supervisor"][number % 2];
        let body = json!({"name": format!("Door {number}"), "door_role": role, "expires_at": in_an_hour()});
        minted.push((mint(&server, gala, body.clone()).await, body));
    }
    let ((_, third), _) = &minted[2];
    assert_eq!(revoke(&server, gala, third).await.status, 204);
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("{}?limit=2{after}", tokens(gala));
        let page = server.get(&ann(), &path).await;
        seen.extend(page.is(200)["results"].as_array().unwrap().clone());
        for ((door, _), _) in &minted {
            assert!(!page.text.contains(&door.0));
        }
        match page.body["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let expected: Vec<Value> = minted
        .iter()
        .map(|((_, jti), body)| {
            json!({
                "jti": jti, "name": body["name"], "door_role": body["door_role"],
                "expires_at": body["expires_at"], "revoked": jti == third, "minted_by": "ann",
            })
        })
        .collect();
    assert_eq!(seen, expected);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gathering_has_only_so_many() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    for _ in 0..DOOR_TOKENS_MAX / 100 {
        let some = (0..100).map(|_| mint(&server, gala, north()));
        futures_util::future::join_all(some).await;
    }
    let full = server.post(&ann(), &tokens(gala), north()).await;
    full.is_problem(409, "too_many_door_tokens");
    assert_eq!(full.body["max"], DOOR_TOKENS_MAX);
    server.stop().await;
}

/// A token that another issuer made with the same secret is as good as its signature.
#[tokio::test]
async fn tokens_of_other_issuers_are_good_and_cannot_be_revoked_here() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let mut claims = Claims::new("gate-7", Timestamp::now().plus_seconds(60));
    claims.event_id = Some(gala);
    claims.door_role = Some(DoorRole::Steward);
    let jti = "0190c9a2-7c8e-7d31-b1b5-3f7a2f7d9e10";
    claims.jti = Some(jti.to_owned());
    let path = format!("/api/events/{gala}/");
    server.get(&token(&claims), &path).await.is(200);
    let refused = revoke(&server, gala, jti).await;
    refused.is_problem(404, "unknown_door_token");
    server.get(&token(&claims), &path).await.is(200);
    server.stop().await;
}

#[tokio::test]
async fn neither_a_token_nor_its_name_is_in_clear_on_the_disk() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({"name": "Findable"})).await;
    let (door, jti) = mint(&server, gala, north()).await;
    server.register(gala, "T-1").await;
    server.check_in(&door, "T-1", json!({})).await.is(200);
    assert_eq!(revoke(&server, gala, &jti).await.status, 204);
    let signature = door.0.rsplit('.').next().unwrap();
    for (needle, is_there) in [
        ("Findable", true),
        ("North, Zoë", false),
        (signature, false),
    ] {
        let files = crate::log_history::files_below(&server.config.data_dir).unwrap();
        let found = files.iter().any(|file| {
            let bytes = std::fs::read(server.config.data_dir.join(file)).unwrap();
            bytes
                .windows(needle.len())
                .any(|window| window == needle.as_bytes())
        });
        assert_eq!(found, is_there, "{needle}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_door_mints_no_tokens_for_others() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    for user in [at_door("d", gala, DoorRole::Supervisor), stu()] {
        let refused = server.post(&user, &tokens(gala), north()).await;
        refused.is_problem(403, "forbidden");
    }
    server.stop().await;
}
