//! One loaded gathering: its fold under a lock, the newest feed entries, and how both are brought
//! up to the log's head. Whoever needs them newer brings them up; nobody waits for the runner.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::{
    feed::{FeedEntry, TAIL_BYTES_MAX, TAIL_ENTRIES_MAX, Tail},
    folds, keep,
    participants::{self, Participants},
    start::GatheringSnapshot,
    views::ViewError,
    windows::Windows,
};
use crate::events::{
    event::Event,
    ids::{GatheringId, Offset},
    log::{Log, PAGE_EVENTS_MAX, ReadError},
    recorded::Recorded,
    snapshot::Scope,
    time::Timestamp,
};

pub(super) struct Gathering {
    pub(super) id: GatheringId,
    pub(super) live: RwLock<Live>,
    /// The newest snapshot that a stream was started with. Its lock makes a thousand who connect
    /// at once build it once.
    pub(super) shared: Mutex<Option<Arc<GatheringSnapshot>>>,
    pub(super) moved: watch::Sender<Offset>,
    /// What readers below the tail share.
    pub(super) windows: Windows<FeedEntry, Participants>,
    /// Held while a snapshot is written, and while another generation takes this one's place: what is saved
    /// is always of the live one.
    pub(super) saving: Mutex<()>,
    touched: AtomicI64,
}

/// The fold and the newest entries, at one position.
pub(super) struct Live {
    pub(super) participants: Participants,
    pub(super) tail: Tail<FeedEntry>,
    /// Every event of the gathering up to here has been applied.
    pub(super) covered: Offset,
    /// Events applied when the last snapshot was saved.
    pub(super) saved_events: u64,
    /// Set when `apply` failed on an event: the view stays as it was before it.
    pub(super) parked: Option<Parked>,
    /// People erased since it was loaded, and generations before it: what was made with another count
    /// may show somebody who is gone.
    pub(super) erased: u64,
}

/// An event that a fold cannot take.
#[derive(Debug, Clone)]
pub(super) struct Parked {
    pub(super) offset: Offset,
    pub(super) detail: String,
}

impl fmt::Display for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped before offset {}: {}", self.offset, self.detail)
    }
}

impl Parked {
    pub(super) fn error(&self) -> ViewError {
        ViewError::Log(ReadError::Damaged {
            offset: self.offset,
            detail: self.detail.clone(),
        })
    }
}

impl Gathering {
    pub(super) fn new(id: GatheringId, live: Live) -> Self {
        let moved = watch::Sender::new(live.covered);
        Self {
            id,
            live: RwLock::new(live),
            shared: Mutex::new(None),
            moved,
            windows: Windows::default(),
            saving: Mutex::default(),
            touched: AtomicI64::new(Timestamp::now().0),
        }
    }

    /// Somebody uses it; it stays loaded.
    pub(super) fn touch(&self) {
        self.touched.store(Timestamp::now().0, Ordering::Relaxed);
    }

    pub(super) fn idle_seconds(&self) -> i64 {
        (Timestamp::now().0 - self.touched.load(Ordering::Relaxed)) / 1_000_000
    }

    /// Brings the fold up to the log's head.
    pub(super) fn catch_up(&self, log: &Log) -> Result<(), ViewError> {
        if self.live.read().covered >= log.head() {
            return Ok(());
        }
        self.live.write().catch_up(log)
    }

    /// Wakes the subscribers when there is something new for them.
    pub(super) fn announce(&self) {
        let offset = self.live.read().participants.state.offset;
        self.moved.send_if_modified(|seen| {
            let newer = offset > *seen;
            *seen = offset.max(*seen);
            newer
        });
    }

    /// Where the newest saved state at or before `at_most` stands.
    pub(super) fn nearest_offset(log: &Log, id: GatheringId, at_most: Offset) -> Option<Offset> {
        let offsets = (log.snapshots()).offsets(participants::FOLD, Scope::Gathering(id));
        offsets.into_iter().rev().find(|offset| *offset <= at_most)
    }

    /// The newest saved state at or before `at_most`, or none of the events.
    pub(super) fn nearest(log: &Log, id: GatheringId, at_most: Offset) -> Participants {
        log.snapshots()
            .nearest(participants::FOLD, Scope::Gathering(id), at_most)
            .filter(|(offset, state): &(_, participants::State)| {
                state.gathering == id && state.offset == *offset
            })
            .map_or_else(
                || Participants::new(id),
                |(_, state)| Participants::from_state(state),
            )
    }

    /// "The state of a gathering at an offset": nearest snapshot, then fold.
    pub(super) fn state_at(
        log: &Log,
        id: GatheringId,
        offset: Offset,
    ) -> Result<Participants, ViewError> {
        let mut participants = Self::nearest(log, id, offset);
        Self::fold(log, &mut participants, offset, |_| true)?;
        Ok(participants)
    }

