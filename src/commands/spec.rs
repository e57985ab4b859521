//! Given / when / then for decisions: a history of events, a decision, the event or refusal that
//! must come of it. The gathering's n-th event has offset n, was made by "ana", at second n.

use std::fmt::Debug;

use super::{model::Model, scan::ScanDetails};
use crate::events::{
    event::{
        ActorRole, CapacityMode, Direction, DoorRole, DoorToken, Event, GatheringDetails, Reentry,
        RefusalCode, Registration, RegistrationPolicy, Scan, Sealed, Subject,
    },
    ids::{Code, CorrelationId, DoorTokenId, EventId, GatheringId, Offset, ParticipantId},
    recorded::{Actor, Recorded},
    time::Timestamp,
};

pub(super) struct Given {
    model: Model,
    history: Vec<Recorded>,
}

pub(super) struct When<R>(R);

pub(super) fn given() -> Given {
    Given {
        model: Model::default(),
        history: Vec::new(),
    }
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp(0).plus_seconds(second)
}

pub(super) fn code(text: &str) -> Code {
    Code::parse(text).unwrap()
}

pub(super) fn subject(text: &str) -> Subject {
    let mut id = [0; 16];
    id[..text.len()].copy_from_slice(text.as_bytes());
    Subject {
        participant: ParticipantId::from_bytes(id),
        code: code(text),
    }
}

pub(super) fn sealed(text: &str) -> Sealed {
    Sealed(text.as_bytes().into())
}

pub(super) fn details() -> GatheringDetails {
    GatheringDetails {
        name: "Summer night".into(),
        creator: "boss".into(),
        start_date: at(0),
        end_date: None,
        time_zone: chrono_tz::Europe::Vienna,
        capacity: None,
        capacity_mode: CapacityMode::Warn,
        reentry: Reentry::AfterCheckOut,
        opens_at: None,
        closes_at: None,
        registration: RegistrationPolicy::Staff,
    }
}

impl Given {
    pub(super) const fn model(&self) -> &Model {
        &self.model
    }

    pub(super) fn history(&self) -> &[Recorded] {
        &self.history
    }

    pub(super) fn when<R>(self, decide: impl FnOnce(&Model) -> R) -> When<R> {
        When(decide(&self.model))
    }

    pub(super) fn event(mut self, event: Event) -> Self {
        let offset = self.model.offset() + 1;
        let moment = at(i64::try_from(offset).unwrap());
        let recorded = Recorded {
            offset,
            event_id: EventId::from_bytes([0; 16]),
            gathering: GatheringId::from_bytes([1; 16]),
            recorded_at: moment,
            occurred_at: moment,
            actor: Actor {
                id: "ana".into(),
                role: ActorRole::Steward,
                name: None,
            },
            correlation: CorrelationId::from_bytes([0; 16]),
            causation: None,
            command: None,
            event,
        };
        self.model.evolve(&recorded);
        self.history.push(recorded);
        self
    }

    pub(super) fn gathering(self) -> Self {
        self.gathering_with(|_| ())
    }

    pub(super) fn gathering_with(self, change: impl FnOnce(&mut GatheringDetails)) -> Self {
        let mut details = details();
        change(&mut details);
        self.event(Event::GatheringCreated(details))
    }

    pub(super) fn change_details(self, change: impl FnOnce(&mut GatheringDetails)) -> Self {
        let mut details = self.model.details().unwrap().clone();
        change(&mut details);
        self.event(Event::GatheringChanged(details))
    }

    pub(super) fn registered(self, name: &str) -> Self {
        self.event(Event::ParticipantRegistered(Registration {
            subject: subject(name),
            ticket_type: None,
            external_id: None,
            person: sealed(name),
        }))
    }

    pub(super) fn checked_in(self, name: &str) -> Self {
        self.event(Event::ParticipantCheckedIn(scan(
            name,
            ScanDetails::default(),
        )))
    }

    pub(super) fn checked_out(self, name: &str) -> Self {
        self.event(Event::ParticipantCheckedOut(scan(
            name,
            ScanDetails::default(),
        )))
    }

    pub(super) fn scan_refused(self, name: &str, details: ScanDetails) -> Self {
        self.event(Event::ScanRefused {
            scan: scan(name, details),
            direction: Direction::In,
            code: RefusalCode::Closed,
            previous: None,
        })
    }

    pub(super) fn undone(self, name: &str, undoes: Offset) -> Self {
        self.event(Event::ScanUndone {
            subject: subject(name),
            undoes,
            reason: None,
        })
    }

    pub(super) fn minted(self, number: u64) -> Self {
        let mut jti = [0; 16];
        jti[8..].copy_from_slice(&number.to_be_bytes());
        self.event(Event::DoorTokenMinted(DoorToken {
            jti: DoorTokenId::from_bytes(jti),
            name: sealed("north"),
            door_role: DoorRole::Steward,
            expires_at: at(1_000),
        }))
    }

    pub(super) fn cancelled(self, name: &str) -> Self {
        self.event(Event::RegistrationCancelled {
            subject: subject(name),
            reason: None,
        })
    }

    pub(super) fn erased(self, name: &str) -> Self {
        self.event(Event::ParticipantErased {
            subject: subject(name),
        })
    }
}

impl<R: PartialEq + Debug> When<R> {
    #[track_caller]
    pub(super) fn then(self, expected: R) {
        assert_eq!(self.0, expected);
    }
}

fn scan(name: &str, details: ScanDetails) -> Scan {
    Scan {
        subject: subject(name),
        mode: details.mode(),
        gate: details.gate,
        device: details.device,
        device_seq: details.device_seq,
        warnings: Vec::new(),
        overridden: None,
        reason: None,
    }
}
