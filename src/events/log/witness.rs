//! The witness: outside sled, the highest offset known to be durable and its chain hash.
//!
//! sled cannot tell a flipped bit from a torn tail: it drops what lies behind and opens. So the log
//! is held against this file. Two slots of 4 KiB in one file made beforehand, each with its own
//! checksum, written in turn: while one is written the other stands.
//!
//! The witness must never be ahead of the log, so a stamp is written after its frame's sync, by a
//! thread of its own: in parallel with the next commit while the log is busy, by itself when it is
//! not, always the newest. The window: events of the last one or two commits before a crash may be
//! in the log and not under the witness. Damage to exactly those would look like a torn tail, is
//! cut, and is reported. Opening closes the window.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use parking_lot::{Condvar, Mutex};

use super::frame::{ChainHash, GENESIS};
use crate::events::{
    codec::field,
    ids::{Epoch, Offset},
    snapshot::write_aside,
};

const MAGIC: [u8; 4] = *b"DBWI";
pub(super) const FORMAT: u16 = 1;
/// One slot a disk block, so that a torn write of one leaves the other.
const SLOT_BYTES: usize = 4096;
const SLOTS: u64 = 2;
/// Magic, format, epoch, offset, chain hash, sequence, CRC32C.
const STAMP_BYTES: usize = 4 + 2 + 16 + 8 + 32 + 8 + 4;

/// What a slot says: this log, up to this offset, hashes to this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) epoch: Epoch,
    pub(super) offset: Offset,
    pub(super) chain: ChainHash,
    sequence: u64,
}

#[derive(Debug)]
pub(super) enum Found {
    Missing,
    /// Neither slot can be trusted.
    Damaged,
    Newer(u16),
    /// The newest stamp; whether the other slot was good too.
    Stamp(Stamp, bool),
}

impl Found {
    pub(super) const fn stamp(&self) -> Option<&Stamp> {
        match self {
            Self::Stamp(stamp, _) => Some(stamp),
            Self::Missing | Self::Damaged | Self::Newer(_) => None,
        }
    }
}

pub(super) fn read(path: &Path) -> io::Result<Found> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
        Err(error) => return Err(error),
    };
    let mut stamps = Vec::new();
    for slot in bytes.chunks(SLOT_BYTES).take(SLOTS as usize) {
        match parse(slot) {
            Some(Ok(stamp)) => stamps.push(stamp),
            Some(Err(format)) => return Ok(Found::Newer(format)),
            None => {}
        }
    }
    let both = stamps.len() == SLOTS as usize;
    let newest = stamps.into_iter().max_by_key(|stamp| stamp.sequence);
    Ok(newest.map_or(Found::Damaged, |stamp| Found::Stamp(stamp, both)))
}

/// The open file. One owner.
#[derive(Debug)]
pub(super) struct Witness {
    file: File,
    stamp: Stamp,
}

impl Witness {
    /// A witness of an empty log, durable when this returns.
    pub(super) fn create(path: &Path, epoch: Epoch) -> io::Result<Self> {
        let mut bytes = vec![0; SLOT_BYTES * SLOTS as usize];
        let mut stamp = Stamp {
            epoch,
            offset: 0,
            chain: GENESIS,
            sequence: 0,
        };
        bytes[..STAMP_BYTES].copy_from_slice(&lay(&stamp));
        stamp.sequence = 1;
        bytes[SLOT_BYTES..SLOT_BYTES + STAMP_BYTES].copy_from_slice(&lay(&stamp));
        write_aside(path, &bytes)?;
        Self::open(path, stamp)
    }

    pub(super) fn open(path: &Path, stamp: Stamp) -> io::Result<Self> {
        let file = File::options().write(true).open(path)?;
        file.set_len(SLOT_BYTES as u64 * SLOTS)?;
        Ok(Self { file, stamp })
    }

    pub(super) const fn epoch(&self) -> Epoch {
        self.stamp.epoch
    }

    /// Writes the stamp over the older slot and syncs it.
    pub(super) fn stamp(&mut self, offset: Offset, chain: ChainHash) -> io::Result<()> {
        debug_assert!(offset >= self.stamp.offset, "the witness never goes back");
        let stamp = Stamp {
            offset,
            chain,
            sequence: self.stamp.sequence + 1,
            ..self.stamp
        };
        let at = stamp.sequence % SLOTS * SLOT_BYTES as u64;
        self.file.write_all_at(&lay(&stamp), at)?;
        self.file.sync_data()?;
        self.stamp = stamp;
        Ok(())
    }
}

fn lay(stamp: &Stamp) -> [u8; STAMP_BYTES] {
    let mut bytes = [0; STAMP_BYTES];
    bytes[0..4].copy_from_slice(&MAGIC);
    bytes[4..6].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[6..22].copy_from_slice(&stamp.epoch.to_bytes());
    bytes[22..30].copy_from_slice(&stamp.offset.to_le_bytes());
    bytes[30..62].copy_from_slice(&stamp.chain);
    bytes[62..70].copy_from_slice(&stamp.sequence.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..70]);
    bytes[70..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// None when the slot is damaged, an error with the format when it is a newer one.
fn parse(slot: &[u8]) -> Option<Result<Stamp, u16>> {
    let bytes = slot.first_chunk::<STAMP_BYTES>()?;
    let crc = u32::from_le_bytes(field(bytes, 70));
    if bytes[0..4] != MAGIC || crc != crc32c::crc32c(&bytes[..70]) {
        return None;
    }
    let format = u16::from_le_bytes(field(bytes, 4));
    if format != FORMAT {
        return Some(Err(format));
    }
    Some(Ok(Stamp {
        epoch: Epoch::from_bytes(field(bytes, 6)),
        offset: Offset::from_le_bytes(field(bytes, 22)),
        chain: field(bytes, 30),
        sequence: u64::from_le_bytes(field(bytes, 62)),
    }))
}

/// The thread that stamps behind the writer's back.
#[derive(Debug)]
pub(super) struct WitnessThread {
    desk: Arc<Desk>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Desk {
    order: Mutex<Order>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Order {
    newest: Option<(Offset, ChainHash)>,
    closing: bool,
}

impl WitnessThread {
    /// `failed` is told when a stamp cannot be written; the thread is then done.
    pub(super) fn start(
        mut witness: Witness,
        failed: impl FnOnce(String) + Send + 'static,
    ) -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let thread = thread::Builder::new()
            .name("log-witness".to_owned())
            .spawn({
                let desk = Arc::clone(&desk);
                move || {
                    while let Some((offset, chain)) = desk.take() {
                        if let Err(error) = witness.stamp(offset, chain) {
                            return failed(format!("the witness cannot be written: {error}"));
                        }
                    }
                }
            })?;
        Ok(Self {
            desk,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// This much is durable. Replaces what was noted and not yet written.
    pub(super) fn note(&self, offset: Offset, chain: ChainHash) {
        self.desk.order.lock().newest = Some((offset, chain));
        self.desk.changed.notify_one();
    }

    /// Waits until the last note is written.
    pub(super) fn close(&self) {
        self.desk.order.lock().closing = true;
        self.desk.changed.notify_one();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the log's witness thread panicked");
        }
    }
}

impl Desk {
    fn take(&self) -> Option<(Offset, ChainHash)> {
        let mut order = self.order.lock();
        loop {
            if let Some(newest) = order.newest.take() {
                return Some(newest);
            }
            if order.closing {
                return None;
            }
            self.changed.wait(&mut order);
        }
    }
}
