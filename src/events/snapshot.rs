//! The state of a fold at an offset, kept in a file so that loading need not start at offset 1.
//!
//! One file per gathering, fold and offset: written aside, synced, renamed, with a checksum,
//! holding the fold's version and the offset it covers, so that state and checkpoint cannot come
//! apart. A bad, missing or foreign one costs a fold, never an answer. Never holds personal data
//! in clear: the states that are saved keep it sealed or not at all.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

pub(crate) use super::aside::{sync_dir, write_aside};
use super::{
    aside::{ASIDE, write_unsynced},
    codec,
    ids::{Epoch, GatheringId, Offset},
};

const MAGIC: [u8; 4] = *b"DBSN";
const FORMAT: u16 = 1;
/// Magic, format, fold version, epoch, offset, body length, CRC32C of all the rest.
const HEADER_BYTES: usize = 4 + 2 + 4 + 16 + 8 + 8 + 4;

/// Directory of the folds of the whole log.
const WHOLE_LOG: &str = "whole-log";

/// Names a fold: `("participants", 1)`. Another version never reads this one's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoldName {
    pub name: &'static str,
    pub version: u32,
}

/// Which part of the log the fold covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Gathering(GatheringId),
    WholeLog,
}

/// Which generation of a fold a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// What loading reads.
    Live,
    /// Being made by a rebuild.
    Next,
    /// Between `Next` and `Live` while several files of one fold are moved there.
    Arriving,
    /// What a rebuild took the place of.
    Before,
}

/// The snapshot directory. Cheap handle.
#[derive(Debug, Clone)]
pub struct Snapshots {
    place: Option<Arc<Place>>,
}

#[derive(Debug)]
struct Place {
    dir: PathBuf,
    epoch: Epoch,
}

#[derive(Debug, Error)]
pub enum SnapshotError {
    #[error("snapshot {path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("snapshot of {0}: the state does not encode")]
    Encode(&'static str),
}

impl Snapshots {
    /// Snapshots of the log with this epoch; those of other epochs are as good as missing.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(dir: &Path, epoch: Epoch) -> Result<Self, SnapshotError> {
        fs::create_dir_all(dir).map_err(|source| io_error(dir, source))?;
        sweep(dir);
        Ok(Self {
            place: Some(Arc::new(Place {
                dir: dir.to_owned(),
                epoch,
            })),
        })
    }

    /// Keeps nothing: for the memory log.
    #[must_use]
    pub const fn none() -> Self {
        Self { place: None }
    }

    /// Saves the state at `offset`. Older snapshots of the same fold stay until [`Self::remove`].
    ///
    /// # Errors
    /// When the state does not encode or the file cannot be written.
    pub fn save<S: Serialize>(
        &self,
        fold: FoldName,
        scope: Scope,
        offset: Offset,
        state: &S,
    ) -> Result<(), SnapshotError> {
        self.save_on(Shelf::Live, fold, scope, offset, state)
    }

    /// # Errors
    /// As [`Self::save`].
    pub fn save_on<S: Serialize>(
        &self,
        shelf: Shelf,
        fold: FoldName,
        scope: Scope,
        offset: Offset,
        state: &S,
    ) -> Result<(), SnapshotError> {
        let Some(place) = &self.place else {
            return Ok(());
        };
        let mut bytes = vec![0; HEADER_BYTES];
        codec::encode_state(state, &mut bytes).map_err(|_| SnapshotError::Encode(fold.name))?;
        place.lay_header(fold, offset, &mut bytes);
        let dir = place.dir_of(scope);
        fs::create_dir_all(&dir).map_err(|source| io_error(&dir, source))?;
        let path = dir.join(file_name(shelf, fold, offset));
        let written = match shelf {
            // Many and large, while check-ins wait for the same disk: what a power cut takes of them
            // is noticed by its checksum, and folded again.
            Shelf::Next | Shelf::Arriving => write_unsynced(&path, &bytes),
            Shelf::Live | Shelf::Before => write_aside(&path, &bytes),
        };
        written.map_err(|source| io_error(&path, source))
    }

    /// The newest readable state at or before `at_most` that belongs to this log's epoch; bad files
    /// are logged and passed over.
    #[must_use]
    pub fn nearest<S: DeserializeOwned>(
        &self,
        fold: FoldName,
        scope: Scope,
        at_most: Offset,
    ) -> Option<(Offset, S)> {
        self.nearest_on(Shelf::Live, fold, scope, at_most)
    }

