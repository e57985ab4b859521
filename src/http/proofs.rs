//! What can be proven: the log's signed head, the key that checks it, that an event is in the log, and
//! that the log of today begins with the log of yesterday. How, is the matter of `projections::integrity`.

use axum::{
    extract::{FromRequestParts, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    App,
    access::{self, Read},
    answer,
    caller::Caller,
    extract::{NoParams, Params, path_parameter},
    history::reads_everything,
    problem::Problem,
};
use crate::{
    auth::Action,
    events::{codec, event::Accessed, ids::Offset},
    projections::{ViewError, integrity::ConsistencyProof},
};

/// `{offset}` of an event.
pub(super) struct At(Offset);

impl FromRequestParts<App> for At {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let text = path_parameter(parts, app, "offset").await;
        text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .map(Self)
            .ok_or_else(|| Problem::field("offset", "must be an offset, such as 42"))
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SizeParams {
    /// Of the log's first so many events; of all there are when left out.
    #[param(value_type = Option<u64>)]
    size: Option<Offset>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ConsistencyParams {
    /// The size of the earlier checkpoint.
    #[param(value_type = u64, minimum = 1)]
    from: Offset,
    /// The size of the later one; the log as it is now when left out.
    #[param(value_type = Option<u64>, minimum = 1)]
    to: Option<Offset>,
}

/// The log's signed head (C2SP tlog-checkpoint); for superusers and auditors
///
/// Keep it: whoever changes or cuts what it covers can never produce a log that agrees with it.
#[utoipa::path(get, path = "/api/log/checkpoint", tag = "proof", params(SizeParams), responses(
    (status = 200, description = "A signed note: the log's name, its size, its root in base64", body = String, content_type = "text/plain"),
    (status = 404, description = "There are not so many events yet", body = super::problem::Body, content_type = "application/problem+json"),
))]
pub(super) async fn checkpoint(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<SizeParams>,
) -> Result<Response, Problem> {
    reads_everything(&caller)?;
    let signed = match params.size {
        Some(size) => app.views.checkpoint_at(size).await?,
        None => app.views.checkpoint().await?,
    };
    Ok(text(signed.note))
}

/// The key that checks what the log signs (C2SP signed-note); for everybody who is signed in
#[utoipa::path(get, path = "/api/log/key", tag = "proof", responses(
    (status = 200, description = "A verifier key: name, id, Ed25519 key", body = String, content_type = "text/plain"),
))]
pub(super) async fn key(
    State(app): State<App>,
    _caller: Caller,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    Ok(text(format!("{}\n", app.views.verifier_key()?)))
}

/// That an event is in the log (C2SP tlog-proof), with its record and the signed head
///
/// For superusers and auditors, and for who may read the history of the event's gathering.
#[utoipa::path(get, path = "/api/log/proof/{offset}", tag = "proof",
    params(("offset" = u64, Path, minimum = 1), SizeParams), responses(
    (status = 200, description = "A file for `doorbook verify-proof`; `extra` is the record", body = String, content_type = "text/plain"),
    (status = 404, description = "Not in the log yet, or not for the caller to see", body = super::problem::Body, content_type = "application/problem+json"),
))]
pub(super) async fn proof(
    State(app): State<App>,
    caller: Caller,
    At(offset): At,
    Params(params): Params<SizeParams>,
) -> Result<Response, Problem> {
    let proven = app.views.inclusion(offset, params.size).await;
    if caller.principal.reads_all_history() {
        let proof = proven?;
        // The record says who was where.
        access::record(&app, &caller, None, Read::page(Accessed::Log)).await?;
        return Ok(text(proof.text()));
    }
    let proof = proven.map_err(|error| match error {
        // How long the log is, is not for them to know.
        ViewError::NotInLog { .. } => unseen(),
        error => error.into(),
    })?;
    let record = proof.record.as_deref().unwrap_or_default();
    let gathering = codec::decode(record).map_err(|_| unseen())?.gathering;
    let seat = caller.seat(&app, gathering).map_err(|_| unseen())?;
    caller.require(&seat, Action::ReadHistory)?;
    Ok(text(proof.text()))
}

/// That the log at one size begins with the log at an earlier one; for superusers and auditors
#[utoipa::path(get, path = "/api/log/consistency", tag = "proof", params(ConsistencyParams), responses(
    (status = 200, description = "Hashes in the order of RFC 6962, section 2.1.2, and the signed head at `to`", body = ConsistencyProof),
    (status = 404, description = "There are not so many events yet", body = super::problem::Body, content_type = "application/problem+json"),
))]
pub(super) async fn consistency(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<ConsistencyParams>,
) -> Result<Response, Problem> {
    reads_everything(&caller)?;
    if params.from == 0 {
        return Err(Problem::field("from", "must be at least 1"));
    }
    if params.to.is_some_and(|to| to < params.from) {
        return Err(Problem::field("to", "must not be before `from`"));
    }
    answer::ok(&app.views.consistency(params.from, params.to).await?)
}

fn text(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

fn unseen() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_in_log",
        "there is no event at this offset that you may see",
    )
}
