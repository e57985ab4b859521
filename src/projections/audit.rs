//! Pages of history: by index where the question is about one person, by reading the log where it
//! is not, and never more work in one page than a fixed number of events.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::{
    gathering::guarded,
    history::{self, HistoryEntry, State},
    keep,
    live::Inner,
    views::{HistoryPage, HistoryQuery, ViewError},
};
use crate::events::{
    ids::{GatheringId, Offset},
    log::{Log, PAGE_EVENTS_MAX},
    recorded::Recorded,
    snapshot::Scope,
    time::Timestamp,
};

/// Most events that one page looks at; a page may then hold less than was asked for.
const SCANNED_EVENTS_MAX: usize = 20_000;
/// Most entries in one page.
const PAGE_ENTRIES_MAX: usize = 1_000;

/// The loaded indexes.
#[derive(Default)]
pub(super) struct Indexes {
    loaded: Mutex<HashMap<GatheringId, Arc<Index>>>,
}

/// The index of one gathering and when it was last used.
pub(super) struct Index {
    pub(super) id: GatheringId,
    pub(super) inner: Mutex<Indexed>,
}

#[derive(Default)]
pub(super) struct Indexed {
    pub(super) state: State,
    loaded: bool,
    saved_events: u64,
    touched: Timestamp,
}

impl Indexes {
    pub(super) fn of(&self, id: GatheringId) -> Arc<Index> {
        let new = || {
            Arc::new(Index {
                id,
                inner: Mutex::default(),
            })
        };
        self.loaded.lock().entry(id).or_insert_with(new).clone()
    }

    pub(super) fn all(&self) -> Vec<Arc<Index>> {
        self.loaded.lock().values().cloned().collect()
    }

    /// A copy of the loaded index, if it is loaded.
    pub(super) fn peek(&self, id: GatheringId) -> Option<State> {
        let index = self.loaded.lock().get(&id).cloned()?;
        let inner = index.inner.lock();
        inner.loaded.then(|| inner.state.clone())
    }

    /// Drops what nobody has used for this long.
    pub(super) fn drop_cold(&self, idle_seconds_min: i64) {
        let limit = Timestamp::now().plus_seconds(-idle_seconds_min);
        (self.loaded.lock())
            .retain(|_, index| Arc::strong_count(index) > 1 || index.inner.lock().touched > limit);
    }
}

impl Index {
    /// Runs a question on the index, brought up to the log's head.
    fn with<T>(&self, log: &Log, question: impl FnOnce(&State) -> T) -> Result<T, ViewError> {
        let mut inner = self.inner.lock();
        inner.touched = Timestamp::now();
        if !inner.loaded {
            inner.state = nearest(log, self.id, log.head());
            inner.saved_events = inner.state.events;
            inner.loaded = true;
        }
        catch_up(log, self.id, &mut inner.state, |_| true)?;
        Ok(question(&inner.state))
    }

    /// Puts a rebuilt state in place of this one, brought up to the same offset.
    pub(super) fn replace(&self, log: &Log, mut fresh: State) -> Result<State, ViewError> {
        let mut inner = self.inner.lock();
        catch_up(log, self.id, &mut fresh, |_| true)?;
        if inner.loaded {
            inner.state = fresh.clone();
        }
        inner.saved_events = fresh.events;
        Ok(fresh)
    }

    pub(super) fn save_when_due(&self, log: &Log, anyway: bool) {
        let mut inner = self.inner.lock();
        let changes = inner.state.events.saturating_sub(inner.saved_events);
        let quiet_seconds = (Timestamp::now().0 - inner.touched.0) / 1_000_000;
        if changes > 0 && (anyway || keep::is_due(inner.state.events, changes, quiet_seconds)) {
            let State { offset, events, .. } = inner.state;
            let scope = Scope::Gathering(self.id);
            keep::save(log, history::FOLD, scope, offset, events, &inner.state);
            inner.saved_events = events;
        }
    }
}

/// The newest saved index at or before an offset, or the empty one.
pub(super) fn nearest(log: &Log, id: GatheringId, at_most: Offset) -> State {
    (log.snapshots())
        .nearest(history::FOLD, Scope::Gathering(id), at_most)
        .map_or_else(State::default, |(_, state)| state)
}

/// Folds up to the head. `step` hears of every page; false stops, and the answer is false.
pub(super) fn catch_up(
    log: &Log,
    id: GatheringId,
    state: &mut State,
    step: impl FnMut(usize) -> bool,
) -> Result<bool, ViewError> {
    fold(log, id, state, log.head(), step)
}

