//! Gatherings, which URLs call events: create, change, read.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, http::StatusCode, response::Response};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    App, answer,
    as_of::AsOfParams,
    caller::Caller,
    extract::{IdempotencyKey, InGathering, Json, Params},
    fields,
    problem::Problem,
};
use crate::{
    auth::{Action, Standing},
    commands::{
        Accepted, Command, CommandError,
        change_gathering::ChangeGathering,
        create_gathering::{CreateGathering, NAME_CHARS_MAX},
        handler::gathering_id_for,
        refusal::Refusal,
    },
    events::{
        event::{CapacityMode, DoorRole, Event, GatheringDetails, Reentry, RegistrationPolicy},
        ids::GatheringId,
    },
    projections::{
        dashboard::Row,
        overview::{Gathering, Member, YourRole},
    },
};

/// Moments are RFC 3339, or local times of the event's time zone such as `2026-05-01T18:00`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGathering {
    #[schema(max_length = 255)]
    name: String,
    #[schema(example = "2026-05-01T18:00:00Z")]
    start_date: String,
    end_date: Option<String>,
    /// IANA name; `UTC` when left out.
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    #[schema(minimum = 1)]
    capacity: Option<u32>,
    capacity_mode: Option<CapacityMode>,
    reentry: Option<Reentry>,
    opens_at: Option<String>,
    closes_at: Option<String>,
    registration: Option<RegistrationPolicy>,
}

/// What is left out stays; null clears `end_date`, `capacity`, `opens_at`, `closes_at`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GatheringChange {
    #[schema(max_length = 255)]
    name: Option<String>,
    start_date: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    end_date: Option<Option<String>>,
    time_zone: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    capacity: Option<Option<u32>>,
    capacity_mode: Option<CapacityMode>,
    reentry: Option<Reentry>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    opens_at: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    closes_at: Option<Option<String>>,
    registration: Option<RegistrationPolicy>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct GatheringsPage {
    results: Vec<Gathering>,
    next: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// The `next` of the page before.
    #[param(value_type = Option<String>, format = Uuid)]
    after: Option<GatheringId>,
    /// 1 to 1,000; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Create an event
#[utoipa::path(post, path = "/api/events", tag = "events", request_body = NewGathering, responses(
    (status = 201, description = "Created", body = Gathering, headers(("X-Offset" = u64))),
))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<NewGathering>,
) -> Result<Response, Problem> {
    if !caller.principal.may_create_gatherings() {
        return Err(Problem::forbidden("creating events takes the role creator"));
    }
    let details = body.details(Arc::clone(&caller.principal.id))?;
    let id = gathering_id_for(key.0.as_ref(), &caller.principal.id);
    let standing = if caller.principal.superuser {
        Standing::Superuser
    } else {
        Standing::Creator
    };
    let command = Command::CreateGathering(CreateGathering { details });
    let accepted = app
        .run(id, command, caller.context(standing, key.0))
        .await?;
    let gathering = as_recorded(&app, &accepted, Some(Vec::new())).await?;
    answer::done(StatusCode::CREATED, &gathering, accepted.recorded.offset)
}

/// Change an event
#[utoipa::path(patch, path = "/api/events/{event_id}", tag = "events",
    params(("event_id" = String, Path, format = Uuid)), request_body = GatheringChange, responses(
    (status = 200, description = "As it is now", body = Gathering, headers(("X-Offset" = u64))),
))]
pub(super) async fn change(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    key: IdempotencyKey,
    Json(body): Json<GatheringChange>,
) -> Result<Response, Problem> {
    let seat = caller.seat(&app, id)?;
    caller.require(&seat, Action::ChangeGathering)?;
    let command = Command::ChangeGathering(body.command(seat.row.details.time_zone)?);
    match app
        .run(id, command, caller.context(seat.standing, key.0))
        .await
    {
        Ok(accepted) => {
            let team = if accepted.replayed {
                app.views.team_as_of(id, accepted.recorded.offset).await?
            } else {
                listed(&seat.row.team)
            };
            let gathering = as_recorded(&app, &accepted, Some(team)).await?;
            answer::done(StatusCode::OK, &gathering, accepted.recorded.offset)
        }
        // It is already as asked for.
        Err(CommandError::Refused(Refusal::NothingToChange)) => {
            let row = caller.seat(&app, id)?.row;
            answer::done(StatusCode::OK, &as_of_row(&row, true), row.offset)
        }
        Err(error) => Err(error.into()),
    }
}

/// The events the caller may see, with counts
#[utoipa::path(get, path = "/api/events", tag = "events", params(ListParams), responses(
    (status = 200, description = "A page, in the order of creation", body = GatheringsPage),
))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Response, Problem> {
    let limit = answer::page_limit(params.limit)?;
    let mut rows: Vec<Arc<Row>> = app.views.rows();
    rows.sort_unstable_by_key(|row| row.id);
    let results: Vec<Gathering> = rows
        .into_iter()
        .filter(|row| params.after.is_none_or(|after| row.id > after))
        .filter_map(|row| {
            let principal = &caller.principal;
            let is_creator = row.details.creator == principal.id;
            let role = row.team.get(&principal.id).copied();
            let standing = principal.standing(row.id, is_creator, role);
            standing.sees_gathering().then(|| seen(&row, standing))
        })
        .take(limit + 1)
        .collect();
    answer::page(results, limit, |last| last.id.to_string())
}

