//! The live dashboard: the fold of the whole log, the newest updates, and pages of updates from any
//! cursor. Same shape as a gathering's feed, for the stream of all gatherings.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::{
    dashboard::{self, Dashboard, Update},
    feed::Tail,
    folds,
    gathering::Parked,
    keep,
    views::{DashboardPage, ViewError},
    windows::{WINDOW_ENTRIES_MAX, Window, Windows},
};
use crate::events::{
    ids::Offset,
    log::{Log, PAGE_EVENTS_MAX},
    recorded::Recorded,
    snapshot::Scope,
};

/// Most updates in the tail, and about how many bytes they may hold.
const TAIL_UPDATES_MAX: usize = 8_192;
const TAIL_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What an update weighs with its encoded message, bytes.
const UPDATE_BYTES: usize = 1_024;
/// Updates name nobody, so no erasure touches them.
const NOBODY_ERASED: u64 = 0;

pub(super) struct Board {
    pub(super) live: RwLock<LiveBoard>,
    pub(super) moved: watch::Sender<Offset>,
    /// What readers below the tail share.
    pub(super) windows: Windows<Update, Dashboard>,
    /// As of a gathering: what is saved is always of the live generation.
    pub(super) saving: Mutex<()>,
}

pub(super) struct LiveBoard {
    pub(super) dashboard: Dashboard,
    pub(super) tail: Tail<Update>,
    pub(super) saved: Offset,
    pub(super) parked: Option<Parked>,
}

impl Board {
    pub(super) fn open(log: &Log) -> Result<Self, ViewError> {
        let saved = nearest(log, log.head());
        let saved_offset = saved.state.offset;
        let mut live = LiveBoard::load(log, saved, |_| true)?.unwrap_or_default();
        live.saved = saved_offset;
        Ok(Self {
            moved: watch::Sender::new(live.dashboard.state.offset),
            live: RwLock::new(live),
            windows: Windows::default(),
            saving: Mutex::default(),
        })
    }

    pub(super) fn offset(&self) -> Offset {
        self.live.read().dashboard.state.offset
    }

    pub(super) fn catch_up(&self, log: &Log) -> Result<(), ViewError> {
        if self.offset() >= log.head() {
            return Ok(());
        }
        self.live.write().catch_up(log)
    }

    /// Wakes the subscribers when there is something new for them.
    pub(super) fn announce(&self) {
        let offset = self.offset();
        self.moved.send_if_modified(|seen| {
            let newer = offset > *seen;
            *seen = offset.max(*seen);
            newer
        });
    }

    /// What is after the cursor, when the tail holds it.
    pub(super) fn tail_page(&self, cursor: Offset, limit: usize) -> Option<DashboardPage> {
        let live = self.live.read();
        let head = live.dashboard.state.offset;
        if cursor >= head {
            return Some(DashboardPage::AtHead { head });
        }
        if !live.tail.reaches(cursor) {
            return None;
        }
        page(live.tail.after(cursor, limit), true).or(Some(DashboardPage::AtHead { head }))
    }

    /// What is after a cursor below the tail, if somebody has made it.
    pub(super) fn window_page(&self, cursor: Offset, limit: usize) -> Option<DashboardPage> {
        let window = self.windows.find(cursor, NOBODY_ERASED)?;
        Some(page_of(&window, cursor, limit))
    }

    /// Makes what is after a cursor below the tail, and keeps it for the others.
    pub(super) fn make_window(
        &self,
        log: &Log,
        cursor: Offset,
        limit: usize,
    ) -> Result<DashboardPage, ViewError> {
        // Read before any state is.
        let begun = self.windows.generation();
        let kept = self.windows.take_fold(cursor);
        let mut fold = state_at(log, cursor, kept)?;
        let end = self.windows.end(cursor).unwrap_or(Offset::MAX);
        let mut updates = Vec::new();
        for recorded in log.read(cursor, WINDOW_ENTRIES_MAX)? {
            if recorded.offset > end {
                break;
            }
            apply(&mut fold, &recorded).map_err(|parked| parked.error())?;
            updates.push((recorded.offset, Arc::new(fold.update(&recorded))));
        }
        let covers = fold.state.offset;
        let weight_bytes = updates.len() * UPDATE_BYTES;
        let window = Arc::new(Window::new((cursor, covers), updates, NOBODY_ERASED));
        self.windows.shelve(begun, &window, weight_bytes, fold);
        Ok(page_of(&window, cursor, limit))
    }

    pub(super) fn save(&self, log: &Log) {
        let _saving = self.saving.lock();
        let state = {
            let live = self.live.read();
            if live.saved == live.dashboard.state.offset {
                return;
            }
            live.dashboard.state.clone()
        };
        let offset = state.offset;
        keep::save(
            log,
            dashboard::FOLD,
            Scope::WholeLog,
            offset,
            offset,
            &state,
        );
        self.live.write().saved = offset;
    }
}

