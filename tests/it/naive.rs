//! Random histories, and what is to be seen of them by the plainest fold there is: lists searched from
//! end to end, everything recomputed at every event.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use doorbook::{
    events::{
        event::{
            ActorRole, CapacityMode, Direction, DoorRole, DoorToken, Event, GatheringDetails,
            Person, Reentry, RefusalCode, Registration, RegistrationPolicy, Scan, ScanMode, Sealed,
            Subject,
        },
        ids::{Code, CorrelationId, DoorTokenId, GatheringId, Offset, ParticipantId},
        log::{Durable, Log},
        recorded::{Actor, NewEvent, Recorded},
        time::Timestamp,
    },
    projections::participants::{Occupancy, Participant, Previous, Status, User},
};
use proptest::prelude::*;

const GATES: [Option<&str>; 3] = [None, Some("north"), Some("süd")];
/// One random step; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) kind: u8,
    pub(crate) gathering: usize,
    pub(crate) participant: usize,
    pub(crate) gate: usize,
    pub(crate) back: usize,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    (0..21_u8, 0..3_usize, 0..50_usize, 0..3_usize, 0..6_usize).prop_map(
        |(kind, gathering, participant, gate, back)| Step {
            kind,
            gathering,
            participant,
            gate,
            back,
        },
    )
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NaiveDoorToken {
    pub(crate) jti: DoorTokenId,
    pub(crate) name: String,
    pub(crate) revoked: bool,
}

/// What the naive fold knows of a person.
#[derive(Clone)]
pub(crate) struct NaivePerson {
    pub(crate) subject: Subject,
    pub(crate) person: Person,
    cancelled: bool,
    pub(crate) erased: bool,
    visits: Vec<(Offset, Direction, usize, Timestamp)>,
    pub(crate) offset: Offset,
}

#[derive(Clone, Default)]
pub(crate) struct NaiveGathering {
    pub(crate) people: Vec<NaivePerson>,
    capacity: Option<u32>,
    pub(crate) team: BTreeMap<String, DoorRole>,
    pub(crate) door_tokens: Vec<NaiveDoorToken>,
    pub(crate) offset: Offset,
}

impl NaiveGathering {
    pub(crate) fn occupancy(&self) -> Occupancy {
        let count = |test: fn(&NaivePerson) -> bool| {
            u32::try_from(self.people.iter().filter(|person| test(person)).count()).unwrap()
        };
        Occupancy {
            inside: count(NaivePerson::inside),
            checked_in: count(|person| person.entries() > 0),
            registered: count(|person| !person.cancelled),
            capacity: self.capacity,
        }
    }

    pub(crate) fn arrivals(&self) -> BTreeMap<(i64, Option<Arc<str>>), u32> {
        let mut arrivals = BTreeMap::new();
        for (_, direction, gate, at) in self.people.iter().flat_map(|person| &person.visits) {
            if *direction == Direction::In {
                *arrivals
                    .entry((at.minute(), GATES[*gate].map(Arc::from)))
                    .or_insert(0) += 1;
            }
        }
        arrivals
    }
}

impl NaivePerson {
    fn inside(&self) -> bool {
        self.visits
            .last()
            .is_some_and(|visit| visit.1 == Direction::In)
    }

    fn entries(&self) -> usize {
        self.visits
            .iter()
            .filter(|visit| visit.1 == Direction::In)
            .count()
    }

    pub(crate) fn seen(&self, gathering: GatheringId) -> Participant {
        let last = self.visits.last();
        let came = self.visits.iter().rfind(|visit| visit.1 == Direction::In);
        Participant {
            id: self.subject.participant,
            event_id: gathering,
            event_pax_id: self.subject.code.clone(),
            user: if self.erased {
                User::default()
            } else {
                User {
                    first_name: self.person.first_name.clone(),
                    last_name: self.person.last_name.clone(),
                    email: self.person.email.clone(),
                }
            },
            ticket_type: Some("day".into()),
            external_id: None,
            note: self.person.note.clone().filter(|_| !self.erased),
            status: match (self.erased, self.cancelled) {
                (true, _) => Status::Erased,
                (false, true) => Status::Cancelled,
                (false, false) => Status::Registered,
            },
            checked_in: self.inside(),
            check_in_time: came.map(|visit| visit.3),
            check_out_time: last
                .filter(|visit| visit.1 == Direction::Out)
                .map(|visit| visit.3),
            last_gate: last.and_then(|visit| GATES[visit.2]).map(Arc::from),
            entries: u32::try_from(self.entries()).unwrap(),
            offset: self.offset,
        }
    }
}

/// A history as it is written, with the naive fold beside it.
pub(crate) struct History {
    pub(crate) log: Log,
    pub(crate) ids: Vec<GatheringId>,
    pub(crate) naive: HashMap<GatheringId, NaiveGathering>,
    pub(crate) undone: HashMap<Offset, Offset>,
    clock: i64,
    pending: Option<Durable>,
}

