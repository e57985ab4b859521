//! Which gathering a participant's code belongs to: registered codes and, before them, claims.
//!
//! A code is kept as the first 128 bits of its SHA-256: two codes that meet there would take 2^64
//! registrations, and a million codes cost some 40 MB less than as text.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::events::ids::{Code, GatheringId};

type CodeHash = [u8; 16];

#[derive(Debug, Default)]
pub(super) struct Codes {
    numbers: HashMap<GatheringId, u32>,
    gatherings: Vec<GatheringId>,
    /// Of durable registrations.
    registered: HashMap<CodeHash, u32>,
    /// Of registrations that are being decided, or that wait for the disk.
    claims: HashMap<CodeHash, Claim>,
}

#[derive(Debug, Clone, Copy)]
struct Claim {
    gathering: GatheringId,
    appended: bool,
}

impl Codes {
    pub(super) fn gathering_of(&self, code: &Code) -> Option<GatheringId> {
        let hash = hash(code.as_str());
        self.registered_at(&hash)
            .or_else(|| self.claims.get(&hash).map(|claim| claim.gathering))
    }

    /// False when the code is taken.
    pub(super) fn claim(&mut self, code: &Code, gathering: GatheringId) -> bool {
        let hash = hash(code.as_str());
        if self.registered.contains_key(&hash) || self.claims.contains_key(&hash) {
            return false;
        }
        let appended = false;
        self.claims.insert(
            hash,
            Claim {
                gathering,
                appended,
            },
        );
        true
    }

    /// Gives a claim back; a code that has been appended stays taken.
    pub(super) fn release(&mut self, code: &Code) {
        let hash = hash(code.as_str());
        if self.claims.get(&hash).is_some_and(|claim| !claim.appended) {
            self.claims.remove(&hash);
        }
    }

    /// A registration with this code has an offset and waits for the disk.
    pub(super) fn appended(&mut self, code: &Code, gathering: GatheringId) {
        let appended = true;
        self.claims.insert(
            hash(code.as_str()),
            Claim {
                gathering,
                appended,
            },
        );
    }

    /// The registration was refused: the claim is gone.
    pub(super) fn not_appended(&mut self, code: &Code) {
        self.claims.remove(&hash(code.as_str()));
    }

    /// A registration with this code is durable.
    pub(super) fn registered(&mut self, code: &str, gathering: GatheringId) {
        let hash = hash(code);
        let number = *self.numbers.entry(gathering).or_insert_with(|| {
            self.gatherings.push(gathering);
            u32::try_from(self.gatherings.len() - 1).unwrap_or(u32::MAX)
        });
        self.registered.insert(hash, number);
        self.claims.remove(&hash);
    }

    fn registered_at(&self, hash: &CodeHash) -> Option<GatheringId> {
        let number = *self.registered.get(hash)?;
        self.gatherings.get(number as usize).copied()
    }
}

fn hash(code: &str) -> CodeHash {
    let mut hash = [0; 16];
    hash.copy_from_slice(&Sha256::digest(code.as_bytes())[..16]);
    hash
}
