//! The read model of a gathering: its details, its people, who is inside. The fold, and the form in
//! which callers see a participant.
//!
//! Not here: where the fold lives and how it is brought up (`gathering`), what streams
//! make of it ([`super::feed`]), how `q` matches (`search`).

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
};

use foldhash::quality::RandomState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    as_of::ArrivalCounts,
    details::{self, NameId, Names},
    person::PersonCell,
};
use crate::events::{
    event::{Direction, DoorRole, Event, GatheringDetails, Registration, Scan, Sealed, Subject},
    ids::{Code, GatheringId, Offset, ParticipantId},
    keys::Keys,
    recorded::Recorded,
    snapshot::FoldName,
    time::Timestamp,
};

/// Raise the version whenever [`State`] or what `apply` makes of an event changes.
pub(crate) const FOLD: FoldName = FoldName {
    name: "participants",
    version: 2,
};

/// A participant as callers see one (contract: **Participant**).
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Participant {
    #[schema(value_type = String, format = Uuid)]
    pub id: ParticipantId,
    #[schema(value_type = String, format = Uuid)]
    pub event_id: GatheringId,
    #[schema(value_type = String)]
    pub event_pax_id: Code,
    pub user: User,
    #[schema(value_type = Option<String>)]
    pub ticket_type: Option<Arc<str>>,
    #[schema(value_type = Option<String>)]
    pub external_id: Option<Arc<str>>,
    pub note: Option<String>,
    pub status: Status,
    /// Inside now.
    pub checked_in: bool,
    /// When they last came in.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub check_in_time: Option<Timestamp>,
    /// When they last left; null while inside.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub check_out_time: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    pub last_gate: Option<Arc<str>>,
    pub entries: u32,
    /// The last event that is about this participant.
    pub offset: Offset,
}

/// Empty strings once erased.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema, Default)]
pub struct User {
    pub first_name: String,
    pub last_name: String,
    pub email: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Registered,
    Cancelled,
    Erased,
}

/// `checked_in`: participants who have come in at least once; `inside`: those who are in now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, Default)]
pub struct Occupancy {
    pub inside: u32,
    pub checked_in: u32,
    pub registered: u32,
    pub capacity: Option<u32>,
}

/// The scan that stands in the way of a refused one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Previous {
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    #[schema(value_type = Option<String>)]
    pub gate: Option<Arc<str>>,
    #[schema(value_type = Option<String>)]
    pub device: Option<Arc<str>>,
    /// The actor's id.
    #[schema(value_type = String)]
    pub by: Arc<str>,
}

/// What one person adds to the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Presence {
    pub(super) inside: bool,
    pub(super) entered: bool,
}

impl Occupancy {
    /// Moves one person from one presence to another.
    pub(super) fn shift(&mut self, before: Presence, after: Presence) {
        self.inside = moved(self.inside, before.inside, after.inside);
        self.checked_in = moved(self.checked_in, before.entered, after.entered);
    }
}

fn moved(count: u32, before: bool, after: bool) -> u32 {
    match (before, after) {
        (false, true) => count.saturating_add(1),
        (true, false) => count.saturating_sub(1),
        (true, true) | (false, false) => count,
    }
}

/// A scan that counts: admitted or exited, and not undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Visit {
    offset: Offset,
    at: Timestamp,
    gate: NameId,
    device: NameId,
    by: NameId,
    direction: Direction,
}

/// One participant in the fold. The clear person and the form for callers are made when first
/// asked for and never saved.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(super) id: ParticipantId,
    pub(super) code: Code,
    ticket_type: NameId,
    external_id: Option<Arc<str>>,
    pub(super) sealed: Option<Sealed>,
    cancelled: bool,
    erased: bool,
    visits: Vec<Visit>,
    offset: Offset,
    #[serde(skip)]
    pub(super) person: Arc<PersonCell>,
    #[serde(skip)]
    wire: OnceLock<Arc<Participant>>,
}

