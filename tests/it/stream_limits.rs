//! Bounds of a stream: how many are open, how much and how fast a client may send, how slowly it may
//! read, how much a snapshot holds.
//!
//! Frames and messages that are too long are in `stream_frames`, deep JSON is in `stream_json`.

use std::{sync::Arc, time::Duration};

use doorbook::{
    commands::{Command, CommandHandler, create_gathering::CreateGathering},
    config::{Config, Secret, SecretSource},
    events::{ids::GatheringId, log::Log},
    server::{Server, Shutdown, listen},
    ws::Limits,
};
use serde_json::Value;

use crate::{
    harness::{TestServer, User, ann, answer, root, stu},
    raw_stream::{BINARY, FIN, Head, Heard, Raw, frame, handshake, request, text},
    stream_cases::{DASHBOARD, House, ping},
    stream_stage::{Stage, check_in, context, details, path, registration, superuser},
};

const MESSAGES_PER_SECOND_MAX: usize = 20;

/// A stream, or the refusal.
async fn ask(server: &TestServer, user: &User) -> Result<Raw, Head> {
    let request = request("GET", DASHBOARD, "HTTP/1.1", &handshake(&user.0));
    let (head, mut raw) = Raw::ask(server.address, request.as_bytes()).await;
    if head.status != 101 {
        return Err(head);
    }
    head.assert_switched();
    raw.expect("initial_data").await;
    Ok(raw)
}

async fn open(server: &TestServer, user: &User) -> Raw {
    ask(server, user).await.expect("a place")
}

/// Refused before the upgrade, with a word about when to come back.
async fn assert_full(server: &TestServer, user: &User) {
    let head = ask(server, user).await.err().expect("a refusal");
    assert_eq!(head.status, 429, "{head:?}");
    let seconds: u32 = head.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(
        head.header("content-type"),
        Some("application/problem+json")
    );
}

/// Asks until the server has seen somebody go.
async fn open_when_free(server: &TestServer, user: &User) -> Raw {
    loop {
        match ask(server, user).await {
            Ok(raw) => return raw,
            Err(head) => assert_eq!(head.status, 429, "{head:?}"),
        }
    }
}

