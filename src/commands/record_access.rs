//! Record that somebody is about to be given personal data: who, what, whose, never what it said.
//!
//! No decision, so no write model: reading an old gathering must not bring one into memory. The same person
//! who reads the same again within [`SAME_READ_SECONDS_MAX`] leaves no second record, so that the log tells
//! of visits and not of pages; every export leaves one of its own. What is remembered of that is in memory
//! alone: after a restart there may be one record more. Whose reads are recorded, and whose data they are,
//! is for the doors to say.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    CommandError, CommandHandler, Context,
    handler::{Slot, blocking, wait_for_head},
    owner::{Owner, keys_failed},
    refusal::Refusal,
};
use crate::events::{
    event::{Access, Accessed, Event, ExportFormat, Sealed, Subject},
    ids::{GatheringId, Offset, ParticipantId},
    log::{Durable, Log},
    recorded::{Actor, NewEvent, Recorded},
    time::Timestamp,
};

/// How long a read counts as the same one, seconds.
pub const SAME_READ_SECONDS_MAX: i64 = 15 * 60;
/// Most reads that are remembered for one gathering.
const READS_MAX: usize = 10_000;

pub struct RecordAccess {
    pub what: Accessed,
    /// The one person whose data it is. Of somebody unknown here nothing is kept: it may be anything that
    /// was typed.
    pub subject: Option<Subject>,
    pub format: Option<ExportFormat>,
}

/// The reads of late: the actor, what they read, and whose.
#[derive(Default)]
pub(super) struct Accesses {
    recorded: HashMap<Read, (Timestamp, Offset)>,
    noted: Option<Instant>,
}

type Read = (Arc<str>, Accessed, Option<ParticipantId>);

/// An access that is in the log's queue, or is in the log.
enum Recording {
    New(Offset, Durable),
    /// Perhaps not durable yet: somebody else may be waiting for it.
    Before(Offset),
}

impl CommandHandler {
    /// Returns when it is durable that somebody is about to read: with the offset of the record, which is
    /// an earlier one when it is the same read. What cannot be recorded must not be read.
    ///
    /// # Errors
    /// See [`CommandError`]; refused is only what is to be in a gathering that does not exist.
    pub async fn record_access(
        &self,
        gathering: GatheringId,
        access: RecordAccess,
        context: Context,
    ) -> Result<Offset, CommandError> {
        let slot = self.slot(gathering);
        let recording = match slot.record_with_model(self.log(), &access, &context)? {
            Some(recording) => recording,
            None => {
                let log = self.log().clone();
                // Goes on when the caller is gone.
                blocking(move || slot.record(&log, gathering, &access, &context)).await?
            }
        };
        match recording {
            Recording::New(offset, durable) => {
                Durable::wait(durable).await?;
                Ok(offset)
            }
            Recording::Before(offset) => {
                wait_for_head(self.log(), offset).await?;
                Ok(offset)
            }
        }
    }
}

impl Slot {
    /// None when it has to be recorded and there is no model. One that is there must take every event.
    fn record_with_model(
        &self,
        log: &Log,
        access: &RecordAccess,
        context: &Context,
    ) -> Result<Option<Recording>, CommandError> {
        let mut place = self.owner.lock();
        let mut accesses = self.accesses.lock();
        if let Some(offset) = accesses.same(&read_of(access, context), context.now) {
            return Ok(Some(Recording::Before(offset)));
        }
        let Some(owner) = &mut *place else {
            return Ok(None);
        };
        let (recorded, durable) = owner.record_access(log, access, context)?;
        accesses.note(access, context, &recorded);
        Ok(Some(Recording::New(recorded.offset, durable)))
    }

    /// Straight into the log, unless a model has come. May block.
    fn record(
        &self,
        log: &Log,
        gathering: GatheringId,
        access: &RecordAccess,
        context: &Context,
    ) -> Result<Recording, CommandError> {
        // An event that is not durable yet is in no read, so a model that is loaded now would be without
        // this one, and take it for passed once it has taken a later one. Nobody loads a model while this
        // is held: from before the look whether there is one until the event can be read. The log's
        // writer takes no lock of ours, so the wait ends.
        let nobody_loads = self.loading.lock();
        if let Some(recording) = self.record_with_model(log, access, context)? {
            return Ok(recording);
        }
        may_be_in(log, gathering, log.last_offset_of(gathering))?;
        let name = sealed_name(log, gathering, context)?;
        let (recorded, durable) = log.append(event(gathering, access, context, name))?;
        self.accesses.lock().note(access, context, &recorded);
        durable.wait_blocking()?;
        drop(nobody_loads);
        Ok(Recording::Before(recorded.offset))
    }
}

