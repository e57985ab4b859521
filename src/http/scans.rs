//! Tickets at doors: check in, check out, scan, undo, cancel. What an answer looks like is in
//! `scan_result`.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    App, answer,
    caller::{Caller, Seat},
    extract::{IdempotencyKey, InGathering, Json, OfTicket, OptionalJson},
    fields::{self, DEVICE_CHARS_MAX, GATE_CHARS_MAX, REASON_CHARS_MAX},
    problem::Problem,
    scan_result::{self, ScanResult},
};
use crate::{
    auth::Action,
    commands::{
        Accepted, Command, CommandError, Context,
        cancel::Cancel,
        check_in::CheckIn,
        check_out::CheckOut,
        refusal::Refusal,
        scan::{ScanDetails, ScanTicket},
        undo::{Undo, UndoAuthority},
    },
    events::{
        event::{Direction, Event, ScanMode},
        ids::{Code, CommandId, Offset},
        time::Timestamp,
    },
    projections::participants::{Occupancy, Participant},
};

/// Everything may be left out, the body itself too.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AtDoor {
    /// The client's name for this scan: the same id is the same scan.
    #[schema(value_type = Option<String>, max_length = 128)]
    scan_id: Option<CommandId>,
    #[schema(max_length = 100)]
    gate: Option<String>,
    #[schema(max_length = 100)]
    device: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    occurred_at: Option<Timestamp>,
    #[serde(rename = "override")]
    overriding: Option<Override>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TicketScan {
    /// What the ticket's QR holds.
    code: String,
    pub(super) direction: Direction,
    /// The client's name for this scan: the same id is the same scan. May be `Idempotency-Key` instead.
    #[schema(value_type = Option<String>, max_length = 128)]
    scan_id: Option<CommandId>,
    #[schema(max_length = 100)]
    gate: Option<String>,
    #[schema(max_length = 100)]
    device: Option<String>,
    /// Counts the device's scans, so that lost ones are noticed.
    device_seq: Option<u64>,
    #[schema(value_type = Option<String>, format = DateTime)]
    occurred_at: Option<Timestamp>,
    mode: Option<ScanMode>,
    #[serde(rename = "override")]
    overriding: Option<Override>,
}

/// Admit against the rules; for supervisors.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Override {
    #[schema(max_length = 500)]
    reason: String,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UndoBody {
    #[schema(max_length = 500)]
    reason: Option<String>,
    /// The scan to take back; the last one that counts when left out.
    #[schema(value_type = Option<String>, max_length = 128)]
    scan_id: Option<CommandId>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelBody {
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// What became of a participant that was changed without a scan.
#[derive(Serialize, ToSchema)]
pub(super) struct Change {
    /// `undone`, `cancelled` or `erased`.
    #[schema(value_type = String)]
    outcome: &'static str,
    /// Offset of the scan that no longer counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    undoes: Option<u64>,
    #[schema(value_type = Option<Participant>)]
    participant: Option<Arc<Participant>>,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    #[schema(value_type = u64)]
    offset: Offset,
    occupancy: Occupancy,
    replayed: bool,
}

/// Check in
///
/// A refusal is a 409 that carries the scan result's fields beside the problem's.
#[utoipa::path(post, path = "/api/events/participants/{event_pax_id}/check-in", tag = "door",
    params(("event_pax_id" = String, Path, max_length = 128)), request_body = Option<AtDoor>, responses(
    (status = 200, description = "Admitted", body = ScanResult, headers(("X-Offset" = u64))),
))]
pub(super) async fn check_in(
    State(app): State<App>,
    caller: Caller,
    OfTicket(code): OfTicket,
    key: IdempotencyKey,
    OptionalJson(body): OptionalJson<AtDoor>,
) -> Result<Response, Problem> {
    at_door(&app, &caller, code, key, body, Direction::In).await
}

/// Check out
///
/// A refusal is a 409 that carries the scan result's fields beside the problem's.
#[utoipa::path(post, path = "/api/events/participants/{event_pax_id}/check-out", tag = "door",
    params(("event_pax_id" = String, Path, max_length = 128)), request_body = Option<AtDoor>, responses(
    (status = 200, description = "Left", body = ScanResult, headers(("X-Offset" = u64))),
))]
pub(super) async fn check_out(
    State(app): State<App>,
    caller: Caller,
    OfTicket(code): OfTicket,
    key: IdempotencyKey,
    OptionalJson(body): OptionalJson<AtDoor>,
) -> Result<Response, Problem> {
    at_door(&app, &caller, code, key, body, Direction::Out).await
}

