//! Where the tree's hashes are kept: a file that only grows, 64 bytes an event, and beside it a small one
//! that says how far it reaches; or memory, for a log in memory. What lies behind that reach is what a
//! crash left and is written again.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::tree::{self, Edge, Hash};
use crate::events::{
    ids::{Epoch, Offset},
    snapshot::{sync_dir, write_aside},
};

pub(super) const HASHES_FILE: &str = "hashes";
pub(super) const STATE_FILE: &str = "state";
/// The file of a fold under way.
const BESIDE_FILE: &str = "hashes.rebuild";
pub(super) const HASH_BYTES: u64 = 32;

const MAGIC: [u8; 4] = *b"DBTR";
/// Magic, version of the fold, epoch, size, root, CRC32C.
const STATE_BYTES: usize = 4 + 4 + 16 + 8 + 32 + 4;

/// How far a file of hashes reaches, and the root there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) size: Offset,
    pub(super) root: Hash,
}

#[derive(Debug)]
pub(super) enum Hashes {
    File { file: File, dir: PathBuf },
    Memory(Vec<Hash>),
}

/// What is in a directory.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing, or what belongs to another log or to another version.
    Nothing,
    Damaged(&'static str),
    Reach(Reach),
}

impl Hashes {
    /// Opens the file in a directory, or makes it.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(dir.join(HASHES_FILE))?;
        Ok(Self::File {
            file,
            dir: dir.to_owned(),
        })
    }

    pub(super) fn read(&self, index: u64) -> io::Result<Hash> {
        match self {
            Self::File { file, .. } => {
                let mut hash = [0; HASH_BYTES as usize];
                file.read_exact_at(&mut hash, index * HASH_BYTES)?;
                Ok(hash)
            }
            Self::Memory(hashes) => usize::try_from(index)
                .ok()
                .and_then(|index| hashes.get(index).copied())
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Writes hashes behind those of the first `size` leaves.
    pub(super) fn write(&mut self, size: Offset, hashes: &[Hash]) -> io::Result<()> {
        match self {
            Self::File { file, .. } => {
                file.write_all_at(hashes.as_flattened(), tree::stored_count(size) * HASH_BYTES)
            }
            Self::Memory(kept) => {
                debug_assert_eq!(kept.len() as u64, tree::stored_count(size));
                kept.extend_from_slice(hashes);
                Ok(())
            }
        }
    }

    /// Forgets everything, the reach first, so that none is left that says too much.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        match self {
            Self::File { file, dir } => {
                remove_file(&dir.join(STATE_FILE))?;
                sync_dir(dir)?;
                file.set_len(0)
            }
            Self::Memory(kept) => {
                kept.clear();
                Ok(())
            }
        }
    }

    /// An empty file beside the one in use, for a fold from the first event.
    pub(super) fn beside(&self) -> io::Result<Self> {
        let Self::File { dir, .. } = self else {
            return Ok(Self::Memory(Vec::new()));
        };
        let file = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(dir.join(BESIDE_FILE))?;
        Ok(Self::File {
            file,
            dir: dir.clone(),
        })
    }

    /// Puts the file that was made beside in the place of the one in use. Until [`Self::save`] there is no
    /// reach, so a crash costs a fold, and nothing need wait for the disk here.
    pub(super) fn take_over(&self) -> io::Result<()> {
        let Self::File { dir, .. } = self else {
            return Ok(());
        };
        remove_file(&dir.join(STATE_FILE))?;
        sync_dir(dir)?;
        fs::rename(dir.join(BESIDE_FILE), dir.join(HASHES_FILE))?;
        sync_dir(dir)
    }

    /// Takes the file away that was made beside, when it is not to take over.
    pub(super) fn give_up(&self) -> io::Result<()> {
        match self {
            Self::File { dir, .. } => remove_file(&dir.join(BESIDE_FILE)),
            Self::Memory(_) => Ok(()),
        }
    }

    /// Makes everything up to `reach` outlive a power cut, and says so in the small file.
    pub(super) fn save(&self, epoch: Epoch, reach: Reach) -> io::Result<()> {
        let Self::File { file, dir } = self else {
            return Ok(());
        };
        file.sync_data()?;
        write_aside(&dir.join(STATE_FILE), &lay(epoch, reach))
    }
}

/// What the small file in a directory says. Whether the hashes agree with it is not looked at.
pub(super) fn found(dir: &Path, epoch: Epoch) -> io::Result<Found> {
    let bytes = match fs::read(dir.join(STATE_FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    let Ok(bytes) = <&[u8; STATE_BYTES]>::try_from(&bytes[..]) else {
        return Ok(Found::Damaged(
            "the file `integrity/state` has a wrong length",
        ));
    };
    let (size, root): ([u8; 8], Hash) = (part(bytes, 24), part(bytes, 32));
    let reach = Reach {
        size: Offset::from_le_bytes(size),
        root,
    };
    let whose = Epoch::from_bytes(part(bytes, 8));
    let version = u32::from_le_bytes(part(bytes, 4));
    let crc = u32::from_le_bytes(part(bytes, 64));
    if bytes[..4] != MAGIC || crc != crc32c::crc32c(&bytes[..64]) {
        return Ok(Found::Damaged(
            "the checksum of the file `integrity/state` is wrong",
        ));
    }
    if version != super::FOLD.version || whose != epoch {
        return Ok(Found::Nothing);
    }
    Ok(Found::Reach(reach))
}

/// The edge of the kept tree, when the hashes are those that the reach tells of.
pub(super) fn edge(hashes: &Hashes, reach: Reach) -> Option<Edge> {
    let edge = Edge::load(reach.size, |index| hashes.read(index)).ok()?;
    (edge.root() == reach.root).then_some(edge)
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn lay(epoch: Epoch, reach: Reach) -> [u8; STATE_BYTES] {
    let mut bytes = [0; STATE_BYTES];
    bytes[0..4].copy_from_slice(&MAGIC);
    bytes[4..8].copy_from_slice(&super::FOLD.version.to_le_bytes());
    bytes[8..24].copy_from_slice(&epoch.to_bytes());
    bytes[24..32].copy_from_slice(&reach.size.to_le_bytes());
    bytes[32..64].copy_from_slice(&reach.root);
    let crc = crc32c::crc32c(&bytes[..64]);
    bytes[64..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn part<const N: usize>(bytes: &[u8; STATE_BYTES], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}
