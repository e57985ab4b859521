//! How a gathering's details lie in the write model's snapshot (`serde(with)` of
//! [`super::model::Model`]). Not the form of an event on disk: this one may change with the fold's version.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::events::{
    event::{CapacityMode, GatheringDetails, Reentry, RegistrationPolicy},
    time::Timestamp,
};

pub(super) fn serialize<S: Serializer>(
    details: &Option<GatheringDetails>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    details.as_ref().map(Saved::of).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<GatheringDetails>, D::Error> {
    Option::<Saved>::deserialize(deserializer)?
        .map(|saved| saved.details().map_err(D::Error::custom))
        .transpose()
}

#[derive(Serialize, Deserialize)]
struct Saved {
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

impl Saved {
    fn of(details: &GatheringDetails) -> Self {
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

    fn details(self) -> Result<GatheringDetails, chrono_tz::ParseError> {
        Ok(GatheringDetails {
            name: self.name,
            creator: self.creator,
            start_date: self.start_date,
            end_date: self.end_date,
            time_zone: self.time_zone.parse()?,
            capacity: self.capacity,
            capacity_mode: self.capacity_mode,
            reentry: self.reentry,
            opens_at: self.opens_at,
            closes_at: self.closes_at,
            registration: self.registration,
        })
    }
}
