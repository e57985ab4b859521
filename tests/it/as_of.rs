//! `?as_of=`: what was served then is what is served now, asked for by offset and by time; over HTTP, with the
//! answers of then taken live, through restarts and a rebuild.

use std::{
    collections::BTreeMap,
    fs::{self, DirEntry},
    path::Path,
};

use doorbook::{
    events::{event::Event, ids::GatheringId, log::Log, recorded::NewEvent, time::Timestamp},
    projections::Views,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestServer, ann, answer, auditor, bob, root, stu, sue},
    naive::{History, Step},
};

const GATES: [Option<&str>; 4] = [Some("north"), Some("south"), Some("<b>\"ö\"</b>"), None];

/// Answers to all the questions that know `as_of`, by path.
type Served = BTreeMap<String, Value>;

fn questions(gathering: GatheringId, codes: &[String]) -> Vec<String> {
    let event = format!("/api/events/{gathering}");
    let mut paths = vec![
        format!("{event}/"),
        format!("{event}/participants/?limit=7"),
        format!("{event}/participants/?q=zoe&status=inside"),
        format!("{event}/arrivals/"),
        format!("{event}/arrivals/?bucket=300"),
    ];
    let people = codes
        .iter()
        .map(|code| format!("/api/events/participants/{code}/"));
    paths.extend(people);
    paths
}

/// What is served now, at `offset` at least; none of it moves meanwhile.
async fn now(server: &TestServer, gathering: GatheringId, codes: &[String], offset: u64) -> Served {
    let mut served = Served::new();
    for path in questions(gathering, codes) {
        let request = server.request(Method::GET, &path).bearer_auth(ann().0);
        let read = answer(request.header("X-Min-Offset", offset)).await;
        let all = all_pages(server, &path, &read).await;
        served.insert(path, all);
    }
    served
}

/// The answer, or for a list all its results, followed page by page.
async fn all_pages(server: &TestServer, path: &str, first: &Answer) -> Value {
    let mut body = first.is(200).clone();
    let Some(mut results) = body["results"].as_array().cloned() else {
        return body;
    };
    while let Some(next) = body["next"].as_str() {
        let more = format!("{path}&after={next}");
        body = server.get(&ann(), &more).await.is(200).clone();
        results.extend(body["results"].as_array().unwrap().clone());
    }
    Value::Array(results)
}

async fn then(server: &TestServer, path: &str, as_of: &str) -> Value {
    let separator = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{separator}as_of={as_of}");
    let first = server.get(&ann(), &path).await;
    all_pages(server, &path, &first).await
}