/// What a snapshot holds.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(super) gathering: GatheringId,
    #[serde(with = "details::optional")]
    pub(super) details: Option<GatheringDetails>,
    pub(super) team: BTreeMap<Arc<str>, DoorRole>,
    pub(super) rows: Vec<Arc<Row>>,
    pub(super) names: Arc<Names>,
    pub(super) occupancy: Occupancy,
    /// The last event that was applied.
    pub(super) offset: Offset,
    /// How many were applied.
    pub(super) events: u64,
}

/// The fold of one gathering's events.
#[derive(Clone)]
pub(crate) struct Participants {
    pub(super) state: State,
    by_id: HashMap<ParticipantId, usize, RandomState>,
    by_code: HashMap<Code, usize, RandomState>,
}

impl Participants {
    pub(crate) fn new(gathering: GatheringId) -> Self {
        Self::from_state(State {
            gathering,
            details: None,
            team: BTreeMap::new(),
            rows: Vec::new(),
            names: Arc::default(),
            occupancy: Occupancy::default(),
            offset: 0,
            events: 0,
        })
    }

    pub(crate) fn from_state(state: State) -> Self {
        let by_id = (state.rows.iter().enumerate())
            .map(|(position, row)| (row.id, position))
            .collect();
        let by_code = (state.rows.iter().enumerate())
            .map(|(position, row)| (row.code.clone(), position))
            .collect();
        Self {
            state,
            by_id,
            by_code,
        }
    }

    /// Total: an event about somebody unknown here (a ticket of another gathering) changes
    /// nothing but the position.
    pub(crate) fn apply(&mut self, recorded: &Recorded) {
        match &recorded.event {
            Event::GatheringCreated(details) | Event::GatheringChanged(details) => {
                self.state.occupancy.capacity = details.capacity;
                self.state.details = Some(details.clone());
            }
            Event::ServiceTeamChanged { user_id, door_role } => match door_role {
                Some(role) => {
                    self.state.team.insert(user_id.clone(), *role);
                }
                None => {
                    self.state.team.remove(user_id);
                }
            },
            Event::DoorTokenMinted(_)
            | Event::DoorTokenRevoked { .. }
            | Event::PersonalDataAccessed(_) => {}
            Event::ParticipantRegistered(registration) => self.register(recorded, registration),
            Event::ParticipantCheckedIn(scan) => self.visit(recorded, scan, Direction::In),
            Event::ParticipantCheckedOut(scan) => self.visit(recorded, scan, Direction::Out),
            Event::ScanRefused { scan, .. } => self.touch(recorded, &scan.subject, |_, _| {}),
            Event::ScanUndone {
                subject, undoes, ..
            } => self.touch(recorded, subject, |row, _| {
                row.visits.retain(|visit| visit.offset != *undoes);
            }),
            Event::RegistrationCancelled { subject, .. } => {
                self.touch(recorded, subject, |row, occupancy| {
                    occupancy.registered = moved(occupancy.registered, !row.cancelled, false);
                    row.cancelled = true;
                });
            }
            Event::ParticipantErased { subject } => self.touch(recorded, subject, |row, _| {
                row.erased = true;
                row.sealed = None;
                row.person = Arc::new(PersonCell::erased());
            }),
        }
        self.state.offset = recorded.offset;
        self.state.events += 1;
    }

    fn register(&mut self, recorded: &Recorded, registration: &Registration) {
        let Subject { participant, code } = &registration.subject;
        if self.by_id.contains_key(participant) || self.by_code.contains_key(code) {
            return;
        }
        let position = self.state.rows.len();
        let ticket_type = Names::intern(&mut self.state.names, registration.ticket_type.as_ref());
        self.by_id.insert(*participant, position);
        self.by_code.insert(code.clone(), position);
        self.state.occupancy.registered += 1;
        self.state.rows.push(Arc::new(Row {
            id: *participant,
            code: code.clone(),
            ticket_type,
            external_id: registration.external_id.clone(),
            sealed: Some(registration.person.clone()),
            cancelled: false,
            erased: false,
            visits: Vec::new(),
            offset: recorded.offset,
            person: Arc::default(),
            wire: OnceLock::new(),
        }));
    }

