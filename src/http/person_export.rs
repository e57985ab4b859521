//! Everything that is held about a person, for whoever has to tell them, and for themselves.
//!
//! "Themselves" is whoever registered themselves: their `sub` stands in the registration, whose command
//! id no client can give. Whom the staff registered is known by no token, and asks the organizers.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    App,
    access::{self, Read},
    answer::{self, PAGE_LIMIT_MAX},
    caller::{Caller, Seat},
    extract::{NoParams, OfTicket, Params},
    problem::Problem,
    registration::self_id,
};
use crate::{
    auth::Action,
    events::{
        event::{Accessed, ActorRole, Event, ExportFormat},
        ids::{Code, Offset},
        recorded::Recorded,
        time::Timestamp,
    },
    projections::{
        history::HistoryEntry, overview::Gathering, participants::Participant, views::HistoryQuery,
    },
};

/// What is held about a person. Of an erased one it is what is left.
#[derive(Serialize, ToSchema)]
pub(super) struct PersonExport {
    #[schema(value_type = String, format = DateTime)]
    exported_at: Timestamp,
    /// Everything up to here is in it.
    #[schema(value_type = u64)]
    offset: Offset,
    #[schema(value_type = Participant)]
    participant: Arc<Participant>,
    event: Gathering,
    /// Every fact about the person, whoever recorded it and wherever, but who read of it.
    history: Vec<HistoryEntry>,
    /// Who read data of theirs: theirs alone, or with that of others of the event.
    accesses: Vec<HistoryEntry>,
}

/// Export everything that is held about a person
///
/// For superusers, the event's creator, and whoever registered themselves; after an erasure it is what is
/// left. The export is itself recorded.
#[utoipa::path(get, path = "/api/events/participants/{event_pax_id}/export", tag = "participants", operation_id = "export",
    params(("event_pax_id" = String, Path, max_length = 128)), responses(
    (status = 200, description = "Everything held about the person", body = PersonExport),
))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    OfTicket(code): OfTicket,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let seat = app
        .log
        .gathering_of_code(&code)
        .and_then(|gathering| caller.any_seat(&app, gathering))
        .ok_or_else(Problem::unknown_code)?;
    let participant = (app.views.participant(&code).await?).ok_or_else(Problem::unknown_code)?;
    let registration = registration(&app, &seat, &participant).await?;
    if !is_theirs(&caller, &registration)? {
        if !seat.standing.sees_gathering() {
            return Err(Problem::unknown_code());
        }
        caller.require(&seat, Action::ExportPerson)?;
    }
    let read = Read::export(Accessed::PersonExport, ExportFormat::Json).about(&code);
    access::record(&app, &caller, Some(&seat), read).await?;
    export(&app, &caller, &seat, &code, registration.offset).await
}

async fn export(
    app: &App,
    caller: &Caller,
    seat: &Seat,
    code: &Code,
    registered: Offset,
) -> Result<Response, Problem> {
    let participant = (app.views.participant(code).await?).ok_or_else(Problem::unknown_code)?;
    let offset = app.log.head();
    let after = registered.saturating_sub(1);
    // Over all gatherings: a ticket may have been tried at another one's door.
    let of_person = HistoryQuery {
        participant: Some(participant.id.to_string()),
        after,
        ..HistoryQuery::default()
    };
    let mut history = everything(app, of_person, offset).await?;
    history.retain(|entry| entry.accessed.is_none());
    let accesses = HistoryQuery {
        kind: Some(ACCESSED.to_owned()),
        after,
        ..HistoryQuery::default()
    };
    let mut accesses = everything(app, accesses, offset).await?;
    accesses.retain(|entry| {
        let theirs = entry.participant_id.is_none_or(|id| id == participant.id);
        theirs && entry.event_id.is_none_or(|id| id == seat.id)
    });
    answer::ok(&PersonExport {
        exported_at: caller.now,
        offset,
        event: Gathering::of(&*(app.views.row(seat.id)).ok_or_else(Problem::unknown_event)?),
        participant,
        history,
        accesses,
    })
}

const ACCESSED: &str = "personal_data_accessed";

async fn everything(
    app: &App,
    mut query: HistoryQuery,
    up_to: Offset,
) -> Result<Vec<HistoryEntry>, Problem> {
    query.limit = PAGE_LIMIT_MAX;
    let mut entries = Vec::new();
    loop {
        let page = app.views.history(query.clone()).await?;
        entries.extend(page.results);
        match page.next {
            Some(next) if next < up_to => query.after = next,
            _ => break,
        }
    }
    entries.retain(|entry| entry.offset <= up_to);
    Ok(entries)
}

/// The fact by which the person came into the book.
async fn registration(
    app: &App,
    seat: &Seat,
    participant: &Participant,
) -> Result<Arc<Recorded>, Problem> {
    let query = HistoryQuery {
        gathering: Some(seat.id),
        participant: Some(participant.id.to_string()),
        limit: 1,
        ..HistoryQuery::default()
    };
    let page = app.views.history(query).await?;
    let first = page.results.first().ok_or_else(Problem::unknown_code)?;
    let entry = app.views.entry(seat.id, first.offset).await?;
    Ok(Arc::clone(&entry.recorded))
}

/// Whether the caller is the person: who registered themselves has done so under an id that the server
/// makes, and never as somebody who may register others.
fn is_theirs(caller: &Caller, registration: &Recorded) -> Result<bool, Problem> {
    let principal = &caller.principal;
    let for_themselves = match registration.actor.role {
        ActorRole::User | ActorRole::Steward => true,
        ActorRole::Superuser
        | ActorRole::Creator
        | ActorRole::Supervisor
        | ActorRole::Operator
        | ActorRole::Auditor => false,
    };
    let id = registration.command.as_ref().map(|command| &command.id);
    Ok(for_themselves
        && matches!(registration.event, Event::ParticipantRegistered(_))
        && principal.door.is_none()
        && registration.actor.id == principal.id
        && id == Some(&self_id(&principal.id)?))
}
