//! The one thread that writes: frame after frame, durable, then published, then answered.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{oneshot, watch};

use super::{
    AppendError,
    codes::Codes,
    frame::{self, ChainHash},
    index::Index,
    recent::Recent,
    sequencer::{Answer, Filling, Sequencer},
    store::FrameStore,
    witness::WitnessThread,
};
use crate::events::{
    event::Event,
    ids::{GatheringId, Offset, ParticipantId},
    keys::Keys,
};

/// What the handle and the writer thread share.
pub(super) struct Shared {
    pub(super) sequencer: Sequencer,
    pub(super) keys: Keys,
    pub(super) recent: Recent,
    pub(super) index: RwLock<Index>,
    pub(super) codes: Mutex<Codes>,
    /// See [`super::Log::erased`].
    pub(super) erased: Mutex<Vec<(GatheringId, ParticipantId)>>,
    pub(super) head: watch::Sender<Offset>,
    /// None once the log is closed.
    pub(super) store: RwLock<Option<Arc<dyn FrameStore>>>,
    pub(super) frames: AtomicU64,
    pub(super) last_commit_us: AtomicU64,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("head", &*self.head.borrow())
            .finish_non_exhaustive()
    }
}

/// Until the log closes. After a failure every frame is refused: a second sync may well succeed
/// without the first one's bytes being on the disk.
pub(super) fn run(shared: &Shared, mut chain: ChainHash, witness: Option<&WitnessThread>) {
    while let Some(mut frame) = shared.sequencer.take() {
        let events = frame.events.len();
        if let Err(reason) = shared.commit(&mut frame, &chain) {
            tracing::error!(offset = frame.first, %reason, "the log takes no more events");
            shared.fail(frame, &reason.into());
            continue;
        }
        let bytes = std::mem::take(&mut frame.bytes);
        let last = frame.first + events as u64 - 1;
        let waiters = shared.publish(frame, last);
        shared.sequencer.done(events);
        for waiter in waiters {
            // Whoever stopped waiting does not need the answer.
            drop(waiter.send(Ok(())));
        }
        chain = frame::chain_hash(&bytes);
        if let Some(witness) = witness {
            witness.note(last, chain);
        }
    }
}

impl Shared {
    fn commit(&self, frame: &mut Filling, previous: &ChainHash) -> Result<(), String> {
        let start = Instant::now();
        if let Some(reason) = self.sequencer.failed() {
            return Err(reason.to_string());
        }
        let store = self.store.read().clone().ok_or("the log is closed")?;
        self.keys
            .sync_pending()
            .map_err(|error| error.to_string())?;
        frame::seal(frame.first, frame.events.len(), previous, &mut frame.bytes);
        store.commit(frame.first, &frame.bytes)?;
        let took = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last_commit_us.store(took, Ordering::Relaxed);
        Ok(())
    }

    /// Shows the frame to readers; gives back who waits for it.
    fn publish(&self, frame: Filling, last: Offset) -> Vec<oneshot::Sender<Answer>> {
        {
            let mut index = self.index.write();
            for (event, _) in &frame.events {
                index.note(event.gathering, frame.first, event.offset);
            }
        }
        for (event, _) in &frame.events {
            match &event.event {
                Event::ParticipantRegistered(registration) => {
                    let code = registration.subject.code.as_str();
                    self.codes.lock().registered(code, event.gathering);
                }
                Event::ParticipantErased { subject } => {
                    let erased = (event.gathering, subject.participant);
                    self.erased.lock().push(erased);
                }
                _ => {}
            }
        }
        self.recent.extend(frame.events.into_iter());
        self.frames.fetch_add(1, Ordering::Relaxed);
        // Last, so that whoever sees the head finds everything up to it.
        self.head.send_replace(last);
        frame.waiters
    }

    fn fail(&self, frame: Filling, reason: &Arc<str>) {
        self.sequencer.poison(reason);
        self.sequencer.done(frame.events.len());
        for waiter in frame.waiters {
            drop(waiter.send(Err(AppendError::Poisoned(Arc::clone(reason)))));
        }
    }
}
