//! What a rebuild does when something is wrong: poison, another version, a crash in each phase, a live view
//! that is not what a fold gives.

use std::sync::Arc;

use super::{
    RebuildOptions, RebuildProgress, RebuildReason, RebuildState, fresh::Fresh, switch, view::View,
};
use crate::{
    events::{
        event::Event,
        ids::{GatheringId, Offset},
        log::{
            Log,
            conformance::{created, data_dir, new_event, registered},
        },
        recorded::Recorded,
        snapshot::{FoldName, Scope, Shelf},
    },
    projections::{
        Views, dashboard,
        folds::poison,
        participants::{self, Occupancy},
        views::ViewError,
    },
};

/// More than one page, and enough for a snapshot.
const MANY: u32 = 1_500;
const FEW: u32 = 300;

fn append(log: &Log, id: GatheringId, events: impl IntoIterator<Item = Event>) -> Arc<Recorded> {
    let append = |event| log.append(new_event(id, event)).unwrap();
    let (recorded, durable) = events.into_iter().map(append).last().unwrap();
    tokio::task::block_in_place(|| durable.wait_blocking().unwrap());
    recorded
}

fn people(gathering: &str, count: u32) -> impl Iterator<Item = Event> {
    (0..count).map(move |n| registered(&format!("{gathering}-{n}")))
}

/// Two gatherings, one large and one small.
fn filled(log: &Log) -> [GatheringId; 2] {
    let ids = [GatheringId::generate(), GatheringId::generate()];
    for (id, (name, count)) in ids.iter().zip([("L", MANY), ("S", FEW)]) {
        append(log, *id, [created("Fair")]);
        append(log, *id, people(name, count));
    }
    ids
}

async fn occupancy(views: &Views, id: GatheringId) -> Result<Occupancy, ViewError> {
    let gathering = views.inner.current(id).await?;
    let live = gathering.live.read();
    Ok(live.participants.state.occupancy)
}

fn rebuilt(views: &Views, name: &str) -> RebuildProgress {
    tokio::task::block_in_place(|| views.rebuild_blocking(name, |_| ())).unwrap()
}

fn compared(views: &Views, name: &str) -> RebuildProgress {
    let options = RebuildOptions {
        diff: true,
        ..RebuildOptions::default()
    };
    let run = || super::Rebuilds::run_blocking(&views.inner, name, options, |_| ());
    tokio::task::block_in_place(run).unwrap()
}

/// What a rebuild that nobody waits for has come to.
async fn ended(views: &Views, name: &str) -> RebuildProgress {
    loop {
        let progress = views.rebuild_progress(name).unwrap();
        if progress.state != RebuildState::Running {
            return progress;
        }
        tokio::task::yield_now().await;
    }
}

