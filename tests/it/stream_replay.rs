//! From any offset on: everything once, in order, with no gap where replay meets live.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use doorbook::events::ids::GatheringId;
use serde_json::{Value, json};

use crate::stream_stage::{Client, Stage, path};

/// A gathering with a past: who came, left, was refused, undone, cancelled.
async fn with_a_past(stage: &Stage) -> GatheringId {
    let gathering = stage.gathering("ada").await;
    for name in ["ben", "cleo", "dora"] {
        stage.register(gathering, name).await;
    }
    stage.check_in(gathering, "ben").await;
    stage.check_in(gathering, "ben").await;
    stage.check_in(gathering, "cleo").await;
    stage.check_out(gathering, "ben").await;
    stage.undo(gathering, "cleo").await;
    stage.cancel(gathering, "dora").await;
    stage.check_in(gathering, "dora").await;
    gathering
}

fn offsets(messages: &[Value]) -> Vec<u64> {
    let events = messages
        .iter()
        .filter(|message| message["type"] != "caught_up");
    events
        .map(|message| message["offset"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn a_stream_starts_where_it_is_told() {
    let stage = Stage::start().await;
    let gathering = with_a_past(&stage).await;
    let head = stage.log.head();
    let from = async |from: &str| {
        let path = format!("{}?from={from}", path(gathering));
        stage.connect(&path).await.until("caught_up").await
    };
    let all = from("earliest").await;
    assert_eq!(offsets(&all), (1..=head).collect::<Vec<_>>());
    assert_eq!(all[0]["update_type"], "gathering_created");
    let caught_up = all.last().unwrap();
    assert_eq!(
        caught_up,
        &json!({"type": "caught_up", "offset": head, "cursor": stage.cursor_at(head)})
    );
    assert_eq!(from("0").await, all);
    assert_eq!(from("4").await, all[4..]);
    assert_eq!(from(&stage.cursor_at(4)).await, all[4..]);
    assert_eq!(from("latest").await, all[all.len() - 1..]);
    assert_eq!(from(&stage.cursor_at(head)).await, all[all.len() - 1..]);
}

#[tokio::test]
async fn what_cannot_be_honoured_is_a_reset_and_a_snapshot() {
    let stage = Stage::start().await;
    let gathering = with_a_past(&stage).await;
    let other_log = Stage::start().await.cursor_at(3);
    let ahead = stage.log.head() + 100;
    for (from, reason) in [
        (other_log, "log_changed"),
        (ahead.to_string(), "ahead"),
        (stage.cursor_at(ahead), "ahead"),
    ] {
        let mut client = stage
            .connect(&format!("{}?from={from}", path(gathering)))
            .await;
        assert_eq!(
            client.expect("reset").await,
            json!({"type": "reset", "reason": reason})
        );
        let hello = client.expect("initial_data").await;
        assert_eq!(hello["event"]["participant_count"], 2, "{hello}");
        client.expect("caught_up").await;
        let offset = stage.check_in(gathering, "cleo").await;
        assert_eq!(client.next().await["offset"], offset);
    }
}

#[tokio::test]
async fn what_is_replayed_equals_what_was_live() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    let mut live = stage.connect(&path(gathering)).await;
    let hello = live.expect("initial_data").await;
    stage.register(gathering, "ben").await;
    for _ in 0..3 {
        stage.check_in(gathering, "ben").await;
        stage.check_out(gathering, "ben").await;
        stage.undo(gathering, "ben").await;
    }
    let mut seen = Vec::new();
    for _ in 0..10 {
        seen.push(live.next().await);
    }
    let cursor = hello["cursor"].as_str().unwrap();
    let mut again = stage
        .connect(&format!("{}?from={cursor}", path(gathering)))
        .await;
    let mut replayed = again.until("caught_up").await;
    replayed.pop();
    assert_eq!(replayed, seen);
}

#[tokio::test]
async fn resume_goes_back_in_place() {
    let stage = Stage::start().await;
    let gathering = with_a_past(&stage).await;
    let mut client = stage.connect(&path(gathering)).await;
    client.expect("initial_data").await;
    let head = stage.log.head();
    client.send(json!({"type": "resume", "from": 5})).await;
    let replayed = client.until("caught_up").await;
    assert_eq!(offsets(&replayed), (6..=head).collect::<Vec<_>>());
    client
        .send(json!({"type": "resume", "from": stage.cursor_at(head - 1)}))
        .await;
    assert_eq!(client.until("caught_up").await.len(), 2);
    client
        .send(json!({"type": "resume", "from": head + 9}))
        .await;
    assert_eq!(client.expect("reset").await["reason"], "ahead");
    client.expect("initial_data").await;
    client.expect("caught_up").await;
}

#[tokio::test]
async fn two_readers_at_different_offsets_see_the_same_messages() {
    let stage = Stage::start().await;
    let gathering = with_a_past(&stage).await;
    let mut early = stage.connect(&format!("{}?from=2", path(gathering))).await;
    let mut late = stage.connect(&format!("{}?from=7", path(gathering))).await;
    let early_part = early.until("caught_up").await;
    let late_part = late.until("caught_up").await;
    assert_eq!(early_part[5..], late_part);
    stage.check_in(gathering, "cleo").await;
    assert_eq!(early.next().await, late.next().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missed_or_repeated_where_replay_meets_live() {
    let stage = Arc::new(Stage::start().await);
    let gathering = with_a_past(&stage).await;
    let stop = Arc::new(AtomicBool::new(false));
    let crowd = tokio::spawn(crowd(Arc::clone(&stage), gathering, Arc::clone(&stop)));
    let mut clients = Vec::new();
    for n in 0..24 {
        let from = match n % 4 {
            0 => String::new(),
            1 => "?from=earliest".to_owned(),
            2 => format!("?from={}", stage.log.head()),
            _ => format!("?from={}", stage.cursor_at(stage.log.head() / 2)),
        };
        clients.push(stage.connect(&format!("{}{from}", path(gathering))).await);
    }
    stop.store(true, Ordering::Relaxed);
    crowd.await.unwrap();
    let head = stage.log.head();
    for client in clients {
        assert_complete(client, head).await;
    }
}

/// People register and come in, one command after the other, until told to stop.
async fn crowd(stage: Arc<Stage>, gathering: GatheringId, stop: Arc<AtomicBool>) {
    for n in 0.. {
        stage.register(gathering, &format!("guest-{n}")).await;
        stage.check_in(gathering, &format!("guest-{n}")).await;
        if n >= 100 && stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Every offset after the first seen one up to the head, once and in order: only one gathering is in this log.
async fn assert_complete(mut client: Client, head: u64) {
    let first = client.next().await;
    let mut last = match first["cursor"].as_str() {
        Some(cursor) => cursor.split_once(':').unwrap().1.parse().unwrap(),
        None => first["offset"].as_u64().unwrap(),
    };
    while last < head {
        let message = client.next().await;
        if message["type"] != "caught_up" {
            assert_eq!(message["offset"], last + 1, "{message}");
            last += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_falls_behind_is_told_and_misses_nothing() {
    let stage = Stage::start().await;
    let gathering = with_a_past(&stage).await;
    let mut slow = stage.connect_narrow(&path(gathering)).await;
    slow.expect("initial_data").await;
    let mut last = stage.log.head();
    // More than the tail holds and the kernel takes ahead of a reader that does not read.
    stage.crowd(gathering, 8_000).await;
    let head = stage.log.head();
    let mut fell_behind = 0;
    while last < head {
        let message = slow.next().await;
        if message["type"] == "fell_behind" {
            assert_eq!(message["offset"], last);
            assert!(message["head"].as_u64().unwrap() > last);
            fell_behind += 1;
        } else {
            assert_eq!(message["offset"], last + 1, "{}", message["type"]);
            last += 1;
        }
    }
    assert!(
        fell_behind >= 1,
        "the reader never left the tail: make it slower"
    );
    assert_eq!(slow.expect("caught_up").await["offset"], head);
}
