//! The dashboard's stream: all gatherings that the caller may see, and none else.

use doorbook::events::event::DoorRole;
use serde_json::{Value, json};

use crate::stream_stage::{Asking, DASHBOARD, Stage, claims, superuser, token, user};

fn ids(hello: &Value) -> Vec<&str> {
    let events = hello["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn it_begins_with_the_gatherings_of_the_caller_and_their_counts() {
    let stage = Stage::start().await;
    let (a, b, c) = (
        stage.gathering("ada").await,
        stage.gathering("ben").await,
        stage.gathering("ada").await,
    );
    stage.register(a, "guest").await;
    stage.check_in(a, "guest").await;
    stage.team(b, "sam", Some(DoorRole::Steward)).await;
    let mut door = claims("door", &[]);
    (door.event_id, door.door_role) = (Some(c), Some(DoorRole::Steward));
    let [a, b, c] = [a, b, c].map(|id| id.to_string());
    for (token, expected) in [
        (user("ada"), vec![&*a, &c]),
        (user("sam"), vec![&*b]),
        (user("nobody"), vec![]),
        (token(&door), vec![&*c]),
        (token(&claims("ann", &["auditor"])), vec![&*a, &b, &c]),
        (superuser(), vec![&*a, &b, &c]),
    ] {
        let mut client = stage.connect_as(DASHBOARD, &Asking::bearer(&token)).await;
        let hello = client.expect("initial_data").await;
        assert_eq!(ids(&hello), expected);
        assert_eq!(hello["cursor"], stage.cursor_at(stage.log.head()));
    }
    let mut client = stage
        .connect_as(DASHBOARD, &Asking::bearer(&user("ada")))
        .await;
    let hello = client.expect("initial_data").await;
    let row = &hello["events"][0];
    assert_eq!(
        (&row["participant_count"], &row["inside_count"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn every_event_of_a_visible_gathering_is_an_event_update() {
    let stage = Stage::start().await;
    let (mine, other) = (stage.gathering("ada").await, stage.gathering("ben").await);
    let mut client = stage
        .connect_as(DASHBOARD, &Asking::bearer(&user("ada")))
        .await;
    client.expect("initial_data").await;
    stage.register(other, "foreign").await;
    stage.register(mine, "guest").await;
    stage.check_in(other, "foreign").await;
    let offset = stage.check_in(mine, "guest").await;
    stage.check_in(mine, "guest").await;
    stage.check_out(mine, "guest").await;
    stage.undo(mine, "guest").await;
    stage.cancel(mine, "guest").await;
    client.expect("event_update").await;
    let update = client.expect("event_update").await;
    assert_eq!(update["event_id"], mine.to_string());
    assert_eq!(update["update_type"], "participant_checked_in");
    assert_eq!(update["offset"], offset);
    assert_eq!(
        update["counts"],
        json!({"registered": 1, "checked_in": 1, "inside": 1})
    );
    assert!(update["data"]["participant_id"].is_string());
    for kind in [
        "scan_refused",
        "participant_checked_out",
        "scan_undone",
        "registration_cancelled",
    ] {
        let update = client.expect("event_update").await;
        assert_eq!(
            (&update["update_type"], &update["event_id"]),
            (&json!(kind), &json!(mine.to_string()))
        );
    }
}

#[tokio::test]
async fn who_joins_a_team_sees_from_then_on_and_who_leaves_sees_no_more() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    let mut sam = stage
        .connect_as(DASHBOARD, &Asking::bearer(&user("sam")))
        .await;
    assert_eq!(ids(&sam.expect("initial_data").await), Vec::<&str>::new());
    stage.register(gathering, "before").await;
    // Once this has arrived, the event before it has been passed over.
    stage.gathering("sam").await;
    sam.expect("event_update").await;
    stage.team(gathering, "sam", Some(DoorRole::Steward)).await;
    let during = stage.register(gathering, "during").await;
    assert_eq!(
        sam.expect("event_update").await["update_type"],
        "service_team_changed"
    );
    assert_eq!(sam.expect("event_update").await["offset"], during);
    stage.team(gathering, "sam", None).await;
    stage.register(gathering, "after").await;
    let own = stage.gathering("sam").await;
    let next = sam.expect("event_update").await;
    assert_eq!(
        (&next["event_id"], &next["update_type"]),
        (&json!(own.to_string()), &json!("gathering_created"))
    );
}

#[tokio::test]
async fn what_is_not_visible_still_moves_the_cursor() {
    let stage = Stage::start().await;
    stage.gathering("ada").await;
    let foreign = stage.gathering("ben").await;
    for n in 0..300 {
        stage.register(foreign, &format!("guest-{n}")).await;
    }
    let head = stage.log.head();
    let asking = Asking::bearer(&user("ada"));
    let path = format!("{DASHBOARD}?from=earliest");
    let seen = stage
        .connect_as(&path, &asking)
        .await
        .until("caught_up")
        .await;
    assert_eq!(seen.len(), 2, "the own gathering's creation, and the end");
    assert_eq!(seen[1]["offset"], head);
    assert_eq!(seen[1]["cursor"], stage.cursor_at(head));
}

#[tokio::test]
async fn replay_equals_live_on_the_dashboard_too() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    let mut live = stage.connect(DASHBOARD).await;
    let cursor = live.expect("initial_data").await["cursor"].clone();
    stage.register(gathering, "guest").await;
    stage.check_in(gathering, "guest").await;
    stage.check_out(gathering, "guest").await;
    let seen = [live.next().await, live.next().await, live.next().await];
    let path = format!("{DASHBOARD}?from={}", cursor.as_str().unwrap());
    let mut replayed = stage.connect(&path).await.until("caught_up").await;
    replayed.pop();
    assert_eq!(replayed, seen);
}

#[tokio::test]
async fn the_dashboard_has_no_participants() {
    let stage = Stage::start().await;
    let mut client = stage.connect(DASHBOARD).await;
    client.expect("initial_data").await;
    client.send(json!({"type": "get_participants"})).await;
    assert_eq!(client.expect("error").await["code"], "no_participants_here");
}

#[tokio::test]
async fn a_token_with_other_rights_starts_the_dashboard_anew() {
    let stage = Stage::start().await;
    let foreign = stage.gathering("ben").await;
    let plain = Asking::bearer(&user("ada"));
    let mut ada = stage.connect_as(DASHBOARD, &plain).await;
    assert_eq!(ids(&ada.expect("initial_data").await), Vec::<&str>::new());
    let renewed = token(&claims("ada", &["auditor"]));
    ada.send(json!({"type": "auth", "token": renewed})).await;
    assert_eq!(ada.expect("reset").await["reason"], "view_changed");
    let shown = ada.expect("initial_data").await;
    assert_eq!(ids(&shown), [foreign.to_string()]);
    ada.expect("caught_up").await;
    let offset = stage.register(foreign, "cleo").await;
    assert_eq!(ada.expect("event_update").await["offset"], offset);
    // The same rights: nothing is said.
    let again = token(&claims("ada", &["auditor"]));
    ada.send(json!({"type": "auth", "token": again})).await;
    let offset = stage.register(foreign, "dora").await;
    assert_eq!(ada.expect("event_update").await["offset"], offset);
}