impl Default for LiveBoard {
    fn default() -> Self {
        Self::starting_with(Dashboard::default())
    }
}

impl LiveBoard {
    pub(super) fn starting_with(dashboard: Dashboard) -> Self {
        Self {
            tail: Tail::starting_at(dashboard.state.offset, TAIL_UPDATES_MAX, TAIL_BYTES_MAX),
            saved: 0,
            parked: None,
            dashboard,
        }
    }

    /// Folds up to the head; updates are made for the last page only. `step` hears of every page;
    /// false stops.
    pub(super) fn load(
        log: &Log,
        dashboard: Dashboard,
        mut step: impl FnMut(usize) -> bool,
    ) -> Result<Option<Self>, ViewError> {
        let mut live = Self::starting_with(dashboard);
        loop {
            let page = log.read(live.dashboard.state.offset, PAGE_EVENTS_MAX)?;
            let last = page.len() < PAGE_EVENTS_MAX;
            for recorded in &page {
                if last {
                    live.apply(recorded);
                } else if let Err(parked) = apply(&mut live.dashboard, recorded) {
                    live.parked = Some(parked);
                }
                if live.parked.is_some() {
                    return Ok(Some(live));
                }
            }
            if !step(page.len()) {
                return Ok(None);
            }
            if last {
                return Ok(Some(live));
            }
            let floor = live.dashboard.state.offset;
            live.tail = Tail::starting_at(floor, TAIL_UPDATES_MAX, TAIL_BYTES_MAX);
        }
    }

    pub(super) fn catch_up(&mut self, log: &Log) -> Result<(), ViewError> {
        self.fail_if_parked()?;
        loop {
            let page = log.read(self.dashboard.state.offset, PAGE_EVENTS_MAX)?;
            for recorded in &page {
                self.apply(recorded);
                self.fail_if_parked()?;
            }
            if page.is_empty() {
                return Ok(());
            }
        }
    }

    pub(super) fn fail_if_parked(&self) -> Result<(), ViewError> {
        match &self.parked {
            Some(parked) => Err(parked.error()),
            None => Ok(()),
        }
    }

    /// The next event of the log, for whoever reads it for more than one fold.
    pub(super) fn take(&mut self, recorded: &Arc<Recorded>) -> Result<(), Parked> {
        self.apply(recorded);
        self.parked.clone().map_or(Ok(()), Err)
    }

    fn apply(&mut self, recorded: &Arc<Recorded>) {
        if let Err(parked) = apply(&mut self.dashboard, recorded) {
            self.parked = Some(parked);
            return;
        }
        let update = Arc::new(self.dashboard.update(recorded));
        self.tail.push(recorded.offset, UPDATE_BYTES, update);
    }
}

/// The newest saved state at or before `at_most`, or the empty one.
pub(super) fn nearest(log: &Log, at_most: Offset) -> Dashboard {
    (log.snapshots())
        .nearest(dashboard::FOLD, Scope::WholeLog, at_most)
        .filter(|(offset, state): &(_, dashboard::State)| state.offset == *offset)
        .map_or_else(Dashboard::default, |(_, state)| {
            Dashboard::from_state(state)
        })
}

/// The dashboard as it was at an offset, from a fold that is not past it, or from the nearest saved one.
fn state_at(log: &Log, offset: Offset, kept: Option<Dashboard>) -> Result<Dashboard, ViewError> {
    let mut fold = kept.unwrap_or_else(|| nearest(log, offset));
    while fold.state.offset < offset {
        let missing = usize::try_from(offset - fold.state.offset).unwrap_or(usize::MAX);
        let page = log.read(fold.state.offset, missing.min(PAGE_EVENTS_MAX))?;
        if page.is_empty() {
            break;
        }
        for recorded in &page {
            apply(&mut fold, recorded).map_err(|parked| parked.error())?;
        }
    }
    Ok(fold)
}

/// Applies one event; offsets of the whole log have no gaps, and neither has its fold.
pub(super) fn apply(fold: &mut Dashboard, recorded: &Recorded) -> Result<(), Parked> {
    if recorded.offset != fold.state.offset + 1 {
        return Err(Parked {
            offset: recorded.offset,
            detail: format!("the fold of the whole log is at {}", fold.state.offset),
        });
    }
    folds::apply(&folds::DASHBOARD, fold, recorded)
}

fn page_of(window: &Window<Update>, cursor: Offset, limit: usize) -> DashboardPage {
    let (updates, covers) = window.after(cursor, limit);
    DashboardPage::Updates {
        updates,
        covers,
        from_tail: false,
    }
}

fn page(updates: Vec<Arc<Update>>, from_tail: bool) -> Option<DashboardPage> {
    let covers = updates.last()?.recorded.offset;
    Some(DashboardPage::Updates {
        updates,
        covers,
        from_tail,
    })
}