    fn visit(&mut self, recorded: &Recorded, scan: &Scan, direction: Direction) {
        let names = &mut self.state.names;
        let visit = Visit {
            offset: recorded.offset,
            at: recorded.occurred_at,
            gate: Names::intern(names, scan.gate.as_ref()),
            device: Names::intern(names, scan.device.as_ref()),
            by: Names::intern(names, Some(&recorded.actor.id)),
            direction,
        };
        self.touch(recorded, &scan.subject, |row, _| row.visits.push(visit));
    }

    fn touch(
        &mut self,
        recorded: &Recorded,
        subject: &Subject,
        change: impl FnOnce(&mut Row, &mut Occupancy),
    ) {
        let Some(row) = (self.by_id.get(&subject.participant))
            .and_then(|position| self.state.rows.get_mut(*position))
        else {
            return;
        };
        let row = Arc::make_mut(row);
        let before = row.presence();
        change(row, &mut self.state.occupancy);
        self.state.occupancy.shift(before, row.presence());
        row.offset = recorded.offset;
        row.wire = OnceLock::new();
    }

    pub(super) fn row_of(&self, participant: ParticipantId) -> Option<&Arc<Row>> {
        self.state.rows.get(*self.by_id.get(&participant)?)
    }

    pub(super) fn row_of_code(&self, code: &Code) -> Option<&Arc<Row>> {
        self.state.rows.get(*self.by_code.get(code)?)
    }

    /// Lets this fold show the person that another one has unsealed already, as it is there.
    pub(super) fn share_person(&mut self, participant: ParticipantId, person: &Arc<PersonCell>) {
        let position = self.by_id.get(&participant);
        if let Some(row) = position.and_then(|position| self.state.rows.get_mut(*position))
            && !Arc::ptr_eq(&row.person, person)
        {
            let row = Arc::make_mut(row);
            row.person = person.clone();
            row.wire = OnceLock::new();
        }
    }

    /// Admissions that count, by minute of arrival and gate.
    pub(super) fn arrivals(&self) -> ArrivalCounts {
        let names = &self.state.names;
        let mut counts: HashMap<(i64, NameId), u32> = HashMap::new();
        for visit in self.state.rows.iter().flat_map(|row| &row.visits) {
            if visit.direction == Direction::In {
                *counts.entry((visit.at.minute(), visit.gate)).or_default() += 1;
            }
        }
        (counts.into_iter())
            .map(|((minute, gate), count)| ((minute, names.get(gate)), count))
            .collect()
    }

    /// The participant's last scan that counts.
    pub(super) fn previous_of(&self, participant: ParticipantId) -> Option<Previous> {
        let visit = self.row_of(participant)?.visits.last()?;
        let names = &self.state.names;
        Some(Previous {
            at: visit.at,
            gate: names.get(visit.gate),
            device: names.get(visit.device),
            by: names.get(visit.by)?,
        })
    }

    /// The rows in which two folds differ: id, and names of the fields, without what is in them. A row with
    /// the gathering's own id stands for the gathering.
    pub(super) fn differing_rows(&self, live: &Self) -> Vec<(String, Vec<&'static str>)> {
        let (mine, others) = (&self.state, &live.state);
        let own = fields(&[
            ("details", mine.details != others.details),
            ("team", mine.team != others.team),
            ("occupancy", mine.occupancy != others.occupancy),
            ("names", mine.names != others.names),
            ("events", mine.events != others.events),
            ("offset", mine.offset != others.offset),
        ]);
        let own = std::iter::once((mine.gathering.to_string(), own));
        let rows = mine.rows.iter().map(|row| {
            let differing = match live.row_of(row.id) {
                None => vec!["missing"],
                Some(other) if Arc::ptr_eq(row, other) => Vec::new(),
                Some(other) => row.differing_fields(other),
            };
            (row.id.to_string(), differing)
        });
        let unexpected = (others.rows.iter())
            .filter(|row| !self.by_id.contains_key(&row.id))
            .map(|row| (row.id.to_string(), vec!["unexpected"]));
        (own.chain(rows).chain(unexpected))
            .filter(|(_, fields)| !fields.is_empty())
            .collect()
    }

