//! Record that somebody is about to be given personal data: who, what, whose, never what it said.
//!
//! The same person who reads the same again within [`SAME_READ_SECONDS_MAX`] leaves no second record, so
//! that the log tells of visits and not of pages; every export leaves one of its own. What is remembered
//! of that is in memory alone: after a restart there may be one record more. Whose reads are recorded is
//! for the doors to say.

use std::{collections::HashMap, sync::Arc};

use super::{
    model::Model,
    owner::{Attempt, Outcome, Owner, Stop},
};
use crate::events::{
    event::{Access, Accessed, Event, ExportFormat, Subject},
    ids::{Code, Offset, ParticipantId},
    time::Timestamp,
};

/// How long a read counts as the same one, seconds.
pub const SAME_READ_SECONDS_MAX: i64 = 15 * 60;
/// Most reads that are remembered for one gathering.
const READS_MAX: usize = 10_000;

pub struct RecordAccess {
    pub what: Accessed,
    /// The id or code of the one person whose data it is. Of somebody unknown here nothing is kept: it may
    /// be anything that was typed.
    pub about: Option<Arc<str>>,
    pub format: Option<ExportFormat>,
}

/// The reads of late: the actor, what they read, and whose.
#[derive(Default)]
pub(super) struct Accesses {
    recorded: HashMap<Read, (Timestamp, Offset)>,
}

type Read = (Arc<str>, Accessed, Option<ParticipantId>);

/// Never refuses: what cannot be recorded must not be read.
#[must_use]
pub fn decide(model: &Model, command: &RecordAccess) -> Event {
    Event::PersonalDataAccessed(Access {
        what: command.what,
        subject: (command.about.as_deref()).and_then(|about| subject(model, about)),
        format: command.format,
    })
}

fn subject(model: &Model, about: &str) -> Option<Subject> {
    let by_code = Code::parse(about).ok();
    let by_code = by_code.and_then(|code| model.participant(&code));
    let by_id = || model.participant_with(about.parse().ok()?);
    by_code.or_else(by_id).map(|person| person.subject())
}

impl Owner {
    pub(super) fn record_access(
        &mut self,
        attempt: &Attempt<'_>,
        command: &RecordAccess,
    ) -> Result<Outcome, Stop> {
        let event = decide(&self.model, command);
        let whose = event.subject().map(|subject| subject.participant);
        let read = (Arc::clone(&attempt.context.actor_id), command.what, whose);
        let now = attempt.context.now;
        if !is_export(command.what)
            && let Some(offset) = self.accesses.same(&read, now)
        {
            return Ok(Outcome::Before(offset, self.in_flight(offset)));
        }
        if self.gathering.is_house() && self.model.offset() == 0 {
            // Nobody has created it, so nobody has made the key that staff names are sealed with.
            attempt.log.keys().adopt_own(self.gathering);
        }
        let outcome = self.append(attempt, event, None)?;
        if let Outcome::New(recorded, _) = &outcome {
            self.accesses
                .note(read, recorded.recorded_at, recorded.offset);
        }
        Ok(outcome)
    }
}

impl Accesses {
    fn same(&self, read: &Read, now: Timestamp) -> Option<Offset> {
        let (at, offset) = self.recorded.get(read)?;
        (now < at.plus_seconds(SAME_READ_SECONDS_MAX)).then_some(*offset)
    }

    fn note(&mut self, read: Read, at: Timestamp, offset: Offset) {
        if self.recorded.len() >= READS_MAX {
            let oldest = at.plus_seconds(-SAME_READ_SECONDS_MAX);
            self.recorded.retain(|_, (at, _)| *at > oldest);
        }
        if self.recorded.len() < READS_MAX {
            self.recorded.insert(read, (at, offset));
        }
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
    use crate::commands::spec::{at, given, subject};

    fn recorded(model: &Model, about: Option<&str>) -> Access {
        let command = RecordAccess {
            what: Accessed::Participant,
            about: about.map(Into::into),
            format: None,
        };
        match decide(model, &command) {
            Event::PersonalDataAccessed(access) => access,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_read_is_recorded_with_whose_data_it_is_by_code_or_by_id() {
        let given = given().gathering().registered("A1");
        let whose = Some(subject("A1"));
        let by_id = subject("A1").participant.to_string();
        assert_eq!(recorded(given.model(), Some("A1")).subject, whose);
        assert_eq!(recorded(given.model(), Some(&by_id)).subject, whose);
        assert_eq!(recorded(given.model(), None).subject, None);
    }

    #[test]
    fn what_is_nobody_s_code_is_not_kept() {
        let given = given().gathering().registered("A1");
        assert_eq!(recorded(given.model(), Some("Ada Lovelace")).subject, None);
    }

    #[test]
    fn the_same_read_is_the_same_for_a_quarter_of_an_hour() {
        let read = |what| (Arc::from("ada"), what, None);
        let mut accesses = Accesses::default();
        accesses.note(read(Accessed::History), at(10), 7);
        let last = at(10 + SAME_READ_SECONDS_MAX);
        assert_eq!(accesses.same(&read(Accessed::History), at(10)), Some(7));
        assert_eq!(accesses.same(&read(Accessed::History), last), None);
        assert_eq!(accesses.same(&read(Accessed::Participants), at(10)), None);
    }
}
