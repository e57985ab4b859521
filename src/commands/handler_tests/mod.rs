//! The handler on a log in memory: what happens at once ([`races`]), what is sent twice
//! ([`exactly_once`]), whose ticket it is and what reaches the log ([`tickets`]), who reads what
//! ([`accesses`]). Here is the door that they share.

mod accesses;
mod exactly_once;
mod races;
mod tickets;

use super::{
    Accepted, Command, CommandError, CommandHandler, Context,
    cancel::Cancel,
    check_in::CheckIn,
    check_out::CheckOut,
    create_gathering::CreateGathering,
    gathering_id_for,
    refusal::Refusal,
    register::Register,
    scan::{ScanDetails, ScanTicket},
    spec::{at, code, details},
    undo::{Undo, UndoAuthority},
};
use crate::events::{
    event::{ActorRole, CapacityMode, Direction, Event, GatheringDetails, Person, RefusalCode},
    ids::{CommandId, CorrelationId, GatheringId},
    log::Log,
};

struct Door {
    log: Log,
    handler: CommandHandler,
    gathering: GatheringId,
}

fn id(text: &str) -> CommandId {
    CommandId::parse(text).unwrap()
}

fn context(command_id: Option<&str>) -> Context {
    Context {
        actor_id: "ana".into(),
        actor_role: ActorRole::Steward,
        actor_name: Some("Ana Ruiz".into()),
        correlation: CorrelationId::from_bytes([7; 16]),
        command_id: command_id.map(id),
        now: at(1_000),
    }
}

fn create(change: impl FnOnce(&mut GatheringDetails)) -> Command {
    let mut details = details();
    change(&mut details);
    Command::CreateGathering(CreateGathering { details })
}

fn register(name: Option<&str>, first_name: &str) -> Command {
    Command::Register(Register {
        code: name.map(code),
        person: Person {
            first_name: first_name.into(),
            last_name: "Ruiz".into(),
            email: "someone@example.org".into(),
            note: None,
        },
        ticket_type: None,
        external_id: None,
    })
}

fn check_in(name: &str) -> Command {
    Command::CheckIn(CheckIn {
        code: code(name),
        details: ScanDetails::default(),
    })
}

fn check_out(name: &str) -> Command {
    Command::CheckOut(CheckOut {
        code: code(name),
        details: ScanDetails::default(),
    })
}

fn undo(name: &str, scan_id: Option<&str>, reason: Option<&str>) -> Command {
    Command::Undo(Undo {
        code: code(name),
        scan_id: scan_id.map(id),
        reason: reason.map(Into::into),
        authority: UndoAuthority::Any,
    })
}

impl Door {
    async fn open(change: impl FnOnce(&mut GatheringDetails)) -> Self {
        Self::open_on(Log::in_memory(), change).await
    }

    async fn open_on(log: Log, change: impl FnOnce(&mut GatheringDetails)) -> Self {
        let handler = CommandHandler::new(log.clone());
        let door = Self {
            log,
            handler,
            gathering: gathering_id_for(None, "ana"),
        };
        door.handle(create(change), None).await.unwrap();
        door
    }

    /// The same log, nothing in memory.
    fn restarted(&self) -> Self {
        Self {
            log: self.log.clone(),
            handler: CommandHandler::new(self.log.clone()),
            gathering: self.gathering,
        }
    }

    async fn handle(
        &self,
        command: Command,
        command_id: Option<&str>,
    ) -> Result<Accepted, CommandError> {
        self.handler
            .handle(self.gathering, command, context(command_id))
            .await
    }

    /// All at once, on several threads.
    async fn race(
        &self,
        commands: Vec<(Command, Option<String>)>,
    ) -> Vec<Result<Accepted, CommandError>> {
        let tasks: Vec<_> = commands
            .into_iter()
            .map(|(command, id)| {
                let (handler, gathering) = (self.handler.clone(), self.gathering);
                tokio::spawn(async move {
                    handler
                        .handle(gathering, command, context(id.as_deref()))
                        .await
                })
            })
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        answers
    }
}

fn refusal_of(accepted: &Accepted) -> Option<RefusalCode> {
    match &accepted.recorded.event {
        Event::ScanRefused { code, .. } => Some(*code),
        _ => None,
    }
}

fn admitted(answers: &[Result<Accepted, CommandError>]) -> usize {
    let is_admitted =
        |accepted: &Accepted| matches!(accepted.recorded.event, Event::ParticipantCheckedIn(_));
    answers
        .iter()
        .flatten()
        .filter(|it| is_admitted(it))
        .count()
}
