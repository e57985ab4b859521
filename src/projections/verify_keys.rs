//! Whether everybody who has not been forgotten can still be read: keys lie outside the log, so no hash
//! of the log tells when one has gone or been changed.

use std::fmt;

use super::{
    gathering::Gathering,
    views::{ViewError, Views},
};
use crate::events::ids::{GatheringId, ParticipantId};

/// The first key that does not open what it sealed, without an erasure that would have destroyed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableKey {
    pub gathering: GatheringId,
    /// None: the gathering's own, for the names of staff and for the hashes of commands.
    pub participant: Option<ParticipantId>,
    pub detail: String,
}

impl fmt::Display for UnreadableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.participant {
            Some(participant) => write!(f, "the key of participant {participant}")?,
            None => f.write_str("the key")?,
        }
        write!(
            f,
            " of gathering {} is missing or damaged, and nobody erased it: {}; put `keys/` back from a backup",
            self.gathering, self.detail
        )
    }
}

impl Views {
    /// Opens what is sealed of everybody who has not been erased, and says of how many. Views do not
    /// tell: whoever cannot be read is shown without a name.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn verify_keys(&self) -> Result<Result<u64, UnreadableKey>, ViewError> {
        let log = self.log();
        let keys = log.keys();
        let mut opened = 0;
        for gathering in log.gatherings() {
            let unreadable = |participant, detail: String| {
                Ok(Err(UnreadableKey {
                    gathering,
                    participant,
                    detail,
                }))
            };
            if let Err(error) = keys.keyed_hash(gathering, gathering.to_bytes(), &[]) {
                return unreadable(None, error.to_string());
            }
            let participants = Gathering::state_at(log, gathering, log.head())?;
            for row in &participants.state.rows {
                // Nothing is sealed of somebody who was erased.
                let Some(sealed) = &row.sealed else {
                    continue;
                };
                if let Err(error) = keys.unseal(gathering, row.id.to_bytes(), sealed) {
                    return unreadable(Some(row.id), error.to_string());
                }
                opened += 1;
            }
        }
        Ok(Ok(opened))
    }
}
