//! Take back a scan: a compensating event, nothing is deleted.

use std::sync::Arc;

use super::{
    model::{CommandKey, Model, Participant, ScanMark},
    refusal::Refusal,
};
use crate::events::{
    event::{Event, RefusalCode, Sealed},
    ids::{Code, CommandId, Offset},
    time::Timestamp,
};

/// How long a scan counts as recent for the person who made it, seconds.
pub const OWN_SCAN_SECONDS_MAX: i64 = 15 * 60;

pub struct Undo {
    pub code: Code,
    /// The scan to take back, by the id it was sent with. None: the participant's last scan that counts.
    pub scan_id: Option<CommandId>,
    pub reason: Option<String>,
    pub authority: UndoAuthority,
}

/// What the caller may take back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoAuthority {
    /// Superuser or creator.
    Any,
    /// Supervisor: any with a reason; own recent scans without.
    AnyWithReason,
    /// Steward: own scans within 15 minutes.
    OwnRecent,
}

/// What a decision on an undo needs beside the command.
#[derive(Debug, Clone)]
pub struct UndoFacts<'a> {
    pub now: Timestamp,
    pub actor_id: &'a Arc<str>,
    /// The command's reason, sealed with the participant's key.
    pub reason: Option<Sealed>,
    /// The scan that the command names; see [`named_scan`].
    pub named: Option<Offset>,
}

/// The scan of this participant that was sent under `id`, if there is one: counted, undone or refused.
#[must_use]
pub fn named_scan(model: &Model, code: &Code, id: &CommandId) -> Option<Offset> {
    let mark = model
        .command(CommandKey::of(id))
        .filter(|mark| mark.is_scan)?;
    let participant = model.participant_of(mark)?;
    (participant.code == *code).then_some(mark.offset)
}

/// # Errors
/// When there is no such scan, it no longer counts, or the caller may not take it back.
pub fn decide(model: &Model, command: &Undo, facts: UndoFacts<'_>) -> Result<Event, Refusal> {
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
    let scan = scan_to_undo(participant, facts.named)?;
    authorize(model, command.authority, &facts, scan)?;
    Ok(Event::ScanUndone {
        subject: participant.subject(),
        undoes: scan.offset,
        reason: facts.reason,
    })
}

fn scan_to_undo(participant: &Participant, named: Option<Offset>) -> Result<&ScanMark, Refusal> {
    let Some(offset) = named else {
        return participant.scans.last().ok_or(Refusal::NothingToUndo);
    };
    if participant
        .undone
        .iter()
        .any(|undone| undone.scan == offset)
    {
        return Err(Refusal::AlreadyUndone { undoes: offset });
    }
    participant
        .scans
        .iter()
        .find(|scan| scan.offset == offset)
        .ok_or(Refusal::NothingToUndo)
}

