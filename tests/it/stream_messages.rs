//! What the streams say, message by message, and what they answer.

use doorbook::{
    commands::{Command, change_gathering::ChangeGathering, scan::ScanDetails, scan::ScanTicket},
    events::event::{Direction, DoorRole},
    ws::Limits,
};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

use crate::stream_stage::{Client, Stage, code, path, ping};

fn keys(message: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = message
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn a_stream_begins_with_everything_as_it_is() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    for name in ["ben", "cleo"] {
        stage.register(gathering, name).await;
    }
    let last = stage.check_in(gathering, "ben").await;
    let hello = stage
        .connect(&path(gathering))
        .await
        .expect("initial_data")
        .await;
    assert_eq!(keys(&hello), ["cursor", "event", "participants", "type"]);
    assert_eq!(hello["cursor"], stage.cursor_at(last));
    let event = &hello["event"];
    assert_eq!(event["id"], gathering.to_string());
    assert_eq!(event["name"], "Open day");
    assert_eq!(event["start_date"], "2026-05-01T18:00:00Z");
    assert_eq!(event["time_zone"], "Europe/Berlin");
    assert_eq!(
        (
            &event["participant_count"],
            &event["checked_in_count"],
            &event["inside_count"]
        ),
        (&json!(2), &json!(1), &json!(1))
    );
    let participants = hello["participants"].as_array().unwrap();
    assert_eq!(participants.len(), 2);
    let ben = participants
        .iter()
        .find(|one| one["event_pax_id"] == "ben")
        .unwrap();
    assert_eq!(ben["checked_in"], true);
    assert_eq!(ben["user"]["email"], "ben@example.org");
}

#[tokio::test]
async fn every_event_of_a_gathering_has_its_message() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    let elsewhere = stage.gathering("ada").await;
    stage.register(elsewhere, "stranger").await;
    let mut client = stage.connect(&path(gathering)).await;
    client.expect("initial_data").await;

    let offset = stage.register(gathering, "ben").await;
    let message = client.expect("participant_registered").await;
    assert_eq!(
        keys(&message),
        ["occupancy", "offset", "participant", "timestamp", "type"]
    );
    assert_eq!(message["occupancy"]["registered"], 1);
    assert_eq!(message["offset"], offset);
    assert_eq!(message["participant"]["user"]["first_name"], "ben");

    let offset = stage.check_in(gathering, "ben").await;
    let message = client.expect("checkin_update").await;
    assert_eq!(
        keys(&message),
        [
            "action",
            "gate",
            "occupancy",
            "offset",
            "participant",
            "timestamp",
            "type",
            "warnings"
        ]
    );
    assert_eq!(message["action"], "checkin");
    assert_eq!(message["gate"], "North");
    assert_eq!(message["offset"], offset);
    assert_eq!(message["participant"]["checked_in"], true);
    assert_eq!(
        message["participant"]["check_in_time"],
        message["timestamp"]
    );
    assert_eq!(
        message["occupancy"],
        json!({"inside": 1, "checked_in": 1, "registered": 1, "capacity": 100})
    );

    stage.check_in(gathering, "ben").await;
    let message = client.expect("scan_refused").await;
    assert_eq!(message["code"], "already_checked_in");
    assert_eq!(message["previous"]["gate"], "North");
    assert_eq!(message["previous"]["by"], "organizer");
    assert_eq!(message["participant"]["event_pax_id"], "ben");

    stage.check_out(gathering, "ben").await;
    let message = client.expect("checkout_update").await;
    assert_eq!(
        (&message["action"], &message["gate"]),
        (&json!("checkout"), &Value::Null)
    );
    assert_eq!(message["occupancy"]["inside"], 0);

    stage.undo(gathering, "ben").await;
    let message = client.expect("participant_updated").await;
    assert_eq!(message["reason"], "undone");
    assert_eq!(message["participant"]["checked_in"], true);

    stage.cancel(gathering, "ben").await;
    let message = client.expect("participant_updated").await;
    assert_eq!(
        (&message["reason"], &message["participant"]["status"]),
        (&json!("cancelled"), &json!("cancelled"))
    );

    let wrong = Command::Scan(ScanTicket {
        code: code("stranger"),
        direction: Direction::In,
        details: ScanDetails::default(),
    });
    stage.run(gathering, wrong).await;
    let message = client.expect("scan_refused").await;
    assert_eq!(message["code"], "wrong_event");
    assert_eq!(
        message["participant"],
        Value::Null,
        "nothing of another gathering's people"
    );
    assert!(!message.to_string().contains("stranger"));
}

