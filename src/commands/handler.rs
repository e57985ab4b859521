//! The way of a command: look the id up, decide, append, evolve, wait for the disk.
//!
//! Each gathering's write model has one owner at a time (a lock held for microseconds, never
//! across an await), so decisions of a gathering are serial and capacity is exact. Answers wait for
//! durability; decisions do not. What happens under the lock is in `owner`; how a model
//! comes into memory and leaves it in `loading`; what goes into the log without a model in `record_access`.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use thiserror::Error;

pub use super::codes::gathering_id_for;
use super::{
    Command, content, erase, loading,
    model::Model,
    owner::{Foreign, Outcome, Owner, Stop},
    record_access::Accesses,
    refusal::Refusal,
    register::{Newcomer, Register},
};
use crate::events::{
    event::ActorRole,
    ids::{Code, CommandId, CorrelationId, GatheringId, Offset},
    log::{Durable, Log},
    recorded::Recorded,
    time::Timestamp,
};

/// How often a caller that waits for somebody else's event looks whether the log still moves.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A model that no command used for so long is dropped, and so are reads after which none was recorded.
const IDLE_MAX: Duration = Duration::from_secs(15 * 60);

/// Who asks, when, and under which id.
#[derive(Clone)]
pub struct Context {
    pub actor_id: Arc<str>,
    pub actor_role: ActorRole,
    pub actor_name: Option<Arc<str>>,
    pub correlation: CorrelationId,
    pub command_id: Option<CommandId>,
    pub now: Timestamp,
}

/// The command's event is durable. A refused scan is an event too: look at `recorded.event`.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub recorded: Arc<Recorded>,
    /// The same command came before; this is its event.
    pub replayed: bool,
}

#[derive(Debug, Error)]
pub enum CommandError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{id} was used for another command, recorded at offset {offset}")]
    IdempotencyConflict { id: CommandId, offset: Offset },
    /// Nothing happened; a retry helps.
    #[error("too many commands wait for the log")]
    Busy { retry_after: Duration },
    /// The log takes no more events; the outcome of this command is unknown until a restart.
    #[error("the log is not writable: {0}")]
    Unavailable(String),
    #[error("the event is larger than the log takes: shorten the text fields")]
    TooLarge,
    /// The erasure is in the log and the person's key is still there. A retry, or a restart, helps.
    #[error("a person's key could not be destroyed: {0}")]
    KeyStays(String),
    /// The gathering's history could not be read.
    #[error("cannot load the gathering: {0}")]
    Load(String),
}

/// Cheap handle.
#[derive(Clone)]
pub struct CommandHandler {
    log: Log,
    slots: Arc<RwLock<HashMap<GatheringId, Arc<Slot>>>>,
}

/// The place of a gathering's model, which may be empty.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) owner: Mutex<Option<Owner>>,
    /// Held while a model is read from the disk, so that it is read once; `owner` is free meanwhile. Whoever
    /// holds it while there is no owner knows that none will come.
    pub(super) loading: Mutex<()>,
    /// Who was given what of late. Locked after the others.
    pub(super) accesses: Mutex<Accesses>,
}

/// Decided and queued; not yet durable.
pub struct Submitted {
    log: Log,
    outcome: Outcome,
}

