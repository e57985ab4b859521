//! Tokens for doors: minted, listed without the tokens themselves, taken back.

use axum::{
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    App, answer,
    caller::Caller,
    extract::{IdempotencyKey, InGathering, Json, Params, path_parameter},
    fields,
    problem::Problem,
};
use crate::{
    auth::{Action, Claims},
    commands::{
        Command, CommandError,
        mint_door_token::{MintDoorToken, NAME_CHARS_MAX},
        refusal::Refusal,
        revoke_door_token::RevokeDoorToken,
    },
    events::{
        event::{DoorRole, Event},
        ids::{DoorTokenId, GatheringId, Offset},
        time::Timestamp,
    },
    projections::door_tokens::DoorToken,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDoorToken {
    /// Who or what stands at the door. Staff read it, and the token says it; on disk it is sealed.
    #[schema(max_length = 100)]
    name: String,
    door_role: DoorRole,
    /// RFC 3339, or a local time of the event's time zone; within 366 days. A fraction of a second is cut off.
    #[schema(example = "2026-05-01T23:00:00Z")]
    expires_at: String,
}

/// The token is shown here and nowhere else.
#[derive(Serialize, ToSchema)]
pub(super) struct MintedDoorToken {
    token: String,
    #[schema(value_type = String, format = Uuid)]
    jti: DoorTokenId,
    name: String,
    door_role: DoorRole,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = u64)]
    offset: Offset,
    replayed: bool,
}

#[derive(Serialize, ToSchema)]
pub(super) struct DoorTokensPage {
    results: Vec<DoorToken>,
    next: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// The `next` of the page before.
    #[param(value_type = Option<String>, format = Uuid)]
    after: Option<DoorTokenId>,
    /// 1 to 1,000; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// `{jti}`. What is not a UUID names no token.
pub(super) struct OfToken(DoorTokenId);

impl FromRequestParts<App> for OfToken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        path_parameter(parts, app, "jti")
            .await
            .and_then(|text| text.parse().ok())
            .map(Self)
            .ok_or_else(|| Refusal::UnknownDoorToken.into())
    }
}

/// Mint a door token: good at this event alone, until it expires or is revoked
///
/// The same `Idempotency-Key` gives the same token again. An event has at most 1,000 that have not
/// expired, revoked ones included.
#[utoipa::path(post, path = "/api/events/{event_id}/door-tokens", tag = "door tokens",
    params(("event_id" = String, Path, format = Uuid)), request_body = NewDoorToken, responses(
    (status = 201, description = "Minted", body = MintedDoorToken, headers(("X-Offset" = u64))),
))]
pub(super) async fn mint(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    key: IdempotencyKey,
    Json(body): Json<NewDoorToken>,
) -> Result<Response, Problem> {
    let seat = caller.seat(&app, id)?;
    caller.require(&seat, Action::ChangeGathering)?;
    let name = fields::text("name", &body.name, NAME_CHARS_MAX)?;
    let zone = seat.row.details.time_zone;
    let expires_at = fields::moment("expires_at", &body.expires_at, zone)?.whole_second();
    let command = Command::MintDoorToken(MintDoorToken {
        name: name.clone(),
        door_role: body.door_role,
        expires_at,
    });
    let accepted = app
        .run(id, command, caller.context(seat.standing, key.0))
        .await?;
    let Event::DoorTokenMinted(minted) = &accepted.recorded.event else {
        return Err(Problem::internal());
    };
    // The event of a repeated command says the same as the command, or it would be another command.
    let token = sign(
        &app,
        id,
        minted.jti,
        &name,
        minted.door_role,
        minted.expires_at,
    )?;
    let offset = accepted.recorded.offset;
    let body = MintedDoorToken {
        token,
        jti: minted.jti,
        name: name.as_ref().to_owned(),
        door_role: minted.door_role,
        expires_at: minted.expires_at,
        offset,
        replayed: accepted.replayed,
    };
    answer::done(StatusCode::CREATED, &body, offset)
}

/// The door tokens minted here, without the tokens themselves
///
/// Those that expired are there until the place is needed; the history has every one.
#[utoipa::path(get, path = "/api/events/{event_id}/door-tokens", tag = "door tokens",
    params(("event_id" = String, Path, format = Uuid), ListParams), responses(
    (status = 200, description = "A page, in the order in which they were minted", body = DoorTokensPage),
))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    Params(params): Params<ListParams>,
) -> Result<Response, Problem> {
    let seat = caller.seat(&app, id)?;
    caller.require(&seat, Action::ChangeGathering)?;
    let limit = answer::page_limit(params.limit)?;
    let results = app.views.door_tokens(id, params.after, limit + 1).await?;
    answer::page(results, limit, |last| last.jti.to_string())
}

/// Revoke a door token: the next request with it is refused, its streams close at once
///
/// Revoking it again changes nothing. Tokens that another issuer signed with the same secret are not
/// known here, and cannot be revoked.
#[utoipa::path(delete, path = "/api/events/{event_id}/door-tokens/{jti}", tag = "door tokens",
    params(("event_id" = String, Path, format = Uuid), ("jti" = String, Path, format = Uuid)),
    responses((status = 204, description = "Revoked", headers(("X-Offset" = u64)))))]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    OfToken(jti): OfToken,
    key: IdempotencyKey,
) -> Result<Response, Problem> {
    let seat = caller.seat(&app, id)?;
    caller.require(&seat, Action::ChangeGathering)?;
    let command = Command::RevokeDoorToken(RevokeDoorToken { jti });
    match app
        .run(id, command, caller.context(seat.standing, key.0))
        .await
    {
        Ok(accepted) => Ok(answer::empty(accepted.recorded.offset)),
        Err(CommandError::Refused(Refusal::NothingToChange)) => {
            Ok(answer::empty(caller.seat(&app, id)?.row.offset))
        }
        Err(error) => Err(error.into()),
    }
}

/// The same for the same event, whenever it is asked for.
fn sign(
    app: &App,
    gathering: GatheringId,
    jti: DoorTokenId,
    name: &str,
    door_role: DoorRole,
    expires_at: Timestamp,
) -> Result<String, Problem> {
    let mut claims = Claims::new(format!("door:{jti}"), expires_at);
    claims.name = Some(name.to_owned());
    claims.jti = Some(jti.to_string());
    claims.event_id = Some(gathering);
    claims.door_role = Some(door_role);
    app.auth.sign(claims).map_err(|error| {
        tracing::error!(%error, "a door token could not be signed");
        Problem::internal()
    })
}
