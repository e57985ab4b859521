//! The log: append once, read for ever. [`Log`] is a cheap handle; the doc comments here are the
//! contract that `conformance` checks for every store.
//!
//! - Offsets are 1, 2, 3 … without gaps. One event per offset. Never changed, never deleted.
//! - [`Log::append`] gives the offset at once; [`Durable`] resolves when the event is on the disk,
//!   power-safe. Only then does [`Log::head`] reach it and do reads show it.
//! - `recorded_at` never runs backwards.
//! - A failed write or sync poisons the log: every later append is refused, reads go on.

mod codes;
mod error;
mod frame;
mod index;
mod open;
mod read;
mod recent;
mod scan;
mod sequencer;
mod sled_store;
mod store;
mod threads;
mod verify;
mod witness;
mod writer;

use std::{
    ops::ControlFlow,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::watch;

pub use error::{AppendError, OpenError, ReadError};
pub use frame::{LeafHash, leaf_hash};
pub use sequencer::Durable;
pub use verify::VerifyReport;

use self::{store::MemoryStore, threads::Threads, writer::Shared};
use super::{
    event::Event,
    ids::{Code, Epoch, GatheringId, Offset, ParticipantId},
    keys::Keys,
    recorded::{NewEvent, Recorded},
    snapshot::Snapshots,
    time::Timestamp,
};

/// Most events and most encoded bytes in one commit frame.
pub const FRAME_EVENTS_MAX: usize = 512;
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Largest encoded event, bytes.
pub const EVENT_BYTES_MAX: usize = 32 * 1024;
/// Most events that wait for a frame; one more is [`AppendError::Busy`].
pub const QUEUE_EVENTS_MAX: usize = 8_192;
/// Most events one read returns.
pub const PAGE_EVENTS_MAX: usize = 1_024;

/// Cheap handle. The last one dropped closes the log.
#[derive(Debug, Clone)]
pub struct Log {
    threads: Arc<Threads>,
    shared: Arc<Shared>,
    snapshots: Snapshots,
    epoch: Epoch,
}

/// What opening found and did, for the log line and for `verify`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenReport {
    pub head: Offset,
    /// A tail that was never acknowledged and was cut: first offset that went.
    pub cut_from: Option<Offset>,
    /// Human sentences about what preflight mended.
    pub mended: Vec<String>,
}

impl Log {
    /// Opens or creates the data directory's log (lock, preflight, sled, whole-chain check against
    /// the witness, indexes).
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(data_dir: &Path) -> Result<(Self, OpenReport), OpenError> {
        open::open(data_dir)
    }