fn authorize(
    model: &Model,
    authority: UndoAuthority,
    facts: &UndoFacts<'_>,
    scan: &ScanMark,
) -> Result<(), Refusal> {
    let own_recent = model.actor_of(scan) == Some(facts.actor_id)
        && facts.now <= scan.occurred_at.plus_seconds(OWN_SCAN_SECONDS_MAX);
    match authority {
        UndoAuthority::Any => Ok(()),
        UndoAuthority::AnyWithReason if own_recent || facts.reason.is_some() => Ok(()),
        UndoAuthority::AnyWithReason => Err(Refusal::ReasonRequired),
        UndoAuthority::OwnRecent if own_recent => Ok(()),
        UndoAuthority::OwnRecent => Err(Refusal::UndoNotAllowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::spec::{Given, at, code, given, sealed, subject};

    // Offsets: 1 gathering, 2 registration, 3 the check-in by "ana" at second 3.
    fn inside() -> Given {
        given().gathering().registered("A1").checked_in("A1")
    }

    fn undo(
        given: Given,
        authority: UndoAuthority,
        actor: &str,
        now: i64,
        reason: Option<&str>,
    ) -> Result<Event, Refusal> {
        undo_named(given, authority, actor, now, reason, None)
    }

    fn undo_named(
        given: Given,
        authority: UndoAuthority,
        actor: &str,
        now: i64,
        reason: Option<&str>,
        named: Option<Offset>,
    ) -> Result<Event, Refusal> {
        let command = Undo {
            code: code("A1"),
            scan_id: None,
            reason: None,
            authority,
        };
        let facts = UndoFacts {
            now: at(now),
            actor_id: &actor.into(),
            reason: reason.map(sealed),
            named,
        };
        decide(given.model(), &command, facts)
    }

    fn undone(undoes: Offset, reason: Option<&str>) -> Result<Event, Refusal> {
        Ok(Event::ScanUndone {
            subject: subject("A1"),
            undoes,
            reason: reason.map(sealed),
        })
    }

    #[test]
    fn the_last_scan_that_counts_is_taken_back() {
        let out = inside().checked_out("A1");
        assert_eq!(
            undo(out, UndoAuthority::Any, "boss", 9_999, None),
            undone(4, None)
        );
        let out_undone = inside().checked_out("A1").undone("A1", 4);
        assert_eq!(
            undo(out_undone, UndoAuthority::Any, "boss", 9_999, None),
            undone(3, None)
        );
    }

    #[test]
    fn a_named_scan_is_taken_back_even_when_it_is_not_the_last() {
        let out = inside().checked_out("A1");
        assert_eq!(
            undo_named(out, UndoAuthority::Any, "boss", 9, None, Some(3)),
            undone(3, None)
        );
    }

    #[test]
    fn a_scan_is_taken_back_once() {
        let twice = inside().undone("A1", 3);
        assert_eq!(
            undo_named(twice, UndoAuthority::Any, "boss", 9, None, Some(3)),
            Err(Refusal::AlreadyUndone { undoes: 3 })
        );
    }

    #[test]
    fn without_a_scan_that_counts_there_is_nothing_to_undo() {
        let outside = given().gathering().registered("A1");
        assert_eq!(
            undo(outside, UndoAuthority::Any, "boss", 9, None),
            Err(Refusal::NothingToUndo)
        );
        assert_eq!(
            undo_named(inside(), UndoAuthority::Any, "boss", 9, None, Some(77)),
            Err(Refusal::NothingToUndo)
        );
    }

    #[test]
    fn a_steward_takes_back_own_scans_for_fifteen_minutes() {
        let limit = 3 + OWN_SCAN_SECONDS_MAX;
        assert_eq!(
            undo(inside(), UndoAuthority::OwnRecent, "ana", limit, None),
            undone(3, None)
        );
        assert_eq!(
            undo(inside(), UndoAuthority::OwnRecent, "ana", limit + 1, None),
            Err(Refusal::UndoNotAllowed)
        );
        assert_eq!(
            undo(inside(), UndoAuthority::OwnRecent, "bea", 4, Some("why")),
            Err(Refusal::UndoNotAllowed)
        );
    }

    #[test]
    fn a_supervisor_gives_a_reason_unless_the_scan_is_own_and_recent() {
        assert_eq!(
            undo(inside(), UndoAuthority::AnyWithReason, "ana", 4, None),
            undone(3, None)
        );
        assert_eq!(
            undo(inside(), UndoAuthority::AnyWithReason, "bea", 4, None),
            Err(Refusal::ReasonRequired)
        );
        assert_eq!(
            undo(
                inside(),
                UndoAuthority::AnyWithReason,
                "bea",
                4,
                Some("why")
            ),
            undone(3, Some("why"))
        );
    }

    #[test]
    fn scans_of_an_erased_person_stay_as_they_are() {
        assert_eq!(
            undo(inside().erased("A1"), UndoAuthority::Any, "boss", 9, None),
            Err(Refusal::NotPossible {
                code: RefusalCode::Erased
            })
        );
    }

    #[test]
    fn an_unknown_code_or_gathering_has_nothing_to_undo() {
        let empty = given().gathering();
        assert_eq!(
            undo(empty, UndoAuthority::Any, "boss", 9, None),
            Err(Refusal::UnknownCode { code: code("A1") })
        );
        assert_eq!(
            undo(given(), UndoAuthority::Any, "boss", 9, None),
            Err(Refusal::UnknownGathering)
        );
    }
}
