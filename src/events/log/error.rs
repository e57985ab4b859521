//! What can go wrong with the log, one enum per operation.

use std::{path::Path, sync::Arc};

use thiserror::Error;

use crate::events::{ids::Offset, keys::KeyError};

#[derive(Debug, Error)]
pub enum OpenError {
    #[error("{dir} is in use by another doorbook process; stop it, or use --server URL")]
    InUse { dir: String },
    /// Serving would show a history with a hole. `offset` is the first that is missing or wrong.
    #[error("the log is damaged at offset {offset}: {detail}. {remedy}")]
    Damaged {
        offset: Offset,
        detail: String,
        remedy: String,
    },
    /// `what` is in it that this one does not know.
    #[error("the log in {dir} was written by a newer doorbook ({what}); upgrade doorbook")]
    Newer { dir: String, what: String },
    #[error("cannot open {path}: {source}")]
    Io {
        path: String,
        source: std::io::Error,
    },
    #[error(
        "a restore or import into {dir} has not ended; run it again, it begins anew over what it left"
    )]
    Incomplete { dir: String },
    #[error("{dir} is not empty, it holds {found:?}; name an empty or missing directory")]
    NotEmpty { dir: String, found: String },
    #[error("sled: {0}")]
    Store(String),
    #[error(transparent)]
    Keys(#[from] KeyError),
}

impl OpenError {
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.display().to_string(),
            source,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AppendError {
    /// The queue is full; nothing was appended. A retry helps.
    #[error("the log's queue is full")]
    Busy,
    /// A write or sync failed (or the log is closing). A retry helps only after a restart. The
    /// event may or may not be found after it.
    #[error("the log takes no more events until a restart: {0}")]
    Poisoned(Arc<str>),
    /// A retry never helps.
    #[error("the event is {bytes} bytes encoded, more than {max}")]
    TooLarge { bytes: usize, max: usize },
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    #[error("the log is damaged at offset {offset}: {detail}")]
    Damaged { offset: Offset, detail: String },
    #[error("cannot read the log: {0}")]
    Store(String),
}
