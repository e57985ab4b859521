//! Erasing people over HTTP: what is shown of them afterwards, everywhere; what stays; and the export of
//! what is held about one.

use serde_json::{Value, json};

use crate::harness::{Answer, TestServer, User, ann, auditor, bob, root, stu, sue};

async fn erase(server: &TestServer, user: &User, code: &str) -> Answer {
    let path = format!("/api/events/participants/{code}/erase/");
    server.post(user, &path, Value::Null).await
}

async fn names_are_nowhere(server: &TestServer, paths: &[String]) {
    for path in paths {
        let answer = server.get(&root(), path).await;
        answer.is(200);
        for word in ["Zoë", "zoe@example.org", "dizzy", "Erased-17"] {
            assert!(!answer.text.contains(word), "{path} shows {word}");
        }
    }
}

#[tokio::test]
async fn an_erased_person_is_gone_from_every_answer_and_the_counts_and_the_history_stay() {
    let server = TestServer::start().await;
    let id = server.gathering(json!({})).await;
    let person = json!({"first_name": "Zoë", "last_name": "Erased-17", "email": "zoe@example.org",
        "event_pax_id": "A-1", "note": "dizzy"});
    let register = format!("/api/events/{id}/register/");
    server.post(&ann(), &register, person).await.is(201);
    let other = json!({"first_name": "Ben", "last_name": "Stays", "email": "ben@example.org", "event_pax_id": "B-1"});
    server.post(&ann(), &register, other).await.is(201);
    server
        .check_in(&stu(), "A-1", json!({"gate": "north"}))
        .await
        .is(200);
    let again = json!({"override": {"reason": "Zoë was dizzy"}});
    server.check_in(&sue(), "A-1", again).await.is(200);
    let before = server.get(&root(), &format!("/api/events/{id}/")).await;

    let erased = erase(&server, &root(), "A-1").await;
    let body = erased.is(200);
    assert_eq!(body["outcome"], "erased");
    assert_eq!(body["participant"]["status"], "erased");
    assert_eq!(
        body["participant"]["user"],
        json!({"first_name": "", "last_name": "", "email": ""})
    );
    assert_eq!(body["participant"]["note"], Value::Null);
    assert_eq!(body["participant"]["checked_in"], true);
    let offset = erased.offset();
    let repeated = erase(&server, &root(), "A-1").await;
    assert_eq!(repeated.is(200)["replayed"], true);
    assert_eq!(repeated.offset(), offset);

    let after = server.get(&root(), &format!("/api/events/{id}/")).await;
    for count in ["participant_count", "checked_in_count", "inside_count"] {
        assert_eq!(after.body[count], before.body[count], "{count}");
    }
    let shown = [
        "/api/events/participants/A-1/".to_owned(),
        "/api/events/participants/A-1/export/".to_owned(),
        format!("/api/events/{id}/participants/"),
        format!("/api/events/{id}/participants/?q=zoe"),
        format!("/api/events/{id}/history/"),
        format!("/api/events/{id}/history/?participant=A-1"),
        "/api/history/".to_owned(),
        "/api/log/".to_owned(),
        "/api/events/".to_owned(),
    ];
    names_are_nowhere(&server, &shown).await;
    let found = server
        .get(&root(), &format!("/api/events/{id}/participants/?q=zoe"))
        .await;
    assert_eq!(found.body["results"], json!([]));
    let found = server
        .get(&root(), &format!("/api/events/{id}/participants/?q=A-1"))
        .await;
    assert_eq!(found.body["results"][0]["status"], "erased");
    let history = server
        .get(
            &root(),
            &format!("/api/events/{id}/history/?participant=A-1"),
        )
        .await;
    let kinds: Vec<_> = history.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["type"])
        .collect();
    assert_eq!(
        kinds[..4],
        [
            "participant_registered",
            "participant_checked_in",
            "participant_checked_in",
            "participant_erased"
        ]
    );

    // Nothing remembers it but the log: a restart shows the same.
    let server = server.restart().await;
    names_are_nowhere(&server, &shown).await;
    let ben = server.get(&root(), "/api/events/participants/B-1/").await;
    assert_eq!(ben.is(200)["user"]["first_name"], "Ben");
    server.stop().await;
}

