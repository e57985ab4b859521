//! The seam where replay meets live, under a microscope: a reader's steps, commits, snapshots, rebuilds
//! and other readers in every order that a few short programs allow, each order once.
//!
//! Only what everybody may call is used, so it holds for whatever is behind it. What happens inside a
//! step, on several threads, is the simulation's business (`tests/it/simulation`).

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::sync::watch;

use super::{
    feed::{FeedEntry, Page},
    views::{FeedReader, Views},
};
use crate::events::{
    event::{ActorRole, CapacityMode, Event, GatheringDetails, Reentry, RegistrationPolicy},
    ids::{CorrelationId, GatheringId, Offset},
    log::{Durable, Log},
    recorded::{Actor, NewEvent},
    time::Timestamp,
};

/// A wake-up that does not come is lost.
const PATIENCE: Duration = Duration::from_secs(20);
/// So many events are a page of the log, more than two of which no reader puts under the tail.
const DEEP_EVENTS: u32 = 3_300;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Open,
    Next,
    /// Asks, and gives up before there is an answer.
    Glance,
    Commit,
    CommitElsewhere,
    /// Other views of the same log save what they have.
    Snapshot,
    /// A new generation of the view takes the place of the old one.
    Rebuild,
    /// Somebody else reads from the first event on.
    OtherReader,
}

/// A log with two gatherings. The nth event of each says that there is room for n.
struct Stage {
    log: Log,
    ours: GatheringId,
    theirs: GatheringId,
    said: [u32; 2],
}

impl Stage {
    fn new(log: Log) -> Self {
        let mut stage = Self {
            log,
            ours: GatheringId::generate(),
            theirs: GatheringId::generate(),
            said: [0; 2],
        };
        stage.commit(stage.ours);
        stage.commit(stage.theirs);
        stage
    }

    fn append(&mut self, gathering: GatheringId) -> Durable {
        let said = &mut self.said[usize::from(gathering != self.ours)];
        *said += 1;
        let details = details(*said);
        let event = if *said == 1 {
            Event::GatheringCreated(details)
        } else {
            Event::GatheringChanged(details)
        };
        let at = Timestamp::now();
        let appended = self.log.append(NewEvent {
            gathering,
            decided_at: at,
            occurred_at: at,
            actor: Actor {
                id: "ann".into(),
                role: ActorRole::Creator,
                name: None,
            },
            correlation: CorrelationId::generate(),
            causation: None,
            command: None,
            event,
        });
        appended.unwrap().1
    }

    fn commit(&mut self, gathering: GatheringId) {
        let durable = self.append(gathering);
        tokio::task::block_in_place(|| durable.wait_blocking().unwrap());
    }

    /// Saves the state of everything as it is now.
    async fn snapshot(&self) {
        let views = Views::open(self.log.clone()).unwrap();
        views.reader(self.ours, 0).await.unwrap();
        tokio::task::block_in_place(|| views.close());
    }
}

fn details(capacity: u32) -> GatheringDetails {
    GatheringDetails {
        name: "Evening".into(),
        creator: "ann".into(),
        start_date: Timestamp(0),
        end_date: None,
        time_zone: chrono_tz::Europe::Vienna,
        capacity: Some(capacity),
        capacity_mode: CapacityMode::Warn,
        reentry: Reentry::AfterCheckOut,
        opens_at: None,
        closes_at: None,
        registration: RegistrationPolicy::Staff,
    }
}

/// A reader, what it was handed, and what it must have been handed by then.
struct Reading {
    views: Views,
    gathering: GatheringId,
    after: Offset,
    limit: usize,
    reader: Option<FeedReader>,
    entries: Vec<Arc<FeedEntry>>,
}

impl Reading {
    async fn open(&mut self) {
        let reader = self.views.reader(self.gathering, self.after).await;
        self.reader = Some(reader.unwrap());
    }

    /// True at the head.
    async fn next(&mut self) -> bool {
        let Some(reader) = &mut self.reader else {
            return false;
        };
        let known = self.views.log().last_offset_of(self.gathering);
        let page = reader.next(self.limit).await.unwrap();
        self.take(page, known)
    }

    fn glance(&mut self) {
        let Some(reader) = &mut self.reader else {
            return;
        };
        let known = self.views.log().last_offset_of(self.gathering);
        if let Some(page) = reader.next(self.limit).now_or_never() {
            self.take(page.unwrap(), known);
        }
    }

    /// `known`: the gathering's last event when the page was asked for.
    fn take(&mut self, page: Page, known: Offset) -> bool {
        let cursor = self.reader.as_ref().unwrap().cursor();
        match page {
            Page::Entries {
                entries, covers, ..
            } => {
                assert!((1..=self.limit).contains(&entries.len()));
                assert!(entries.last().unwrap().offset() <= covers);
                assert_eq!(cursor, covers);
                self.entries.extend(entries);
                false
            }
            Page::AtHead { head } => {
                let last = self.entries.last().map_or(self.after, |last| last.offset());
                assert!(
                    head >= known && last >= known.min(self.after.max(known)),
                    "at the head {head} with {last} handed over, when {known} was there"
                );
                true
            }
        }
    }

