//! Who, what, where → offsets: the index that answers auditors, of one gathering or of the whole
//! log. It holds no facts, and of people only ids and codes.
//!
//! Not here: which indexes are loaded (`audit`), and what is asked of them (`pages`).

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    participants::fields,
    postings::{Back, Postings, Walk, any_back, common, common_back},
};
use crate::events::{
    event::{Event, RefusalCode},
    ids::{Code, GatheringId, Offset, ParticipantId},
    recorded::Recorded,
};

/// What a snapshot holds: at which offsets a gate, an actor, a type and a participant are.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Of a gathering everybody in its events; of the whole log those who were turned away where their
    /// ticket is not for, since the rest is in their own gathering's index.
    offsets: HashMap<ParticipantId, Vec<Offset>>,
    codes: HashMap<Code, ParticipantId>,
    gates: HashMap<Arc<str>, Postings>,
    actors: HashMap<Arc<str>, Postings>,
    types: HashMap<Arc<str>, Postings>,
    /// Of the whole log: where the participants are registered, by what is random in their ids.
    homes: HashMap<u64, u32>,
    gatherings: Vec<GatheringId>,
    numbers: HashMap<GatheringId, u32>,
    pub(super) offset: Offset,
    pub(super) events: u64,
}

/// What an entry must be to be found; all of it together.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    pub(super) gate: Option<&'a str>,
    pub(super) actor: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
    /// Found beforehand, ascending.
    pub(super) participant: Option<&'a [Offset]>,
}

impl State {
    /// Of a gathering's index. Total.
    pub(super) fn apply(&mut self, recorded: &Recorded) {
        self.note_participant(recorded);
        self.note(recorded);
    }

    /// Of the whole log's. Total.
    pub(super) fn apply_whole(&mut self, recorded: &Recorded) {
        match &recorded.event {
            Event::ParticipantRegistered(registration) => {
                let next = u32::try_from(self.gatherings.len()).unwrap_or(u32::MAX);
                let number = *self.numbers.entry(recorded.gathering).or_insert(next);
                if number == next {
                    self.gatherings.push(recorded.gathering);
                }
                let id = random_part(registration.subject.participant);
                self.homes.insert(id, number);
            }
            Event::ScanRefused {
                code: RefusalCode::WrongEvent,
                ..
            } => self.note_participant(recorded),
            _ => {}
        }
        self.note(recorded);
    }

    /// The offsets at which something is said about the participant with this id or code, ascending.
    pub(super) fn of(&self, participant: &str) -> Vec<Offset> {
        let by_code = Code::parse(participant)
            .ok()
            .and_then(|code| self.codes.get(&code).copied());
        let by_id = participant.parse().ok();
        // What is one person's code may be another's id.
        let by_id = by_id.filter(|id| Some(*id) != by_code);
        let mut found: Vec<Offset> = ([by_code, by_id].iter().flatten())
            .filter_map(|id| self.offsets.get(id))
            .flatten()
            .copied()
            .collect();
        found.sort_unstable();
        found
    }

    /// Of the whole log: the gathering of the participant with this id, most likely.
    pub(super) fn home_of(&self, participant: &str) -> Option<GatheringId> {
        let number = *self.homes.get(&random_part(participant.parse().ok()?))?;
        self.gatherings.get(number as usize).copied()
    }

    /// The first offsets after `after` and up to `end` at which all is as wanted, at most `limit`.
    pub(super) fn find(
        &self,
        wanted: &Wanted<'_>,
        after: Offset,
        end: Offset,
        limit: usize,
    ) -> Vec<Offset> {
        let Some(lists) = self.named(wanted) else {
            return Vec::new();
        };
        let person = wanted.participant.map(Walk::Plain);
        let walks: Vec<_> = (person.into_iter())
            .chain(lists.into_iter().map(Walk::over))
            .collect();
        common(walks, after, end, limit)
    }

