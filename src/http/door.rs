//! What every request passes, streams included: an id, a time limit, a net under panics, a count,
//! and the headers that every answer carries.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, uri::PathAndQuery,
    },
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use uuid::Uuid;

use super::{App, answer::X_OFFSET, problem::Problem};
use crate::events::ids::CorrelationId;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_BYTES_MAX: usize = 64;

/// The caller's `X-Request-Id` when it is usable, else one of ours.
#[derive(Clone)]
pub(super) struct RequestId {
    text: HeaderValue,
    uuid: Uuid,
}

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(X_REQUEST_ID).filter(|value| {
            (1..=REQUEST_ID_BYTES_MAX).contains(&value.len())
                && value.as_bytes().iter().all(u8::is_ascii_graphic)
        });
        match given {
            Some(text) => Self {
                uuid: Uuid::try_parse_ascii(text.as_bytes()).unwrap_or_else(|_| Uuid::now_v7()),
                text: text.clone(),
            },
            None => Self::new(Uuid::now_v7()),
        }
    }

    fn new(uuid: Uuid) -> Self {
        let mut buffer = Uuid::encode_buffer();
        let text = HeaderValue::from_str(uuid.hyphenated().encode_lower(&mut buffer));
        Self {
            text: text.unwrap_or(HeaderValue::from_static("none")),
            uuid,
        }
    }

    pub(super) fn correlation(&self) -> CorrelationId {
        CorrelationId::from_bytes(*self.uuid.as_bytes())
    }

    fn as_str(&self) -> &str {
        self.text.to_str().unwrap_or_default()
    }
}

pub(super) async fn pass(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let patience = if route == super::import::ROUTE {
        app.settings.import_timeout
    } else {
        app.settings.handler_timeout
    };
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let mut response = guarded(request, next, patience, &id, route).await;
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.text);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    if is_command(&method, route, status) {
        // Whatever the answer rests on is at or before the head.
        headers
            .entry(X_OFFSET)
            .or_insert_with(|| HeaderValue::from(app.log.head()));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    app.metrics
        .request(route, response.status(), started.elapsed());
    response
}

/// Whether an answer is one to a command of a caller we know. Those that recorded nothing carry
/// `X-Offset` too, so that a client can read on from there without looking at the status first.
fn is_command(method: &Method, route: &str, status: StatusCode) -> bool {
    let unknown_caller = status == StatusCode::UNAUTHORIZED;
    route.starts_with("/api/events")
        && !method.is_safe()
        && !unknown_caller
        && status != StatusCode::METHOD_NOT_ALLOWED
}

async fn guarded(
    request: Request,
    next: Next,
    patience: Duration,
    id: &RequestId,
    route: &str,
) -> Response {
    // Nothing that a handler can leave half done is reachable after a panic: state behind locks
    // belongs to the log, the write models and the views, which keep their own invariants.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!(
                request_id = id.as_str(),
                route,
                "a request ended in a panic"
            );
            Problem::internal()
                .with("request_id", id.as_str())
                .into_response()
        }
        Err(_) => {
            tracing::warn!(request_id = id.as_str(), route, "a request took too long");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "timeout",
                "the answer took too long; a command may still have happened: send it again with the same scan_id or Idempotency-Key",
            )
            .retry_after(Duration::from_secs(1))
            .into_response()
        }
    }
}

pub(super) async fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "nothing is here; /docs lists what there is",
    )
}

pub(super) async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not take this method; the Allow header lists those it takes",
    )
}

/// Every path works with and without its trailing slash. The documentation's own pages keep theirs,
/// since they find their files beside them.
pub fn without_trailing_slash(uri: &mut Uri) {
    let path = uri.path();
    if path.len() <= 1 || !path.ends_with('/') || path.starts_with("/docs/") {
        return;
    }
    let trimmed = &path[..path.len() - 1];
    let target = match uri.query() {
        Some(query) => format!("{trimmed}?{query}"),
        None => trimmed.to_owned(),
    };
    if let Ok(target) = PathAndQuery::try_from(target) {
        let mut parts = std::mem::take(uri).into_parts();
        parts.path_and_query = Some(target);
        // Only the path was shortened, so the parts still fit together.
        *uri = Uri::from_parts(parts).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trailing_slash_goes_and_the_query_stays() {
        for (from, to) in [
            ("/", "/"),
            ("/api/events/", "/api/events"),
            ("/api/events", "/api/events"),
            ("/api/events/?q=a/b/", "/api/events?q=a/b/"),
            ("/api/events//", "/api/events/"),
            ("/docs/", "/docs/"),
        ] {
            let mut uri: Uri = from.parse().unwrap();
            without_trailing_slash(&mut uri);
            assert_eq!(uri.to_string(), to);
        }
    }

    #[test]
    fn a_request_id_is_taken_when_it_is_short_visible_ascii() {
        let with = |value: &'static [u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
            RequestId::of(&headers).text
        };
        assert_eq!(with(b"abc-1"), "abc-1");
        assert_ne!(with(b"a b"), "a b");
        assert_eq!(with(b"").len(), 36);
        assert_eq!(with(&[b'x'; 65]).len(), 36);
        assert_eq!(with(&[0xE4]).len(), 36);
    }

    #[tokio::test]
    async fn a_panic_and_a_slow_handler_are_problems_like_every_other() {
        use axum::{Router, body::Body, routing::get};
        use tower::ServiceExt as _;

        let app = App::for_tests();
        let broken = Router::new()
            .route(
                "/panics",
                get(|| async { panic!("with a secret") as Problem }),
            )
            .route("/waits", get(std::future::pending::<Problem>));
        let router = super::super::router(app, broken);
        for (path, status, code) in [("/panics", 500, "internal"), ("/waits", 503, "timeout")] {
            let request = Request::get(path).header("x-request-id", "r1");
            let answer = router
                .clone()
                .oneshot(request.body(Body::empty()).unwrap())
                .await
                .unwrap();
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            assert_eq!(answer.headers()["x-request-id"], "r1");
            let bytes = axum::body::to_bytes(answer.into_body(), 4096)
                .await
                .unwrap();
            let body: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(body["code"], code);
            assert!(!body.to_string().contains("secret"));
        }
    }
}
