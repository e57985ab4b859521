//! Many callers at once.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_equal_scans_at_once_are_one_event_and_thirty_two_equal_answers() {
    let door = Door::open(|_| ()).await;
    door.handle(register(Some("A1"), "Ana"), None)
        .await
        .unwrap();
    let head = door.log.head();
    let equal = (0..32)
        .map(|_| (check_in("A1"), Some("scan-1".to_owned())))
        .collect();
    let answers = door.race(equal).await;
    assert_eq!(door.log.head(), head + 1);
    assert!(
        answers
            .iter()
            .flatten()
            .all(|it| it.recorded.offset == head + 1 && refusal_of(it).is_none())
    );
    assert_eq!(
        answers.iter().flatten().filter(|it| it.replayed).count(),
        31
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_thirty_two_different_scans_of_one_ticket_one_is_admitted() {
    let door = Door::open(|_| ()).await;
    door.handle(register(Some("A1"), "Ana"), None)
        .await
        .unwrap();
    let head = door.log.head();
    let different = (0..32)
        .map(|n| (check_in("A1"), Some(format!("scan-{n}"))))
        .collect();
    let answers = door.race(different).await;
    assert_eq!(admitted(&answers), 1);
    let refused = answers
        .iter()
        .flatten()
        .filter(|it| refusal_of(it) == Some(RefusalCode::AlreadyCheckedIn));
    assert_eq!(refused.count(), 31);
    assert_eq!(door.log.head(), head + 32, "refusals are recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_racing_for_three_places_admit_three() {
    let full = |it: &mut GatheringDetails| {
        (it.capacity, it.capacity_mode) = (Some(10), CapacityMode::Refuse)
    };
    let door = Door::open(full).await;
    for n in 0..71 {
        door.handle(register(Some(&format!("P{n}")), "Ana"), None)
            .await
            .unwrap();
    }
    for n in 0..7 {
        door.handle(check_in(&format!("P{n}")), None).await.unwrap();
    }
    let answers = door
        .race(
            (7..71)
                .map(|n| (check_in(&format!("P{n}")), None))
                .collect(),
        )
        .await;
    assert_eq!(admitted(&answers), 3);
    let full = answers
        .iter()
        .flatten()
        .filter(|it| refusal_of(it) == Some(RefusalCode::CapacityFull));
    assert_eq!(full.count(), 61);
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_equal_creations_at_once_make_one_gathering() {
    let log = Log::in_memory();
    let gathering = gathering_id_for(Some(&id("create-1")), "ana");
    let door = Door {
        handler: CommandHandler::new(log.clone()),
        log,
        gathering,
    };
    let answers = door
        .race(
            (0..32)
                .map(|_| (create(|_| ()), Some("create-1".into())))
                .collect(),
        )
        .await;
    assert_eq!(
        answers.iter().flatten().filter(|it| !it.replayed).count(),
        1
    );
    assert_eq!(answers.iter().flatten().count(), 32);
    assert_eq!(door.log.head(), 1);
    let other = door
        .handle(create(|it| it.capacity = Some(5)), Some("create-1"))
        .await;
    assert!(matches!(
        other,
        Err(CommandError::IdempotencyConflict { offset: 1, .. })
    ));
    let again = door.handle(create(|_| ()), None).await;
    assert!(matches!(
        again,
        Err(CommandError::Refused(Refusal::GatheringExists))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_registrations_at_once_make_one_participant_with_one_fresh_code() {
    let door = Door::open(|_| ()).await;
    let answers = door
        .race(
            (0..32)
                .map(|_| (register(None, "Ana"), Some("reg-1".into())))
                .collect(),
        )
        .await;
    let codes: std::collections::HashSet<_> = answers
        .iter()
        .map(|it| {
            it.as_ref()
                .unwrap()
                .recorded
                .event
                .subject()
                .unwrap()
                .code
                .clone()
        })
        .collect();
    assert_eq!(codes.len(), 1);
    assert_eq!(door.log.head(), 2);
}
