//! Forget a person: the fact goes into the log, then the key that opens what is sealed about them is
//! destroyed, then there is an answer. What they did stays, and so do the counts.
//!
//! The log comes first: it is what opening a data directory goes by, so a crash between the two is
//! mended there, and a key can never be gone of somebody whom the log does not call erased. No reason is
//! taken: it would be about the person.

use std::sync::Arc;

use super::{
    Accepted, Command, CommandError, CommandHandler, Context,
    handler::{Submitted, blocking},
    model::Model,
    owner::{Outcome, Owner},
    refusal::Refusal,
};
use crate::events::{
    event::{Event, RefusalCode},
    ids::{Code, GatheringId, Offset, ParticipantId},
    keys::SubjectId,
    log::Log,
};

/// People of one gathering who are erased with one rewrite of its keys: no more than the log's queue takes.
pub const ERASED_AT_ONCE_MAX: usize = 4_000;
/// Decisions in a row before other tasks have their turn.
const DECISIONS_A_TURN: usize = 64;

pub struct Erase {
    pub code: Code,
}

/// What became of people who were erased together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasedTogether {
    pub erased: usize,
    /// Who is still to be erased.
    pub remaining: usize,
    /// Of the last erasure, if there was one.
    pub offset: Option<Offset>,
}

/// # Errors
/// When nobody has the code, or the person is erased already.
pub fn decide(model: &Model, command: &Erase) -> Result<Event, Refusal> {
    if model.details().is_none() {
        return Err(Refusal::UnknownGathering);
    }
    let participant = model
        .participant(&command.code)
        .ok_or_else(|| Refusal::UnknownCode {
            code: command.code.clone(),
        })?;
    if participant.erased.is_some() {
        return Err(Refusal::NotPossible {
            code: RefusalCode::Erased,
        });
    }
    Ok(Event::ParticipantErased {
        subject: participant.subject(),
    })
}

impl Owner {
    /// Who has been erased stays so: the first erasure answers every later one.
    pub(super) fn erased_before(&self, command: &Erase) -> Option<Outcome> {
        let offset = self.model.participant(&command.code)?.erased?;
        Some(Outcome::Before(offset, self.in_flight(offset)))
    }
}

impl CommandHandler {
    /// How many people of the gathering have not been erased.
    ///
    /// # Errors
    /// When there is no such gathering, or it cannot be loaded.
    pub async fn not_erased(&self, gathering: GatheringId) -> Result<usize, CommandError> {
        self.ready(gathering).await?;
        self.look(gathering, |model| {
            model.details().ok_or(Refusal::UnknownGathering)?;
            let people = model.participants().iter();
            Ok(people.filter(|person| person.erased.is_none()).count())
        })?
    }

    /// Erases the next people of a gathering, at most [`ERASED_AT_ONCE_MAX`]. Goes on when the caller is gone.
    ///
    /// # Errors
    /// See [`CommandError`]; who has been erased by then stays so, and a retry goes on from there.
    pub async fn erase_next(
        &self,
        gathering: GatheringId,
        context: Context,
    ) -> Result<ErasedTogether, CommandError> {
        self.not_erased(gathering).await?;
        // Of an erasure before that could not destroy them.
        let left_over = self.log().erased_in(gathering);
        destroy(self.log(), gathering, left_over).await?;
        let codes: Vec<Code> = self.look(gathering, |model| {
            let people = model.participants().iter();
            (people.filter(|person| person.erased.is_none()))
                .map(|person| person.code.clone())
                .take(ERASED_AT_ONCE_MAX)
                .collect()
        })?;
        let handler = self.clone();
        let work = tokio::spawn(async move {
            handler
                .erase_together(gathering, &codes, &Arc::new(context))
                .await
        });
        let (erased, offset) = work.await.map_err(|_| given_up())??;
        Ok(ErasedTogether {
            erased,
            remaining: self.not_erased(gathering).await?,
            offset,
        })
    }