#[tokio::test]
async fn facts_about_the_gathering_itself_are_not_silent() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    let mut client = stage.connect(&path(gathering)).await;
    client.expect("initial_data").await;
    let change = Command::ChangeGathering(ChangeGathering {
        capacity: Some(Some(7)),
        ..ChangeGathering::default()
    });
    let offset = stage.run(gathering, change).await.recorded.offset;
    let message = client.expect("event_update").await;
    assert_eq!(
        keys(&message),
        [
            "counts",
            "data",
            "event_id",
            "offset",
            "timestamp",
            "type",
            "update_type"
        ]
    );
    assert_eq!(message["update_type"], "gathering_changed");
    assert_eq!(message["offset"], offset);
    stage.team(gathering, "sam", Some(DoorRole::Steward)).await;
    let message = client.expect("event_update").await;
    assert_eq!(message["update_type"], "service_team_changed");
    assert_eq!(
        message["data"],
        json!({"user_id": "sam", "door_role": "steward"})
    );
    stage.team(gathering, "sam", None).await;
    let message = client.expect("event_update").await;
    assert_eq!(
        message["data"],
        json!({"user_id": "sam", "door_role": null})
    );
}

#[tokio::test]
async fn an_offline_fact_that_breaks_a_rule_shows_the_conflict() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    stage.register(gathering, "ben").await;
    stage.check_in(gathering, "ben").await;
    let mut client = stage.connect(&path(gathering)).await;
    client.expect("initial_data").await;
    let fact = Command::Scan(ScanTicket {
        code: code("ben"),
        direction: Direction::In,
        details: ScanDetails {
            offline_fact: true,
            ..ScanDetails::default()
        },
    });
    stage.run(gathering, fact).await;
    let message = client.expect("checkin_update").await;
    assert_eq!(message["warnings"][0]["code"], "already_checked_in");
}

async fn talkative() -> (Stage, Client) {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    stage.register(gathering, "ben").await;
    let mut client = stage.connect(&path(gathering)).await;
    client.expect("initial_data").await;
    (stage, client)
}

#[tokio::test]
async fn questions_are_answered() {
    let (stage, mut client) = talkative().await;
    client
        .send(json!({"type": "ping", "timestamp": "2026-05-01T18:00:00Z"}))
        .await;
    let pong = client.expect("pong").await;
    assert_eq!(keys(&pong), ["server_time", "timestamp", "type"]);
    assert_eq!(pong["timestamp"], "2026-05-01T18:00:00Z");
    client.send(json!({"type": "get_participants"})).await;
    let answer = client.expect("participants").await;
    assert_eq!(keys(&answer), ["cursor", "participants", "type"]);
    assert_eq!(answer["participants"][0]["event_pax_id"], "ben");
    assert_eq!(answer["cursor"], stage.cursor_at(stage.log.head()));
    client.0.send(Message::Ping("here?".into())).await.unwrap();
    client.send(ping(1)).await;
    client.expect("pong").await;
}

