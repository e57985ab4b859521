//! The small row of every gathering: details, team, counts per gate and minute. Always in memory,
//! one fold over the whole log.
//!
//! Not here: the newest updates and who reads them (`board`).

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    details::{self, NameId, Names},
    feed::Message,
    participants::{Occupancy, Presence, fields},
};
use crate::events::{
    door_tokens::DoorTokens,
    event::{Direction, DoorRole, Event, GatheringDetails, Scan},
    ids::{DoorTokenId, GatheringId, Offset, ParticipantId},
    recorded::Recorded,
    snapshot::FoldName,
};

/// Raise the version whenever [`State`] or what `apply` makes of an event changes.
pub(crate) const FOLD: FoldName = FoldName {
    name: "dashboard",
    version: 2,
};

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub id: GatheringId,
    #[serde(with = "details::required")]
    pub details: GatheringDetails,
    pub team: BTreeMap<Arc<str>, DoorRole>,
    /// Apart, so that an event that is not about them need not copy them.
    pub door_tokens: Arc<DoorTokens>,
    pub occupancy: Occupancy,
    /// Arrivals by (minute since 1970, gate).
    pub arrivals: BTreeMap<(i64, Option<Arc<str>>), u32>,
    /// The gathering's last event.
    pub offset: Offset,
}

impl Row {
    /// Whether the door token with this `jti` was minted here and taken back since. Of one that somebody
    /// else minted with the same secret nothing is known: it is as good as its signature.
    #[must_use]
    pub fn has_revoked(&self, jti: DoorTokenId) -> bool {
        (self.door_tokens.get(jti)).is_some_and(|token| token.revoked)
    }
}

/// One entry of the dashboard stream (`event_update`), for every event of every gathering.
pub struct Update {
    pub recorded: Arc<Recorded>,
    pub counts: Occupancy,
    message: Message,
}

impl Update {
    /// The encoded message; `encode` runs once for all readers. None: this event has no message.
    pub fn encoded(&self, encode: impl FnOnce(&Self) -> Option<Bytes>) -> Option<Bytes> {
        self.message.get(|| encode(self))
    }
}

/// A scan that counts, as small as undoing it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Visit {
    offset: Offset,
    minute: i32,
    gate: NameId,
    direction: Direction,
}

/// Most people come in once: that takes no heap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Visits {
    One(Visit),
    Many(Vec<Visit>),
}

impl Visits {
    fn as_slice(&self) -> &[Visit] {
        match self {
            Self::One(visit) => std::slice::from_ref(visit),
            Self::Many(visits) => visits,
        }
    }
}

/// A gathering's row and what its counts are made from.
#[derive(Clone, Serialize, Deserialize)]
struct Tally {
    row: Arc<Row>,
    gates: Arc<Names>,
    visits: HashMap<ParticipantId, Visits>,
    cancelled: HashSet<ParticipantId>,
}

/// What a snapshot holds.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// Each apart, so that a copy of all copies none; whoever changes one copies that one.
    tallies: Vec<Arc<Tally>>,
    /// Scan → the undo that took it back, over the whole log: undos are few.
    undone: HashMap<Offset, Offset>,
    pub(super) offset: Offset,
}

/// The fold of the whole log.
#[derive(Clone, Default)]
pub(crate) struct Dashboard {
    pub(super) state: State,
    places: HashMap<GatheringId, usize>,
}

impl Dashboard {
    pub(crate) fn from_state(state: State) -> Self {
        let places = (state.tallies.iter().enumerate())
            .map(|(place, tally)| (tally.row.id, place))
            .collect();
        Self { state, places }
    }

    /// Total: an event of a gathering that was never created changes nothing but the position.
    pub(crate) fn apply(&mut self, recorded: &Recorded) {
        self.state.offset = recorded.offset;
        if let Event::ScanUndone { undoes, .. } = &recorded.event {
            self.state.undone.insert(*undoes, recorded.offset);
        }
        if let Event::GatheringCreated(details) = &recorded.event
            && !self.places.contains_key(&recorded.gathering)
        {
            (self.places).insert(recorded.gathering, self.state.tallies.len());
            let tally = Tally::new(recorded.gathering, details);
            self.state.tallies.push(Arc::new(tally));
        }
        if let Some(tally) = (self.places.get(&recorded.gathering))
            .and_then(|place| self.state.tallies.get_mut(*place))
        {
            Arc::make_mut(tally).apply(recorded);
        }
    }

