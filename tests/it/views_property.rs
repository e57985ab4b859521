//! Any history gives the same views: live, after a reload, by rebuild, and by a naive fold written
//! here; replayed feed entries equal live ones; readers get every event once, in order.
//!
//! Events are made directly, so that histories no command would allow are among them.

use std::{collections::BTreeMap, sync::Arc};

use doorbook::{
    events::{
        event::DoorRole,
        ids::{GatheringId, Offset},
        log::Log,
        recorded::Recorded,
    },
    projections::{
        ViewError, Views,
        feed::{FeedEntry, Page},
        participants::{Participant, User},
        views::{DashboardPage, HistoryQuery, ParticipantsQuery, RebuildOptions, RebuildState},
    },
};
use proptest::prelude::*;

use crate::naive::{Expected, History, NaiveDoorToken, Step, step};

/// More than one page of the log, so that a fresh view starts with a tail that does not reach back.
const LONG_HISTORY_EVENTS: usize = 1_300;

/// Everything a caller can see of every gathering equals what the naive fold says.
async fn assert_views_equal_the_naive_fold(views: &Views, history: &History) {
    for (id, naive) in &history.naive {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let query = ParticipantsQuery {
                after,
                limit: 7,
                ..ParticipantsQuery::default()
            };
            let page = views.participants(*id, query).await.unwrap();
            seen.extend(page.results);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let expected: Vec<_> = naive.people.iter().map(|person| person.seen(*id)).collect();
        assert_eq!(seen.len(), expected.len());
        for (seen, expected) in seen.iter().zip(&expected) {
            assert_same_participant(Some(seen), Some(expected));
        }
        let row = views.row(*id).unwrap();
        assert_eq!(row.occupancy, naive.occupancy());
        assert_eq!(row.arrivals, naive.arrivals());
        assert_eq!(row.offset, naive.offset);
        let team: BTreeMap<String, DoorRole> = row
            .team
            .iter()
            .map(|(user, role)| (user.to_string(), *role))
            .collect();
        assert_eq!(team, naive.team);
        let listed = views.door_tokens(*id, None, usize::MAX).await.unwrap();
        let listed: Vec<NaiveDoorToken> = (listed.into_iter())
            .map(|token| NaiveDoorToken {
                jti: token.jti,
                name: token.name.unwrap(),
                revoked: token.revoked,
            })
            .collect();
        assert_eq!(listed, naive.door_tokens);
        let snapshot = views.snapshot(*id, usize::MAX).await.unwrap();
        assert_eq!(snapshot.row.occupancy, naive.occupancy());
        assert_eq!(snapshot.participants.len(), expected.len());
        assert!(snapshot.offset >= naive.offset);
    }
}

fn assert_same_participant(seen: Option<&Arc<Participant>>, expected: Option<&Participant>) {
    let json = |participant: &Participant| serde_json::to_value(participant).unwrap();
    assert_eq!(seen.map(|seen| json(seen)), expected.map(json));
}

fn assert_same_entry(entry: &FeedEntry, recorded: &Recorded, expected: &Expected) {
    assert_eq!(*entry.recorded, *recorded);
    assert_same_participant(entry.participant.as_ref(), expected.participant.as_ref());
    assert_eq!(entry.occupancy, expected.occupancy);
    assert_eq!(entry.previous, expected.previous);
}

/// The whole feed of a gathering after a cursor.
async fn read_feed(
    views: &Views,
    id: GatheringId,
    after: Offset,
    limit: usize,
) -> Vec<Arc<FeedEntry>> {
    let mut reader = views.reader(id, after).await.unwrap();
    let mut feed = Vec::new();
    loop {
        let before = reader.cursor();
        match reader.next(limit).await.unwrap() {
            Page::Entries {
                entries, covers, ..
            } => {
                assert!(covers > before && !entries.is_empty());
                feed.extend(entries);
            }
            Page::AtHead { head } => {
                assert_eq!(reader.cursor(), head);
                return feed;
            }
        }
    }
}

async fn assert_dashboard_feed(views: &Views, written: &[(GatheringId, Arc<Recorded>, Expected)]) {
    let mut cursor = 0;
    loop {
        match views.dashboard_page(cursor, 100).await.unwrap() {
            DashboardPage::Updates {
                updates, covers, ..
            } => {
                for update in updates {
                    cursor += 1;
                    assert_eq!(update.recorded.offset, cursor);
                    // The first three created the gatherings.
                    if let Some(place) = cursor.checked_sub(4) {
                        let (_, _, expected) = &written[usize::try_from(place).unwrap()];
                        assert_eq!(update.counts, expected.occupancy);
                    }
                }
                assert_eq!(covers, cursor);
            }
            DashboardPage::AtHead { head } => {
                assert_eq!(head, cursor);
                return;
            }
        }
    }
}

