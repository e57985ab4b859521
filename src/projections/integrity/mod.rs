//! PROOF: a Merkle tree over the log's records, and what is said with it. The tree (`tree`), what is signed
//! and how (`note`, `checkpoint`), and what is handed out (`proof`) know no log and no directory; `hashes`,
//! `keyring` and `kept` are what lies below `integrity/` in the data directory; `live` follows the log,
//! `answers` says what it has come to; `check` holds a log against all that was kept.
//!
//! A leaf is a record as it stands in its frame, sealed, so what is proven stays proven when a person is
//! forgotten. Leaf n is the event at offset n + 1.

mod answers;
pub mod check;
pub mod checkpoint;
mod hashes;
mod kept;
mod keyring;
mod live;
pub mod note;
pub mod proof;
pub mod tree;

#[cfg(test)]
mod directory_tests;
#[cfg(test)]
mod tests;

pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use keyring::KeySource;
pub(super) use live::Integrity;
pub use note::{NoteKey, VerifierKey};
pub use proof::{ConsistencyProof, InclusionProof};

use crate::events::snapshot::FoldName;

pub(super) const FOLD: FoldName = FoldName {
    name: "integrity",
    version: 1,
};

/// Where all of this lies below the data directory.
pub const DIRECTORY: &str = "integrity";
