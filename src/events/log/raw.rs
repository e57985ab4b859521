//! Frames as they lie in the log, for copies of it: read in order, checked as a chain, and laid into a new
//! directory. Ids, times and bytes of events stay what they are; nothing here goes through the sequencer.

use bytes::Bytes;

use super::{
    Log, ReadError,
    frame::{self, ChainHash, Frame, FrameError, GENESIS},
};
use crate::events::{ids::Offset, recorded::Recorded, time::Timestamp};

/// Bytes of a frame's head that tell how long it is.
pub const FRAME_HEAD_BYTES: usize = frame::HEADER_BYTES;

/// Where a walk along the frames stands: everything up to `head` hashes to `hash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    head: Offset,
    hash: ChainHash,
    last_recorded_at: Timestamp,
}

/// What is wrong at an offset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("offset {offset}: {detail}")]
pub struct ChainBreak {
    pub offset: Offset,
    pub detail: String,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            head: 0,
            hash: GENESIS,
            last_recorded_at: Timestamp(i64::MIN),
        }
    }
}

impl Chain {
    /// Goes on where an earlier walk ended; `hash` in hexadecimal, as [`Self::hash`] gives it.
    #[must_use]
    pub fn resume(head: Offset, hash: &str) -> Option<Self> {
        let hash = ChainHash::try_from(hex::decode(hash).ok()?).ok()?;
        Some(Self {
            head,
            hash,
            ..Self::default()
        })
    }

    #[must_use]
    pub fn head(&self) -> Offset {
        self.head
    }

    /// SHA-256 of the last frame, which holds that of the one before: hexadecimal.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(self.hash)
    }

    pub(super) fn raw_hash(&self) -> ChainHash {
        self.hash
    }

    /// Checks the next frame whole (checksum, place, the hash before it, every event decodes) and steps
    /// over it. Gives its events.
    ///
    /// # Errors
    /// [`ChainBreak`]; the walk stands where it stood.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<Recorded>, ChainBreak> {
        let next = self.head + 1;
        let broken = |offset, detail: &str| ChainBreak {
            offset,
            detail: detail.to_owned(),
        };
        let frame = Frame::parse(bytes).map_err(|error| match error {
            FrameError::Damaged(what) => broken(next, what),
            FrameError::Newer(_) => broken(next, "a newer doorbook wrote the frame"),
        })?;
        if frame.first != next {
            return Err(broken(next, "another frame is in its place"));
        }
        if frame.previous != self.hash {
            return Err(broken(next, "it does not follow what comes before it"));
        }
        let mut events = Vec::with_capacity(frame.events.into());
        let mut last_recorded_at = self.last_recorded_at;
        for record in frame.records() {
            let offset = next + events.len() as u64;
            let event = record
                .and_then(|record| record.decode())
                .map_err(|error| broken(offset, &error.to_string()))?;
            if event.recorded_at < last_recorded_at {
                return Err(broken(offset, "its time of recording runs backwards"));
            }
            last_recorded_at = event.recorded_at;
            events.push(event);
        }
        self.last_recorded_at = last_recorded_at;
        self.head = frame.last();
        self.hash = frame::chain_hash(bytes);
        Ok(events)
    }
}

/// Length of the frame that starts with these bytes; none when it is no frame.
#[must_use]
pub fn frame_length(head: &[u8]) -> Option<usize> {
    frame::length(head)
}

/// The first frame of `bytes` and what follows it; none when there is no whole one.
#[must_use]
pub fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(frame_length(bytes)?)
}

impl Log {
    /// Durable frames after `after`, which must be where a frame ends, one behind the other as they are, up
    /// to the offset `up_to` and some `bytes_max` (at least one frame). Empty at the end.
    ///
    /// # Errors
    /// See [`ReadError`]: also when no frame begins there, as in another history.
    pub fn raw_frames(
        &self,
        after: Offset,
        up_to: Offset,
        bytes_max: usize,
    ) -> Result<Vec<u8>, ReadError> {
        let up_to = up_to.min(self.head());
        let (mut at, mut raw) = (after, Vec::new());
        while at < up_to && raw.len() < bytes_max {
            let frame = self.frame_holding(at + 1)?;
            let parsed = parsed(at + 1, &frame)?;
            if parsed.first != at + 1 {
                return Err(ReadError::Damaged {
                    offset: at + 1,
                    detail: "no frame begins here".to_owned(),
                });
            }
            // Also when the head is inside of it: a frame becomes durable whole.
            at = parsed.last();
            raw.extend_from_slice(&frame);
        }
        Ok(raw)
    }

    /// The chain's hash at an offset, hexadecimal; none when no durable frame ends there.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn chain_at(&self, offset: Offset) -> Result<Option<String>, ReadError> {
        if offset == 0 {
            return Ok(Some(hex::encode(GENESIS)));
        }
        if offset > self.head() {
            return Ok(None);
        }
        let frame = self.frame_holding(offset)?;
        let ends = parsed(offset, &frame)?.last() == offset;
        Ok(ends.then(|| hex::encode(frame::chain_hash(&frame))))
    }

    fn frame_holding(&self, offset: Offset) -> Result<Bytes, ReadError> {
        let store = self.shared.store.read().clone();
        let store = store.ok_or_else(|| ReadError::Store("the log is closed".to_owned()))?;
        let found = store.frame_at(offset).map_err(ReadError::Store)?;
        let found = found.ok_or_else(|| ReadError::Damaged {
            offset,
            detail: "it is missing".to_owned(),
        })?;
        Ok(found.1)
    }
}

fn parsed(offset: Offset, bytes: &[u8]) -> Result<Frame<'_>, ReadError> {
    Frame::parse(bytes).map_err(|_| ReadError::Damaged {
        offset,
        detail: "its frame is damaged".to_owned(),
    })
}