/// Scan a ticket at an event's door
///
/// Admitted or refused, the answer is 200; `outcome` says which.
#[utoipa::path(post, path = "/api/events/{event_id}/scan", tag = "door",
    params(("event_id" = String, Path, format = Uuid)), request_body = TicketScan, responses(
    (status = 200, description = "Admitted, left or refused", body = ScanResult, headers(("X-Offset" = u64))),
))]
pub(super) async fn scan(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    key: IdempotencyKey,
    Json(body): Json<TicketScan>,
) -> Result<Response, Problem> {
    let seat = caller.seat(&app, id)?;
    caller.require(&seat, Action::Scan)?;
    let direction = body.direction;
    let result = match TicketCommand::new(&caller, &seat, key, &body)? {
        TicketCommand::Scan(scan) => {
            let (command, context) = *scan;
            let outcome = app.run(id, command, context).await;
            answered(&app, &caller, &seat, direction, outcome).await?
        }
        TicketCommand::NoCode => nobody(&app, &caller, &seat, direction)?,
    };
    answer::done(StatusCode::OK, &result.scan, result.offset)
}

/// What a scan at an event's door asks of the handler.
pub(super) enum TicketCommand {
    Scan(Box<(Command, Context)>),
    /// Any QR may be held before a reader: what cannot be a code is one that nobody has.
    NoCode,
}

impl TicketCommand {
    pub(super) fn new(
        caller: &Caller,
        seat: &Seat,
        key: IdempotencyKey,
        body: &TicketScan,
    ) -> Result<Self, Problem> {
        let command_id = key.or(body.scan_id.clone())?;
        if command_id.is_none() {
            return Err(Problem::field(
                "scan_id",
                "is missing: give each scan an id of its own",
            ));
        }
        let details = scan_details(caller, seat, body)?;
        let Ok(code) = Code::parse(body.code.trim()) else {
            return Ok(Self::NoCode);
        };
        let command = Command::Scan(ScanTicket {
            code,
            direction: body.direction,
            details,
        });
        let context = caller.context(seat.standing, command_id);
        Ok(Self::Scan(Box::new((command, context))))
    }
}

/// The result and the offset at which its counts stand.
pub(super) struct Answered {
    pub(super) scan: ScanResult,
    pub(super) offset: Offset,
}

/// What a scan at an event's door answers.
pub(super) async fn answered(
    app: &App,
    caller: &Caller,
    seat: &Seat,
    direction: Direction,
    outcome: Result<Accepted, CommandError>,
) -> Result<Answered, Problem> {
    match outcome {
        Ok(accepted) => Ok(Answered {
            scan: scan_result::of(app, &accepted, seat).await?,
            offset: accepted.recorded.offset,
        }),
        Err(CommandError::Refused(Refusal::UnknownCode { .. })) => {
            nobody(app, caller, seat, direction)
        }
        Err(error) => Err(error.into()),
    }
}

/// The answer to a code that no ticket has; nothing is recorded.
pub(super) fn nobody(
    app: &App,
    caller: &Caller,
    seat: &Seat,
    direction: Direction,
) -> Result<Answered, Problem> {
    // The counts are those after the scans this caller has seen answered.
    let row = app.views.row(seat.id).ok_or_else(Problem::unknown_event)?;
    Ok(Answered {
        scan: ScanResult::nobody(direction, caller.now, row.occupancy),
        offset: row.offset,
    })
}

/// Take back a scan; nothing is deleted
#[utoipa::path(post, path = "/api/events/participants/{event_pax_id}/undo", tag = "door",
    params(("event_pax_id" = String, Path, max_length = 128)), request_body = Option<UndoBody>, responses(
    (status = 200, description = "The scan no longer counts", body = Change, headers(("X-Offset" = u64))),
))]
pub(super) async fn undo(
    State(app): State<App>,
    caller: Caller,
    OfTicket(code): OfTicket,
    key: IdempotencyKey,
    OptionalJson(body): OptionalJson<UndoBody>,
) -> Result<Response, Problem> {
    let seat = caller.seat_of_ticket(&app, &code)?;
    caller.require(&seat, Action::UndoOwn)?;
    let authority = if seat.standing.allows(Action::UndoAny) {
        UndoAuthority::Any
    } else if seat.standing.allows(Action::UndoWithReason) {
        UndoAuthority::AnyWithReason
    } else {
        UndoAuthority::OwnRecent
    };
    let reason = reason(body.reason.as_deref())?;
    let command = Command::Undo(Undo {
        code,
        scan_id: body.scan_id,
        reason,
        authority,
    });
    let accepted = app
        .run(seat.id, command, caller.context(seat.standing, key.0))
        .await?;
    changed(&app, &accepted, "undone").await
}

