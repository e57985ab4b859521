//! Change what is known of a gathering. `None` leaves a field as it is.

use std::sync::Arc;

use super::{create_gathering, model::Model, refusal::Refusal};
use crate::events::{
    event::{CapacityMode, Event, GatheringDetails, Reentry, RegistrationPolicy},
    time::Timestamp,
};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeGathering {
    pub name: Option<Arc<str>>,
    pub start_date: Option<Timestamp>,
    pub end_date: Option<Option<Timestamp>>,
    pub time_zone: Option<chrono_tz::Tz>,
    pub capacity: Option<Option<u32>>,
    pub capacity_mode: Option<CapacityMode>,
    pub reentry: Option<Reentry>,
    pub opens_at: Option<Option<Timestamp>>,
    pub closes_at: Option<Option<Timestamp>>,
    pub registration: Option<RegistrationPolicy>,
}

/// # Errors
/// When there is no such gathering, it is already so, or the changed details contradict themselves.
pub fn decide(model: &Model, command: &ChangeGathering) -> Result<Event, Refusal> {
    let details = model.details().ok_or(Refusal::UnknownGathering)?;
    let changed = command.applied_to(details);
    if changed == *details {
        return Err(Refusal::NothingToChange);
    }
    create_gathering::check(&changed)?;
    Ok(Event::GatheringChanged(changed))
}

impl ChangeGathering {
    fn applied_to(&self, details: &GatheringDetails) -> GatheringDetails {
        GatheringDetails {
            name: self.name.clone().unwrap_or_else(|| details.name.clone()),
            creator: details.creator.clone(),
            start_date: self.start_date.unwrap_or(details.start_date),
            end_date: self.end_date.unwrap_or(details.end_date),
            time_zone: self.time_zone.unwrap_or(details.time_zone),
            capacity: self.capacity.unwrap_or(details.capacity),
            capacity_mode: self.capacity_mode.unwrap_or(details.capacity_mode),
            reentry: self.reentry.unwrap_or(details.reentry),
            opens_at: self.opens_at.unwrap_or(details.opens_at),
            closes_at: self.closes_at.unwrap_or(details.closes_at),
            registration: self.registration.unwrap_or(details.registration),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::spec::{at, details, given};

    #[test]
    fn only_the_fields_that_are_given_change() {
        let command = ChangeGathering {
            capacity: Some(Some(7)),
            opens_at: Some(Some(at(5))),
            ..ChangeGathering::default()
        };
        let mut changed = details();
        (changed.capacity, changed.opens_at) = (Some(7), Some(at(5)));
        given()
            .gathering()
            .when(|model| decide(model, &command))
            .then(Ok(Event::GatheringChanged(changed)));
    }

    #[test]
    fn a_limit_can_be_taken_away() {
        let command = ChangeGathering {
            capacity: Some(None),
            ..ChangeGathering::default()
        };
        given()
            .gathering_with(|it| it.capacity = Some(3))
            .when(|model| decide(model, &command))
            .then(Ok(Event::GatheringChanged(details())));
    }

    #[test]
    fn the_changed_details_keep_the_rules_between_fields() {
        let command = ChangeGathering {
            closes_at: Some(Some(at(1))),
            ..ChangeGathering::default()
        };
        given()
            .gathering_with(|it| it.opens_at = Some(at(2)))
            .when(|model| decide(model, &command))
            .then(Err(Refusal::Invalid {
                field: "closes_at",
                rule: "must be after opens_at".into(),
            }));
    }

    #[test]
    fn a_change_that_changes_nothing_is_refused() {
        given()
            .gathering()
            .when(|model| decide(model, &ChangeGathering::default()))
            .then(Err(Refusal::NothingToChange));
    }

    #[test]
    fn an_unknown_gathering_cannot_be_changed() {
        given()
            .when(|model| decide(model, &ChangeGathering::default()))
            .then(Err(Refusal::UnknownGathering));
    }
}
