//! Tickets, people and models.

use super::*;
use crate::{commands::model::FOLD, events::snapshot::Scope};

#[tokio::test]
async fn a_number_spent_on_an_unknown_code_is_no_gap() {
    let door = Door::open(|_| ()).await;
    door.handle(register(Some("A1"), "Ana"), None)
        .await
        .unwrap();
    let scan = |name: &str, seq| {
        let details = ScanDetails {
            device: Some("phone".into()),
            device_seq: Some(seq),
            ..ScanDetails::default()
        };
        Command::Scan(ScanTicket {
            code: code(name),
            direction: Direction::In,
            details,
        })
    };
    door.handle(scan("A1", 1), None).await.unwrap();
    assert!(door.handle(scan("nobody", 2), None).await.is_err());
    let third = door.handle(scan("A1", 3), None).await.unwrap();
    assert_eq!(third.recorded.event.scan().unwrap().warnings, []);
}

#[tokio::test]
async fn a_ticket_of_another_gathering_is_refused_in_the_stream_of_the_door() {
    let other = Door::open(|_| ()).await;
    other
        .handle(register(Some("A1"), "Ana"), None)
        .await
        .unwrap();
    let door = Door::open_on(other.log.clone(), |_| ()).await;
    let refused = door.handle(check_in("A1"), Some("scan-1")).await.unwrap();
    assert_eq!(refusal_of(&refused), Some(RefusalCode::WrongEvent));
    assert_eq!(refused.recorded.gathering, door.gathering);
    assert!(
        door.restarted()
            .handle(check_in("A1"), Some("scan-1"))
            .await
            .unwrap()
            .replayed
    );
    let taken = door.handle(register(Some("A1"), "Bea"), None).await;
    assert!(matches!(
        taken,
        Err(CommandError::Refused(Refusal::CodeTaken { .. }))
    ));
}

#[tokio::test]
async fn nothing_of_a_person_is_in_an_event_in_clear() {
    let door = Door::open(|_| ()).await;
    let registered = door
        .handle(register(Some("A1"), "Zebulon"), None)
        .await
        .unwrap();
    let text = format!("{:?}", registered.recorded);
    assert!(
        !text.contains("Zebulon") && !text.contains("Ana Ruiz") && !text.contains("example.org")
    );
    let Event::ParticipantRegistered(registration) = &registered.recorded.event else {
        panic!("not a registration");
    };
    let subject = registration.subject.participant.to_bytes();
    let clear = door
        .log
        .keys()
        .unseal(door.gathering, subject, &registration.person)
        .unwrap();
    let person: Person = serde_json::from_slice(&clear).unwrap();
    assert_eq!(person.first_name, "Zebulon");
}

#[tokio::test]
async fn tidying_keeps_what_is_in_use() {
    let door = Door::open(|_| ()).await;
    door.handle(register(Some("A1"), "Ana"), None)
        .await
        .unwrap();
    let handler = door.handler.clone();
    tokio::task::spawn_blocking(move || handler.tidy())
        .await
        .unwrap();
    assert_eq!(
        refusal_of(&door.handle(check_in("A1"), None).await.unwrap()),
        None
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_model_comes_back_from_its_snapshot_and_the_rest_of_its_events() {
    const PEOPLE: usize = 5_200;
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path()).unwrap();
    let door = Door::open_on(log, |it| it.capacity = Some(2)).await;
    let mut submitted = Vec::new();
    for n in 0..PEOPLE {
        let context = context(Some(&format!("reg-{n}")));
        let command = register(Some(&format!("P{n}")), "Ana");
        submitted.push(
            door.handler
                .submit(door.gathering, command, context)
                .unwrap(),
        );
    }
    for one in submitted {
        one.durable().await.unwrap();
    }
    let handler = door.handler.clone();
    tokio::task::spawn_blocking(move || handler.close())
        .await
        .unwrap();
    let saved = door
        .log
        .snapshots()
        .offsets(FOLD, Scope::Gathering(door.gathering));
    assert_eq!(saved, [door.log.head()]);
    for door in [&door, &door.restarted()] {
        assert!(
            door.handle(register(Some("P7"), "Ana"), Some("reg-7"))
                .await
                .unwrap()
                .replayed
        );
        door.handle(check_in("P7"), Some("scan-1")).await.unwrap();
        assert!(
            door.handle(check_in("P7"), Some("scan-1"))
                .await
                .unwrap()
                .replayed
        );
    }
}

#[tokio::test]
async fn what_the_log_refuses_has_not_happened() {
    let door = Door::open(|_| ()).await;
    door.handle(register(Some("A1"), "Ana"), None)
        .await
        .unwrap();
    door.log.close().unwrap();
    for command in [register(Some("B2"), "Bea"), check_in("A1"), check_in("A1")] {
        let refused = door.handle(command, Some("scan-1")).await;
        assert!(matches!(refused, Err(CommandError::Unavailable(_))));
    }
    assert_eq!(door.log.gathering_of_code(&code("B2")), None);
    // Had the model taken the first check-in, the id would be a replay.
    let again = door.handle(check_in("A1"), Some("scan-1")).await;
    assert!(matches!(again, Err(CommandError::Unavailable(_))));
}
