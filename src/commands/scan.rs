//! A ticket is read at a door: by code, in a direction. The participant paths (`check_in`,
//! `check_out`) and `POST …/scan/` share [`ScanDetails`] and the course of a decision, which is
//! here; which rule stands in the way of coming in is in [`super::check_in`], of leaving in
//! [`super::check_out`].

use std::sync::Arc;

use super::{
    check_in, check_out,
    model::{Model, Participant},
    refusal::Refusal,
};
use crate::events::{
    event::{
        CapacityMode, Direction, Event, RefusalCode, Scan, ScanMode, Sealed, Subject, Warning,
    },
    ids::{Code, Offset},
    time::Timestamp,
};

/// How far a device's clock may be ahead before the scan says so, seconds.
pub const CLOCK_AHEAD_SECONDS_MAX: i64 = 2;

pub struct ScanTicket {
    pub code: Code,
    pub direction: Direction,
    pub details: ScanDetails,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanDetails {
    pub gate: Option<Arc<str>>,
    pub device: Option<Arc<str>>,
    pub device_seq: Option<u64>,
    pub occurred_at: Option<Timestamp>,
    pub offline_fact: bool,
    /// The reason for admitting against the rules. Only given when the caller may override.
    pub override_reason: Option<String>,
}

/// What a decision on a scan needs beside the command.
#[derive(Debug, Clone, Default)]
pub struct ScanFacts {
    pub now: Timestamp,
    /// The override's reason, sealed with the participant's key.
    pub reason: Option<Sealed>,
    /// The ticket's owner, when it is a ticket for another gathering.
    pub elsewhere: Option<Subject>,
    /// The device's last number that left no event (the code was unknown), if higher than the model's.
    pub unrecorded_seq: Option<u64>,
}

impl ScanDetails {
    #[must_use]
    pub const fn mode(&self) -> ScanMode {
        if self.offline_fact {
            ScanMode::OfflineFact
        } else {
            ScanMode::Online
        }
    }

