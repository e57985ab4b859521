//! What auditors ask: pages of history, and all that matches from the first to the last. Every filter
//! has an index, so what is read is what is answered.
//!
//! Not here: the form of an entry (`history`), and the forms in which entries are written (`http`).

use std::{collections::HashMap, sync::Arc};

use tokio::runtime::Handle;

use super::{
    gathering::Gathering,
    history::{HistoryEntry, State},
    index::Wanted,
    live::Inner,
    person::unseal,
    views::{HistoryPage, HistoryQuery, Order, ViewError, Views},
};
use crate::events::{
    event::Person,
    ids::{Code, GatheringId, Offset, ParticipantId},
    log::{Log, PAGE_EVENTS_MAX},
    recorded::Recorded,
    time::Timestamp,
};

/// Most entries in one page, and in one step of [`HistoryRows`].
const PAGE_ENTRIES_MAX: usize = 1_000;
const ROWS_ENTRIES_MAX: usize = PAGE_EVENTS_MAX;
/// Most gatherings whose people a reader keeps at hand.
const GATHERINGS_AT_HAND_MAX: usize = 8;

/// One page, in the order that is asked for. May touch the disk.
pub(super) fn page(inner: &Inner, query: &HistoryQuery) -> Result<HistoryPage, ViewError> {
    inner.board.catch_up(&inner.log)?;
    let limit = query.limit.clamp(1, PAGE_ENTRIES_MAX);
    let (after, end) = bounds(&inner.log, query, inner.log.head())?;
    // One more than is shown tells whether there is more.
    let mut events = match query.order {
        Order::Oldest => read(inner, query, after, end, limit + 1)?,
        Order::Newest => read_back(inner, query, after, end, limit + 1)?,
    };
    let more = events.len() > limit;
    events.truncate(limit);
    let next = events.last().filter(|_| more).map(|last| last.offset);
    let results = entries(inner, &events, Offset::MAX);
    Ok(HistoryPage { results, next })
}

/// All entries that a query finds, up to the log's head as it was when this was made; a step at a time,
/// so that memory does not grow with the answer. Reads the disk: not for async code.
pub struct HistoryRows {
    inner: Arc<Inner>,
    query: HistoryQuery,
    head: Offset,
    place: Place,
    people: Option<People>,
}

#[derive(Clone, Copy)]
enum Place {
    Unknown,
    Between { after: Offset, end: Offset },
    Over,
}

/// An entry and, when asked for, whom it is about; nobody once they have been erased.
pub struct HistoryRow {
    pub entry: HistoryEntry,
    pub person: Option<Person>,
}

impl Views {
    /// In the log's order; `query.limit` and `query.order` say nothing here. Call it inside the runtime.
    #[must_use]
    pub fn history_rows(&self, query: HistoryQuery, with_people: bool) -> HistoryRows {
        HistoryRows {
            inner: self.inner.clone(),
            query: HistoryQuery {
                order: Order::Oldest,
                ..query
            },
            head: self.inner.log.head(),
            place: Place::Unknown,
            people: with_people.then(|| People {
                runtime: Handle::current(),
                at_hand: HashMap::new(),
            }),
        }
    }
}

impl HistoryRows {
    /// What is recorded later is not among the rows.
    #[must_use]
    pub const fn head(&self) -> Offset {
        self.head
    }

    /// How far it has come.
    #[must_use]
    pub const fn position(&self) -> Offset {
        match self.place {
            Place::Unknown => 0,
            Place::Between { after, .. } => after,
            Place::Over => self.head,
        }
    }

    /// The next rows; none when there are no more.
    ///
    /// # Errors
    /// When the log cannot be read, or a view cannot apply an event.
    pub fn step(&mut self) -> Result<Vec<HistoryRow>, ViewError> {
        let (after, end) = match self.place {
            Place::Unknown => bounds(&self.inner.log, &self.query, self.head)?,
            Place::Between { after, end } => (after, end),
            Place::Over => return Ok(Vec::new()),
        };
        self.inner.board.catch_up(&self.inner.log)?;
        let events = read(&self.inner, &self.query, after, end, ROWS_ENTRIES_MAX)?;
        self.place = match events.last() {
            Some(last) if last.offset < end => Place::Between {
                after: last.offset,
                end,
            },
            Some(_) | None => Place::Over,
        };
        let mut rows = Vec::with_capacity(events.len());
        for entry in entries(&self.inner, &events, self.head) {
            let person = match &mut self.people {
                Some(people) => people.of(&self.inner, &entry)?,
                None => None,
            };
            rows.push(HistoryRow { entry, person });
        }
        Ok(rows)
    }
}

