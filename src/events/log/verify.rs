//! Proving the log whole, while it serves: everything read, decoded and checked again.

use std::path::Path;

use super::{
    OpenError,
    scan::{Depth, Scan, Scanned, damaged},
    witness,
    writer::Shared,
};
use crate::events::ids::Offset;

/// What was found whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    pub events: u64,
    pub frames: u64,
    pub gatherings: usize,
    /// The witness agrees up to here (0: a log in memory has none).
    pub witnessed: Offset,
    /// SHA-256 over the last frame, which holds that of the frame before, and so on: hexadecimal.
    pub chain: String,
}

pub(super) fn verify(
    shared: &Shared,
    witness_path: Option<&Path>,
    progress: &mut dyn FnMut(Offset),
) -> Result<VerifyReport, OpenError> {
    // Before the frames, so that it cannot be ahead of what is read.
    let found = witness_path
        .map(|path| witness::read(path).map_err(|error| OpenError::io(path, error)))
        .transpose()?;
    let stamp = found.as_ref().and_then(|found| found.stamp());
    if found.is_some() && stamp.is_none() {
        return Err(damaged(1, "the file `witness` is missing or damaged"));
    }
    let head = shared.head();
    let store = shared.store.read().clone();
    let store = store.ok_or_else(|| OpenError::Store("the log is closed".to_owned()))?;
    let Scanned { scan, torn } = Scan::run(&*store, stamp, Depth::Everything, progress)?;
    if torn.is_some() || scan.head < head {
        return Err(damaged(scan.head + 1, "it is missing or damaged"));
    }
    Ok(VerifyReport {
        events: scan.head,
        frames: scan.frames,
        gatherings: scan.index.gatherings().len(),
        witnessed: stamp.map_or(0, |stamp| stamp.offset),
        chain: hex::encode(scan.chain),
    })
}
