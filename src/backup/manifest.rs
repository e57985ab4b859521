//! `manifest.json`: what of a backup is whole. It holds a SHA-256 of itself, so that a changed byte in it is
//! noticed as one anywhere else.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::BackupError;
use crate::events::{
    ids::{Epoch, GatheringId, Offset, ParticipantId},
    log::copy,
};

pub(super) const FORMAT: &str = "doorbook-backup";
pub(super) const VERSION: u32 = 1;
const NAME: &str = "manifest.json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: String,
    pub version: u32,
    /// Of the log that was copied last.
    pub epoch: Epoch,
    /// Frames and keys are whole up to here: what a restore brings back.
    pub head: Offset,
    /// When that was so, RFC 3339.
    pub taken_at: Option<String>,
    /// In order, without gaps. Those behind `head` belong to a run that has not ended.
    pub segments: Vec<Segment>,
    pub keys: Option<KeyFolder>,
    pub erased: Vec<Erased>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    pub file: String,
    pub first: Offset,
    pub last: Offset,
    pub bytes: u64,
    pub sha256: String,
    /// The chain's hash at `last`.
    pub chain: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFolder {
    pub folder: String,
    pub files: Vec<KeyEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEntry {
    pub file: String,
    pub bytes: u64,
    pub sha256: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Erased {
    pub gathering: GatheringId,
    pub participant: ParticipantId,
}

#[derive(Serialize, Deserialize)]
struct Stamped {
    sha256: String,
    manifest: Box<RawValue>,
}

impl Manifest {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            epoch,
            head: 0,
            taken_at: None,
            segments: Vec::new(),
            keys: None,
            erased: Vec::new(),
        }
    }

    /// Puts it in the old one's place.
    pub(super) fn save(&self, dir: &Path) -> Result<(), BackupError> {
        let path = dir.join(NAME);
        let text = serde_json::to_string(self)
            .and_then(|text| {
                let sha256 = sha256(text.as_bytes());
                let manifest = RawValue::from_string(text)?;
                serde_json::to_string(&Stamped { sha256, manifest })
            })
            .map_err(|error| BackupError::io(&path, io::Error::other(error)))?;
        copy::place(&path, format!("{text}\n").as_bytes())
            .map_err(|error| BackupError::io(&path, error))
    }
}

/// The manifest of a backup directory; none when there is none.
///
/// # Errors
/// When it cannot be read, is damaged, or a newer doorbook wrote it.
pub fn read_manifest(dir: &Path) -> Result<Option<Manifest>, BackupError> {
    let path = dir.join(NAME);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BackupError::io(&path, error)),
    };
    let damaged = |detail: &str| BackupError::damaged(&path, detail);
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not text"))?;
    let body = text.strip_suffix('\n').unwrap_or_default();
    let stamped: Stamped =
        serde_json::from_str(body).map_err(|_| damaged("it is not what a backup writes"))?;
    let written = serde_json::to_string(&stamped).ok();
    if stamped.sha256 != sha256(stamped.manifest.get().as_bytes())
        || written.as_deref() != Some(body)
    {
        return Err(damaged("its SHA-256 is another"));
    }
    #[derive(Deserialize)]
    struct Kind {
        format: String,
        version: u32,
    }
    let kind: Kind = serde_json::from_str(stamped.manifest.get())
        .map_err(|_| damaged("it is not what a backup writes"))?;
    if kind.format == FORMAT && kind.version > VERSION {
        return Err(BackupError::Newer(path.display().to_string()));
    }
    let manifest: Manifest = serde_json::from_str(stamped.manifest.get())
        .map_err(|_| damaged("it is not what a backup writes"))?;
    Ok(Some(manifest))
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
