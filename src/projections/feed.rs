//! What streams send and scans answer: one entry per event of a gathering, made from the state
//! right after the event by one function, live and in replay, so that a replayed message equals
//! the live one.
//!
//! `Tail` keeps the newest entries for all readers. Who reads them is in [`super::reader`].

use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use super::participants::{Occupancy, Participant, Participants, Previous, User};
use crate::events::{
    event::{Event, RefusalCode},
    ids::{Offset, ParticipantId},
    keys::Keys,
    recorded::Recorded,
};

/// Most entries in the tail of one gathering, and about how many bytes they may hold.
pub(super) const TAIL_ENTRIES_MAX: usize = 4_096;
pub(super) const TAIL_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A cursor this far below the floor is near it, in offsets of the whole log.
const NEAR_OFFSETS: Offset = 16_384;
/// What an entry weighs beside its texts, bytes: the event, the participant, the encoded message.
const ENTRY_BYTES: usize = 1_024;

/// An event with the state that callers are shown beside it.
pub struct FeedEntry {
    pub recorded: Arc<Recorded>,
    /// As it was right after the event (personal data as it is now). None for facts about the
    /// gathering itself, and for a ticket of another gathering (`wrong_event`).
    pub participant: Option<Arc<Participant>>,
    pub occupancy: Occupancy,
    pub previous: Option<Previous>,
    message: Message,
}

/// An encoded message, made by the first reader for all.
#[derive(Default)]
pub(super) struct Message(OnceLock<Option<Bytes>>);

impl Message {
    pub(super) fn get(&self, encode: impl FnOnce() -> Option<Bytes>) -> Option<Bytes> {
        self.0.get_or_init(encode).clone()
    }
}

impl FeedEntry {
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.recorded.offset
    }

    /// The encoded message of the check-in stream; `encode` runs once for all readers. None: this
    /// event has no message.
    pub fn encoded(&self, encode: impl FnOnce(&Self) -> Option<Bytes>) -> Option<Bytes> {
        self.message.get(|| encode(self))
    }

    /// The entry of the event that `participants` has just applied.
    pub(super) fn new(participants: &Participants, recorded: &Arc<Recorded>, keys: &Keys) -> Self {
        let state = &participants.state;
        let row = (recorded.event.subject())
            .filter(|_| refusal_of(&recorded.event) != Some(RefusalCode::WrongEvent))
            .and_then(|subject| participants.row_of(subject.participant));
        let previous = match refusal_of(&recorded.event) {
            Some(
                RefusalCode::AlreadyCheckedIn
                | RefusalCode::NotCheckedIn
                | RefusalCode::ReentryDenied,
            ) => row.and_then(|row| participants.previous_of(row.id)),
            _ => None,
        };
        Self {
            recorded: recorded.clone(),
            participant: row.map(|row| row.participant(state.gathering, &state.names, keys)),
            occupancy: state.occupancy,
            previous,
            message: Message::default(),
        }
    }

    /// The same entry with the person gone from it.
    fn without_person(&self) -> Self {
        Self {
            recorded: self.recorded.clone(),
            participant: self.participant.as_deref().map(|participant| {
                Arc::new(Participant {
                    user: User::default(),
                    note: None,
                    ..participant.clone()
                })
            }),
            occupancy: self.occupancy,
            previous: self.previous.clone(),
            message: Message::default(),
        }
    }

    pub(super) fn weight_bytes(&self) -> usize {
        let texts = self.participant.as_ref().map_or(0, |participant| {
            participant.user.first_name.len()
                + participant.user.last_name.len()
                + participant.user.email.len()
                + participant.note.as_ref().map_or(0, String::len)
        });
        ENTRY_BYTES + 2 * texts
    }
}

const fn refusal_of(event: &Event) -> Option<RefusalCode> {
    if let Event::ScanRefused { code, .. } = event {
        Some(*code)
    } else {
        None
    }
}

/// What a reader at a cursor finds.
pub enum Page {
    /// Entries after the cursor, in order, without gaps in what the topic holds; `covers` is the
    /// offset up to which the topic has nothing else.
    Entries {
        entries: Vec<Arc<FeedEntry>>,
        covers: Offset,
        from_tail: bool,
    },
    /// Nothing after the cursor; the topic is complete up to `head`.
    AtHead { head: Offset },
}

/// The newest entries of a topic. Everything of the topic after `floor` is in it.
pub(super) struct Tail<T> {
    entries: VecDeque<(Offset, usize, Arc<T>)>,
    floor: Offset,
    bytes: usize,
    entries_max: usize,
    bytes_max: usize,
}

impl<T> Tail<T> {
    pub(super) fn starting_at(floor: Offset, entries_max: usize, bytes_max: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            floor,
            bytes: 0,
            entries_max,
            bytes_max,
        }
    }

    pub(super) fn push(&mut self, offset: Offset, weight_bytes: usize, entry: Arc<T>) {
        self.entries.push_back((offset, weight_bytes, entry));
        self.bytes += weight_bytes;
        while self.entries.len() > self.entries_max || self.bytes > self.bytes_max {
            let Some((oldest, weight, _)) = self.entries.pop_front() else {
                break;
            };
            self.floor = oldest;
            self.bytes -= weight;
        }
    }

    /// Whether everything after the cursor is here.
    pub(super) const fn reaches(&self, cursor: Offset) -> bool {
        cursor >= self.floor
    }

    pub(super) const fn floor(&self) -> Offset {
        self.floor
    }

    /// Whether the cursor is so little below the floor that the tail may have room for what is
    /// between.
    pub(super) fn is_near(&self, cursor: Offset) -> bool {
        let room = self.entries_max - self.entries.len().min(self.entries_max);
        room > 0 && self.floor.saturating_sub(cursor) <= NEAR_OFFSETS
    }

    pub(super) fn get(&self, offset: Offset) -> Option<Arc<T>> {
        let position = self.entries.partition_point(|entry| entry.0 < offset);
        (self.entries.get(position))
            .filter(|entry| entry.0 == offset)
            .map(|entry| entry.2.clone())
    }

    pub(super) fn after(&self, cursor: Offset, limit: usize) -> Vec<Arc<T>> {
        let position = self.entries.partition_point(|entry| entry.0 <= cursor);
        (self.entries.range(position..).take(limit))
            .map(|entry| entry.2.clone())
            .collect()
    }
}

impl Tail<FeedEntry> {
    /// Puts older entries under the floor: all of the topic between `floor` and the old floor.
    pub(super) fn extend_down(&mut self, floor: Offset, older: Vec<Arc<FeedEntry>>) {
        for entry in older.into_iter().rev() {
            let weight = entry.weight_bytes();
            if self.entries.len() >= self.entries_max || self.bytes + weight > self.bytes_max {
                self.floor = entry.offset();
                return;
            }
            self.bytes += weight;
            self.entries.push_front((entry.offset(), weight, entry));
        }
        self.floor = floor;
    }

    /// Erasure reaches what is still waiting to be read, too.
    pub(super) fn forget_person(&mut self, erased: ParticipantId) {
        for (_, _, entry) in &mut self.entries {
            if (entry.participant.as_ref()).is_some_and(|participant| participant.id == erased) {
                *entry = Arc::new(entry.without_person());
            }
        }
    }
}
