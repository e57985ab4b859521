//! What [`Views`](super::Views) holds: the dashboard, the gatherings that are loaded, and how a cold
//! one is loaded, by one loader at a time.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, watch};

use super::{
    as_of::Moments,
    audit::Indexes,
    board::Board,
    gathering::{Gathering, Live},
    integrity::{Integrity, KeySource},
    reader::FOLDING_READERS_MAX,
    rebuild::{self, Generations, Rebuilds},
    runner,
    views::ViewError,
};
use crate::events::{
    ids::{GatheringId, Offset},
    log::{Log, ReadError},
};

pub(super) struct Inner {
    pub(super) log: Log,
    pub(super) board: Board,
    pub(super) gatherings: RwLock<HashMap<GatheringId, Arc<Gathering>>>,
    /// One loader, or switch of generations, at a time per gathering.
    gates: Mutex<HashMap<GatheringId, Arc<tokio::sync::Mutex<()>>>>,
    pub(super) indexes: Indexes,
    pub(super) integrity: Integrity,
    /// Earlier states of gatherings that somebody has asked for.
    pub(super) moments: Moments,
    pub(super) folding: Arc<Semaphore>,
    pub(super) rebuilds: Rebuilds,
    pub(super) generations: Generations,
    switches: AtomicU64,
    pub(super) stop: watch::Sender<bool>,
    pub(super) threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Inner {
    /// Loads the dashboard and starts the threads that follow the log.
    pub(super) fn open(log: Log, key: KeySource) -> Result<Arc<Self>, ViewError> {
        let generations = Generations::open(&log);
        rebuild::finish(&log, &generations)?;
        let inner = Arc::new(Self {
            generations,
            board: Board::open(&log)?,
            integrity: Integrity::open(&log, key)?,
            moments: Moments::default(),
            log,
            gatherings: RwLock::default(),
            gates: Mutex::default(),
            indexes: Indexes::default(),
            folding: Arc::new(Semaphore::new(FOLDING_READERS_MAX)),
            rebuilds: Rebuilds::default(),
            switches: AtomicU64::new(0),
            stop: watch::Sender::new(false),
            threads: Mutex::default(),
        });
        let threads = runner::start(&inner, &inner.stop)
            .map_err(|error| ReadError::Store(format!("cannot start a thread: {error}")))?;
        *inner.threads.lock() = threads;
        Ok(inner)
    }

    /// Stops the threads and saves what has changed.
    pub(super) fn close(&self) {
        self.rebuilds.stop();
        self.stop.send_replace(true);
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the views panicked");
            }
        }
        self.save_all();
    }

    /// How often a generation has taken another's place.
    pub(super) fn switches(&self) -> u64 {
        self.switches.load(Ordering::Acquire)
    }

    pub(super) fn count_switch(&self) {
        self.switches.fetch_add(1, Ordering::AcqRel);
    }

    /// The gathering, loaded and up to the log's head.
    pub(super) async fn current(
        self: &Arc<Self>,
        id: GatheringId,
    ) -> Result<Arc<Gathering>, ViewError> {
        let gathering = match self.loaded(id) {
            Some(gathering) => gathering,
            None => self.load(id).await?,
        };
        gathering.touch();
        gathering.catch_up(&self.log)?;
        Ok(gathering)
    }

    pub(super) fn loaded(&self, id: GatheringId) -> Option<Arc<Gathering>> {
        self.gatherings.read().get(&id).cloned()
    }

    async fn load(self: &Arc<Self>, id: GatheringId) -> Result<Arc<Gathering>, ViewError> {
        if self.log.last_offset_of(id) == 0 {
            return Err(ViewError::UnknownGathering);
        }
        let gate = self.gate(id).lock_owned().await;
        if let Some(gathering) = self.loaded(id) {
            return Ok(gathering);
        }
        let inner = self.clone();
        blocking(move || {
            // The gate goes with the work: it stays shut when the one who asked is gone.
            let _gate = gate;
            let saved = Gathering::nearest(&inner.log, id, inner.log.head());
            let saved_events = saved.state.events;
            let Some(mut live) = Live::load(&inner.log, saved, |_| true)? else {
                return Err(ViewError::UnknownGathering);
            };
            live.saved_events = saved_events;
            let gathering = Arc::new(Gathering::new(id, live));
            inner.gatherings.write().insert(id, gathering.clone());
            Ok(gathering)
        })
        .await
    }

    pub(super) fn gate(&self, id: GatheringId) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = self.gates.lock();
        // Gates that nobody holds or waits for are open: forget them.
        if gates.len() > 1_024 {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        gates.entry(id).or_default().clone()
    }

    pub(super) fn catch_up_board(&self) {
        if let Err(error) = self.board.catch_up(&self.log) {
            tracing::error!(%error, "the dashboard cannot follow the log");
        }
    }

    /// Where the loaded gathering that is furthest behind stands, and why it stopped if it did.
    pub(super) fn slowest(&self, head: Offset) -> (Offset, Option<String>) {
        let (mut offset, mut error) = (head, None);
        for gathering in self.gatherings.read().values() {
            let live = gathering.live.read();
            if live.participants.state.offset < self.log.last_offset_of(gathering.id) {
                offset = offset.min(live.covered);
            }
            error = error.or_else(|| live.parked.as_ref().map(ToString::to_string));
        }
        (offset, error)
    }
}

/// Runs what may touch the disk where it blocks nobody.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ViewError> + Send + 'static,
) -> Result<T, ViewError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(ReadError::Store("reading the view was interrupted".to_owned()).into()),
    }
}
