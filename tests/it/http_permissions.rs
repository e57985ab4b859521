//! The permission table over HTTP: every route by everybody, in their own gathering and in a foreign one.

use doorbook::events::{event::DoorRole, time::Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    Answer, TestServer, User, ann, answer, at_door, auditor, bob, root, stu, sue, with_roles,
};

/// A gathering that does not exist.
const NOWHERE: &str = "0190c9a2-7c8e-7d31-b1b5-3f7a2f7d9e10";

/// A request, and who may send it: `y` for yes. The order is that of [`rows`].
struct Row {
    method: Method,
    path: &'static str,
    body: fn() -> Value,
    allowed: &'static str,
}

fn row(method: Method, path: &'static str, body: fn() -> Value, allowed: &'static str) -> Row {
    Row {
        method,
        path,
        body,
        allowed,
    }
}

/// Superuser, creator, supervisor, steward, door supervisor, door steward, auditor, nobody in particular.
fn rows() -> Vec<Row> {
    let null = || Value::Null;
    let event = "/api/events/{event}/";
    vec![
        row(Method::GET, event, null, "yyyyyyy."),
        row(Method::PATCH, event, || json!({"name": "Gala"}), "yy......"),
        row(
            Method::PUT,
            "/api/events/{event}/service-team/new/",
            || json!({"door_role": "steward"}),
            "yy......",
        ),
        row(
            Method::DELETE,
            "/api/events/{event}/service-team/old/",
            null,
            "yy......",
        ),
        row(
            Method::POST,
            "/api/events/{event}/register/",
            || json!({"first_name": "New"}),
            "yyy.y...",
        ),
        row(
            Method::POST,
            "/api/events/{event}/scan/",
            || json!({"code": "X", "direction": "in", "scan_id": "p"}),
            "yyyyyy..",
        ),
        row(
            Method::POST,
            "/api/events/{event}/scan/batch/",
            || json!({"scans": []}),
            "yyyyyy..",
        ),
        row(
            Method::GET,
            "/api/events/{event}/participants/",
            null,
            "yyyyyyy.",
        ),
        row(
            Method::GET,
            "/api/events/{event}/arrivals/",
            null,
            "yyyyyyy.",
        ),
        row(
            Method::GET,
            "/api/events/{event}/history/",
            null,
            "yyy.y.y.",
        ),
    ]
}

fn ticket_rows() -> Vec<Row> {
    let null = || Value::Null;
    vec![
        row(
            Method::GET,
            "/api/events/participants/{code}/",
            null,
            "yyyyyyy.",
        ),
        row(
            Method::POST,
            "/api/events/participants/{code}/check-in/",
            null,
            "yyyyyy..",
        ),
        row(
            Method::POST,
            "/api/events/participants/{code}/check-out/",
            null,
            "yyyyyy..",
        ),
        row(
            Method::POST,
            "/api/events/participants/{code}/check-in/",
            || json!({"override": {"reason": "asked"}}),
            "yyy.y...",
        ),
        row(
            Method::POST,
            "/api/events/participants/{code}/undo/",
            || json!({"reason": "asked"}),
            "yyyyyy..",
        ),
        row(
            Method::POST,
            "/api/events/participants/{code}/cancel/",
            null,
            "yyy.y...",
        ),
    ]
}

