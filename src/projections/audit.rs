//! The indexes that are loaded, and how they are brought up to the log's head when they are asked. Nobody
//! follows the log for them, and they go when nobody has asked for a while.
//!
//! Not here: what is asked of them (`pages`).

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::{
    folds,
    gathering::Parked,
    history::{self, State},
    keep,
    views::ViewError,
};
use crate::events::{
    ids::{GatheringId, Offset},
    log::{Log, PAGE_EVENTS_MAX},
    recorded::Recorded,
    snapshot::Scope,
    time::Timestamp,
};

/// The loaded indexes.
#[derive(Default)]
pub(super) struct Indexes {
    loaded: Mutex<HashMap<GatheringId, Arc<Index>>>,
    whole: Mutex<Option<Arc<Index>>>,
}

/// An index and when it was last used.
pub(super) struct Index {
    scope: Scope,
    pub(super) inner: Mutex<Indexed>,
    /// Why it could not be brought up when it was last asked. Apart, so that whoever asks how the views are
    /// waits for no fold and no disk.
    stopped: Mutex<Option<String>>,
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
        let new = || Index::new(Scope::Gathering(id));
        self.loaded.lock().entry(id).or_insert_with(new).clone()
    }

    /// Of the whole log.
    pub(super) fn whole(&self) -> Arc<Index> {
        let new = || Index::new(Scope::WholeLog);
        self.whole.lock().get_or_insert_with(new).clone()
    }

    pub(super) fn all(&self) -> Vec<Arc<Index>> {
        let mut all: Vec<_> = self.loaded.lock().values().cloned().collect();
        all.extend(self.whole.lock().clone());
        all
    }

    /// A copy of the loaded index, if it is loaded.
    pub(super) fn peek(&self, id: GatheringId) -> Option<State> {
        let index = self.loaded.lock().get(&id).cloned();
        index?.peek()
    }

    pub(super) fn peek_whole(&self) -> Option<State> {
        let index = self.whole.lock().clone();
        index?.peek()
    }

    /// The index of the whole log is made anew when it is next asked.
    pub(super) fn forget_whole(&self, log: &Log) {
        let whole = self.whole();
        let mut inner = whole.inner.lock();
        keep::forget(log, history::FOLD, Scope::WholeLog);
        *inner = Indexed::default();
        *whole.stopped.lock() = None;
    }

    pub(super) fn is_loaded(&self, id: GatheringId) -> bool {
        let index = self.loaded.lock().get(&id).cloned();
        index.is_some_and(|index| index.inner.lock().loaded)
    }

    /// Why one of them could not be brought up when it was last asked. Waits for nobody.
    pub(super) fn stopped(&self) -> Option<String> {
        (self.all().iter()).find_map(|index| index.stopped.lock().clone())
    }

    /// Drops what nobody has used for this long.
    pub(super) fn drop_cold(&self, idle_seconds_min: i64) {
        let limit = Timestamp::now().plus_seconds(-idle_seconds_min);
        let is_used =
            |index: &Arc<Index>| Arc::strong_count(index) > 1 || index.inner.lock().touched > limit;
        self.loaded.lock().retain(|_, index| is_used(index));
        let mut whole = self.whole.lock();
        *whole = whole.take().filter(is_used);
    }
}

impl Index {
    fn new(scope: Scope) -> Arc<Self> {
        Arc::new(Self {
            scope,
            inner: Mutex::default(),
            stopped: Mutex::default(),
        })
    }

    fn peek(&self) -> Option<State> {
        let inner = self.inner.lock();
        inner.loaded.then(|| inner.state.clone())
    }

