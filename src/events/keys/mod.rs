//! The key of each participant, outside sled, so that destroying it makes a person unreadable.
//!
//! One file per gathering (`keys/<gathering>.keys`), fixed-size records appended and synced before
//! the event that needs them (the log's writer does that, see [`Keys::sync_pending`]), each key
//! wrapped by the master key. A subject is a participant's id, or the gathering's own id for what
//! belongs to the gathering (staff names). XChaCha20-Poly1305, 24 random bytes of nonce in front
//! of the ciphertext, the subject as associated data.

mod archive;
mod cipher;
mod file;
mod master;

use std::{
    collections::HashMap,
    fmt, fs, mem,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::{Mutex, RwLock};
use thiserror::Error;

pub use self::archive::{
    CHECKPOINT_KEY, MASTER, VERIFIER_KEYS, beside_keys, is_key_file, without_subjects,
};
use self::{cipher::SubjectKey, file::KeyFile, master::Master};
use super::{event::Sealed, ids::GatheringId};

/// Whose key: a participant's id or the gathering's, as 16 bytes.
pub type SubjectId = [u8; 16];

/// Cheap handle.
#[derive(Clone)]
pub struct Keys {
    inner: Arc<Inner>,
}

struct Inner {
    dir: Option<PathBuf>,
    master: Master,
    files: RwLock<HashMap<GatheringId, Arc<KeyFile>>>,
    /// Files with keys that are not on disk yet.
    pending: Mutex<Vec<Arc<KeyFile>>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// A key just made and not yet anybody's: seal with it, decide, then [`Keys::adopt`] it or drop it.
pub struct FreshKey {
    gathering: GatheringId,
    subject: SubjectId,
    key: SubjectKey,
}

#[derive(Debug, Error)]
pub enum KeyError {
    /// The key was destroyed: the person has been erased. Final.
    #[error("the key was destroyed: the person has been erased")]
    Erased,
    /// The key file or the sealed bytes are damaged.
    #[error("keys of gathering {gathering}: {detail}")]
    Damaged {
        gathering: GatheringId,
        detail: String,
    },
    #[error("keys: {0}")]
    Io(#[from] std::io::Error),
}

impl Keys {
    /// Opens `dir` (made with mode 0700 when missing; the master key file 0600).
    ///
    /// # Errors
    /// When the directory or the master key cannot be read or made.
    pub fn open(dir: &Path) -> Result<Self, KeyError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)?;
        // A new master key would make every key there is unreadable.
        let may_create = !has_key_files(dir)?;
        let master = Master::open(&dir.join("master"), may_create)?;
        Ok(Self::over(Some(dir.to_owned()), master))
    }

    /// Keys that live only as long as the process, for the memory log.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::over(None, Master::generate())
    }

    fn over(dir: Option<PathBuf>, master: Master) -> Self {
        Self {
            inner: Arc::new(Inner {
                dir,
                master,
                files: RwLock::default(),
                pending: Mutex::default(),
            }),
        }
    }

    #[must_use]
    pub fn fresh(&self, gathering: GatheringId, subject: SubjectId) -> FreshKey {
        FreshKey {
            gathering,
            subject,
            key: SubjectKey::generate(),
        }
    }

    /// Makes the key usable at once; it reaches the disk with the next [`Self::sync_pending`].
    pub fn adopt(&self, fresh: FreshKey) {
        let file = self.file(fresh.gathering);
        file.adopt(fresh.subject, &fresh.key, &self.inner.master);
        let mut pending = self.inner.pending.lock();
        if !pending.iter().any(|other| Arc::ptr_eq(other, &file)) {
            pending.push(file);
        }
    }

    /// Sees to it that the gathering has a key of its own, which its first event needs. When that event was
    /// refused and comes again, the key is that of before: names may be sealed with it by now.
    pub fn adopt_own(&self, gathering: GatheringId) {
        let subject = gathering.to_bytes();
        if !self.file(gathering).holds(subject) {
            self.adopt(self.fresh(gathering, subject));
        }
    }

    /// # Errors
    /// See [`KeyError`].
    pub fn seal(
        &self,
        gathering: GatheringId,
        subject: SubjectId,
        clear: &[u8],
    ) -> Result<Sealed, KeyError> {
        Ok(self.key(gathering, subject)?.seal(&subject, clear))
    }

    /// # Errors
    /// See [`KeyError`].
    pub fn unseal(
        &self,
        gathering: GatheringId,
        subject: SubjectId,
        sealed: &Sealed,
    ) -> Result<Vec<u8>, KeyError> {
        self.key(gathering, subject)?
            .unseal(&subject, sealed)
            .ok_or_else(|| KeyError::Damaged {
                gathering,
                detail: "sealed bytes do not open with the subject's key".to_owned(),
            })
    }

    /// HMAC-SHA-256 keyed by the subject's key, first 16 bytes.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn keyed_hash(
        &self,
        gathering: GatheringId,
        subject: SubjectId,
        content: &[u8],
    ) -> Result<[u8; 16], KeyError> {
        Ok(self.key(gathering, subject)?.keyed_hash(content))
    }

    /// Writes and syncs every adopted key that is not on disk yet. Called by the log's writer
    /// before each frame; does nothing when nothing is pending.
    ///
    /// # Errors
    /// When a key file cannot be written or synced.
    pub fn sync_pending(&self) -> Result<(), KeyError> {
        let pending = mem::take(&mut *self.inner.pending.lock());
        pending.iter().try_for_each(|file| file.sync())
    }

    /// Destroys a key: the file is rewritten whole without it, synced, renamed, directory synced.
    /// Does nothing when there is no such key.
    ///
    /// # Errors
    /// When the file cannot be rewritten; then the key is still there.
    pub fn destroy(&self, gathering: GatheringId, subject: SubjectId) -> Result<(), KeyError> {
        self.destroy_all(gathering, &[subject])
    }

    /// The same for many keys of one gathering, with one rewrite when any of them is still there.
    ///
    /// # Errors
    /// As [`Self::destroy`].
    pub fn destroy_all(
        &self,
        gathering: GatheringId,
        subjects: &[SubjectId],
    ) -> Result<(), KeyError> {
        self.file(gathering).destroy(subjects)
    }

    /// Whether any gathering has a key file.
    pub(super) fn any_on_disk(&self) -> bool {
        let dir = self.inner.dir.as_deref();
        dir.is_some_and(|dir| has_key_files(dir).unwrap_or(true))
    }

    fn key(&self, gathering: GatheringId, subject: SubjectId) -> Result<SubjectKey, KeyError> {
        self.file(gathering).key(subject, &self.inner.master)
    }

    fn file(&self, gathering: GatheringId) -> Arc<KeyFile> {
        if let Some(file) = self.inner.files.read().get(&gathering) {
            return Arc::clone(file);
        }
        let dir = self.inner.dir.as_deref();
        let mut files = self.inner.files.write();
        let file = files
            .entry(gathering)
            .or_insert_with(|| Arc::new(KeyFile::new(gathering, dir)));
        Arc::clone(file)
    }
}

fn has_key_files(dir: &Path) -> Result<bool, std::io::Error> {
    for entry in fs::read_dir(dir)? {
        if entry?.path().extension().is_some_and(|end| end == "keys") {
            return Ok(true);
        }
    }
    Ok(false)
}

impl FreshKey {
    #[must_use]
    pub fn seal(&self, clear: &[u8]) -> Sealed {
        self.key.seal(&self.subject, clear)
    }

    #[must_use]
    pub fn keyed_hash(&self, content: &[u8]) -> [u8; 16] {
        self.key.keyed_hash(content)
    }
}
