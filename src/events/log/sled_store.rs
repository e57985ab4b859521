//! Frames in sled: key the first offset, big endian; value the frame.
//!
//! sled 0.34 is used for as little as it does well: ordered keys, one writer, single inserts. What
//! it does not do is done around it: its `flush` is not a sync, so the data file is synced through
//! a descriptor of our own; it takes half-written snapshot files for whole ones, so they go before
//! it opens; it drops what lies behind a flipped bit without a word, so frames are chained and
//! checked against the witness; it may panic on damaged files, so panics are caught. Never used
//! here: `Batch`, `transaction`, `flush_async`, `watch_prefix`, `generate_id`.

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::store::FrameStore;
use crate::events::{ids::Offset, snapshot::sync_dir};

/// Larger than sled's default, so that a frame of 64 KiB stays inside a segment: values over a
/// quarter of a segment's page go to files that sled never syncs.
const SEGMENT_BYTES: usize = 8 * 1024 * 1024;
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// How often a page that has been read is read again, see [`SledStore::let_cache_evict`].
const TOUCHES: usize = 3;
/// sled's threads may hold its file for a moment after the last handle is gone.
const LET_GO_MAX: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct SledStore {
    db: sled::Db,
    /// The file that `db` appends to, opened a second time to be synced.
    data: File,
    /// The data directory's. Last, so that it is let go when sled is gone.
    _lock: File,
}

/// Why sled does not open.
#[derive(Debug)]
pub(super) enum StoreFailure {
    Io(io::Error),
    /// Its snapshot may be what is damaged: worth another try without it.
    Damage(String),
}

impl From<io::Error> for StoreFailure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl SledStore {
    /// Opens or creates, and holds `lock` as long as it lives. Adds to `mended` what it had to put
    /// right.
    pub(super) fn open(
        dir: &Path,
        lock: File,
        mended: &mut Vec<String>,
    ) -> Result<Self, StoreFailure> {
        let created = !dir.join("db").exists();
        fs::create_dir_all(dir)?;
        remove_stale_snapshots(dir, mended)?;
        refuse_blobs(dir)?;
        let db = match open_sled(dir) {
            Err(StoreFailure::Damage(reason)) if !snapshot_files(dir)?.is_empty() => {
                move_snapshots_aside(dir, &reason, mended)?;
                open_sled(dir)?
            }
            opened => opened?,
        };
        if created {
            sync_tree(dir)?;
        }
        let data = File::open(dir.join("db"))?;
        Ok(Self {
            db,
            data,
            _lock: lock,
        })
    }

    /// sled looks for pages to evict only once 64 reads have gathered in one of the cache's 256
    /// shards, whatever the pages' size: a pass over the log would have all of it in memory, since
    /// it reads each page a few times only. Reading pages some more (1 µs each) bounds that to some
    /// 50 MB.
    fn let_cache_evict(&self, first: Offset) -> sled::Result<()> {
        for _ in 0..TOUCHES {
            self.db.contains_key(first.to_be_bytes())?;
        }
        Ok(())
    }
}

impl SledStore {
    /// Everything that was read is on the disk once this returns.
    pub(super) fn sync(&self) -> Result<(), String> {
        self.data.sync_all().map_err(|error| error.to_string())
    }

    /// Takes a frame in without making it durable; [`Self::settle`] does that for all of them.
    pub(super) fn load(&self, first: Offset, frame: &[u8]) -> Result<(), String> {
        caught(|| self.db.insert(first.to_be_bytes(), frame).map(drop))
    }

    pub(super) fn settle(&self) -> Result<(), String> {
        caught(|| self.db.flush().map(drop))?;
        self.sync()
    }
}

impl FrameStore for SledStore {
    fn commit(&self, first: Offset, frame: &[u8]) -> Result<(), String> {
        caught(|| {
            self.db.insert(first.to_be_bytes(), frame)?;
            self.db.flush()?;
            self.data.sync_data()?;
            Ok(())
        })
    }

    fn frame_at(&self, offset: Offset) -> Result<Option<(Offset, Bytes)>, String> {
        let key = offset.to_be_bytes();
        let exact = caught(|| {
            self.let_cache_evict(offset)?;
            self.db.get(key)
        })?;
        if let Some(frame) = exact {
            return Ok(Some((offset, Bytes::from_owner(frame))));
        }
        caught(|| self.db.range(..key).next_back().transpose())?
            .map(|(key, frame)| Ok((offset_of(&key)?, Bytes::from_owner(frame))))
            .transpose()
    }

