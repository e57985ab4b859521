//! Files that are there whole or not at all: written beside, and renamed.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// Most bytes of a file that wait for the disk at once.
const SYNC_STEP_BYTES: usize = 1024 * 1024;
/// What a file is called at its end until it is whole.
pub(super) const ASIDE: &str = ".aside";

/// Whole or not at all, even when the power goes: written beside, synced, renamed, directory synced.
pub(crate) fn write_aside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (aside, mut file) = create_aside(path)?;
    // Synced in steps, so that a large one does not hold up the log's own syncs for as long as it takes.
    let mut steps = bytes.chunks(SYNC_STEP_BYTES).peekable();
    while let Some(step) = steps.next() {
        file.write_all(step)?;
        if steps.peek().is_some() {
            file.sync_data()?;
        }
    }
    file.sync_all()?;
    fs::rename(&aside, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Whole or not at all, as long as the power stays on.
pub(super) fn write_unsynced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (aside, mut file) = create_aside(path)?;
    file.write_all(bytes)?;
    fs::rename(&aside, path)
}

fn create_aside(path: &Path) -> io::Result<(OsString, File)> {
    // The whole name: files that differ in their last part only are written at the same time.
    let mut aside = OsString::from(path);
    aside.push(ASIDE);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)?;
    Ok((aside, file))
}

/// Makes names that were created, renamed or removed in `dir` outlive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
