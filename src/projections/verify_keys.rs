//! Whether everybody who has not been forgotten can still be read: keys lie outside the log, so no hash
//! of the log tells when one has gone or been changed.

use std::fmt;

use super::{
    gathering::Gathering,
    views::{ViewError, Views},
};
use crate::events::{
    ids::{GatheringId, ParticipantId},
    keys::KeyError,
    log::{Log, PAGE_EVENTS_MAX},
};

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
        if let Err(error) = opens_staff_names(log, GatheringId::HOUSE)? {
            return Ok(Err(UnreadableKey {
                gathering: GatheringId::HOUSE,
                participant: None,
                detail: error.to_string(),
            }));
        }
        Ok(Ok(opened))
    }
}

/// Whether the first name of staff can be read: all are sealed with the one key. Of what is in no list
/// of gatherings nothing else is sealed.
fn opens_staff_names(log: &Log, gathering: GatheringId) -> Result<Result<(), KeyError>, ViewError> {
    let mut after = 0;
    loop {
        let page = log.read_gathering(gathering, after, log.head(), PAGE_EVENTS_MAX)?;
        let Some(last) = page.last() else {
            return Ok(Ok(()));
        };
        after = last.offset;
        if let Some(name) = page.iter().find_map(|it| it.actor.name.as_ref()) {
            let opened = (log.keys()).unseal(gathering, gathering.to_bytes(), name);
            return Ok(opened.map(drop));
        }
    }
}