/// One random act at the doors; the offset of what it recorded.
async fn act(
    server: &TestServer,
    random: &mut fastrand::Rng,
    gathering: GatheringId,
    codes: &mut Vec<String>,
) -> u64 {
    if codes.len() < 3 || random.u8(..) < 40 {
        let code = format!("T-{gathering}-{}", codes.len());
        let registered = server.register(gathering, &code).await;
        codes.push(code);
        return registered.offset();
    }
    let code = random.choice(codes.iter()).unwrap().clone();
    let mut body = json!({});
    if let Some(gate) = random.choice(GATES).unwrap() {
        body["gate"] = json!(gate);
    }
    // At the door a while ago, at times: arrivals are by when it happened.
    if random.bool() {
        let ago = Timestamp::now().plus_seconds(-random.i64(0..7_200));
        body["occurred_at"] = json!(ago.to_string());
    }
    let path = |verb: &str| format!("/api/events/participants/{code}/{verb}/");
    let done = match random.u8(..10) {
        0..5 => server.check_in(&stu(), &code, body).await,
        5..7 => server.check_out(&stu(), &code, body).await,
        7 => {
            server
                .post(&sue(), &path("undo"), json!({"reason": "tried"}))
                .await
        }
        8 => server.post(&sue(), &path("cancel"), json!({})).await,
        _ => {
            let zone = random.choice(["Europe/Berlin", "Asia/Kolkata", "UTC"]);
            let change = json!({"name": format!("Gala {}", random.u8(..)),
                "capacity": random.u32(1..50), "time_zone": zone.unwrap()});
            let event = format!("/api/events/{gathering}/");
            server.send(Method::PATCH, &ann(), &event, change).await
        }
    };
    assert!(matches!(done.status, 200 | 409), "{}", done.body);
    // An undo of nothing records nothing.
    done.header("x-offset")
        .map_or(0, |offset| offset.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_served_then_is_what_is_served_as_of_then() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut server = TestServer::start().await;
    let gathering = server
        .gathering(json!({"time_zone": "Europe/Berlin"}))
        .await;
    let other = server.gathering(json!({})).await;
    fill(&server, gathering).await;
    let (mut codes, mut foreign) = (Vec::new(), Vec::new());
    let mut evening: Vec<(u64, Served)> = Vec::new();
    let mut last = 0;
    for step in 0..240 {
        last = last.max(act(&server, &mut random, gathering, &mut codes).await);
        if random.u8(..) < 60 {
            act(&server, &mut random, other, &mut foreign).await;
        }
        if step % 20 == 7 {
            evening.push((last, now(&server, gathering, &codes, last).await));
        }
        if step == 120 {
            server = server.restart().await;
            assert!(has_snapshot(server.config.data_dir.as_path(), gathering));
        }
    }
    compare(&server, gathering, &evening).await;
    let started = server
        .post(
            &root(),
            "/api/admin/projections/participants/rebuild/",
            Value::Null,
        )
        .await;
    assert_eq!(started.status, 202, "{}", started.body);
    let progress = "/api/admin/projections/participants/rebuild/";
    while server.get(&root(), progress).await.is(200)["state"] == "running" {
        tokio::task::yield_now().await;
    }
    compare(&server, gathering, &evening).await;
    let server = server.restart().await;
    compare(&server, gathering, &evening).await;
    server.stop().await;
}

/// So many people that the gathering is worth a snapshot.
async fn fill(server: &TestServer, gathering: GatheringId) {
    let lines: String = (0..300)
        .map(|n| {
            let person = json!({"first_name": "Ada", "last_name": format!("Visitor {n}"),
                "email": "ada@example.org", "event_pax_id": format!("I-{n}")});
            format!("{person}\n")
        })
        .collect();
    let import = format!("/api/events/{gathering}/import/");
    let import = server.request(Method::POST, &import).bearer_auth(ann().0);
    let import = import.header("content-type", "application/x-ndjson");
    assert_eq!(answer(import.body(lines)).await.is(200)["accepted"], 300);
}

fn has_snapshot(dir: &Path, gathering: GatheringId) -> bool {
    let within = |entry: DirEntry| match entry.path() {
        path if path.is_dir() => has_snapshot(&path, gathering),
        path => {
            let path = path.to_string_lossy();
            path.ends_with(".snap") && path.contains(&gathering.to_string())
        }
    };
    (fs::read_dir(dir).unwrap()).any(|entry| within(entry.unwrap()))
}

/// By offset, and by every kind of moment between an event and the next one in the log.
async fn compare(server: &TestServer, gathering: GatheringId, evening: &[(u64, Served)]) {
    let log = server.get(&root(), "/api/log/").await;
    let recorded: Vec<Timestamp> = (log.text.lines())
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|entry| Timestamp::parse(entry["recorded_at"].as_str().unwrap()).unwrap())
        .collect();
    for (offset, served) in evening {
        let place = usize::try_from(*offset).unwrap();
        let at = recorded[place - 1];
        let next = recorded.get(place).copied();
        let mut moments = vec![offset.to_string()];
        if next.is_none_or(|next| next > at) {
            moments.push(at.to_string());
        }
        if let Some(next) = next.filter(|next| *next > at) {
            moments.push(Timestamp(next.0 - 1).to_string());
        }
        for (path, expected) in served {
            for moment in &moments {
                let found = then(server, path, moment).await;
                assert_eq!(&found, expected, "{path} of {gathering} as of {moment}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moment_that_has_not_come_or_is_none_is_refused_and_says_what_would_do() {
    let server = TestServer::start().await;
    let before = server.gathering(json!({})).await;
    let gathering = server.gathering(json!({})).await;
    let registered = server.register(gathering, "A1").await;
    let head = registered.offset();
    let event = format!("/api/events/{gathering}/");
    let tomorrow = Timestamp::now().plus_seconds(86_400);
    for path in questions(gathering, &["A1".to_owned()]) {
        let separator = if path.contains('?') { '&' } else { '?' };
        let ask = |as_of: String| format!("{path}{separator}as_of={as_of}");
        for wrong in [
            // Auditors ask, too, and leave records.
            (head + 50).to_string(),
            tomorrow.to_string(),
            "yesterday".to_owned(),
            "-1".to_owned(),
            "99999999999999999999".to_owned(),
            "2026-05-01".to_owned(),
            String::new(),
        ] {
            let refused = server.get(&ann(), &ask(wrong)).await;
            refused.is_problem(422, "invalid_field");
            assert_eq!(refused.body["field"], "as_of", "{}", refused.body);
        }
        // It did not exist then.
        let early = server.get(&ann(), &ask("1".to_owned())).await;
        assert_eq!(early.status, 404, "{path}: {}", early.body);
        let long_ago = server
            .get(&ann(), &ask("2001-01-01T00:00:00Z".to_owned()))
            .await;
        assert_eq!(long_ago.status, 404, "{path}: {}", long_ago.body);
        let good = server.get(&ann(), &ask(head.to_string())).await;
        good.is(200);
        assert_eq!(good.offset(), head);
        // A steward reads what is, not what was; a stranger finds nothing.
        server
            .get(&stu(), &ask(head.to_string()))
            .await
            .is_problem(403, "forbidden");
        server.get(&sue(), &ask(head.to_string())).await.is(200);
        server.get(&auditor(), &ask(head.to_string())).await.is(200);
        assert_eq!(server.get(&bob(), &ask(head.to_string())).await.status, 404);
        server.get(&stu(), &path).await.is(200);
    }
    let ahead = server
        .get(&ann(), &format!("{event}?as_of={}", head + 50))
        .await;
    assert!(ahead.body["head"].as_u64().unwrap() >= head);
    for bucket in ["0", "59", "61", "90", "604860", "-60", "x"] {
        let refused = server
            .get(&ann(), &format!("{event}arrivals/?bucket={bucket}"))
            .await;
        refused.is_problem(422, "invalid_field");
        assert_eq!(refused.body["field"], "bucket");
    }
    let empty = server
        .get(&ann(), &format!("/api/events/{before}/arrivals/"))
        .await;
    assert_eq!(empty.is(200)["buckets"], json!([]));
    assert_eq!(empty.body["total"], 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arrivals_count_admissions_that_stand_by_gate_and_moment_at_the_door() {
    let server = TestServer::start().await;
    let gathering = server
        .gathering(json!({"time_zone": "Europe/Berlin"}))
        .await;
    for code in ["A1", "A2", "A3"] {
        server.register(gathering, code).await;
    }
    let at = |gate: &str, time: &str| json!({"gate": gate, "occurred_at": format!("2026-05-01T{time}Z")});
    server
        .check_in(&stu(), "A1", at("north", "18:00:30"))
        .await
        .is(200);
    server
        .check_out(&stu(), "A1", at("north", "18:01:00"))
        .await
        .is(200);
    // Back again: another arrival.
    server
        .check_in(&stu(), "A1", at("south", "18:02:10"))
        .await
        .is(200);
    server
        .check_in(&stu(), "A2", at("north", "18:00:59"))
        .await
        .is(200);
    let wrong = server.check_in(&stu(), "A3", at("north", "18:09:00")).await;
    server
        .post(
            &sue(),
            "/api/events/participants/A3/undo/",
            json!({"reason": "slip"}),
        )
        .await
        .is(200);
    let path = format!("/api/events/{gathering}/arrivals/");
    let arrivals = server.get(&stu(), &path).await;
    assert_eq!(
        arrivals.is(200)["buckets"],
        json!([
            {"start": "2026-05-01T18:00:00Z", "total": 2, "counts": [2, 0]},
            {"start": "2026-05-01T18:01:00Z", "total": 0, "counts": [0, 0]},
            {"start": "2026-05-01T18:02:00Z", "total": 1, "counts": [0, 1]},
        ])
    );
    assert_eq!(arrivals.body["gates"], json!(["north", "south"]));
    assert_eq!(arrivals.body["total"], 3);
    assert_eq!(arrivals.body["time_zone"], "Europe/Berlin");
    let before = server
        .get(
            &ann(),
            &format!("{path}?bucket=600&as_of={}", wrong.offset()),
        )
        .await;
    assert_eq!(
        before.is(200)["buckets"],
        json!([{"start": "2026-05-01T18:00:00Z", "total": 4, "counts": [3, 1]}])
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arrivals_are_drawn_for_a_report_and_a_name_in_them_is_text() {
    let server = TestServer::start().await;
    let name = "<script>alert('gala')</script> & friends";
    let gathering = server
        .gathering(json!({"name": name, "time_zone": "Asia/Kolkata"}))
        .await;
    let path = format!("/api/events/{gathering}/arrivals/");
    let empty = server.get(&ann(), &format!("{path}?format=svg")).await;
    assert!(
        empty.text.contains("Nobody had arrived yet"),
        "{}",
        empty.text
    );
    let mut last = 0;
    for n in 0..12 {
        let code = format!("A{n}");
        server.register(gathering, &code).await;
        let at =
            json!({"gate": "=cmd()|<b>", "occurred_at": format!("2026-05-01T18:{:02}:00Z", n * 5)});
        last = server.check_in(&stu(), &code, at).await.offset();
    }
    let drawn = server.get(&ann(), &format!("{path}?format=svg")).await;
    assert_eq!(drawn.status, 200);
    assert_eq!(drawn.header("content-type"), Some("image/svg+xml"));
    assert_eq!(
        drawn.header("content-security-policy"),
        Some("default-src 'none'; sandbox")
    );
    assert!(drawn.text.contains("&lt;script&gt;") && !drawn.text.contains("<script"));
    assert!(drawn.text.contains("=cmd()|&lt;b&gt;") && !drawn.text.contains("<b>"));
    assert!(drawn.text.contains("12 arrivals") && drawn.text.contains("2026-05-01, 23:30"));
    let accepted = server.request(Method::GET, &format!("{path}?as_of={}", last - 2));
    let accepted = answer(
        accepted
            .bearer_auth(ann().0)
            .header("accept", "image/svg+xml"),
    )
    .await;
    assert!(accepted.text.contains("11 arrivals"), "{}", accepted.text);
    let wide = server
        .get(
            &ann(),
            &format!("{path}?format=svg&bucket=60&since=2026-05-01T18:10:00Z"),
        )
        .await;
    assert!(wide.text.contains("10 arrivals"), "{}", wide.text);
    server
        .get(&ann(), &format!("{path}?format=png"))
        .await
        .is_problem(422, "invalid_field");
    server.stop().await;
}

/// The fact is in the log before the key is gone: what is asked for in between must not keep the name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_erased_has_no_name_in_a_moment_of_before_even_while_the_key_is_still_there() {
    let mut history = History::new(Log::in_memory());
    let register = Step {
        kind: 0,
        gathering: 0,
        participant: 1,
        gate: 0,
        back: 0,
    };
    let (gathering, registered, _) = history.take(&register);
    history.take(&register);
    history.settle();
    let log = history.log.clone();
    let views = Views::open(log.clone()).unwrap();
    let subject = registered.event.subject().unwrap().clone();
    let then = async || {
        let person = views
            .participant_as_of(&subject.code, registered.offset)
            .await
            .unwrap()
            .unwrap();
        (person.user.last_name.clone(), person.note.clone())
    };
    assert_eq!(
        then().await,
        ("Müller".to_owned(), Some("vegan".to_owned()))
    );
    let erased = NewEvent {
        gathering,
        decided_at: registered.recorded_at,
        occurred_at: registered.recorded_at,
        actor: registered.actor.clone(),
        correlation: registered.correlation,
        causation: None,
        command: None,
        event: Event::ParticipantErased {
            subject: subject.clone(),
        },
    };
    log.append(erased).unwrap().1.wait().await.unwrap();
    assert_eq!(then().await, (String::new(), None));
    log.keys()
        .destroy(gathering, subject.participant.to_bytes())
        .unwrap();
    assert_eq!(then().await, (String::new(), None));
    views.close();
}
