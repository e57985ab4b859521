//! The one owner of a gathering's write model: look the id up, decide, append, evolve, as one step
//! under the handler's lock. Synchronous, and short: a few microseconds unless there is something to
//! seal. What makes a command the same as one before is in [`super::exactly_once`].

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Command, CommandError, Context, cancel, change_gathering, change_service_team, check_in,
    check_out, codes, create_gathering, erase, exactly_once, mint_door_token,
    model::{CommandKey, Model},
    refusal::Refusal,
    register::{self, NewParticipant, Newcomer, Register},
    revoke_door_token,
    scan::{self, ScanDetails, ScanFacts},
    undo::{self, UndoFacts},
};
use crate::events::{
    event::{Event, Sealed, Subject},
    ids::{Code, CommandId, EventId, GatheringId, Offset},
    keys::KeyError,
    log::{AppendError, Durable, Log},
    recorded::{Actor, CommandRef, NewEvent, Recorded},
};

/// When a caller should come back after the log's queue was full.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Most sealed names and most device numbers kept beside a model.
const NOTES_MAX: usize = 10_000;

pub(super) struct Owner {
    pub(super) gathering: GatheringId,
    pub(super) model: Model,
    /// Events since the newest snapshot of the model.
    pub(super) unsaved: u64,
    pub(super) used: Instant,
    /// Own events that may not be durable yet, ascending.
    pub(super) in_flight: VecDeque<Arc<Recorded>>,
    /// Sealed names by actor id, so that a scan does not encrypt.
    names: HashMap<Arc<str>, (Arc<str>, Sealed)>,
    /// Device numbers of scans with unknown codes, which leave no event: not lost, so no gap.
    unrecorded_seqs: HashMap<Arc<str>, u64>,
    /// The canonical bytes of the command in hand; kept so that they need no allocation.
    pub(super) content: Vec<u8>,
}

/// Whose ticket it is, when it is none of this gathering's.
#[derive(Clone)]
pub(super) enum Foreign {
    NotAsked,
    Nobody,
    Of(GatheringId, Subject),
}

pub(super) enum Outcome {
    New(Arc<Recorded>, Durable),
    /// The same command came before. With its event, when that may not be durable yet.
    Before(Offset, Option<Arc<Recorded>>),
}

pub(super) enum Stop {
    /// Nobody here has the code: find out whether somebody elsewhere has, and come back.
    AskElsewhere,
    Failed(CommandError),
}

impl<E: Into<CommandError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// One command on its way through the owner.
pub(super) struct Attempt<'a> {
    pub(super) log: &'a Log,
    pub(super) command: &'a Command,
    pub(super) context: &'a Context,
    pub(super) foreign: &'a Foreign,
    /// The scan that an undo takes back by name.
    pub(super) named: Option<(&'a CommandId, Offset)>,
    id: Option<CommandId>,
}

impl Owner {
    pub(super) fn new(gathering: GatheringId, model: Model, unsaved: u64) -> Self {
        Self {
            gathering,
            model,
            unsaved,
            used: Instant::now(),
            in_flight: VecDeque::new(),
            names: HashMap::new(),
            unrecorded_seqs: HashMap::new(),
            content: Vec::with_capacity(256),
        }
    }

    /// An event of this gathering's that may not be durable yet.
    pub(super) fn in_flight(&self, offset: Offset) -> Option<Arc<Recorded>> {
        let found = (self.in_flight).binary_search_by_key(&offset, |it| it.offset);
        self.in_flight.get(found.ok()?).cloned()
    }

    /// Whether everything that the model has taken is in the log for good.
    pub(super) fn settled(&self, log: &Log) -> bool {
        self.model.offset() <= log.head()
    }

