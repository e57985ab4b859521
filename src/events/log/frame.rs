//! A commit frame: the events of one group commit, checked and chained.
//!
//! | at | bytes | |
//! |---|---|---|
//! | 0 | 4 | `DBFR` |
//! | 4 | 2 | format: 1 |
//! | 6 | 2 | number of events |
//! | 8 | 4 | CRC32C of everything before and after this field |
//! | 12 | 4 | length of the records |
//! | 16 | 8 | first offset |
//! | 24 | 32 | SHA-256 of the frame before, whole; zeros in the first |
//! | 56 | | records of [`crate::events::codec`], in order |
//!
//! Integers are little endian. Magic, format and CRC stay where they are in every later format, so
//! that a newer frame can be told from a damaged one.

use sha2::{Digest, Sha256};

use crate::events::{
    codec::{DecodeError, Record, field},
    ids::Offset,
};

pub(super) const HEADER_BYTES: usize = 56;
pub(super) const FORMAT: u16 = 1;
const MAGIC: [u8; 4] = *b"DBFR";

/// SHA-256 of a whole frame, which holds the hash of the one before: so it stands for all of them.
pub(super) type ChainHash = [u8; 32];

pub type LeafHash = [u8; 32];

/// What the first frame has for the frame before.
pub(super) const GENESIS: ChainHash = [0; 32];

pub(super) fn chain_hash(frame: &[u8]) -> ChainHash {
    Sha256::digest(frame).into()
}

/// What stands for a record in the Merkle tree over the log: the leaf hash of RFC 6962, section 2.1,
/// over the record's bytes as they are in the frame. Sealed parts are hashed sealed.
#[must_use]
pub fn leaf_hash(record: &[u8]) -> LeafHash {
    Sha256::new_with_prefix([0])
        .chain_update(record)
        .finalize()
        .into()
}

/// Lays the header in front of the records, in the [`HEADER_BYTES`] left free for it.
pub(super) fn seal(first: Offset, events: usize, previous: &ChainHash, frame: &mut [u8]) {
    debug_assert!(frame.len() > HEADER_BYTES && events > 0);
    // Both are bounded by the frame's limits.
    let events = u16::try_from(events).unwrap_or(u16::MAX);
    let body = u32::try_from(frame.len() - HEADER_BYTES).unwrap_or(u32::MAX);
    frame[0..4].copy_from_slice(&MAGIC);
    frame[4..6].copy_from_slice(&FORMAT.to_le_bytes());
    frame[6..8].copy_from_slice(&events.to_le_bytes());
    frame[12..16].copy_from_slice(&body.to_le_bytes());
    frame[16..24].copy_from_slice(&first.to_le_bytes());
    frame[24..56].copy_from_slice(previous);
    let crc = checksum(frame);
    frame[8..12].copy_from_slice(&crc.to_le_bytes());
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FrameError {
    Damaged(&'static str),
    Newer(u16),
}

/// A frame whose checksum is right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) first: Offset,
    pub(super) events: u16,
    pub(super) previous: ChainHash,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let (header, body) = bytes
            .split_at_checked(HEADER_BYTES)
            .ok_or(FrameError::Damaged("the frame is cut short"))?;
        if header[0..4] != MAGIC {
            return Err(FrameError::Damaged("the frame does not begin as one"));
        }
        if u32::from_le_bytes(field(header, 8)) != checksum(bytes) {
            return Err(FrameError::Damaged("the frame's checksum is wrong"));
        }
        let format = u16::from_le_bytes(field(header, 4));
        if format != FORMAT {
            return Err(FrameError::Newer(format));
        }
        let frame = Self {
            first: Offset::from_le_bytes(field(header, 16)),
            events: u16::from_le_bytes(field(header, 6)),
            previous: field(header, 24),
            body,
        };
        let length = u32::from_le_bytes(field(header, 12)) as usize;
        if length != body.len() || frame.events == 0 || frame.first == 0 {
            return Err(FrameError::Damaged("the frame's numbers do not agree"));
        }
        Ok(frame)
    }

    pub(super) fn last(&self) -> Offset {
        self.first.saturating_add(u64::from(self.events) - 1)
    }

    /// The records in order; an error ends them. Offsets are checked to have no gap.
    pub(super) fn records(&self) -> Records<'a> {
        Records {
            next: self.first,
            left: self.events,
            rest: self.body,
        }
    }
}

#[derive(Debug)]
pub(super) struct Records<'a> {
    next: Offset,
    left: u16,
    rest: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            // Paired with `seal`: what was written ends with the last record.
            let over = !std::mem::take(&mut self.rest).is_empty();
            return over.then_some(Err(DecodeError::Length));
        }
        let split = Record::split_first(self.rest).and_then(|(record, rest)| {
            if record.offset() == self.next {
                Ok((record, rest))
            } else {
                Err(DecodeError::Value("record's offset"))
            }
        });
        match split {
            Ok((record, rest)) => {
                self.rest = rest;
                self.next += 1;
                self.left -= 1;
                Some(Ok(record))
            }
            Err(error) => {
                self.rest = &[];
                self.left = 0;
                Some(Err(error))
            }
        }
    }
}

fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..8]), &frame[12..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_changed_bit_is_noticed_wherever_it_is() {
        let mut frame = vec![7; HEADER_BYTES + 40];
        seal(12, 3, &[9; 32], &mut frame);
        let parsed = Frame::parse(&frame).unwrap();
        assert_eq!((parsed.first, parsed.last()), (12, 14));
        assert_eq!(parsed.previous, [9; 32]);
        for bit in 0..frame.len() * 8 {
            frame[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::parse(&frame).is_err(), "bit {bit}");
            frame[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let mut frame = vec![7; HEADER_BYTES + 40];
        seal(1, 1, &GENESIS, &mut frame);
        frame[4] = 2;
        assert!(matches!(Frame::parse(&frame), Err(FrameError::Damaged(_))));
        let crc = checksum(&frame);
        frame[8..12].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Frame::parse(&frame).unwrap_err(), FrameError::Newer(2));
    }

    proptest! {
        #[test]
        fn any_bytes_with_a_right_checksum_are_records_or_an_error(
            body in proptest::collection::vec(any::<u8>(), 1..300), events in 1_usize..5
        ) {
            let mut frame = vec![0; HEADER_BYTES];
            frame.extend_from_slice(&body);
            seal(1, events, &GENESIS, &mut frame);
            let parsed = Frame::parse(&frame).unwrap();
            prop_assert!(parsed.records().any(|record| record.is_err()));
        }
    }
}
