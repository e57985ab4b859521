//! A gathering with its counts as callers see it: one shape, in the API's answers and on the streams.
//!
//! Not here: where the counts come from ([`super::dashboard`]).

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::{dashboard::Row, participants::Occupancy};
use crate::events::{
    event::{CapacityMode, DoorRole, GatheringDetails, Reentry, RegistrationPolicy},
    ids::{GatheringId, Offset},
    time::Timestamp,
};

#[derive(Serialize, ToSchema)]
pub struct Gathering {
    #[schema(value_type = String, format = Uuid)]
    pub id: GatheringId,
    #[schema(value_type = String)]
    pub name: Arc<str>,
    #[schema(value_type = String, format = DateTime)]
    pub start_date: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub end_date: Option<Timestamp>,
    #[schema(value_type = String)]
    pub time_zone: &'static str,
    pub capacity: Option<u32>,
    pub capacity_mode: CapacityMode,
    pub reentry: Reentry,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub opens_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closes_at: Option<Timestamp>,
    pub registration: RegistrationPolicy,
    /// The user who created it.
    #[schema(value_type = String)]
    pub creator: Arc<str>,
    /// Registrations that are not cancelled.
    pub participant_count: u32,
    /// Participants who have come in at least once.
    pub checked_in_count: u32,
    pub inside_count: u32,
    /// The service team, for those who may change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<Vec<Member>>,
    /// What the caller is there, the strongest of it; where the API answers, not on the streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub your_role: Option<YourRole>,
    /// The event's last fact.
    #[schema(value_type = u64)]
    pub offset: Offset,
    /// In answers to commands: the same command came before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<bool>,
}

/// What somebody who may see a gathering is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum YourRole {
    Superuser,
    Creator,
    Supervisor,
    Steward,
    Auditor,
}

#[derive(Serialize, ToSchema)]
pub struct Member {
    #[schema(value_type = String)]
    pub user_id: Arc<str>,
    pub door_role: DoorRole,
}

impl Gathering {
    /// As it is now, without its team.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        Self::new(row.id, &row.details, row.occupancy, row.offset)
    }

    /// As it was at an offset, without its team.
    #[must_use]
    pub fn new(
        id: GatheringId,
        details: &GatheringDetails,
        counts: Occupancy,
        offset: Offset,
    ) -> Self {
        Self {
            id,
            name: Arc::clone(&details.name),
            start_date: details.start_date,
            end_date: details.end_date,
            time_zone: details.time_zone.name(),
            capacity: details.capacity,
            capacity_mode: details.capacity_mode,
            reentry: details.reentry,
            opens_at: details.opens_at,
            closes_at: details.closes_at,
            registration: details.registration,
            creator: Arc::clone(&details.creator),
            participant_count: counts.registered,
            checked_in_count: counts.checked_in,
            inside_count: counts.inside,
            team: None,
            your_role: None,
            offset,
            replayed: None,
        }
    }
}

impl From<(&Arc<str>, &DoorRole)> for Member {
    fn from((user_id, door_role): (&Arc<str>, &DoorRole)) -> Self {
        Self {
            user_id: Arc::clone(user_id),
            door_role: *door_role,
        }
    }
}