impl Owner {
    fn record_access(
        &mut self,
        log: &Log,
        access: &RecordAccess,
        context: &Context,
    ) -> Result<(Arc<Recorded>, Durable), CommandError> {
        may_be_in(log, self.gathering, self.model.offset())?;
        let name = self.sealed_name(log, context)?;
        self.take(log, event(self.gathering, access, context, name))
    }
}

impl Accesses {
    /// Drops everything once nothing has been noted for so long.
    pub(super) fn tidy(&mut self, idle_max: Duration) {
        if self.noted.is_some_and(|at| at.elapsed() >= idle_max) {
            *self = Self::default();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.recorded.is_empty()
    }

    fn same(&self, read: &Read, now: Timestamp) -> Option<Offset> {
        let (at, offset) = self.recorded.get(read)?;
        (now < at.plus_seconds(SAME_READ_SECONDS_MAX)).then_some(*offset)
    }

    /// An export is never the same as one before.
    fn note(&mut self, access: &RecordAccess, context: &Context, recorded: &Recorded) {
        if !is_export(access.what) {
            let read = read_of(access, context);
            self.remember(read, recorded.recorded_at, recorded.offset);
        }
    }

    fn remember(&mut self, read: Read, at: Timestamp, offset: Offset) {
        if self.recorded.len() >= READS_MAX {
            let oldest = at.plus_seconds(-SAME_READ_SECONDS_MAX);
            self.recorded.retain(|_, (at, _)| *at > oldest);
        }
        if self.recorded.len() < READS_MAX {
            self.recorded.insert(read, (at, offset));
            self.noted = Some(Instant::now());
        }
    }
}

fn read_of(access: &RecordAccess, context: &Context) -> Read {
    let whose = access.subject.as_ref().map(|subject| subject.participant);
    (Arc::clone(&context.actor_id), access.what, whose)
}

/// `last`: the offset of the newest event there.
fn may_be_in(log: &Log, gathering: GatheringId, last: Offset) -> Result<(), CommandError> {
    match last {
        // Nobody has created it, so nobody has made the key that staff names are sealed with.
        0 if gathering.is_house() => {
            let keys = log.keys();
            keys.adopt(keys.fresh(gathering, gathering.to_bytes()));
            Ok(())
        }
        0 => Err(Refusal::UnknownGathering.into()),
        _ => Ok(()),
    }
}

fn sealed_name(
    log: &Log,
    gathering: GatheringId,
    context: &Context,
) -> Result<Option<Sealed>, CommandError> {
    let seal =
        |name: &Arc<str>| (log.keys()).seal(gathering, gathering.to_bytes(), name.as_bytes());
    (context.actor_name.as_ref().map(seal))
        .transpose()
        .map_err(keys_failed)
}

fn event(
    gathering: GatheringId,
    access: &RecordAccess,
    context: &Context,
    name: Option<Sealed>,
) -> NewEvent {
    NewEvent {
        gathering,
        decided_at: context.now,
        occurred_at: context.now,
        actor: Actor {
            id: Arc::clone(&context.actor_id),
            role: context.actor_role,
            name,
        },
        correlation: context.correlation,
        causation: None,
        command: None,
        event: Event::PersonalDataAccessed(Access {
            what: access.what,
            subject: access.subject.clone(),
            format: access.format,
        }),
    }
}

const fn is_export(what: Accessed) -> bool {
    match what {
        Accessed::PersonExport | Accessed::HistoryExport => true,
        // Whoever follows the log asks for it page by page.
        Accessed::Log
        | Accessed::Participants
        | Accessed::Participant
        | Accessed::History
        | Accessed::LiveStream => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::spec::at;

    #[test]
    fn the_same_read_is_the_same_for_a_quarter_of_an_hour() {
        let read = |what| (Arc::from("ada"), what, None);
        let mut accesses = Accesses::default();
        accesses.remember(read(Accessed::History), at(10), 7);
        let last = at(10 + SAME_READ_SECONDS_MAX);
        assert_eq!(accesses.same(&read(Accessed::History), at(10)), Some(7));
        assert_eq!(accesses.same(&read(Accessed::History), last), None);
        assert_eq!(accesses.same(&read(Accessed::Participants), at(10)), None);
        accesses.tidy(Duration::MAX);
        assert!(!accesses.is_empty());
        accesses.tidy(Duration::ZERO);
        assert!(accesses.is_empty());
    }
}
