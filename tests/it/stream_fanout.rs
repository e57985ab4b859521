//! Readers at the head of a gathering, for whom one task writes: whatever takes a reader out of the
//! fan-out and back (its own messages, a full socket, a change of the team), it misses and repeats
//! nothing.

use std::sync::Arc;

use doorbook::events::{event::DoorRole, ids::GatheringId};
use futures_util::StreamExt;
use serde_json::Value;

use crate::stream_stage::{Asking, Client, Stage, path, ping, user};

/// Events of the gathering while its readers come and go.
const PEOPLE: usize = 150;

/// Reads until the log's offset `last`, talking now and then; every offset once and in order.
async fn follow(mut client: Client, last: u64, talk_every: u64) {
    let hello = client.expect("initial_data").await;
    let cursor = hello["cursor"].as_str().unwrap();
    let mut seen: u64 = cursor.split_once(':').unwrap().1.parse().unwrap();
    let mut asked = 0;
    let mut answered = 0;
    while seen < last {
        let message = client.next().await;
        match message["type"].as_str().unwrap() {
            "pong" => answered += 1,
            _ => {
                seen += 1;
                assert_eq!(message["offset"], seen, "{message}");
                // Not more than a client may say in a second, however fast the events come.
                if seen.is_multiple_of(talk_every) && asked < 15 {
                    client.send(ping(seen)).await;
                    asked += 1;
                }
            }
        }
    }
    while answered < asked {
        client.expect("pong").await;
        answered += 1;
    }
}

async fn rush(stage: &Stage, gathering: GatheringId) {
    for n in 0..PEOPLE {
        let name = format!("guest-{n}");
        stage.register(gathering, &name).await;
        stage.check_in(gathering, &name).await;
        if n % 30 == 7 {
            // Nobody may be written for by others over a change of the team.
            let role = (n % 60 == 7).then_some(DoorRole::Steward);
            stage.team(gathering, "tia", role).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_who_talk_in_between_miss_and_repeat_nothing() {
    let stage = Arc::new(Stage::start().await);
    let gathering = stage.gathering("ada").await;
    let last = stage.log.head() + 2 * PEOPLE as u64 + 5;
    let mut readers = Vec::new();
    for n in 0..48 {
        let client = if n % 8 == 0 {
            stage.connect_narrow(&path(gathering)).await
        } else {
            stage.connect(&path(gathering)).await
        };
        readers.push(tokio::spawn(follow(client, last, 7 + n % 13)));
    }
    rush(&stage, gathering).await;
    assert_eq!(stage.log.head(), last);
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test]
async fn who_leaves_the_team_is_let_go_before_what_comes_after() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    stage.team(gathering, "sam", Some(DoorRole::Steward)).await;
    let mut sam = stage
        .connect_as(&path(gathering), &Asking::bearer(&user("sam")))
        .await;
    sam.expect("initial_data").await;
    let mut root = stage.connect(&path(gathering)).await;
    root.expect("initial_data").await;
    for name in ["ben", "cleo"] {
        let offset = stage.register(gathering, name).await;
        assert_eq!(sam.next().await["offset"], offset);
        assert_eq!(root.next().await["offset"], offset);
    }
    stage.team(gathering, "sam", None).await;
    let after = stage.register(gathering, "dora").await;
    let mut seen: Vec<Value> = Vec::new();
    while seen.last().is_none_or(|message| message["offset"] != after) {
        seen.push(root.next().await);
    }
    assert_eq!(seen.len(), 2);
    assert_eq!(sam.closed().await, Some(4403));
}

#[tokio::test]
async fn two_gatherings_do_not_hear_each_other() {
    let stage = Stage::start().await;
    let (one, other) = (stage.gathering("ada").await, stage.gathering("ada").await);
    let mut of_one = stage.connect(&path(one)).await;
    let mut of_other = stage.connect(&path(other)).await;
    of_one.expect("initial_data").await;
    of_other.expect("initial_data").await;
    for n in 0..20 {
        let first = stage.register(one, &format!("one-{n}")).await;
        let second = stage.register(other, &format!("other-{n}")).await;
        assert_eq!(of_one.next().await["offset"], first);
        assert_eq!(of_other.next().await["offset"], second);
    }
}

#[tokio::test]
async fn a_client_that_has_left_a_quiet_gathering_holds_no_socket() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    let mut client = stage.connect(&path(gathering)).await;
    client.expect("initial_data").await;
    // Answered after its first stay in the fan-out, so there is a place whose stay is over.
    client.send(ping(1)).await;
    client.expect("pong").await;
    client.0.close(None).await.unwrap();
    // The end of the stream: the server has not only said goodbye but let go of the socket.
    while client.0.next().await.is_some() {}
    let port = client.0.get_ref().local_addr().unwrap().port();
    drop(client);
    while open_sockets_to(port) > 0 {
        tokio::task::yield_now().await;
    }
}

/// Sockets of this machine whose peer is the local port and that are still somebody's.
fn open_sockets_to(port: u16) -> usize {
    let wanted = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table
        .lines()
        .skip(1)
        .filter(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields[2].ends_with(&wanted) && fields[9] != "0"
        })
        .count()
}
