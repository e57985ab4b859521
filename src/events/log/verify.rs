//! Proving the log whole, while it serves: everything read, decoded and checked again.
//!
//! What a frame says by itself (checksum, its hash, every event decoded, every record hashed) is looked
//! at on all cores; what it says about its neighbours, in order, by the caller's thread.

use std::{
    collections::{BTreeMap, HashSet},
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{
    LeafHash, OpenError,
    frame::{self, ChainHash, Frame, FrameError, GENESIS},
    scan::{self, Fault, damaged},
    store::FrameStore,
    witness::{self, Stamp},
    writer::Shared,
};
use crate::events::{
    codec::DecodeError,
    ids::{GatheringId, Offset},
    time::Timestamp,
};

/// Frames that are read ahead.
const AHEAD_FRAMES: usize = 32;
/// More threads would wait for the one that reads.
const WORKERS_MAX: usize = 4;

/// What was found whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    pub events: u64,
    pub frames: u64,
    pub gatherings: usize,
    /// The witness agrees up to here (0: a log in memory has none).
    pub witnessed: Offset,
    /// SHA-256 over the last frame, which holds that of the frame before, and so on: hexadecimal.
    pub chain: String,
}

/// What a frame is by itself.
type Examined = Result<Sound, FrameError>;

/// A frame with a right checksum.
struct Sound {
    first: Offset,
    last: Offset,
    previous: ChainHash,
    hash: ChainHash,
    content: Result<Content, (Offset, DecodeError)>,
}

struct Content {
    leaves: Vec<LeafHash>,
    gatherings: HashSet<GatheringId>,
    recorded: (Timestamp, Timestamp),
}

/// A frame as the store gave it: its place in the row, its key, its bytes.
type Entry = (u64, Result<(Offset, Bytes), String>);
type Looked = (u64, Result<(Offset, Examined), String>);

pub(super) fn verify(
    shared: &Shared,
    witness_path: Option<&Path>,
    leaves: &mut dyn FnMut(Offset, &[LeafHash]) -> ControlFlow<()>,
) -> Result<VerifyReport, OpenError> {
    // Before the frames, so that it cannot be ahead of what is read.
    let found = witness_path
        .map(|path| witness::read(path).map_err(|error| OpenError::io(path, error)))
        .transpose()?;
    let stamp = found.as_ref().and_then(|found| found.stamp());
    if found.is_some() && stamp.is_none() {
        return Err(damaged(1, "the file `witness` is missing or damaged"));
    }
    let head = shared.head();
    let store = shared.store.read().clone();
    let store = store.ok_or_else(|| OpenError::Store("the log is closed".to_owned()))?;
    let mut pass = Pass::default();
    thread::scope(|scope| {
        let (to_look_at, entries) = sync_channel(AHEAD_FRAMES);
        let (looked, found) = sync_channel(AHEAD_FRAMES);
        let store = &*store;
        scope.spawn(move || read(store, &to_look_at));
        // Shared by the workers alone: when they have gone, the reader is told.
        let entries = Arc::new(Mutex::new(entries));
        let workers = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..workers.min(WORKERS_MAX) {
            let (entries, looked) = (Arc::clone(&entries), looked.clone());
            scope.spawn(move || look(&entries, &looked));
        }
        drop((entries, looked));
        pass.run(found, stamp, leaves)
    })?;
    if !pass.stopped && (pass.torn.is_some() || pass.head < head) {
        return Err(damaged(pass.head + 1, "it is missing or damaged"));
    }
    Ok(VerifyReport {
        events: pass.head,
        frames: pass.frames,
        gatherings: pass.gatherings.len(),
        witnessed: stamp.map_or(0, |stamp| stamp.offset),
        chain: hex::encode(pass.chain),
    })
}

fn read(store: &dyn FrameStore, to_look_at: &SyncSender<Entry>) {
    for entry in (0..).zip(store.frames()) {
        if to_look_at.send(entry).is_err() {
            return;
        }
    }
}

fn look(entries: &Mutex<Receiver<Entry>>, looked: &SyncSender<Looked>) {
    loop {
        let entry = entries.lock().recv();
        let Ok((place, entry)) = entry else { return };
        let examined = entry.map(|(key, bytes)| (key, examine(&bytes)));
        if looked.send((place, examined)).is_err() {
            return;
        }
    }
}

