//! Taking a backup: frames into segments, then the keys, then the word that it is whole. What a source sends
//! is checked before it is written, and what was written is read back.

use std::{
    collections::HashSet,
    fs::{self, File, TryLockError},
    io::{Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{
    BackupError,
    manifest::{
        self, Erased, FRAMES, KeyEntry, KeyFolder, Manifest, Segment, generation, is_segment_name,
        read_manifest, segment_name, sha256,
    },
};
use crate::events::{
    ids::{Epoch, Offset},
    keys::{MASTER, SubjectId, beside_keys, is_key_file, without_subjects},
    log::{
        copy,
        raw::{Chain, split_frame},
    },
};

/// A segment is closed once it has this many bytes.
const SEGMENT_BYTES: usize = 8 * 1024 * 1024;
const LOCK: &str = "lock";

/// A key file and what is in it.
pub struct KeyContent {
    pub name: String,
    pub bytes: Zeroizing<Vec<u8>>,
}

/// A backup under way.
#[derive(Debug)]
pub struct Writing {
    dir: PathBuf,
    manifest: Manifest,
    chain: Chain,
    open: Vec<u8>,
    open_first: Offset,
    _lock: File,
}

impl Writing {
    /// Makes the directory, or goes on with the backup that is in it; clears away what was half written.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub fn open(dir: &Path, epoch: Epoch) -> Result<Self, BackupError> {
        make_private(dir)?;
        refuse_foreign(dir)?;
        let lock = lock(dir)?;
        let found = read_manifest(dir)?;
        make_private(&dir.join(FRAMES))?;
        let mut manifest = match found {
            Some(manifest) => manifest,
            None => {
                refuse_unnamed(dir)?;
                // First of all, so that whatever else is ever here is known to be ours.
                let manifest = Manifest::new(epoch);
                manifest.save(dir)?;
                manifest
            }
        };
        manifest.epoch = epoch;
        let damaged = || BackupError::damaged(&dir.join("manifest.json"), "a hash is not one");
        let chain = manifest
            .segments
            .last()
            .map_or(Some(Chain::default()), |last| {
                Chain::resume(last.last, &last.chain)
            });
        let writing = Self {
            dir: dir.to_owned(),
            open_first: manifest.segments.last().map_or(1, |last| last.last + 1),
            manifest,
            chain: chain.ok_or_else(damaged)?,
            open: Vec::new(),
            _lock: lock,
        };
        writing.clear_half_written()?;
        Ok(writing)
    }

    /// Everything up to here is in a segment or waits for one.
    #[must_use]
    pub fn head(&self) -> Offset {
        self.chain.head()
    }

    /// Offset up to which an earlier run was finished.
    #[must_use]
    pub fn finished(&self) -> Offset {
        self.manifest.head
    }

    /// Whether the source has the history that is here: `at_head` is its chain's hash at [`Self::head`].
    ///
    /// # Errors
    /// [`BackupError::OtherHistory`].
    pub fn same_history(&self, at_head: Option<&str>) -> Result<(), BackupError> {
        if at_head == Some(self.chain.hash().as_str()) {
            return Ok(());
        }
        Err(BackupError::OtherHistory {
            dir: self.dir.display().to_string(),
            offset: self.head(),
        })
    }

    /// Takes the next frames, whole ones.
    ///
    /// # Errors
    /// [`BackupError::Source`] when they do not follow or are damaged.
    pub fn frames(&mut self, mut bytes: &[u8]) -> Result<(), BackupError> {
        while !bytes.is_empty() {
            let Some((frame, rest)) = split_frame(bytes) else {
                let cut = format!("offset {}: the frame is cut short", self.head() + 1);
                return Err(BackupError::Source(cut));
            };
            self.chain
                .take(frame)
                .map_err(|broken| BackupError::Source(broken.to_string()))?;
            self.open.extend_from_slice(frame);
            bytes = rest;
            if self.open.len() >= SEGMENT_BYTES {
                self.close_segment()?;
            }
        }
        Ok(())
    }

    /// Replaces the keys by these, and says that everything so far is whole. `erased` was asked for after the
    /// keys were read.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn finish(
        mut self,
        keys: &[KeyContent],
        erased: Vec<Erased>,
        taken_at: String,
    ) -> Result<Manifest, BackupError> {
        self.close_segment()?;
        let gone: HashSet<SubjectId> = erased.iter().map(|it| it.participant.to_bytes()).collect();
        let folder = self.key_folder_name();
        let dir = self.dir.join(&folder);
        make_private(&dir)?;
        let mut files = Vec::new();
        for key in keys {
            let bytes = if key.name == MASTER || beside_keys(&key.name).is_some() {
                key.bytes.clone()
            } else {
                Zeroizing::new(without_subjects(&key.bytes, &gone))
            };
            let path = dir.join(&key.name);
            copy::place(&path, &bytes).map_err(|error| BackupError::io(&path, error))?;
            files.push(KeyEntry {
                file: key.name.clone(),
                bytes: bytes.len() as u64,
                sha256: written(&path, &bytes)?,
            });
        }
        copy::settle(&self.dir).map_err(|error| BackupError::io(&self.dir, error))?;
        self.manifest.keys = Some(KeyFolder { folder, files });
        self.manifest.head = self.chain.head();
        self.manifest.erased = erased;
        self.manifest.taken_at = Some(taken_at);
        self.manifest.save(&self.dir)?;
        self.clear_half_written()?;
        Ok(self.manifest)
    }

    fn close_segment(&mut self) -> Result<(), BackupError> {
        if self.open.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.open);
        let file = segment_name(self.open_first);
        let path = self.dir.join(FRAMES).join(&file);
        copy::place(&path, &bytes).map_err(|error| BackupError::io(&path, error))?;
        self.manifest.segments.push(Segment {
            file: format!("{FRAMES}/{file}"),
            first: self.open_first,
            last: self.chain.head(),
            bytes: bytes.len() as u64,
            sha256: written(&path, &bytes)?,
            chain: self.chain.hash(),
        });
        self.open_first = self.chain.head() + 1;
        self.manifest.save(&self.dir)
    }

    fn key_folder_name(&self) -> String {
        let used = (self.manifest.keys.as_ref()).and_then(|keys| generation(&keys.folder));
        format!("keys-{}", used.unwrap_or(0) + 1)
    }

    /// What the manifest does not name: half segments, and keys of generations that were replaced.
    fn clear_half_written(&self) -> Result<(), BackupError> {
        let frames = self.dir.join(FRAMES);
        for name in names(&frames)? {
            let named = format!("{FRAMES}/{name}");
            if is_segment_file(&name) && !self.manifest.segments.iter().any(|it| it.file == named) {
                let path = frames.join(name);
                fs::remove_file(&path).map_err(|error| BackupError::io(&path, error))?;
            }
        }
        let keys = self.manifest.keys.as_ref().map(|keys| keys.folder.as_str());
        for name in names(&self.dir)? {
            if generation(&name).is_some() && keys != Some(name.as_str()) {
                let path = self.dir.join(&name);
                destroy_folder(&path).map_err(|error| BackupError::io(&path, error))?;
            }
        }
        Ok(())
    }
}

