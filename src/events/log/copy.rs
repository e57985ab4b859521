//! A new data directory made of a history that exists: `restore` lays in frames, `import --log` events.
//!
//! The file `restoring` marks the directory until everything is in it and checked; with it the log does
//! not open, and a copy may begin anew over its own leftovers. Frames are synced once, at the end: until
//! then nobody was promised anything. The witness is written after that, with a new epoch, so that
//! cursors of the copied log are told that this is another one.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::{
    EVENT_BYTES_MAX, FRAME_BYTES_MAX, FRAME_EVENTS_MAX, Log, OpenError, frame, open, raw::Chain,
    scan::damaged, sled_store::SledStore, witness::Witness,
};
use crate::events::{
    codec,
    ids::Epoch,
    recorded::Recorded,
    snapshot::{sync_dir, write_aside},
};

/// Marks a directory whose copy has not ended.
pub(super) const MARKER: &str = "restoring";
/// What a copy that did not end may have left.
const LEFTOVERS: [&str; 6] = [
    "log",
    "keys",
    "snapshots",
    "log-index",
    "integrity",
    "witness",
];

/// A data directory under construction.
#[derive(Debug)]
pub struct Copying {
    dir: PathBuf,
    store: SledStore,
    chain: Chain,
    /// A frame that is being filled with events: room for its header, then their records.
    filling: Vec<u8>,
    events: usize,
}

impl Copying {
    /// Marks the directory, which must be empty, missing, or the leftovers of a copy that did not end.
    ///
    /// # Errors
    /// [`OpenError::NotEmpty`], or when it cannot be made.
    pub fn begin(dir: &Path) -> Result<Self, OpenError> {
        let io = |error| OpenError::io(dir, error);
        make_private(dir).map_err(io)?;
        if !dir.join(MARKER).exists() {
            if let Some(entry) = fs::read_dir(dir).map_err(io)?.next() {
                return Err(OpenError::NotEmpty {
                    dir: dir.display().to_string(),
                    found: entry.map_err(io)?.file_name().display().to_string(),
                });
            }
            File::create(dir.join(MARKER)).map_err(io)?;
            sync_dir(dir).map_err(io)?;
        }
        // Before anything is cleared away: another process may be at it.
        let lock = open::lock(dir)?;
        for name in LEFTOVERS {
            clear(&dir.join(name)).map_err(io)?;
        }
        sync_dir(dir).map_err(io)?;
        let store = open::open_new_store(&dir.join("log"), lock)?;
        Ok(Self {
            dir: dir.to_owned(),
            store,
            chain: Chain::default(),
            filling: vec![0; frame::HEADER_BYTES],
            events: 0,
        })
    }

    /// A frame as it was in the log it comes from.
    ///
    /// # Errors
    /// [`OpenError::Damaged`] when it does not follow; [`OpenError::Store`] when it cannot be written.
    pub fn frame(&mut self, bytes: &[u8]) -> Result<Vec<Recorded>, OpenError> {
        let first = self.chain.head() + 1;
        let events = self
            .chain
            .take(bytes)
            .map_err(|broken| damaged(broken.offset, broken.detail))?;
        self.store.load(first, bytes).map_err(OpenError::Store)?;
        Ok(events)
    }

    /// An event as it was, at the next offset. Frames may be cut differently.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn event(&mut self, event: &Recorded) -> Result<(), OpenError> {
        let next = self.chain.head() + self.events as u64 + 1;
        if event.offset != next {
            return Err(damaged(next, "another event is in its place"));
        }
        let start = self.filling.len();
        codec::encode(event, &mut self.filling)
            .map_err(|error| damaged(next, error.to_string()))?;
        let bytes = self.filling.len() - start;
        if bytes > EVENT_BYTES_MAX {
            return Err(damaged(next, "it is larger than an event may be"));
        }
        if self.filling.len() > FRAME_BYTES_MAX && self.events > 0 {
            let record = self.filling.split_off(start);
            self.seal()?;
            self.filling.extend_from_slice(&record);
        }
        self.events += 1;
        if self.events == FRAME_EVENTS_MAX {
            self.seal()?;
        }
        Ok(())
    }

    /// Syncs, witnesses and opens it. Still marked; [`finish`] takes the mark away.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(mut self) -> Result<Log, OpenError> {
        self.seal()?;
        self.store.settle().map_err(OpenError::Store)?;
        let (head, hash) = (self.chain.head(), self.chain.raw_hash());
        drop(self.store);
        let path = self.dir.join("witness");
        let witnessed = Witness::create(&path, Epoch::generate()).and_then(|mut witness| {
            // Both slots.
            witness.stamp(head, hash)?;
            witness.stamp(head, hash)
        });
        witnessed.map_err(|error| OpenError::io(&path, error))?;
        open::open_marked(&self.dir).map(|(log, _)| log)
    }

    fn seal(&mut self) -> Result<(), OpenError> {
        if self.events == 0 {
            return Ok(());
        }
        let mut bytes = std::mem::replace(&mut self.filling, vec![0; frame::HEADER_BYTES]);
        let events = std::mem::take(&mut self.events);
        let (first, before) = (self.chain.head() + 1, self.chain.raw_hash());
        frame::seal(first, events, &before, &mut bytes);
        self.frame(&bytes).map(drop)
    }
}

/// The directory is whole: from now on it opens.
///
/// # Errors
/// When the mark cannot be taken away.
pub fn finish(dir: &Path) -> Result<(), OpenError> {
    fs::remove_file(dir.join(MARKER))
        .and_then(|()| sync_dir(dir))
        .map_err(|error| OpenError::io(dir, error))
}

fn clear(path: &Path) -> io::Result<()> {
    let cleared = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match cleared {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file of the copy, readable by its owner only, durable when this returns.
///
/// # Errors
/// When it cannot be written.
pub fn place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        make_private(dir)?;
    }
    write_aside(path, bytes)
}

/// Makes a directory, and those above it, for its owner alone; their names outlive a power cut. What is
/// there already stays as it is.
///
/// # Errors
/// When it cannot be made or synced.
pub fn make_private(dir: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = (dir.ancestors())
        .take_while(|it| !it.as_os_str().is_empty() && !it.exists())
        .collect();
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    for made in missing {
        // A relative path of one part lies in the working directory.
        let parent = made.parent().filter(|it| !it.as_os_str().is_empty());
        sync_dir(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Makes names that were created, renamed or removed in `dir` outlive a power cut.
///
/// # Errors
/// When it cannot be synced.
pub fn settle(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
