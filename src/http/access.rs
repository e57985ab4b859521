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
    commands::{CommandError, CommandHandler, Context, record_access::RecordAccess},
    events::{
        event::{Accessed, ActorRole, ExportFormat, Subject},
        ids::{Code, CorrelationId, GatheringId},
        time::Timestamp,
    },
    projections::{ViewError, history::HistoryEntry, views::HistoryQuery},
};

/// What is about to be read.
pub(super) struct Read<'a> {
    what: Accessed,
    about: About<'a>,
    format: Option<ExportFormat>,
    whoever: bool,
}

/// Whose data it is.
enum About<'a> {
    Anybody,
    Holder(&'a Code),
    /// What a history is searched for.
    Searched(&'a str),
}

impl<'a> Read<'a> {
    /// A page, or a stream: recorded of those who read it as auditors.
    pub(super) const fn page(what: Accessed) -> Self {
        Self {
            what,
            about: About::Anybody,
            format: None,
            whoever: false,
        }
    }

    /// An export: recorded whoever it is for.
    pub(super) const fn export(what: Accessed, format: ExportFormat) -> Self {
        Self {
            what,
            about: About::Anybody,
            format: Some(format),
            whoever: true,
        }
    }

    /// The log, line by line, which is an export too.
    pub(super) const fn log() -> Self {
        Self::export(Accessed::Log, ExportFormat::Ndjson)
    }

    /// It is about the holder of a ticket.
    #[must_use]
    pub(super) const fn about(mut self, code: &'a Code) -> Self {
        self.about = About::Holder(code);
        self
    }

    /// It is about one person, whose id or code it may be, if there is one.
    #[must_use]
    pub(super) const fn searched(mut self, participant: Option<&'a str>) -> Self {
        if let Some(participant) = participant {
            self.about = About::Searched(participant);
        }
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
    let access = RecordAccess {
        what: read.what,
        subject: match seat {
            Some(seat) => subject(app, seat.id, read.about).await?,
            None => None,
        },
        format: read.format,
    };
    let gathering = seat.map_or(GatheringId::HOUSE, |seat| seat.id);
    app.handler
        .record_access(gathering, access, context)
        .await?;
    Ok(())
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
    let access = RecordAccess {
        what: Accessed::LiveStream,
        subject: None,
        format: None,
    };
    (handler.record_access(gathering, access, context).await).map(drop)
}

/// Who it is, among those who are registered here: from the view that answers the read as well, so that
/// nothing more is brought into memory.
async fn subject(
    app: &App,
    gathering: GatheringId,
    about: About<'_>,
) -> Result<Option<Subject>, ViewError> {
    let searched = match about {
        About::Anybody => return Ok(None),
        About::Holder(code) => {
            let participant = app.views.participant(code).await?;
            return Ok(participant.map(|it| Subject {
                participant: it.id,
                code: it.event_pax_id.clone(),
            }));
        }
        About::Searched(participant) => participant,
    };
    // What is one person's code may be another's id; no two have either in common.
    let registrations = HistoryQuery {
        gathering: Some(gathering),
        participant: Some(searched.to_owned()),
        kind: Some(REGISTERED.to_owned()),
        limit: 2,
        ..HistoryQuery::default()
    };
    let found: Vec<Subject> = (app.views.history(registrations).await?.results)
        .into_iter()
        .filter_map(registered)
        .collect();
    let by_code = found.iter().find(|it| it.code.as_str() == searched);
    Ok(by_code.or(found.first()).cloned())
}

const REGISTERED: &str = "participant_registered";

fn registered(entry: HistoryEntry) -> Option<Subject> {
    Some(Subject {
        participant: entry.participant_id?,
        code: entry.event_pax_id?,
    })
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
