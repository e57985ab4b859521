//! Who came when through which gate: counts per bucket of time.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    App, answer, as_of::Moment, caller::Caller, extract::InGathering, extract::Params,
    problem::Problem,
};
use crate::{
    auth::Action,
    events::{
        ids::{GatheringId, Offset},
        time::Timestamp,
    },
    projections::arrivals::{Arrivals, BUCKET_SECONDS_MAX, BUCKET_SECONDS_MIN},
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ArrivalsParams {
    /// Seconds in a bucket, a multiple of 60; 60 when left out.
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
#[utoipa::path(get, path = "/api/events/{event_id}/arrivals", tag = "events",
    params(("event_id" = String, Path, format = Uuid), ArrivalsParams), responses(
    (status = 200, description = "Counts", body = ArrivalsAnswer),
))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    Params(params): Params<ArrivalsParams>,
) -> Result<Response, Problem> {
    let seat = caller.seat(&app, id)?;
    caller.require(&seat, Action::ReadParticipants)?;
    let bucket = bucket_seconds(params.bucket)?;
    let row = Arc::clone(&seat.row);
    let (counts, offset, at) = match &params.as_of {
        None => (None, row.offset, row.offset),
        Some(moment) => {
            let at = moment.offset(&app, &caller, &seat).await?;
            let (counts, offset) = app.views.arrivals_as_of(id, at).await?;
            (Some(counts), offset, at)
        }
    };
    let counts = counts.as_ref().unwrap_or(&row.arrivals);
    let arrivals = Arrivals::new(counts, bucket, params.since, params.until)
        .map_err(|error| Problem::field("bucket", error))?;
    let answer = ArrivalsAnswer {
        event_id: id,
        time_zone: row.details.time_zone.name(),
        offset,
        arrivals,
    };
    answer::done(StatusCode::OK, &answer, at)
}

fn bucket_seconds(given: Option<u32>) -> Result<u32, Problem> {
    let seconds = given.unwrap_or(BUCKET_SECONDS_MIN);
    let allowed = BUCKET_SECONDS_MIN..=BUCKET_SECONDS_MAX;
    if allowed.contains(&seconds) && seconds.is_multiple_of(BUCKET_SECONDS_MIN) {
        Ok(seconds)
    } else {
        let rule =
            format!("must be a multiple of {BUCKET_SECONDS_MIN} s, at most {BUCKET_SECONDS_MAX} s");
        Err(Problem::field("bucket", rule))
    }
}
