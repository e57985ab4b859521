//! Keys as copies of the log need them: the files as they are, wrapped, and single keys in clear for the
//! export that moves a log elsewhere. What lies in a file is `file`'s matter.

use std::{collections::HashSet, fs, io, sync::Arc};

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

/// The key that signs checkpoints, as a copy names it.
pub const CHECKPOINT_KEY: &str = "checkpoint-key";
/// The public halves of the keys that have signed, as a copy names them.
pub const VERIFIER_KEYS: &str = "verifier-keys";

/// What checkpoints are signed and checked with: names among the others in a copy, and where they lie in a
/// data directory that has them.
const BESIDE: [(&str, &str); 2] = [
    (CHECKPOINT_KEY, "integrity/key"),
    (VERIFIER_KEYS, "integrity/verifier-keys"),
];

/// Where a file of a copy lies in the data directory, when it is none of those in `keys/`.
#[must_use]
pub fn beside_keys(name: &str) -> Option<&'static str> {
    let found = BESIDE.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, path)| path)
}

/// Whether a copy has files of this name: [`MASTER`], one per gathering, those [`beside_keys`].
#[must_use]
pub fn is_key_file(name: &str) -> bool {
    name == MASTER || beside_keys(name).is_some() || gathering_of(name).is_some()
}

/// The bytes of a key file without the records of these subjects.
#[must_use]
pub fn without_subjects(bytes: &[u8], subjects: &HashSet<SubjectId>) -> Vec<u8> {
    file::without(bytes, subjects)
}

impl Keys {
    /// Names of the files there are: [`MASTER`], one per gathering, and perhaps those [`beside_keys`].
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
        let beside = (BESIDE.into_iter()).filter(|(_, path)| dir.with_file_name(path).exists());
        names.extend(beside.map(|(name, _)| name.to_owned()));
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
        let content = match (beside_keys(name), gathering_of(name)) {
            (Some(path), _) => fs::read(dir.with_file_name(path)),
            (None, Some(gathering)) => self.file(gathering).content(),
            (None, None) => return Ok(None),
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

fn gathering_of(name: &str) -> Option<GatheringId> {
    let gathering: GatheringId = name.strip_suffix(".keys")?.parse().ok()?;
    // The one spelling that a file has.
    (format!("{gathering}.keys") == name).then_some(gathering)
}