/// Folds up to an offset.
pub(super) fn fold(
    log: &Log,
    id: GatheringId,
    state: &mut State,
    up_to: Offset,
    mut step: impl FnMut(usize) -> bool,
) -> Result<bool, ViewError> {
    while state.offset < up_to.min(log.last_offset_of(id)) {
        let page = log.read_gathering(id, state.offset, up_to, PAGE_EVENTS_MAX)?;
        if page.is_empty() {
            break;
        }
        for recorded in &page {
            guarded("history", recorded.offset, || state.apply(recorded))
                .map_err(|parked| parked.error())?;
        }
        if !step(page.len()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// One page, in log order. May touch the disk.
pub(super) fn page(inner: &Inner, query: &HistoryQuery) -> Result<HistoryPage, ViewError> {
    inner.board.catch_up(&inner.log)?;
    let limit = query.limit.clamp(1, PAGE_ENTRIES_MAX);
    let mut page = Gathered {
        entries: Vec::new(),
        limit,
        last: query.after,
        scanned: 0,
    };
    let more = match (query.gathering, &query.participant) {
        (Some(gathering), Some(participant)) => {
            page.by_index(inner, query, gathering, participant)?
        }
        (Some(_), None) | (None, _) => page.by_reading(inner, query)?,
    };
    Ok(HistoryPage {
        next: more.then_some(page.last),
        results: page.entries,
    })
}

struct Gathered {
    entries: Vec<HistoryEntry>,
    limit: usize,
    /// Everything up to here has been looked at.
    last: Offset,
    scanned: usize,
}

impl Gathered {
    /// Whether there may be more.
    fn by_index(
        &mut self,
        inner: &Inner,
        query: &HistoryQuery,
        gathering: GatheringId,
        participant: &str,
    ) -> Result<bool, ViewError> {
        let log = &inner.log;
        if log.last_offset_of(gathering) == 0 {
            return Err(ViewError::UnknownGathering);
        }
        let offsets = (inner.indexes.of(gathering))
            .with(log, |index| index.of(participant, query.after).to_vec())?;
        for (position, offset) in offsets.iter().enumerate() {
            if let Some(recorded) = log.get(*offset)? {
                self.look_at(inner, query, &recorded);
            }
            if self.is_full() {
                return Ok(position + 1 < offsets.len());
            }
        }
        Ok(false)
    }

    fn by_reading(&mut self, inner: &Inner, query: &HistoryQuery) -> Result<bool, ViewError> {
        let log = &inner.log;
        let head = log.head();
        let end = match query.gathering {
            Some(gathering) => match log.last_offset_of(gathering) {
                0 => return Err(ViewError::UnknownGathering),
                last => head.min(last),
            },
            None => head,
        };
        if let Some(since) = query.since {
            let before = log.offset_at(Timestamp(since.0.saturating_sub(1)))?;
            self.last = self.last.max(before.min(end));
        }
        while self.last < end {
            let events = match query.gathering {
                Some(gathering) => {
                    log.read_gathering(gathering, self.last, end, PAGE_EVENTS_MAX)?
                }
                None => log.read(self.last, PAGE_EVENTS_MAX)?,
            };
            for recorded in &events {
                if (query.until).is_some_and(|until| recorded.recorded_at >= until) {
                    return Ok(false);
                }
                self.look_at(inner, query, recorded);
                if self.is_full() {
                    return Ok(self.last < end);
                }
            }
            if events.is_empty() {
                return Ok(false);
            }
        }
        Ok(false)
    }

    fn look_at(&mut self, inner: &Inner, query: &HistoryQuery, recorded: &Recorded) {
        self.last = recorded.offset;
        self.scanned += 1;
        if query.lets_through(recorded) {
            let undone_by = inner.board.live.read().dashboard.undone_by(recorded.offset);
            (self.entries).push(HistoryEntry::new(recorded, undone_by, inner.log.keys()));
        }
    }

    const fn is_full(&self) -> bool {
        self.entries.len() >= self.limit || self.scanned >= SCANNED_EVENTS_MAX
    }
}

impl HistoryQuery {
    fn lets_through(&self, recorded: &Recorded) -> bool {
        let Self {
            participant,
            actor,
            gate,
            kind,
            since,
            until,
            gathering: _,
            after: _,
            limit: _,
        } = self;
        let scan = recorded.event.scan();
        let is_about = |wanted: &String| {
            recorded.event.subject().is_some_and(|subject| {
                subject.code.as_str() == wanted || wanted.parse() == Ok(subject.participant)
            })
        };
        let at_gate =
            |wanted: &String| scan.and_then(|scan| scan.gate.as_deref()) == Some(wanted.as_str());
        participant.as_ref().is_none_or(is_about)
            && gate.as_ref().is_none_or(at_gate)
            && (actor.as_deref()).is_none_or(|actor| *recorded.actor.id == *actor)
            && (kind.as_deref()).is_none_or(|kind| recorded.event.type_name() == kind)
            && since.is_none_or(|since| recorded.recorded_at >= since)
            && until.is_none_or(|until| recorded.recorded_at < until)
    }
}
