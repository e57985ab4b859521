//! A generation takes the place of another: its snapshots, and what is loaded, scope after scope, each at an
//! equal offset under the view's lock. The one that was live stays on the shelf `Before` until the next
//! rebuild. Readers and writers never notice; a crash at any moment leaves a note of how to go on.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    fresh::{Folded, Fresh},
    generations::{Generations, Phase},
    pass::{Kept, key},
    view::View,
};
use crate::{
    events::{
        ids::GatheringId,
        log::{Log, ReadError},
        snapshot::{FoldName, Scope, Shelf, SnapshotError, Snapshots},
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
    let switched = catch_unwind(AssertUnwindSafe(|| each_scope(inner, view, kept)));
    // Also when only some have been switched: nothing that was made before is good any more.
    inner.count_switch();
    switched.unwrap_or_else(|_| Err(ViewError::Rebuild("the switch panicked".to_owned())))?;
    inner.generations.switched(view)?;
    // What an earlier version has left is of no use to anybody now, and harms nobody.
    if let Err(error) = inner.log.snapshots().remove_other_versions(view.fold()) {
        tracing::warn!(view = view.fold().name, %error, "an earlier version was not tidied up");
    }
    Ok(())
}

fn each_scope(inner: &Inner, view: View, kept: &mut Kept) -> Result<(), ViewError> {
    let scopes = view.scopes(inner);
    for (done, scope) in scopes.iter().enumerate() {
        let fresh = kept.remove(&(view, key(*scope)));
        let switched = match (view, *scope) {
            (View::Participants, Scope::Gathering(id)) => participants(inner, id, fresh),
            (View::History, Scope::Gathering(id)) => history(inner, id, fresh),
            (View::Dashboard, Scope::WholeLog) => dashboard(inner, fresh),
            (View::Participants | View::History, Scope::WholeLog)
            | (View::Dashboard, Scope::Gathering(_))
            | (View::Integrity, _) => Ok(()),
        };
        switched.map_err(|error| in_part(error, done, scopes.len()))?;
    }
    if view == View::History {
        inner.indexes.forget_whole(&inner.log);
    }
    Ok(())
}

/// Says how far it was, if it had begun; an event that cannot be read or applied stays what it is.
fn in_part(error: ViewError, done: usize, of: usize) -> ViewError {
    let so_far = format!("{done} of {of} gatherings have been switched, the others serve on");
    match error {
        error if done == 0 => error,
        ViewError::Log(ReadError::Damaged { offset, detail }) => {
            let detail = format!("{detail}; {so_far}");
            ViewError::Log(ReadError::Damaged { offset, detail })
        }
        error => ViewError::Rebuild(format!("{error}; {so_far}")),
    }
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
            let on = |shelf| log.snapshots().offsets_on(shelf, fold, scope);
            if !on(Shelf::Next).is_empty() || !on(Shelf::Arriving).is_empty() {
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

/// Live → Before, Next → Live. Done again after a crash between any two moves it ends as it would have.
fn shelves(log: &Log, view: View, scope: Scope) -> Result<(), ViewError> {
    move_shelves(log.snapshots(), view.fold(), scope).map_err(|error| failed(&error))
}

/// Several files arrive over a shelf between: as long as one is there, what is on the live shelf is new, and
/// must not go where the old has gone.
fn move_shelves(snapshots: &Snapshots, fold: FoldName, scope: Scope) -> Result<(), SnapshotError> {
    let on = |shelf| snapshots.offsets_on(shelf, fold, scope).len();
    if on(Shelf::Arriving) == 0 {
        // The newest moves last, so it is never taken for one that was there before.
        snapshots.shift(fold, scope, Shelf::Live, Shelf::Before)?;
        if on(Shelf::Next) <= 1 {
            return snapshots.shift(fold, scope, Shelf::Next, Shelf::Live);
        }
    }
    snapshots.add(fold, scope, Shelf::Next, Shelf::Arriving)?;
    snapshots.add(fold, scope, Shelf::Arriving, Shelf::Live)
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
    // Before anything is moved: what cannot be brought up leaves everything as it was.
    let mut fresh = match folded(log, View::Participants, scope, fresh) {
        Folded::Gathering(live) => *live,
        Folded::Participants(fold) => brought_up(log, *fold)?,
        _ => brought_up(log, Participants::new(id))?,
    };
    fresh.catch_up(log)?;
    keep_loaded(log, &gathering);
    shelves(log, View::Participants, scope)?;
    // Once more outside the lock, so that inside it there is next to nothing left to do.
    let mut late = fresh.catch_up(log);
    let mut live = gathering.live.write();
    late = late.and_then(|()| fresh.catch_up(log));
    // The fold that made the kept windows is gone, and they go with it.
    fresh.erased = live.erased + 1;
    let old = std::mem::replace(&mut *live, fresh);
    drop(live);
    gathering.windows.clear();
    drop(old);
    warn_of(late, View::Participants);
    Ok(())
}

/// What was kept, or what is on the shelf `Next`.
fn folded(log: &Log, view: View, scope: Scope, fresh: Option<Fresh>) -> Folded {
    fresh
        .unwrap_or_else(|| Fresh::begin(log, view, scope, true))
        .fold
}

/// What has come since the shelves were moved stops the new one as it stops every live view.
fn warn_of(late: Result<(), ViewError>, view: View) {
    if let Err(error) = late {
        tracing::warn!(view = view.fold().name, %error, "the new generation stops short of the head");
    }
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
    let mut fresh = match folded(log, View::Dashboard, Scope::WholeLog, fresh) {
        Folded::Board(live) => *live,
        Folded::Dashboard(fold) => brought_up_board(log, *fold)?,
        _ => brought_up_board(log, Dashboard::default())?,
    };
    fresh.catch_up(log)?;
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
    let mut late = fresh.catch_up(log);
    let mut live = board.live.write();
    late = late.and_then(|()| fresh.catch_up(log));
    let old = std::mem::replace(&mut *live, fresh);
    drop(live);
    board.windows.clear();
    drop(old);
    warn_of(late, View::Dashboard);
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
    let fresh = || match folded(log, View::History, scope, fresh) {
        Folded::History(state) => *state,
        _ => history::State::default(),
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
