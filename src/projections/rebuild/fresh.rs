//! One view of one scope while it is folded anew: where it begins, an event applied, a state saved on the
//! shelf of the next generation, and what differs from the live one. All that is particular to a view
//! is here and in `switch`.

use std::sync::Arc;

use super::{differences::Differences, view::View};
use crate::{
    events::{
        ids::Offset,
        log::Log,
        recorded::Recorded,
        snapshot::{Scope, Shelf},
    },
    projections::{
        audit,
        board::{self, LiveBoard},
        dashboard::{self, Dashboard},
        gathering::{self, Gathering, Live, Parked},
        history, keep,
        live::Inner,
        participants::{self, Participants},
        views::ViewError,
    },
};

pub(super) struct Fresh {
    pub(super) view: View,
    pub(super) scope: Scope,
    pub(super) fold: Folded,
    saved_events: u64,
}

pub(super) enum Folded {
    Participants(Box<Participants>),
    /// The same with the entries of the last page, as readers need it.
    Gathering(Box<Live>),
    Dashboard(Box<Dashboard>),
    Board(Box<LiveBoard>),
    History(Box<history::State>),
}

/// What the live generation holds at an offset.
pub(super) enum Old {
    Participants(Box<Participants>),
    Dashboard(Box<Dashboard>),
    History(Box<history::State>),
}

impl Fresh {
    /// Where an earlier run has left off, or before the first event.
    pub(super) fn begin(log: &Log, view: View, scope: Scope, resumes: bool) -> Self {
        let at_most = if resumes { log.head() } else { 0 };
        let mut fresh = Self {
            view,
            scope,
            fold: saved(log, view, scope, Shelf::Next, at_most),
            saved_events: 0,
        };
        fresh.saved_events = fresh.events();
        fresh
    }

    pub(super) fn offset(&self) -> Offset {
        match &self.fold {
            Folded::Participants(fold) => fold.state.offset,
            Folded::Gathering(live) => live.participants.state.offset,
            Folded::Dashboard(fold) => fold.state.offset,
            Folded::Board(live) => live.dashboard.state.offset,
            Folded::History(state) => state.offset,
        }
    }

    /// How many have been applied.
    pub(super) fn events(&self) -> u64 {
        match &self.fold {
            Folded::Participants(fold) => fold.state.events,
            Folded::Gathering(live) => live.participants.state.events,
            Folded::Dashboard(fold) => fold.state.offset,
            Folded::Board(live) => live.dashboard.state.offset,
            Folded::History(state) => state.events,
        }
    }

    pub(super) fn apply(&mut self, log: &Log, recorded: &Arc<Recorded>) -> Result<(), ViewError> {
        let applied = match &mut self.fold {
            Folded::Participants(fold) => gathering::apply(fold, recorded),
            Folded::Gathering(live) => live.take(log, recorded),
            Folded::Dashboard(fold) => board::apply(fold, recorded),
            Folded::Board(live) => live.take(recorded),
            Folded::History(state) => audit::apply(self.scope, state, recorded),
        };
        applied.map_err(|parked: Parked| parked.error())
    }

    /// Before the last page: if somebody reads the live one, entries are made from here on, so that readers
    /// near the head find them when it takes its place.
    pub(super) fn warm_up(&mut self, inner: &Inner) {
        let fold = std::mem::replace(&mut self.fold, Folded::History(Box::default()));
        self.fold = match fold {
            Folded::Participants(fold) if inner.loaded(fold.state.gathering).is_some() => {
                Folded::Gathering(Box::new(Live::starting_with(*fold)))
            }
            Folded::Dashboard(fold) => Folded::Board(Box::new(LiveBoard::starting_with(*fold))),
            fold => fold,
        };
    }

    /// Whether somebody reads the live one, and the fold is better kept than loaded again.
    pub(super) fn is_in_use(&self, inner: &Inner) -> bool {
        match (&self.fold, self.scope) {
            (Folded::Gathering(_) | Folded::Board(_), _) => true,
            (Folded::History(_), Scope::Gathering(id)) => inner.indexes.is_loaded(id),
            _ => false,
        }
    }

    /// Whether enough has been folded since the last save that folding it again would be a pity.
    pub(super) fn is_due(&self) -> bool {
        keep::is_due_in_rebuild(self.events(), self.saved_events)
    }

    pub(super) fn save(&mut self, log: &Log) {
        let (fold, scope) = (self.view.fold(), self.scope);
        let (offset, events) = (self.offset(), self.events());
        if events > self.saved_events {
            let at = (fold, scope, offset, events);
            match &self.fold {
                Folded::Participants(fold) => keep::save_next(log, at, &fold.state),
                Folded::Gathering(live) => keep::save_next(log, at, &live.participants.state),
                Folded::Dashboard(fold) => keep::save_next(log, at, &fold.state),
                Folded::Board(live) => keep::save_next(log, at, &live.dashboard.state),
                Folded::History(state) => keep::save_next(log, at, &**state),
            }
            self.saved_events = events;
        }
    }

