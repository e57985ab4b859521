//! The write model of one gathering: just what decisions need, folded from its events.
//!
//! `evolve` is total: it takes any event in ascending order of offsets and never fails. What it
//! keeps is compact, because one gathering may hold a million scans: names of actors are kept once, a
//! command id as 16 bytes. There is no personal data here. Saved as a snapshot ([`FOLD`]); how
//! the details are saved is in `saved`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::saved;
use crate::events::{
    door_tokens::DoorTokens,
    event::{Direction, DoorRole, Event, GatheringDetails, Scan, Subject},
    ids::{Code, CommandId, Offset, ParticipantId},
    recorded::Recorded,
    snapshot::FoldName,
    time::Timestamp,
};

/// Names the model's snapshots. A change of any serialised type below needs the next version.
pub const FOLD: FoldName = FoldName {
    name: "write_model",
    version: 2,
};

/// See the module's text. Fields are read through methods, changed only by [`Self::evolve`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Model {
    #[serde(with = "saved")]
    details: Option<GatheringDetails>,
    team: BTreeMap<Arc<str>, DoorRole>,
    door_tokens: DoorTokens,
    participants: Vec<Participant>,
    counts: Counts,
    device_seqs: HashMap<Arc<str>, u64>,
    commands: HashMap<CommandKey, CommandMark>,
    actors: Vec<Arc<str>>,
    offset: Offset,
    // Found again from the lists above after loading.
    #[serde(skip)]
    by_id: HashMap<ParticipantId, u32>,
    #[serde(skip)]
    by_code: HashMap<Code, u32>,
    #[serde(skip)]
    actor_numbers: HashMap<Arc<str>, u32>,
}

/// One registration, as far as rules look at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    pub id: ParticipantId,
    pub code: Code,
    pub cancelled: bool,
    /// Offset of the erasure.
    pub erased: Option<Offset>,
    /// Entries that count.
    pub entries: u32,
    /// The scans that count, in log order.
    pub scans: Vec<ScanMark>,
    pub undone: Vec<Undone>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanMark {
    pub offset: Offset,
    pub direction: Direction,
    pub occurred_at: Timestamp,
    actor: u32,
}

/// A scan that no longer counts, and the undo that took it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    pub scan: Offset,
    pub undo: Offset,
}

/// A command id as the model keeps it: the first 16 bytes of its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CommandKey([u8; 16]);

/// What became of a command id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandMark {
    pub offset: Offset,
    pub content_hash: [u8; 16],
    /// The command read a ticket at a door.
    pub is_scan: bool,
    participant: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Inside now.
    pub inside: u32,
    /// Registrations that are not cancelled.
    pub registered: u32,
    /// Participants with at least one entry that counts.
    pub checked_in: u32,
}

impl CommandKey {
    #[must_use]
    pub fn of(id: &CommandId) -> Self {
        let digest: [u8; 32] = Sha256::digest(id.as_str().as_bytes()).into();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Self(key)
    }
}

impl Participant {
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject {
            participant: self.id,
            code: self.code.clone(),
        }
    }

    /// The last scan that counts decides.
    #[must_use]
    pub fn inside(&self) -> bool {
        self.scans
            .last()
            .is_some_and(|scan| scan.direction == Direction::In)
    }

    #[must_use]
    pub fn last_entry(&self) -> Option<&ScanMark> {
        self.scans
            .iter()
            .rfind(|scan| scan.direction == Direction::In)
    }
}

impl Model {
    /// None: there is no such gathering.
    #[must_use]
    pub const fn details(&self) -> Option<&GatheringDetails> {
        self.details.as_ref()
    }

    #[must_use]
    pub fn team_role(&self, user_id: &str) -> Option<DoorRole> {
        self.team.get(user_id).copied()
    }

    #[must_use]
    pub const fn door_tokens(&self) -> &DoorTokens {
        &self.door_tokens
    }

    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Offset of the gathering's last event; 0 before the first.
    #[must_use]
    pub const fn offset(&self) -> Offset {
        self.offset
    }

    /// How much there is to write in a snapshot: participants and command ids.
    #[must_use]
    pub fn weight(&self) -> u64 {
        (self.participants.len() + self.commands.len()) as u64
    }

    #[must_use]
    pub fn participant(&self, code: &Code) -> Option<&Participant> {
        self.nth(*self.by_code.get(code)?)
    }

    #[must_use]
    pub fn participant_with(&self, id: ParticipantId) -> Option<&Participant> {
        self.nth(*self.by_id.get(&id)?)
    }

    /// In the order of registration.
    #[must_use]
    pub fn participants(&self) -> &[Participant] {
        &self.participants
    }

    /// The highest `device_seq` that the device is known to have used.
    #[must_use]
    pub fn device_seq(&self, device: &str) -> Option<u64> {
        self.device_seqs.get(device).copied()
    }