#[tokio::test]
async fn doors_refuse_who_is_erased_and_no_scan_of_theirs_is_taken_back() {
    let server = TestServer::start().await;
    let id = server.gathering(json!({})).await;
    server.register(id, "A-1").await;
    server
        .check_in(&stu(), "A-1", json!({"scan_id": "s-1"}))
        .await
        .is(200);
    erase(&server, &root(), "A-1").await.is(200);
    server
        .check_in(&stu(), "A-1", json!({}))
        .await
        .is_problem(409, "erased");
    let undo = server
        .post(
            &ann(),
            "/api/events/participants/A-1/undo/",
            json!({"reason": "wrong one"}),
        )
        .await;
    undo.is_problem(409, "erased");
    let cancel = server
        .post(&ann(), "/api/events/participants/A-1/cancel/", json!({}))
        .await;
    cancel.is_problem(409, "erased");
    // The scan from before is still answered, to the one who sent it.
    let replayed = server
        .check_in(&stu(), "A-1", json!({"scan_id": "s-1"}))
        .await;
    assert_eq!(replayed.is(200)["replayed"], true);
    assert_eq!(replayed.body["participant"]["user"]["first_name"], "");
    server.stop().await;
}

#[tokio::test]
async fn only_superusers_erase_and_nothing_is_taken_along() {
    let server = TestServer::start().await;
    let id = server.gathering(json!({})).await;
    server.register(id, "A-1").await;
    for user in [ann(), sue(), stu(), auditor()] {
        erase(&server, &user, "A-1")
            .await
            .is_problem(403, "forbidden");
        let all = server
            .post(&user, &format!("/api/events/{id}/erase/"), Value::Null)
            .await;
        all.is_problem(403, "forbidden");
    }
    erase(&server, &bob(), "A-1")
        .await
        .is_problem(404, "unknown_code");
    erase(&server, &root(), "nobody")
        .await
        .is_problem(404, "unknown_code");
    let reason = server
        .post(
            &root(),
            "/api/events/participants/A-1/erase/",
            json!({"reason": "Zoë asked"}),
        )
        .await;
    assert_eq!(reason.status, 422, "{}", reason.text);
    let shown = server.get(&root(), "/api/events/participants/A-1/").await;
    assert_eq!(shown.is(200)["status"], "registered");
    server.stop().await;
}

#[tokio::test]
async fn one_key_is_one_erasure() {
    let server = TestServer::start().await;
    let id = server.gathering(json!({})).await;
    server.register(id, "A-1").await;
    server.register(id, "B-1").await;
    let send = |code: &str| {
        let path = format!("/api/events/participants/{code}/erase/");
        server
            .request(reqwest::Method::POST, &path)
            .bearer_auth(root().0)
            .header("Idempotency-Key", "e-1")
    };
    let first = crate::harness::answer(send("A-1")).await;
    assert_eq!(first.is(200)["replayed"], false);
    let second = crate::harness::answer(send("A-1")).await;
    assert_eq!(second.is(200)["replayed"], true);
    assert_eq!(first.offset(), second.offset());
    crate::harness::answer(send("B-1"))
        .await
        .is_problem(409, "idempotency_conflict");
    server.stop().await;
}

#[tokio::test]
async fn everybody_of_an_event_is_erased_together_and_a_dry_run_erases_nobody() {
    let server = TestServer::start().await;
    let id = server.gathering(json!({})).await;
    let lines: String = (0..300)
        .map(|n| format!("{}\n", json!({"first_name": "Zoë", "last_name": n.to_string(), "email": "zoe@example.org", "event_pax_id": format!("A-{n}")})))
        .collect();
    let import = server
        .request(reqwest::Method::POST, &format!("/api/events/{id}/import/"))
        .bearer_auth(ann().0)
        .header("content-type", "application/x-ndjson")
        .body(lines);
    assert_eq!(
        crate::harness::answer(import).await.is(200)["accepted"],
        300
    );
    erase(&server, &root(), "A-7").await.is(200);
    let path = format!("/api/events/{id}/erase/");
    let dry = server
        .post(&root(), &format!("{path}?dry_run=true"), Value::Null)
        .await;
    assert_eq!(
        *dry.is(200),
        json!({"erased": 0, "remaining": 299, "dry_run": true})
    );
    let done = server.post(&root(), &path, Value::Null).await;
    assert_eq!(
        *done.is(200),
        json!({"erased": 299, "remaining": 0, "dry_run": false})
    );
    let again = server.post(&root(), &path, Value::Null).await;
    assert_eq!(
        *again.is(200),
        json!({"erased": 0, "remaining": 0, "dry_run": false})
    );
    let left = server
        .get(&root(), &format!("/api/events/{id}/participants/?q=zoe"))
        .await;
    assert_eq!(left.is(200)["results"], json!([]));
    let erased = server
        .get(
            &root(),
            &format!("/api/events/{id}/participants/?status=erased&limit=1000"),
        )
        .await;
    assert_eq!(erased.is(200)["results"].as_array().unwrap().len(), 300);
    server.stop().await;
}

