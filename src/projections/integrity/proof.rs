//! Proofs as files: inclusion as c2sp.org/tlog-proof, which carries the record it is about, and
//! consistency as JSON. Checked with nothing but the file and a verifier key.

use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::{
    checkpoint::{Checkpoint, decimal, hash},
    note::{NoteError, VerifierKey},
    tree::{self, Hash},
};
use crate::events::{ids::Offset, log::leaf_hash};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProofError {
    #[error("it is not a proof of the form {FIRST_LINE}")]
    Malformed,
    #[error("its checkpoint: {0}")]
    Note(#[from] NoteError),
    #[error(
        "it carries no record and none was given, so there is nothing that it could be a proof of"
    )]
    NoRecord,
    #[error("the record is not the event at offset {0} of the log that the checkpoint stands for")]
    NotIncluded(Offset),
    #[error(
        "the two checkpoints are not of one history: what the earlier one covers was rewritten"
    )]
    NotConsistent,
    #[error("the proof is about other checkpoints than the one that was given")]
    OtherCheckpoint,
}

/// That a record is in the log, and at which offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    pub offset: Offset,
    /// From the leaf's sibling up.
    pub hashes: Vec<Hash>,
    /// The record's bytes, as the log has them.
    pub record: Option<Vec<u8>>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

impl InclusionProof {
    /// The file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        if let Some(record) = &self.record {
            text.push_str("extra ");
            BASE64_STANDARD.encode_string(record, &mut text);
            text.push('\n');
        }
        // Writing to a String does not fail.
        writeln!(text, "index {}", self.offset.saturating_sub(1)).ok();
        for hash in &self.hashes {
            BASE64_STANDARD.encode_string(hash, &mut text);
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads [`Self::text`]; checks nothing.
    ///
    /// # Errors
    /// When it is no such text.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        parse(text).ok_or(ProofError::Malformed)
    }

    /// Checks everything: the signature, and that the record is where the proof says. `record` stands for
    /// the one in the proof.
    ///
    /// # Errors
    /// [`ProofError`] says which link breaks.
    pub fn verify(
        &self,
        key: &VerifierKey,
        record: Option<&[u8]>,
    ) -> Result<Checkpoint, ProofError> {
        let record = record
            .or(self.record.as_deref())
            .ok_or(ProofError::NoRecord)?;
        let checkpoint = Checkpoint::open(&self.checkpoint, key)?;
        let index = self.offset.wrapping_sub(1);
        let leaf = leaf_hash(record);
        let Checkpoint { root, size, .. } = &checkpoint;
        if tree::includes(root, *size, index, &leaf, &self.hashes) {
            Ok(checkpoint)
        } else {
            Err(ProofError::NotIncluded(self.offset))
        }
    }
}

fn parse(text: &str) -> Option<InclusionProof> {
    let text = text.strip_prefix(FIRST_LINE)?.strip_prefix('\n')?;
    let (head, checkpoint) = text.split_once("\n\n")?;
    let mut lines = head.split('\n');
    let mut line = lines.next()?;
    let mut record = None;
    if let Some(extra) = line.strip_prefix("extra ") {
        record = Some(BASE64_STANDARD.decode(extra).ok()?);
        line = lines.next()?;
    }
    let index = decimal(line.strip_prefix("index ")?)?;
    Some(InclusionProof {
        offset: index.checked_add(1)?,
        hashes: lines.map(hash).collect::<Option<_>>()?,
        record,
        checkpoint: checkpoint.to_owned(),
    })
}

pub(super) fn base64(hash: &Hash) -> String {
    BASE64_STANDARD.encode(hash)
}

/// That the log at one size begins with the log at an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsistencyProof {
    pub from: TreeHead,
    pub to: TreeHead,
    /// Base64, in the order of RFC 6962, section 2.1.2.
    pub hashes: Vec<String>,
    /// The signed checkpoint at `to`.
    pub checkpoint: String,
}

/// The head of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TreeHead {
    /// The offset of the last event that it covers.
    #[schema(value_type = u64)]
    pub size: Offset,
    /// Base64.
    pub root: String,
}

impl TreeHead {
    pub(super) fn new(size: Offset, root: &Hash) -> Self {
        Self {
            size,
            root: base64(root),
        }
    }
}

impl ConsistencyProof {
    /// Whether the log of the checkpoint at `to`, signed by the key, begins with the log of `earlier`, a
    /// checkpoint that the key signed, too.
    ///
    /// # Errors
    /// [`ProofError`] says which link breaks.
    pub fn verify(&self, key: &VerifierKey, earlier: &str) -> Result<Checkpoint, ProofError> {
        let from = Checkpoint::open(earlier, key)?;
        let to = Checkpoint::open(&self.checkpoint, key)?;
        if (from.size, to.size) != (self.from.size, self.to.size) {
            return Err(ProofError::OtherCheckpoint);
        }
        let hashes: Vec<Hash> = (self.hashes.iter())
            .map(|text| hash(text))
            .collect::<Option<_>>()
            .ok_or(ProofError::Malformed)?;
        if tree::continues((from.size, &from.root), (to.size, &to.root), &hashes) {
            Ok(to)
        } else {
            Err(ProofError::NotConsistent)
        }
    }
}
