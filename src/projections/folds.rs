//! The table of folds, and the one place that calls them. It shows why no view has a side effect: a fold is a
//! function pointer, which captures nothing, and it is handed its state and the fact and nothing else.
//! No log, no keys, no clock, no channel, no file is within its reach; and what it keeps is data,
//! since it can be made from bytes, turned into bytes and copied, which no handle can.
//!
//! Live, catch-up, replay, as-of, rebuild and verify all come through here. Not here: the folds themselves
//! (`participants`, `dashboard`, `index`), whose files import nothing that acts (`tests/it/tidy.rs`).

use serde::{Serialize, de::DeserializeOwned};

use super::{
    dashboard::{self, Dashboard},
    gathering::{Parked, guarded},
    history,
    participants::{self, Participants},
};
use crate::events::{recorded::Recorded, snapshot::FoldName};

/// A fold: what it is called, and what it makes of the next fact.
pub(super) struct Fold<S> {
    name: FoldName,
    apply: fn(&mut S, &Recorded),
}

pub(super) const PARTICIPANTS: Fold<Participants> = Fold {
    name: participants::FOLD,
    apply: Participants::apply,
};
pub(super) const DASHBOARD: Fold<Dashboard> = Fold {
    name: dashboard::FOLD,
    apply: Dashboard::apply,
};
pub(super) const HISTORY: Fold<history::State> = Fold {
    name: history::FOLD,
    apply: history::State::apply,
};
pub(super) const HISTORY_OF_ALL: Fold<history::State> = Fold {
    name: history::FOLD,
    apply: history::State::apply_whole,
};

/// Does not compile for a file, a socket, a channel or a log.
const fn is_data<S: Clone + Serialize + DeserializeOwned + 'static>() {}
const _: () = {
    is_data::<participants::State>();
    is_data::<dashboard::State>();
    is_data::<history::State>();
};

/// Applies one event; a panic in the fold stops this view instead of ending the server.
pub(super) fn apply<S>(fold: &Fold<S>, state: &mut S, recorded: &Recorded) -> Result<(), Parked> {
    guarded(fold.name.name, recorded.offset, || {
        #[cfg(test)]
        poison::strike(fold.name, recorded);
        (fold.apply)(state, recorded);
    })
}

/// Folds are total, so an event that one cannot take has to be made up.
#[cfg(test)]
pub(super) mod poison {
    use std::collections::HashSet;

    use parking_lot::Mutex;

    use crate::events::{ids::EventId, recorded::Recorded, snapshot::FoldName};

    static POISONED: Mutex<Option<HashSet<(&'static str, EventId)>>> = Mutex::new(None);

    /// From now on the fold panics on this event.
    pub(in crate::projections) fn add(fold: FoldName, event: EventId) {
        (POISONED.lock().get_or_insert_default()).insert((fold.name, event));
    }

    /// From now on it takes it.
    pub(in crate::projections) fn remove(fold: FoldName, event: EventId) {
        (POISONED.lock().get_or_insert_default()).remove(&(fold.name, event));
    }

    pub(super) fn strike(fold: FoldName, recorded: &Recorded) {
        let is_poison = (POISONED.lock().as_ref())
            .is_some_and(|poisoned| poisoned.contains(&(fold.name, recorded.event_id)));
        assert!(!is_poison, "this event is poison to {}", fold.name);
    }
}
