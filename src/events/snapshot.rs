//! The state of a fold at an offset, kept in a file so that loading need not start at offset 1.
//!
//! One file per gathering, fold and offset: written aside, synced, renamed, with a checksum,
//! holding the fold's version and the offset it covers, so that state and checkpoint cannot come
//! apart. A bad, missing or foreign one costs a fold, never an answer. Never holds personal data
//! in clear: the states that are saved keep it sealed or not at all.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use super::{
    codec,
    ids::{Epoch, GatheringId, Offset},
};

const MAGIC: [u8; 4] = *b"DBSN";
const FORMAT: u16 = 1;
/// Magic, format, fold version, epoch, offset, body length, CRC32C of all the rest.
const HEADER_BYTES: usize = 4 + 2 + 4 + 16 + 8 + 8 + 4;

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
        let Some(place) = &self.place else {
            return Ok(());
        };
        let mut bytes = vec![0; HEADER_BYTES];
        codec::encode_state(state, &mut bytes).map_err(|_| SnapshotError::Encode(fold.name))?;
        place.lay_header(fold, offset, &mut bytes);
        let dir = place.dir_of(scope);
        fs::create_dir_all(&dir).map_err(|source| io_error(&dir, source))?;
        let path = dir.join(file_name(fold, offset));
        write_aside(&path, &bytes).map_err(|source| io_error(&path, source))
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
        let place = self.place.as_ref()?;
        let offsets = self.offsets(fold, scope);
        offsets
            .into_iter()
            .rev()
            .filter(|offset| *offset <= at_most)
            .find_map(|offset| {
                let path = place.dir_of(scope).join(file_name(fold, offset));
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
        let Some(place) = &self.place else {
            return Vec::new();
        };
        let prefix = format!("{}.v{}.", fold.name, fold.version);
        let mut offsets: Vec<Offset> = file_names(&place.dir_of(scope))
            .filter_map(|name| {
                let rest = name.strip_prefix(&prefix)?;
                rest.strip_suffix(".snap")?.parse().ok()
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
        self.place.as_ref().map_or(Ok(()), |place| {
            remove_file(&place.dir_of(scope).join(file_name(fold, offset)))
        })
    }

    /// Deletes every file of this fold in every version and scope.
    ///
    /// # Errors
    /// When a file is there and cannot be removed.
    pub fn remove_all(&self, name: &'static str) -> Result<(), SnapshotError> {
        let Some(place) = &self.place else {
            return Ok(());
        };
        let prefix = format!("{name}.v");
        for scope in file_names(&place.dir) {
            let dir = place.dir.join(scope);
            for file in file_names(&dir).filter(|file| file.starts_with(&prefix)) {
                remove_file(&dir.join(file))?;
            }
        }
        Ok(())
    }
}

impl Place {
    fn dir_of(&self, scope: Scope) -> PathBuf {
        match scope {
            Scope::Gathering(gathering) => self.dir.join(gathering.to_string()),
            Scope::WholeLog => self.dir.join("whole-log"),
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

fn file_name(fold: FoldName, offset: Offset) -> String {
    format!("{}.v{}.{offset:020}.snap", fold.name, fold.version)
}

fn file_names(dir: &Path) -> impl Iterator<Item = String> + use<> {
    fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

/// Whole or not at all, even when the power goes: written beside, synced, renamed, directory synced.
pub(crate) fn write_aside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("aside");
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes names that were created, renamed or removed in `dir` outlive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::log::conformance::data_dir;

    const FOLD: FoldName = FoldName {
        name: "participants",
        version: 3,
    };
    const EPOCH: Epoch = Epoch::from_bytes([1; 16]);

    fn nearest(snapshots: &Snapshots, at_most: Offset) -> Option<(Offset, Vec<String>)> {
        snapshots.nearest(FOLD, Scope::WholeLog, at_most)
    }

    fn saved_at(offset: Offset) -> Vec<String> {
        vec![format!("state at {offset}"); 3]
    }

    fn filled() -> (tempfile::TempDir, Snapshots) {
        let dir = data_dir();
        let snapshots = Snapshots::open(dir.path(), EPOCH).unwrap();
        for offset in [100, 7, 2_000] {
            let state = saved_at(offset);
            snapshots
                .save(FOLD, Scope::WholeLog, offset, &state)
                .unwrap();
        }
        (dir, snapshots)
    }

    #[test]
    fn the_nearest_snapshot_is_the_newest_at_or_before_the_offset() {
        let (_dir, snapshots) = filled();
        assert_eq!(snapshots.offsets(FOLD, Scope::WholeLog), [7, 100, 2_000]);
        assert_eq!(nearest(&snapshots, 6), None);
        assert_eq!(nearest(&snapshots, 99), Some((7, saved_at(7))));
        assert_eq!(nearest(&snapshots, 100), Some((100, saved_at(100))));
        snapshots.remove(FOLD, Scope::WholeLog, 100).unwrap();
        assert_eq!(nearest(&snapshots, 100), Some((7, saved_at(7))));
        snapshots.remove_all(FOLD.name).unwrap();
        assert_eq!(nearest(&snapshots, 5_000), None);
    }

    #[test]
    fn other_scopes_versions_and_epochs_are_as_good_as_missing() {
        let (dir, snapshots) = filled();
        let gathering = Scope::Gathering(GatheringId::from_bytes([5; 16]));
        let newer = FoldName { version: 4, ..FOLD };
        assert!(
            snapshots
                .nearest::<Vec<String>>(FOLD, gathering, 5_000)
                .is_none()
        );
        assert!(
            snapshots
                .nearest::<Vec<String>>(newer, Scope::WholeLog, 5_000)
                .is_none()
        );
        let restored = Snapshots::open(dir.path(), Epoch::from_bytes([2; 16])).unwrap();
        assert_eq!(nearest(&restored, 5_000), None);
        assert_eq!(nearest(&Snapshots::none(), 5_000), None);
    }

    #[test]
    fn a_damaged_snapshot_is_passed_over_wherever_the_damage_is() {
        let (dir, snapshots) = filled();
        let path = dir.path().join("whole-log").join(file_name(FOLD, 2_000));
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(nearest(&snapshots, 5_000), Some((100, saved_at(100))));
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(nearest(&snapshots, 5_000), Some((100, saved_at(100))));
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(nearest(&snapshots, 5_000), Some((2_000, saved_at(2_000))));
    }
}
