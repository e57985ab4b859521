//! Ascending offsets in little room: differences of a byte or two each, with a mark every so often
//! from which reading can start. And what several such lists have in common.
//!
//! Which list stands for what is in `history`.

use serde::{Deserialize, Serialize};

use crate::events::ids::Offset;

/// Offsets between two marks: as many are read at most to find a place in a list.
const BLOCK_ENTRIES: u64 = 128;

/// A list that only grows at its end.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Postings {
    /// Each offset as its distance from the one before, seven bits a byte, the lowest first.
    distances: Vec<u8>,
    /// For every block: the offset before it, and where it begins.
    marks: Vec<(Offset, u32)>,
    last: Offset,
    entries: u64,
}

impl Postings {
    /// Takes in an offset above all before it; any other is there already.
    pub(super) fn push(&mut self, offset: Offset) {
        let Some(mut distance) = offset.checked_sub(self.last).filter(|far| *far > 0) else {
            return;
        };
        if self.entries.is_multiple_of(BLOCK_ENTRIES) {
            let begins = u32::try_from(self.distances.len()).unwrap_or(u32::MAX);
            self.marks.push((self.last, begins));
        }
        while distance >= 0x80 {
            self.distances.push(distance.to_le_bytes()[0] | 0x80);
            distance >>= 7;
        }
        self.distances.push(distance.to_le_bytes()[0]);
        self.last = offset;
        self.entries += 1;
    }
}

impl Postings {
    fn block(&self, number: usize) -> Vec<Offset> {
        let mut offsets = Vec::new();
        let Some((mut read, begins)) = self.marks.get(number).copied() else {
            return offsets;
        };
        let mut at = begins as usize;
        while (offsets.len() as u64) < BLOCK_ENTRIES
            && let Some((distance, next)) = distance(&self.distances, at)
        {
            read = read.saturating_add(distance);
            at = next;
            offsets.push(read);
        }
        offsets
    }
}

/// A list on the way from its front to its end.
pub(super) enum Walk<'a> {
    Plain(&'a [Offset]),
    Packed {
        list: &'a Postings,
        at: usize,
        /// The last offset that was read; 0 before the first.
        read: Offset,
    },
}

impl<'a> Walk<'a> {
    pub(super) const fn over(list: &'a Postings) -> Self {
        Self::Packed {
            list,
            at: 0,
            read: 0,
        }
    }

    /// The first offset at or after `least`, which never goes back.
    fn seek(&mut self, least: Offset) -> Option<Offset> {
        match self {
            Self::Plain(rest) => {
                *rest = rest.get(rest.partition_point(|offset| *offset < least)..)?;
                rest.first().copied()
            }
            Self::Packed { list, at, read } => {
                if *read > 0 && *read >= least {
                    return Some(*read);
                }
                // The last block that begins before `least`, if it is ahead.
                let blocks = list.marks.partition_point(|(before, _)| *before < least);
                if let Some((before, begins)) =
                    blocks.checked_sub(1).and_then(|last| list.marks.get(last))
                    && *begins as usize > *at
                {
                    (*at, *read) = (*begins as usize, *before);
                }
                while *read < least || *read == 0 {
                    let (distance, next) = distance(&list.distances, *at)?;
                    *read = read.saturating_add(distance);
                    *at = next;
                }
                Some(*read)
            }
        }
    }
}

/// A list on the way from its end to its front.
pub(super) enum Back<'a> {
    Plain(&'a [Offset]),
    Packed {
        list: &'a Postings,
        /// The block that is read, and what is left of it; none before the first.
        block: Option<usize>,
        left: Vec<Offset>,
    },
}

impl<'a> Back<'a> {
    pub(super) const fn over(list: &'a Postings) -> Self {
        Self::Packed {
            list,
            block: None,
            left: Vec::new(),
        }
    }

    /// The last offset at or before `most`, which never goes up.
    fn seek(&mut self, mut most: Offset) -> Option<Offset> {
        match self {
            Self::Plain(rest) => {
                *rest = rest.get(..rest.partition_point(|offset| *offset <= most))?;
                rest.last().copied()
            }
            Self::Packed { list, block, left } => loop {
                let blocks = list.marks.partition_point(|(before, _)| *before < most);
                let number = blocks.checked_sub(1)?;
                if *block != Some(number) {
                    *left = list.block(number);
                    *block = Some(number);
                }
                while left.pop_if(|offset| *offset > most).is_some() {}
                if let Some(offset) = left.last() {
                    return Some(*offset);
                }
                // What is wanted ends the block before; whatever the marks are, the loop goes down.
                let (before, _) = *list.marks.get(number)?;
                if before >= most {
                    return None;
                }
                most = before;
            },
        }
    }
}

/// The distance that begins at a place, and where the next one does. Total, whatever the bytes.
fn distance(bytes: &[u8], mut at: usize) -> Option<(Offset, usize)> {
    let mut distance = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(at)?;
        at += 1;
        distance |= Offset::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return (distance > 0).then_some((distance, at));
        }
    }
    None
}

