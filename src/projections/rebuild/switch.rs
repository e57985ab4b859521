//! A generation takes the place of another: its snapshots, and what is loaded, scope after scope, each at an
//! equal offset under the view's lock. The one that was live stays on the shelf `Before` until the next
//! rebuild. Readers and writers never notice; a crash at any moment leaves a note of how to go on.

use super::{
    fresh::{Folded, Fresh},
    generations::{Generations, Phase},
    pass::{Kept, key},
    view::View,
};
use crate::{
    events::{
        ids::GatheringId,
        log::Log,
        snapshot::{Scope, Shelf, SnapshotError},
    },
    projections::{
        board::LiveBoard,
        dashboard::Dashboard,
        gathering::{Gathering, Live},
        history, keep,
        live::Inner,
        participants::Participants,
        views::ViewError,
    },
};

/// Makes what is on the shelf `Next`, and what was kept of it in memory, the live generation.
pub(super) fn switch(inner: &Inner, view: View, kept: &mut Kept) -> Result<(), ViewError> {
    inner.generations.switching(view)?;
    for scope in view.scopes(inner) {
        let fresh = kept.remove(&(view, key(scope)));
        match (view, scope) {
            (View::Participants, Scope::Gathering(id)) => participants(inner, id, fresh)?,
            (View::History, Scope::Gathering(id)) => history(inner, id, fresh)?,
            (View::Dashboard, Scope::WholeLog) => dashboard(inner, fresh)?,
            (View::Participants | View::History, Scope::WholeLog)
            | (View::Dashboard, Scope::Gathering(_))
            | (View::Integrity, _) => {}
        }
    }
    if view == View::History {
        inner.indexes.forget_whole(&inner.log);
    }
    inner.generations.switched(view)?;
    // What an earlier version has left is of no use to anybody now.
    (inner.log.snapshots().remove_other_versions(view.fold())).map_err(|error| failed(&error))
}

/// Puts the generation before back. What has happened since is folded into it as it is loaded.
pub(super) fn roll_back(inner: &Inner, view: View) -> Result<(), ViewError> {
    let name = view.fold().name;
    let Some(before) = inner.generations.of(view).before else {
        return Err(ViewError::Rebuild(format!(
            "no earlier generation of {name} is kept"
        )));
    };
    inner.generations.rolling_back(view, before)?;
    take_from_before(&inner.log, view)?;
    switch(inner, view, &mut Kept::new())
}

/// Ends what a crash has interrupted, on the shelves: nothing is loaded yet.
pub(in crate::projections) fn finish(
    log: &Log,
    generations: &Generations,
) -> Result<(), ViewError> {
    for view in View::ALL {
        let Some(under_way) = generations.of(view).under_way else {
            continue;
        };
        match under_way.phase {
            Phase::Folding => continue,
            Phase::RollingBack => take_from_before(log, view)?,
            Phase::Switching => {}
        }
        generations.switching(view)?;
        let fold = view.fold();
        for scope in log.snapshots().scopes() {
            if !log
                .snapshots()
                .offsets_on(Shelf::Next, fold, scope)
                .is_empty()
            {
                shelves(log, view, scope)?;
            }
        }
        generations.switched(view)?;
    }
    Ok(())
}

