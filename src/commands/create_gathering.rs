//! Open the book for a gathering, and the rules between the fields of its details, which a later
//! change must keep as well.

use super::{model::Model, refusal::Refusal};
use crate::events::event::{Event, GatheringDetails};

/// Longest name of a gathering, characters.
pub const NAME_CHARS_MAX: usize = 255;

/// Checked between fields by `decide`: dates in order, capacity.
pub struct CreateGathering {
    pub details: GatheringDetails,
}

/// # Errors
/// When a gathering with the id exists, or its details contradict themselves.
pub fn decide(model: &Model, command: &CreateGathering) -> Result<Event, Refusal> {
    if model.details().is_some() {
        return Err(Refusal::GatheringExists);
    }
    check(&command.details)?;
    Ok(Event::GatheringCreated(command.details.clone()))
}

/// The rules between fields.
pub(super) fn check(details: &GatheringDetails) -> Result<(), Refusal> {
    if details.name.trim().is_empty() {
        return Err(invalid("name", "must not be empty"));
    }
    if details.name.chars().count() > NAME_CHARS_MAX || details.name.chars().any(char::is_control) {
        return Err(invalid(
            "name",
            "must be at most 255 characters without control characters",
        ));
    }
    if details.end_date.is_some_and(|end| end < details.start_date) {
        return Err(invalid("end_date", "must not be before start_date"));
    }
    if details.capacity == Some(0) {
        return Err(invalid(
            "capacity",
            "must be at least 1; leave it out for no limit",
        ));
    }
    match (details.opens_at, details.closes_at) {
        (Some(opens), Some(closes)) if closes <= opens => {
            Err(invalid("closes_at", "must be after opens_at"))
        }
        _ => Ok(()),
    }
}

fn invalid(field: &'static str, rule: &str) -> Refusal {
    Refusal::Invalid {
        field,
        rule: rule.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        commands::spec::{at, details, given},
        events::time::Timestamp,
    };

    fn refused_field(change: impl FnOnce(&mut GatheringDetails)) -> &'static str {
        let mut details = details();
        change(&mut details);
        match decide(&Model::default(), &CreateGathering { details }) {
            Err(Refusal::Invalid { field, .. }) => field,
            other => panic!("not refused for a field: {other:?}"),
        }
    }

    #[test]
    fn a_gathering_is_created_with_its_details() {
        let command = CreateGathering { details: details() };
        assert_eq!(
            decide(&Model::default(), &command),
            Ok(Event::GatheringCreated(details()))
        );
    }

    #[test]
    fn an_id_is_created_once() {
        given()
            .gathering()
            .when(|model| decide(model, &CreateGathering { details: details() }))
            .then(Err(Refusal::GatheringExists));
    }

    #[test]
    fn fields_that_contradict_each_other_are_named() {
        assert_eq!(refused_field(|it| it.name = "  ".into()), "name");
        assert_eq!(refused_field(|it| it.name = "x".repeat(256).into()), "name");
        assert_eq!(refused_field(|it| it.name = "a\u{7}b".into()), "name");
        assert_eq!(
            refused_field(|it| it.end_date = Some(Timestamp(it.start_date.0 - 1))),
            "end_date"
        );
        assert_eq!(refused_field(|it| it.capacity = Some(0)), "capacity");
        assert_eq!(
            refused_field(|it| (it.opens_at, it.closes_at) = (Some(at(60)), Some(at(60)))),
            "closes_at"
        );
    }
}