    /// Everything after the start, once, in order, each with the state right after it.
    async fn check(mut self, stage: &Stage, order: &[Step]) {
        if self.reader.is_none() {
            self.open().await;
        }
        while !self.next().await {}
        let mut expected = Vec::new();
        let mut after = self.after;
        while let page = (stage.log)
            .read_gathering(stage.ours, after, stage.log.head(), 1_000)
            .unwrap()
            && let Some(last) = page.last()
        {
            after = last.offset;
            expected.extend(page.iter().map(|recorded| recorded.offset));
        }
        let found: Vec<_> = self.entries.iter().map(|entry| entry.offset()).collect();
        assert_eq!(found, expected, "after {} by {order:?}", self.after);
        let capacities: Vec<_> = (self.entries.iter())
            .map(|entry| entry.occupancy.capacity.unwrap())
            .collect();
        let first = stage.said[0] + 1 - u32::try_from(found.len()).unwrap();
        let right: Vec<_> = (first..=stage.said[0]).collect();
        assert_eq!(capacities, right, "after {} by {order:?}", self.after);
    }
}

/// Every order in which the programs can take turns.
fn orders(programs: &[&[Step]]) -> Vec<Vec<Step>> {
    if programs.iter().all(|program| program.is_empty()) {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for turn in 0..programs.len() {
        if let Some((step, rest)) = programs[turn].split_first() {
            let mut left = programs.to_vec();
            left[turn] = rest;
            for mut order in orders(&left) {
                order.insert(0, *step);
                all.push(order);
            }
        }
    }
    all
}

async fn play(stage: &mut Stage, order: &[Step], after: Offset, limit: usize) {
    let mut reading = Reading {
        views: Views::open(stage.log.clone()).unwrap(),
        gathering: stage.ours,
        after,
        limit,
        reader: None,
        entries: Vec::new(),
    };
    for step in order {
        match step {
            Step::Open => reading.open().await,
            Step::Next => {
                reading.next().await;
            }
            Step::Glance => reading.glance(),
            Step::Commit => stage.commit(stage.ours),
            Step::CommitElsewhere => stage.commit(stage.theirs),
            Step::Snapshot => stage.snapshot().await,
            Step::Rebuild => {
                let rebuild = || reading.views.rebuild_blocking("participants", |_| {});
                tokio::task::block_in_place(rebuild).unwrap();
            }
            Step::OtherReader => {
                let mut other = reading.views.reader(stage.ours, 0).await.unwrap();
                other.next(3).await.unwrap();
            }
        }
    }
    reading.check(stage, order).await;
}

#[test]
fn orders_are_all_there_and_each_is_there_once() {
    let orders = orders(&[
        &[Step::Open, Step::Next, Step::Glance],
        &[Step::Commit, Step::CommitElsewhere],
        &[Step::Rebuild, Step::Snapshot],
    ]);
    assert_eq!(orders.len(), 210, "7! / (3! 2! 2!)");
    let texts: std::collections::HashSet<_> =
        orders.iter().map(|order| format!("{order:?}")).collect();
    assert_eq!(texts.len(), orders.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_comes_between_two_steps_a_reader_misses_and_repeats_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path()).unwrap();
    let mut stage = Stage::new(log);
    for _ in 0..8 {
        stage.commit(stage.ours);
    }
    let keepers = [
        [Step::Snapshot, Step::Rebuild],
        [Step::OtherReader, Step::Rebuild],
    ];
    for keeper in keepers {
        for order in orders(&[
            &[Step::Open, Step::Glance, Step::Next],
            &[Step::Commit, Step::CommitElsewhere],
            &keeper,
        ]) {
            // A view that starts from here has nothing older in its tail.
            stage.snapshot().await;
            let head = stage.log.head();
            play(&mut stage, &order, head - 3, 1).await;
            play(&mut stage, &order, head, 100).await;
        }
    }
    tokio::task::block_in_place(|| stage.log.close().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_too_deep_for_the_tail_meets_live_without_a_gap() {
    let mut stage = Stage::new(Log::in_memory());
    let mut last = None;
    for _ in 0..DEEP_EVENTS {
        last = Some(stage.append(stage.ours));
    }
    last.unwrap().wait().await.unwrap();
    for order in orders(&[
        &[Step::Open, Step::Next, Step::Next, Step::Next, Step::Next],
        &[Step::Commit, Step::Commit],
    ]) {
        play(&mut stage, &order, 100, 1_000).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_at_any_moment_wakes_who_has_read_to_the_head() {
    let mut stage = Stage::new(Log::in_memory());
    for order in orders(&[&[Step::Open, Step::Next, Step::Next], &[Step::Commit; 2]]) {
        let views = Views::open(stage.log.clone()).unwrap();
        let mut wake: watch::Receiver<Offset> = views.watch_gathering(stage.ours).await.unwrap();
        let mut reader = views.reader(stage.ours, 0).await.unwrap();
        for step in &order {
            match step {
                Step::Commit => stage.commit(stage.ours),
                _ => {
                    wake.borrow_and_update();
                    while let Page::Entries { .. } = reader.next(2).await.unwrap() {}
                }
            }
        }
        let last = stage.log.last_offset_of(stage.ours);
        while reader.cursor() < last {
            let woken = tokio::time::timeout(PATIENCE, wake.changed()).await;
            woken
                .unwrap_or_else(|_| panic!("nobody woke after {order:?}"))
                .unwrap();
            while let Page::Entries { .. } = reader.next(2).await.unwrap() {}
        }
    }
}
