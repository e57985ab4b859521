//! Attendee lists: CSV or NDJSON in, a report out. What a line means is in `commands::import`.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::sync::SemaphorePermit;
use utoipa::{IntoParams, ToSchema};

use super::{
    App, answer,
    caller::Caller,
    extract::{
        InGathering, Params, body_broken, body_too_large, body_too_slow, discard, media_type,
        plain, unsupported,
    },
    problem::Problem,
};
use crate::{
    auth::Action,
    commands::{
        CommandError, Context,
        import::{self as list, CsvLines, HeaderProblem, ImportReport, NdjsonLines, RejectedLine},
    },
    events::ids::GatheringId,
};

/// Matched by the door, which gives imports more time.
pub(super) const ROUTE: &str = "/api/events/{event_id}/import";
/// Each import holds its whole list in memory.
pub(super) const AT_ONCE_MAX: usize = 4;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ImportParams {
    /// Only say what would happen.
    #[serde(default, deserialize_with = "switch")]
    #[param(value_type = Option<bool>)]
    dry_run: bool,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Imported {
    /// Lines that landed now; of a dry run, that would.
    accepted: u64,
    /// Lines that had landed before.
    unchanged: u64,
    rejected: Vec<Rejected>,
    dry_run: bool,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Rejected {
    /// The line of the file on which the record starts, from 1.
    line: u64,
    #[schema(value_type = String)]
    code: &'static str,
    detail: String,
}

enum Lines {
    Csv(Box<CsvLines>),
    Ndjson(NdjsonLines),
}

#[derive(Clone, Copy)]
enum Format {
    Csv,
    Ndjson,
}

/// Register everybody on a list
///
/// CSV with a header row in any order and the usual spellings, or NDJSON with the body of a registration
/// on each line. Good lines land even when others are bad; importing the same file again adds nothing.
#[utoipa::path(post, path = "/api/events/{event_id}/import", tag = "participants",
    params(("event_id" = String, Path, format = Uuid), ImportParams),
    request_body(content((String = "text/csv"), (String = "application/x-ndjson"))), responses(
    (status = 200, description = "What became of the lines", body = Imported, headers(("X-Offset" = u64))),
))]
pub(super) async fn import(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    Params(params): Params<ImportParams>,
    request: Request,
) -> Result<Response, Problem> {
    let seat = caller.seat(&app, id)?;
    caller.require(&seat, Action::Register)?;
    if let Err(packed) = plain(request.headers()) {
        discard(request.into_body()).await;
        return Err(packed);
    }
    let Some(format) = Format::of(request.headers()) else {
        discard(request.into_body()).await;
        return Err(unsupported("text/csv or application/x-ndjson"));
    };
    let place = place(&app)?;
    let bytes = read(
        request.into_body(),
        app.settings.import_bytes_max,
        app.settings.body_timeout,
    )
    .await?;
    let lines = Lines::read(format, bytes).await?;
    let context = caller.context(seat.standing, None);
    let report = run(&app, id, lines, &context, params.dry_run).await?;
    drop(place);
    let offset = report.head;
    answer::done(
        StatusCode::OK,
        &Imported::of(report, params.dry_run),
        offset,
    )
}

async fn run(
    app: &App,
    gathering: GatheringId,
    lines: Lines,
    context: &Context,
    dry_run: bool,
) -> Result<ImportReport, CommandError> {
    let handler = &app.handler;
    match (lines, dry_run) {
        (Lines::Csv(lines), false) => {
            list::import(handler, gathering, *lines, context, |_| ()).await
        }
        (Lines::Csv(lines), true) => {
            list::dry_run(handler, gathering, *lines, context, |_| ()).await
        }
        (Lines::Ndjson(lines), false) => {
            list::import(handler, gathering, lines, context, |_| ()).await
        }
        (Lines::Ndjson(lines), true) => {
            list::dry_run(handler, gathering, lines, context, |_| ()).await
        }
    }
}

fn place(app: &App) -> Result<SemaphorePermit<'_>, Problem> {
    app.imports.try_acquire().map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "other imports are running; nothing happened, try again",
        )
        .retry_after(Duration::from_secs(5))
    })
}

/// A whole list, each piece of which has to arrive in time.
async fn read(mut body: Body, bytes_max: usize, piece_timeout: Duration) -> Result<Bytes, Problem> {
    let mut bytes = BytesMut::new();
    loop {
        let frame = match tokio::time::timeout(piece_timeout, body.frame()).await {
            Ok(None) => return Ok(bytes.freeze()),
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => return Err(body_broken()),
            Err(_) => return Err(body_too_slow()),
        };
        let Some(piece) = frame.data_ref() else {
            continue;
        };
        if bytes.len() + piece.len() > bytes_max {
            discard(body).await;
            return Err(body_too_large(bytes_max));
        }
        bytes.extend_from_slice(piece);
    }
}

impl Format {
    fn of(headers: &HeaderMap) -> Option<Self> {
        match media_type(headers)?.as_str() {
            "text/csv" | "application/csv" | "text/tab-separated-values" => Some(Self::Csv),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => {
                Some(Self::Ndjson)
            }
            _ => None,
        }
    }
}

impl Lines {
    /// Off the async threads, since it goes over the whole list.
    async fn read(format: Format, bytes: Bytes) -> Result<Self, Problem> {
        let reading = tokio::task::spawn_blocking(move || match format {
            Format::Csv => list::csv_lines(&bytes).map(|lines| Self::Csv(Box::new(lines))),
            Format::Ndjson => Ok(Self::Ndjson(list::ndjson_lines(&bytes))),
        });
        Ok(reading.await.map_err(|_| Problem::internal())??)
    }
}

impl From<HeaderProblem> for Problem {
    fn from(problem: HeaderProblem) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "unreadable_list",
            problem.to_string(),
        )
    }
}

impl Imported {
    fn of(report: ImportReport, dry_run: bool) -> Self {
        let rejected = |RejectedLine { line, code, detail }| Rejected { line, code, detail };
        Self {
            accepted: report.accepted,
            unchanged: report.unchanged,
            rejected: report.rejected.into_iter().map(rejected).collect(),
            dry_run,
        }
    }
}

/// `?dry_run`, `?dry_run=1` and `?dry_run=true` mean yes.
pub(super) fn switch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match std::borrow::Cow::<'de, str>::deserialize(deserializer)?.as_ref() {
        "" | "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(serde::de::Error::custom("must be true or false")),
    }
}