/// What callers are to see of one event.
#[derive(Clone)]
pub(crate) struct Expected {
    pub(crate) participant: Option<Participant>,
    pub(crate) occupancy: Occupancy,
    pub(crate) previous: Option<Previous>,
}

impl History {
    pub(crate) fn new(log: Log) -> Self {
        let mut history = Self {
            log,
            ids: Vec::new(),
            naive: HashMap::new(),
            undone: HashMap::new(),
            clock: 1_780_000_000_000_000,
            pending: None,
        };
        for number in 0..3 {
            let id = GatheringId::generate();
            history.ids.push(id);
            history.naive.insert(id, NaiveGathering::default());
            let keys = history.log.keys();
            keys.adopt(keys.fresh(id, id.to_bytes()));
            history.append(id, Event::GatheringCreated(details(number)));
            history.gathering(id).capacity = Some(number);
        }
        history
    }

    fn gathering(&mut self, id: GatheringId) -> &mut NaiveGathering {
        self.naive.get_mut(&id).unwrap()
    }

    fn append(&mut self, id: GatheringId, event: Event) -> Arc<Recorded> {
        self.clock += 17_000_000;
        let at = Timestamp(self.clock);
        let (recorded, durable) = self
            .log
            .append(NewEvent {
                gathering: id,
                decided_at: at,
                occurred_at: at,
                actor: Actor {
                    id: "staff".into(),
                    role: ActorRole::Steward,
                    name: None,
                },
                correlation: CorrelationId::generate(),
                causation: None,
                command: None,
                event,
            })
            .unwrap();
        self.pending = Some(durable);
        self.gathering(id).offset = recorded.offset;
        recorded
    }

    /// Waits until everything written is durable.
    pub(crate) fn settle(&mut self) {
        if let Some(last) = self.pending.take() {
            tokio::task::block_in_place(|| last.wait_blocking().unwrap());
        }
    }

    /// Writes one event and says what is to be seen of it.
    pub(crate) fn take(&mut self, step: &Step) -> (GatheringId, Arc<Recorded>, Expected) {
        let id = self.ids[step.gathering % self.ids.len()];
        let people = self.naive[&id].people.len();
        let (recorded, who) = match step.kind {
            _ if people == 0 => self.register(id, step),
            0..=3 => self.register(id, step),
            4 => self.change(id, step),
            5 => self.wrong_ticket(id, step),
            20 => (self.door_token(id, step), None),
            kind => self.about_somebody(id, kind, step.participant % people, step),
        };
        let gathering = self.gathering(id);
        if let Some(who) = who {
            gathering.people[who].offset = recorded.offset;
        }
        let refused = matches!(recorded.event, Event::ScanRefused { .. });
        let expected = Expected {
            participant: who.map(|who| gathering.people[who].seen(id)),
            occupancy: gathering.occupancy(),
            previous: who.filter(|_| refused).and_then(|who| {
                gathering.people[who].visits.last().map(|visit| Previous {
                    at: visit.3,
                    gate: GATES[visit.2].map(Arc::from),
                    device: None,
                    by: "staff".into(),
                })
            }),
        };
        (id, recorded, expected)
    }

    fn register(&mut self, id: GatheringId, step: &Step) -> (Arc<Recorded>, Option<usize>) {
        let participant = ParticipantId::generate();
        let person = Person {
            first_name: format!("Zoë {}", step.participant),
            last_name: "Müller".to_owned(),
            email: format!("zoe{}@example.org", step.back),
            note: Some("vegan".to_owned()).filter(|_| step.gate == 0),
        };
        let fresh = self.log.keys().fresh(id, participant.to_bytes());
        let sealed = fresh.seal(&serde_json::to_vec(&person).unwrap());
        self.log.keys().adopt(fresh);
        let subject = Subject {
            participant,
            code: Code::parse(&participant.to_string()).unwrap(),
        };
        let event = Event::ParticipantRegistered(Registration {
            subject: subject.clone(),
            ticket_type: Some("day".into()),
            external_id: None,
            person: sealed,
        });
        let recorded = self.append(id, event);
        let people = &mut self.gathering(id).people;
        people.push(NaivePerson {
            subject,
            person,
            cancelled: false,
            erased: false,
            visits: Vec::new(),
            offset: recorded.offset,
        });
        let who = people.len() - 1;
        (recorded, Some(who))
    }

    fn change(&mut self, id: GatheringId, step: &Step) -> (Arc<Recorded>, Option<usize>) {
        if step.gate == 0 {
            let capacity = u32::try_from(step.participant).unwrap();
            self.gathering(id).capacity = Some(capacity);
            return (
                self.append(id, Event::GatheringChanged(details(capacity))),
                None,
            );
        }
        let user = format!("user{}", step.back);
        let door_role = Some(DoorRole::Supervisor).filter(|_| step.gate == 1);
        match door_role {
            Some(role) => self.gathering(id).team.insert(user.clone(), role),
            None => self.gathering(id).team.remove(&user),
        };
        let event = Event::ServiceTeamChanged {
            user_id: user.into(),
            door_role,
        };
        (self.append(id, event), None)
    }