    pub(super) fn submit(
        &mut self,
        log: &Log,
        command: &Command,
        context: &Context,
        newcomer: Option<Newcomer>,
        foreign: &Foreign,
    ) -> Result<Outcome, Stop> {
        self.used = Instant::now();
        let mut attempt = self.attempt(log, command, context, foreign)?;
        let id = attempt.id.take();
        if let Some(id) = &id
            && let Some(mark) = self.model.command(CommandKey::of(id)).copied()
        {
            return Ok(self.replay(&attempt, id, &mark)?);
        }
        if let Command::Erase(erase) = command
            && let Some(before) = self.erased_before(erase)
        {
            return Ok(before);
        }
        match command {
            Command::Register(register) => self.register(&attempt, id, register, newcomer),
            Command::CreateGathering(create) => {
                let event = create_gathering::decide(&self.model, create)?;
                log.keys().adopt_own(self.gathering);
                self.append_answering(&attempt, event, id)
            }
            _ => {
                let event = self.decide(&attempt)?;
                self.append_answering(&attempt, event, id)
            }
        }
    }

    fn append_answering(
        &mut self,
        attempt: &Attempt<'_>,
        event: Event,
        id: Option<CommandId>,
    ) -> Result<Outcome, Stop> {
        let answered = match id {
            Some(id) => {
                let content_hash = self.content_hash(attempt)?;
                Some(CommandRef { id, content_hash })
            }
            None => None,
        };
        self.append(attempt, event, answered)
    }

    /// What [`Self::submit`] would say to a registration, with nothing appended: whether it has
    /// landed before.
    pub(super) fn check(
        &mut self,
        log: &Log,
        command: &Command,
        context: &Context,
    ) -> Result<bool, CommandError> {
        let failed = |stop| match stop {
            Stop::Failed(error) => error,
            Stop::AskElsewhere => Refusal::UnknownGathering.into(),
        };
        let mut attempt = self
            .attempt(log, command, context, &Foreign::Nobody)
            .map_err(failed)?;
        if let Some(id) = attempt.id.take()
            && let Some(mark) = self.model.command(CommandKey::of(&id)).copied()
        {
            return self.replay(&attempt, &id, &mark).map(|_| true);
        }
        match command {
            Command::Register(Register {
                code: Some(code), ..
            }) if log.gathering_of_code(code).is_some() => {
                Err(Refusal::CodeTaken { code: code.clone() }.into())
            }
            _ => Ok(false),
        }
    }