    /// Runs a question on the index, brought up to the log's head.
    pub(super) fn with<T>(
        &self,
        log: &Log,
        question: impl FnOnce(&State) -> T,
    ) -> Result<T, ViewError> {
        let mut inner = self.inner.lock();
        inner.touched = Timestamp::now();
        if !inner.loaded {
            inner.state = nearest_of(log, self.scope, log.head());
            inner.saved_events = inner.state.events;
            inner.loaded = true;
        }
        let caught_up = fold_of(log, self.scope, &mut inner.state, log.head(), |_| true);
        *self.stopped.lock() = caught_up.as_ref().err().map(ToString::to_string);
        caught_up?;
        Ok(question(&inner.state))
    }

    /// Puts another generation in place of this one. `fresh` makes it, if this one is loaded; `move_shelves`
    /// is shown what was live, and moves the snapshots. Nobody asks this index, or saves it, until it is done.
    pub(super) fn replace(
        &self,
        log: &Log,
        fresh: impl FnOnce() -> State,
        move_shelves: impl FnOnce(Option<&State>) -> Result<(), ViewError>,
    ) -> Result<(), ViewError> {
        let mut inner = self.inner.lock();
        if !inner.loaded {
            return move_shelves(None);
        }
        let mut fresh = fresh();
        let saved_events = fresh.events;
        // What cannot be brought up leaves everything as it was.
        fold_of(log, self.scope, &mut fresh, log.head(), |_| true)?;
        let was_sound = self.stopped.lock().is_none();
        move_shelves(Some(&inner.state).filter(|_| was_sound))?;
        inner.state = fresh;
        inner.saved_events = saved_events;
        *self.stopped.lock() = None;
        Ok(())
    }

    pub(super) fn save_when_due(&self, log: &Log, anyway: bool) {
        let mut inner = self.inner.lock();
        let changes = inner.state.events.saturating_sub(inner.saved_events);
        let quiet_seconds = (Timestamp::now().0 - inner.touched.0) / 1_000_000;
        if changes > 0 && (anyway || keep::is_due(inner.state.events, changes, quiet_seconds)) {
            let State { offset, events, .. } = inner.state;
            keep::save(log, history::FOLD, self.scope, offset, events, &inner.state);
            inner.saved_events = events;
        }
    }
}

/// The newest saved index at or before an offset, or the empty one.
pub(super) fn nearest(log: &Log, id: GatheringId, at_most: Offset) -> State {
    nearest_of(log, Scope::Gathering(id), at_most)
}

pub(super) fn nearest_of(log: &Log, scope: Scope, at_most: Offset) -> State {
    (log.snapshots())
        .nearest(history::FOLD, scope, at_most)
        .filter(|(offset, state): &(_, State)| state.offset == *offset)
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
    step: impl FnMut(usize) -> bool,
) -> Result<bool, ViewError> {
    fold_of(log, Scope::Gathering(id), state, up_to, step)
}

pub(super) fn fold_of(
    log: &Log,
    scope: Scope,
    state: &mut State,
    up_to: Offset,
    mut step: impl FnMut(usize) -> bool,
) -> Result<bool, ViewError> {
    let end = match scope {
        Scope::Gathering(id) => up_to.min(log.last_offset_of(id)),
        Scope::WholeLog => up_to.min(log.head()),
    };
    while state.offset < end {
        let page = match scope {
            Scope::Gathering(id) => log.read_gathering(id, state.offset, end, PAGE_EVENTS_MAX)?,
            Scope::WholeLog => {
                let missing = usize::try_from(end - state.offset).unwrap_or(usize::MAX);
                log.read(state.offset, missing.min(PAGE_EVENTS_MAX))?
            }
        };
        if page.is_empty() {
            break;
        }
        for recorded in &page {
            apply(scope, state, recorded).map_err(|parked| parked.error())?;
        }
        if !step(page.len()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Applies one event; a panic in the fold becomes an error.
pub(super) fn apply(scope: Scope, state: &mut State, recorded: &Recorded) -> Result<(), Parked> {
    let fold = match scope {
        Scope::Gathering(_) => &folds::HISTORY,
        Scope::WholeLog => &folds::HISTORY_OF_ALL,
    };
    folds::apply(fold, state, recorded)
}