/// The offsets after `after` and up to `end` that are in every list, at most `limit`, ascending.
pub(super) fn common(
    mut lists: Vec<Walk<'_>>,
    after: Offset,
    end: Offset,
    limit: usize,
) -> Vec<Offset> {
    let mut found = Vec::new();
    let mut candidate = after.saturating_add(1);
    while !lists.is_empty() && found.len() < limit {
        let mut agreed = true;
        for list in &mut lists {
            match list.seek(candidate) {
                Some(offset) if offset <= end => {
                    agreed &= offset == candidate;
                    candidate = offset;
                }
                Some(_) | None => return found,
            }
        }
        // Each list was asked for what the one before it gave: all of them agree when none moved on.
        if agreed {
            found.push(candidate);
            candidate = candidate.saturating_add(1);
        }
    }
    found
}

/// The same from the end: the last of them, descending.
pub(super) fn common_back(
    mut lists: Vec<Back<'_>>,
    after: Offset,
    end: Offset,
    limit: usize,
) -> Vec<Offset> {
    let mut found = Vec::new();
    let mut candidate = end;
    while !lists.is_empty() && found.len() < limit {
        let mut agreed = true;
        for list in &mut lists {
            match list.seek(candidate) {
                Some(offset) if offset > after => {
                    agreed &= offset == candidate;
                    candidate = offset;
                }
                Some(_) | None => return found,
            }
        }
        if agreed {
            found.push(candidate);
            candidate = candidate.saturating_sub(1);
        }
    }
    found
}

/// The last offsets after `after` and up to `end` that are in any list, at most `limit`, descending.
pub(super) fn any_back(
    mut lists: Vec<Back<'_>>,
    after: Offset,
    mut end: Offset,
    limit: usize,
) -> Vec<Offset> {
    let mut found = Vec::new();
    while found.len() < limit {
        let last = lists.iter_mut().filter_map(|list| list.seek(end)).max();
        let Some(last) = last.filter(|last| *last > after) else {
            return found;
        };
        found.push(last);
        end = last.saturating_sub(1);
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn packed(offsets: &[Offset]) -> Postings {
        let mut list = Postings::default();
        offsets.iter().for_each(|offset| list.push(*offset));
        list
    }

    fn ascending() -> impl Strategy<Value = Vec<Offset>> {
        let near = proptest::collection::btree_set(1..2_000_u64, 0..700);
        let far =
            proptest::collection::btree_set(any::<u32>().prop_map(|far| u64::from(far) + 1), 0..9);
        (near, far).prop_map(|(near, far)| near.union(&far).copied().collect())
    }

    proptest! {
        #[test]
        fn what_lists_have_in_common_is_what_a_filter_finds(
            one in ascending(), two in ascending(), three in ascending(),
            after in 0..2_100_u64, end in 0..5_000_u64, limit in 0..900_usize,
        ) {
            let naive: Vec<Offset> = one.iter().copied()
                .filter(|offset| *offset > after && *offset <= end)
                .filter(|offset| two.contains(offset) && three.contains(offset))
                .take(limit)
                .collect();
            let (first, second) = (packed(&one), packed(&two));
            let lists = vec![Walk::over(&first), Walk::over(&second), Walk::Plain(&three)];
            prop_assert_eq!(common(lists, after, end, limit), naive);
            let all = common(vec![Walk::over(&first)], 0, Offset::MAX, usize::MAX);
            prop_assert_eq!(all, one);
        }

        #[test]
        fn from_the_end_it_is_the_same_the_other_way_round(
            one in ascending(), two in ascending(), three in ascending(),
            after in 0..2_100_u64, end in 0..5_000_u64, limit in 0..900_usize,
        ) {
            let between = |offset: &Offset| *offset > after && *offset <= end;
            let all: BTreeSet<Offset> = [&one, &two, &three].into_iter().flatten().copied().collect();
            let any: Vec<Offset> = all.iter().rev().copied().filter(between).take(limit).collect();
            let in_all = |offset: &Offset| [&one, &two, &three].iter().all(|list| list.contains(offset));
            let every: Vec<Offset> =
                all.iter().rev().copied().filter(between).filter(in_all).take(limit).collect();
            let (first, second) = (packed(&one), packed(&two));
            let lists = || vec![Back::over(&first), Back::over(&second), Back::Plain(&three)];
            prop_assert_eq!(any_back(lists(), after, end, limit), any);
            prop_assert_eq!(common_back(lists(), after, end, limit), every);
        }

        #[test]
        fn any_bytes_are_a_list_or_its_end(
            distances in proptest::collection::vec(any::<u8>(), 0..64),
            marks in proptest::collection::vec((any::<u64>(), any::<u32>()), 0..3),
        ) {
            let list = Postings { distances, marks, last: 9, entries: 1 };
            prop_assert!(common(vec![Walk::over(&list)], 0, Offset::MAX, 100).len() <= 100);
            prop_assert!(common_back(vec![Back::over(&list)], 0, Offset::MAX, 100).len() <= 100);
        }
    }

    #[test]
    fn a_million_neighbours_take_a_million_bytes_and_a_few_marks() {
        let list = packed(&(1..=1_000_000).collect::<Vec<_>>());
        assert_eq!(list.distances.len(), 1_000_000);
        assert!(list.marks.len() * size_of::<(Offset, u32)>() < 150_000);
    }
}
