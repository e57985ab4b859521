//! Checkpoints (c2sp.org/tlog-checkpoint): how large the log was, and the root that stands for all of it.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    note::{NoteError, NoteKey, VerifierKey},
    tree::Hash,
};
use crate::events::ids::Offset;

/// The head of the tree over the log's first `size` events, as a signed note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// The offset of the last event that it covers.
    pub size: Offset,
    /// The text to keep and to show.
    pub note: String,
}

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the name of the key that signs.
    pub origin: String,
    pub size: Offset,
    pub root: Hash,
}

impl Checkpoint {
    /// # Errors
    /// When the note is not signed by the key, or is no checkpoint of the key's log.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, NoteError> {
        let checkpoint = Self::parse(key.open(note)?).ok_or(NoteError::Malformed)?;
        if checkpoint.origin == key.name() {
            Ok(checkpoint)
        } else {
            Err(NoteError::NotSigned(key.to_string()))
        }
    }

    /// What the note says, whoever signed it. Not to be believed.
    #[must_use]
    pub fn peek(note: &str) -> Option<Self> {
        let (text, _) = note.rsplit_once("\n\n")?;
        Self::parse(&format!("{text}\n"))
    }

    #[must_use]
    pub fn sign(&self, key: &NoteKey) -> SignedCheckpoint {
        SignedCheckpoint {
            size: self.size,
            note: key.sign(&self.to_string()),
        }
    }

    /// Lines after the third are extensions that nobody here makes or reads.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        if origin.is_empty() || lines.any(str::is_empty) {
            return None;
        }
        Some(Self {
            origin: origin.to_owned(),
            size: decimal(size)?,
            root: hash(root)?,
        })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = BASE64_STANDARD.encode(self.root);
        writeln!(f, "{}\n{}\n{root}", self.origin, self.size)
    }
}

/// A number without sign and leading zeros.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

pub(super) fn hash(text: &str) -> Option<Hash> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}