    /// The first thing in which two folds at the same offset differ, without personal data.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let (mine, others) = (&self.state, &other.state);
        if mine.offset != others.offset || mine.events != others.events {
            return Some(format!(
                "{} events up to offset {}, and {} up to {}",
                mine.events, mine.offset, others.events, others.offset
            ));
        }
        let ids = |state: &State| state.rows.iter().map(|row| row.id).collect::<Vec<_>>();
        let mut differing = self.differing_rows(other).into_iter();
        differing
            .next()
            .map(|(row, fields)| format!("{row}: {}", fields.join(", ")))
            .or_else(|| (ids(mine) != ids(others)).then(|| "the order of participants".to_owned()))
    }
}

impl Row {
    fn presence(&self) -> Presence {
        let last = self.visits.last();
        Presence {
            inside: last.is_some_and(|visit| visit.direction == Direction::In),
            entered: (self.visits.iter()).any(|visit| visit.direction == Direction::In),
        }
    }

    pub(super) fn is_inside(&self) -> bool {
        self.presence().inside
    }

    pub(super) fn status(&self) -> Status {
        match (self.erased, self.cancelled) {
            (true, _) => Status::Erased,
            (false, true) => Status::Cancelled,
            (false, false) => Status::Registered,
        }
    }

    /// The row as callers see it, made once per change.
    pub(super) fn participant(
        &self,
        gathering: GatheringId,
        names: &Names,
        keys: &Keys,
    ) -> Arc<Participant> {
        let build = || Arc::new(self.build(gathering, names, keys));
        self.wire.get_or_init(build).clone()
    }

    fn build(&self, gathering: GatheringId, names: &Names, keys: &Keys) -> Participant {
        let person = self.person.clear(gathering, self, keys);
        let user = person.map_or_else(User::default, |person| User {
            first_name: person.first_name.clone(),
            last_name: person.last_name.clone(),
            email: person.email.clone(),
        });
        let entries = self
            .visits
            .iter()
            .filter(|visit| visit.direction == Direction::In);
        let last = self.visits.last();
        let left = last.filter(|visit| visit.direction == Direction::Out);
        Participant {
            id: self.id,
            event_id: gathering,
            event_pax_id: self.code.clone(),
            user,
            ticket_type: names.get(self.ticket_type),
            external_id: self.external_id.clone(),
            note: person.and_then(|person| person.note.clone()),
            status: self.status(),
            checked_in: self.is_inside(),
            check_in_time: entries.clone().next_back().map(|visit| visit.at),
            check_out_time: left.map(|visit| visit.at),
            last_gate: last.and_then(|visit| names.get(visit.gate)),
            entries: u32::try_from(entries.count()).unwrap_or(u32::MAX),
            offset: self.offset,
        }
    }

    fn differing_fields(&self, other: &Self) -> Vec<&'static str> {
        fields(&[
            ("event_pax_id", self.code != other.code),
            ("ticket_type", self.ticket_type != other.ticket_type),
            ("external_id", self.external_id != other.external_id),
            ("user", self.sealed != other.sealed),
            ("status", self.status() != other.status()),
            ("cancelled", self.cancelled != other.cancelled),
            ("visits", self.visits != other.visits),
            ("offset", self.offset != other.offset),
        ])
    }
}

/// The names of those that differ.
pub(super) fn fields(differ: &[(&'static str, bool)]) -> Vec<&'static str> {
    (differ.iter())
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| *name)
        .collect()
}