fn take_from_before(log: &Log, view: View) -> Result<(), ViewError> {
    let fold = view.fold();
    for scope in log.snapshots().scopes() {
        (log.snapshots()
            .shift(fold, scope, Shelf::Before, Shelf::Next))
        .map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// Live → Before, Next → Live.
fn shelves(log: &Log, view: View, scope: Scope) -> Result<(), ViewError> {
    let (snapshots, fold) = (log.snapshots(), view.fold());
    (snapshots.shift(fold, scope, Shelf::Live, Shelf::Before))
        .and_then(|()| snapshots.shift(fold, scope, Shelf::Next, Shelf::Live))
        .map_err(|error| failed(&error))
}

fn participants(inner: &Inner, id: GatheringId, fresh: Option<Fresh>) -> Result<(), ViewError> {
    let (log, scope) = (&inner.log, Scope::Gathering(id));
    // Nobody loads this gathering, or saves it, while its snapshots change.
    let gate = inner.gate(id);
    let _gate = gate.blocking_lock();
    let Some(gathering) = inner.loaded(id) else {
        return shelves(log, View::Participants, scope);
    };
    let _saving = gathering.saving.lock();
    keep_loaded(log, &gathering);
    shelves(log, View::Participants, scope)?;
    let mut fresh = match fresh.map(|fresh| fresh.fold) {
        Some(Folded::Gathering(live)) => *live,
        Some(Folded::Participants(fold)) => brought_up(log, *fold)?,
        _ => brought_up(log, Gathering::nearest(log, id, log.head()))?,
    };
    // Once outside the lock, so that inside it there is next to nothing left to do.
    fresh.catch_up(log)?;
    let mut live = gathering.live.write();
    fresh.catch_up(log)?;
    // The fold that made the kept windows is gone, and they go with it.
    fresh.erased = live.erased + 1;
    *live = fresh;
    drop(live);
    gathering.windows.clear();
    Ok(())
}

/// Puts on the live shelf what readers have had so far, so that a rollback gives them that again.
fn keep_loaded(log: &Log, gathering: &Gathering) {
    let (state, is_parked) = {
        let live = gathering.live.read();
        (live.participants.state.clone(), live.parked.is_some())
    };
    // One that has stopped is nothing to go back to.
    if !is_parked {
        let (offset, events) = (state.offset, state.events);
        let scope = Scope::Gathering(gathering.id);
        keep::save(
            log,
            View::Participants.fold(),
            scope,
            offset,
            events,
            &state,
        );
    }
}

fn brought_up(log: &Log, fold: Participants) -> Result<Live, ViewError> {
    let saved_events = fold.state.events;
    let mut live = Live::load(log, fold, |_| true)?
        .ok_or_else(|| ViewError::Rebuild("interrupted".to_owned()))?;
    live.saved_events = saved_events;
    match &live.parked {
        Some(parked) => Err(parked.error()),
        None => Ok(live),
    }
}

fn dashboard(inner: &Inner, fresh: Option<Fresh>) -> Result<(), ViewError> {
    let (log, board) = (&inner.log, &inner.board);
    let _saving = board.saving.lock();
    let state = {
        let live = board.live.read();
        (live.parked.is_none()).then(|| live.dashboard.state.clone())
    };
    if let Some(state) = state {
        let fold = View::Dashboard.fold();
        keep::save(
            log,
            fold,
            Scope::WholeLog,
            state.offset,
            state.offset,
            &state,
        );
    }
    shelves(log, View::Dashboard, Scope::WholeLog)?;
    let mut fresh = match fresh.map(|fresh| fresh.fold) {
        Some(Folded::Board(live)) => *live,
        Some(Folded::Dashboard(fold)) => brought_up_board(log, *fold)?,
        _ => match Fresh::from_live_shelf(log, View::Dashboard, Scope::WholeLog).fold {
            Folded::Dashboard(fold) => brought_up_board(log, *fold)?,
            _ => brought_up_board(log, Dashboard::default())?,
        },
    };
    fresh.catch_up(log)?;
    let mut live = board.live.write();
    fresh.catch_up(log)?;
    *live = fresh;
    drop(live);
    board.windows.clear();
    Ok(())
}

fn brought_up_board(log: &Log, fold: Dashboard) -> Result<LiveBoard, ViewError> {
    let saved = fold.state.offset;
    let mut live = LiveBoard::load(log, fold, |_| true)?
        .ok_or_else(|| ViewError::Rebuild("interrupted".to_owned()))?;
    live.fail_if_parked()?;
    live.saved = saved;
    Ok(live)
}

fn history(inner: &Inner, id: GatheringId, fresh: Option<Fresh>) -> Result<(), ViewError> {
    let (log, scope) = (&inner.log, Scope::Gathering(id));
    let fresh = match fresh.map(|fresh| fresh.fold) {
        Some(Folded::History(state)) => Some(*state),
        _ => None,
    };
    inner
        .indexes
        .of(id)
        .replace(log, fresh, |old: Option<&history::State>| {
            if let Some(old) = old {
                keep::save(log, history::FOLD, scope, old.offset, old.events, old);
            }
            shelves(log, View::History, scope)
        })
}

fn failed(error: &SnapshotError) -> ViewError {
    ViewError::Rebuild(error.to_string())
}