/// Cancel a registration
#[utoipa::path(post, path = "/api/events/participants/{event_pax_id}/cancel", tag = "participants",
    params(("event_pax_id" = String, Path, max_length = 128)), request_body = Option<CancelBody>, responses(
    (status = 200, description = "The ticket is no longer good", body = Change, headers(("X-Offset" = u64))),
))]
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    OfTicket(code): OfTicket,
    key: IdempotencyKey,
    OptionalJson(body): OptionalJson<CancelBody>,
) -> Result<Response, Problem> {
    let seat = caller.seat_of_ticket(&app, &code)?;
    caller.require(&seat, Action::CancelRegistration)?;
    let reason = reason(body.reason.as_deref())?;
    let command = Command::Cancel(Cancel { code, reason });
    let accepted = app
        .run(seat.id, command, caller.context(seat.standing, key.0))
        .await?;
    changed(&app, &accepted, "cancelled").await
}

async fn at_door(
    app: &App,
    caller: &Caller,
    code: Code,
    key: IdempotencyKey,
    body: AtDoor,
    direction: Direction,
) -> Result<Response, Problem> {
    let seat = caller.seat_of_ticket(app, &code)?;
    caller.require(&seat, Action::Scan)?;
    let command_id = key.or(body.scan_id)?;
    let details = ScanDetails {
        gate: fields::optional_text("gate", body.gate.as_deref(), GATE_CHARS_MAX)?,
        device: fields::optional_text("device", body.device.as_deref(), DEVICE_CHARS_MAX)?,
        device_seq: None,
        occurred_at: body.occurred_at,
        offline_fact: false,
        override_reason: override_reason(caller, &seat, body.overriding.as_ref())?,
    };
    let command = match direction {
        Direction::In => Command::CheckIn(CheckIn { code, details }),
        Direction::Out => Command::CheckOut(CheckOut { code, details }),
    };
    let accepted = app
        .run(seat.id, command, caller.context(seat.standing, command_id))
        .await?;
    let offset = accepted.recorded.offset;
    let result = scan_result::of(app, &accepted, &seat).await?;
    match result.problem(offset) {
        Some(problem) => Err(problem),
        None => answer::done(StatusCode::OK, &result, offset),
    }
}

fn scan_details(caller: &Caller, seat: &Seat, body: &TicketScan) -> Result<ScanDetails, Problem> {
    Ok(ScanDetails {
        gate: fields::optional_text("gate", body.gate.as_deref(), GATE_CHARS_MAX)?,
        device: fields::optional_text("device", body.device.as_deref(), DEVICE_CHARS_MAX)?,
        device_seq: body.device_seq,
        occurred_at: body.occurred_at,
        offline_fact: body.mode == Some(ScanMode::OfflineFact),
        override_reason: override_reason(caller, seat, body.overriding.as_ref())?,
    })
}

fn override_reason(
    caller: &Caller,
    seat: &Seat,
    overriding: Option<&Override>,
) -> Result<Option<String>, Problem> {
    let Some(overriding) = overriding else {
        return Ok(None);
    };
    caller.require(seat, Action::Override)?;
    fields::text("override.reason", &overriding.reason, REASON_CHARS_MAX)
        .map(|reason| Some(reason.as_ref().to_owned()))
}

fn reason(given: Option<&str>) -> Result<Option<String>, Problem> {
    let reason = fields::optional_text("reason", given, REASON_CHARS_MAX)?;
    Ok(reason.map(|reason| reason.as_ref().to_owned()))
}

/// The answer to a command that changed a participant without a scan.
pub(super) async fn changed(
    app: &App,
    accepted: &Accepted,
    outcome: &'static str,
) -> Result<Response, Problem> {
    let recorded = &accepted.recorded;
    let entry = app.views.entry(recorded.gathering, recorded.offset).await?;
    let undoes = match &recorded.event {
        Event::ScanUndone { undoes, .. } => Some(*undoes),
        Event::GatheringCreated(_)
        | Event::GatheringChanged(_)
        | Event::ServiceTeamChanged { .. }
        | Event::ParticipantRegistered(_)
        | Event::ParticipantCheckedIn(_)
        | Event::ParticipantCheckedOut(_)
        | Event::ScanRefused { .. }
        | Event::RegistrationCancelled { .. }
        | Event::ParticipantErased { .. }
        | Event::DoorTokenMinted(_)
        | Event::DoorTokenRevoked { .. }
        | Event::PersonalDataAccessed(_) => None,
    };
    let change = Change {
        outcome,
        undoes,
        participant: entry.participant.clone(),
        timestamp: recorded.occurred_at,
        offset: recorded.offset,
        occupancy: entry.occupancy,
        replayed: accepted.replayed,
    };
    answer::done(StatusCode::OK, &change, recorded.offset)
}