    fn frames(&self) -> Box<dyn Iterator<Item = Result<(Offset, Bytes), String>> + '_> {
        let mut entries = self.db.iter();
        let mut failed = false;
        Box::new(std::iter::from_fn(move || {
            if failed {
                return None;
            }
            let entry =
                caught(|| entries.next().transpose())
                    .transpose()?
                    .and_then(|(key, frame)| {
                        let first = offset_of(&key)?;
                        caught(|| self.let_cache_evict(first))?;
                        Ok((first, Bytes::from_owner(frame)))
                    });
            failed = entry.is_err();
            Some(entry)
        }))
    }

    fn cut(&self, first: Offset) -> Result<(), String> {
        caught(|| {
            self.db.remove(first.to_be_bytes())?;
            self.db.flush()?;
            self.data.sync_data()?;
            Ok(())
        })
    }
}

fn open_sled(dir: &Path) -> Result<sled::Db, StoreFailure> {
    let config = sled::Config::new()
        .path(dir)
        .segment_size(SEGMENT_BYTES)
        .cache_capacity(CACHE_BYTES);
    let give_up = Instant::now() + LET_GO_MAX;
    loop {
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(sled::Error::Io(error))) if is_locked(&error) && Instant::now() < give_up => {
                thread::sleep(Duration::from_millis(5));
            }
            Ok(Err(sled::Error::Io(error))) if is_about_files(&error) => {
                return Err(StoreFailure::Io(error));
            }
            Ok(Err(error)) => return Err(StoreFailure::Damage(error.to_string())),
            Err(_) => return Err(StoreFailure::Damage(PANICKED.to_owned())),
        }
    }
}

const PANICKED: &str = "sled panicked over its files";

/// sled says so in words only.
fn is_locked(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.to_string().contains("could not acquire lock")
}

/// Damage, too, comes as an I/O error; these kinds are about the machine, not about the bytes.
fn is_about_files(error: &io::Error) -> bool {
    use io::ErrorKind::{
        NotFound, OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
        WouldBlock,
    };
    matches!(
        error.kind(),
        NotFound
            | OutOfMemory
            | PermissionDenied
            | QuotaExceeded
            | ReadOnlyFilesystem
            | StorageFull
            | WouldBlock
    ) || is_locked(error)
}

fn caught<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(PANICKED.to_owned()),
    }
}

fn offset_of(key: &[u8]) -> Result<Offset, String> {
    <[u8; 8]>::try_from(key)
        .map(Offset::from_be_bytes)
        .map_err(|_| "a key in the log is not an offset".to_owned())
}

/// A kill while sled opens leaves `snap.*.generating`, which the next open would take for a whole
/// snapshot.
fn remove_stale_snapshots(dir: &Path, mended: &mut Vec<String>) -> io::Result<()> {
    for path in snapshot_files(dir)? {
        if path.extension().is_some_and(|end| end == "generating") {
            fs::remove_file(&path)?;
            mended.push(format!(
                "removed {}, which an interrupted start had left half written",
                path.display()
            ));
        }
    }
    Ok(())
}

fn move_snapshots_aside(dir: &Path, reason: &str, mended: &mut Vec<String>) -> io::Result<()> {
    let aside = dir.join("snapshots-aside");
    fs::create_dir_all(&aside)?;
    for path in snapshot_files(dir)? {
        if let Some(name) = path.file_name() {
            fs::rename(&path, aside.join(name))?;
        }
    }
    sync_dir(&aside)?;
    sync_dir(dir)?;
    mended.push(format!(
        "moved sled's snapshots to {} and read its log whole, because opening with them failed: {reason}",
        aside.display()
    ));
    Ok(())
}

fn snapshot_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            files.push(entry.path());
        }
    }
    Ok(files)
}

fn refuse_blobs(dir: &Path) -> Result<(), StoreFailure> {
    let blobs = dir.join("blobs");
    match fs::read_dir(&blobs).map(|mut entries| entries.next().is_none()) {
        Ok(false) => Err(StoreFailure::Damage(format!(
            "{} holds files, and this log never writes any: they are not of its making",
            blobs.display()
        ))),
        _ => Ok(()),
    }
}

/// Syncs a directory's files and then the directory and the one it is in.
fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        File::open(path)?.sync_all()?;
    }
    sync_dir(dir)?;
    dir.parent().map_or(Ok(()), sync_dir)
}