impl CommandHandler {
    #[must_use]
    pub fn new(log: Log) -> Self {
        Self {
            log,
            slots: Arc::default(),
        }
    }

    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// `gathering` is the one the command goes to: the scan's door, the participant's gathering
    /// (`log.gathering_of_code`), or [`gathering_id_for`] the command that creates it.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn handle(
        &self,
        gathering: GatheringId,
        command: Command,
        context: Context,
    ) -> Result<Accepted, CommandError> {
        self.ready(gathering).await?;
        let submitted = match self.attempt(gathering, &command, &context, &Foreign::NotAsked) {
            Err(Stop::AskElsewhere) => {
                let (handler, code) = (self.clone(), code_of(&command));
                let foreign = blocking(move || handler.elsewhere(gathering, code)).await?;
                self.attempt(gathering, &command, &context, &foreign)
            }
            attempted => attempted,
        };
        let submitted = finished(submitted)?;
        match command {
            Command::Erase(_) => erase::finish(&self.log, gathering, vec![submitted]).await,
            _ => submitted.durable().await,
        }
    }

    /// The same in two steps, for imports: decided and queued now, durable later. Decide many, then
    /// wait once. May read the disk when the gathering is not in memory; see [`Self::ready`].
    ///
    /// # Errors
    /// See [`CommandError`].
    pub fn submit(
        &self,
        gathering: GatheringId,
        command: Command,
        context: Context,
    ) -> Result<Submitted, CommandError> {
        self.queue(gathering, &command, &context)
    }

    /// [`Self::submit`] for callers who may have to ask again.
    pub(super) fn queue(
        &self,
        gathering: GatheringId,
        command: &Command,
        context: &Context,
    ) -> Result<Submitted, CommandError> {
        let submitted = match self.attempt(gathering, command, context, &Foreign::NotAsked) {
            Err(Stop::AskElsewhere) => {
                let foreign = self.elsewhere(gathering, code_of(command))?;
                self.attempt(gathering, command, context, &foreign)
            }
            attempted => attempted,
        };
        finished(submitted)
    }

    /// Brings a gathering's model into memory, off the async threads.
    ///
    /// # Errors
    /// [`CommandError::Load`].
    pub async fn ready(&self, gathering: GatheringId) -> Result<(), CommandError> {
        let slot = self.slot(gathering);
        if slot.owner.lock().is_some() {
            return Ok(());
        }
        let log = self.log.clone();
        blocking(move || slot.load(&log, gathering)).await
    }

    /// What a registration would meet, with nothing appended: whether the same one has landed before.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn check(
        &self,
        gathering: GatheringId,
        command: &Command,
        context: &Context,
    ) -> Result<bool, CommandError> {
        self.slot(gathering).with(&self.log, gathering, |owner| {
            owner.check(&self.log, command, context)
        })?
    }

    /// The command id of a line in an attendee list: of the line's content and its number among the
    /// equal lines of the file, so that importing a file again adds nothing. None: there is no such gathering.
    #[must_use]
    pub fn import_id(
        &self,
        gathering: GatheringId,
        line: &Register,
        occurrence: u64,
    ) -> Option<CommandId> {
        let mut bytes = Vec::with_capacity(256);
        content::register(line, &mut bytes);
        bytes.extend(occurrence.to_le_bytes());
        let keys = self.log.keys();
        let hash = keys
            .keyed_hash(gathering, gathering.to_bytes(), &bytes)
            .ok()?;
        CommandId::parse(&format!("import:{}", hex::encode(hash))).ok()
    }

    /// Saves write-model snapshots and drops models idle for long. Called now and then, on a thread
    /// that may block.
    pub fn tidy(&self) {
        self.tidy_idle_for(IDLE_MAX);
    }

    /// The same for every model, at stop: the next start then has little to fold.
    pub fn close(&self) {
        self.tidy_idle_for(Duration::ZERO);
    }

    fn tidy_idle_for(&self, idle_max: Duration) {
        let slots: Vec<_> = self
            .slots
            .read()
            .iter()
            .map(|(id, slot)| (*id, Arc::clone(slot)))
            .collect();
        for (gathering, slot) in slots {
            slot.tidy(&self.log, gathering, idle_max);
        }
        // Nobody can get at a slot while the table is locked, so a count of one is nobody's.
        self.slots
            .write()
            .retain(|_, slot| Arc::strong_count(slot) > 1 || !slot.is_empty());
    }

    fn attempt(
        &self,
        gathering: GatheringId,
        command: &Command,
        context: &Context,
        foreign: &Foreign,
    ) -> Result<Submitted, Stop> {
        // Sealed before the lock: it is the one slow step that does not need the model.
        let newcomer = match command {
            Command::Register(register) => Some(Newcomer::new(&self.log, gathering, register)?),
            _ => None,
        };
        let outcome = self.slot(gathering).with(&self.log, gathering, |owner| {
            owner.submit(&self.log, command, context, newcomer, foreign)
        })??;
        Ok(Submitted {
            log: self.log.clone(),
            outcome,
        })
    }

    /// Whose ticket it is that this gathering does not know.
    fn elsewhere(&self, here: GatheringId, code: Option<Code>) -> Result<Foreign, CommandError> {
        let Some(code) = code else {
            return Ok(Foreign::Nobody);
        };
        match self.log.gathering_of_code(&code) {
            Some(there) if there != here => self.slot(there).with(&self.log, there, |owner| {
                let participant = owner.model.participant(&code);
                participant.map_or(Foreign::Nobody, |it| Foreign::Of(there, it.subject()))
            }),
            _ => Ok(Foreign::Nobody),
        }
    }

    /// A look at the gathering's write model.
    pub(super) fn look<R>(
        &self,
        gathering: GatheringId,
        look: impl FnOnce(&Model) -> R,
    ) -> Result<R, CommandError> {
        (self.slot(gathering)).with(&self.log, gathering, |owner| look(&owner.model))
    }

    pub(super) fn slot(&self, gathering: GatheringId) -> Arc<Slot> {
        if let Some(slot) = self.slots.read().get(&gathering) {
            return Arc::clone(slot);
        }
        Arc::clone(self.slots.write().entry(gathering).or_default())
    }
}

impl Slot {
    fn is_empty(&self) -> bool {
        self.owner.lock().is_none() && self.accesses.lock().is_empty()
    }

