//! Whether the process lives (`/healthz`), and whether to send it clients (`/readyz`). No token needed.

use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{App, answer, problem::Problem};
use crate::projections::{integrity, views::ProjectionStatus};

/// A view further behind than this is not caught up, events.
const READY_LAG_EVENTS_MAX: u64 = 10_000;

#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    #[schema(value_type = String)]
    status: &'static str,
}

/// Whether the process lives
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()), responses((status = 200, description = "It does", body = Health)))]
pub(super) async fn healthz() -> Result<Response, Problem> {
    answer::ok(&Health { status: "ok" })
}

/// Whether to send clients here
///
/// 503 `not_ready` with `reasons` while it drains, after a failed write, or while views catch up.
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()), responses(
    (status = 200, description = "Ready", body = Health),
    (status = 503, description = "Not ready, with `reasons`", body = super::problem::Body, content_type = "application/problem+json"),
))]
pub(super) async fn readyz(State(app): State<App>) -> Result<Response, Problem> {
    let reasons = not_ready(&app);
    if reasons.is_empty() {
        return answer::ok(&Health { status: "ready" });
    }
    Err(Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not_ready",
        reasons.join("; "),
    )
    .with("reasons", reasons))
}

/// Why no clients should be sent here; empty when they may.
pub(super) fn not_ready(app: &App) -> Vec<String> {
    let mut reasons = Vec::new();
    if app.is_draining() {
        reasons.push("the server is stopping".to_owned());
    }
    if app.log.poisoned().is_some() {
        reasons.push("the log takes no more events until a restart".to_owned());
    }
    // Who waits at a door does not wait for proofs.
    let needed = |status: &ProjectionStatus| status.name != integrity::NAME;
    for status in app.views.projections().into_iter().filter(needed) {
        if status.error.is_some() {
            reasons.push(format!("{} cannot read the log", status.name));
        } else if status.lag > READY_LAG_EVENTS_MAX {
            reasons.push(format!("{} is {} events behind", status.name, status.lag));
        }
    }
    reasons
}
