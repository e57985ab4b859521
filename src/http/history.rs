//! Who did what, where and when: pages for auditors, and the whole log for integrators.

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use futures_util::stream::try_unfold;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    App,
    access::{self, Read},
    answer::{self, PAGE_LIMIT_MAX, Page},
    caller::{Caller, Seat},
    exports::{
        self, Format, Shape,
        asked::{Answer, Looks},
        stream,
    },
    extract::{InGathering, Params, optional_switch},
    fields::{self, FILTER_CHARS_MAX},
    problem::Problem,
};
use crate::{
    auth::Action,
    events::{
        event::{Accessed, Event},
        ids::{GatheringId, Offset},
        time::Timestamp,
    },
    projections::{
        history::HistoryEntry,
        views::{HistoryQuery, Order},
    },
};

/// Longest part of a file's name that an event's name makes.
const FILE_NAME_CHARS_MAX: usize = 40;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryParams {
    /// A participant's id or code.
    #[param(max_length = 200)]
    participant: Option<String>,
    /// A user's id (`sub`).
    #[param(max_length = 200)]
    actor: Option<String>,
    #[param(max_length = 200)]
    gate: Option<String>,
    /// Such as `participant_checked_in` or `scan_refused`.
    #[serde(rename = "type")]
    #[param(max_length = 200)]
    kind: Option<String>,
    /// Recorded at this moment or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Recorded before this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Of a page: the oldest or the newest first; the oldest when left out. A file is in the log's order.
    #[param(inline)]
    order: Option<Order>,
    /// Entries behind this offset, in the page's order: the `next` of the page before.
    #[param(value_type = Option<u64>)]
    after: Option<Offset>,
    /// Of a page 1 to 1,000, and 100 when left out; of a file the most rows.
    #[param(minimum = 1)]
    limit: Option<usize>,
    /// `json` is a page; the others are all that matches, in one file. Where it is left out, the `Accept`
    /// header says which.
    #[param(inline)]
    format: Option<Answer>,
    /// Of a file: its columns, separated by commas.
    #[param(max_length = 1000)]
    columns: Option<String>,
    /// Of a CSV or XLSX file: the time zone, an IANA name. UTC when left out.
    #[param(max_length = 100)]
    tz: Option<String>,
    /// Of a CSV file: whether it begins with a byte order mark.
    #[serde(default, deserialize_with = "optional_switch")]
    bom: Option<bool>,
    /// Of a CSV or NDJSON file: whether it ends with the checkpoint. It does when this is left out.
    #[serde(default, deserialize_with = "optional_switch")]
    trailer: Option<bool>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogParams {
    /// Events after this offset; from the first when left out.
    #[param(value_type = Option<u64>)]
    after: Option<Offset>,
    /// Most lines; all there are when left out.
    #[param(minimum = 1)]
    limit: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct HistoryPage {
    results: Vec<HistoryEntry>,
    next: Option<String>,
}

/// An event's history, refusals and undone scans included
#[utoipa::path(get, path = "/api/events/{event_id}/history", tag = "history",
    params(("event_id" = String, Path, format = Uuid), HistoryParams), responses(
    (status = 200, description = "A page, or all of it as a file, in the log's order", content(
        (HistoryPage = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    )),
))]
pub(super) async fn of_gathering(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    Params(params): Params<HistoryParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seat = caller.seat(&app, id)?;
    caller.require(&seat, Action::ReadHistory)?;
    answer(&app, &caller, params, Some(&seat), &headers).await
}

/// The history of all events; for superusers and auditors
#[utoipa::path(get, path = "/api/history", tag = "history", params(HistoryParams), responses(
    (status = 200, description = "A page, or all of it as a file, in the log's order", content(
        (HistoryPage = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    )),
))]
pub(super) async fn of_all(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<HistoryParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    reads_everything(&caller)?;
    answer(&app, &caller, params, None, &headers).await
}