    /// Runs `step` as the gathering's owner, loading the model first if it must.
    fn with<R>(
        &self,
        log: &Log,
        gathering: GatheringId,
        step: impl FnOnce(&mut Owner) -> R,
    ) -> Result<R, CommandError> {
        loop {
            if let Some(owner) = &mut *self.owner.lock() {
                return Ok(step(owner));
            }
            self.load(log, gathering)?;
        }
    }

    fn load(&self, log: &Log, gathering: GatheringId) -> Result<(), CommandError> {
        let one_at_a_time = self.loading.lock();
        if self.owner.lock().is_none() {
            let owner = loading::load(log, gathering)?;
            *self.owner.lock() = Some(owner);
        }
        drop(one_at_a_time);
        Ok(())
    }

    fn tidy(&self, log: &Log, gathering: GatheringId, idle_max: Duration) {
        self.accesses.lock().tidy(idle_max);
        let one_at_a_time = self.loading.lock();
        let (due, dropped) = {
            let mut place = self.owner.lock();
            let Some(owner) = &*place else {
                return;
            };
            // An event that is not durable yet is in no read: the model must stay until it is.
            let idle = owner.used.elapsed() >= idle_max && owner.settled(log);
            let due = loading::snapshot_is_due(owner);
            (due, if idle { place.take() } else { None })
        };
        match dropped {
            Some(owner) => loading::save_idle(log, &owner, gathering),
            None if due => {
                let saved_events = loading::save_busy(log, gathering);
                if let (Some(saved), Some(owner)) = (saved_events, &mut *self.owner.lock()) {
                    owner.unsaved = owner.unsaved.saturating_sub(saved);
                }
            }
            None => {}
        }
        drop(one_at_a_time);
    }
}

impl Submitted {
    /// # Errors
    /// [`CommandError::Unavailable`] when the log failed before the event was on the disk.
    pub async fn durable(self) -> Result<Accepted, CommandError> {
        match self.outcome {
            Outcome::New(recorded, durable) => {
                Durable::wait(durable).await?;
                Ok(Accepted {
                    recorded,
                    replayed: false,
                })
            }
            Outcome::Before(offset, recorded) => {
                wait_for_head(&self.log, offset).await?;
                let recorded = match recorded {
                    Some(recorded) => recorded,
                    None => read_again(self.log, offset).await?,
                };
                Ok(Accepted {
                    recorded,
                    replayed: true,
                })
            }
        }
    }
}

/// Waits for an event that another caller appended.
pub(super) async fn wait_for_head(log: &Log, offset: Offset) -> Result<(), CommandError> {
    let mut head = log.watch_head();
    let mut seen_at = Instant::now();
    let mut seen = *head.borrow_and_update();
    while seen < offset {
        let moved = tokio::time::timeout(LOOK_EVERY, head.changed()).await;
        let now = *head.borrow_and_update();
        if now > seen {
            (seen, seen_at) = (now, Instant::now());
        } else if let Some(why) = log.poisoned() {
            // A log that closes still writes what is queued, so give it a while.
            if !matches!(moved, Ok(Ok(()))) && seen_at.elapsed() >= LOOK_EVERY {
                return Err(CommandError::Unavailable(why.to_string()));
            }
        }
    }
    Ok(())
}

async fn read_again(log: Log, offset: Offset) -> Result<Arc<Recorded>, CommandError> {
    blocking(move || match log.get(offset) {
        Ok(Some(recorded)) => Ok(recorded),
        Ok(None) => Err(CommandError::Load(format!(
            "offset {offset} is not in the log"
        ))),
        Err(error) => Err(CommandError::Load(error.to_string())),
    })
    .await
}

pub(super) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, CommandError> + Send + 'static,
) -> Result<R, CommandError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(CommandError::Load("the work was given up".to_owned())),
    }
}

fn finished(attempted: Result<Submitted, Stop>) -> Result<Submitted, CommandError> {
    attempted.map_err(|stop| match stop {
        Stop::Failed(error) => error,
        Stop::AskElsewhere => CommandError::Load("nobody knows whose ticket it is".to_owned()),
    })
}

fn code_of(command: &Command) -> Option<Code> {
    match command {
        Command::CheckIn(it) => Some(it.code.clone()),
        Command::CheckOut(it) => Some(it.code.clone()),
        Command::Scan(it) => Some(it.code.clone()),
        Command::Undo(it) => Some(it.code.clone()),
        Command::Cancel(it) => Some(it.code.clone()),
        Command::Erase(it) => Some(it.code.clone()),
        Command::Register(it) => it.code.clone(),
        Command::CreateGathering(_)
        | Command::ChangeGathering(_)
        | Command::ChangeServiceTeam(_)
        | Command::MintDoorToken(_)
        | Command::RevokeDoorToken(_) => None,
    }
}
