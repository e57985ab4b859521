//! Keys as copies of the log need them: the files as they are, wrapped, and single keys in clear for the
//! export that moves a log elsewhere. What lies in a file is `file`'s matter.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use zeroize::Zeroizing;

use super::{
    FreshKey, KeyError, Keys, SubjectId,
    cipher::{KEY_BYTES, SubjectKey},
    file::{self, KeyFile},
    master::Master,
};
use crate::events::ids::GatheringId;

/// The file of the key that wraps all others.
pub const MASTER: &str = "master";

/// The key that signs checkpoints: its name among the others in a copy, and where it lies in a data
/// directory that has one.
pub const CHECKPOINT_KEY: &str = "checkpoint-key";
pub const CHECKPOINT_KEY_PATH: &str = "integrity/key";

/// The bytes of a key file without the records of these subjects.
#[must_use]
pub fn without_subjects(bytes: &[u8], subjects: &HashSet<SubjectId>) -> Vec<u8> {
    file::without(bytes, subjects)
}

impl Keys {
    /// Names of the files there are: [`MASTER`], one per gathering, perhaps [`CHECKPOINT_KEY`].
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn file_names(&self) -> io::Result<Vec<String>> {
        let Some(dir) = &self.inner.dir else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name == MASTER || gathering_of(&name).is_some() {
                names.push(name);
            }
        }
        if checkpoint_key(dir).exists() {
            names.push(CHECKPOINT_KEY.to_owned());
        }
        names.sort();
        Ok(names)
    }

    /// The content of one of them, whole even while keys are added and destroyed; none when it is not
    /// there or is no such name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn file_content(&self, name: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let Some(dir) = &self.inner.dir else {
            return Ok(None);
        };
        if name == MASTER {
            return fs::read(dir.join(MASTER)).map(|bytes| Some(Zeroizing::new(bytes)));
        }
        let content = match gathering_of(name) {
            _ if name == CHECKPOINT_KEY => fs::read(checkpoint_key(dir)),
            Some(gathering) => self.file(gathering).content(),
            None => return Ok(None),
        };
        match content {
            Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keys in memory with the content of files; none when the master's is missing or damaged.
    #[must_use]
    pub fn of_files<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Option<Self> {
        let (mut master, mut others) = (None, Vec::new());
        for (name, bytes) in files {
            if name == MASTER {
                master = Master::parse(bytes);
            } else if let Some(gathering) = gathering_of(name) {
                others.push((gathering, Arc::new(KeyFile::of_bytes(gathering, bytes))));
            }
        }
        let keys = Self::over(None, master?);
        keys.inner.files.write().extend(others);
        Some(keys)
    }

    /// A key in clear; none when it was destroyed or never made.
    ///
    /// # Errors
    /// [`KeyError::Damaged`], [`KeyError::Io`].
    pub fn reveal(
        &self,
        gathering: GatheringId,
        subject: SubjectId,
    ) -> Result<Option<Zeroizing<[u8; KEY_BYTES]>>, KeyError> {
        match self.key(gathering, subject) {
            Ok(key) => Ok(Some(Zeroizing::new(*key.as_bytes()))),
            Err(KeyError::Erased) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes a revealed key in, as [`Self::adopt`] does a fresh one. False when it has not the size of one.
    #[must_use]
    pub fn take_in(&self, gathering: GatheringId, subject: SubjectId, key: &[u8]) -> bool {
        let Some(key) = SubjectKey::from_bytes(key) else {
            return false;
        };
        self.adopt(FreshKey {
            gathering,
            subject,
            key,
        });
        true
    }
}

/// Beside the directory of the keys.
fn checkpoint_key(keys: &Path) -> PathBuf {
    keys.with_file_name(CHECKPOINT_KEY_PATH)
}

fn gathering_of(name: &str) -> Option<GatheringId> {
    let gathering: GatheringId = name.strip_suffix(".keys")?.parse().ok()?;
    // The one spelling that a file has.
    (format!("{gathering}.keys") == name).then_some(gathering)
}
