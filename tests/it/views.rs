//! What callers see of the views, by name: search, pages, history filters, rebuilds, shared starts.

use std::time::Duration;

use doorbook::{
    events::{
        event::RefusalCode,
        ids::{Code, GatheringId},
        log::Log,
    },
    projections::{
        ViewError, Views, integrity,
        views::{HistoryQuery, ParticipantFilter, ParticipantsQuery, RebuildState},
    },
};

use crate::naive::{History, Step};

const REGISTER: u8 = 0;
const WRONG_TICKET: u8 = 5;
const CHECK_IN: u8 = 6;
const REFUSED: u8 = 13;
const UNDO: u8 = 15;
const CANCEL: u8 = 18;
const ERASE: u8 = 19;

/// Given these events of the first gathering: (kind, participant, gate).
fn given(steps: &[(u8, usize, usize)]) -> (History, Views) {
    let log = Log::in_memory();
    let mut history = History::new(log.clone());
    for (kind, participant, gate) in steps {
        history.take(&Step {
            kind: *kind,
            gathering: 0,
            participant: *participant,
            gate: *gate,
            back: 0,
        });
    }
    history.settle();
    (history, Views::open(log).unwrap())
}

async fn found(
    views: &Views,
    id: GatheringId,
    q: &str,
    status: Option<ParticipantFilter>,
) -> Vec<String> {
    let query = ParticipantsQuery {
        q: Some(q.to_owned()),
        status,
        after: None,
        limit: 100,
    };
    let page = views.participants(id, query).await.unwrap();
    (page.results.iter())
        .map(|participant| participant.user.first_name.clone())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_by_any_part_of_what_is_known_of_them() {
    let (history, views) = given(&[
        (REGISTER, 1, 1),
        (REGISTER, 2, 1),
        (REGISTER, 3, 1),
        (CHECK_IN, 0, 1),
        (CANCEL, 1, 1),
        (ERASE, 2, 1),
    ]);
    let id = history.ids[0];
    assert_eq!(
        found(&views, id, "MULLER zoe", None).await,
        ["Zoë 1", "Zoë 2"]
    );
    let code = history.naive[&id].people[1].subject.code.to_string();
    let question = format!("{} zoë", &code[20..]);
    assert_eq!(found(&views, id, &question, None).await, ["Zoë 2"]);
    assert_eq!(found(&views, id, "@example", None).await.len(), 2);
    let code = history.naive[&id].people[2].subject.code.to_string();
    assert_eq!(found(&views, id, &code.to_uppercase(), None).await, [""]);
    let of = |filter| found(&views, id, "", Some(filter));
    assert_eq!(of(ParticipantFilter::Inside).await, ["Zoë 1"]);
    assert_eq!(of(ParticipantFilter::Cancelled).await, ["Zoë 2"]);
    assert_eq!(of(ParticipantFilter::Erased).await, [""]);
    assert_eq!(of(ParticipantFilter::Registered).await, ["Zoë 1"]);
    assert_eq!(of(ParticipantFilter::Outside).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_goes_on_where_it_ended_while_people_register() {
    let (mut history, views) = given(&[(REGISTER, 1, 0), (REGISTER, 2, 0), (REGISTER, 3, 0)]);
    let id = history.ids[0];
    let page = |after: Option<String>| {
        let query = ParticipantsQuery {
            after,
            limit: 2,
            ..ParticipantsQuery::default()
        };
        views.participants(id, query)
    };
    let first = page(None).await.unwrap();
    assert_eq!(first.results.len(), 2);
    history.take(&Step {
        kind: REGISTER,
        gathering: 0,
        participant: 4,
        gate: 0,
        back: 0,
    });
    history.settle();
    let second = page(first.next).await.unwrap();
    let names: Vec<_> = (second.results.iter())
        .map(|seen| seen.user.first_name.as_str())
        .collect();
    assert_eq!(names, ["Zoë 3", "Zoë 4"]);
    assert_eq!(second.next, None);
    let nonsense = page(Some("page two".to_owned())).await;
    assert!(matches!(nonsense, Err(ViewError::BadPosition)));
}

#[tokio::test(flavor = "multi_thread")]
async fn erasure_reaches_entries_that_wait_in_the_tail() {
    let (mut history, views) = given(&[(REGISTER, 1, 0), (CHECK_IN, 0, 1)]);
    let id = history.ids[0];
    let scan = history.log.head();
    let before = views.entry(id, scan).await.unwrap();
    assert_eq!(
        before.participant.as_ref().unwrap().user.first_name,
        "Zoë 1"
    );
    history.take(&Step {
        kind: ERASE,
        gathering: 0,
        participant: 0,
        gate: 0,
        back: 0,
    });
    history.settle();
    let after = views.entry(id, scan).await.unwrap();
    let person = after.participant.as_ref().unwrap();
    assert_eq!(
        (person.user.first_name.as_str(), person.note.as_ref()),
        ("", None)
    );
    assert!(person.checked_in);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_of_another_gathering_shows_nobody() {
    let (history, views) = given(&[(REGISTER, 1, 0), (WRONG_TICKET, 0, 1)]);
    let entry = views
        .entry(history.ids[0], history.log.head())
        .await
        .unwrap();
    assert!(entry.participant.is_none() && entry.previous.is_none());
    assert_eq!(entry.occupancy.registered, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_filtered_and_paged_and_knows_what_was_undone() {
    let (history, views) = given(&[
        (REGISTER, 1, 0),
        (CHECK_IN, 0, 1),
        (REFUSED, 0, 2),
        (UNDO, 0, 0),
        (CHECK_IN, 0, 1),
    ]);
    let id = history.ids[0];
    let ask = |change: &dyn Fn(&mut HistoryQuery)| {
        let mut query = HistoryQuery {
            gathering: Some(id),
            limit: 100,
            ..HistoryQuery::default()
        };
        change(&mut query);
        views.history(query)
    };
    let all = ask(&|_| {}).await.unwrap();
    let kinds: Vec<_> = all.results.iter().map(|entry| entry.kind).collect();
    let scan = "participant_checked_in";
    assert_eq!(
        kinds,
        [
            "gathering_created",
            "participant_registered",
            scan,
            "scan_refused",
            "scan_undone",
            scan
        ]
    );
    let (taken_back, undo) = (&all.results[2], &all.results[4]);
    assert_eq!(taken_back.undone_by, Some(undo.offset));
    assert_eq!(undo.undoes, Some(taken_back.offset));
    assert_eq!(
        all.results[3].code,
        Some(RefusalCode::AlreadyCheckedIn.as_str())
    );
    assert_eq!(all.results[5].undone_by, None);

    let at_gate = ask(&|query| query.gate = Some("north".to_owned()))
        .await
        .unwrap();
    assert_eq!(at_gate.results.len(), 2);
    let by_kind = ask(&|query| query.kind = Some("scan_refused".to_owned()))
        .await
        .unwrap();
    assert_eq!(by_kind.results.len(), 1);
    let by_nobody = ask(&|query| query.actor = Some("nobody".to_owned()))
        .await
        .unwrap();
    assert!(by_nobody.results.is_empty() && by_nobody.next.is_none());
    let moment = undo.recorded_at;
    let since = ask(&|query| query.since = Some(moment)).await.unwrap();
    assert_eq!(since.results, all.results[4..]);
    let until = ask(&|query| query.until = Some(moment)).await.unwrap();
    assert_eq!(until.results, all.results[..4]);

    let code = all.results[1].event_pax_id.as_ref().map(Code::to_string);
    for participant in [None, code] {
        let mut paged = Vec::new();
        let mut after = 0;
        loop {
            let participant = participant.clone();
            let page = ask(&move |query| {
                query.participant.clone_from(&participant);
                query.after = after;
                query.limit = 2;
            });
            let page = page.await.unwrap();
            paged.extend(page.results);
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        let skipped = usize::from(participant.is_some());
        assert_eq!(paged, all.results[skipped..]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_start_between_two_events_share_one_snapshot() {
    let (mut history, views) = given(&[(REGISTER, 1, 0), (REGISTER, 2, 0)]);
    let id = history.ids[0];
    let first = views.snapshot(id, 1).await.unwrap();
    let second = views.snapshot(id, 1).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &second));
    assert!(first.truncated && first.participants.len() == 1);
    history.take(&Step {
        kind: REGISTER,
        gathering: 0,
        participant: 3,
        gate: 0,
        back: 0,
    });
    history.settle();
    let third = views.snapshot(id, 5).await.unwrap();
    assert!(!third.truncated && third.participants.len() == 3);
    assert!(third.offset > first.offset);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_is_started_once_reports_and_ends() {
    let (history, views) = given(&[(REGISTER, 1, 0), (CHECK_IN, 0, 0)]);
    assert!(matches!(
        views.start_rebuild("orders"),
        Err(ViewError::UnknownProjection(_))
    ));
    assert!(matches!(
        views.rebuild_progress("history"),
        Err(ViewError::Rebuild(_))
    ));
    assert!(matches!(
        views.cancel_rebuild("history"),
        Err(ViewError::Rebuild(_))
    ));
    views.start_rebuild("participants").unwrap();
    let end = loop {
        let progress = views.rebuild_progress("participants").unwrap();
        if progress.state != RebuildState::Running {
            break progress;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        (end.state, end.total),
        (RebuildState::Done, history.log.head())
    );
    assert_eq!(end.processed, end.total);
    let row = views.row(history.ids[0]).unwrap();
    assert_eq!(row.occupancy.inside, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_rebuild_leaves_the_live_view_as_it_was_and_following() {
    let steps: Vec<_> = (0..3_000)
        .map(|n| (if n % 2 == 0 { REGISTER } else { CHECK_IN }, n, 0))
        .collect();
    let (mut history, views) = given(&steps);
    let id = history.ids[0];
    let before = views.snapshot(id, 5_000).await.unwrap();
    for view in ["participants", "history", "dashboard"] {
        loop {
            views.start_rebuild(view).unwrap();
            // One that has ended already cannot be cancelled: then the next one.
            let cancelled = views.cancel_rebuild(view).is_ok();
            let end = loop {
                let state = views.rebuild_progress(view).unwrap().state;
                if state != RebuildState::Running {
                    break state;
                }
                tokio::task::yield_now().await;
            };
            assert!(cancelled || end == RebuildState::Done);
            if end == RebuildState::Cancelled {
                break;
            }
        }
    }
    let after = views.snapshot(id, 5_000).await.unwrap();
    assert_eq!(before.offset, after.offset);
    assert!(before.participants == after.participants);
    history.take(&Step {
        kind: REGISTER,
        gathering: 0,
        participant: 7,
        gate: 0,
        back: 0,
    });
    history.settle();
    let next = views.snapshot(id, 5_000).await.unwrap();
    assert_eq!(next.participants.len(), before.participants.len() + 1);
    assert_eq!(views.verify_views(|_, _| ()).unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_an_offset_ends_with_it_or_says_how_far_the_view_is() {
    let (history, views) = given(&[(REGISTER, 1, 0)]);
    let head = history.log.head();
    views.wait_for(head, Duration::ZERO).await.unwrap();
    let missing = views.wait_for(head + 1, Duration::from_millis(1)).await;
    assert!(
        matches!(missing, Err(ViewError::Behind { at, wanted }) if at == head && wanted == head + 1)
    );
    let unknown = views
        .participants(GatheringId::generate(), ParticipantsQuery::default())
        .await;
    assert!(matches!(unknown, Err(ViewError::UnknownGathering)));
    // The tree for proofs comes behind: nobody waits for it here.
    let statuses = views.projections().into_iter();
    assert!(
        (statuses.filter(|status| status.name != integrity::NAME))
            .all(|status| status.lag == 0 && status.error.is_none())
    );
}