#[tokio::test]
async fn an_export_is_all_that_is_held_about_a_person_for_those_who_may_ask() {
    let server = TestServer::start().await;
    let id = server.gathering(json!({"registration": "open"})).await;
    let body = json!({"first_name": "Bob", "last_name": "Own", "email": "bob@example.org", "note": "vegan"});
    let own = server
        .post(&bob(), &format!("/api/events/{id}/register/"), body)
        .await;
    let code = own.is(201)["event_pax_id"].as_str().unwrap().to_owned();
    server.register(id, "A-1").await;
    server
        .check_in(&stu(), &code, json!({"gate": "north"}))
        .await
        .is(200);
    let elsewhere = server.gathering(json!({})).await;
    let scan = json!({"code": code, "direction": "in", "scan_id": "x-1"});
    server
        .post(&stu(), &format!("/api/events/{elsewhere}/scan/"), scan)
        .await
        .is(200);
    server
        .get(&auditor(), &format!("/api/events/participants/{code}/"))
        .await
        .is(200);
    server
        .get(&auditor(), "/api/events/participants/A-1/")
        .await
        .is(200);
    server
        .get(&auditor(), &format!("/api/events/{id}/participants/"))
        .await
        .is(200);

    let path = format!("/api/events/participants/{code}/export/");
    let export = server.get(&bob(), &path).await;
    let export = export.is(200);
    assert_eq!(export["participant"]["note"], "vegan");
    assert_eq!(export["event"]["id"], id.to_string());
    let history: Vec<_> = export["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["type"].as_str().unwrap(), entry["code"].as_str()))
        .collect();
    assert_eq!(
        history,
        [
            ("participant_registered", None),
            ("participant_checked_in", None),
            ("scan_refused", Some("wrong_event"))
        ]
    );
    let accesses: Vec<_> = export["accesses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["actor"]["id"].as_str().unwrap(),
                entry["accessed"]["what"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        accesses,
        [
            ("ada", "participant"),
            ("ada", "participants"),
            ("bob", "person_export")
        ]
    );

    erase(&server, &root(), &code).await.is(200);
    let left = server.get(&bob(), &path).await;
    assert_eq!(left.is(200)["participant"]["status"], "erased");
    assert!(!left.text.contains("bob@example.org") && !left.text.contains("vegan"));
    server.stop().await;
}

#[tokio::test]
async fn an_export_is_for_superusers_the_creator_and_whoever_registered_themselves() {
    let server = TestServer::start().await;
    let id = server.gathering(json!({"registration": "open"})).await;
    let body = json!({"first_name": "Bob", "last_name": "Own", "email": "bob@example.org"});
    let own = (server.post(&bob(), &format!("/api/events/{id}/register/"), body)).await;
    let path = format!(
        "/api/events/participants/{}/export/",
        own.is(201)["event_pax_id"].as_str().unwrap()
    );
    server.register(id, "A-1").await;
    for (user, allowed) in [
        (bob(), true),
        (root(), true),
        (ann(), true),
        (sue(), false),
        (stu(), false),
        (auditor(), false),
    ] {
        let answer = server.get(&user, &path).await;
        if allowed {
            answer.is(200);
        } else {
            answer.is_problem(403, "forbidden");
        }
    }
    server
        .get(&bob(), "/api/events/participants/A-1/export/")
        .await
        .is_problem(404, "unknown_code");
    // A name in a command id makes nobody the person: the staff choose theirs freely.
    let spoofed = (server.request(reqwest::Method::POST, &format!("/api/events/{id}/register/")))
        .bearer_auth(sue().0)
        .header("idempotency-key", "self:sue")
        .json(&json!({"first_name": "Eve", "last_name": "Else", "email": "eve@example.org", "event_pax_id": "E-1"}));
    crate::harness::answer(spoofed).await.is(201);
    let theirs = server
        .get(&sue(), "/api/events/participants/E-1/export/")
        .await;
    theirs.is_problem(403, "forbidden");
    server.stop().await;
}