    fn door_token(&mut self, id: GatheringId, step: &Step) -> Arc<Recorded> {
        let minted = self.naive[&id].door_tokens.len();
        if minted > 0 && step.gate == 0 {
            let token = &mut self.gathering(id).door_tokens[step.participant % minted];
            token.revoked = true;
            let jti = token.jti;
            return self.append(id, Event::DoorTokenRevoked { jti });
        }
        let (jti, name) = (DoorTokenId::generate(), format!("Zoë {}", step.participant));
        let sealed = (self.log.keys()).seal(id, id.to_bytes(), name.as_bytes());
        self.gathering(id).door_tokens.push(NaiveDoorToken {
            jti,
            name,
            revoked: false,
        });
        let token = DoorToken {
            jti,
            name: sealed.unwrap(),
            door_role: DoorRole::Steward,
            expires_at: Timestamp(self.clock).plus_seconds(3_600),
        };
        self.append(id, Event::DoorTokenMinted(token))
    }

    fn wrong_ticket(&mut self, id: GatheringId, step: &Step) -> (Arc<Recorded>, Option<usize>) {
        let event = Event::ScanRefused {
            scan: scan(subject_of_nobody(), step.gate),
            direction: Direction::In,
            code: RefusalCode::WrongEvent,
            previous: None,
        };
        (self.append(id, event), None)
    }

    fn about_somebody(
        &mut self,
        id: GatheringId,
        kind: u8,
        who: usize,
        step: &Step,
    ) -> (Arc<Recorded>, Option<usize>) {
        let subject = self.naive[&id].people[who].subject.clone();
        let direction = if kind.is_multiple_of(2) {
            Direction::In
        } else {
            Direction::Out
        };
        let event = match kind {
            6..=9 => Event::ParticipantCheckedIn(scan(subject, step.gate)),
            10..=12 => Event::ParticipantCheckedOut(scan(subject, step.gate)),
            13 | 14 => Event::ScanRefused {
                scan: scan(subject, step.gate),
                direction,
                code: RefusalCode::AlreadyCheckedIn,
                previous: None,
            },
            15..=17 => {
                let visits = &self.naive[&id].people[who].visits;
                let undoes = visits
                    .iter()
                    .rev()
                    .nth(step.back)
                    .map_or(1, |visit| visit.0);
                Event::ScanUndone {
                    subject,
                    undoes,
                    reason: None,
                }
            }
            18 => Event::RegistrationCancelled {
                subject,
                reason: None,
            },
            _ => {
                let whose = subject.participant.to_bytes();
                self.log.keys().destroy(id, whose).unwrap();
                Event::ParticipantErased { subject }
            }
        };
        let recorded = self.append(id, event);
        let (offset, at) = (recorded.offset, recorded.occurred_at);
        let person = &mut self.gathering(id).people[who];
        match &recorded.event {
            Event::ParticipantCheckedIn(_) => {
                person.visits.push((offset, Direction::In, step.gate, at));
            }
            Event::ParticipantCheckedOut(_) => {
                person.visits.push((offset, Direction::Out, step.gate, at));
            }
            Event::ScanUndone { undoes, .. } => {
                let undoes = *undoes;
                person.visits.retain(|visit| visit.0 != undoes);
                self.undone.insert(undoes, offset);
            }
            Event::RegistrationCancelled { .. } => person.cancelled = true,
            Event::ParticipantErased { .. } => person.erased = true,
            _ => {}
        }
        (recorded, Some(who))
    }
}

fn details(capacity: u32) -> GatheringDetails {
    GatheringDetails {
        name: "Evening".into(),
        creator: "ana".into(),
        start_date: Timestamp(0),
        end_date: None,
        time_zone: chrono_tz::Europe::Vienna,
        capacity: Some(capacity),
        capacity_mode: CapacityMode::Warn,
        reentry: Reentry::AfterCheckOut,
        opens_at: None,
        closes_at: None,
        registration: RegistrationPolicy::Staff,
    }
}

fn scan(subject: Subject, gate: usize) -> Scan {
    Scan {
        subject,
        gate: GATES[gate].map(Arc::from),
        device: None,
        device_seq: None,
        mode: ScanMode::Online,
        warnings: Vec::new(),
        overridden: None,
        reason: None::<Sealed>,
    }
}

fn subject_of_nobody() -> Subject {
    let participant = ParticipantId::generate();
    Subject {
        participant,
        code: Code::parse(&participant.to_string()).unwrap(),
    }
}