    #[must_use]
    pub fn command(&self, key: CommandKey) -> Option<&CommandMark> {
        self.commands.get(&key)
    }

    /// Whom the marked command was about; nobody of this gathering's for a foreign ticket.
    #[must_use]
    pub fn participant_of(&self, mark: &CommandMark) -> Option<&Participant> {
        self.nth(mark.participant?)
    }

    /// Who made the scan.
    #[must_use]
    pub fn actor_of(&self, scan: &ScanMark) -> Option<&Arc<str>> {
        self.actors.get(scan.actor as usize)
    }

    /// Takes the next event of the gathering. One at or below the offset already taken changes nothing.
    pub fn evolve(&mut self, recorded: &Recorded) {
        if recorded.offset <= self.offset {
            return;
        }
        self.offset = recorded.offset;
        match &recorded.event {
            Event::GatheringCreated(details) | Event::GatheringChanged(details) => {
                self.details = Some(details.clone());
            }
            Event::ServiceTeamChanged { user_id, door_role } => match door_role {
                Some(role) => drop(self.team.insert(user_id.clone(), *role)),
                None => drop(self.team.remove(user_id)),
            },
            Event::DoorTokenMinted(token) => {
                let (by, at) = (&recorded.actor.id, recorded.recorded_at);
                self.door_tokens.mint(token, by, at);
            }
            Event::DoorTokenRevoked { jti } => self.door_tokens.revoke(*jti),
            Event::ParticipantRegistered(registration) => self.register(&registration.subject),
            Event::ParticipantCheckedIn(scan) => self.count_scan(recorded, scan, Direction::In),
            Event::ParticipantCheckedOut(scan) => self.count_scan(recorded, scan, Direction::Out),
            Event::ScanRefused { scan, .. } => self.note_device_seq(scan),
            Event::PersonalDataAccessed(_) => {}
            Event::ScanUndone {
                subject, undoes, ..
            } => self.change(subject.participant, |participant| {
                participant.take_back(*undoes, recorded.offset);
            }),
            Event::RegistrationCancelled { subject, .. } => {
                self.change(subject.participant, |participant| {
                    participant.cancelled = true;
                });
            }
            Event::ParticipantErased { subject } => {
                self.change(subject.participant, |participant| {
                    participant.erased = Some(recorded.offset);
                });
            }
        }
        self.note_command(recorded);
    }

    /// Makes the lookups anew after loading from a snapshot, which holds none.
    pub fn index(&mut self) {
        let participants = || (0_u32..).zip(&self.participants);
        self.by_id = participants().map(|(n, one)| (one.id, n)).collect();
        self.by_code = participants()
            .map(|(n, one)| (one.code.clone(), n))
            .collect();
        self.actor_numbers = (0..)
            .zip(&self.actors)
            .map(|(n, id)| (id.clone(), n))
            .collect();
    }

    fn nth(&self, number: u32) -> Option<&Participant> {
        self.participants.get(number as usize)
    }

    fn register(&mut self, subject: &Subject) {
        let Ok(number) = u32::try_from(self.participants.len()) else {
            return;
        };
        if self.by_id.contains_key(&subject.participant) {
            return;
        }
        self.by_id.insert(subject.participant, number);
        self.by_code.insert(subject.code.clone(), number);
        self.participants.push(Participant {
            id: subject.participant,
            code: subject.code.clone(),
            cancelled: false,
            erased: None,
            entries: 0,
            scans: Vec::new(),
            undone: Vec::new(),
        });
        self.counts.registered += 1;
    }

    fn count_scan(&mut self, recorded: &Recorded, scan: &Scan, direction: Direction) {
        self.note_device_seq(scan);
        let mark = ScanMark {
            offset: recorded.offset,
            direction,
            occurred_at: recorded.occurred_at,
            actor: self.actor_number(&recorded.actor.id),
        };
        self.change(scan.subject.participant, |participant| {
            participant.scans.push(mark);
            participant.entries += u32::from(direction == Direction::In);
        });
    }

    /// Changes a participant and brings the counts along. Whoever is not ours changes nothing.
    fn change(&mut self, id: ParticipantId, change: impl FnOnce(&mut Participant)) {
        let number = self.by_id.get(&id);
        let Some(participant) = number.and_then(|n| self.participants.get_mut(*n as usize)) else {
            return;
        };
        let before = Counts::of(participant);
        change(participant);
        let after = Counts::of(participant);
        self.counts.replace(before, after);
    }

    fn note_device_seq(&mut self, scan: &Scan) {
        let (Some(device), Some(seq)) = (&scan.device, scan.device_seq) else {
            return;
        };
        match self.device_seqs.get_mut(device) {
            Some(known) => *known = seq.max(*known),
            None => drop(self.device_seqs.insert(device.clone(), seq)),
        }
    }

