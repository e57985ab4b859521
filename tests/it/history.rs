//! History as auditors ask for it: every filter, alone and with others, over one gathering and over all,
//! gives what a naive filter over the whole log gives, page by page, whatever is recorded meanwhile.

use std::{ffi::OsString, fs};

use doorbook::events::{ids::GatheringId, time::Timestamp};
use fastrand::Rng;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{TestServer, User, ann, answer, root, stu, sue};

/// Enough that the index of each gathering is worth a file.
const SCANS: usize = 700;
const QUESTIONS: usize = 60;
const GATES: [&str; 4] = ["north", "south", "Tür 3", "rare"];

/// A generated night at two gatherings of Ann's.
pub(crate) struct Night {
    pub(crate) gala: GatheringId,
    pub(crate) fair: GatheringId,
    people: usize,
    random: Rng,
}

/// Filters and their values, as they stand in a query.
type Question = Vec<(&'static str, String)>;

impl Night {
    pub(crate) async fn new(server: &TestServer, people: usize) -> Self {
        let seed = std::env::var("DOORBOOK_TEST_SEED").ok();
        let seed = seed.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
        println!("DOORBOOK_TEST_SEED={seed}");
        let gala = server.gathering(json!({"name": "Gala Ü 2026"})).await;
        let fair = server.gathering(json!({"name": "Fair"})).await;
        for (gathering, name) in [(gala, "GALA"), (fair, "FAIR")] {
            let mut list = "first_name,last_name,email,code\n".to_owned();
            for number in 0..people {
                list += &format!("Zoë,Nr {number},zoe{number}@example.org,{name}-{number}\n");
            }
            let path = format!("/api/events/{gathering}/import/");
            let request = server.request(Method::POST, &path).bearer_auth(&ann().0);
            let imported = answer(request.header("content-type", "text/csv").body(list)).await;
            assert_eq!(imported.is(200)["accepted"], people);
        }
        let random = Rng::with_seed(seed);
        Self {
            gala,
            fair,
            people,
            random,
        }
    }

    fn code(&mut self) -> String {
        let name = self.random.choice(["GALA", "FAIR"]).unwrap();
        format!("{name}-{}", self.random.usize(..self.people))
    }

    /// Something happens at a door or at the desk.
    pub(crate) async fn step(&mut self, server: &TestServer) {
        let code = self.code();
        let user = [ann(), sue(), stu()][self.random.usize(..3)].clone();
        let door = *self.random.choice(&[self.gala, self.fair]).unwrap();
        // One in fifty is at the rare gate.
        let gate = GATES[if self.random.u8(..50) == 0 {
            3
        } else {
            self.random.usize(..3)
        }];
        let (path, body) = match self.random.u8(..20) {
            0 => (format!("participants/{code}/cancel/"), json!({})),
            1..=3 => (
                format!("participants/{code}/undo/"),
                json!({"reason": "by mistake"}),
            ),
            number => {
                let direction = if number < 8 { "out" } else { "in" };
                let id = format!("scan-{:x}", self.random.u64(..));
                let scan =
                    json!({"code": code, "direction": direction, "gate": gate, "scan_id": id});
                (format!("{door}/scan/"), scan)
            }
        };
        let done = server
            .post(&user, &format!("/api/events/{path}"), body)
            .await;
        assert!([200, 403, 409].contains(&done.status), "{}", done.text);
    }

    fn question(&mut self, log: &[Value]) -> Question {
        let mut question = Vec::new();
        let some = self.random.choice(log).unwrap();
        let word = |value: &Value| value.as_str().unwrap_or("nobody").to_owned();
        for name in ["participant", "actor", "gate", "type", "since", "until"] {
            if self.random.u8(..3) > 0 {
                continue;
            }
            let other = self.random.choice(log).unwrap();
            // Mostly of one entry, so that there is something to find.
            let of = if self.random.bool() { some } else { other };
            let value = match name {
                "participant" if self.random.bool() => word(&of["participant_id"]),
                "participant" => word(&of["event_pax_id"]),
                "actor" => word(&of["actor"]["id"]),
                "gate" => word(&of["gate"]),
                "type" => word(&of["type"]),
                _ => word(&of["recorded_at"]),
            };
            question.push((name, value));
        }
        question
    }
}

/// The whole log, straight through.
pub(crate) async fn log(server: &TestServer) -> Vec<Value> {
    // Not `/api/log/`: whoever reads that is in it.
    let mut entries: Vec<Value> = Vec::new();
    let mut next = Some("0".to_owned());
    while let Some(after) = next {
        let path = format!("/api/history/?limit=1000&after={after}");
        let page = server.get(&root(), &path).await;
        entries.extend(page.is(200)["results"].as_array().unwrap().iter().cloned());
        next = page.body["next"].as_str().map(str::to_owned);
    }
    entries
}

fn matches(entry: &Value, question: &Question) -> bool {
    let recorded = Timestamp::parse(entry["recorded_at"].as_str().unwrap()).unwrap();
    question.iter().all(|(name, value)| match *name {
        "participant" => entry["participant_id"] == **value || entry["event_pax_id"] == **value,
        "actor" => entry["actor"]["id"] == **value,
        "gate" => entry["gate"] == **value,
        "type" => entry["type"] == **value,
        "since" => recorded >= Timestamp::parse(value).unwrap(),
        "until" => recorded < Timestamp::parse(value).unwrap(),
        _ => unreachable!("{name}"),
    })
}

fn naive(log: &[Value], gathering: Option<GatheringId>, question: &Question) -> Vec<Value> {
    let here = |entry: &&Value| {
        gathering.is_none_or(|gathering| entry["event_id"] == gathering.to_string())
    };
    (log.iter().filter(here))
        .filter(|entry| matches(entry, question))
        .cloned()
        .collect()
}

fn newest_first(question: &Question) -> Question {
    let order = ("order", "newest".to_owned());
    question.iter().cloned().chain([order]).collect()
}

fn path(gathering: Option<GatheringId>) -> String {
    match gathering {
        Some(gathering) => format!("/api/events/{gathering}/history/"),
        None => "/api/history/".to_owned(),
    }
}

/// All pages of an answer; each but the last is full.
async fn pages(
    server: &TestServer,
    user: &User,
    gathering: Option<GatheringId>,
    question: &Question,
    limit: usize,
) -> Vec<Value> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let mut query = question.clone();
        query.push(("limit", limit.to_string()));
        query.extend(after.take().map(|after| ("after", after)));
        let request = server.request(Method::GET, &path(gathering)).query(&query);
        let page = answer(request.bearer_auth(&user.0)).await;
        let results = page.is(200)["results"].as_array().unwrap();
        found.extend(results.iter().cloned());
        match page.body["next"].as_str() {
            Some(next) => {
                assert_eq!(results.len(), limit, "{question:?}");
                after = Some(next.to_owned());
            }
            None => return found,
        }
    }
}

