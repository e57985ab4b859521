//! The same command twice.

use super::*;

#[tokio::test]
async fn the_same_id_with_other_content_is_a_conflict() {
    let door = Door::open(|_| ()).await;
    for name in ["A1", "B2"] {
        door.handle(register(Some(name), "Ana"), None)
            .await
            .unwrap();
    }
    let first = door.handle(check_in("A1"), Some("scan-1")).await.unwrap();
    for other in [
        check_out("A1"),
        check_in("B2"),
        check_in("nobody"),
        undo("A1", None, None),
    ] {
        match door.handle(other, Some("scan-1")).await {
            Err(CommandError::IdempotencyConflict { offset, .. }) => {
                assert_eq!(offset, first.recorded.offset)
            }
            _ => panic!("not a conflict"),
        }
    }
}

#[tokio::test]
async fn a_replay_returns_the_original_whatever_has_changed_since_and_after_a_restart() {
    let door = Door::open(|_| ()).await;
    door.handle(register(Some("A1"), "Ana"), Some("reg-1"))
        .await
        .unwrap();
    let admitted = door.handle(check_in("A1"), Some("scan-1")).await.unwrap();
    let refused = door.handle(check_in("A1"), Some("scan-2")).await.unwrap();
    door.handle(check_out("A1"), Some("scan-3")).await.unwrap();
    let cancel = || {
        Command::Cancel(Cancel {
            code: code("A1"),
            reason: Some("ill".into()),
        })
    };
    door.handle(cancel(), Some("cancel-1")).await.unwrap();
    let head = door.log.head();
    for door in [&door, &door.restarted()] {
        let again = door.handle(check_in("A1"), Some("scan-1")).await.unwrap();
        assert!(again.replayed);
        assert_eq!(again.recorded, admitted.recorded);
        assert_eq!(
            door.handle(check_in("A1"), Some("scan-2"))
                .await
                .unwrap()
                .recorded,
            refused.recorded
        );
        assert!(
            door.handle(register(Some("A1"), "Ana"), Some("reg-1"))
                .await
                .unwrap()
                .replayed
        );
        assert!(
            door.handle(cancel(), Some("cancel-1"))
                .await
                .unwrap()
                .replayed
        );
        let other = door
            .handle(register(Some("A1"), "Bea"), Some("reg-1"))
            .await;
        assert!(matches!(
            other,
            Err(CommandError::IdempotencyConflict { .. })
        ));
        assert_eq!(door.log.head(), head);
    }
}

#[tokio::test]
async fn a_refusal_that_left_no_event_is_not_remembered() {
    let door = Door::open(|_| ()).await;
    let unknown = door.handle(check_in("A1"), Some("scan-1")).await;
    assert!(matches!(
        unknown,
        Err(CommandError::Refused(Refusal::UnknownCode { .. }))
    ));
    door.handle(register(Some("A1"), "Ana"), None)
        .await
        .unwrap();
    assert!(
        !door
            .handle(check_in("A1"), Some("scan-1"))
            .await
            .unwrap()
            .replayed
    );
}

#[tokio::test]
async fn an_undo_names_a_scan_or_is_named_itself() {
    let door = Door::open(|_| ()).await;
    door.handle(register(Some("A1"), "Ana"), None)
        .await
        .unwrap();
    let scan = door.handle(check_in("A1"), Some("scan-1")).await.unwrap();
    let undone = door
        .handle(undo("A1", Some("scan-1"), None), None)
        .await
        .unwrap();
    assert_eq!(undone.recorded.causation, Some(scan.recorded.event_id));
    // The same undo again is the same command, by whichever way the id was given.
    for command_id in [None, Some("scan-1")] {
        let again = door
            .handle(undo("A1", Some("scan-1"), None), command_id)
            .await
            .unwrap();
        assert!(again.replayed);
        assert_eq!(again.recorded, undone.recorded);
    }
    let other = door
        .handle(undo("A1", Some("scan-1"), Some("why")), None)
        .await;
    assert!(matches!(
        other,
        Err(CommandError::Refused(Refusal::AlreadyUndone { .. }))
    ));

    door.handle(check_in("A1"), Some("scan-2")).await.unwrap();
    let own = door
        .handle(undo("A1", Some("undo-1"), None), None)
        .await
        .unwrap();
    assert!(matches!(own.recorded.event, Event::ScanUndone { .. }));
    assert!(
        door.handle(undo("A1", Some("undo-1"), None), None)
            .await
            .unwrap()
            .replayed
    );
}

#[tokio::test]
async fn an_erased_persons_commands_are_still_replayed() {
    let door = Door::open(|_| ()).await;
    let registered = door
        .handle(register(Some("A1"), "Ana"), Some("reg-1"))
        .await
        .unwrap();
    door.handle(check_in("A1"), Some("scan-1")).await.unwrap();
    let subject = registered.recorded.event.subject().unwrap().clone();
    let participant = subject.participant.to_bytes();
    let erased = crate::events::recorded::NewEvent {
        gathering: door.gathering,
        decided_at: at(1_000),
        occurred_at: at(1_000),
        actor: crate::events::recorded::Actor {
            id: "root".into(),
            role: ActorRole::Superuser,
            name: None,
        },
        correlation: CorrelationId::from_bytes([0; 16]),
        causation: None,
        command: None,
        event: Event::ParticipantErased { subject },
    };
    door.log.append(erased).unwrap().1.wait().await.unwrap();
    door.log
        .keys()
        .destroy(door.gathering, participant)
        .unwrap();
    let door = door.restarted();
    assert!(
        door.handle(check_in("A1"), Some("scan-1"))
            .await
            .unwrap()
            .replayed
    );
    let refused = door.handle(check_in("A1"), Some("scan-9")).await.unwrap();
    assert_eq!(refusal_of(&refused), Some(RefusalCode::Erased));
    assert!(
        door.handle(check_in("A1"), Some("scan-9"))
            .await
            .unwrap()
            .replayed
    );
}