#[tokio::test]
async fn a_caller_has_so_many_streams_and_each_comes_back() {
    let server = TestServer::start_with(|config| config.limits.streams_per_caller = 2).await;
    let first = open(&server, &root()).await;
    let second = open(&server, &root()).await;
    for _ in 0..20 {
        assert_full(&server, &root()).await;
    }
    let other = open(&server, &ann()).await;
    first.leave().await;
    let third = open_when_free(&server, &root()).await;
    assert_full(&server, &root()).await;
    // However a stream ends, its place is free.
    second.reset();
    let fourth = open_when_free(&server, &root()).await;
    let mut wrong = third;
    wrong.send(&[0xFF; 16]).await;
    assert!(matches!(wrong.next().await, Heard::Close(Some((1002, _)))));
    let fifth = open_when_free(&server, &root()).await;
    assert_full(&server, &root()).await;
    for stream in [other, fourth, fifth] {
        stream.leave().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn the_server_has_so_many_streams_and_each_comes_back() {
    let server = TestServer::start_with(|config| config.limits.streams = 3).await;
    let mut open_streams = Vec::new();
    for user in [root(), ann(), stu()] {
        open_streams.push(open(&server, &user).await);
    }
    for user in [root(), ann(), stu()] {
        assert_full(&server, &user).await;
    }
    open_streams.remove(0).leave().await;
    open_streams.push(open_when_free(&server, &stu()).await);
    assert_full(&server, &ann()).await;
    // Who asks for anything else is served.
    server.get(&root(), "/api/events/").await.is(200);
    for stream in open_streams {
        stream.leave().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_each_comes_back() {
    has_two_places(
        TestServer::start_with(|config| config.limits.connections_per_address = 2).await,
    )
    .await;
}

async fn has_two_places(server: TestServer) {
    let first = open(&server, &root()).await;
    let second = open(&server, &ann()).await;
    for _ in 0..5 {
        assert_full(&server, &stu()).await;
    }
    first.leave().await;
    let third = open_when_free(&server, &stu()).await;
    for stream in [second, third] {
        stream.leave().await;
    }
    server.stop().await;
}

/// So many at once are answered; the flood is not.
#[tokio::test]
async fn twenty_messages_at_once_are_answered_and_a_flood_ends_that_stream_alone() {
    let house = House::open().await;
    for n in 0..2 {
        let mut patient = house.stream(n).await;
        let mut flooding = house.stream(n).await;
        let twenty: Vec<u8> = (0..MESSAGES_PER_SECOND_MAX)
            .flat_map(|n| ping(&n.to_string()))
            .collect();
        patient.send(&twenty).await;
        for n in 0..MESSAGES_PER_SECOND_MAX {
            assert_eq!(patient.expect("pong").await["timestamp"], n.to_string());
        }
        flooding.send(&ping("x").repeat(100)).await;
        let mut answers = 0;
        let code = loop {
            match flooding.next().await {
                Heard::Text(text) => {
                    assert!(text.contains("pong"), "{text}");
                    answers += 1;
                }
                Heard::Close(Some((code, _))) => break code,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(code, 4429);
        assert!(answers >= MESSAGES_PER_SECOND_MAX, "{answers} answers");
        // The caller may come back, and the other stream has noticed nothing.
        house.stream(n).await.leave().await;
        patient.reset();
    }
    house.close().await;
}

#[tokio::test]
async fn messages_without_sense_count_like_others() {
    let house = House::open().await;
    for bytes in [text("x"), frame(FIN | BINARY, b"x"), text("")] {
        let mut raw = house.stream(1).await;
        raw.send(&bytes.repeat(100)).await;
        let code = loop {
            match raw.next().await {
                Heard::Text(text) => assert!(text.contains("error"), "{text}"),
                Heard::Close(Some((code, _))) => break code,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(code, 4429);
    }
    house.close().await;
}

/// Decided and queued in order, and waited for only now and then.
async fn all_at_once(
    commands: &CommandHandler,
    mut all: impl Iterator<Item = (GatheringId, Command)>,
) {
    loop {
        let submit = |(gathering, command)| commands.submit(gathering, command, context("ada"));
        let waiting: Vec<_> = all.by_ref().take(500).map(submit).collect();
        if waiting.is_empty() {
            return;
        }
        for submitted in waiting {
            submitted.unwrap().durable().await.unwrap();
        }
    }
}

fn impatient() -> Limits {
    Limits {
        write_stall: Duration::from_millis(250),
        ..Limits::default()
    }
}

const PEOPLE: usize = 3_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_that_goes_on_reading_is_kept_and_gets_everything_in_order() {
    let stage = Arc::new(Stage::with(impatient()).await);
    let gathering = stage.gathering("ada").await;
    let mut slow = Raw::open_narrow(stage.address, &path(gathering), &superuser()).await;
    slow.expect("initial_data").await;
    let mut last = stage.log.head();
    let head = last + 2 * PEOPLE as u64;
    let crowded = Arc::clone(&stage);
    let crowd = tokio::spawn(async move { crowded.crowd(gathering, PEOPLE).await });
    // The reader's pace: many times as long as it may stall, with something to read all the time.
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    while last < head {
        pace.tick().await;
        for _ in 0..40 {
            let message = slow.message().await;
            match message["type"].as_str() {
                Some("fell_behind" | "caught_up") => assert_eq!(message["offset"], last),
                _ => {
                    last += 1;
                    assert_eq!(message["offset"], last, "{message}");
                }
            }
            if last == head {
                break;
            }
        }
    }
    crowd.await.unwrap();
    stage.register(gathering, "last").await;
    loop {
        let message = slow.message().await;
        if message["type"] != "caught_up" {
            assert_eq!(message["offset"], head + 1, "{message}");
            break;
        }
    }
    assert_eq!(stage.streams.connections(), 1);
    slow.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_is_let_go_and_finds_whole_frames_in_order() {
    let stage = Stage::with(impatient()).await;
    let gathering = stage.gathering("ada").await;
    let mut stuck = Raw::open_narrow(stage.address, &path(gathering), &superuser()).await;
    stuck.expect("initial_data").await;
    let mut last = stage.log.head();
    stage.register(gathering, "ben").await;
    while stage.streams.connections() == 1 {
        // Refused from the second on, and each refusal is a message.
        let scans = (0..500).map(|_| (gathering, check_in("ben")));
        all_at_once(&stage.commands, scans).await;
    }
    // Whatever it had taken before, each frame was a whole one.
    loop {
        match stuck.next().await {
            Heard::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["type"] != "fell_behind" {
                    last += 1;
                    assert_eq!(message["offset"], last, "{message}");
                }
            }
            Heard::Close(code) => assert_eq!(code.map(|(code, _)| code), Some(4408)),
            Heard::End | Heard::BrokenOff => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(
        last < stage.log.head(),
        "it was let go with nothing to read"
    );
}

/// A server over a log in memory.
struct Over {
    address: std::net::SocketAddr,
    shutdown: Shutdown,
    running: tokio::task::JoinHandle<Result<(), doorbook::server::RunError>>,
    client: reqwest::Client,
}

impl Over {
    async fn start(log: Log) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut config = Config::for_data_dir(dir.path().join("data"));
        config.jwt_secret = SecretSource::Given(Secret::new(crate::stream_stage::SECRET).unwrap());
        let server = Server::over(log, config).await.unwrap();
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let shutdown = Shutdown::new();
        Self {
            address: listener.local_addr().unwrap(),
            running: tokio::spawn(server.serve(listener, shutdown.clone())),
            shutdown,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    /// The ids of all pages of a list.
    async fn ids(&self, path: &str) -> Vec<String> {
        let mut ids = Vec::new();
        let mut after = String::new();
        loop {
            let url = format!("http://{}{path}?limit=1000{after}", self.address);
            let page = answer(self.client.get(url).bearer_auth(superuser())).await;
            ids.extend(ids_of(&page.is(200)["results"]));
            match page.body["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return ids,
            }
        }
    }

    async fn hello(&self, path: &str) -> Value {
        let mut raw = Raw::open(self.address, path, &superuser()).await;
        let hello = raw.expect("initial_data").await;
        raw.leave().await;
        hello
    }

    async fn stop(self) {
        self.shutdown.trigger();
        self.running.await.unwrap().unwrap();
    }
}

fn ids_of(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap();
    let id = |one: &Value| one["id"].as_str().unwrap().to_owned();
    list.iter().map(id).collect()
}

fn assert_part_of(part: &[String], mut all: Vec<String>) {
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 5_001);
    assert_eq!(part.len(), 5_000);
    assert!(part.iter().all(|id| all.binary_search(id).is_ok()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_5001_participants_a_stream_shows_5000_and_http_shows_all() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    let people = (0..5_001).map(|n| (gathering, registration(&format!("guest-{n}"))));
    all_at_once(&stage.commands, people).await;
    let server = Over::start(stage.log.clone()).await;
    let hello = server.hello(&path(gathering)).await;
    assert_eq!(hello["participants_truncated"], true);
    assert_eq!(hello["event"]["participant_count"], 5_001);
    let shown = ids_of(&hello["participants"]);
    let all = server
        .ids(&format!("/api/events/{gathering}/participants/"))
        .await;
    // "The first 5,000", in the order of the pages.
    assert_eq!(shown, all[..5_000]);
    assert_part_of(&shown, all);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_5001_gatherings_a_dashboard_shows_5000_and_http_shows_all() {
    let log = Log::in_memory();
    let commands = CommandHandler::new(log.clone());
    let creations = (0..5_001).map(|_| {
        let details = details("ada");
        let command = Command::CreateGathering(CreateGathering { details });
        (GatheringId::generate(), command)
    });
    all_at_once(&commands, creations).await;
    drop(commands);
    let server = Over::start(log).await;
    let hello = server.hello(DASHBOARD).await;
    assert_eq!(hello["events_truncated"], true);
    let shown = ids_of(&hello["events"]);
    let all = server.ids("/api/events/").await;
    assert_part_of(&shown, all);
    server.stop().await;
}

#[tokio::test]
async fn the_server_has_so_many_connections_and_a_stream_beyond_them_gets_429() {
    has_two_places(TestServer::start_with(|config| config.limits.connections = 2).await).await;
}

#[tokio::test]
async fn after_twenty_messages_a_goodbye_is_still_answered() {
    let house = House::open().await;
    for n in 0..2 {
        let mut raw = house.stream(n).await;
        let twenty: Vec<u8> = (0..20).flat_map(|n| ping(&n.to_string())).collect();
        raw.send(&twenty).await;
        for _ in 0..20 {
            raw.expect("pong").await;
        }
        raw.leave().await;
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_very_slow_reader_is_kept_too() {
    // Shorter than the reading takes as a whole, longer than a busy machine leaves a task waiting.
    let patience = Limits {
        write_stall: Duration::from_secs(2),
        ..Limits::default()
    };
    let stage = Stage::with(patience).await;
    let gathering = stage.gathering("ada").await;
    let mut slow = Raw::open_narrow(stage.address, &path(gathering), &superuser()).await;
    slow.expect("initial_data").await;
    let crowd = {
        let people = (0..4_000).map(|n| (gathering, registration(&format!("guest-{n}"))));
        all_at_once(&stage.commands, people)
    };
    let reading = async {
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        for _ in 0..400 {
            pace.tick().await;
            slow.message().await;
            slow.message().await;
        }
    };
    tokio::join!(crowd, reading);
    assert_eq!(stage.streams.connections(), 1);
}
