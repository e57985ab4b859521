//! Where a gathering's events are: for each gathering the frames that hold some, an entry a frame.
//!
//! Derived from the log when it opens, and kept up by the writer. Never on disk.

use std::collections::HashMap;

use crate::events::ids::{GatheringId, Offset};

#[derive(Debug, Default)]
pub(super) struct Index {
    numbers: HashMap<GatheringId, u32>,
    /// By number, so in the order they were created.
    gatherings: Vec<Frames>,
}

#[derive(Debug)]
struct Frames {
    gathering: GatheringId,
    /// First offsets of the frames that hold events of it, ascending.
    firsts: Vec<Offset>,
    last: Offset,
}

impl Index {
    /// Notes that the event at `offset`, in the frame that starts at `first`, is of `gathering`.
    /// Offsets come in order.
    pub(super) fn note(&mut self, gathering: GatheringId, first: Offset, offset: Offset) {
        let number = *self.numbers.entry(gathering).or_insert_with(|| {
            self.gatherings.push(Frames {
                gathering,
                firsts: Vec::new(),
                last: 0,
            });
            u32::try_from(self.gatherings.len() - 1).unwrap_or(u32::MAX)
        });
        let Some(frames) = self.gatherings.get_mut(number as usize) else {
            return;
        };
        if frames.firsts.last() != Some(&first) {
            frames.firsts.push(first);
        }
        frames.last = offset;
    }

    /// Without the house, which is none.
    pub(super) fn gatherings(&self) -> Vec<GatheringId> {
        let all = self.gatherings.iter().map(|of| of.gathering);
        all.filter(|gathering| !gathering.is_house()).collect()
    }

    /// 0 when the gathering has no events.
    pub(super) fn last_offset_of(&self, gathering: GatheringId) -> Offset {
        self.frames(gathering).map_or(0, |frames| frames.last)
    }

    /// First offsets of frames that may hold events of the gathering at `from` or later, at most
    /// `limit` of them.
    pub(super) fn frames_from(
        &self,
        gathering: GatheringId,
        from: Offset,
        limit: usize,
    ) -> Vec<Offset> {
        let Some(frames) = self.frames(gathering) else {
            return Vec::new();
        };
        // `from` may lie inside the last frame that starts before it.
        let after = frames.firsts.partition_point(|first| *first <= from);
        frames
            .firsts
            .iter()
            .skip(after.saturating_sub(1))
            .take(limit)
            .copied()
            .collect()
    }

    fn frames(&self, gathering: GatheringId) -> Option<&Frames> {
        self.gatherings.get(*self.numbers.get(&gathering)? as usize)
    }
}
