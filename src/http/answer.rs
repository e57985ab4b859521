//! What answers have in common: JSON bodies, `X-Offset`, pages.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::events::ids::Offset;

/// The offset of the event that a command made; of one that made none, where the log stood.
pub(super) const X_OFFSET: HeaderName = HeaderName::from_static("x-offset");

/// Entries of a page when the request does not say, and the most there can be.
pub(super) const PAGE_LIMIT_DEFAULT: usize = 100;
pub(super) const PAGE_LIMIT_MAX: usize = 1_000;

/// One page of a list; `next` goes back in as `after`, null at the end.
#[derive(Serialize, ToSchema)]
pub(super) struct Page<T> {
    pub(super) results: Vec<T>,
    pub(super) next: Option<String>,
}

pub(super) fn ok(body: &impl Serialize) -> Result<Response, Problem> {
    json(StatusCode::OK, body, None)
}

/// What was read; as of an earlier moment, with the offset it stands at.
pub(super) fn read(body: &impl Serialize, at: Option<Offset>) -> Result<Response, Problem> {
    match at {
        Some(offset) => done(StatusCode::OK, body, offset),
        None => ok(body),
    }
}

/// A page of at most `limit` of the results, of which one more was asked for; `position`: what goes into
/// `after` to begin behind one of them.
pub(super) fn page<T: Serialize>(
    mut results: Vec<T>,
    limit: usize,
    position: impl Fn(&T) -> String,
) -> Result<Response, Problem> {
    let more = results.len() > limit;
    results.truncate(limit);
    let next = results.last().filter(|_| more).map(position);
    ok(&Page { results, next })
}

/// Something that is in no log.
pub(super) fn created(body: &impl Serialize) -> Result<Response, Problem> {
    json(StatusCode::CREATED, body, None)
}

/// An answer to a command.
pub(super) fn done(
    status: StatusCode,
    body: &impl Serialize,
    offset: Offset,
) -> Result<Response, Problem> {
    json(status, body, Some(offset))
}

pub(super) fn empty(offset: Offset) -> Response {
    (
        StatusCode::NO_CONTENT,
        [(X_OFFSET, HeaderValue::from(offset))],
    )
        .into_response()
}

fn json(
    status: StatusCode,
    body: &impl Serialize,
    offset: Option<Offset>,
) -> Result<Response, Problem> {
    let bytes = serde_json::to_vec(body).map_err(|error| {
        tracing::error!(%error, "an answer does not encode");
        Problem::internal()
    })?;
    let mut response = (status, bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Some(offset) = offset {
        headers.insert(X_OFFSET, HeaderValue::from(offset));
    }
    Ok(response)
}

/// # Errors
/// 422 for a limit that no page has.
pub(super) fn page_limit(limit: Option<usize>) -> Result<usize, Problem> {
    match limit {
        None => Ok(PAGE_LIMIT_DEFAULT),
        Some(limit) if (1..=PAGE_LIMIT_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::field(
            "limit",
            format!("must be 1 to {PAGE_LIMIT_MAX}"),
        )),
    }
}
