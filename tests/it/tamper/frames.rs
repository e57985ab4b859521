//! The log's frames in the hands of somebody who knows the format (its tables are in `frame`, `codec`
//! and `witness`): taken out of sled, changed, chained and witnessed again, put back.

use std::{fs, ops::RangeInclusive, path::Path};

use sha2::{Digest, Sha256};

const SEGMENT_BYTES: usize = 8 * 1024 * 1024;
const HEADER_BYTES: usize = 56;
/// In a record.
const OFFSET_AT: usize = 12;
const RECORDED_AT: usize = 52;
/// In a witness's slot.
pub(super) const SLOT_BYTES: usize = 4096;
pub(super) const STAMP_BYTES: usize = 74;

/// All records, and which of them lie in a frame together.
pub(super) struct Frames {
    db: sled::Db,
    pub(super) frames: Vec<Vec<Vec<u8>>>,
    /// Keys there were.
    keys: Vec<u64>,
}

impl Frames {
    pub(super) fn open(dir: &Path) -> Self {
        let config = sled::Config::new()
            .path(dir.join("log"))
            .segment_size(SEGMENT_BYTES);
        let db: sled::Db = config.open().unwrap();
        let (mut frames, mut keys) = (Vec::new(), Vec::new());
        for entry in db.iter() {
            let (key, frame) = entry.unwrap();
            keys.push(u64::from_be_bytes(key.as_ref().try_into().unwrap()));
            frames.push(records(&frame[HEADER_BYTES..]));
        }
        assert!(frames.len() > 20, "only {} frames", frames.len());
        Self { db, frames, keys }
    }

    /// The offsets in one frame.
    pub(super) fn offsets(&self, frame: usize) -> RangeInclusive<u64> {
        let first = self.keys[frame];
        first..=first + self.frames[frame].len() as u64 - 1
    }

    pub(super) fn head(&self) -> u64 {
        self.frames.iter().map(|frame| frame.len() as u64).sum()
    }

    /// Lays every frame anew, with offsets without gaps, checksums and the chain, and witnesses the
    /// last. Whatever is left out was never there.
    pub(super) fn put_back(mut self, dir: &Path) {
        for key in &self.keys {
            self.db.remove(key.to_be_bytes()).unwrap();
        }
        let (mut next, mut chain) = (1_u64, [0_u8; 32]);
        for records in &mut self.frames {
            let first = next;
            for record in records.iter_mut() {
                record[OFFSET_AT..OFFSET_AT + 8].copy_from_slice(&next.to_le_bytes());
                next += 1;
            }
            let frame = seal(first, records, &chain);
            chain = Sha256::digest(&frame).into();
            self.db.insert(first.to_be_bytes(), frame).unwrap();
        }
        self.db.flush().unwrap();
        drop(self);
        witness(&dir.join("witness"), next - 1, &chain);
    }
}

/// The time of recording is not part of what changes places, or it would give itself away.
pub(super) fn swap_but_for_time(one: &mut Vec<u8>, other: &mut Vec<u8>) {
    std::mem::swap(one, other);
    for at in RECORDED_AT..RECORDED_AT + 8 {
        let (here, there) = (one[at], other[at]);
        (one[at], other[at]) = (there, here);
    }
}

fn records(mut body: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while let Some(length) = body.first_chunk::<4>() {
        let (record, rest) = body.split_at(u32::from_le_bytes(*length) as usize);
        records.push(record.to_vec());
        body = rest;
    }
    records
}

fn seal(first: u64, records: &[Vec<u8>], previous: &[u8; 32]) -> Vec<u8> {
    let body = records.concat();
    let mut frame = vec![0; HEADER_BYTES];
    frame[0..4].copy_from_slice(b"DBFR");
    frame[4..6].copy_from_slice(&1_u16.to_le_bytes());
    frame[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_le_bytes());
    frame[12..16].copy_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
    frame[16..24].copy_from_slice(&first.to_le_bytes());
    frame[24..56].copy_from_slice(previous);
    frame.extend_from_slice(&body);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&frame[..8]), &frame[12..]);
    frame[8..12].copy_from_slice(&crc.to_le_bytes());
    frame
}

/// Both slots say the same, each with a sequence of its own.
fn witness(path: &Path, offset: u64, chain: &[u8; 32]) {
    let mut bytes = fs::read(path).unwrap();
    for slot in bytes.chunks_mut(SLOT_BYTES) {
        slot[22..30].copy_from_slice(&offset.to_le_bytes());
        slot[30..62].copy_from_slice(chain);
        let crc = crc32c::crc32c(&slot[..STAMP_BYTES - 4]);
        slot[STAMP_BYTES - 4..STAMP_BYTES].copy_from_slice(&crc.to_le_bytes());
    }
    fs::write(path, bytes).unwrap();
}
