//! Exactly once, over HTTP: equal commands, racing commands, and the same after a restart.

use std::{collections::HashSet, sync::Arc};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, TestServer, ann, answer, auditor, stu};

/// Sends all at once and waits for all.
async fn at_once(
    server: &Arc<TestServer>,
    bodies: impl Iterator<Item = (String, Value)>,
) -> Vec<Answer> {
    let sent: Vec<_> = bodies
        .map(|(code, body)| {
            let server = Arc::clone(server);
            tokio::spawn(async move { server.check_in(&stu(), &code, body).await })
        })
        .collect();
    let mut answers = Vec::new();
    for answer in sent {
        answers.push(answer.await.unwrap());
    }
    answers
}

fn without_replayed(answer: &Answer) -> Value {
    let mut body = answer.body.clone();
    body.as_object_mut().unwrap().remove("replayed");
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_scans_at_once_are_one_event_and_equal_answers() {
    let server = Arc::new(TestServer::start().await);
    let gala = server.gathering(json!({})).await;
    server.register(gala, "A1").await;
    let body = json!({"scan_id": "s1", "gate": "North"});
    let answers = at_once(&server, (0..32).map(|_| ("A1".to_owned(), body.clone()))).await;
    let first = without_replayed(&answers[0]);
    for answer in &answers {
        answer.is(200);
        assert_eq!(without_replayed(answer), first);
    }
    let originals = answers
        .iter()
        .filter(|answer| answer.body["replayed"] == false)
        .count();
    assert_eq!(originals, 1);
    let history = server
        .get(
            &auditor(),
            &format!("/api/events/{gala}/history/?type=participant_checked_in"),
        )
        .await;
    assert_eq!(history.is(200)["results"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_scans_of_one_ticket_at_once_admit_one() {
    let server = Arc::new(TestServer::start().await);
    let gala = server.gathering(json!({})).await;
    server.register(gala, "A1").await;
    let bodies = (0..32).map(|n| ("A1".to_owned(), json!({"scan_id": format!("s{n}")})));
    let answers = at_once(&server, bodies).await;
    let admitted = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(admitted, 1);
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        refused.is_problem(409, "already_checked_in");
    }
    let offsets: HashSet<u64> = answers.iter().map(Answer::offset).collect();
    assert_eq!(offsets.len(), 32, "every attempt is an event of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_for_the_last_three_places_admits_three() {
    let server = Arc::new(TestServer::start().await);
    let gala = server
        .gathering(json!({"capacity": 10, "capacity_mode": "refuse"}))
        .await;
    for n in 0..71 {
        server.register(gala, &format!("P{n}")).await;
    }
    for n in 0..7 {
        server
            .check_in(&stu(), &format!("P{n}"), Value::Null)
            .await
            .is(200);
    }
    let answers = at_once(&server, (7..71).map(|n| (format!("P{n}"), Value::Null))).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 200).count(),
        3
    );
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        refused.is_problem(409, "capacity_full");
    }
    let gathering = server.get(&ann(), &format!("/api/events/{gala}/")).await;
    assert_eq!(gathering.is(200)["inside_count"], 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_original_answer_comes_back_whatever_has_changed_and_after_a_restart() {
    let server = TestServer::start().await;
    let gala = server
        .gathering(json!({"time_zone": "Europe/Berlin"}))
        .await;
    let registered = server.register(gala, "A1").await;
    let body = json!({"scan_id": "s1", "gate": "North"});
    let admitted = server.check_in(&stu(), "A1", body.clone()).await;
    admitted.is(200);
    let refused = server
        .check_in(&stu(), "A1", json!({"scan_id": "s2"}))
        .await;
    refused.is_problem(409, "already_checked_in");
    server.check_out(&stu(), "A1", Value::Null).await.is(200);
    let changes = json!({"time_zone": "Asia/Tokyo", "capacity": 3});
    server
        .send(
            Method::PATCH,
            &ann(),
            &format!("/api/events/{gala}/"),
            changes,
        )
        .await
        .is(200);

    let check = async |server: &TestServer| {
        let again = server.check_in(&stu(), "A1", body.clone()).await;
        assert_eq!(again.is(200)["replayed"], true);
        assert_eq!(without_replayed(&again), without_replayed(&admitted));
        assert_eq!(again.offset(), admitted.offset());
        let again = server
            .check_in(&stu(), "A1", json!({"scan_id": "s2"}))
            .await;
        again.is_problem(409, "already_checked_in");
        assert_eq!(again.body["replayed"], true);
        assert_eq!(without_replayed(&again), without_replayed(&refused));
        let other = server
            .check_in(&stu(), "A1", json!({"scan_id": "s1", "gate": "South"}))
            .await;
        other.is_problem(409, "idempotency_conflict");
        assert_eq!(other.body["offset"], admitted.offset());
    };
    check(&server).await;
    let server = server.restart().await;
    check(&server).await;
    let shown = server.get(&ann(), "/api/events/participants/A1/").await;
    assert_eq!(shown.is(200)["id"], registered.body["id"]);
    assert_eq!(shown.body["checked_in"], false);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_change_of_a_gathering_shows_its_team_as_it_was() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let path = format!("/api/events/{gala}/");
    let change = async || {
        let request = server.request(Method::PATCH, &path).bearer_auth(ann().0);
        let request = request.header("Idempotency-Key", "k1");
        answer(request.json(&json!({"name": "Ball"}))).await
    };
    let first = change().await;
    assert_eq!(first.is(200)["team"].as_array().unwrap().len(), 2);
    for (method, member, body, status) in [
        (Method::PUT, "zoe", json!({"door_role": "steward"}), 200),
        (Method::PUT, "stu", json!({"door_role": "supervisor"}), 200),
        (Method::DELETE, "sue", Value::Null, 204),
    ] {
        let path = format!("/api/events/{gala}/service-team/{member}/");
        let changed = server.send(method, &ann(), &path, body).await;
        assert_eq!(changed.status, status, "{}", changed.text);
    }
    let again = change().await;
    assert_eq!(again.is(200)["replayed"], true);
    assert_eq!(again.body["team"], first.body["team"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_takes_an_idempotency_key() {
    let server = TestServer::start().await;
    let send = async |method: Method, path: &str, key: &str, body: Value| {
        let request = server.request(method, path).bearer_auth(ann().0);
        answer(request.header("Idempotency-Key", key).json(&body)).await
    };
    let gala = json!({"name": "Gala", "start_date": "2026-05-01T18:00:00Z"});
    let created = send(Method::POST, "/api/events/", "k1", gala.clone()).await;
    let again = send(Method::POST, "/api/events/", "k1", gala).await;
    assert_eq!(again.is(201)["id"], created.is(201)["id"]);
    assert_eq!(again.body["replayed"], true);
    let other = json!({"name": "Other", "start_date": "2026-05-01T18:00:00Z"});
    send(Method::POST, "/api/events/", "k1", other)
        .await
        .is_problem(409, "idempotency_conflict");

    let id = created.body["id"].as_str().unwrap();
    let person = json!({"first_name": "Ana", "event_pax_id": "A1"});
    for replayed in [false, true] {
        let path = format!("/api/events/{id}/register/");
        assert_eq!(
            send(Method::POST, &path, "k2", person.clone())
                .await
                .is(201)["replayed"],
            replayed
        );
    }
    for replayed in [false, true] {
        let path = "/api/events/participants/A1/check-in/";
        assert_eq!(
            send(Method::POST, path, "k3", json!({})).await.is(200)["replayed"],
            replayed
        );
    }
    let differs = send(
        Method::POST,
        "/api/events/participants/A1/check-in/",
        "k3",
        json!({"scan_id": "k4"}),
    )
    .await;
    differs.is_problem(422, "invalid_field");
    for replayed in [false, true] {
        let path = "/api/events/participants/A1/undo/";
        assert_eq!(
            send(Method::POST, path, "k5", json!({})).await.is(200)["replayed"],
            replayed
        );
    }
    for replayed in [false, true] {
        let path = "/api/events/participants/A1/cancel/";
        assert_eq!(
            send(Method::POST, path, "k6", json!({})).await.is(200)["replayed"],
            replayed
        );
    }
    for replayed in [false, true] {
        let path = format!("/api/events/{id}/");
        let patch = send(Method::PATCH, &path, "k7", json!({"name": "Ball"})).await;
        assert_eq!(patch.is(200)["replayed"], replayed);
    }
    let scan = json!({"code": "A1", "direction": "in"});
    server
        .post(&ann(), &format!("/api/events/{id}/scan/"), scan)
        .await
        .is_problem(422, "invalid_field");
    server.stop().await;
}