    #[must_use]
    pub fn nearest_on<S: DeserializeOwned>(
        &self,
        shelf: Shelf,
        fold: FoldName,
        scope: Scope,
        at_most: Offset,
    ) -> Option<(Offset, S)> {
        let place = self.place.as_ref()?;
        let offsets = self.offsets_on(shelf, fold, scope);
        offsets
            .into_iter()
            .rev()
            .filter(|offset| *offset <= at_most)
            .find_map(|offset| {
                let path = place.dir_of(scope).join(file_name(shelf, fold, offset));
                match place.load(fold, offset, &path) {
                    Ok(state) => Some((offset, state)),
                    Err(reason) => {
                        tracing::warn!(path = %path.display(), reason, "a snapshot is passed over");
                        None
                    }
                }
            })
    }

    /// Offsets at which snapshots exist, ascending.
    #[must_use]
    pub fn offsets(&self, fold: FoldName, scope: Scope) -> Vec<Offset> {
        self.offsets_on(Shelf::Live, fold, scope)
    }

    #[must_use]
    pub fn offsets_on(&self, shelf: Shelf, fold: FoldName, scope: Scope) -> Vec<Offset> {
        let Some(place) = &self.place else {
            return Vec::new();
        };
        let prefix = format!("{}.v{}.", fold.name, fold.version);
        let mut offsets: Vec<Offset> = file_names(&place.dir_of(scope))
            .filter_map(|name| {
                let rest = name.strip_prefix(&prefix)?;
                rest.strip_suffix(shelf.suffix())?.parse().ok()
            })
            .collect();
        offsets.sort_unstable();
        offsets
    }

    /// # Errors
    /// When the file is there and cannot be removed.
    pub fn remove(
        &self,
        fold: FoldName,
        scope: Scope,
        offset: Offset,
    ) -> Result<(), SnapshotError> {
        self.remove_on(Shelf::Live, fold, scope, offset)
    }

    /// # Errors
    /// As [`Self::remove`].
    pub fn remove_on(
        &self,
        shelf: Shelf,
        fold: FoldName,
        scope: Scope,
        offset: Offset,
    ) -> Result<(), SnapshotError> {
        self.place.as_ref().map_or(Ok(()), |place| {
            remove_file(&place.dir_of(scope).join(file_name(shelf, fold, offset)))
        })
    }

    /// Moves every snapshot of the fold from one shelf to another, in place of what is there; nothing
    /// happens when there is none to move.
    ///
    /// # Errors
    /// When a file cannot be moved or removed.
    pub fn shift(
        &self,
        fold: FoldName,
        scope: Scope,
        from: Shelf,
        to: Shelf,
    ) -> Result<(), SnapshotError> {
        let moving = self.offsets_on(from, fold, scope);
        if !moving.is_empty() {
            for old in self.offsets_on(to, fold, scope) {
                if !moving.contains(&old) {
                    self.remove_on(to, fold, scope, old)?;
                }
            }
        }
        self.add(fold, scope, from, to)
    }

    /// Moves every snapshot of the fold from one shelf to another, beside what is there, the newest last.
    ///
    /// # Errors
    /// When a file cannot be moved.
    pub fn add(
        &self,
        fold: FoldName,
        scope: Scope,
        from: Shelf,
        to: Shelf,
    ) -> Result<(), SnapshotError> {
        let Some(place) = &self.place else {
            return Ok(());
        };
        let moving = self.offsets_on(from, fold, scope);
        if moving.is_empty() {
            return Ok(());
        }
        let dir = place.dir_of(scope);
        for offset in moving {
            let path = dir.join(file_name(from, fold, offset));
            fs::rename(&path, dir.join(file_name(to, fold, offset)))
                .map_err(|source| io_error(&path, source))?;
        }
        sync_dir(&dir).map_err(|source| io_error(&dir, source))
    }

    /// Every scope that has a directory.
    #[must_use]
    pub fn scopes(&self) -> Vec<Scope> {
        let Some(place) = &self.place else {
            return Vec::new();
        };
        file_names(&place.dir)
            .filter_map(|name| match name.as_str() {
                WHOLE_LOG => Some(Scope::WholeLog),
                name => name.parse().ok().map(Scope::Gathering),
            })
            .collect()
    }

    /// The versions in which the fold has snapshots, on any shelf.
    #[must_use]
    pub fn versions(&self, name: &'static str) -> BTreeSet<u32> {
        let Some(place) = &self.place else {
            return BTreeSet::new();
        };
        let prefix = format!("{name}.v");
        (self.scopes().into_iter())
            .flat_map(|scope| file_names(&place.dir_of(scope)))
            .filter_map(|file| file.strip_prefix(&prefix)?.split_once('.')?.0.parse().ok())
            .collect()
    }