/// Clear people for one reader: as they are now, unsealed for each row and kept nowhere.
struct People {
    runtime: Handle,
    at_hand: HashMap<GatheringId, Arc<Gathering>>,
}

impl People {
    fn of(
        &mut self,
        inner: &Arc<Inner>,
        entry: &HistoryEntry,
    ) -> Result<Option<Person>, ViewError> {
        match (entry.participant_id, &entry.event_pax_id) {
            (Some(participant), Some(code)) => self.person(inner, participant, code),
            _ => Ok(None),
        }
    }

    fn person(
        &mut self,
        inner: &Arc<Inner>,
        participant: ParticipantId,
        code: &Code,
    ) -> Result<Option<Person>, ViewError> {
        // Of somebody who was turned away elsewhere, the gathering that they are registered for.
        let Some(home) = inner.log.gathering_of_code(code) else {
            return Ok(None);
        };
        let gathering = self.gathering(inner, home)?;
        let sealed = {
            let live = gathering.live.read();
            let row = live.participants.row_of(participant);
            row.and_then(|row| row.sealed.clone())
        };
        let clear = sealed
            .and_then(|sealed| unseal(inner.log.keys(), home, participant.to_bytes(), &sealed));
        Ok(clear.and_then(|clear| serde_json::from_slice(&clear).ok()))
    }

    fn gathering(
        &mut self,
        inner: &Arc<Inner>,
        id: GatheringId,
    ) -> Result<Arc<Gathering>, ViewError> {
        if let Some(gathering) = self.at_hand.get(&id) {
            gathering.catch_up(&inner.log)?;
            return Ok(gathering.clone());
        }
        let gathering = self.runtime.block_on(inner.current(id))?;
        if self.at_hand.len() >= GATHERINGS_AT_HAND_MAX {
            self.at_hand.clear();
        }
        self.at_hand.insert(id, gathering.clone());
        Ok(gathering)
    }
}

/// Between which offsets the answer lies: after the first, up to the second.
fn bounds(log: &Log, query: &HistoryQuery, head: Offset) -> Result<(Offset, Offset), ViewError> {
    let mut end = match query.gathering {
        Some(gathering) => match log.last_offset_of(gathering) {
            0 => return Err(ViewError::UnknownGathering),
            last => head.min(last),
        },
        None => head,
    };
    if let Some(until) = query.until {
        end = last_before(log, until, end)?;
    }
    let since = match query.since {
        Some(since) => last_before(log, since, end)?,
        None => 0,
    };
    Ok(match query.order {
        Order::Oldest => (query.after.max(since), end),
        Order::Newest if query.after > 0 => (since, end.min(query.after - 1)),
        Order::Newest => (since, end),
    })
}

/// The first events that the query lets through, at most `limit`.
fn read(
    inner: &Inner,
    query: &HistoryQuery,
    after: Offset,
    end: Offset,
    limit: usize,
) -> Result<Vec<Arc<Recorded>>, ViewError> {
    let log = &inner.log;
    if after >= end {
        return Ok(Vec::new());
    }
    if query.needs_index() {
        let offsets = find(inner, query, after, end, limit)?;
        return Ok(log.read_at(&offsets)?);
    }
    match query.gathering {
        Some(gathering) => Ok(log.read_gathering(gathering, after, end, limit)?),
        None => {
            let limit = limit.min(usize::try_from(end - after).unwrap_or(limit));
            Ok(log.read(after, limit)?)
        }
    }
}