/// Personal data in a replay is as it is now: gone, when the person has been erased since.
fn as_shown_now(mut expected: Expected, history: &History, id: GatheringId) -> Expected {
    if let Some(participant) = &mut expected.participant
        && (history.naive[&id].people.iter())
            .any(|person| person.subject.participant == participant.id && person.erased)
    {
        participant.user = User::default();
        participant.note = None;
    }
    expected
}

async fn history_agrees(
    views: &Views,
    history: &History,
    written: &[(GatheringId, Arc<Recorded>, Expected)],
) {
    let mut after = 0;
    let mut seen = Vec::new();
    loop {
        let page = views.history_after(after, 50).await.unwrap();
        seen.extend(page.results);
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(seen.len() as u64, history.log.head());
    for entry in &seen {
        assert_eq!(entry.undone_by, history.undone.get(&entry.offset).copied());
    }
    let Some((id, subject)) = written.iter().rev().find_map(|(id, recorded, _)| {
        recorded
            .event
            .subject()
            .map(|subject| (*id, subject.clone()))
    }) else {
        return;
    };
    let about: Vec<Offset> = (written.iter())
        .filter(|(of, recorded, _)| *of == id && recorded.event.subject() == Some(&subject))
        .map(|(_, recorded, _)| recorded.offset)
        .collect();
    for participant in [subject.code.to_string(), subject.participant.to_string()] {
        for gathering in [Some(id), None] {
            let query = HistoryQuery {
                gathering,
                participant: Some(participant.clone()),
                limit: 1_000,
                ..HistoryQuery::default()
            };
            let page = views.history(query).await.unwrap();
            let offsets: Vec<Offset> = page.results.iter().map(|entry| entry.offset).collect();
            assert_eq!(offsets, about);
        }
    }
}

/// A comparison, a rebuild that may be cancelled on its way, or a rollback.
fn disturb(views: &Views, number: usize) {
    let name = ["participants", "dashboard", "history"][number % 3];
    match number % 4 {
        0 => {
            let options = RebuildOptions {
                diff: true,
                ..RebuildOptions::default()
            };
            views.start_rebuild_with(name, options).unwrap();
            while views.rebuild_progress(name).unwrap().state == RebuildState::Running {
                std::thread::yield_now();
            }
            assert_eq!(views.rebuild_progress(name).unwrap().differences, Some(0));
        }
        1 | 2 => {
            views.start_rebuild(name).unwrap();
            // It may be over already.
            assert!(matches!(
                views.cancel_rebuild(name),
                Ok(()) | Err(ViewError::Rebuild(_))
            ));
            while views.rebuild_progress(name).unwrap().state == RebuildState::Running {
                std::thread::yield_now();
            }
        }
        // Nothing is kept from before unless it has been rebuilt.
        _ => assert!(matches!(
            tokio::task::block_in_place(|| views.roll_back(name)),
            Ok(()) | Err(ViewError::Rebuild(_))
        )),
    }
}

/// Checks a history while it is written and when it is done.
async fn check_history(log: Log, long: bool, steps: Vec<Step>) -> History {
    let mut history = History::new(log.clone());
    history.settle();
    let mut live = Views::open(log.clone()).unwrap();
    let mut written = Vec::new();
    let mut checked = 0;
    let prefix = (0..if long { LONG_HISTORY_EVENTS } else { 0 }).map(|number| Step {
        kind: u8::try_from(number % 13).unwrap(),
        gathering: 0,
        participant: number,
        gate: number % 3,
        back: number % 6,
    });
    for (number, step) in prefix.chain(steps).enumerate() {
        written.push(history.take(&step));
        if number % 23 < 15 && number < LONG_HISTORY_EVENTS {
            continue;
        }
        history.settle();
        for (id, recorded, expected) in written.iter().skip(checked) {
            let entry = live.entry(*id, recorded.offset).await.unwrap();
            let expected = as_shown_now(expected.clone(), &history, *id);
            assert_same_entry(&entry, recorded, &expected);
        }
        checked = written.len();
        if number % 97 == 96 {
            assert_views_equal_the_naive_fold(&live, &history).await;
            live.close();
            live = Views::open(log.clone()).unwrap();
        }
        if number % 211 == 50 {
            for name in ["participants", "dashboard", "history"] {
                live.rebuild_blocking(name, |_| {}).unwrap();
            }
        }
        if number % 53 == 20 {
            disturb(&live, number);
            assert_views_equal_the_naive_fold(&live, &history).await;
        }
    }
    history.settle();
    let fresh = Views::open(log.clone()).unwrap();
    for views in [&live, &fresh] {
        assert_everything_agrees(views, &history, &written).await;
        let end = views.rebuild_blocking("all", |_| {}).unwrap();
        assert_eq!(end.state, RebuildState::Done);
        assert_views_equal_the_naive_fold(views, &history).await;
        assert_eq!(views.verify_views(|_, _| {}).unwrap(), None);
    }
    live.close();
    fresh.close();
    history
}

async fn assert_everything_agrees(
    views: &Views,
    history: &History,
    written: &[(GatheringId, Arc<Recorded>, Expected)],
) {
    assert_views_equal_the_naive_fold(views, history).await;
    assert_dashboard_feed(views, written).await;
    history_agrees(views, history, written).await;
    for (gathering, limit) in history.ids.iter().zip([1, 7, 1_000]) {
        let feed = read_feed(views, *gathering, 3, limit).await;
        let of_it: Vec<_> = written.iter().filter(|(id, ..)| id == gathering).collect();
        assert_eq!(feed.len(), of_it.len());
        for (entry, (id, recorded, expected)) in feed.iter().zip(of_it) {
            let expected = as_shown_now(expected.clone(), history, *id);
            assert_same_entry(entry, recorded, &expected);
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 64,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn any_history_gives_the_same_views_live_reloaded_rebuilt_and_folded_naively(
        long in prop::bool::weighted(0.2),
        steps in prop::collection::vec(step(), 1..260),
    ) {
        runtime().block_on(check_history(Log::in_memory(), long, steps));
    }
}

proptest! {
    #![proptest_config(cases(3))]

    #[test]
    fn a_history_on_disk_gives_the_same_views_from_snapshots_and_after_a_restart(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        runtime().block_on(async {
            let (log, _) = Log::open(dir.path()).unwrap();
            let mut history = check_history(log.clone(), true, steps).await;
            log.close().unwrap();
            drop(log);
            history.log = Log::in_memory();
            let (log, _) = Log::open(dir.path()).unwrap();
            let views = Views::open(log).unwrap();
            assert_views_equal_the_naive_fold(&views, &history).await;
            assert_eq!(views.verify_views(|_, _| {}).unwrap(), None);
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_from_any_offset_gets_every_event_once_in_order_while_appends_race() {
    let log = Log::in_memory();
    let mut history = History::new(log.clone());
    let step = |number: usize| Step {
        kind: u8::try_from(number % 19).unwrap(),
        gathering: number % 2,
        participant: number,
        gate: number % 3,
        back: number % 3,
    };
    let events = 4_000;
    for number in 0..events / 2 {
        history.take(&step(number));
    }
    history.settle();
    let id = history.ids[0];
    let views = Views::open(log.clone()).unwrap();
    let end = events as u64 + 3;
    let writer = tokio::task::spawn_blocking(move || {
        for number in events / 2..events {
            history.take(&step(number));
            history.settle();
        }
    });
    let readers: Vec<_> = (0..end)
        .step_by(61)
        .map(|after| tokio::spawn(follow(views.clone(), id, after, end)))
        .collect();
    writer.await.unwrap();
    let mut feeds = Vec::new();
    for reader in readers {
        feeds.push(reader.await.unwrap());
    }
    let mut expected = Vec::new();
    loop {
        let after = expected.last().copied().unwrap_or(0);
        let page = log.read_gathering(id, after, end, 1_000).unwrap();
        if page.is_empty() {
            break;
        }
        expected.extend(page.iter().map(|recorded| recorded.offset));
    }
    for (after, feed) in feeds {
        let expected: Vec<_> = expected.iter().filter(|offset| **offset > after).collect();
        assert_eq!(feed.iter().collect::<Vec<_>>(), expected, "after {after}");
    }
}

/// Reads until the feed covers `end`; offsets in the order they came.
async fn follow(
    views: Views,
    id: GatheringId,
    after: Offset,
    end: Offset,
) -> (Offset, Vec<Offset>) {
    let mut moved = views.watch_gathering(id).await.unwrap();
    let mut head = views.log().watch_head();
    let mut reader = views.reader(id, after).await.unwrap();
    let mut feed = Vec::new();
    loop {
        match reader.next(37).await.unwrap() {
            Page::Entries { entries, .. } => {
                feed.extend(entries.iter().map(|entry| entry.offset()));
            }
            Page::AtHead { head } if head >= end => return (after, feed),
            Page::AtHead { .. } => {
                tokio::select! {
                    moved = moved.changed() => moved.unwrap(),
                    head = head.wait_for(|head| *head >= end) => { head.unwrap(); }
                }
            }
        }
    }
}