/// The hash of a file, which must hold these bytes.
fn written(path: &Path, bytes: &[u8]) -> Result<String, BackupError> {
    let back = fs::read(path).map_err(|error| BackupError::io(path, error))?;
    if back != bytes {
        return Err(BackupError::damaged(
            path,
            "what was just written reads back differently",
        ));
    }
    Ok(sha256(bytes))
}

/// Overwrites what the files held before they go.
fn destroy_folder(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !is_kept_key(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let path = entry.path();
        let mut file = File::options().write(true).open(&path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(0))?;
        std::io::copy(
            &mut std::io::Read::take(std::io::repeat(0), length),
            &mut file,
        )?;
        file.flush()?;
        file.sync_data()?;
        fs::remove_file(&path)?;
    }
    fs::remove_dir(dir)
}

fn names(dir: &Path) -> Result<Vec<String>, BackupError> {
    let io = |error| BackupError::io(dir, error);
    let entries = fs::read_dir(dir).map_err(io)?;
    entries
        .map(|entry| {
            Ok(entry
                .map_err(io)?
                .file_name()
                .to_string_lossy()
                .into_owned())
        })
        .collect()
}

/// A directory somebody keeps other things in is not written into, and nothing of theirs goes.
fn refuse_foreign(dir: &Path) -> Result<(), BackupError> {
    refuse_other_than(dir, |name| {
        matches!(name, FRAMES | LOCK | manifest::NAME | "manifest.json.aside")
            || generation(name).is_some()
    })?;
    for name in names(dir)? {
        match generation(&name) {
            Some(_) => refuse_other_than(&dir.join(name), is_kept_key)?,
            None if name == FRAMES => refuse_other_than(&dir.join(name), is_segment_file)?,
            None => {}
        }
    }
    Ok(())
}

fn refuse_other_than(dir: &Path, ours: impl Fn(&str) -> bool) -> Result<(), BackupError> {
    match names(dir)?.into_iter().find(|name| !ours(name)) {
        Some(found) => Err(BackupError::Foreign {
            dir: dir.display().to_string(),
            found,
        }),
        None => Ok(()),
    }
}

/// The manifest is written before anything that it will name: without one, this is somebody's backup.
fn refuse_unnamed(dir: &Path) -> Result<(), BackupError> {
    let in_frames = names(&dir.join(FRAMES))?.into_iter();
    let mut in_frames = in_frames.map(|name| format!("{FRAMES}/{name}"));
    let mut folders = names(dir)?.into_iter();
    let keys = folders.find(|name| generation(name).is_some());
    match keys.or_else(|| in_frames.next()) {
        Some(found) => Err(BackupError::NoManifest {
            dir: dir.display().to_string(),
            found,
        }),
        None => Ok(()),
    }
}

/// A segment, or one that was not finished.
fn is_segment_file(name: &str) -> bool {
    is_segment_name(name.strip_suffix(".aside").unwrap_or(name))
}

/// A key file, or one that was not finished.
fn is_kept_key(name: &str) -> bool {
    is_key_file(name.strip_suffix(".aside").unwrap_or(name))
}

fn make_private(dir: &Path) -> Result<(), BackupError> {
    copy::make_private(dir).map_err(|error| BackupError::io(dir, error))
}

fn lock(dir: &Path) -> Result<File, BackupError> {
    let path = dir.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| BackupError::io(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BackupError::InUse {
            dir: dir.display().to_string(),
        }),
        Err(TryLockError::Error(error)) => Err(BackupError::io(&path, error)),
    }
}
