//! `manifest.json`: what of a backup is whole. It holds a SHA-256 of itself, so that a changed byte in it is
//! noticed as one anywhere else.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::BackupError;
use crate::events::{
    ids::{Epoch, GatheringId, Offset, ParticipantId},
    keys::is_key_file,
    log::copy,
};

pub(super) const FORMAT: &str = "doorbook-backup";
pub(super) const VERSION: u32 = 1;
pub(super) const NAME: &str = "manifest.json";
/// The folder of the segments.
pub(super) const FRAMES: &str = "frames";

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

    /// A name in it that is none of a backup's. Names become paths, here and in the data directory.
    fn strange_name(&self) -> Option<&str> {
        let segment = |it: &&Segment| it.file != format!("{FRAMES}/{}", segment_name(it.first));
        let segment = self.segments.iter().find(segment);
        let keys = self.keys.as_ref();
        let folder = keys.filter(|keys| generation(&keys.folder).is_none());
        let files = keys.iter().flat_map(|keys| &keys.files);
        let file = files.map(|it| it.file.as_str()).find(|it| !is_key_file(it));
        (segment.map(|it| it.file.as_str()))
            .or_else(|| folder.map(|keys| keys.folder.as_str()))
            .or(file)
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
    match manifest.strange_name() {
        Some(name) => Err(damaged(&format!("it names {name:?}, which no backup has"))),
        None => Ok(Some(manifest)),
    }
}

/// The name of the segment that begins at an offset.
pub(super) fn segment_name(first: Offset) -> String {
    format!("{first:020}.frames")
}

/// Whether that is what a segment is called.
pub(super) fn is_segment_name(name: &str) -> bool {
    let first = name.strip_suffix(".frames").map(str::parse);
    matches!(first, Some(Ok(first)) if segment_name(first) == name)
}

/// Which generation of keys a folder holds; none when no folder of keys is called so.
pub(super) fn generation(folder: &str) -> Option<u64> {
    let number = folder.strip_prefix("keys-")?.parse().ok()?;
    (format!("keys-{number}") == folder).then_some(number)
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backup::{Wishes, restore},
        events::log::conformance::data_dir,
    };

    fn refuses(named: impl FnOnce(&mut Manifest)) -> bool {
        let dir = data_dir();
        let source = dir.path().join("backup");
        fs::create_dir_all(source.join("keys-1")).unwrap();
        fs::write(source.join("evil"), b"evil").unwrap();
        let mut manifest = Manifest::new(Epoch::generate());
        manifest.keys = Some(KeyFolder {
            folder: "keys-1".to_owned(),
            files: Vec::new(),
        });
        named(&mut manifest);
        manifest.save(&source).unwrap();
        let data = dir.path().join("data");
        let refused = restore(&source, &data, &Wishes::default(), &mut |_, _| {});
        assert!(!data.exists(), "nothing is made of it");
        matches!(refused, Err(BackupError::Damaged { file, .. }) if file.ends_with(NAME))
    }

    fn key(manifest: &mut Manifest, file: &str) {
        let keys = manifest.keys.as_mut().unwrap();
        keys.files.push(KeyEntry {
            file: file.to_owned(),
            bytes: 4,
            sha256: sha256(b"evil"),
        });
    }

    #[test]
    fn a_manifest_that_names_what_no_backup_has_is_damaged() {
        assert!(
            !refuses(|_| ()),
            "there is no master key, which is another matter"
        );
        for name in ["../evil", "/evil", "evil", "x.keys", "Master", ""] {
            assert!(refuses(|manifest| key(manifest, name)), "{name:?}");
        }
        for folder in [
            "..",
            "keys-",
            "keys-01",
            "keys-+1",
            "keys-1/..",
            "/keys-1",
            "frames",
        ] {
            let named = |manifest: &mut Manifest| {
                manifest.keys.as_mut().unwrap().folder = folder.to_owned();
            };
            assert!(refuses(named), "{folder:?}");
        }
        for file in [
            "../evil",
            "frames/1.frames",
            "frames/../evil",
            "frames/00000000000000000002.frames",
        ] {
            let named = |manifest: &mut Manifest| {
                manifest.segments.push(Segment {
                    file: file.to_owned(),
                    first: 1,
                    last: 1,
                    bytes: 4,
                    sha256: sha256(b"evil"),
                    chain: String::new(),
                });
            };
            assert!(refuses(named), "{file:?}");
        }
    }
}
