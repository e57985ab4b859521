//! Who stands at a gathering's doors.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    App, answer,
    caller::Caller,
    extract::{IdempotencyKey, InGathering, Json, path_parameter},
    fields,
    problem::Problem,
};
use crate::{
    auth::Action,
    commands::{Command, CommandError, change_service_team::ChangeServiceTeam, refusal::Refusal},
    events::{event::DoorRole, ids::Offset},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Role {
    door_role: DoorRole,
}

#[derive(Serialize, ToSchema)]
pub(super) struct TeamMember {
    #[schema(value_type = String)]
    user_id: Arc<str>,
    door_role: DoorRole,
    #[schema(value_type = u64)]
    offset: Offset,
    replayed: bool,
}

/// `{user_id}`: a token's `sub`.
pub(super) struct Member(Arc<str>);

impl FromRequestParts<App> for Member {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let id = path_parameter(parts, app, "user_id")
            .await
            .unwrap_or_default();
        fields::text("user_id", &id, fields::USER_ID_CHARS_MAX).map(Self)
    }
}

/// Put somebody on the service team, or change their role
#[utoipa::path(put, path = "/api/events/{event_id}/service-team/{user_id}", tag = "events",
    params(("event_id" = String, Path, format = Uuid), ("user_id" = String, Path, max_length = 128, description = "The `sub` of their token")),
    request_body = Role, responses(
    (status = 200, description = "On the team", body = TeamMember, headers(("X-Offset" = u64))),
))]
pub(super) async fn put(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    Member(user_id): Member,
    key: IdempotencyKey,
    Json(Role { door_role }): Json<Role>,
) -> Result<Response, Problem> {
    let seat = caller.seat(&app, id)?;
    caller.require(&seat, Action::ChangeGathering)?;
    let command = Command::ChangeServiceTeam(ChangeServiceTeam {
        user_id: Arc::clone(&user_id),
        door_role: Some(door_role),
    });
    let (offset, replayed) = match app
        .run(id, command, caller.context(seat.standing, key.0))
        .await
    {
        Ok(accepted) => (accepted.recorded.offset, accepted.replayed),
        Err(CommandError::Refused(Refusal::NothingToChange)) => {
            (caller.seat(&app, id)?.row.offset, false)
        }
        Err(error) => return Err(error.into()),
    };
    let member = TeamMember {
        user_id,
        door_role,
        offset,
        replayed,
    };
    answer::done(StatusCode::OK, &member, offset)
}

/// Take somebody off the service team; their live connections close at once
#[utoipa::path(delete, path = "/api/events/{event_id}/service-team/{user_id}", tag = "events",
    params(("event_id" = String, Path, format = Uuid), ("user_id" = String, Path, max_length = 128, description = "The `sub` of their token")),
    responses((status = 204, description = "Off the team", headers(("X-Offset" = u64)))))]
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    Member(user_id): Member,
    key: IdempotencyKey,
) -> Result<Response, Problem> {
    let seat = caller.seat(&app, id)?;
    caller.require(&seat, Action::ChangeGathering)?;
    let command = Command::ChangeServiceTeam(ChangeServiceTeam {
        user_id,
        door_role: None,
    });
    match app
        .run(id, command, caller.context(seat.standing, key.0))
        .await
    {
        Ok(accepted) => Ok(answer::empty(accepted.recorded.offset)),
        Err(CommandError::Refused(Refusal::NothingToChange)) => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "unknown_member",
            "this user is not on the service team",
        )),
        Err(error) => Err(error.into()),
    }
}