#[tokio::test]
async fn every_filter_gives_what_a_naive_filter_over_the_log_gives() {
    let mut server = TestServer::start().await;
    let mut night = Night::new(&server, 40).await;
    for _ in 0..SCANS {
        night.step(&server).await;
    }
    // Once with indexes made from the log, once with those that were saved.
    for _ in 0..2 {
        let log = log(&server).await;
        for number in 0..QUESTIONS {
            let question = night.question(&log);
            let limit = night.random.usize(1..40);
            let place = [None, Some(night.gala), Some(night.fair)][number % 3];
            let mut expected = naive(&log, place, &question);
            let found = pages(&server, &root(), place, &question, limit).await;
            assert_eq!(found, expected, "{place:?} {question:?}");
            let newest = newest_first(&question);
            let found = pages(&server, &root(), place, &newest, limit).await;
            expected.reverse();
            assert_eq!(found, expected, "{place:?} {newest:?}");
        }
        let saved = [night.gala, night.fair].map(|id| id.to_string());
        server = (server.restart_after(|data| {
            for place in saved.iter().map(String::as_str).chain(["whole-log"]) {
                let files = fs::read_dir(data.join("snapshots").join(place)).unwrap();
                let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
                let is_index = |name: &OsString| name.to_string_lossy().starts_with("history.");
                assert!(names.iter().any(is_index), "{place}: {names:?}");
            }
        }))
        .await;
    }
    server.stop().await;
}

/// The filters alone and all together, and none, over pages of every size that could go wrong.
#[tokio::test]
async fn newest_first_is_the_reverse_for_every_filter() {
    let server = TestServer::start().await;
    let mut night = Night::new(&server, 12).await;
    let mut codes = Vec::new();
    for _ in 0..160 {
        night.step(&server).await;
        codes.push(night.code());
    }
    let log = log(&server).await;
    let middle = log[log.len() / 2]["recorded_at"].as_str().unwrap();
    let alone = [
        ("participant", codes[0].clone()),
        ("actor", "stu".to_owned()),
        ("gate", "rare".to_owned()),
        ("type", "participant_checked_in".to_owned()),
        ("since", middle.to_owned()),
        ("until", middle.to_owned()),
        ("gate", "nowhere".to_owned()),
    ];
    let mut questions: Vec<Question> = alone.iter().map(|one| vec![one.clone()]).collect();
    questions.push(Vec::new());
    questions.push(alone[1..2].iter().chain(&alone[3..5]).cloned().collect());
    for question in &questions {
        for place in [None, Some(night.gala), Some(night.fair)] {
            let mut expected = pages(&server, &root(), place, question, 1_000).await;
            assert_eq!(expected, naive(&log, place, question));
            expected.reverse();
            let exact = expected.len().clamp(1, 1_000);
            for limit in [1_000, exact, 7] {
                let newest = newest_first(question);
                let found = pages(&server, &root(), place, &newest, limit).await;
                assert_eq!(found, expected, "{place:?} {newest:?} {limit}");
            }
        }
    }
    for (query, field) in [
        ("order=sideways", "order"),
        ("order=newest&format=csv", "order"),
    ] {
        let path = format!("/api/history/?{query}");
        let refused = server.get(&root(), &path).await;
        refused.is_problem(422, "invalid_field");
        assert_eq!(refused.body["field"], field);
    }
    server.stop().await;
}