    /// The update of the event just applied.
    pub(super) fn update(&self, recorded: &Arc<Recorded>) -> Update {
        Update {
            recorded: recorded.clone(),
            counts: (self.row(recorded.gathering))
                .map_or_else(Occupancy::default, |row| row.occupancy),
            message: Message::default(),
        }
    }

    pub(super) fn row(&self, gathering: GatheringId) -> Option<&Arc<Row>> {
        let place = *self.places.get(&gathering)?;
        self.state.tallies.get(place).map(|tally| &tally.row)
    }

    /// In the order they were created.
    pub(super) fn rows(&self) -> Vec<Arc<Row>> {
        (self.state.tallies.iter())
            .map(|tally| tally.row.clone())
            .collect()
    }

    pub(super) fn undone_by(&self, scan: Offset) -> Option<Offset> {
        self.state.undone.get(&scan).copied()
    }

    /// The rows in which two folds differ: id of the gathering, and names of the fields.
    pub(super) fn differing_rows(&self, live: &Self) -> Vec<(String, Vec<&'static str>)> {
        let (mine, others) = (&self.state, &live.state);
        let order = |state: &State| -> Vec<GatheringId> {
            state.tallies.iter().map(|tally| tally.row.id).collect()
        };
        let own = fields(&[
            ("offset", mine.offset != others.offset),
            ("undone", mine.undone != others.undone),
            ("gatherings", order(mine) != order(others)),
        ]);
        let rows = mine.tallies.iter().map(|tally| {
            let place = live.places.get(&tally.row.id).copied();
            let differing = match place.and_then(|place| others.tallies.get(place)) {
                None => vec!["missing"],
                Some(other) => tally.differing_fields(other),
            };
            (tally.row.id.to_string(), differing)
        });
        let unexpected = (others.tallies.iter())
            .filter(|tally| !self.places.contains_key(&tally.row.id))
            .map(|tally| (tally.row.id.to_string(), vec!["unexpected"]));
        (std::iter::once(("log".to_owned(), own))
            .chain(rows)
            .chain(unexpected))
        .filter(|(_, fields)| !fields.is_empty())
        .collect()
    }

    /// The first thing in which two folds at the same offset differ.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let (mine, others) = (&self.state, &other.state);
        if mine.offset != others.offset {
            return Some(format!("offset {} and {}", mine.offset, others.offset));
        }
        if mine.undone != others.undone || mine.tallies.len() != others.tallies.len() {
            return Some("the undone scans, or the number of gatherings".to_owned());
        }
        (mine.tallies.iter().zip(&others.tallies))
            .find(|(tally, other)| {
                tally.row != other.row
                    || tally.visits != other.visits
                    || tally.cancelled != other.cancelled
            })
            .map(|(tally, _)| format!("the row of gathering {}", tally.row.id))
    }
}

impl Tally {
    fn new(id: GatheringId, details: &GatheringDetails) -> Self {
        Self {
            row: Arc::new(Row {
                id,
                details: details.clone(),
                team: BTreeMap::new(),
                door_tokens: Arc::default(),
                occupancy: Occupancy::default(),
                arrivals: BTreeMap::new(),
                offset: 0,
            }),
            gates: Arc::default(),
            visits: HashMap::new(),
            cancelled: HashSet::new(),
        }
    }

