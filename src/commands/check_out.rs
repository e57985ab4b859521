//! Let a participant leave. Leaving is possible at any time, for cancelled people too.

use super::{
    model::{Model, Participant},
    refusal::Refusal,
    scan::{self, ScanDetails, ScanFacts},
};
use crate::events::{
    event::{Direction, Event, RefusalCode},
    ids::Code,
};

pub struct CheckOut {
    pub code: Code,
    pub details: ScanDetails,
}

/// # Errors
/// When there is no such gathering, or nobody has the code. Other refusals are events.
pub fn decide(model: &Model, command: &CheckOut, facts: ScanFacts) -> Result<Event, Refusal> {
    scan::decide_direction(
        model,
        &command.code,
        Direction::Out,
        &command.details,
        facts,
    )
}

/// The rule that stands in the way of leaving.
pub(super) fn rule(participant: &Participant) -> Option<RefusalCode> {
    if participant.inside() {
        None
    } else if participant.erased.is_some() {
        Some(RefusalCode::Erased)
    } else {
        Some(RefusalCode::NotCheckedIn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::spec::{Given, at, code, given};

    fn outcome(given: &Given) -> Result<(), RefusalCode> {
        let command = CheckOut {
            code: code("A1"),
            details: ScanDetails::default(),
        };
        let facts = ScanFacts {
            now: at(1_000),
            ..ScanFacts::default()
        };
        match decide(given.model(), &command, facts).unwrap() {
            Event::ParticipantCheckedOut(_) => Ok(()),
            Event::ScanRefused {
                code,
                direction: Direction::Out,
                ..
            } => Err(code),
            other => panic!("neither left nor refused: {other:?}"),
        }
    }

    fn inside() -> Given {
        given().gathering().registered("A1").checked_in("A1")
    }

    #[test]
    fn somebody_inside_may_leave() {
        assert_eq!(outcome(&inside()), Ok(()));
    }

    #[test]
    fn nobody_leaves_who_is_not_inside() {
        assert_eq!(
            outcome(&given().gathering().registered("A1")),
            Err(RefusalCode::NotCheckedIn)
        );
        assert_eq!(
            outcome(&inside().checked_out("A1")),
            Err(RefusalCode::NotCheckedIn)
        );
        assert_eq!(
            outcome(&inside().undone("A1", 3)),
            Err(RefusalCode::NotCheckedIn)
        );
    }

    #[test]
    fn leaving_is_possible_after_cancellation_erasure_and_closing() {
        assert_eq!(outcome(&inside().cancelled("A1")), Ok(()));
        assert_eq!(outcome(&inside().erased("A1")), Ok(()));
        assert_eq!(
            outcome(&inside().change_details(|it| it.closes_at = Some(at(5)))),
            Ok(())
        );
    }

    #[test]
    fn an_erased_person_outside_is_refused_as_erased() {
        assert_eq!(
            outcome(&given().gathering().registered("A1").erased("A1")),
            Err(RefusalCode::Erased)
        );
    }
}