    /// When it happened, as far as the server believes it: never later than now.
    #[must_use]
    pub fn effective_at(&self, now: Timestamp) -> Timestamp {
        self.occurred_at.map_or(now, |occurred| occurred.min(now))
    }
}

/// # Errors
/// When there is no such gathering, or nobody has the code. Other refusals are events.
pub fn decide(model: &Model, command: &ScanTicket, facts: ScanFacts) -> Result<Event, Refusal> {
    decide_direction(
        model,
        &command.code,
        command.direction,
        &command.details,
        facts,
    )
}

pub(super) fn decide_direction(
    model: &Model,
    code: &Code,
    direction: Direction,
    details: &ScanDetails,
    facts: ScanFacts,
) -> Result<Event, Refusal> {
    if model.details().is_none() {
        return Err(Refusal::UnknownGathering);
    }
    let warnings = clock_and_gap(model, details, &facts);
    let Some(participant) = model.participant(code) else {
        let subject = facts
            .elsewhere
            .ok_or_else(|| Refusal::UnknownCode { code: code.clone() })?;
        let scan = scan(subject, details, warnings);
        return Ok(refused(scan, direction, RefusalCode::WrongEvent, None));
    };
    let at = details.effective_at(facts.now);
    let rule = match direction {
        Direction::In => check_in::rule(model, participant, at),
        Direction::Out => check_out::rule(participant),
    };
    let mut scan = scan(participant.subject(), details, warnings);
    match rule {
        None => {}
        Some(code) if facts.reason.is_some() && can_override(code) => {
            scan.overridden = Some(code);
            scan.reason = facts.reason;
        }
        Some(code) if details.offline_fact => scan.warnings.push(Warning::Rule(code)),
        Some(code) => {
            return Ok(refused(
                scan,
                direction,
                code,
                in_the_way(participant, code),
            ));
        }
    }
    Ok(match direction {
        Direction::In => {
            if over_capacity(model, participant) {
                scan.warnings.push(Warning::OverCapacity);
            }
            Event::ParticipantCheckedIn(scan)
        }
        Direction::Out => Event::ParticipantCheckedOut(scan),
    })
}

const fn can_override(code: RefusalCode) -> bool {
    !matches!(
        code,
        RefusalCode::Erased | RefusalCode::UnknownCode | RefusalCode::WrongEvent
    )
}

fn scan(subject: Subject, details: &ScanDetails, warnings: Vec<Warning>) -> Scan {
    Scan {
        subject,
        gate: details.gate.clone(),
        device: details.device.clone(),
        device_seq: details.device_seq,
        mode: details.mode(),
        warnings,
        overridden: None,
        reason: None,
    }
}

const fn refused(
    scan: Scan,
    direction: Direction,
    code: RefusalCode,
    previous: Option<Offset>,
) -> Event {
    Event::ScanRefused {
        scan,
        direction,
        code,
        previous,
    }
}

/// The entry that a refusal is about.
fn in_the_way(participant: &Participant, code: RefusalCode) -> Option<Offset> {
    matches!(
        code,
        RefusalCode::AlreadyCheckedIn | RefusalCode::ReentryDenied
    )
    .then(|| participant.last_entry())
    .flatten()
    .map(|entry| entry.offset)
}

fn over_capacity(model: &Model, participant: &Participant) -> bool {
    model.details().is_some_and(|details| {
        details.capacity_mode == CapacityMode::Warn
            && !participant.inside()
            && details
                .capacity
                .is_some_and(|capacity| model.counts().inside >= capacity)
    })
}

fn clock_and_gap(model: &Model, details: &ScanDetails, facts: &ScanFacts) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let limit = facts.now.plus_seconds(CLOCK_AHEAD_SECONDS_MAX);
    if details.occurred_at.is_some_and(|occurred| occurred > limit) {
        warnings.push(Warning::ClockAhead);
    }
    if let (Some(device), Some(this)) = (&details.device, details.device_seq)
        && let Some(last) = model.device_seq(device).max(facts.unrecorded_seq)
        && this > last.saturating_add(1)
    {
        warnings.push(Warning::DeviceGap { last, this });
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::spec::{Given, at, code, given, sealed, subject};

    fn ticket(direction: Direction, details: ScanDetails) -> ScanTicket {
        ScanTicket {
            code: code("A1"),
            direction,
            details,
        }
    }

    fn decided(given: &Given, details: ScanDetails, facts: ScanFacts) -> Result<Event, Refusal> {
        decide(given.model(), &ticket(Direction::In, details), facts)
    }

    fn warnings(given: &Given, details: ScanDetails, facts: ScanFacts) -> Vec<Warning> {
        decided(given, details, facts)
            .unwrap()
            .scan()
            .unwrap()
            .warnings
            .clone()
    }

    fn now() -> ScanFacts {
        ScanFacts {
            now: at(100),
            ..ScanFacts::default()
        }
    }

    fn device(seq: u64) -> ScanDetails {
        ScanDetails {
            device: Some("phone".into()),
            device_seq: Some(seq),
            ..ScanDetails::default()
        }
    }

    #[test]
    fn the_scan_keeps_where_it_was_made() {
        let details = ScanDetails {
            gate: Some("north".into()),
            offline_fact: true,
            ..device(4)
        };
        let expected = Scan {
            mode: ScanMode::OfflineFact,
            ..scan(subject("A1"), &details, vec![])
        };
        assert_eq!(expected.gate.as_deref(), Some("north"));
        assert_eq!(
            decided(&given().gathering().registered("A1"), details, now()),
            Ok(Event::ParticipantCheckedIn(expected))
        );
    }

    #[test]
    fn an_unknown_code_leaves_no_event() {
        let unknown = Refusal::UnknownCode { code: code("A1") };
        assert_eq!(
            decided(&given().gathering(), device(1), now()),
            Err(unknown.clone())
        );
        let offline = ScanDetails {
            offline_fact: true,
            ..device(1)
        };
        assert_eq!(decided(&given().gathering(), offline, now()), Err(unknown));
    }

    #[test]
    fn an_unknown_gathering_reads_no_tickets() {
        assert_eq!(
            decided(&given(), device(1), now()),
            Err(Refusal::UnknownGathering)
        );
    }

    #[test]
    fn a_ticket_for_another_gathering_is_refused_whatever_the_mode() {
        for (offline_fact, reason) in [
            (false, None),
            (true, None),
            (false, Some(sealed("let them"))),
        ] {
            let facts = ScanFacts {
                elsewhere: Some(subject("A1")),
                reason,
                ..now()
            };
            let details = ScanDetails {
                offline_fact,
                ..ScanDetails::default()
            };
            let event = decided(&given().gathering(), details.clone(), facts);
            let scan = scan(subject("A1"), &details, vec![]);
            assert_eq!(
                event,
                Ok(refused(scan, Direction::In, RefusalCode::WrongEvent, None))
            );
        }
    }

    #[test]
    fn an_offline_fact_is_recorded_with_the_rule_that_it_broke() {
        let offline = || ScanDetails {
            offline_fact: true,
            ..ScanDetails::default()
        };
        let inside = given().gathering().registered("A1").checked_in("A1");
        assert_eq!(
            warnings(&inside, offline(), now()),
            [Warning::Rule(RefusalCode::AlreadyCheckedIn)]
        );
        let erased = given().gathering().registered("A1").erased("A1");
        assert_eq!(
            warnings(&erased, offline(), now()),
            [Warning::Rule(RefusalCode::Erased)]
        );
        let outside = given().gathering().registered("A1");
        let event = decide(outside.model(), &ticket(Direction::Out, offline()), now()).unwrap();
        let expected = scan(
            subject("A1"),
            &offline(),
            vec![Warning::Rule(RefusalCode::NotCheckedIn)],
        );
        assert_eq!(event, Event::ParticipantCheckedOut(expected));
    }

    #[test]
    fn an_override_admits_and_keeps_what_it_overrode_and_why() {
        let facts = ScanFacts {
            reason: Some(sealed("on the list")),
            ..now()
        };
        let cancelled = given().gathering().registered("A1").cancelled("A1");
        let event = decided(&cancelled, ScanDetails::default(), facts.clone()).unwrap();
        let mut expected = scan(subject("A1"), &ScanDetails::default(), vec![]);
        (expected.overridden, expected.reason) = (Some(RefusalCode::Cancelled), facts.reason);
        assert_eq!(event, Event::ParticipantCheckedIn(expected));
    }

    #[test]
    fn an_override_that_was_not_needed_overrides_nothing() {
        let facts = ScanFacts {
            reason: Some(sealed("just in case")),
            ..now()
        };
        let event = decided(
            &given().gathering().registered("A1"),
            ScanDetails::default(),
            facts,
        )
        .unwrap();
        assert_eq!(
            event,
            Event::ParticipantCheckedIn(scan(subject("A1"), &ScanDetails::default(), vec![]))
        );
    }

    #[test]
    fn nobody_overrides_an_erasure() {
        let facts = ScanFacts {
            reason: Some(sealed("please")),
            ..now()
        };
        let erased = given().gathering().registered("A1").erased("A1");
        let event = decided(&erased, ScanDetails::default(), facts).unwrap();
        let scan = scan(subject("A1"), &ScanDetails::default(), vec![]);
        assert_eq!(
            event,
            refused(scan, Direction::In, RefusalCode::Erased, None)
        );
    }

    #[test]
    fn a_gap_in_a_devices_numbers_is_reported() {
        let seen = |seq| {
            given()
                .gathering()
                .registered("A1")
                .scan_refused("A1", device(seq))
        };
        assert_eq!(
            warnings(&seen(4), device(7), now()),
            [Warning::DeviceGap { last: 4, this: 7 }]
        );
        assert_eq!(warnings(&seen(4), device(5), now()), []);
        assert_eq!(warnings(&seen(4), device(3), now()), []);
        assert_eq!(
            warnings(&given().gathering().registered("A1"), device(7), now()),
            []
        );
        let unrecorded = ScanFacts {
            unrecorded_seq: Some(6),
            ..now()
        };
        assert_eq!(warnings(&seen(4), device(7), unrecorded), []);
    }

    #[test]
    fn a_clock_that_is_ahead_counts_as_now_and_is_reported() {
        let said = |second| ScanDetails {
            occurred_at: Some(at(second)),
            ..ScanDetails::default()
        };
        let registered = given().gathering().registered("A1");
        assert_eq!(
            warnings(&registered, said(103), now()),
            [Warning::ClockAhead]
        );
        assert_eq!(warnings(&registered, said(102), now()), []);
        assert_eq!(said(103).effective_at(at(100)), at(100));
        assert_eq!(said(50).effective_at(at(100)), at(50));
        assert_eq!(ScanDetails::default().effective_at(at(100)), at(100));
    }
}
