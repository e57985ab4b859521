//! Exactly once: whether a command whose id has been used is the one that used it. The same id
//! with the same content is answered with the original event, with other content it is a conflict.
//! Contents are compared as keyed hashes, so that the log tells nothing about them; with a person's
//! key gone, nothing tells any more.

use super::{
    Command, CommandError, Context, cancel, codes, content,
    model::CommandMark,
    owner::{Attempt, Foreign, Outcome, Owner, keys_failed, scan_of},
    refusal::Refusal,
    undo::Undo,
};
use crate::events::{
    ids::{CommandId, GatheringId},
    keys::{KeyError, SubjectId},
};

impl Owner {
    /// The answer to an id that has been used.
    pub(super) fn replay(
        &mut self,
        attempt: &Attempt<'_>,
        id: &CommandId,
        mark: &CommandMark,
    ) -> Result<Outcome, CommandError> {
        if self.same_content(attempt, mark)? {
            let recorded = self.in_flight(mark.offset);
            return Ok(Outcome::Before(mark.offset, recorded));
        }
        match attempt.named {
            // The id is our own making: the caller never sent it.
            Some((_, undoes)) if attempt.context.command_id.as_ref() != Some(id) => {
                Err(Refusal::AlreadyUndone { undoes }.into())
            }
            _ => Err(CommandError::IdempotencyConflict {
                id: id.clone(),
                offset: mark.offset,
            }),
        }
    }

    fn same_content(
        &mut self,
        attempt: &Attempt<'_>,
        mark: &CommandMark,
    ) -> Result<bool, CommandError> {
        let marked = self.model.participant_of(mark);
        let erased = marked.and_then(|participant| participant.erased);
        let whose = match attempt.command {
            Command::Register(_) => marked.map(|it| (self.gathering, it.id.to_bytes())),
            _ => self.about(attempt),
        };
        let marked = marked.map(|it| it.id.to_bytes());
        let own = self.own();
        let content = self.canonical(attempt);
        let keys = attempt.log.keys();
        let hash = |(gathering, subject): (GatheringId, SubjectId)| {
            keys.keyed_hash(gathering, subject, content)
        };
        match hash(whose.unwrap_or(own)) {
            Ok(hash) => Ok(hash == mark.content_hash),
            // The key that would tell is gone. Commands since then are hashed with the gathering's;
            // those before are taken at their word when they are about the same person.
            Err(KeyError::Erased) => {
                let before = erased.is_none_or(|erased| mark.offset < erased);
                let same_person = marked == whose.filter(|it| it.0 == own.0).map(|it| it.1);
                Ok(hash(own).map_err(keys_failed)? == mark.content_hash || (before && same_person))
            }
            Err(error) => Err(keys_failed(error)),
        }
    }

    /// What a new event keeps of the command's content.
    pub(super) fn content_hash(&mut self, attempt: &Attempt<'_>) -> Result<[u8; 16], CommandError> {
        let own = self.own();
        let whose = self.about(attempt).unwrap_or(own);
        let content = self.canonical(attempt);
        let keys = attempt.log.keys();
        match keys.keyed_hash(whose.0, whose.1, content) {
            Err(KeyError::Erased) => keys.keyed_hash(own.0, own.1, content),
            result => result,
        }
        .map_err(keys_failed)
    }

    pub(super) fn canonical(&mut self, attempt: &Attempt<'_>) -> &[u8] {
        self.content.clear();
        let named = attempt.named.map(|(id, _)| id);
        content::write(attempt.command, named, &mut self.content);
        &self.content
    }

    pub(super) fn own(&self) -> (GatheringId, SubjectId) {
        (self.gathering, self.gathering.to_bytes())
    }

    /// Whose key hides the content of the command; nobody's, when it is about the gathering or holds
    /// no word about a person (a scan without a reason, the most frequent command by far).
    fn about(&self, attempt: &Attempt<'_>) -> Option<(GatheringId, SubjectId)> {
        let code = match attempt.command {
            Command::Undo(Undo { code, .. }) | Command::Cancel(cancel::Cancel { code, .. }) => code,
            command => {
                let (code, details) = scan_of(command)?;
                details.override_reason.as_ref()?;
                code
            }
        };
        match (self.model.participant(code), attempt.foreign) {
            (Some(participant), _) => Some((self.gathering, participant.id.to_bytes())),
            (None, Foreign::Of(gathering, subject)) => {
                Some((*gathering, subject.participant.to_bytes()))
            }
            (None, Foreign::Nobody | Foreign::NotAsked) => None,
        }
    }
}

/// The id of an undo: the caller's; else one made from the scan that it names, so that the same undo
/// is the same command; else `scan_id` itself, which names no scan.
pub(super) fn undo_id(undo: &Undo, context: &Context, names_a_scan: bool) -> Option<CommandId> {
    let own = context
        .command_id
        .as_ref()
        .filter(|id| !(names_a_scan && undo.scan_id.as_ref() == Some(*id)));
    match (own, &undo.scan_id) {
        (Some(id), _) => Some(id.clone()),
        (None, Some(scan)) if names_a_scan => codes::undo_id_of(scan),
        (None, scan) => scan.clone(),
    }
}
