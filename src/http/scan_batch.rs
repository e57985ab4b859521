//! Many scans in one request, as a reader sends what it kept while it was offline. Each is a scan of its own,
//! decided in the order given; they share a request and a sync, not a fate.
//!
//! Not here: what a scan is and what it answers (`scans`).

use axum::{extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    App, answer,
    caller::{Caller, Seat},
    extract::{self, IdempotencyKey, InGathering, Json},
    problem::{self, Problem},
    scan_result::ScanResult,
    scans::{self, Answered, TicketCommand, TicketScan},
};
use crate::{
    auth::Action,
    commands::{CommandError, CommandHandler, handler::Submitted},
    events::{
        event::Direction,
        ids::{GatheringId, Offset},
    },
};

/// Most scans in one request.
const SCANS_MAX: usize = 1_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScanBatch {
    /// Read one by one, so that one that is malformed does not spoil the others.
    #[schema(value_type = Vec<TicketScan>, max_items = 1000)]
    scans: Vec<Box<RawValue>>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct BatchResults {
    results: Vec<BatchResult>,
}

/// A scan's result, or why there is none.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum BatchResult {
    Scan(Box<ScanResult>),
    Problem(problem::Body),
}

/// Scan many tickets at an event's door
///
/// One result for each scan, in their order: a scan result, or a problem with its `status` and `code`.
/// Each scan needs a `scan_id` of its own; a batch sent again answers as before.
#[utoipa::path(post, path = "/api/events/{event_id}/scan/batch", tag = "door",
    params(("event_id" = String, Path, format = Uuid)), request_body = ScanBatch, responses(
    (status = 200, description = "One result per scan, in order", body = BatchResults, headers(("X-Offset" = u64))),
))]
pub(super) async fn batch(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    Json(body): Json<ScanBatch>,
) -> Result<Response, Problem> {
    let seat = caller.seat(&app, id)?;
    caller.require(&seat, Action::Scan)?;
    if body.scans.len() > SCANS_MAX {
        let rule = format!("must hold at most {SCANS_MAX}; send the rest in another request");
        return Err(Problem::field("scans", rule));
    }
    app.handler.ready(id).await?;
    let (results, offset) = results(&app, &caller, &seat, &body.scans).await?;
    answer::done(StatusCode::OK, &BatchResults { results }, offset)
}

/// A scan on its way.
enum Sent {
    Queued(Direction, Result<Submitted, CommandError>),
    NoCode(Direction),
    Bad(Problem),
}

/// The results, and the highest offset among them.
async fn results(
    app: &App,
    caller: &Caller,
    seat: &Seat,
    scans: &[Box<RawValue>],
) -> Result<(Vec<BatchResult>, Offset), Problem> {
    let commands: Vec<_> = (scans.iter())
        .map(|scan| command(caller, seat, scan.get().as_bytes()))
        .collect();
    let (handler, gathering) = (app.handler.clone(), seat.id);
    // A ticket of another event may have to be looked up on the disk.
    let sending = tokio::task::spawn_blocking(move || {
        let send = |command| send(&handler, gathering, command);
        commands.into_iter().map(send).collect::<Vec<_>>()
    });
    let sent = sending.await.map_err(|_| Problem::internal())?;
    let mut offset = seat.row.offset;
    let mut results = Vec::with_capacity(sent.len());
    for sent in sent {
        let answered = match sent {
            Sent::Queued(direction, submitted) => {
                let counted = app.metrics.command();
                let outcome = match submitted {
                    Ok(submitted) => submitted.durable().await,
                    Err(error) => Err(error),
                };
                counted.ended(&outcome);
                scans::answered(app, caller, seat, direction, outcome).await
            }
            Sent::NoCode(direction) => scans::nobody(app, caller, seat, direction),
            Sent::Bad(problem) => Err(problem),
        };
        results.push(match answered {
            Ok(Answered { scan, offset: at }) => {
                offset = offset.max(at);
                BatchResult::Scan(Box::new(scan))
            }
            Err(problem) => BatchResult::Problem(problem.into_body()),
        });
    }
    Ok((results, offset))
}

fn command(
    caller: &Caller,
    seat: &Seat,
    scan: &[u8],
) -> Result<(Direction, TicketCommand), Problem> {
    let scan: TicketScan = extract::parse(scan)?;
    let command = TicketCommand::new(caller, seat, IdempotencyKey(None), &scan)?;
    Ok((scan.direction, command))
}

fn send(
    handler: &CommandHandler,
    gathering: GatheringId,
    command: Result<(Direction, TicketCommand), Problem>,
) -> Sent {
    match command {
        Ok((direction, TicketCommand::Scan(scan))) => {
            let (command, context) = *scan;
            Sent::Queued(direction, handler.submit(gathering, command, context))
        }
        Ok((direction, TicketCommand::NoCode)) => Sent::NoCode(direction),
        Err(problem) => Sent::Bad(problem),
    }
}