/// An event, with counts
#[utoipa::path(get, path = "/api/events/{event_id}", tag = "events",
    params(("event_id" = String, Path, format = Uuid), AsOfParams), responses(
    (status = 200, description = "The event", body = Gathering),
))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    Params(AsOfParams { as_of }): Params<AsOfParams>,
) -> Result<Response, Problem> {
    let seat = caller.seat(&app, id)?;
    let Some(moment) = as_of else {
        return answer::ok(&seen(&seat.row, seat.standing));
    };
    let at = moment.offset(&app, &caller, &seat).await?;
    let mut then = app.views.gathering_as_of(id, at).await?;
    then.your_role = your_role(seat.standing);
    if seat.standing.allows(Action::ChangeGathering) {
        then.team = Some(app.views.team_as_of(id, at).await?);
    }
    answer::read(&then, Some(at))
}

impl NewGathering {
    fn details(self, creator: Arc<str>) -> Result<GatheringDetails, Problem> {
        let zone = self
            .time_zone
            .as_deref()
            .map_or(Ok(Tz::UTC), fields::time_zone)?;
        let moment = |field, text: Option<String>| {
            text.map(|text| fields::moment(field, &text, zone))
                .transpose()
        };
        Ok(GatheringDetails {
            name: fields::text("name", &self.name, NAME_CHARS_MAX)?,
            creator,
            start_date: fields::moment("start_date", &self.start_date, zone)?,
            end_date: moment("end_date", self.end_date)?,
            time_zone: zone,
            capacity: capacity(self.capacity)?,
            capacity_mode: self.capacity_mode.unwrap_or(CapacityMode::Warn),
            reentry: self.reentry.unwrap_or(Reentry::AfterCheckOut),
            opens_at: moment("opens_at", self.opens_at)?,
            closes_at: moment("closes_at", self.closes_at)?,
            registration: self.registration.unwrap_or(RegistrationPolicy::Staff),
        })
    }
}

impl GatheringChange {
    /// Local times are in the zone that the change sets, else in the present one.
    fn command(self, present: Tz) -> Result<ChangeGathering, Problem> {
        let time_zone = self
            .time_zone
            .as_deref()
            .map(fields::time_zone)
            .transpose()?;
        let zone = time_zone.unwrap_or(present);
        let moment = |field, text: Option<Option<String>>| {
            text.map(|text| {
                text.map(|text| fields::moment(field, &text, zone))
                    .transpose()
            })
            .transpose()
        };
        Ok(ChangeGathering {
            name: self
                .name
                .map(|name| fields::text("name", &name, NAME_CHARS_MAX))
                .transpose()?,
            start_date: self
                .start_date
                .map(|text| fields::moment("start_date", &text, zone))
                .transpose()?,
            end_date: moment("end_date", self.end_date)?,
            time_zone,
            capacity: self.capacity.map(capacity).transpose()?,
            capacity_mode: self.capacity_mode,
            reentry: self.reentry,
            opens_at: moment("opens_at", self.opens_at)?,
            closes_at: moment("closes_at", self.closes_at)?,
            registration: self.registration,
        })
    }
}

/// A gathering right after the command's event, whatever has happened since: a replay answers as the
/// original did.
async fn as_recorded(
    app: &App,
    accepted: &Accepted,
    team: Option<Vec<Member>>,
) -> Result<Gathering, Problem> {
    let recorded = &accepted.recorded;
    let (Event::GatheringCreated(details) | Event::GatheringChanged(details)) = &recorded.event
    else {
        return Err(Problem::internal());
    };
    let entry = app.views.entry(recorded.gathering, recorded.offset).await?;
    Ok(Gathering {
        team,
        replayed: Some(accepted.replayed),
        ..Gathering::new(
            recorded.gathering,
            details,
            entry.occupancy,
            recorded.offset,
        )
    })
}

/// As it is now, for a caller who may see it.
fn seen(row: &Row, standing: Standing) -> Gathering {
    Gathering {
        your_role: your_role(standing),
        ..as_of_row(row, standing.allows(Action::ChangeGathering))
    }
}

const fn your_role(standing: Standing) -> Option<YourRole> {
    match standing {
        Standing::Superuser => Some(YourRole::Superuser),
        Standing::Creator => Some(YourRole::Creator),
        Standing::Supervisor => Some(YourRole::Supervisor),
        Standing::Steward => Some(YourRole::Steward),
        Standing::Auditor => Some(YourRole::Auditor),
        Standing::Stranger => None,
    }
}

fn as_of_row(row: &Row, with_team: bool) -> Gathering {
    Gathering {
        team: with_team.then(|| listed(&row.team)),
        ..Gathering::of(row)
    }
}

fn listed(team: &BTreeMap<Arc<str>, DoorRole>) -> Vec<Member> {
    team.iter().map(Member::from).collect()
}

fn capacity(capacity: Option<u32>) -> Result<Option<u32>, Problem> {
    match capacity {
        Some(0) => Err(Problem::field(
            "capacity",
            "must be at least 1, or null for no limit",
        )),
        capacity => Ok(capacity),
    }
}

/// Tells null (`Some(None)`) from left out (`None`).
fn given<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}
