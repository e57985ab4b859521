//! Who came when through which gate: counts per bucket of time.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    App, answer,
    as_of::Moment,
    caller::Caller,
    extract::{InGathering, Params},
    problem::Problem,
};
use crate::{
    auth::Action,
    events::{
        event::GatheringDetails,
        ids::{GatheringId, Offset},
        time::Timestamp,
    },
    projections::arrivals::{
        ArrivalCounts, Arrivals, BUCKET_SECONDS_MAX, BUCKET_SECONDS_MIN, Form,
        picture::{self, Caption},
    },
    projections::{as_of::ArrivalsThen, dashboard::Row},
};

const SVG: &str = "image/svg+xml";
const PICTURE_POLICY: &str = "default-src 'none'; sandbox";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ArrivalsParams {
    /// Seconds in a bucket, a multiple of 60; the shortest usual length that shows the whole span when left out.
    #[param(minimum = 60, maximum = 604_800, multiple_of = 60)]
    bucket: Option<u32>,
    /// Arrivals in this minute or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Arrivals in minutes before this one.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// As it was right after this offset, or at this time (RFC 3339).
    #[param(value_type = Option<String>)]
    as_of: Option<Moment>,
    /// `json`, or `svg`: a picture for a report. `Accept: image/svg+xml` asks for it, too.
    #[param(inline)]
    format: Option<Format>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    Json,
    Svg,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ArrivalsAnswer {
    #[schema(value_type = String, format = Uuid)]
    event_id: GatheringId,
    /// The event's; the buckets are in UTC.
    time_zone: &'static str,
    /// The event's last fact that is counted.
    #[schema(value_type = u64)]
    offset: Offset,
    #[serde(flatten)]
    arrivals: Arrivals,
}

/// Arrivals per bucket and gate
///
/// Admissions that have not been taken back, by the moment they happened at the door; who comes back after
/// leaving arrives again. From the first bucket with an arrival to the last.
#[utoipa::path(get, path = "/api/events/{event_id}/arrivals", tag = "events", operation_id = "arrivals",
    params(("event_id" = String, Path, format = Uuid), ArrivalsParams), responses(
    (status = 200, description = "Counts, or a picture of them", content(
        (ArrivalsAnswer = "application/json"), (String = "image/svg+xml"))),
))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    headers: HeaderMap,
    Params(params): Params<ArrivalsParams>,
) -> Result<Response, Problem> {
    let seat = caller.seat(&app, id)?;
    caller.require(&seat, Action::ReadParticipants)?;
    let bucket = params.bucket.map(checked).transpose()?;
    let (counted, at) = match &params.as_of {
        None => (Counted::Now(Arc::clone(&seat.row)), seat.row.offset),
        Some(moment) => {
            let at = moment.offset(&app, &caller, &seat).await?;
            (Counted::Then(app.views.arrivals_as_of(id, at).await?), at)
        }
    };
    let form = match wants_picture(params.format, &headers) {
        false => Form::Numbers,
        true => Form::Picture,
    };
    let moment = match form {
        Form::Numbers => None,
        Form::Picture => Some(moment_of(&app, at).await?),
    };
    // A long evening of many gates is a good deal of work, and others share these threads.
    let made = tokio::task::spawn_blocking(move || {
        let (details, counts, offset) = counted.parts();
        let arrivals = Arrivals::new(counts, form, bucket, params.since, params.until)
            .map_err(|error| Problem::field("bucket", error))?;
        let Some(moment) = moment else {
            let answer = ArrivalsAnswer {
                event_id: id,
                time_zone: details.time_zone.name(),
                offset,
                arrivals,
            };
            return answer::done(StatusCode::OK, &answer, at);
        };
        let caption = Caption {
            title: &details.name,
            zone: details.time_zone,
            offset: at,
            moment,
        };
        Ok(pictured(picture::svg(&arrivals, &caption), at))
    });
    made.await.map_err(|_| Problem::internal())?
}

/// The arrivals of the present, which are at hand, or those of an earlier moment.
enum Counted {
    Now(Arc<Row>),
    Then(ArrivalsThen),
}

impl Counted {
    fn parts(&self) -> (&GatheringDetails, &ArrivalCounts, Offset) {
        match self {
            Self::Now(row) => (&row.details, &row.arrivals, row.offset),
            Self::Then(then) => (&then.details, &then.counts, then.offset),
        }
    }
}

/// When the event at an offset was recorded.
async fn moment_of(app: &App, offset: Offset) -> Result<Timestamp, Problem> {
    let page = app.views.history_after(offset.saturating_sub(1), 1).await?;
    let recorded = page.results.first().filter(|entry| entry.offset == offset);
    recorded
        .map(|entry| entry.recorded_at)
        .ok_or_else(Problem::internal)
}

fn wants_picture(format: Option<Format>, headers: &HeaderMap) -> bool {
    let accepts = || {
        let accept = headers.get(header::ACCEPT);
        let accept = accept.and_then(|value| value.to_str().ok());
        accept.is_some_and(|accept| {
            let first = accept.split([',', ';']).next().unwrap_or_default();
            first.trim().eq_ignore_ascii_case(SVG)
        })
    };
    format.map_or_else(accepts, |format| format == Format::Svg)
}

fn pictured(svg: String, offset: Offset) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(SVG)),
        // Names in it are text; should one ever not be, nothing runs and nothing is fetched.
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(PICTURE_POLICY),
        ),
        (answer::X_OFFSET, HeaderValue::from(offset)),
    ];
    (headers, svg).into_response()
}

fn checked(seconds: u32) -> Result<u32, Problem> {
    let allowed = BUCKET_SECONDS_MIN..=BUCKET_SECONDS_MAX;
    if allowed.contains(&seconds) && seconds.is_multiple_of(BUCKET_SECONDS_MIN) {
        Ok(seconds)
    } else {
        let rule =
            format!("must be a multiple of {BUCKET_SECONDS_MIN} s, at most {BUCKET_SECONDS_MAX} s");
        Err(Problem::field("bucket", rule))
    }
}