fn door_token_rows() -> Vec<Row> {
    let null = || Value::Null;
    vec![
        row(
            Method::POST,
            "/api/events/{event}/door-tokens/",
            || {
                let later = Timestamp::now().plus_seconds(60).to_string();
                json!({"name": "North", "door_role": "steward", "expires_at": later})
            },
            "yy......",
        ),
        row(
            Method::GET,
            "/api/events/{event}/door-tokens/",
            null,
            "yy......",
        ),
        row(
            Method::DELETE,
            "/api/events/{event}/door-tokens/0190c9a2-7c8e-7d31-b1b5-3f7a2f7d9e10/",
            null,
            "yy......",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_may_do_what_the_table_says_and_sees_nothing_elsewhere() {
    let server = TestServer::start().await;
    let own = server.gathering(json!({})).await;
    server.register(own, "OWN").await;
    let carl = with_roles("carl", &["creator"]);
    let foreign = foreign_gathering(&server, &carl).await;
    let everybody: [(&str, User); 8] = [
        ("superuser", root()),
        ("creator", ann()),
        ("supervisor", sue()),
        ("steward", stu()),
        ("door supervisor", at_door("d1", own, DoorRole::Supervisor)),
        ("door steward", at_door("d2", own, DoorRole::Steward)),
        ("auditor", auditor()),
        ("nobody", bob()),
    ];
    let rows = [rows(), ticket_rows(), door_token_rows()];
    for row in rows.into_iter().flatten() {
        for ((who, user), cell) in everybody.iter().zip(row.allowed.chars()) {
            let here = row.send(&server, user, &own.to_string(), "OWN").await;
            let said = format!("{who} {} {}: {}", row.method, row.path, here.text);
            match (cell, *who) {
                ('y', _) => {
                    let undo = here.body["code"] == "undo_not_allowed";
                    assert!(!matches!(here.status, 401 | 403) || undo, "{said}");
                }
                (_, "nobody") => assert_eq!(here.status, 404, "{said}"),
                _ => assert_eq!(here.status, 403, "{said}"),
            }
            let there = row.send(&server, user, &foreign, "FOREIGN").await;
            let nowhere = row.send(&server, user, NOWHERE, "NOWHERE").await;
            assert_eq!(nowhere.status, 404, "{said}");
            if !matches!(*who, "superuser" | "auditor") {
                assert_eq!(there.status, 404, "{said}");
                assert_eq!(
                    there.body, nowhere.body,
                    "a stranger learns nothing: {said}"
                );
            }
        }
        let path = row.at(&own.to_string(), "OWN");
        let without = server.request(row.method.clone(), &path);
        answer(without).await.is_problem(401, "token_missing");
        let bad = server.request(row.method, &path).bearer_auth("nonsense");
        answer(bad).await.is_problem(401, "token_invalid");
    }
    let untouched = server.get(&carl, &format!("/api/events/{foreign}/")).await;
    assert_eq!(
        untouched.is(200)["checked_in_count"],
        1,
        "only the superuser has been there"
    );
    server.stop().await;
}

/// Of somebody else, with one ticket, `FOREIGN`.
async fn foreign_gathering(server: &TestServer, owner: &User) -> String {
    let new = json!({"name": "Foreign", "start_date": "2026-05-01T18:00:00Z"});
    let created = server.post(owner, "/api/events/", new).await;
    let id = created.is(201)["id"].as_str().unwrap().to_owned();
    let person = json!({"first_name": "F", "event_pax_id": "FOREIGN"});
    let register = format!("/api/events/{id}/register/");
    server.post(owner, &register, person).await.is(201);
    id
}

impl Row {
    fn at(&self, event: &str, code: &str) -> String {
        self.path.replace("{event}", event).replace("{code}", code)
    }

    async fn send(&self, server: &TestServer, user: &User, event: &str, code: &str) -> Answer {
        let path = self.at(event, code);
        let body = (self.body)();
        server.send(self.method.clone(), user, &path, body).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_about_no_gathering_asks_for_a_role() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let door = at_door("d1", gala, DoorRole::Supervisor);
    let rebuild = "/api/admin/projections/participants/rebuild/";
    let rollback = "/api/admin/projections/participants/rollback/";
    for (method, path, allowed) in [
        (Method::GET, "/api/history/", "y..y.."),
        (Method::GET, "/api/log/", "y..y.."),
        (Method::GET, "/metrics", "y..y.."),
        (Method::GET, "/api/admin/projections/", "y....."),
        (Method::POST, rebuild, "y....."),
        (Method::POST, rollback, "y....."),
        (Method::GET, rebuild, "y....."),
        (Method::DELETE, rebuild, "y....."),
    ] {
        let users = [root(), ann(), sue(), auditor(), door.clone(), bob()];
        for (user, cell) in users.iter().zip(allowed.chars()) {
            let given = server.send(method.clone(), user, path, Value::Null).await;
            assert_eq!(
                given.status == 403,
                cell != 'y',
                "{method} {path}: {}",
                given.text
            );
        }
    }
    let new = json!({"name": "New", "start_date": "2026-05-01T18:00:00Z"});
    for (user, status) in [
        (root(), 201),
        (ann(), 201),
        (sue(), 403),
        (auditor(), 403),
        (door, 403),
        (bob(), 403),
    ] {
        assert_eq!(
            server.post(&user, "/api/events/", new.clone()).await.status,
            status
        );
    }
    server.stop().await;
}

/// So that a page shows only the buttons that work.
#[tokio::test]
async fn everybody_is_told_what_they_are_to_a_gathering() {
    let server = TestServer::start().await;
    let gala = server.gathering(json!({})).await;
    let one = format!("/api/events/{gala}/");
    for (user, role) in [
        (root(), "superuser"),
        (ann(), "creator"),
        (sue(), "supervisor"),
        (stu(), "steward"),
        (auditor(), "auditor"),
        (at_door("north", gala, DoorRole::Supervisor), "supervisor"),
        // The strongest of it.
        (with_roles("stu", &["auditor"]), "steward"),
        (with_roles("sue", &["superuser"]), "superuser"),
        (with_roles("carl", &["creator", "auditor"]), "auditor"),
    ] {
        let alone = server.get(&user, &one).await;
        let then = server.get(&user, &format!("{one}?as_of=1")).await;
        let listed = server.get(&user, "/api/events/").await;
        let listed = &listed.is(200)["results"][0]["your_role"];
        let expected = json!(role);
        assert_eq!(
            (&alone.is(200)["your_role"], listed),
            (&expected, &expected)
        );
        // As of an earlier moment is history, which a steward may not read.
        if then.status == 200 {
            assert_eq!(then.body["your_role"], role);
        } else {
            assert_eq!(role, "steward");
        }
    }
    server
        .get(&bob(), &one)
        .await
        .is_problem(404, "unknown_event");
    server.stop().await;
}