    fn apply(&mut self, recorded: &Recorded) {
        let row = Arc::make_mut(&mut self.row);
        row.offset = recorded.offset;
        match &recorded.event {
            Event::GatheringCreated(details) | Event::GatheringChanged(details) => {
                row.occupancy.capacity = details.capacity;
                row.details = details.clone();
            }
            Event::ServiceTeamChanged { user_id, door_role } => match door_role {
                Some(role) => {
                    row.team.insert(user_id.clone(), *role);
                }
                None => {
                    row.team.remove(user_id);
                }
            },
            Event::DoorTokenMinted(token) => {
                let (by, at) = (&recorded.actor.id, recorded.recorded_at);
                Arc::make_mut(&mut row.door_tokens).mint(token, by, at);
            }
            Event::DoorTokenRevoked { jti } => Arc::make_mut(&mut row.door_tokens).revoke(*jti),
            Event::ParticipantRegistered(_) => {
                row.occupancy.registered = row.occupancy.registered.saturating_add(1);
            }
            Event::ParticipantCheckedIn(scan) => self.visit(recorded, scan, Direction::In),
            Event::ParticipantCheckedOut(scan) => self.visit(recorded, scan, Direction::Out),
            Event::ScanUndone {
                subject, undoes, ..
            } => self.undo(subject.participant, *undoes),
            Event::RegistrationCancelled { subject, .. } => {
                if self.cancelled.insert(subject.participant) {
                    row.occupancy.registered = row.occupancy.registered.saturating_sub(1);
                }
            }
            Event::ScanRefused { .. }
            | Event::ParticipantErased { .. }
            | Event::PersonalDataAccessed(_) => {}
        }
    }

    fn visit(&mut self, recorded: &Recorded, scan: &Scan, direction: Direction) {
        let minute = recorded.occurred_at.minute();
        let visit = Visit {
            offset: recorded.offset,
            minute: i32::try_from(minute).unwrap_or(i32::MAX),
            gate: Names::intern(&mut self.gates, scan.gate.as_ref()),
            direction,
        };
        let person = scan.subject.participant;
        let before = self.presence(person);
        match self.visits.get_mut(&person) {
            None => {
                self.visits.insert(person, Visits::One(visit));
            }
            Some(Visits::Many(visits)) => visits.push(visit),
            Some(one) => *one = Visits::Many([one.as_slice(), &[visit]].concat()),
        }
        let after = self.presence(person);
        let row = Arc::make_mut(&mut self.row);
        row.occupancy.shift(before, after);
        if direction == Direction::In {
            let key = (i64::from(visit.minute), self.gates.get(visit.gate));
            *row.arrivals.entry(key).or_default() += 1;
        }
    }

    fn undo(&mut self, person: ParticipantId, scan: Offset) {
        let before = self.presence(person);
        let Some(visits) = self.visits.get_mut(&person) else {
            return;
        };
        let (gone, left): (Vec<Visit>, Vec<Visit>) =
            (visits.as_slice().iter()).partition(|visit| visit.offset == scan);
        match left.as_slice() {
            [] => {
                self.visits.remove(&person);
            }
            [one] => *visits = Visits::One(*one),
            _ => *visits = Visits::Many(left),
        }
        let after = self.presence(person);
        let row = Arc::make_mut(&mut self.row);
        row.occupancy.shift(before, after);
        for visit in gone.iter().filter(|visit| visit.direction == Direction::In) {
            let key = (i64::from(visit.minute), self.gates.get(visit.gate));
            if let Some(count) = row.arrivals.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    row.arrivals.remove(&key);
                }
            }
        }
    }

    fn differing_fields(&self, other: &Self) -> Vec<&'static str> {
        let (mine, others) = (&self.row, &other.row);
        fields(&[
            ("details", mine.details != others.details),
            ("team", mine.team != others.team),
            ("door_tokens", mine.door_tokens != others.door_tokens),
            ("occupancy", mine.occupancy != others.occupancy),
            ("arrivals", mine.arrivals != others.arrivals),
            ("offset", mine.offset != others.offset),
            ("visits", self.visits != other.visits),
            ("cancelled", self.cancelled != other.cancelled),
        ])
    }

    fn presence(&self, person: ParticipantId) -> Presence {
        let visits = self.visits.get(&person).map_or(&[][..], Visits::as_slice);
        Presence {
            inside: (visits.last()).is_some_and(|visit| visit.direction == Direction::In),
            entered: visits.iter().any(|visit| visit.direction == Direction::In),
        }
    }
}
