//! Where frames are kept: the few things the log asks of a store, and the store in memory.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::events::ids::Offset;

/// Keeps frames by the offset they start at. Two stores: `SledStore` and [`MemoryStore`].
pub(super) trait FrameStore: fmt::Debug + Send + Sync {
    /// Returns once the frame would outlive a power cut. Called by the one writer, in order. After
    /// an error it is not called again.
    fn commit(&self, first: Offset, frame: &[u8]) -> Result<(), String>;

    /// The frame that starts at `offset` or last before it.
    fn frame_at(&self, offset: Offset) -> Result<Option<(Offset, Bytes)>, String>;

    /// All frames, in order; an error ends them.
    fn frames(&self) -> Box<dyn Iterator<Item = Result<(Offset, Bytes), String>> + '_>;

    /// Takes back a torn frame at the very end, for good, while the log is being opened.
    fn cut(&self, first: Offset) -> Result<(), String>;
}

#[derive(Debug, Default)]
pub(super) struct MemoryStore {
    frames: RwLock<BTreeMap<Offset, Bytes>>,
}

impl FrameStore for MemoryStore {
    fn commit(&self, first: Offset, frame: &[u8]) -> Result<(), String> {
        let frame = Bytes::copy_from_slice(frame);
        self.frames.write().insert(first, frame);
        Ok(())
    }

    fn frame_at(&self, offset: Offset) -> Result<Option<(Offset, Bytes)>, String> {
        let frames = self.frames.read();
        let frame = frames.range(..=offset).next_back();
        Ok(frame.map(|(first, frame)| (*first, frame.clone())))
    }

    fn frames(&self) -> Box<dyn Iterator<Item = Result<(Offset, Bytes), String>> + '_> {
        let frames: Vec<_> = {
            let frames = self.frames.read();
            let frames = frames.iter();
            frames
                .map(|(first, frame)| Ok((*first, frame.clone())))
                .collect()
        };
        Box::new(frames.into_iter())
    }

    fn cut(&self, first: Offset) -> Result<(), String> {
        self.frames.write().remove(&first);
        Ok(())
    }
}
