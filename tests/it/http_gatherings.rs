//! Gatherings and their people over HTTP: creating, changing, listing, teams, registration, search.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{TestServer, ann, bob, root, stu, sue, with_roles};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gathering_has_defaults_and_counts() {
    let server = TestServer::start().await;
    let created = server
        .post(
            &ann(),
            "/api/events/",
            json!({"name": "Gala", "start_date": "2026-05-01T18:00:00Z"}),
        )
        .await;
    let body = created.is(201);
    for (field, value) in [
        ("name", json!("Gala")),
        ("start_date", json!("2026-05-01T18:00:00Z")),
        ("end_date", Value::Null),
        ("time_zone", json!("UTC")),
        ("capacity", Value::Null),
        ("capacity_mode", json!("warn")),
        ("reentry", json!("after_check_out")),
        ("opens_at", Value::Null),
        ("closes_at", Value::Null),
        ("registration", json!("staff")),
        ("creator", json!("ann")),
        ("participant_count", json!(0)),
        ("checked_in_count", json!(0)),
        ("inside_count", json!(0)),
        ("team", json!([])),
    ] {
        assert_eq!(body[field], value, "{field}");
    }
    assert_eq!(body["offset"], created.offset());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_field_is_named() {
    let server = TestServer::start().await;
    let good = json!({"name": "Gala", "start_date": "2026-05-01T18:00:00Z"});
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("x".repeat(256))),
        ("name", json!("a\u{0}b")),
        ("name", json!(7)),
        ("start_date", json!("soon")),
        ("start_date", Value::Null),
        ("end_date", json!("2026-04-01T18:00:00Z")),
        ("time_zone", json!("Mars/Base")),
        ("capacity", json!(0)),
        ("capacity", json!(-1)),
        ("capacity", json!(1.5)),
        ("capacity_mode", json!("explode")),
        ("reentry", json!("sometimes")),
        ("registration", json!("closed")),
        ("colour", json!("red")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        let refused = server.post(&ann(), "/api/events/", body).await;
        assert_eq!(refused.status, 422, "{field} {value}: {}", refused.text);
        assert_eq!(refused.body["field"], field, "{value}: {}", refused.text);
    }
    for missing in ["name", "start_date"] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(missing);
        let refused = server.post(&ann(), "/api/events/", body).await;
        refused.is_problem(422, "invalid_field");
        assert_eq!(refused.body["field"], missing);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_keeps_what_it_leaves_out_and_null_clears() {
    let server = TestServer::start().await;
    let gala = server
        .gathering(json!({"capacity": 5, "end_date": "2026-05-02T00:00:00Z"}))
        .await;
    let path = format!("/api/events/{gala}/");
    let ann = ann();
    let patch = |body| server.send(Method::PATCH, &ann, &path, body);
    let changed = patch(json!({"name": "Ball", "capacity": null})).await;
    assert_eq!(changed.is(200)["name"], "Ball");
    assert_eq!(changed.body["capacity"], Value::Null);
    assert_eq!(changed.body["end_date"], "2026-05-02T00:00:00Z");
    assert_eq!(changed.body["team"].as_array().unwrap().len(), 2);
    let again = patch(json!({"name": "Ball"})).await;
    assert_eq!(again.is(200)["name"], "Ball");
    assert_eq!(
        again.offset(),
        changed.offset(),
        "nothing to change makes no event"
    );
    let zone = patch(json!({"time_zone": "Europe/Berlin", "opens_at": "2026-05-01T19:00"})).await;
    assert_eq!(zone.is(200)["opens_at"], "2026-05-01T17:00:00Z");
    patch(json!({"start_date": null, "name": "x"}))
        .await
        .is(200);
    patch(json!({"closes_at": "2026-05-01T18:00"}))
        .await
        .is_problem(422, "invalid_field");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_lists_the_gatherings_they_may_see_page_by_page() {
    let server = TestServer::start().await;
    let mut own = Vec::new();
    for n in 0..5 {
        own.push(
            server
                .gathering(json!({"name": format!("G{n}")}))
                .await
                .to_string(),
        );
    }
    let carl = with_roles("carl", &["creator"]);
    let other = server
        .post(
            &carl,
            "/api/events/",
            json!({"name": "C", "start_date": "2026-05-01T18:00:00Z"}),
        )
        .await;
    other.is(201);
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = server
            .get(&stu(), &format!("/api/events/?limit=2{after}"))
            .await;
        for gathering in page.is(200)["results"].as_array().unwrap() {
            assert!(
                gathering.get("team").is_none(),
                "the team is for those who may change it"
            );
            seen.push(gathering["id"].as_str().unwrap().to_owned());
        }
        match page.body["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, own);
    let all = server.get(&root(), "/api/events/").await;
    assert_eq!(all.is(200)["results"].as_array().unwrap().len(), 6);
    let none = server.get(&bob(), "/api/events/").await;
    assert_eq!(none.is(200), &json!({"results": [], "next": null}));
    for limit in ["0", "1001", "x", "-1"] {
        let refused = server
            .get(&stu(), &format!("/api/events/?limit={limit}"))
            .await;
        refused.is_problem(422, "invalid_field");
        assert_eq!(refused.body["field"], "limit");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_member_is_a_stranger() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let member = format!("/api/events/{gala}/service-team/stu/");
    let again = server
        .send(
            Method::PUT,
            &ann(),
            &member,
            json!({"door_role": "steward"}),
        )
        .await;
    assert_eq!(again.is(200)["door_role"], "steward");
    server
        .send(Method::PUT, &ann(), &member, json!({"door_role": "boss"}))
        .await
        .is_problem(422, "invalid_field");
    let gone = server
        .send(Method::DELETE, &ann(), &member, Value::Null)
        .await;
    gone.is(204);
    assert!(gone.offset() > 0);
    server
        .get(&stu(), &format!("/api/events/{gala}/"))
        .await
        .is_problem(404, "unknown_event");
    server
        .send(Method::DELETE, &ann(), &member, Value::Null)
        .await
        .is_problem(404, "unknown_member");
    let long = format!("/api/events/{gala}/service-team/{}/", "x".repeat(129));
    server
        .send(Method::PUT, &ann(), &long, json!({"door_role": "steward"}))
        .await
        .is_problem(422, "invalid_field");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_registered_and_found() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let path = format!("/api/events/{gala}/register/");
    let body = json!({"user": {"first_name": "Jürgen", "last_name": "Østergård", "email": "j@example.org"}, "ticket_type": "VIP", "note": "vegan"});
    let registered = server.post(&sue(), &path, body).await;
    let code = registered.is(201)["event_pax_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(registered.body["user"]["last_name"], "Østergård");
    assert_eq!(registered.body["status"], "registered");
    assert_eq!(registered.body["ticket_type"], "VIP");
    assert_eq!(registered.body["replayed"], false);

    let shown = server
        .get(&stu(), &format!("/api/events/participants/{code}/"))
        .await;
    assert_eq!(shown.is(200)["note"], "vegan");
    for q in [
        "ostergard",
        "JURGEN",
        "gard jurg",
        "j@example",
        code.as_str(),
    ] {
        let found = server
            .get(&stu(), &format!("/api/events/{gala}/participants/?q={q}"))
            .await;
        assert_eq!(found.is(200)["results"].as_array().unwrap().len(), 1, "{q}");
    }
    let inside = server
        .get(
            &stu(),
            &format!("/api/events/{gala}/participants/?status=inside"),
        )
        .await;
    assert_eq!(inside.is(200)["results"], json!([]));
    server
        .get(
            &stu(),
            &format!("/api/events/{gala}/participants/?status=asleep"),
        )
        .await
        .is_problem(422, "invalid_field");
    server
        .get(
            &stu(),
            &format!("/api/events/{gala}/participants/?after=nonsense"),
        )
        .await
        .is_problem(422, "invalid_field");

    let taken = json!({"first_name": "Other", "event_pax_id": code});
    server
        .post(&sue(), &path, taken)
        .await
        .is_problem(409, "code_taken");
    server
        .post(
            &sue(),
            &path,
            json!({"first_name": "A", "email": "not one"}),
        )
        .await
        .is_problem(422, "invalid_field");
    server
        .post(
            &sue(),
            &path,
            json!({"first_name": "A", "user": {"age": 7}}),
        )
        .await
        .is_problem(422, "unknown_field");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anybody_registers_themselves_once_where_registration_is_open() {
    let server = TestServer::start().await;
    let closed = server.gathering(json!({})).await;
    let me = json!({"first_name": "Bob", "last_name": "B", "email": "bob@example.org"});
    server
        .post(
            &bob(),
            &format!("/api/events/{closed}/register/"),
            me.clone(),
        )
        .await
        .is_problem(404, "unknown_event");
    server
        .post(
            &stu(),
            &format!("/api/events/{closed}/register/"),
            me.clone(),
        )
        .await
        .is_problem(403, "forbidden");

    let open = server.gathering(json!({"registration": "open"})).await;
    let path = format!("/api/events/{open}/register/");
    let first = server.post(&bob(), &path, me.clone()).await;
    first.is(201);
    let again = server.post(&bob(), &path, me).await;
    assert_eq!(again.is(201)["id"], first.body["id"]);
    assert_eq!(again.body["replayed"], true);
    let other = json!({"first_name": "Friend", "email": "friend@example.org"});
    server
        .post(&bob(), &path, other)
        .await
        .is_problem(409, "idempotency_conflict");
    let vip = json!({"first_name": "Bob", "ticket_type": "VIP"});
    server
        .post(&with_roles("eve", &[]), &path, vip)
        .await
        .is_problem(403, "forbidden");
    let count = server.get(&ann(), &format!("/api/events/{open}/")).await;
    assert_eq!(count.is(200)["participant_count"], 1);
    server.stop().await;
}