/// The log from an offset on, one history entry a line; for superusers and auditors
///
/// Ends at the log's head as it was when the request came.
#[utoipa::path(get, path = "/api/log", tag = "history", params(LogParams), responses(
    (status = 200, description = "History entries, one a line", body = String, content_type = "application/x-ndjson"),
))]
pub(super) async fn log(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<LogParams>,
) -> Result<Response, Problem> {
    reads_everything(&caller)?;
    if params.limit == Some(0) {
        return Err(Problem::field("limit", "must be at least 1"));
    }
    let head = app.log.head();
    access::record(&app, &caller, None, Read::log()).await?;
    let lines = Lines {
        head,
        after: params.after.unwrap_or(0),
        left: params.limit.unwrap_or(u64::MAX),
        app,
    };
    let body = Body::from_stream(try_unfold(lines, Lines::next));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

impl HistoryParams {
    fn shape(&self, headers: &HeaderMap) -> Result<Option<Shape>, Problem> {
        let looks = Looks {
            columns: self.columns.as_deref(),
            tz: self.tz.as_deref(),
            bom: self.bom,
            trailer: self.trailer,
        };
        Answer::of(self.format, headers)?.shape(&looks)
    }

    /// Of a page; `limit` of a file is another.
    fn query(self, gathering: Option<GatheringId>) -> Result<HistoryQuery, Problem> {
        let filter = |field, value: Option<String>| {
            let text = fields::optional_text(field, value.as_deref(), FILTER_CHARS_MAX)?;
            Ok::<_, Problem>(text.map(|text| text.as_ref().to_owned()))
        };
        Ok(HistoryQuery {
            gathering,
            participant: filter("participant", self.participant)?,
            actor: filter("actor", self.actor)?,
            gate: filter("gate", self.gate)?,
            kind: known_type(filter("type", self.kind)?)?,
            since: self.since,
            until: self.until,
            after: self.after.unwrap_or(0),
            limit: PAGE_LIMIT_MAX,
            order: self.order.unwrap_or_default(),
        })
    }
}

fn known_type(kind: Option<String>) -> Result<Option<String>, Problem> {
    match kind {
        Some(kind) if !Event::TYPE_NAMES.contains(&kind.as_str()) => Err(Problem::field(
            "type",
            format!("must be one of {}", Event::TYPE_NAMES.join(", ")),
        )),
        kind => Ok(kind),
    }
}

/// Where a reader of the log is. One page is in memory at a time, whatever the log's length.
struct Lines {
    app: App,
    head: Offset,
    after: Offset,
    left: u64,
}

impl Lines {
    /// The next lines, at most a page of them.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, std::io::Error> {
        if self.left == 0 || self.after >= self.head {
            return Ok(None);
        }
        let limit = PAGE_LIMIT_MAX.min(usize::try_from(self.left).unwrap_or(PAGE_LIMIT_MAX));
        let query = HistoryQuery {
            after: self.after,
            limit,
            ..HistoryQuery::default()
        };
        let page = self.app.views.history(query).await.map_err(|error| {
            tracing::error!(%error, "the log could not be streamed");
            std::io::Error::other("the log cannot be read on")
        })?;
        let mut lines = Vec::new();
        for entry in page.results {
            if entry.offset > self.head {
                self.after = self.head;
                break;
            }
            self.after = entry.offset;
            self.left -= 1;
            serde_json::to_writer(&mut lines, &entry).map_err(std::io::Error::other)?;
            lines.push(b'\n');
        }
        if page.next.is_none() {
            self.after = self.head;
        }
        Ok((!lines.is_empty()).then(|| (Bytes::from(lines), self)))
    }
}

async fn answer(
    app: &App,
    caller: &Caller,
    params: HistoryParams,
    seat: Option<&Seat>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let shape = params.shape(headers)?;
    let limit = params.limit;
    let query = params.query(seat.map(|seat| seat.id))?;
    match shape {
        None => {
            let limit = answer::page_limit(limit)?;
            let read = Read::page(Accessed::History).searched(query.participant.as_deref());
            access::record(app, caller, seat, read).await?;
            page(app, HistoryQuery { limit, ..query }).await
        }
        Some(_) if query.order == Order::Newest => Err(Problem::field(
            "order",
            "newest is for pages: a file is in the log's order",
        )),
        Some(_) if limit == Some(0) => Err(Problem::field("limit", "must be at least 1")),
        Some(shape) => {
            let limit = limit.map_or(u64::MAX, |limit| limit as u64);
            file(app, caller, query, limit, shape, seat).await
        }
    }
}

async fn page(app: &App, query: HistoryQuery) -> Result<Response, Problem> {
    let page = app.views.history(query).await?;
    let next = page.next.map(|offset| offset.to_string());
    answer::ok(&Page {
        results: page.results,
        next,
    })
}

async fn file(
    app: &App,
    caller: &Caller,
    query: HistoryQuery,
    limit: u64,
    shape: Shape,
    seat: Option<&Seat>,
) -> Result<Response, Problem> {
    let place = app.exports.take()?;
    let whose = query.participant.clone();
    // Before the record, so that a file ends where it was asked for.
    let rows = app.views.history_rows(query, shape.shows_people());
    let read =
        Read::export(Accessed::HistoryExport, shape.format.word()).searched(whose.as_deref());
    access::record(app, caller, seat, read).await?;
    let checkpoint = exports::checkpoint(&app.views, rows.head()).await?;
    let name = file_name(seat, rows.head(), shape.format);
    Ok(stream::send(place, rows, limit, shape, checkpoint, &name))
}

/// Letters and digits of the event's name, and where the log stood.
fn file_name(seat: Option<&Seat>, head: Offset, format: Format) -> String {
    let name = seat.map_or("", |seat| &*seat.row.details.name);
    let words: Vec<String> = (name.split(|character: char| !character.is_ascii_alphanumeric()))
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let mut name = words.join("-");
    name.truncate(FILE_NAME_CHARS_MAX);
    let event = match (name.trim_end_matches('-'), seat) {
        ("", None) => String::new(),
        ("", Some(seat)) => format!("-{}", seat.id),
        (name, _) => format!("-{name}"),
    };
    let extension = format.extension();
    format!("doorbook{event}-history-to-{head}.{extension}")
}

pub(super) fn reads_everything(caller: &Caller) -> Result<(), Problem> {
    if caller.principal.reads_all_history() {
        Ok(())
    } else {
        Err(Problem::forbidden(
            "only superusers and auditors read across events",
        ))
    }
}
