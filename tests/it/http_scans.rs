//! Tickets at doors over HTTP: every refusal, overriding, offline facts, undoing, cancelling, and what
//! auditors read of it afterwards.

use serde_json::{Value, json};

use crate::harness::{Answer, TestServer, ann, auditor, stu, sue};

async fn scan(server: &TestServer, gathering: impl std::fmt::Display, body: Value) -> Answer {
    server
        .post(&stu(), &format!("/api/events/{gathering}/scan/"), body)
        .await
}

/// A refusal on a participant path carries everything a scan result has.
#[track_caller]
fn is_refusal(answer: &Answer, code: &str) {
    answer.is_problem(409, code);
    assert_eq!(answer.body["outcome"], "refused");
    assert!(answer.body["participant"]["event_pax_id"].is_string());
    assert!(answer.body["occupancy"]["inside"].is_u64());
    assert!(answer.body["warnings"].is_array());
    assert_eq!(answer.body["offset"], answer.offset());
    assert_eq!(answer.body["replayed"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_in_answers_with_the_participant_and_the_counts() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({"capacity": 10})).await;
    server.register(gala, "A1").await;
    let admitted = server
        .check_in(&stu(), "A1", json!({"gate": "North", "device": "d1"}))
        .await;
    let body = admitted.is(200);
    assert_eq!(body["outcome"], "admitted");
    assert_eq!(body["action"], "checkin");
    assert_eq!(body["participant"]["checked_in"], true);
    assert_eq!(body["participant"]["last_gate"], "North");
    assert_eq!(body["participant"]["user"]["first_name"], "Zoë");
    assert_eq!(
        body["occupancy"],
        json!({"inside": 1, "checked_in": 1, "registered": 1, "capacity": 10})
    );
    assert_eq!(body["offset"], admitted.offset());
    assert_eq!(body["warnings"], json!([]));
    assert_eq!(body["replayed"], false);

    let left = server.check_out(&stu(), "A1", Value::Null).await;
    assert_eq!(left.is(200)["outcome"], "exited");
    assert_eq!(left.body["action"], "checkout");
    assert_eq!(left.body["occupancy"]["inside"], 0);
    assert_eq!(left.body["occupancy"]["checked_in"], 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_inside_is_refused_with_the_scan_that_stands_in_the_way() {
    let server = TestServer::start().await;
    let gala = server
        .gathering(json!({"time_zone": "Europe/Berlin"}))
        .await;
    server.register(gala, "A1").await;
    server
        .check_in(&stu(), "A1", json!({"gate": "North"}))
        .await
        .is(200);
    let refused = server
        .check_in(&stu(), "A1", json!({"gate": "South"}))
        .await;
    is_refusal(&refused, "already_checked_in");
    assert_eq!(refused.body["previous"]["gate"], "North");
    assert_eq!(refused.body["previous"]["by"], "stu");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("Already inside since ") && detail.contains("(gate North)"),
        "{detail}"
    );

    let path = format!("/api/events/{gala}/history/?type=scan_refused");
    let history = server.get(&auditor(), &path).await;
    let entry = &history.is(200)["results"][0];
    assert_eq!(entry["code"], "already_checked_in");
    assert_eq!(entry["outcome"], "refused");
    assert_eq!(entry["offset"], refused.offset());
    assert_eq!(entry["gate"], "South");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_that_nobody_has_is_404_on_its_path_and_refused_at_the_door() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    server
        .check_in(&stu(), "NOBODY", Value::Null)
        .await
        .is_problem(404, "unknown_code");
    for code in ["NOBODY", "", "a\u{1}b", &"x".repeat(500)] {
        let refused = scan(
            &server,
            gala,
            json!({"code": code, "direction": "in", "scan_id": "s1"}),
        )
        .await;
        let body = refused.is(200);
        assert_eq!(body["outcome"], "refused");
        assert_eq!(body["code"], "unknown_code");
        assert_eq!(body["participant"], Value::Null);
        assert_eq!(body["offset"], Value::Null);
        assert_eq!(body["occupancy"]["registered"], 0);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_of_another_gathering_is_refused_without_saying_whose_it_is() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let other = server.gathering(json!({"name": "Other"})).await;
    server.register(other, "B1").await;
    let refused = scan(
        &server,
        gala,
        json!({"code": "B1", "direction": "in", "scan_id": "s1"}),
    )
    .await;
    assert_eq!(refused.is(200)["code"], "wrong_event");
    assert_eq!(refused.body["participant"], Value::Null);
    assert_eq!(refused.body["offset"], refused.offset());
    assert!(!refused.text.contains("zoe@example.org"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_of_a_gathering_refuse_in_their_own_words() {
    let server = TestServer::start().await;
    let never = server.gathering(json!({"reentry": "never"})).await;
    server.register(never, "R1").await;
    is_refusal(
        &server.check_out(&stu(), "R1", Value::Null).await,
        "not_checked_in",
    );
    server.check_in(&stu(), "R1", Value::Null).await.is(200);
    server.check_out(&stu(), "R1", Value::Null).await.is(200);
    is_refusal(
        &server.check_in(&stu(), "R1", Value::Null).await,
        "reentry_denied",
    );

    let full = server
        .gathering(json!({"capacity": 1, "capacity_mode": "refuse"}))
        .await;
    server.register(full, "F1").await;
    server.register(full, "F2").await;
    server.check_in(&stu(), "F1", Value::Null).await.is(200);
    let refused = server.check_in(&stu(), "F2", Value::Null).await;
    is_refusal(&refused, "capacity_full");
    assert!(
        refused.body["detail"]
            .as_str()
            .unwrap()
            .contains("1 inside, 1 allowed")
    );

    server
        .post(
            &sue(),
            "/api/events/participants/F2/cancel/",
            json!({"reason": "refunded"}),
        )
        .await
        .is(200);
    is_refusal(
        &server.check_in(&stu(), "F2", Value::Null).await,
        "cancelled",
    );

    let warns = server.gathering(json!({"capacity": 1})).await;
    server.register(warns, "W1").await;
    server.register(warns, "W2").await;
    server.check_in(&stu(), "W1", Value::Null).await.is(200);
    let over = server.check_in(&stu(), "W2", Value::Null).await;
    assert_eq!(over.is(200)["warnings"][0]["code"], "over_capacity");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_hours_are_kept_in_the_gatherings_time_zone() {
    let server = TestServer::start().await;
    let gala = server
        .gathering(json!({
            "time_zone": "America/New_York",
            "opens_at": "2099-07-01T18:00",
            "closes_at": "2099-07-01T23:30",
        }))
        .await;
    let shown = server.get(&ann(), &format!("/api/events/{gala}/")).await;
    assert_eq!(shown.is(200)["opens_at"], "2099-07-01T22:00:00Z");
    server.register(gala, "A1").await;
    let early = server.check_in(&stu(), "A1", Value::Null).await;
    is_refusal(&early, "not_open_yet");
    let detail = early.body["detail"].as_str().unwrap();
    assert!(detail.contains("18:00 on Wed 1 Jul"), "{detail}");

    let over = server
        .gathering(json!({"time_zone": "America/New_York", "closes_at": "2020-07-01T23:30"}))
        .await;
    server.register(over, "B1").await;
    let late = server.check_in(&stu(), "B1", Value::Null).await;
    is_refusal(&late, "closed");
    assert!(
        late.body["detail"]
            .as_str()
            .unwrap()
            .contains("23:30 on Wed 1 Jul")
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_overrides_a_refusal_with_a_reason() {
    let server = TestServer::start().await;
    let gala = server
        .gathering(json!({"capacity": 1, "capacity_mode": "refuse"}))
        .await;
    server.register(gala, "A1").await;
    server.register(gala, "A2").await;
    server.check_in(&stu(), "A1", Value::Null).await.is(200);
    let with_reason = json!({"override": {"reason": "she has the keys"}});
    server
        .check_in(&stu(), "A2", with_reason.clone())
        .await
        .is_problem(403, "forbidden");
    server
        .check_in(&sue(), "A2", json!({"override": {}}))
        .await
        .is_problem(422, "invalid_field");
    let admitted = server.check_in(&sue(), "A2", with_reason).await;
    assert_eq!(admitted.is(200)["outcome"], "admitted");
    assert_eq!(admitted.body["warnings"][0]["code"], "overridden");
    assert_eq!(admitted.body["warnings"][0]["rule"], "capacity_full");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offline_fact_is_recorded_whatever_the_rule() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    server.register(gala, "A1").await;
    server.check_in(&stu(), "A1", Value::Null).await.is(200);
    let fact = json!({
        "code": "A1", "direction": "in", "scan_id": "off-1", "mode": "offline_fact",
        "occurred_at": "2026-05-01T17:00:00Z", "device": "d1", "device_seq": 1,
    });
    let recorded = scan(&server, gala, fact).await;
    assert_eq!(recorded.is(200)["outcome"], "admitted");
    assert_eq!(recorded.body["warnings"][0]["code"], "already_checked_in");
    assert_eq!(recorded.body["timestamp"], "2026-05-01T17:00:00Z");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undo_takes_back_a_scan_and_deletes_nothing() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    server.register(gala, "A1").await;
    let undo = "/api/events/participants/A1/undo/";
    server
        .post(&stu(), undo, Value::Null)
        .await
        .is_problem(409, "nothing_to_undo");
    let mine = server
        .check_in(&stu(), "A1", json!({"scan_id": "s1"}))
        .await;
    let undone = server.post(&stu(), undo, json!({"scan_id": "s1"})).await;
    assert_eq!(undone.is(200)["outcome"], "undone");
    assert_eq!(undone.body["undoes"], mine.offset());
    assert_eq!(undone.body["participant"]["checked_in"], false);
    assert_eq!(undone.body["occupancy"]["inside"], 0);

    server.check_in(&ann(), "A1", Value::Null).await.is(200);
    server
        .post(&stu(), undo, Value::Null)
        .await
        .is_problem(403, "undo_not_allowed");
    server
        .post(&sue(), undo, Value::Null)
        .await
        .is_problem(422, "reason_required");
    server
        .post(&sue(), undo, json!({"reason": "wrong person"}))
        .await
        .is(200);

    let history = server
        .get(
            &auditor(),
            &format!("/api/events/{gala}/history/?participant=A1"),
        )
        .await;
    let entries = history.is(200)["results"].as_array().unwrap();
    let kinds: Vec<&str> = entries
        .iter()
        .map(|entry| entry["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "participant_registered",
            "participant_checked_in",
            "scan_undone",
            "participant_checked_in",
            "scan_undone",
            "personal_data_accessed"
        ]
    );
    assert_eq!(entries[1]["undone_by"], undone.offset());
    assert_eq!(entries[2]["undoes"], mine.offset());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_streams_one_entry_a_line() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    for n in 1..=5 {
        server.register(gala, &format!("A{n}")).await;
    }
    let log = server.get(&auditor(), "/api/log/").await;
    log.is(200);
    assert_eq!(log.header("content-type"), Some("application/x-ndjson"));
    let offsets = |text: &str| -> Vec<u64> {
        text.lines()
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["offset"]
                    .as_u64()
                    .unwrap()
            })
            .collect()
    };
    assert_eq!(offsets(&log.text), (1..=8).collect::<Vec<_>>());
    let some = server.get(&auditor(), "/api/log/?after=3&limit=2").await;
    assert_eq!(offsets(&some.text), [4, 5]);
    let none = server.get(&auditor(), "/api/log/?after=9").await;
    assert_eq!((none.status, none.text.as_str()), (200, ""));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_answers_each_scan_in_order_and_one_bad_scan_spoils_no_other() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let other = server.gathering(json!({})).await;
    server.register(gala, "A1").await;
    server.register(gala, "A2").await;
    server.register(other, "B1").await;
    let scan = |code: &str, direction: &str, id: &str| json!({"code": code, "direction": direction, "scan_id": id});
    let batch = json!({"scans": [
        scan("A1", "in", "s1"),
        scan("A1", "in", "s2"),
        {"code": "A2", "direction": "sideways", "scan_id": "s3"},
        {"code": "A2", "direction": "in"},
        "not a scan",
        scan("nobody has this", "in", "s4"),
        scan("B1", "in", "s5"),
        scan("A1", "out", "s6"),
        scan("A1", "in", "s1"),
        scan("A2", "in", "s1"),
        scan("A2", "in", "s7"),
    ]});
    let path = format!("/api/events/{gala}/scan/batch/");
    let answer = server.post(&stu(), &path, batch.clone()).await;
    let results = answer.is(200)["results"].as_array().unwrap();
    let outcomes: Vec<_> = (results.iter())
        .map(|result| {
            let outcome = result["outcome"].as_str().unwrap_or("problem");
            (outcome, result["code"].as_str().unwrap_or_default())
        })
        .collect();
    assert_eq!(
        outcomes,
        [
            ("admitted", ""),
            ("refused", "already_checked_in"),
            ("problem", "invalid_field"),
            ("problem", "invalid_field"),
            ("problem", "invalid_field"),
            ("refused", "unknown_code"),
            ("refused", "wrong_event"),
            ("exited", ""),
            ("admitted", ""),
            ("problem", "idempotency_conflict"),
            ("admitted", ""),
        ]
    );
    assert_eq!(results[2]["field"], "direction");
    assert_eq!(results[3]["field"], "scan_id");
    assert_eq!(results[8]["replayed"], true);
    assert_eq!(results[8]["offset"], results[0]["offset"]);
    assert_eq!(results[10]["offset"], answer.offset());

    let again = server.post(&stu(), &path, batch).await;
    for (first, second) in results
        .iter()
        .zip(again.is(200)["results"].as_array().unwrap())
    {
        let mut first = first.clone();
        if first["outcome"].is_string() && first["offset"].is_u64() {
            first["replayed"] = json!(true);
        }
        let mut second = second.clone();
        if second["code"] == "unknown_code" {
            // Nothing was recorded, so it is the moment of asking.
            second["timestamp"] = first["timestamp"].clone();
            second["occupancy"] = first["occupancy"].clone();
        }
        assert_eq!(first, second);
    }

    let many: Vec<_> = (0..1_001)
        .map(|n| scan("A1", "in", &format!("m{n}")))
        .collect();
    let refused = server.post(&stu(), &path, json!({"scans": many})).await;
    refused.is_problem(422, "invalid_field");
    let full: Vec<_> = (0..1_000)
        .map(|n| scan("A2", "in", &format!("f{n}")))
        .collect();
    let answer = server.post(&stu(), &path, json!({"scans": full})).await;
    assert_eq!(answer.is(200)["results"].as_array().unwrap().len(), 1_000);
    server.stop().await;
}