    async fn erase_together(
        &self,
        gathering: GatheringId,
        codes: &[Code],
        context: &Context,
    ) -> Result<(usize, Option<Offset>), CommandError> {
        let mut submitted = Vec::with_capacity(codes.len());
        let mut stopped = None;
        for (count, code) in codes.iter().enumerate() {
            let command = Command::Erase(Erase { code: code.clone() });
            match self.queue(gathering, &command, context) {
                Ok(one) => submitted.push(one),
                // Others fill the queue, too: those who are in it go on.
                Err(error) => {
                    stopped = Some(error);
                    break;
                }
            }
            if count % DECISIONS_A_TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
        let erased = submitted.len();
        match (stopped, erased) {
            (Some(error), 0) => Err(error),
            (None, 0) => Ok((0, None)),
            (_, erased) => {
                let last = destroyed(self.log(), gathering, submitted).await?;
                Ok((erased, last.map(|last| last.recorded.offset)))
            }
        }
    }
}

/// Waits until the erasures are durable and destroys the keys, whether or not the caller still waits; gives
/// what became of the last one.
pub(super) async fn finish(
    log: &Log,
    gathering: GatheringId,
    submitted: Vec<Submitted>,
) -> Result<Accepted, CommandError> {
    let log = log.clone();
    let work = tokio::spawn(async move { destroyed(&log, gathering, submitted).await });
    work.await
        .map_err(|_| given_up())??
        .ok_or_else(|| CommandError::Load("nobody was erased".to_owned()))
}

async fn destroyed(
    log: &Log,
    gathering: GatheringId,
    submitted: Vec<Submitted>,
) -> Result<Option<Accepted>, CommandError> {
    let mut people = Vec::with_capacity(submitted.len());
    let mut last = None;
    let mut failed = None;
    for one in submitted {
        match one.durable().await {
            Ok(accepted) => {
                let subject = accepted.recorded.event.subject();
                people.extend(subject.map(|subject| subject.participant));
                last = Some(accepted);
            }
            // Those before it are in the log for good.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    destroy(log, gathering, people).await?;
    match failed {
        Some(error) => Err(error),
        None => Ok(last),
    }
}

/// Their erasure is durable. Keys that are gone already cost nothing.
async fn destroy(
    log: &Log,
    gathering: GatheringId,
    people: Vec<ParticipantId>,
) -> Result<(), CommandError> {
    let keys = log.keys().clone();
    blocking(move || {
        let subjects: Vec<SubjectId> = people.iter().map(|person| person.to_bytes()).collect();
        keys.destroy_all(gathering, &subjects)
            .map_err(|error| CommandError::KeyStays(error.to_string()))
    })
    .await
}

fn given_up() -> CommandError {
    CommandError::Load("the erasure was given up".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::spec::{code, given, subject};

    fn erase() -> Erase {
        Erase { code: code("A1") }
    }

    #[test]
    fn anybody_registered_can_be_erased_inside_or_cancelled_too() {
        let erased = || {
            Ok(Event::ParticipantErased {
                subject: subject("A1"),
            })
        };
        let registered = || given().gathering().registered("A1");
        registered()
            .when(|model| decide(model, &erase()))
            .then(erased());
        registered()
            .checked_in("A1")
            .when(|model| decide(model, &erase()))
            .then(erased());
        registered()
            .cancelled("A1")
            .when(|model| decide(model, &erase()))
            .then(erased());
    }

    #[test]
    fn the_counts_stay_when_a_person_goes() {
        let inside = given().gathering().registered("A1").checked_in("A1");
        let counts = inside.model().counts();
        assert_eq!(inside.erased("A1").model().counts(), counts);
    }

    #[test]
    fn who_is_erased_is_erased_once() {
        given()
            .gathering()
            .registered("A1")
            .erased("A1")
            .when(|model| decide(model, &erase()))
            .then(Err(Refusal::NotPossible {
                code: RefusalCode::Erased,
            }));
    }

    #[test]
    fn an_unknown_code_or_gathering_cannot_be_erased() {
        given()
            .gathering()
            .when(|model| decide(model, &erase()))
            .then(Err(Refusal::UnknownCode { code: code("A1") }));
        given()
            .when(|model| decide(model, &erase()))
            .then(Err(Refusal::UnknownGathering));
    }
}