    /// The same from the end: the last of them, descending. Where nothing is wanted, everything is.
    pub(super) fn find_back(
        &self,
        wanted: &Wanted<'_>,
        after: Offset,
        end: Offset,
        limit: usize,
    ) -> Vec<Offset> {
        let Some(lists) = self.named(wanted) else {
            return Vec::new();
        };
        let person = wanted.participant.map(Back::Plain);
        let walks: Vec<_> = (person.into_iter())
            .chain(lists.into_iter().map(Back::over))
            .collect();
        if walks.is_empty() {
            // Every event has one type.
            let all = self.types.values().map(Back::over).collect();
            return any_back(all, after, end, limit);
        }
        common_back(walks, after, end, limit)
    }

    /// The lists of what is wanted by name; none when one of the names was never seen, and nothing fits.
    fn named(&self, wanted: &Wanted<'_>) -> Option<Vec<&Postings>> {
        let lists = [
            (&self.gates, wanted.gate),
            (&self.actors, wanted.actor),
            (&self.types, wanted.kind),
        ];
        (lists.into_iter())
            .filter_map(|(lists, name)| Some(lists.get(name?)))
            .collect()
    }

    /// The rows in which two indexes differ, and how: participants, gates, actors, types.
    pub(super) fn differing_rows(&self, live: &Self) -> Vec<(String, Vec<&'static str>)> {
        let own = fields(&[
            ("events", self.events != live.events),
            ("offset", self.offset != live.offset),
            ("codes", self.codes != live.codes),
            ("gates", self.gates != live.gates),
            ("actors", self.actors != live.actors),
            ("types", self.types != live.types),
            ("homes", self.homes != live.homes),
        ]);
        let rows = self.offsets.iter().map(|(participant, offsets)| {
            let differing = match live.offsets.get(participant) {
                None => vec!["missing"],
                Some(others) => fields(&[("offsets", offsets != others)]),
            };
            (participant.to_string(), differing)
        });
        let unexpected = (live.offsets.keys())
            .filter(|participant| !self.offsets.contains_key(participant))
            .map(|participant| (participant.to_string(), vec!["unexpected"]));
        (std::iter::once(("index".to_owned(), own))
            .chain(rows)
            .chain(unexpected))
        .filter(|(_, fields)| !fields.is_empty())
        .collect()
    }

    /// The first thing in which two indexes at the same offset differ.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        if self.events != other.events || self.offset != other.offset {
            return Some(format!(
                "{} events up to offset {}, and {} up to {}",
                self.events, self.offset, other.events, other.offset
            ));
        }
        let differs = (self.offsets.iter())
            .find(|(participant, offsets)| other.offsets.get(participant) != Some(offsets));
        if let Some((participant, _)) = differs {
            return Some(format!("the offsets of participant {participant}"));
        }
        [
            ("gate", &self.gates, &other.gates),
            ("actor", &self.actors, &other.actors),
            ("type", &self.types, &other.types),
        ]
        .into_iter()
        .find(|(_, one, other)| one != other)
        .map(|(what, _, _)| format!("the offsets by {what}"))
        .or_else(|| (self != other).then(|| "the participants".to_owned()))
    }

    fn note_participant(&mut self, recorded: &Recorded) {
        if let Some(subject) = recorded.event.subject() {
            let offsets = self.offsets.entry(subject.participant).or_insert_with(|| {
                self.codes.insert(subject.code.clone(), subject.participant);
                Vec::new()
            });
            offsets.push(recorded.offset);
        }
    }

    fn note(&mut self, recorded: &Recorded) {
        let offset = recorded.offset;
        if let Some(gate) = recorded.event.scan().and_then(|scan| scan.gate.as_ref()) {
            push(&mut self.gates, gate, offset);
        }
        push(&mut self.actors, &recorded.actor.id, offset);
        push(&mut self.types, recorded.event.type_name(), offset);
        self.offset = offset;
        self.events += 1;
    }
}

fn push<N: AsRef<str> + ?Sized>(lists: &mut HashMap<Arc<str>, Postings>, name: &N, offset: Offset) {
    let name = name.as_ref();
    match lists.get_mut(name) {
        Some(list) => list.push(offset),
        None => lists.entry(name.into()).or_default().push(offset),
    }
}

/// The last 8 bytes of a UUIDv7: 62 of their bits are random.
fn random_part(participant: ParticipantId) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = participant.to_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