    /// Folds up to an offset. `step` hears of every page; false stops, and the answer is false.
    pub(super) fn fold(
        log: &Log,
        participants: &mut Participants,
        up_to: Offset,
        mut step: impl FnMut(usize) -> bool,
    ) -> Result<bool, ViewError> {
        let id = participants.state.gathering;
        let end = up_to.min(log.last_offset_of(id));
        while participants.state.offset < end {
            let after = participants.state.offset;
            let page = log.read_gathering(id, after, end, PAGE_EVENTS_MAX)?;
            if page.is_empty() {
                break;
            }
            for recorded in &page {
                apply(participants, recorded).map_err(|parked| parked.error())?;
            }
            if !step(page.len()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn save(&self, log: &Log) {
        let _saving = self.saving.lock();
        let (state, events) = {
            let live = self.live.read();
            if live.saved_events == live.participants.state.events {
                return;
            }
            (
                live.participants.state.clone(),
                live.participants.state.events,
            )
        };
        keep::save(
            log,
            participants::FOLD,
            Scope::Gathering(self.id),
            state.offset,
            events,
            &state,
        );
        self.live.write().saved_events = events;
    }
}

impl Live {
    pub(super) fn starting_with(participants: Participants) -> Self {
        let covered = participants.state.offset;
        let saved_events = participants.state.events;
        Self {
            tail: Tail::starting_at(covered, TAIL_ENTRIES_MAX, TAIL_BYTES_MAX),
            covered,
            saved_events,
            parked: None,
            erased: 0,
            participants,
        }
    }

    /// Folds up to the head. Entries are made for the last page only: the rest is seldom asked
    /// for, and making it would unseal everybody. `step` hears of every page; false stops.
    pub(super) fn load(
        log: &Log,
        participants: Participants,
        mut step: impl FnMut(usize) -> bool,
    ) -> Result<Option<Self>, ViewError> {
        let id = participants.state.gathering;
        let mut live = Self::starting_with(participants);
        let head = log.head();
        loop {
            let page = log.read_gathering(id, live.covered, head, PAGE_EVENTS_MAX)?;
            let last = page.len() < PAGE_EVENTS_MAX;
            for recorded in &page {
                if last {
                    live.apply(log, recorded);
                } else if let Err(parked) = apply(&mut live.participants, recorded) {
                    live.parked = Some(parked);
                }
                if live.parked.is_some() {
                    return Ok(Some(live));
                }
                live.covered = recorded.offset;
            }
            if !step(page.len()) {
                return Ok(None);
            }
            if last {
                live.covered = live.covered.max(head);
                return Ok(Some(live));
            }
            live.tail = Tail::starting_at(live.covered, TAIL_ENTRIES_MAX, TAIL_BYTES_MAX);
        }
    }

    pub(super) fn catch_up(&mut self, log: &Log) -> Result<(), ViewError> {
        if let Some(parked) = &self.parked {
            return Err(parked.error());
        }
        let head = log.head();
        let id = self.participants.state.gathering;
        while self.covered < head.min(log.last_offset_of(id)) {
            let page = log.read_gathering(id, self.covered, head, PAGE_EVENTS_MAX)?;
            for recorded in &page {
                self.apply(log, recorded);
                if let Some(parked) = &self.parked {
                    return Err(parked.error());
                }
                self.covered = recorded.offset;
            }
            if page.is_empty() {
                break;
            }
        }
        self.covered = self.covered.max(head);
        Ok(())
    }

    /// The next event of the gathering, for whoever reads the log for more than one fold.
    pub(super) fn take(&mut self, log: &Log, recorded: &Arc<Recorded>) -> Result<(), Parked> {
        self.apply(log, recorded);
        if let Some(parked) = &self.parked {
            return Err(parked.clone());
        }
        self.covered = recorded.offset;
        Ok(())
    }

    fn apply(&mut self, log: &Log, recorded: &Arc<Recorded>) {
        if let Err(parked) = apply(&mut self.participants, recorded) {
            self.parked = Some(parked);
            return;
        }
        if let Event::ParticipantErased { subject } = &recorded.event {
            self.tail.forget_person(subject.participant);
            self.erased += 1;
        }
        let entry = Arc::new(FeedEntry::new(&self.participants, recorded, log.keys()));
        self.tail.push(recorded.offset, entry.weight_bytes(), entry);
    }
}

/// Applies one event; a panic in the fold parks this view instead of ending the server.
pub(super) fn apply(participants: &mut Participants, recorded: &Recorded) -> Result<(), Parked> {
    if recorded.offset <= participants.state.offset {
        return Err(Parked {
            offset: recorded.offset,
            detail: format!(
                "a fold goes forward only, and this one is at {}",
                participants.state.offset
            ),
        });
    }
    folds::apply(&folds::PARTICIPANTS, participants, recorded)
}

/// Runs a fold's step; a panic becomes a parked view.
pub(super) fn guarded(
    view: &'static str,
    offset: Offset,
    step: impl FnOnce(),
) -> Result<(), Parked> {
    catch_unwind(AssertUnwindSafe(step)).map_err(|_| {
        tracing::error!(
            view,
            offset,
            "the view cannot apply this event and stops before it"
        );
        Parked {
            offset,
            detail: format!("the view {view} cannot apply this event"),
        }
    })
}