    /// A log that lives as long as its handles.
    ///
    /// # Panics
    /// When the system has no thread left.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "an empty store in memory has nothing that could fail but the thread"
    )]
    pub fn in_memory() -> Self {
        open::over(Arc::new(MemoryStore::default())).expect("a thread for the log's writer")
    }

    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The data directory; none for a log in memory.
    #[must_use]
    pub fn data_dir(&self) -> Option<&Path> {
        self.threads.witness_path().and_then(Path::parent)
    }

    /// Highest durable offset.
    #[must_use]
    pub fn head(&self) -> Offset {
        self.shared.head()
    }

    /// Wakes when the head moves.
    #[must_use]
    pub fn watch_head(&self) -> watch::Receiver<Offset> {
        self.shared.head.subscribe()
    }

    /// Why appends are refused, if they are.
    #[must_use]
    pub fn poisoned(&self) -> Option<Arc<str>> {
        self.shared.sequencer.refused()
    }

    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    #[must_use]
    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// The one seam: gives the event the next offset and queues it for the next frame.
    ///
    /// # Errors
    /// See [`AppendError`]; after an error the event has no offset and is nowhere.
    pub fn append(&self, event: NewEvent) -> Result<(Arc<Recorded>, Durable), AppendError> {
        let Event::ParticipantRegistered(registration) = &event.event else {
            return self.shared.sequencer.append(event);
        };
        // Before the append, since the writer may publish the event before this thread goes on.
        let code = registration.subject.code.clone();
        self.shared.codes.lock().appended(&code, event.gathering);
        self.shared
            .sequencer
            .append(event)
            .inspect_err(|_| self.shared.codes.lock().not_appended(&code))
    }

    /// Durable events after `after`, in order, at most `limit` (≤ [`PAGE_EVENTS_MAX`]). From memory
    /// for recent ones.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(&self, after: Offset, limit: usize) -> Result<Vec<Arc<Recorded>>, ReadError> {
        self.shared.read(after, limit)
    }

    /// The durable events of one gathering with `after < offset <= up_to`, in order, at most `limit`
    /// (≤ [`PAGE_EVENTS_MAX`]).
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read_gathering(
        &self,
        gathering: GatheringId,
        after: Offset,
        up_to: Offset,
        limit: usize,
    ) -> Result<Vec<Arc<Recorded>>, ReadError> {
        self.shared.read_gathering(gathering, after, up_to, limit)
    }

    /// # Errors
    /// See [`ReadError`].
    pub fn get(&self, offset: Offset) -> Result<Option<Arc<Recorded>>, ReadError> {
        self.shared.get(offset)
    }

    /// The last durable offset that was recorded at a moment or before it (0: none). By halving, since
    /// `recorded_at` never runs backwards.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn offset_at(&self, moment: Timestamp) -> Result<Offset, ReadError> {
        self.shared.offset_at(moment)
    }

    /// The [`leaf_hash`] of each durable record after `after`, in order, at most `limit`. Reads frames
    /// and decodes nothing: for the tree over the log.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn leaves(&self, after: Offset, limit: usize) -> Result<Vec<LeafHash>, ReadError> {
        self.shared.leaves(after, limit)
    }

    /// The bytes of a durable record, which [`crate::events::codec::decode`] reads.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn record(&self, offset: Offset) -> Result<Option<Vec<u8>>, ReadError> {
        self.shared.record(offset)
    }

    /// Gatherings that have durable events, in the order they were created.
    #[must_use]
    pub fn gatherings(&self) -> Vec<GatheringId> {
        self.shared.index.read().gatherings()
    }

    /// Offset of the gathering's last durable event (0: no such gathering).
    #[must_use]
    pub fn last_offset_of(&self, gathering: GatheringId) -> Offset {
        self.shared.index.read().last_offset_of(gathering)
    }

    /// Everybody whose erasure is durable, with their gathering, in the order in which it came. Their keys
    /// must be nowhere: a copy of the data that was made before has to lose them, too.
    #[must_use]
    pub fn erased(&self) -> Vec<(GatheringId, ParticipantId)> {
        self.shared.erased.lock().clone()
    }

    /// The same for one gathering.
    #[must_use]
    pub fn erased_in(&self, gathering: GatheringId) -> Vec<ParticipantId> {
        let erased = self.shared.erased.lock();
        (erased.iter().filter(|(of, _)| *of == gathering))
            .map(|(_, participant)| *participant)
            .collect()
    }

    /// Which gathering a code belongs to: appended registrations (durable or not) and claims.
    #[must_use]
    pub fn gathering_of_code(&self, code: &Code) -> Option<GatheringId> {
        self.shared.codes.lock().gathering_of(code)
    }

    /// Reserves a code before the registration is decided, so that it is unique in the whole log
    /// under concurrency. False when taken. Dropping a claim without an append: [`Self::release_code`].
    #[must_use]
    pub fn claim_code(&self, code: &Code, gathering: GatheringId) -> bool {
        self.shared.codes.lock().claim(code, gathering)
    }

    /// Gives a claim back. Codes that have been appended stay taken.
    pub fn release_code(&self, code: &Code) {
        self.shared.codes.lock().release(code);
    }

    /// Reads every frame and decodes every event, and checks the chain and the witness. Appends and
    /// reads go on beside it. `progress` is told how far it has come.
    ///
    /// # Errors
    /// See [`OpenError`]: what would have kept the log from opening, or an event that does not decode.
    pub fn verify(&self, progress: &mut dyn FnMut(Offset)) -> Result<VerifyReport, OpenError> {
        self.verify_leaves(&mut |last, _| {
            progress(last);
            ControlFlow::Continue(())
        })
    }

    /// The same, which hands over the [`leaf_hash`] of every record on the way, a frame at a time, with the
    /// offset of its last one. What is handed over has been checked; a break ends the pass early.
    ///
    /// # Errors
    /// See [`Self::verify`].
    pub fn verify_leaves(
        &self,
        leaves: &mut dyn FnMut(Offset, &[LeafHash]) -> ControlFlow<()>,
    ) -> Result<VerifyReport, OpenError> {
        verify::verify(&self.shared, self.threads.witness_path(), leaves)
    }

    /// Cheap numbers for metrics.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            frames: self.shared.frames.load(Ordering::Relaxed),
            last_commit: Duration::from_micros(self.shared.last_commit_us.load(Ordering::Relaxed)),
            queued: self.shared.sequencer.waiting(),
        }
    }

    /// Waits for the queue and the witness, then lets the files go: later appends are refused, and
    /// reads of what is not in memory fail.
    ///
    /// # Errors
    /// [`AppendError::Poisoned`] when something that was queued could not be written.
    pub fn close(&self) -> Result<(), AppendError> {
        self.threads.stop();
        match self.shared.sequencer.failed() {
            Some(reason) => Err(AppendError::Poisoned(reason)),
            None => Ok(()),
        }
    }
}

/// Numbers for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// Commit frames in the log.
    pub frames: u64,
    /// How long the newest commit took, from frame to disk.
    pub last_commit: Duration,
    /// Events that wait for the disk.
    pub queued: usize,
}

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
mod durability;
#[cfg(test)]
pub(crate) mod forger;
#[cfg(test)]
pub(crate) mod gate;
