//! The log as the judge reads it: its events, what each of them is to look like, and who may see
//! which gathering at which moment. Nothing here reads a message.

use std::{collections::HashMap, sync::Arc};

use doorbook::events::{
    event::{DoorRole, Event},
    ids::{Cursor, Epoch, GatheringId, Offset},
    log::Log,
    recorded::Recorded,
};
use serde_json::Value;

use super::fold::{Expected, State, expected};

const PAGE_EVENTS: usize = 1_000;

/// Somebody who watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who {
    Superuser,
    /// Creates some of the gatherings.
    Creator(&'static str),
    Auditor,
    /// Sees what a team lets them see.
    Member(&'static str),
    /// Holds a token of one gathering's door.
    AtDoor(GatheringId),
}

/// One of the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    CheckIn(GatheringId),
    Dashboard,
}

impl Topic {
    pub(super) fn holds(self, gathering: GatheringId) -> bool {
        self == Self::Dashboard || self == Self::CheckIn(gathering)
    }
}

/// From which offset on somebody has which role.
type TeamChange = (Offset, Option<DoorRole>);

/// The whole log at one moment, and what follows from it.
pub(super) struct Book {
    pub(super) epoch: Epoch,
    pub(super) events: Vec<Arc<Recorded>>,
    created: HashMap<GatheringId, (Offset, Arc<str>)>,
    teams: HashMap<(GatheringId, Arc<str>), Vec<TeamChange>>,
    /// By offset, from 1: what the message on either stream must say, at least.
    expected: Vec<Expected>,
}

impl Book {
    pub(super) fn read(log: &Log) -> Self {
        let mut events = Vec::new();
        loop {
            let page = log.read(events.len() as Offset, PAGE_EVENTS).unwrap();
            if page.is_empty() {
                return Self::of(log.epoch(), events);
            }
            events.extend(page);
        }
    }

    pub(super) fn of(epoch: Epoch, events: Vec<Arc<Recorded>>) -> Self {
        let mut book = Self {
            epoch,
            events: Vec::new(),
            created: HashMap::new(),
            teams: HashMap::new(),
            expected: Vec::new(),
        };
        let mut states: HashMap<GatheringId, State> = HashMap::new();
        for recorded in &events {
            let state = states.entry(recorded.gathering).or_default();
            state.apply(recorded);
            book.expected.push(expected(state, recorded));
            book.take(recorded);
        }
        book.events = events;
        book
    }

    fn take(&mut self, recorded: &Recorded) {
        match &recorded.event {
            Event::GatheringCreated(details) => {
                let created = (recorded.offset, details.creator.clone());
                self.created.insert(recorded.gathering, created);
            }
            Event::ServiceTeamChanged { user_id, door_role } => {
                let team = (recorded.gathering, user_id.clone());
                let changes = self.teams.entry(team).or_default();
                changes.push((recorded.offset, *door_role));
            }
            _ => {}
        }
    }

    pub(super) fn head(&self) -> Offset {
        self.events.len() as Offset
    }

    pub(super) fn cursor(&self, offset: Offset) -> String {
        let epoch = self.epoch;
        Cursor { epoch, offset }.to_string()
    }

    pub(super) fn event(&self, offset: Offset) -> Option<&Recorded> {
        let index = usize::try_from(offset.checked_sub(1)?).unwrap();
        self.events.get(index).map(|recorded| &**recorded)
    }

    pub(super) fn expected(&self, topic: Topic, offset: Offset) -> Option<&Value> {
        let index = usize::try_from(offset.checked_sub(1)?).unwrap();
        let expected = self.expected.get(index)?;
        Some(match topic {
            Topic::CheckIn(_) => &expected.check_in,
            Topic::Dashboard => &expected.dashboard,
        })
    }

    /// The last event of a topic up to an offset.
    pub(super) fn last_of(&self, topic: Topic, up_to: Offset) -> Offset {
        match topic {
            Topic::Dashboard => up_to.min(self.head()),
            Topic::CheckIn(gathering) => (self.events.iter().rev())
                .find(|recorded| recorded.offset <= up_to && recorded.gathering == gathering)
                .map_or(0, |recorded| recorded.offset),
        }
    }

    /// Whether somebody may read a gathering when everything up to `at` has happened.
    pub(super) fn sees(&self, who: Who, gathering: GatheringId, at: Offset) -> bool {
        let Some((created, creator)) = self.created.get(&gathering) else {
            return false;
        };
        *created <= at
            && match who {
                Who::Superuser | Who::Auditor => true,
                Who::AtDoor(door) => door == gathering,
                Who::Creator(name) | Who::Member(name) => {
                    **creator == *name || self.role(name, gathering, at).is_some()
                }
            }
    }

    fn role(&self, name: &str, gathering: GatheringId, at: Offset) -> Option<DoorRole> {
        self.changes(name, gathering)
            .rfind(|change| change.0 <= at)
            .and_then(|change| change.1)
    }

    fn changes(
        &self,
        name: &str,
        gathering: GatheringId,
    ) -> impl DoubleEndedIterator<Item = TeamChange> {
        let changes = self.teams.get(&(gathering, Arc::from(name)));
        changes.into_iter().flatten().copied()
    }

    /// Whether somebody might read at every moment of the span (`All`), or at some (`Any`).
    pub(super) fn sees_in(
        &self,
        who: Who,
        gathering: GatheringId,
        span: (Offset, Offset),
    ) -> (bool, bool) {
        let first = self.sees(who, gathering, span.0);
        let (mut all, mut any) = (first, first);
        if let Who::Creator(name) | Who::Member(name) = who {
            for (offset, _) in self.changes(name, gathering) {
                if span.0 < offset && offset <= span.1 {
                    let sees = self.sees(who, gathering, offset);
                    (all, any) = (all && sees, any || sees);
                }
            }
        }
        (all, any)
    }

    /// An event is judged by the rights of some moment between it and its delivery.
    pub(super) fn must_see(&self, who: Who, recorded: &Recorded, by: Offset) -> bool {
        let span = (recorded.offset, by.max(recorded.offset));
        is_told(recorded) && self.sees_in(who, recorded.gathering, span).0
    }

    pub(super) fn may_see(&self, who: Who, recorded: &Recorded, by: Offset) -> bool {
        let span = (recorded.offset, by.max(recorded.offset));
        is_told(recorded) && self.sees_in(who, recorded.gathering, span).1
    }

    /// Whether there was a moment in the span when somebody might not read.
    pub(super) fn shut_out_in(
        &self,
        who: Who,
        gathering: GatheringId,
        span: (Offset, Offset),
    ) -> bool {
        !self.sees_in(who, gathering, span).0
    }

    /// The gathering and its people when everything up to `at` has happened.
    pub(super) fn state(&self, gathering: GatheringId, at: Offset) -> State {
        let mut state = State::default();
        for recorded in &self.events {
            if recorded.offset <= at && recorded.gathering == gathering {
                state.apply(recorded);
            }
        }
        state
    }

    pub(super) fn gatherings(&self) -> impl Iterator<Item = GatheringId> {
        self.created.keys().copied()
    }
}

/// Who read personal data is for the history alone.
fn is_told(recorded: &Recorded) -> bool {
    !matches!(recorded.event, Event::PersonalDataAccessed(_))
}
