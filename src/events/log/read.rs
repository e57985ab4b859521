//! Reading: recent events from memory, older ones from their frames, checked at each read.

use std::{ops::ControlFlow, sync::Arc};

use super::{
    LeafHash, PAGE_EVENTS_MAX, ReadError,
    frame::{self, Frame, FrameError},
    writer::Shared,
};
use crate::events::{
    codec::{DecodeError, Record},
    ids::{GatheringId, Offset},
    recorded::Recorded,
    time::Timestamp,
};

type Page = Vec<Arc<Recorded>>;

impl Shared {
    pub(super) fn head(&self) -> Offset {
        *self.head.borrow()
    }

    pub(super) fn read(&self, after: Offset, limit: usize) -> Result<Page, ReadError> {
        let head = self.head();
        let limit = limit.min(PAGE_EVENTS_MAX);
        let mut page = Page::new();
        let mut next = after.saturating_add(1);
        while next <= head && page.len() < limit {
            if self.recent.read(next, head, limit, &mut page) {
                break;
            }
            next = self.read_frame(next, &mut |record| {
                page.push(Arc::new(record.decode()?));
                Ok(go_on(page.len() < limit))
            })?;
        }
        Ok(page)
    }

    pub(super) fn read_gathering(
        &self,
        gathering: GatheringId,
        after: Offset,
        up_to: Offset,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let limit = limit.min(PAGE_EVENTS_MAX);
        let mut page = Page::new();
        let from = after.saturating_add(1);
        let (last, firsts) = {
            let index = self.index.read();
            let last = index.last_offset_of(gathering).min(self.head()).min(up_to);
            if last < from || limit == 0 {
                return Ok(page);
            }
            if self
                .recent
                .read_gathering(gathering, from, last, limit, &mut page)
            {
                return Ok(page);
            }
            // Every frame but the first holds an event that is wanted.
            (last, index.frames_from(gathering, from, limit + 1))
        };
        for first in firsts {
            let from = from.max(first);
            if from > last || page.len() >= limit {
                break;
            }
            if self
                .recent
                .read_gathering(gathering, from, last, limit, &mut page)
            {
                break;
            }
            self.read_frame_of(first, from, &mut |record| {
                if record.offset() > last {
                    return Ok(ControlFlow::Break(()));
                }
                if record.gathering() == gathering {
                    page.push(Arc::new(record.decode()?));
                }
                Ok(go_on(page.len() < limit))
            })?;
        }
        Ok(page)
    }

    pub(super) fn get(&self, offset: Offset) -> Result<Option<Arc<Recorded>>, ReadError> {
        match offset.checked_sub(1) {
            Some(after) => Ok(self.read(after, 1)?.pop()),
            None => Ok(None),
        }
    }

    pub(super) fn offset_at(&self, moment: Timestamp) -> Result<Offset, ReadError> {
        let (mut at_or_before, mut after) = (0, self.head() + 1);
        while at_or_before + 1 < after {
            let middle = at_or_before.midpoint(after);
            match self.get(middle)? {
                Some(recorded) if recorded.recorded_at <= moment => at_or_before = middle,
                Some(_) | None => after = middle,
            }
        }
        Ok(at_or_before)
    }

    /// The hashes of the records after `after`, at most `limit`.
    pub(super) fn leaves(&self, after: Offset, limit: usize) -> Result<Vec<LeafHash>, ReadError> {
        let head = self.head();
        let mut leaves = Vec::new();
        let mut next = after.saturating_add(1);
        while next <= head && leaves.len() < limit {
            next = self.read_frame(next, &mut |record| {
                leaves.push(frame::leaf_hash(record.bytes()));
                Ok(go_on(leaves.len() < limit))
            })?;
        }
        Ok(leaves)
    }

    /// The bytes of a durable record.
    pub(super) fn record(&self, offset: Offset) -> Result<Option<Vec<u8>>, ReadError> {
        if offset == 0 || offset > self.head() {
            return Ok(None);
        }
        let mut bytes = None;
        self.read_frame(offset, &mut |record| {
            bytes = Some(record.bytes().to_vec());
            Ok(ControlFlow::Break(()))
        })?;
        Ok(bytes)
    }

    /// Shows the records from `from` on in the frame that holds it; gives the offset after the frame.
    fn read_frame(&self, from: Offset, show: Show<'_>) -> Result<Offset, ReadError> {
        let after = self.read_frame_of(from, from, show)?;
        if after > from {
            Ok(after)
        } else {
            let detail = "no frame holds it".to_owned();
            Err(ReadError::Damaged {
                offset: from,
                detail,
            })
        }
    }

    /// The same in the frame that starts at or last before `place`.
    fn read_frame_of(
        &self,
        place: Offset,
        from: Offset,
        show: Show<'_>,
    ) -> Result<Offset, ReadError> {
        let damaged = |offset: Offset, detail: String| ReadError::Damaged { offset, detail };
        let store = self.store.read().clone();
        let store = store.ok_or_else(|| ReadError::Store("the log is closed".to_owned()))?;
        let (first, bytes) = store
            .frame_at(place)
            .map_err(ReadError::Store)?
            .ok_or_else(|| damaged(from, "no frame holds it".to_owned()))?;
        let frame = Frame::parse(&bytes).map_err(|error| damaged(first, error.to_string()))?;
        if frame.first != first {
            return Err(damaged(first, "another frame is in its place".to_owned()));
        }
        let mut at = first;
        for record in frame.records() {
            let step = record.and_then(|record| {
                at = record.offset();
                if at < from {
                    Ok(ControlFlow::Continue(()))
                } else {
                    show(record)
                }
            });
            match step {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(error) => return Err(damaged(at, error.to_string())),
            }
        }
        Ok(frame.last() + 1)
    }
}

/// Takes a record; says whether to go on.
type Show<'a> = &'a mut dyn FnMut(Record<'_>) -> Result<ControlFlow<()>, DecodeError>;

fn go_on(more: bool) -> ControlFlow<()> {
    if more {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged(what) => f.write_str(what),
            Self::Newer(format) => write!(f, "the frame has format {format}, which is newer"),
        }
    }
}
