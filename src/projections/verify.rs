//! Folds every view anew from the first event and compares it with what is saved and what is live.

use std::fmt;

use super::{
    audit,
    board::{self},
    dashboard::{self, Dashboard},
    gathering::Gathering,
    history,
    live::Inner,
    participants::{self, Participants},
    views::ViewError,
};
use crate::events::{
    ids::{GatheringId, Offset},
    log::{Log, PAGE_EVENTS_MAX},
    snapshot::{FoldName, Scope},
};

/// The first thing found in a view that a fold from the first event does not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub view: &'static str,
    /// None: the view of the whole log.
    pub gathering: Option<GatheringId>,
    /// At which offset they were compared.
    pub offset: Offset,
    /// What differs, without personal data.
    pub detail: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "view {}", self.view)?;
        if let Some(gathering) = self.gathering {
            write!(f, " of gathering {gathering}")?;
        }
        write!(f, " at offset {}: {} differ", self.offset, self.detail)
    }
}

pub(super) fn verify(
    inner: &Inner,
    mut progress: impl FnMut(u64, u64),
) -> Result<Option<Difference>, ViewError> {
    let log = &inner.log;
    let gatherings = log.gatherings();
    // Each event is folded once by each of the three views, and by the index of the whole log.
    let total = log.head() * 4;
    let mut done = 0;
    let mut step = |events: usize| {
        done += events as u64;
        progress(done, total);
    };
    if let Some(difference) = verify_dashboard(inner, &mut step)? {
        return Ok(Some(difference));
    }
    if let Some(difference) = verify_whole_history(inner, &mut step)? {
        return Ok(Some(difference));
    }
    for id in gatherings {
        let found = match verify_participants(inner, id, &mut step)? {
            None => verify_history(inner, id, &mut step)?,
            found => found,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Where the fold's snapshots stand, ascending.
fn saved_at(log: &Log, fold: FoldName, scope: Scope) -> Vec<Offset> {
    log.snapshots().offsets(fold, scope)
}

fn verify_dashboard(
    inner: &Inner,
    step: &mut impl FnMut(usize),
) -> Result<Option<Difference>, ViewError> {
    let log = &inner.log;
    let live = inner.board.live.read().dashboard.clone();
    let mut others: Vec<Dashboard> = (saved_at(log, dashboard::FOLD, Scope::WholeLog).into_iter())
        .map(|offset| board::nearest(log, offset))
        .collect();
    others.push(live);
    others.sort_by_key(|other| other.state.offset);
    let mut fresh = Dashboard::default();
    for other in others {
        let offset = other.state.offset;
        while fresh.state.offset < offset {
            let missing = usize::try_from(offset - fresh.state.offset).unwrap_or(usize::MAX);
            let page = log.read(fresh.state.offset, missing.min(PAGE_EVENTS_MAX))?;
            for recorded in &page {
                board::apply(&mut fresh, recorded).map_err(|parked| parked.error())?;
            }
            if page.is_empty() {
                break;
            }
            step(page.len());
        }
        if let Some(detail) = fresh.difference(&other) {
            return Ok(Some(Difference {
                view: dashboard::FOLD.name,
                gathering: None,
                offset,
                detail,
            }));
        }
    }
    Ok(None)
}

fn verify_participants(
    inner: &Inner,
    id: GatheringId,
    step: &mut impl FnMut(usize),
) -> Result<Option<Difference>, ViewError> {
    let log = &inner.log;
    let scope = Scope::Gathering(id);
    let mut others: Vec<Participants> = (saved_at(log, participants::FOLD, scope).into_iter())
        .map(|offset| Gathering::nearest(log, id, offset))
        .collect();
    // What a reader would get now: the live fold, or the newest snapshot and the rest.
    others.push(match inner.loaded(id) {
        Some(gathering) => gathering.live.read().participants.clone(),
        None => Gathering::state_at(log, id, log.head())?,
    });
    others.sort_by_key(|other| other.state.offset);
    let mut fresh = Participants::new(id);
    for other in others {
        let offset = other.state.offset;
        Gathering::fold(log, &mut fresh, offset, |events| {
            step(events);
            true
        })?;
        if let Some(detail) = fresh.difference(&other) {
            return Ok(Some(Difference {
                view: participants::FOLD.name,
                gathering: Some(id),
                offset,
                detail,
            }));
        }
    }
    Ok(None)
}

fn verify_history(
    inner: &Inner,
    id: GatheringId,
    step: &mut impl FnMut(usize),
) -> Result<Option<Difference>, ViewError> {
    let log = &inner.log;
    let mut newest =
        (inner.indexes.peek(id)).unwrap_or_else(|| audit::nearest(log, id, log.head()));
    audit::catch_up(log, id, &mut newest, |_| true)?;
    compare_histories(log, Scope::Gathering(id), Some(newest), step).map(Result::err)
}

fn verify_whole_history(
    inner: &Inner,
    step: &mut impl FnMut(usize),
) -> Result<Option<Difference>, ViewError> {
    let (log, newest) = (&inner.log, inner.indexes.peek_whole());
    let compared = compare_histories(log, Scope::WholeLog, newest, step)?;
    if let Ok(folded) = compared {
        // Nothing is kept of what comes after.
        step(usize::try_from(log.head() - folded).unwrap_or(usize::MAX));
    }
    Ok(compared.err())
}

/// Folds anew and compares with what is saved and with the newest; up to where that went, or what differs.
fn compare_histories(
    log: &Log,
    scope: Scope,
    newest: Option<history::State>,
    step: &mut impl FnMut(usize),
) -> Result<Result<Offset, Difference>, ViewError> {
    let mut others: Vec<history::State> = (saved_at(log, history::FOLD, scope).into_iter())
        .map(|offset| audit::nearest_of(log, scope, offset))
        .chain(newest)
        .collect();
    others.sort_by_key(|other| other.offset);
    let mut fresh = history::State::default();
    for other in others {
        let offset = other.offset;
        audit::fold_of(log, scope, &mut fresh, offset, |events| {
            step(events);
            true
        })?;
        if let Some(detail) = fresh.difference(&other) {
            return Ok(Err(Difference {
                view: history::FOLD.name,
                gathering: match scope {
                    Scope::Gathering(id) => Some(id),
                    Scope::WholeLog => None,
                },
                offset,
                detail,
            }));
        }
    }
    Ok(Ok(fresh.offset))
}