    fn note_command(&mut self, recorded: &Recorded) {
        let Some(command) = &recorded.command else {
            return;
        };
        let mark = CommandMark {
            offset: recorded.offset,
            content_hash: command.content_hash,
            is_scan: recorded.event.scan().is_some(),
            participant: recorded
                .event
                .subject()
                .and_then(|subject| self.by_id.get(&subject.participant).copied()),
        };
        // The first event of an id is its event for ever.
        self.commands
            .entry(CommandKey::of(&command.id))
            .or_insert(mark);
    }

    fn actor_number(&mut self, id: &Arc<str>) -> u32 {
        if let Some(number) = self.actor_numbers.get(id) {
            return *number;
        }
        let number = u32::try_from(self.actors.len()).unwrap_or(u32::MAX);
        self.actors.push(id.clone());
        self.actor_numbers.insert(id.clone(), number);
        number
    }
}

impl Participant {
    fn take_back(&mut self, scan: Offset, undo: Offset) {
        let Some(at) = self.scans.iter().position(|mark| mark.offset == scan) else {
            return;
        };
        let mark = self.scans.remove(at);
        self.entries -= u32::from(mark.direction == Direction::In && self.entries > 0);
        self.undone.push(Undone { scan, undo });
    }
}

impl Counts {
    fn of(participant: &Participant) -> Self {
        Self {
            inside: u32::from(participant.inside()),
            registered: u32::from(!participant.cancelled),
            checked_in: u32::from(participant.entries > 0),
        }
    }

    fn replace(&mut self, before: Self, after: Self) {
        let moved = |total: u32, before: u32, after: u32| (total + after).saturating_sub(before);
        self.inside = moved(self.inside, before.inside, after.inside);
        self.registered = moved(self.registered, before.registered, after.registered);
        self.checked_in = moved(self.checked_in, before.checked_in, after.checked_in);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        commands::{
            scan::ScanDetails,
            spec::{Given, given},
        },
        events::ids::GatheringId,
    };

    const NAMES: [&str; 4] = ["A", "B", "C", "D"];

    fn step(given: Given, kind: u8, who: usize, what: u64) -> Given {
        let name = NAMES[who];
        match kind {
            0 => given.checked_in(name),
            1 => given.checked_out(name),
            2 => given.undone(name, what),
            3 => given.cancelled(name),
            4 => given.erased(name),
            5 => given.change_details(|it| it.capacity = u32::try_from(what).ok()),
            6 => given.registered(name),
            7 => given.minted(what),
            _ => given.scan_refused(
                name,
                ScanDetails {
                    device: Some(name.into()),
                    device_seq: Some(what),
                    ..ScanDetails::default()
                },
            ),
        }
    }

    fn saved_and_loaded(model: &Model) -> Model {
        let dir = tempfile::tempdir().unwrap();
        let epoch = crate::events::ids::Epoch::from_bytes([3; 16]);
        let snapshots = crate::events::snapshot::Snapshots::open(dir.path(), epoch).unwrap();
        let scope = crate::events::snapshot::Scope::Gathering(GatheringId::from_bytes([1; 16]));
        snapshots.save(FOLD, scope, model.offset(), model).unwrap();
        let (_, mut loaded): (_, Model) = snapshots.nearest(FOLD, scope, model.offset()).unwrap();
        loaded.index();
        loaded
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_snapshot_and_the_rest_of_the_events_give_the_same_model_as_all_events(
            steps in prop::collection::vec((0_u8..9, 0_usize..4, 0_u64..40), 1..60),
            cut in 0_usize..60,
        ) {
            let mut history = given().gathering().registered("A").registered("B");
            for (kind, who, what) in steps {
                history = step(history, kind, who, what);
            }
            let (before, after) = history.history().split_at(cut.min(history.history().len()));
            let mut model = Model::default();
            before.iter().for_each(|recorded| model.evolve(recorded));
            let mut model = saved_and_loaded(&model);
            after.iter().for_each(|recorded| model.evolve(recorded));
            prop_assert_eq!(&model, history.model());
        }

        #[test]
        fn counts_are_what_the_participants_say(
            steps in prop::collection::vec((0_u8..9, 0_usize..4, 0_u64..40), 0..80),
        ) {
            let mut history = given().gathering();
            for (kind, who, what) in steps {
                history = step(history, kind, who, what);
            }
            let model = history.model();
            let count = |counts: fn(&Participant) -> bool| {
                u32::try_from(model.participants.iter().filter(|it| counts(it)).count()).unwrap()
            };
            prop_assert_eq!(model.counts(), Counts {
                inside: count(Participant::inside),
                registered: count(|it| !it.cancelled),
                checked_in: count(|it| it.entries > 0),
            });
        }
    }

    #[test]
    fn an_event_at_an_offset_already_taken_changes_nothing() {
        let history = given().gathering().registered("A").checked_in("A");
        let mut model = history.model().clone();
        history
            .history()
            .iter()
            .for_each(|recorded| model.evolve(recorded));
        assert_eq!(&model, history.model());
    }
}