    fn attempt<'a>(
        &self,
        log: &'a Log,
        command: &'a Command,
        context: &'a Context,
        foreign: &'a Foreign,
    ) -> Result<Attempt<'a>, Stop> {
        let may_be_none = matches!(command, Command::CreateGathering(_));
        if self.model.details().is_none() && !may_be_none {
            return Err(Refusal::UnknownGathering.into());
        }
        if let Some((code, _)) = scan_of(command)
            && matches!(foreign, Foreign::NotAsked)
            && self.model.participant(code).is_none()
        {
            return Err(Stop::AskElsewhere);
        }
        let named = match command {
            Command::Undo(undo) => undo.scan_id.as_ref().and_then(|id| {
                undo::named_scan(&self.model, &undo.code, id).map(|offset| (id, offset))
            }),
            _ => None,
        };
        let id = match command {
            Command::Undo(undo) => exactly_once::undo_id(undo, context, named.is_some()),
            _ => context.command_id.clone(),
        };
        Ok(Attempt {
            log,
            command,
            context,
            foreign,
            named,
            id,
        })
    }

    fn decide(&mut self, attempt: &Attempt<'_>) -> Result<Event, CommandError> {
        let model = &self.model;
        let decided = match attempt.command {
            Command::ChangeGathering(command) => change_gathering::decide(model, command),
            Command::ChangeServiceTeam(command) => change_service_team::decide(model, command),
            Command::MintDoorToken(command) => {
                mint_door_token::decide(model, command, self.mint_facts(attempt, command)?)
            }
            Command::RevokeDoorToken(command) => revoke_door_token::decide(model, command),
            Command::CheckIn(command) => check_in::decide(
                model,
                command,
                self.scan_facts(attempt, &command.code, &command.details)?,
            ),
            Command::CheckOut(command) => check_out::decide(
                model,
                command,
                self.scan_facts(attempt, &command.code, &command.details)?,
            ),
            Command::Scan(command) => scan::decide(
                model,
                command,
                self.scan_facts(attempt, &command.code, &command.details)?,
            ),
            Command::Undo(command) => {
                let facts = UndoFacts {
                    now: attempt.context.now,
                    actor_id: &attempt.context.actor_id,
                    reason: self.sealed_reason(
                        attempt.log,
                        &command.code,
                        command.reason.as_deref(),
                    )?,
                    named: attempt.named.map(|(_, offset)| offset),
                };
                undo::decide(model, command, facts)
            }
            Command::Cancel(command) => {
                let reason =
                    self.sealed_reason(attempt.log, &command.code, command.reason.as_deref())?;
                cancel::decide(model, command, reason)
            }
            Command::Erase(command) => erase::decide(model, command),
            // These are decided where their keys are and do not come here.
            Command::CreateGathering(_) | Command::Register(_) => Err(Refusal::GatheringExists),
        };
        if let (Err(Refusal::UnknownCode { .. }), Some((_, details))) =
            (&decided, scan_of(attempt.command))
        {
            self.note_unrecorded(details);
        }
        Ok(decided?)
    }

    fn scan_facts(
        &self,
        attempt: &Attempt<'_>,
        code: &Code,
        details: &ScanDetails,
    ) -> Result<ScanFacts, CommandError> {
        let device = details.device.as_ref();
        Ok(ScanFacts {
            now: attempt.context.now,
            reason: self.sealed_reason(attempt.log, code, details.override_reason.as_deref())?,
            elsewhere: match attempt.foreign {
                Foreign::Of(_, subject) => Some(subject.clone()),
                Foreign::Nobody | Foreign::NotAsked => None,
            },
            unrecorded_seq: device.and_then(|device| self.unrecorded_seqs.get(device).copied()),
        })
    }

    /// None when no reason was given, or there is no key to seal it with.
    fn sealed_reason(
        &self,
        log: &Log,
        code: &Code,
        reason: Option<&str>,
    ) -> Result<Option<Sealed>, CommandError> {
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        let (Some(reason), Some(participant)) = (reason, self.model.participant(code)) else {
            return Ok(None);
        };
        match log
            .keys()
            .seal(self.gathering, participant.id.to_bytes(), reason.as_bytes())
        {
            Ok(sealed) => Ok(Some(sealed)),
            Err(KeyError::Erased) => Ok(None),
            Err(error) => Err(keys_failed(error)),
        }
    }

    fn note_unrecorded(&mut self, details: &ScanDetails) {
        if let (Some(device), Some(seq)) = (&details.device, details.device_seq)
            && self.unrecorded_seqs.len() < NOTES_MAX
        {
            let known = self.unrecorded_seqs.entry(device.clone()).or_default();
            *known = seq.max(*known);
        }
    }

    fn register(
        &mut self,
        attempt: &Attempt<'_>,
        id: Option<CommandId>,
        command: &Register,
        newcomer: Option<Newcomer>,
    ) -> Result<Outcome, Stop> {
        let log = attempt.log;
        let newcomer = match newcomer {
            Some(newcomer) => newcomer,
            None => Newcomer::new(log, self.gathering, command)?,
        };
        let (code, code_is_free) = match &command.code {
            Some(code) => (code.clone(), log.claim_code(code, self.gathering)),
            None => (codes::claim_fresh(log, self.gathering)?, true),
        };
        let subject = Subject {
            participant: newcomer.id,
            code: code.clone(),
        };
        let new = NewParticipant {
            subject,
            person: newcomer.person,
            code_is_free,
        };
        let answered = id.map(|id| CommandRef {
            id,
            content_hash: newcomer.key.keyed_hash(self.canonical(attempt)),
        });
        let outcome = register::decide(&self.model, command, new)
            .map_err(Stop::from)
            .and_then(|event| {
                log.keys().adopt(newcomer.key);
                self.append(attempt, event, answered)
            });
        if outcome.is_err() && code_is_free {
            log.release_code(&code);
        }
        outcome
    }

    fn append(
        &mut self,
        attempt: &Attempt<'_>,
        event: Event,
        answered: Option<CommandRef>,
    ) -> Result<Outcome, Stop> {
        let (log, context) = (attempt.log, attempt.context);
        let details = scan_of(attempt.command).map(|(_, details)| details);
        let event = NewEvent {
            gathering: self.gathering,
            decided_at: context.now,
            occurred_at: details.map_or(context.now, |details| details.effective_at(context.now)),
            actor: Actor {
                id: context.actor_id.clone(),
                role: context.actor_role,
                name: self.sealed_name(log, context)?,
            },
            correlation: context.correlation,
            causation: self.cause(log, &event),
            command: answered,
            event,
        };
        let (recorded, durable) = self.take(log, event)?;
        Ok(Outcome::New(recorded, durable))
    }

    /// Into the log, and into the model.
    pub(super) fn take(
        &mut self,
        log: &Log,
        event: NewEvent,
    ) -> Result<(Arc<Recorded>, Durable), CommandError> {
        let (recorded, durable) = log.append(event).map_err(append_failed)?;
        self.model.evolve(&recorded);
        self.unsaved += 1;
        let head = log.head();
        while self
            .in_flight
            .front()
            .is_some_and(|oldest| oldest.offset <= head)
        {
            self.in_flight.pop_front();
        }
        self.in_flight.push_back(recorded.clone());
        Ok((recorded, durable))
    }

    pub(super) fn sealed_name(
        &mut self,
        log: &Log,
        context: &Context,
    ) -> Result<Option<Sealed>, CommandError> {
        let Some(name) = &context.actor_name else {
            return Ok(None);
        };
        if let Some((known, sealed)) = self.names.get(&context.actor_id)
            && known == name
        {
            return Ok(Some(sealed.clone()));
        }
        let (gathering, subject) = self.own();
        let sealed = log
            .keys()
            .seal(gathering, subject, name.as_bytes())
            .map_err(keys_failed)?;
        if self.names.len() >= NOTES_MAX {
            self.names.clear();
        }
        let known = (name.clone(), sealed.clone());
        self.names.insert(context.actor_id.clone(), known);
        Ok(Some(sealed))
    }

    /// The event that an undo answers. Nice to have: a log that cannot be read just now leaves it out.
    fn cause(&self, log: &Log, event: &Event) -> Option<EventId> {
        let Event::ScanUndone { undoes, .. } = event else {
            return None;
        };
        match self.in_flight.binary_search_by_key(undoes, |it| it.offset) {
            Ok(at) => self.in_flight.get(at).map(|scan| scan.event_id),
            Err(_) => log.get(*undoes).ok().flatten().map(|scan| scan.event_id),
        }
    }
}

pub(super) fn scan_of(command: &Command) -> Option<(&Code, &ScanDetails)> {
    match command {
        Command::CheckIn(it) => Some((&it.code, &it.details)),
        Command::CheckOut(it) => Some((&it.code, &it.details)),
        Command::Scan(it) => Some((&it.code, &it.details)),
        Command::CreateGathering(_)
        | Command::ChangeGathering(_)
        | Command::ChangeServiceTeam(_)
        | Command::MintDoorToken(_)
        | Command::RevokeDoorToken(_)
        | Command::Register(_)
        | Command::Undo(_)
        | Command::Cancel(_)
        | Command::Erase(_) => None,
    }
}

pub(super) fn keys_failed(error: KeyError) -> CommandError {
    CommandError::Unavailable(error.to_string())
}

fn append_failed(error: AppendError) -> CommandError {
    match error {
        AppendError::Busy => CommandError::Busy {
            retry_after: RETRY_AFTER,
        },
        AppendError::Poisoned(why) => CommandError::Unavailable(why.to_string()),
        AppendError::TooLarge { .. } => CommandError::TooLarge,
    }
}

impl From<AppendError> for CommandError {
    fn from(error: AppendError) -> Self {
        append_failed(error)
    }
}
