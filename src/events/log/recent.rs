//! The newest durable events, decoded, so that followers near the head never touch the disk.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::RwLock;

use crate::events::{
    ids::{GatheringId, Offset},
    recorded::Recorded,
};

/// Most events kept, and most bytes of them (as encoded; in memory about twice that).
const EVENTS_MAX: usize = 8_192;
const BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Recent {
    ring: RwLock<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<(Arc<Recorded>, usize)>,
    bytes: usize,
}

impl Recent {
    /// Takes in what has just become durable; each event with its encoded size.
    pub(super) fn extend(&self, events: impl Iterator<Item = (Arc<Recorded>, usize)>) {
        let mut ring = self.ring.write();
        for (event, bytes) in events {
            ring.bytes += bytes;
            ring.events.push_back((event, bytes));
        }
        while ring.events.len() > EVENTS_MAX || ring.bytes > BYTES_MAX {
            let Some((_, bytes)) = ring.events.pop_front() else {
                break;
            };
            ring.bytes -= bytes;
        }
    }

    /// Appends to `page` the events from `from` to `up_to` until it holds `limit`; false when
    /// `from` is older than what is kept (and then `page` is unchanged).
    pub(super) fn read(
        &self,
        from: Offset,
        up_to: Offset,
        limit: usize,
        page: &mut Vec<Arc<Recorded>>,
    ) -> bool {
        let ring = self.ring.read();
        let Some(skip) = ring.position(from) else {
            return false;
        };
        let wanted = ring.events.range(skip..).map(|(event, _)| event);
        page.extend(
            wanted
                .take_while(|event| event.offset <= up_to)
                .take(limit.saturating_sub(page.len()))
                .cloned(),
        );
        true
    }

    /// The same for the events of one gathering.
    pub(super) fn read_gathering(
        &self,
        gathering: GatheringId,
        from: Offset,
        up_to: Offset,
        limit: usize,
        page: &mut Vec<Arc<Recorded>>,
    ) -> bool {
        let ring = self.ring.read();
        let Some(skip) = ring.position(from) else {
            return false;
        };
        let wanted = ring.events.range(skip..).map(|(event, _)| event);
        page.extend(
            wanted
                .take_while(|event| event.offset <= up_to)
                .filter(|event| event.gathering == gathering)
                .take(limit.saturating_sub(page.len()))
                .cloned(),
        );
        true
    }
}

impl Ring {
    /// Where `from` stands, or would stand when it is the next to come.
    fn position(&self, from: Offset) -> Option<usize> {
        let (oldest, _) = self.events.front()?;
        let skip = usize::try_from(from.checked_sub(oldest.offset)?).ok()?;
        (skip <= self.events.len()).then_some(skip)
    }
}
