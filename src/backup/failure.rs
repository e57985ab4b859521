//! Why a backup cannot be taken or restored.

use std::{io, path::Path};

use thiserror::Error;

use crate::events::{ids::Offset, log::OpenError};

#[derive(Debug, Error)]
pub enum BackupError {
    #[error("cannot read or write {path}: {source}")]
    Io { path: String, source: io::Error },
    /// Not as it was written.
    #[error("{file} is damaged: {detail}")]
    Damaged { file: String, detail: String },
    /// What the source sends is not a log.
    #[error("the log that is copied is damaged: {0}")]
    Source(String),
    #[error(
        "{dir} holds a backup of another history (up to offset {offset}, which the log here does not have or has differently); back up into another directory"
    )]
    OtherHistory { dir: String, offset: Offset },
    #[error("{dir} holds no finished backup: {detail}")]
    Unfinished { dir: String, detail: &'static str },
    #[error("{dir} holds {found:?}, which is no part of a backup; name another directory")]
    Foreign { dir: String, found: String },
    #[error(
        "{dir} holds {found:?} and no manifest.json, so nothing tells whose it is: put its manifest.json back, or name another directory"
    )]
    NoManifest { dir: String, found: String },
    #[error("another backup into {dir} is running")]
    InUse { dir: String },
    #[error("{0} was written by a newer doorbook; upgrade doorbook")]
    Newer(String),
    #[error("this backup was taken without its master key; give it with --master-key FILE")]
    NoMasterKey,
    #[error("the master key does not open the keys of gathering {0}; is it the one of this log?")]
    WrongMasterKey(String),
    #[error(transparent)]
    Log(#[from] OpenError),
}

impl BackupError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.display().to_string(),
            source,
        }
    }

    pub(super) fn damaged(file: &Path, detail: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.display().to_string(),
            detail: detail.into(),
        }
    }
}
