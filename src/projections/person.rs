//! The clear person of a row: unsealed when first asked for, shared by every generation of the
//! fold that shows them, never saved and never logged.

use std::sync::OnceLock;

use super::{participants::Row, search};
use crate::events::{
    event::{Person, Sealed},
    ids::GatheringId,
    keys::{KeyError, Keys, SubjectId},
};

#[derive(Default)]
pub(super) struct PersonCell {
    clear: OnceLock<Option<Person>>,
    haystack: OnceLock<String>,
}

impl PersonCell {
    /// Nobody, for ever.
    pub(super) fn erased() -> Self {
        Self {
            clear: OnceLock::from(None),
            haystack: OnceLock::new(),
        }
    }

    /// None when erased, or when the key is damaged.
    pub(super) fn clear(&self, gathering: GatheringId, row: &Row, keys: &Keys) -> Option<&Person> {
        self.clear
            .get_or_init(|| {
                let bytes = unseal(keys, gathering, row.id.to_bytes(), row.sealed.as_ref()?)?;
                let person = serde_json::from_slice(&bytes).ok();
                if person.is_none() {
                    tracing::error!(participant = %row.id, "a sealed person does not decode");
                }
                person
            })
            .as_ref()
    }

    /// What `q` is looked for in.
    pub(super) fn haystack(&self, gathering: GatheringId, row: &Row, keys: &Keys) -> &str {
        self.haystack.get_or_init(|| {
            let code = row.code.as_str();
            search::fold(&match self.clear(gathering, row, keys) {
                Some(person) => format!(
                    "{}\n{}\n{}\n{code}",
                    person.first_name, person.last_name, person.email
                ),
                None => code.to_owned(),
            })
        })
    }
}

/// The clear bytes, or None when the key was destroyed; a damaged key is reported, without data.
pub(super) fn unseal(
    keys: &Keys,
    gathering: GatheringId,
    subject: SubjectId,
    sealed: &Sealed,
) -> Option<Vec<u8>> {
    match keys.unseal(gathering, subject, sealed) {
        Ok(clear) => Some(clear),
        Err(KeyError::Erased) => None,
        Err(error @ (KeyError::Damaged { .. } | KeyError::Io(_))) => {
            tracing::error!(%gathering, %error, "sealed data is unreadable");
            None
        }
    }
}
