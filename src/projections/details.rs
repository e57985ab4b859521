//! How a gathering's details and interned names are kept in snapshots.
//!
//! The event's own types carry no serde form, so that no change to them can change a file
//! unnoticed; this is the form that snapshots use, covered by the folds' versions.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::events::{
    event::{CapacityMode, GatheringDetails, Reentry, RegistrationPolicy},
    time::Timestamp,
};

#[derive(Serialize, Deserialize)]
struct StoredDetails {
    name: Arc<str>,
    creator: Arc<str>,
    start_date: Timestamp,
    end_date: Option<Timestamp>,
    time_zone: String,
    capacity: Option<u32>,
    capacity_mode: CapacityMode,
    reentry: Reentry,
    opens_at: Option<Timestamp>,
    closes_at: Option<Timestamp>,
    registration: RegistrationPolicy,
}

impl From<&GatheringDetails> for StoredDetails {
    fn from(details: &GatheringDetails) -> Self {
        Self {
            name: details.name.clone(),
            creator: details.creator.clone(),
            start_date: details.start_date,
            end_date: details.end_date,
            time_zone: details.time_zone.name().to_owned(),
            capacity: details.capacity,
            capacity_mode: details.capacity_mode,
            reentry: details.reentry,
            opens_at: details.opens_at,
            closes_at: details.closes_at,
            registration: details.registration,
        }
    }
}

impl StoredDetails {
    fn restore<E: serde::de::Error>(self) -> Result<GatheringDetails, E> {
        let zone = self.time_zone.parse();
        Ok(GatheringDetails {
            name: self.name,
            creator: self.creator,
            start_date: self.start_date,
            end_date: self.end_date,
            time_zone: zone.map_err(|_| E::custom("unknown time zone"))?,
            capacity: self.capacity,
            capacity_mode: self.capacity_mode,
            reentry: self.reentry,
            opens_at: self.opens_at,
            closes_at: self.closes_at,
            registration: self.registration,
        })
    }
}

/// For `#[serde(with = …)]` on details.
pub(super) mod required {
    use super::{
        Deserialize, Deserializer, GatheringDetails, Serialize, Serializer, StoredDetails,
    };

    pub(in super::super) fn serialize<S: Serializer>(
        details: &GatheringDetails,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        StoredDetails::from(details).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<GatheringDetails, D::Error> {
        StoredDetails::deserialize(deserializer)?.restore()
    }
}

/// For `#[serde(with = …)]` on details that are not known before the first event.
pub(super) mod optional {
    use super::{
        Deserialize, Deserializer, GatheringDetails, Serialize, Serializer, StoredDetails,
    };

    #[expect(clippy::ref_option, reason = "serde hands the field by reference")]
    pub(in super::super) fn serialize<S: Serializer>(
        details: &Option<GatheringDetails>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        details
            .as_ref()
            .map(StoredDetails::from)
            .serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<GatheringDetails>, D::Error> {
        let stored = Option::<StoredDetails>::deserialize(deserializer)?;
        stored.map(StoredDetails::restore).transpose()
    }
}

/// Position in [`Names`] plus one; 0 stands for no name.
pub(super) type NameId = u32;

/// Gates, devices, staff and ticket types: few words said in many scans, each kept once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Arc<str>>", into = "Vec<Arc<str>>")]
pub(super) struct Names {
    words: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, NameId>,
}

impl Names {
    /// The word's id; a new word is copied only when this table is shared.
    pub(super) fn intern(names: &mut Arc<Self>, word: Option<&Arc<str>>) -> NameId {
        let Some(word) = word else { return 0 };
        if let Some(id) = names.ids.get(word) {
            return *id;
        }
        let names = Arc::make_mut(names);
        names.words.push(word.clone());
        let id = NameId::try_from(names.words.len()).unwrap_or(NameId::MAX);
        names.ids.insert(word.clone(), id);
        id
    }

    pub(super) fn get(&self, id: NameId) -> Option<Arc<str>> {
        let position = usize::try_from(id).ok()?.checked_sub(1)?;
        self.words.get(position).cloned()
    }
}

impl From<Vec<Arc<str>>> for Names {
    fn from(words: Vec<Arc<str>>) -> Self {
        let ids = words.iter().cloned().zip(1..).collect();
        Self { words, ids }
    }
}

impl From<Names> for Vec<Arc<str>> {
    fn from(names: Names) -> Self {
        names.words
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}