/// The last events that the query lets through, at most `limit`, the newest first.
fn read_back(
    inner: &Inner,
    query: &HistoryQuery,
    after: Offset,
    end: Offset,
    limit: usize,
) -> Result<Vec<Arc<Recorded>>, ViewError> {
    let log = &inner.log;
    if after >= end {
        return Ok(Vec::new());
    }
    let mut events = if query.needs_index() || query.gathering.is_some() {
        let mut offsets = find(inner, query, after, end, limit)?;
        offsets.reverse();
        log.read_at(&offsets)?
    } else {
        // Of the whole log, where no offset is missing.
        let most = usize::try_from(end - after).map_or(limit, |most| most.min(limit));
        log.read(end - most as Offset, most)?
    };
    events.reverse();
    Ok(events)
}

/// The offsets in the order that is asked for.
fn find(
    inner: &Inner,
    query: &HistoryQuery,
    after: Offset,
    end: Offset,
    limit: usize,
) -> Result<Vec<Offset>, ViewError> {
    let (log, indexes) = (&inner.log, &inner.indexes);
    let participant = query.participant.as_deref();
    let found = |about: Option<&[Offset]>, index: &State| {
        let wanted = Wanted {
            gate: query.gate.as_deref(),
            actor: query.actor.as_deref(),
            kind: query.kind.as_deref(),
            participant: about,
        };
        match query.order {
            Order::Oldest => index.find(&wanted, after, end, limit),
            Order::Newest => index.find_back(&wanted, after, end, limit),
        }
    };
    match query.gathering {
        Some(gathering) => indexes.of(gathering).with(log, |index| {
            let about = participant.map(|participant| index.of(participant));
            found(about.as_deref(), index)
        }),
        None => {
            let about = match participant {
                Some(participant) => Some(about(inner, participant)?),
                None => None,
            };
            (indexes.whole()).with(log, |index| found(about.as_deref(), index))
        }
    }
}

/// Everything that is said anywhere about a participant: in the gathering they are registered for, and
/// where they were turned away because it is another.
fn about(inner: &Inner, participant: &str) -> Result<Vec<Offset>, ViewError> {
    let (log, indexes) = (&inner.log, &inner.indexes);
    let (mut offsets, home) = (indexes.whole()).with(log, |index| {
        (index.of(participant), index.home_of(participant))
    })?;
    let by_code = (Code::parse(participant).ok()).and_then(|code| log.gathering_of_code(&code));
    let by_id = home.filter(|home| Some(*home) != by_code);
    for gathering in [by_code, by_id].into_iter().flatten() {
        let found = (indexes.of(gathering)).with(log, |index| index.of(participant))?;
        offsets.extend(found);
    }
    offsets.sort_unstable();
    offsets.dedup();
    Ok(offsets)
}

/// As auditors read them; undos after `head` have not happened yet.
fn entries(inner: &Inner, events: &[Arc<Recorded>], head: Offset) -> Vec<HistoryEntry> {
    let undone: Vec<_> = {
        let live = inner.board.live.read();
        (events.iter())
            .map(|recorded| live.dashboard.undone_by(recorded.offset))
            .collect()
    };
    let keys = inner.log.keys();
    (events.iter().zip(undone))
        .map(|(recorded, undone_by)| {
            let undone_by = undone_by.filter(|undo| *undo <= head);
            HistoryEntry::new(recorded, undone_by, keys)
        })
        .collect()
}

/// The last offset at or before `end` that was recorded before a moment, found by halving, since
/// `recorded_at` never runs backwards.
fn last_before(log: &Log, moment: Timestamp, end: Offset) -> Result<Offset, ViewError> {
    let (mut before, mut not_before) = (0, end + 1);
    while before + 1 < not_before {
        let middle = before.midpoint(not_before);
        match log.get(middle)? {
            Some(recorded) if recorded.recorded_at < moment => before = middle,
            Some(_) | None => not_before = middle,
        }
    }
    Ok(before)
}

impl HistoryQuery {
    /// Whether more than a place in the log is asked for.
    const fn needs_index(&self) -> bool {
        self.participant.is_some()
            || self.actor.is_some()
            || self.gate.is_some()
            || self.kind.is_some()
    }
}
