//! Erasing people: one by their ticket, or all of an event's, as retention asks for.

use axum::{extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    App,
    admin::Nothing,
    answer,
    caller::Caller,
    extract::{IdempotencyKey, InGathering, OfTicket, OptionalJson, Params},
    import,
    problem::Problem,
    scans::{self, Change},
};
use crate::{
    auth::Action,
    commands::{Command, erase::Erase},
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EraseParams {
    /// Erase nobody: say how many there are.
    #[serde(default, deserialize_with = "import::switch")]
    #[param(value_type = Option<bool>)]
    dry_run: bool,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ErasedPeople {
    /// Erased by this request.
    erased: usize,
    /// Still to be erased: ask again until there are none.
    remaining: usize,
    dry_run: bool,
}

/// Erase a person: their data is gone everywhere, the history and the counts stay
///
/// There is no way back. Who is erased already stays so, and the answer is the same. No reason is taken: it
/// would be about the person.
#[utoipa::path(post, path = "/api/events/participants/{event_pax_id}/erase", tag = "erasure",
    params(("event_pax_id" = String, Path, max_length = 128)), responses(
    (status = 200, description = "The person is gone, and so is the key to what was sealed about them", body = Change, headers(("X-Offset" = u64))),
))]
pub(super) async fn erase(
    State(app): State<App>,
    caller: Caller,
    OfTicket(code): OfTicket,
    key: IdempotencyKey,
    OptionalJson(Nothing {}): OptionalJson<Nothing>,
) -> Result<Response, Problem> {
    let seat = caller.seat_of_ticket(&app, &code)?;
    caller.require(&seat, Action::Administer)?;
    let command = Command::Erase(Erase { code });
    let accepted = app
        .run(seat.id, command, caller.context(seat.standing, key.0))
        .await?;
    scans::changed(&app, &accepted, "erased").await
}

/// Erase the next people of an event, up to 4,000 of them
///
/// Asked again until nobody remains, it erases everybody; one that was interrupted is gone on with in the
/// same way.
#[utoipa::path(post, path = "/api/events/{event_id}/erase", tag = "erasure",
    params(("event_id" = String, Path, format = Uuid), EraseParams), responses(
    (status = 200, description = "How many were erased, and how many remain", body = ErasedPeople, headers(("X-Offset" = u64))),
))]
pub(super) async fn erase_all(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    Params(params): Params<EraseParams>,
    OptionalJson(Nothing {}): OptionalJson<Nothing>,
) -> Result<Response, Problem> {
    let seat = caller.seat(&app, id)?;
    caller.require(&seat, Action::Administer)?;
    let (erased, remaining, offset) = if params.dry_run {
        (0, app.handler.not_erased(id).await?, None)
    } else {
        let context = caller.context(seat.standing, None);
        let together = app.handler.erase_next(id, context).await?;
        (together.erased, together.remaining, together.offset)
    };
    let body = ErasedPeople {
        erased,
        remaining,
        dry_run: params.dry_run,
    };
    answer::done(StatusCode::OK, &body, offset.unwrap_or(seat.row.offset))
}