fn examine(bytes: &[u8]) -> Examined {
    let frame = Frame::parse(bytes)?;
    Ok(Sound {
        first: frame.first,
        last: frame.last(),
        previous: frame.previous,
        hash: frame::chain_hash(bytes),
        content: content(&frame),
    })
}

fn content(frame: &Frame<'_>) -> Result<Content, (Offset, DecodeError)> {
    let mut content = Content {
        leaves: Vec::with_capacity(frame.events.into()),
        gatherings: HashSet::new(),
        recorded: (Timestamp(i64::MAX), Timestamp(i64::MIN)),
    };
    // Of many records in a row about one gathering the first says it.
    let mut newest = None;
    for (offset, record) in (frame.first..).zip(frame.records()) {
        let looked_at = record.and_then(|record| {
            record.check_known()?;
            record.decode()?;
            let (first, last) = content.recorded;
            if record.recorded_at() < last {
                return Err(DecodeError::Backwards);
            }
            content.recorded = (first.min(record.recorded_at()), record.recorded_at());
            if newest != Some(record.gathering()) {
                newest = Some(record.gathering());
                content.gatherings.insert(record.gathering());
            }
            content.leaves.push(frame::leaf_hash(record.bytes()));
            Ok(())
        });
        looked_at.map_err(|error| (offset, error))?;
    }
    Ok(content)
}

/// How far the frames have been put together.
struct Pass {
    head: Offset,
    chain: ChainHash,
    frames: u64,
    last_recorded_at: Timestamp,
    gatherings: HashSet<GatheringId>,
    torn: Option<(Offset, &'static str)>,
    stopped: bool,
}

impl Default for Pass {
    fn default() -> Self {
        Self {
            head: 0,
            chain: GENESIS,
            frames: 0,
            last_recorded_at: Timestamp(i64::MIN),
            gatherings: HashSet::new(),
            torn: None,
            stopped: false,
        }
    }
}

impl Pass {
    /// Takes the frames in their order, whichever is looked at first.
    fn run(
        &mut self,
        looked: Receiver<Looked>,
        stamp: Option<&Stamp>,
        leaves: &mut dyn FnMut(Offset, &[LeafHash]) -> ControlFlow<()>,
    ) -> Result<(), OpenError> {
        let mut early = BTreeMap::new();
        let mut next = 0;
        for (place, examined) in looked {
            early.insert(place, examined);
            while let Some(examined) = early.remove(&next) {
                next += 1;
                let (key, examined) = examined.map_err(|reason| damaged(self.head + 1, reason))?;
                if let Some((first, what)) = self.torn {
                    // A later frame is written only after this one was durable: not a torn tail.
                    return Err(damaged(first, what));
                }
                match self.frame(key, examined, stamp) {
                    Ok(hashes) => {
                        if leaves(self.head, &hashes).is_break() {
                            self.stopped = true;
                            return Ok(());
                        }
                    }
                    Err(Fault::Torn(what)) => self.torn = Some((self.head + 1, what)),
                    Err(Fault::Broken(error)) => return Err(error),
                }
            }
        }
        scan::reaches(self.head, self.torn, stamp)
    }

    fn frame(
        &mut self,
        key: Offset,
        examined: Examined,
        stamp: Option<&Stamp>,
    ) -> Result<Vec<LeafHash>, Fault> {
        let next = self.head + 1;
        if key != next {
            return Err(Fault::broken(next, "it is missing"));
        }
        let sound = examined.map_err(Fault::frame)?;
        scan::follows(next, &self.chain, (sound.first, &sound.previous))?;
        let content = (sound.content).map_err(|(offset, error)| Fault::record(offset, error))?;
        let (earliest, latest) = content.recorded;
        if earliest < self.last_recorded_at {
            let error = DecodeError::Backwards;
            return Err(Fault::record(next, error));
        }
        self.last_recorded_at = latest;
        self.gatherings.extend(content.gatherings);
        self.chain = sound.hash;
        self.frames += 1;
        self.head = sound.last;
        scan::witnessed((sound.first, sound.last), &self.chain, stamp)?;
        Ok(content.leaves)
    }
}
