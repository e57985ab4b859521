//! Admit a participant.

use super::{
    model::{Model, Participant},
    refusal::Refusal,
    scan::{self, ScanDetails, ScanFacts},
};
use crate::events::{
    event::{CapacityMode, Direction, Event, Reentry, RefusalCode},
    ids::Code,
    time::Timestamp,
};

pub struct CheckIn {
    pub code: Code,
    pub details: ScanDetails,
}

/// # Errors
/// When there is no such gathering, or nobody has the code. Other refusals are events.
pub fn decide(model: &Model, command: &CheckIn, facts: ScanFacts) -> Result<Event, Refusal> {
    scan::decide_direction(model, &command.code, Direction::In, &command.details, facts)
}

/// The first rule that stands in the way of coming in at `at`. The order is what callers see.
pub(super) fn rule(model: &Model, participant: &Participant, at: Timestamp) -> Option<RefusalCode> {
    let details = model.details()?;
    let full = |capacity| model.counts().inside >= capacity;
    if participant.erased.is_some() {
        Some(RefusalCode::Erased)
    } else if participant.cancelled {
        Some(RefusalCode::Cancelled)
    } else if details.opens_at.is_some_and(|opens| at < opens) {
        Some(RefusalCode::NotOpenYet)
    } else if details.closes_at.is_some_and(|closes| at >= closes) {
        Some(RefusalCode::Closed)
    } else if participant.inside() {
        Some(RefusalCode::AlreadyCheckedIn)
    } else if details.reentry == Reentry::Never && participant.entries > 0 {
        Some(RefusalCode::ReentryDenied)
    } else if details.capacity_mode == CapacityMode::Refuse && details.capacity.is_some_and(full) {
        Some(RefusalCode::CapacityFull)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        commands::spec::{Given, at, code, given, subject},
        events::{
            event::{Scan, ScanMode, Warning},
            ids::Offset,
        },
    };

    fn decided(given: &Given, second: i64) -> Event {
        let command = CheckIn {
            code: code("A1"),
            details: ScanDetails::default(),
        };
        let facts = ScanFacts {
            now: at(second),
            ..ScanFacts::default()
        };
        decide(given.model(), &command, facts).unwrap()
    }

    fn scan_of(name: &str) -> Scan {
        Scan {
            subject: subject(name),
            gate: None,
            device: None,
            device_seq: None,
            mode: ScanMode::Online,
            warnings: vec![],
            overridden: None,
            reason: None,
        }
    }

    fn refused(code: RefusalCode, previous: Option<Offset>) -> Event {
        Event::ScanRefused {
            scan: scan_of("A1"),
            direction: Direction::In,
            code,
            previous,
        }
    }

    fn admitted() -> Event {
        Event::ParticipantCheckedIn(scan_of("A1"))
    }

    fn registered() -> Given {
        given().gathering().registered("A1")
    }

    #[test]
    fn a_registered_participant_is_admitted() {
        assert_eq!(decided(&registered(), 9), admitted());
    }

    #[test]
    fn somebody_inside_is_refused_with_the_scan_that_let_them_in() {
        assert_eq!(
            decided(&registered().checked_in("A1"), 9),
            refused(RefusalCode::AlreadyCheckedIn, Some(3))
        );
    }

    #[test]
    fn an_undone_entry_does_not_stand_in_the_way() {
        assert_eq!(
            decided(&registered().checked_in("A1").undone("A1", 3), 9),
            admitted()
        );
    }

    #[test]
    fn whoever_left_may_come_back_unless_reentry_is_never() {
        assert_eq!(
            decided(&registered().checked_in("A1").checked_out("A1"), 9),
            admitted()
        );
        let never = given()
            .gathering_with(|it| it.reentry = Reentry::Never)
            .registered("A1");
        assert_eq!(
            decided(&never.checked_in("A1").checked_out("A1"), 9),
            refused(RefusalCode::ReentryDenied, Some(3))
        );
    }

    #[test]
    fn cancelled_and_erased_are_refused() {
        assert_eq!(
            decided(&registered().cancelled("A1"), 9),
            refused(RefusalCode::Cancelled, None)
        );
        assert_eq!(
            decided(&registered().cancelled("A1").erased("A1"), 9),
            refused(RefusalCode::Erased, None)
        );
    }

    #[test]
    fn doors_admit_from_opens_at_until_before_closes_at() {
        let hours =
            given().gathering_with(|it| (it.opens_at, it.closes_at) = (Some(at(10)), Some(at(20))));
        let hours = hours.registered("A1");
        assert_eq!(decided(&hours, 9), refused(RefusalCode::NotOpenYet, None));
        assert_eq!(decided(&hours, 10), admitted());
        assert_eq!(decided(&hours, 19), admitted());
        assert_eq!(decided(&hours, 20), refused(RefusalCode::Closed, None));
    }

    #[test]
    fn rules_look_at_when_it_happened() {
        let closed = given()
            .gathering_with(|it| it.closes_at = Some(at(20)))
            .registered("A1");
        let details = ScanDetails {
            occurred_at: Some(at(15)),
            ..ScanDetails::default()
        };
        let command = CheckIn {
            code: code("A1"),
            details,
        };
        let facts = ScanFacts {
            now: at(100),
            ..ScanFacts::default()
        };
        assert_eq!(decide(closed.model(), &command, facts), Ok(admitted()));
    }

    fn one_of_one_inside(mode: CapacityMode) -> Given {
        given()
            .gathering_with(|it| (it.capacity, it.capacity_mode) = (Some(1), mode))
            .registered("A1")
            .registered("B2")
            .checked_in("B2")
    }

    #[test]
    fn a_full_house_refuses_or_warns() {
        assert_eq!(
            decided(&one_of_one_inside(CapacityMode::Refuse), 9),
            refused(RefusalCode::CapacityFull, None)
        );
        let mut warned = scan_of("A1");
        warned.warnings.push(Warning::OverCapacity);
        assert_eq!(
            decided(&one_of_one_inside(CapacityMode::Warn), 9),
            Event::ParticipantCheckedIn(warned)
        );
        assert_eq!(
            decided(
                &one_of_one_inside(CapacityMode::Refuse).checked_out("B2"),
                9
            ),
            admitted()
        );
    }

    #[test]
    fn of_several_rules_the_first_in_order_is_named() {
        let worst = one_of_one_inside(CapacityMode::Refuse)
            .change_details(|it| (it.opens_at, it.reentry) = (Some(at(99)), Reentry::Never));
        assert_eq!(decided(&worst, 9), refused(RefusalCode::NotOpenYet, None));
        assert_eq!(
            decided(&worst, 100),
            refused(RefusalCode::CapacityFull, None)
        );
    }

    proptest! {
        #[test]
        fn online_check_ins_never_exceed_a_capacity_that_refuses(
            capacity in 1_u32..4,
            steps in prop::collection::vec((0_usize..8, 0_u8..8), 0..200),
        ) {
            let mut history = given()
                .gathering_with(|it| (it.capacity, it.capacity_mode) = (Some(capacity), CapacityMode::Refuse));
            let names = ["A", "B", "C", "D", "E", "F", "G", "H"];
            for name in names {
                history = history.registered(name);
            }
            for (who, kind) in steps {
                let name = names[who];
                let last_scan = history.model().participant(&code(name)).and_then(|it| it.scans.last().copied());
                history = match (kind, last_scan) {
                    (0, Some(scan)) => history.undone(name, scan.offset),
                    (1, _) => history.cancelled(name),
                    _ => {
                        let direction = if kind % 2 == 0 { Direction::In } else { Direction::Out };
                        let details = ScanDetails { offline_fact: kind == 2, ..ScanDetails::default() };
                        let facts = ScanFacts { now: at(1_000), ..ScanFacts::default() };
                        let event = scan::decide_direction(
                            history.model(), &code(name), direction, &details, facts,
                        ).unwrap();
                        let admits = matches!(event, Event::ParticipantCheckedIn(_)) && !details.offline_fact;
                        let inside = history.model().counts().inside;
                        prop_assert!(!admits || inside < capacity, "{inside} inside, one more admitted");
                        history.event(event)
                    }
                };
            }
        }
    }
}