fn generation(views: &Views, name: &str) -> (u64, Option<u64>) {
    let statuses = views.projections();
    let status = statuses.iter().find(|status| status.name == name).unwrap();
    assert_eq!(status.built_at.is_some(), status.generation > 1);
    (status.generation, status.generation_before)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_stops_a_rebuild_with_its_offset_and_the_old_view_serves_on() {
    let log = Log::in_memory();
    let [id, other] = filled(&log);
    let views = Views::open(log.clone()).unwrap();
    occupancy(&views, id).await.unwrap();
    let bad = append(&log, id, people("BAD", 1));
    append(&log, id, people("AFTER", 5));
    occupancy(&views, id).await.unwrap();
    for view in View::ALL.into_iter().filter(|view| view.is_fold()) {
        let fold = view.fold();
        poison::add(fold, bad.event_id);
        let end = rebuilt(&views, fold.name);
        assert_eq!(end.state, RebuildState::Failed);
        assert_eq!(end.offset, Some(bad.offset), "{:?}", end.detail);
        assert!(end.detail.unwrap().contains("cannot apply this event"));
        assert_eq!(generation(&views, fold.name), (1, None));
        assert_eq!(occupancy(&views, id).await.unwrap().registered, MANY + 6);
        poison::remove(fold, bad.event_id);
        assert_eq!(rebuilt(&views, fold.name).state, RebuildState::Done);
    }
    assert_eq!(occupancy(&views, other).await.unwrap().registered, FEW);
    tokio::task::block_in_place(|| views.close());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_parks_the_live_view_before_it_and_the_others_go_on() {
    let log = Log::in_memory();
    let [id, other] = filled(&log);
    let views = Views::open(log.clone()).unwrap();
    occupancy(&views, id).await.unwrap();
    let (bad, durable) = log.append(new_event(id, registered("BAD"))).unwrap();
    poison::add(participants::FOLD, bad.event_id);
    tokio::task::block_in_place(|| durable.wait_blocking().unwrap());
    let error = occupancy(&views, id).await.unwrap_err();
    let expected = format!("offset {}", bad.offset);
    assert!(error.to_string().contains(&expected), "{error}");
    assert_eq!(occupancy(&views, other).await.unwrap().registered, FEW);
    assert_eq!(views.row(id).unwrap().occupancy.registered, MANY + 1);
    let statuses = views.projections();
    let parked: Vec<_> = (statuses.iter().filter(|status| status.error.is_some())).collect();
    assert_eq!(parked.len(), 1);
    assert!(parked[0].error.as_ref().unwrap().contains(&expected));
    assert_eq!(rebuilt(&views, "participants").offset, Some(bad.offset));
    poison::remove(participants::FOLD, bad.event_id);
    assert_eq!(rebuilt(&views, "participants").state, RebuildState::Done);
    assert_eq!(occupancy(&views, id).await.unwrap().registered, MANY + 1);
    tokio::task::block_in_place(|| views.close());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_names_the_rows_that_differ_and_changes_nothing() {
    let log = Log::in_memory();
    let [id, other] = filled(&log);
    let views = Views::open(log.clone()).unwrap();
    for id in [id, other] {
        occupancy(&views, id).await.unwrap();
    }
    let same = compared(&views, "all");
    assert_eq!(
        (same.state, same.differences),
        (RebuildState::Done, Some(0))
    );
    assert!(same.dry_run && same.views.len() == View::ALL.len());
    let missing = {
        let gathering = views.inner.loaded(id).unwrap();
        let mut live = gathering.live.write();
        let state = &mut live.participants.state;
        state.occupancy.registered += 7;
        let missing = state.rows.pop().unwrap().id;
        live.participants = participants::Participants::from_state(state.clone());
        missing
    };
    let found = compared(&views, "participants");
    let rows: Vec<_> = (found.differing_rows.iter())
        .map(|row| (row.event_id, row.row.clone(), row.fields.clone()))
        .collect();
    assert_eq!(found.differences, Some(2));
    assert_eq!(
        rows,
        [
            (Some(id), id.to_string(), vec!["occupancy"]),
            (Some(id), missing.to_string(), vec!["missing"])
        ]
    );
    assert_eq!(occupancy(&views, id).await.unwrap().registered, MANY + 7);
    assert_eq!(generation(&views, "participants"), (1, None));
    assert_eq!(rebuilt(&views, "participants").state, RebuildState::Done);
    assert_eq!(compared(&views, "participants").differences, Some(0));
    tokio::task::block_in_place(|| views.close());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_puts_back_what_was_there_with_what_has_happened_since_and_can_be_taken_back() {
    let dir = data_dir();
    let (log, _) = Log::open(dir.path()).unwrap();
    let [id, other] = filled(&log);
    let views = Views::open(log.clone()).unwrap();
    for id in [id, other] {
        occupancy(&views, id).await.unwrap();
    }
    let roll_back = |views: &Views| tokio::task::block_in_place(|| views.roll_back("participants"));
    assert!(matches!(roll_back(&views), Err(ViewError::Rebuild(_))));
    // A generation that can be told from what a fold gives.
    let gathering = views.inner.loaded(id).unwrap();
    gathering
        .live
        .write()
        .participants
        .state
        .occupancy
        .registered += 1_000;
    assert_eq!(rebuilt(&views, "participants").state, RebuildState::Done);
    assert_eq!(generation(&views, "participants"), (2, Some(1)));
    append(&log, id, people("LATER", 3));
    assert_eq!(occupancy(&views, id).await.unwrap().registered, MANY + 3);
    roll_back(&views).unwrap();
    assert_eq!(
        occupancy(&views, id).await.unwrap().registered,
        MANY + 1_003
    );
    assert_eq!(occupancy(&views, other).await.unwrap().registered, FEW);
    tokio::task::block_in_place(|| views.close());
    // It is on the disk too.
    let views = Views::open(log.clone()).unwrap();
    assert_eq!(
        occupancy(&views, id).await.unwrap().registered,
        MANY + 1_003
    );
    roll_back(&views).unwrap();
    assert_eq!(occupancy(&views, id).await.unwrap().registered, MANY + 3);
    assert_eq!(rebuilt(&views, "participants").state, RebuildState::Done);
    let statuses = views.projections();
    assert_eq!(
        (statuses[0].generation, statuses[0].generation_before),
        (3, Some(2))
    );
    tokio::task::block_in_place(|| views.close());
    tokio::task::block_in_place(|| log.close().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_died_goes_on_from_what_it_had_saved() {
    let dir = data_dir();
    let (log, _) = Log::open(dir.path()).unwrap();
    let [id, other] = filled(&log);
    let views = Views::open(log.clone()).unwrap();
    // As a process leaves it that is killed when it has folded the small gathering, and half the large one.
    let (view, halfway) = (View::Participants, u64::from(MANY / 2));
    let generations = &views.inner.generations;
    generations.begin(view, RebuildReason::Asked).unwrap();
    generations.write(view).unwrap();
    for (id, up_to) in [(id, halfway), (other, log.head())] {
        let scope = Scope::Gathering(id);
        let mut fresh = Fresh::begin(&log, view, scope, false);
        for recorded in log.read_gathering(id, 0, up_to, 1_024).unwrap() {
            fresh.apply(&log, &recorded).unwrap();
        }
        fresh.save(&log);
    }
    tokio::task::block_in_place(|| views.close());
    let views = Views::open(log.clone()).unwrap();
    assert_eq!(occupancy(&views, id).await.unwrap().registered, MANY);
    views.resume_rebuilds().unwrap();
    let end = ended(&views, "participants").await;
    assert_eq!(
        (end.state, end.reason),
        (RebuildState::Done, RebuildReason::Resumed)
    );
    assert_eq!((end.processed, end.total), (log.head(), log.head()));
    assert_eq!(generation(&views, "participants"), (2, Some(1)));
    assert_eq!(
        tokio::task::block_in_place(|| views.verify_views(|_, _| ())).unwrap(),
        None
    );
    for id in [id, other] {
        let on = |shelf| {
            log.snapshots()
                .offsets_on(shelf, participants::FOLD, Scope::Gathering(id))
        };
        assert!(on(Shelf::Next).is_empty());
        assert_eq!(on(Shelf::Live).last(), Some(&log.last_offset_of(id)));
    }
    assert!(
        views.rebuild_progress("history").is_err(),
        "nothing else was rebuilt"
    );
    tokio::task::block_in_place(|| views.close());
    tokio::task::block_in_place(|| log.close().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_died_is_ended_before_anything_is_loaded() {
    let dir = data_dir();
    let (log, _) = Log::open(dir.path()).unwrap();
    let ids = filled(&log);
    let views = Views::open(log.clone()).unwrap();
    for id in ids {
        occupancy(&views, id).await.unwrap();
    }
    tokio::task::block_in_place(|| views.close());
    let view = View::Participants;
    let generations = super::Generations::open(&log);
    generations.begin(view, RebuildReason::Asked).unwrap();
    for id in ids {
        let mut fresh = Fresh::begin(&log, view, Scope::Gathering(id), false);
        for recorded in log.read_gathering(id, 0, log.head(), 1_000).unwrap() {
            fresh.apply(&log, &recorded).unwrap();
        }
        fresh.save(&log);
    }
    generations.switching(view).unwrap();
    generations.write(view).unwrap();
    let snapshots = log.snapshots();
    let shift = |id, from, to| {
        snapshots
            .shift(view.fold(), Scope::Gathering(id), from, to)
            .unwrap()
    };
    // One is between its two moves, the other before them.
    shift(ids[0], Shelf::Live, Shelf::Before);
    let reopened = super::Generations::open(&log);
    switch::finish(&log, &reopened).unwrap();
    for id in ids {
        let on = |shelf| {
            snapshots
                .offsets_on(shelf, view.fold(), Scope::Gathering(id))
                .len()
        };
        assert_eq!(
            (on(Shelf::Live), on(Shelf::Next), on(Shelf::Before)),
            (1, 0, 1)
        );
    }
    let views = Views::open(log.clone()).unwrap();
    assert_eq!(generation(&views, "participants"), (2, Some(1)));
    views.resume_rebuilds().unwrap();
    assert!(views.rebuild_progress("participants").is_err());
    assert_eq!(
        tokio::task::block_in_place(|| views.verify_views(|_, _| ())).unwrap(),
        None
    );
    tokio::task::block_in_place(|| views.close());
    tokio::task::block_in_place(|| log.close().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_begins_after_a_switch_is_told_what_is_live_now() {
    let log = Log::in_memory();
    let [id, _] = filled(&log);
    let views = Views::open(log.clone()).unwrap();
    let registered = async || {
        let snapshot = views.snapshot(id, 10).await.unwrap();
        snapshot.row.occupancy.registered
    };
    occupancy(&views, id).await.unwrap();
    let gathering = views.inner.loaded(id).unwrap();
    let wrong = MANY + 7;
    gathering
        .live
        .write()
        .participants
        .state
        .occupancy
        .registered = wrong;
    assert_eq!(registered().await, wrong);
    let switches = views.switches();
    assert_eq!(rebuilt(&views, "participants").state, RebuildState::Done);
    assert_eq!(registered().await, MANY);
    assert!(views.switches() > switches);
    tokio::task::block_in_place(|| views.close());
    assert!(matches!(
        views.start_rebuild("participants"),
        Err(ViewError::Rebuild(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_the_views_are_is_answered_while_an_index_is_held() {
    let log = Log::in_memory();
    let [id, _] = filled(&log);
    let views = Views::open(log.clone()).unwrap();
    let (of_one, whole) = (views.inner.indexes.of(id), views.inner.indexes.whole());
    // As it is while it is loaded, folded, replaced or saved. Asked on this very thread: it must not wait.
    let _held = (of_one.inner.lock(), whole.inner.lock());
    assert!(views.projections().iter().all(|it| it.error.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_in_an_earlier_version_is_rebuilt_behind_what_is_served() {
    let dir = data_dir();
    let (log, _) = Log::open(dir.path()).unwrap();
    let [id, other] = filled(&log);
    // A directory from before there was a note of generations.
    for (fold, scope) in [
        (participants::FOLD, Scope::Gathering(id)),
        (participants::FOLD, Scope::Gathering(other)),
        (dashboard::FOLD, Scope::WholeLog),
    ] {
        let earlier = FoldName {
            version: fold.version - 1,
            ..fold
        };
        let state = "what an earlier doorbook made of it";
        log.snapshots().save(earlier, scope, 9, &state).unwrap();
    }
    let views = Views::open(log.clone()).unwrap();
    assert_eq!(occupancy(&views, other).await.unwrap().registered, FEW);
    views.resume_rebuilds().unwrap();
    assert_eq!(occupancy(&views, id).await.unwrap().registered, MANY);
    for name in ["participants", "dashboard"] {
        let end = ended(&views, name).await;
        assert_eq!(
            (end.state, end.reason),
            (RebuildState::Done, RebuildReason::VersionRaised)
        );
        // There is nothing to go back to: this doorbook cannot read it.
        assert_eq!(generation(&views, name), (2, None));
    }
    for fold in [participants::FOLD, dashboard::FOLD] {
        let versions = log.snapshots().versions(fold.name);
        assert_eq!(versions.into_iter().collect::<Vec<_>>(), [fold.version]);
    }
    assert!(
        views.rebuild_progress("history").is_err(),
        "its version is the same"
    );
    tokio::task::block_in_place(|| views.close());
    let views = Views::open(log.clone()).unwrap();
    views.resume_rebuilds().unwrap();
    assert!(
        views.rebuild_progress("participants").is_err(),
        "once is enough"
    );
    tokio::task::block_in_place(|| views.close());
    tokio::task::block_in_place(|| log.close().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_leaves_nothing() {
    let dir = data_dir();
    let (log, _) = Log::open(dir.path()).unwrap();
    let ids = filled(&log);
    let views = Views::open(log.clone()).unwrap();
    let options = RebuildOptions {
        dry_run: true,
        ..RebuildOptions::default()
    };
    let run = || super::Rebuilds::run_blocking(&views.inner, "all", options, |_| ());
    let end = tokio::task::block_in_place(run).unwrap();
    assert_eq!((end.state, end.dry_run), (RebuildState::Done, true));
    assert_eq!((end.processed, end.total), (log.head(), log.head()));
    for view in View::ALL {
        assert_eq!(generation(&views, view.fold().name), (1, None));
    }
    let offsets: Vec<Vec<Offset>> = (ids.iter())
        .map(|id| {
            log.snapshots()
                .offsets(participants::FOLD, Scope::Gathering(*id))
        })
        .collect();
    assert_eq!(offsets, [[0_u64; 0]; 2]);
    tokio::task::block_in_place(|| views.close());
    tokio::task::block_in_place(|| log.close().unwrap());
}
