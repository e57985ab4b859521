//! Somebody who holds the data directory and knows this code: changes a record, or takes the log's end,
//! and repairs every checksum, the chain and the witness behind it. For tests of what still finds it.

use std::{fs::File, path::Path};

use super::{
    frame::{self, Frame, GENESIS},
    sled_store::SledStore,
    store::FrameStore as _,
    witness::{self, Found, Witness},
};
use crate::events::ids::Offset;

/// Puts `to` in the place of `from`, of the same length, in the record at `offset`.
pub(crate) fn rewrite(data_dir: &Path, offset: Offset, from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let mut changed = false;
    forge(data_dir, &mut |bytes| {
        let frame = Frame::parse(bytes).unwrap();
        let record = frame.records().map(Result::unwrap);
        let mut record = record.skip_while(|record| record.offset() < offset);
        let Some(record) = record.next().filter(|record| record.offset() == offset) else {
            return true;
        };
        let within = record.bytes();
        let start = within.as_ptr() as usize - bytes.as_ptr() as usize;
        let mut places = within.windows(from.len());
        let at = start + places.position(|part| part == from).expect("it is there");
        bytes[at..at + to.len()].copy_from_slice(to);
        changed = true;
        true
    });
    assert!(changed, "there is a record at {offset}");
}

/// Takes away the frames that end behind `offset`; gives where the log then ends.
pub(crate) fn cut(data_dir: &Path, offset: Offset) -> Offset {
    forge(data_dir, &mut |bytes| {
        Frame::parse(bytes).unwrap().last() <= offset
    })
}

/// Shows every frame; those for which the answer is false go.
fn forge(data_dir: &Path, change: &mut dyn FnMut(&mut Vec<u8>) -> bool) -> Offset {
    let lock = File::options()
        .write(true)
        .open(data_dir.join("doorbook.lock"))
        .unwrap();
    lock.try_lock().unwrap();
    let store = SledStore::open(&data_dir.join("log"), lock, &mut Vec::new()).unwrap();
    let frames: Vec<_> = store.frames().map(Result::unwrap).collect();
    let (mut chain, mut head) = (GENESIS, 0);
    for (first, bytes) in frames {
        let mut bytes = bytes.to_vec();
        if !change(&mut bytes) {
            store.cut(first).unwrap();
            continue;
        }
        let events = usize::from(u16::from_le_bytes([bytes[6], bytes[7]]));
        frame::seal(first, events, &chain, &mut bytes);
        store.commit(first, &bytes).unwrap();
        chain = frame::chain_hash(&bytes);
        head = first + events as Offset - 1;
    }
    let path = data_dir.join("witness");
    let Found::Stamp(stamp, _) = witness::read(&path).unwrap() else {
        panic!("a witness")
    };
    // A witness never goes back, so the forger makes another one.
    let mut witness = Witness::create(&path, stamp.epoch).unwrap();
    witness.stamp(head, chain).unwrap();
    witness.stamp(head, chain).unwrap();
    head
}