#[tokio::test]
async fn pages_stay_as_they_are_while_more_is_recorded() {
    let server = TestServer::start().await;
    let mut night = Night::new(&server, 20).await;
    for question in [
        vec![],
        vec![("gate", "north".to_owned())],
        vec![
            ("type", "scan_refused".to_owned()),
            ("actor", "stu".to_owned()),
        ],
    ] {
        for place in [None, Some(night.gala)] {
            let mut found: Vec<Value> = Vec::new();
            let mut after = 0;
            for _ in 0..12 {
                let mut query = question.clone();
                query.extend([("limit", "3".to_owned()), ("after", after.to_string())]);
                let request = server.request(Method::GET, &path(place)).query(&query);
                let page = answer(request.bearer_auth(&root().0)).await;
                found.extend(page.is(200)["results"].as_array().unwrap().iter().cloned());
                for _ in 0..4 {
                    night.step(&server).await;
                }
                let last = found.last().map(|entry| entry["offset"].as_u64().unwrap());
                after = last.unwrap_or(after);
            }
            let mut whole = naive(&log(&server).await, place, &question);
            whole.truncate(found.len());
            // An undo that came later shows on what it took back; nothing else changes.
            for entry in found.iter_mut().chain(&mut whole) {
                entry["undone_by"] = Value::Null;
            }
            assert_eq!(found, whole, "{place:?} {question:?}");
            assert!(!found.is_empty(), "{place:?} {question:?}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn everything_that_touched_a_ticket_is_found_by_its_code_and_by_its_id() {
    let server = TestServer::start().await;
    let night = Night::new(&server, 5).await;
    let (gala, fair) = (night.gala, night.fair);
    // A fresh id of any kind will do.
    let scan = |code: &str| json!({"code": code, "direction": "in", "gate": "north", "scan_id": GatheringId::generate()});
    let at = |gathering: GatheringId| format!("/api/events/{gathering}/scan/");
    assert_eq!(
        server.post(&stu(), &at(fair), scan("GALA-1")).await.status,
        200
    );
    assert_eq!(
        server.post(&stu(), &at(gala), scan("GALA-2")).await.status,
        200
    );
    assert_eq!(
        server.post(&stu(), &at(gala), scan("GALA-1")).await.status,
        200
    );
    let ticket = "/api/events/participants/GALA-1";
    server
        .post(
            &sue(),
            &format!("{ticket}/undo/"),
            json!({"reason": "twins"}),
        )
        .await
        .is(200);
    server
        .post(&sue(), &format!("{ticket}/cancel/"), Value::Null)
        .await
        .is(200);
    let id = server.get(&ann(), ticket).await.is(200)["id"]
        .as_str()
        .unwrap()
        .to_owned();

    let told = |entries: &[Value]| -> Vec<(String, String)> {
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        (entries.iter())
            .map(|entry| (word(&entry["event_id"]), word(&entry["type"])))
            .collect()
    };
    let (gala_text, fair_text) = (gala.to_string(), fair.to_string());
    let expected = |place: &str, kind: &str| (place.to_owned(), kind.to_owned());
    let everywhere = [
        expected(&gala_text, "participant_registered"),
        expected(&fair_text, "scan_refused"),
        expected(&gala_text, "participant_checked_in"),
        expected(&gala_text, "scan_undone"),
        expected(&gala_text, "registration_cancelled"),
    ];
    for participant in ["GALA-1", id.as_str()] {
        let question = vec![("participant", participant.to_owned())];
        let found = pages(&server, &root(), None, &question, 2).await;
        assert_eq!(told(&found), everywhere, "{participant}");
        assert_eq!(found[1]["code"], "wrong_event");
        // In one gathering, what happened there.
        let here = pages(&server, &sue(), Some(gala), &question, 2).await;
        assert_eq!(told(&here), [&everywhere[..1], &everywhere[2..]].concat());
        let there = pages(&server, &sue(), Some(fair), &question, 2).await;
        assert_eq!(told(&there), everywhere[1..2]);
    }
    let nobody = vec![("participant", "NOBODY".to_owned())];
    assert!(pages(&server, &root(), None, &nobody, 2).await.is_empty());
    server.stop().await;
}