    /// Compares with what a reader would get now, at the same offset.
    pub(super) fn differences(&mut self, inner: &Inner) -> Result<Differences, ViewError> {
        let Some(old) = Old::now(inner, self.view, self.scope)? else {
            return Ok(Differences::default());
        };
        // Appends go on: the fold goes as far as the copy of the live one does.
        self.catch_up(&inner.log, old.offset())?;
        let rows = match (&self.fold, &old) {
            (Folded::Participants(mine), Old::Participants(old)) => mine.differing_rows(old),
            (Folded::Gathering(mine), Old::Participants(old)) => {
                mine.participants.differing_rows(old)
            }
            (Folded::Dashboard(mine), Old::Dashboard(old)) => mine.differing_rows(old),
            (Folded::Board(mine), Old::Dashboard(old)) => mine.dashboard.differing_rows(old),
            (Folded::History(mine), Old::History(old)) => mine.differing_rows(old),
            _ => Vec::new(),
        };
        Ok(Differences::of(self.view, self.scope, self.offset(), rows))
    }

    fn catch_up(&mut self, log: &Log, up_to: Offset) -> Result<(), ViewError> {
        while self.offset() < up_to {
            let page = read(log, self.scope, self.offset(), up_to)?;
            if page.is_empty() {
                break;
            }
            for recorded in &page {
                self.apply(log, recorded)?;
            }
        }
        Ok(())
    }
}

impl Old {
    /// None: there is nothing but what a fold gives.
    fn now(inner: &Inner, view: View, scope: Scope) -> Result<Option<Self>, ViewError> {
        let log = &inner.log;
        let saved = || !log.snapshots().offsets(view.fold(), scope).is_empty();
        Ok(match (view, scope) {
            (View::Dashboard, _) => {
                inner.board.catch_up(log)?;
                let live = inner.board.live.read().dashboard.clone();
                Some(Self::Dashboard(Box::new(live)))
            }
            (View::Participants, Scope::Gathering(id)) => match inner.loaded(id) {
                Some(gathering) => {
                    gathering.catch_up(log)?;
                    let live = gathering.live.read().participants.clone();
                    Some(Self::Participants(Box::new(live)))
                }
                None if saved() => {
                    let state = Gathering::state_at(log, id, log.head())?;
                    Some(Self::Participants(Box::new(state)))
                }
                None => None,
            },
            (View::History, Scope::Gathering(id)) => {
                let mut state = inner.indexes.peek(id);
                if state.is_none() && saved() {
                    state = Some(audit::nearest(log, id, log.head()));
                }
                if let Some(state) = &mut state {
                    audit::catch_up(log, id, state, |_| true)?;
                }
                state.map(|state| Self::History(Box::new(state)))
            }
            (View::Participants | View::History, Scope::WholeLog) | (View::Integrity, _) => None,
        })
    }

    fn offset(&self) -> Offset {
        match self {
            Self::Participants(fold) => fold.state.offset,
            Self::Dashboard(fold) => fold.state.offset,
            Self::History(state) => state.offset,
        }
    }
}

/// The newest state on a shelf, or none of the events.
fn saved(log: &Log, view: View, scope: Scope, shelf: Shelf, at_most: Offset) -> Folded {
    let snapshots = log.snapshots();
    match (view, scope) {
        (View::Participants, Scope::Gathering(id)) => {
            let state = snapshots
                .nearest_on::<participants::State>(shelf, participants::FOLD, scope, at_most)
                .filter(|(offset, state)| state.gathering == id && state.offset == *offset);
            Folded::Participants(Box::new(state.map_or_else(
                || Participants::new(id),
                |(_, state)| Participants::from_state(state),
            )))
        }
        (View::History, Scope::Gathering(_)) => {
            let state = (snapshots.nearest_on(shelf, history::FOLD, scope, at_most))
                .filter(|(offset, state): &(_, history::State)| state.offset == *offset);
            Folded::History(state.map_or_else(Box::default, |(_, state)| Box::new(state)))
        }
        (View::Dashboard | View::Participants | View::History | View::Integrity, _) => {
            let state = (snapshots.nearest_on(shelf, dashboard::FOLD, scope, at_most))
                .filter(|(offset, state): &(_, dashboard::State)| state.offset == *offset);
            Folded::Dashboard(Box::new(
                state.map_or_else(Dashboard::default, |(_, state)| {
                    Dashboard::from_state(state)
                }),
            ))
        }
    }
}

/// A page of the scope's events after an offset and up to another.
pub(super) fn read(
    log: &Log,
    scope: Scope,
    after: Offset,
    up_to: Offset,
) -> Result<Vec<Arc<Recorded>>, ViewError> {
    use crate::events::log::PAGE_EVENTS_MAX;
    Ok(match scope {
        Scope::Gathering(id) => log.read_gathering(id, after, up_to, PAGE_EVENTS_MAX)?,
        Scope::WholeLog => {
            let missing = usize::try_from(up_to.saturating_sub(after)).unwrap_or(usize::MAX);
            log.read(after, missing.min(PAGE_EVENTS_MAX))?
        }
    })
}
