//! Reading personal data is itself recorded, before anything is given: every export, by whomever, and what
//! auditors read. Staff who read what they work with leave no record.
//!
//! What cannot be recorded is not given: a read that nobody will ever know of is what auditors fear. The
//! record says who, what and whose, never what was searched for or found. The live streams have a hook of
//! their own (`server`).

use super::{
    App,
    caller::{Caller, Seat},
    problem::Problem,
};
use crate::{
    auth::{Action, Principal, Standing},
    commands::{Command, CommandError, CommandHandler, Context, record_access::RecordAccess},
    events::{
        event::{Accessed, ActorRole, ExportFormat},
        ids::{CorrelationId, GatheringId},
        time::Timestamp,
    },
};

/// What is about to be read.
pub(super) struct Read<'a> {
    what: Accessed,
    about: Option<&'a str>,
    format: Option<ExportFormat>,
    whoever: bool,
}

impl<'a> Read<'a> {
    /// A page, or a stream: recorded of those who read it as auditors.
    pub(super) const fn page(what: Accessed) -> Self {
        Self {
            what,
            about: None,
            format: None,
            whoever: false,
        }
    }

    /// An export: recorded whoever it is for.
    pub(super) const fn export(what: Accessed, format: ExportFormat) -> Self {
        Self {
            what,
            about: None,
            format: Some(format),
            whoever: true,
        }
    }

    /// The log, line by line, which is an export too.
    pub(super) const fn log() -> Self {
        Self::export(Accessed::Log, ExportFormat::Ndjson)
    }

    /// The id or code of the one person whom it is about.
    #[must_use]
    pub(super) const fn about(mut self, participant: Option<&'a str>) -> Self {
        self.about = participant;
        self
    }
}

/// Returns when the record is durable, if there is to be one. `seat`: none for what goes over all
/// gatherings.
///
/// # Errors
/// When it could not be recorded: then nothing may be given.
pub(super) async fn record(
    app: &App,
    caller: &Caller,
    seat: Option<&Seat>,
    read: Read<'_>,
) -> Result<(), Problem> {
    let standing = seat.map(|seat| seat.standing);
    let as_auditor = reads_as_auditor(&caller.principal, standing, read.what);
    if !read.whoever && !as_auditor {
        return Ok(());
    }
    let mut context = caller.context(standing.unwrap_or(Standing::Superuser), None);
    if as_auditor {
        context.actor_role = ActorRole::Auditor;
    }
    let command = RecordAccess {
        what: read.what,
        about: read.about.map(Into::into),
        format: read.format,
    };
    let gathering = seat.map_or(GatheringId::HOUSE, |seat| seat.id);
    Ok(recorded(&app.handler, gathering, command, context).await?)
}

/// For a live stream: whether one that is about to start with this caller has to be recorded is for the
/// streams to say.
///
/// # Errors
/// See [`CommandError`]: then the stream must not start.
pub async fn record_stream(
    handler: &CommandHandler,
    gathering: GatheringId,
    principal: &Principal,
) -> Result<(), CommandError> {
    let context = Context {
        actor_id: principal.id.clone(),
        actor_role: ActorRole::Auditor,
        actor_name: principal.name.clone(),
        correlation: CorrelationId::generate(),
        command_id: None,
        now: Timestamp::now(),
    };
    let command = RecordAccess {
        what: Accessed::LiveStream,
        about: None,
        format: None,
    };
    recorded(handler, gathering, command, context).await
}

async fn recorded(
    handler: &CommandHandler,
    gathering: GatheringId,
    command: RecordAccess,
    context: Context,
) -> Result<(), CommandError> {
    let command = Command::RecordAccess(command);
    handler.handle(gathering, command, context).await.map(drop)
}

/// Whether it is the role `auditor` alone that opens this to the caller.
fn reads_as_auditor(principal: &Principal, standing: Option<Standing>, what: Accessed) -> bool {
    let action = match what {
        Accessed::Participants | Accessed::Participant | Accessed::LiveStream => {
            Action::ReadParticipants
        }
        Accessed::History | Accessed::HistoryExport | Accessed::Log => Action::ReadHistory,
        // No auditor may as such.
        Accessed::PersonExport => return false,
    };
    match standing {
        Some(standing) => principal.reads_as_auditor(standing, action),
        None => principal.auditor && !principal.superuser,
    }
}
