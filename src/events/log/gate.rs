//! A disk for tests whose every sync waits for the test's word, so that what is queued stays queued.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::{Condvar, Mutex};

use super::{
    Log, open,
    store::{FrameStore, MemoryStore},
};
use crate::events::ids::Offset;

#[derive(Debug, Default)]
pub(crate) struct Gate {
    disk: MemoryStore,
    words: Mutex<VecDeque<Result<(), String>>>,
    said: Condvar,
}

impl Gate {
    pub(crate) fn log(self: &Arc<Self>) -> Log {
        open::over(self.clone()).unwrap()
    }

    /// How one more sync ends.
    pub(crate) fn say(&self, word: Result<(), String>) {
        self.words.lock().push_back(word);
        self.said.notify_all();
    }
}

impl FrameStore for Gate {
    fn commit(&self, first: Offset, frame: &[u8]) -> Result<(), String> {
        let mut words = self.words.lock();
        let word = loop {
            match words.pop_front() {
                Some(word) => break word,
                None => self.said.wait(&mut words),
            }
        };
        drop(words);
        self.disk.commit(first, frame)?;
        word
    }

    fn frame_at(&self, offset: Offset) -> Result<Option<(Offset, bytes::Bytes)>, String> {
        self.disk.frame_at(offset)
    }

    fn frames(&self) -> Box<dyn Iterator<Item = Result<(Offset, bytes::Bytes), String>> + '_> {
        self.disk.frames()
    }

    fn cut(&self, first: Offset) -> Result<(), String> {
        self.disk.cut(first)
    }
}