#[tokio::test]
async fn a_bad_message_gets_an_error_and_the_stream_goes_on() {
    let (_stage, mut client) = talkative().await;
    for (bad, code) in [
        ("not json", "bad_json"),
        ("[1]", "not_an_object"),
        ("{}", "missing_field"),
        (r#"{"type":"shout"}"#, "unknown_type"),
        (r#"{"type":"resume","from":"noon"}"#, "invalid_from"),
        (r#"{"type":"auth","token":"x"}"#, "token_invalid"),
    ] {
        client.send_text(bad).await;
        let error = client.expect("error").await;
        assert_eq!(error["code"], code, "{bad}");
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
    client.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(client.expect("error").await["code"], "binary_message");
    client.send(ping(2)).await;
    client.expect("pong").await;
}

#[tokio::test]
async fn more_than_twenty_messages_a_second_end_the_stream_with_4429() {
    let (_stage, mut client) = talkative().await;
    for n in 0..64 {
        if client
            .0
            .send(Message::text(ping(n).to_string()))
            .await
            .is_err()
        {
            break;
        }
    }
    assert_eq!(client.closed().await, Some(4429));
}

#[tokio::test]
async fn a_message_over_4_kib_ends_the_stream_with_1009() {
    let (_stage, mut client) = talkative().await;
    client.send_text("x".repeat(64 * 1024)).await;
    assert_eq!(client.closed().await, Some(1009));
}

#[tokio::test]
async fn a_silent_stream_says_where_its_cursor_stands() {
    let limits = Limits {
        heartbeat: std::time::Duration::from_millis(20),
        ..Limits::default()
    };
    let stage = Stage::with(limits).await;
    let gathering = stage.gathering("ada").await;
    let elsewhere = stage.gathering("ada").await;
    let mut client = stage.connect(&path(gathering)).await;
    client.expect("initial_data").await;
    let beyond = stage.register(elsewhere, "ben").await;
    loop {
        let heartbeat = client.expect("heartbeat").await;
        assert_eq!(keys(&heartbeat), ["cursor", "offset", "timestamp", "type"]);
        let offset = heartbeat["offset"].as_u64().unwrap();
        assert_eq!(heartbeat["cursor"], stage.cursor_at(offset));
        if offset >= beyond {
            break;
        }
    }
}

#[tokio::test]
async fn a_snapshot_has_at_most_5000_participants_and_says_so() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    stage.crowd(gathering, 5_000).await;
    let mut client = stage.connect(&path(gathering)).await;
    let hello = client.expect("initial_data").await;
    assert_eq!(hello["participants"].as_array().unwrap().len(), 5_000);
    assert_eq!(hello["participants_truncated"], Value::Null);
    stage.register(gathering, "one-more").await;
    client.expect("participant_registered").await;
    client.send(json!({"type": "get_participants"})).await;
    let answer = client.expect("participants").await;
    assert_eq!(answer["participants"].as_array().unwrap().len(), 5_000);
    assert_eq!(answer["participants_truncated"], true);
    let hello = stage
        .connect(&path(gathering))
        .await
        .expect("initial_data")
        .await;
    assert_eq!(hello["participants_truncated"], true);
    assert_eq!(hello["event"]["participant_count"], 5_001);
}

/// Frames as no decent client sends them: what comes back is a close code, never a broken server.
#[tokio::test]
async fn frames_against_the_protocol_end_the_stream_with_a_code() {
    let stage = Stage::start().await;
    let unmasked: &[u8] = &[0x81, 0x02, b'{', b'}'];
    let reserved_bits: &[u8] = &[0xF1, 0x80, 0, 0, 0, 0];
    let unknown_opcode: &[u8] = &[0x83, 0x80, 0, 0, 0, 0];
    let not_utf8: &[u8] = &[0x81, 0x82, 0, 0, 0, 0, 0xC3, 0x28];
    let endless: &[u8] = &[
        0x81, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0,
    ];
    for (bytes, code) in [
        (unmasked, 1002),
        (reserved_bits, 1002),
        (unknown_opcode, 1002),
        (not_utf8, 1007),
        (endless, 1009),
    ] {
        let mut client = stage.connect(crate::stream_stage::DASHBOARD).await;
        client.expect("initial_data").await;
        client.0.get_mut().write_all(bytes).await.unwrap();
        assert_eq!(client.closed().await, Some(code), "{bytes:x?}");
    }
    // A message in many fragments, each of them small.
    let mut client = stage.connect(crate::stream_stage::DASHBOARD).await;
    client.expect("initial_data").await;
    for n in 0..40 {
        let mut frame = vec![if n == 0 { 0x01 } else { 0x00 }, 0x80 | 120, 0, 0, 0, 0];
        frame.extend([b' '; 120]);
        if client.0.get_mut().write_all(&frame).await.is_err() {
            break;
        }
    }
    assert_eq!(client.closed().await, Some(1009));
}