    /// A small text beside the snapshots, such as which generation they are of.
    #[must_use]
    pub fn note(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.place.as_ref()?.dir.join(name)).ok()
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn write_note(&self, name: &str, text: &[u8]) -> Result<(), SnapshotError> {
        self.place.as_ref().map_or(Ok(()), |place| {
            let path = place.dir.join(name);
            write_aside(&path, text).map_err(|source| io_error(&path, source))
        })
    }

    /// Deletes every file of this fold in every version and scope.
    ///
    /// # Errors
    /// When a file is there and cannot be removed.
    pub fn remove_all(&self, name: &'static str) -> Result<(), SnapshotError> {
        self.remove_where(name, |_| true)
    }

    /// Deletes what the fold has on one shelf.
    ///
    /// # Errors
    /// When a file is there and cannot be removed.
    pub fn clear(&self, fold: FoldName, shelf: Shelf) -> Result<(), SnapshotError> {
        self.remove_where(fold.name, |rest| rest.ends_with(shelf.suffix()))
    }

    /// Deletes what the fold's other versions have left.
    ///
    /// # Errors
    /// When a file is there and cannot be removed.
    pub fn remove_other_versions(&self, fold: FoldName) -> Result<(), SnapshotError> {
        let own = format!("{}.", fold.version);
        self.remove_where(fold.name, |rest| !rest.starts_with(&own))
    }

    /// `which` is shown what follows `name.v`.
    fn remove_where(
        &self,
        name: &'static str,
        which: impl Fn(&str) -> bool,
    ) -> Result<(), SnapshotError> {
        let Some(place) = &self.place else {
            return Ok(());
        };
        let prefix = format!("{name}.v");
        for scope in self.scopes() {
            let dir = place.dir_of(scope);
            for file in file_names(&dir) {
                if file.strip_prefix(&prefix).is_some_and(&which) {
                    remove_file(&dir.join(file))?;
                }
            }
        }
        Ok(())
    }
}

impl Place {
    fn dir_of(&self, scope: Scope) -> PathBuf {
        match scope {
            Scope::Gathering(gathering) => self.dir.join(gathering.to_string()),
            Scope::WholeLog => self.dir.join(WHOLE_LOG),
        }
    }

    fn lay_header(&self, fold: FoldName, offset: Offset, bytes: &mut [u8]) {
        let body = (bytes.len() - HEADER_BYTES) as u64;
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&FORMAT.to_le_bytes());
        header.extend_from_slice(&fold.version.to_le_bytes());
        header.extend_from_slice(&self.epoch.to_bytes());
        header.extend_from_slice(&offset.to_le_bytes());
        header.extend_from_slice(&body.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&header), &bytes[HEADER_BYTES..]);
        header.extend_from_slice(&crc.to_le_bytes());
        bytes[..HEADER_BYTES].copy_from_slice(&header);
    }

    fn load<S: DeserializeOwned>(
        &self,
        fold: FoldName,
        offset: Offset,
        path: &Path,
    ) -> Result<S, &'static str> {
        let bytes = fs::read(path).map_err(|_| "it cannot be read")?;
        if bytes.len() < HEADER_BYTES {
            return Err("it is too short");
        }
        // What the header must be is known whole, so it is compared, not parsed.
        let mut expected = bytes.clone();
        self.lay_header(fold, offset, &mut expected);
        if expected[..HEADER_BYTES] != bytes[..HEADER_BYTES] {
            return Err("its header or checksum is not what it should be");
        }
        codec::decode_state(&bytes[HEADER_BYTES..]).map_err(|_| "its state does not decode")
    }
}

impl Shelf {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Live => ".snap",
            Self::Next => ".next",
            Self::Arriving => ".arriving",
            Self::Before => ".before",
        }
    }
}

fn file_name(shelf: Shelf, fold: FoldName, offset: Offset) -> String {
    let suffix = shelf.suffix();
    format!("{}.v{}.{offset:020}{suffix}", fold.name, fold.version)
}

fn file_names(dir: &Path) -> impl Iterator<Item = String> + use<> {
    fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

/// Removes what a process that was killed had not finished writing.
fn sweep(dir: &Path) {
    let within = file_names(dir).map(|name| dir.join(name));
    for dir in std::iter::once(dir.to_owned()).chain(within.filter(|path| path.is_dir())) {
        for name in file_names(&dir).filter(|name| name.ends_with(ASIDE)) {
            let path = dir.join(name);
            if let Err(error) = remove_file(&path) {
                tracing::warn!(%error, "an unfinished snapshot was not removed");
            }
        }
    }
}

fn remove_file(path: &Path) -> Result<(), SnapshotError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(io_error(path, source)),
        _ => Ok(()),
    }
}

fn io_error(path: &Path, source: io::Error) -> SnapshotError {
    SnapshotError::Io {
        path: path.display().to_string(),
        source,
    }
}
