//! The views as operators see them: where they are, and rebuilding one.

use axum::{
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    App,
    answer::{self, Page},
    caller::Caller,
    extract::{OptionalJson, path_parameter},
    problem::Problem,
};
use crate::projections::views::{ProjectionStatus, RebuildProgress};

/// `{name}` of a projection.
pub(super) struct Named(String);

impl FromRequestParts<App> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        path_parameter(parts, app, "name")
            .await
            .map(Self)
            .ok_or_else(Problem::internal)
    }
}

/// One page: there are only ever a few.
#[derive(Serialize, ToSchema)]
pub(super) struct Projections {
    results: Vec<ProjectionStatus>,
    next: Option<String>,
}

/// Where every view is
#[utoipa::path(get, path = "/api/admin/projections", tag = "admin", responses(
    (status = 200, description = "Name, version, offset and lag of each", body = Projections),
))]
pub(super) async fn list(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    superuser(&caller)?;
    answer::ok(&Page {
        results: app.views.projections(),
        next: None,
    })
}

/// Rebuild a view from the first event, beside the live one
#[utoipa::path(post, path = "/api/admin/projections/{name}/rebuild", tag = "admin",
    params(("name" = String, Path, description = "participants, dashboard, history, integrity")),
    responses(
        (status = 202, description = "Under way", body = RebuildProgress),
        (status = 404, description = "No projection has this name", body = super::problem::Body, content_type = "application/problem+json"),
        (status = 409, description = "A rebuild is under way", body = super::problem::Body, content_type = "application/problem+json"),
    ))]
pub(super) async fn rebuild(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named,
    // Read although there is nothing in it: hyper would otherwise close the connection of a client
    // that sends its body behind its header.
    OptionalJson(Nothing {}): OptionalJson<Nothing>,
) -> Result<Response, Problem> {
    superuser(&caller)?;
    app.views.start_rebuild(&name)?;
    // The view's state is what the rebuild works from, so its offset is what the caller may wait for.
    answer::done(
        StatusCode::ACCEPTED,
        &app.views.rebuild_progress(&name)?,
        app.log.head(),
    )
}

/// How far a rebuild is
#[utoipa::path(get, path = "/api/admin/projections/{name}/rebuild", tag = "admin",
    params(("name" = String, Path, description = "participants, dashboard, history, integrity")),
    responses(
        (status = 200, description = "Progress of the last rebuild", body = RebuildProgress),
        (status = 404, description = "No projection has this name", body = super::problem::Body, content_type = "application/problem+json"),
        (status = 409, description = "There has been none", body = super::problem::Body, content_type = "application/problem+json"),
    ))]
pub(super) async fn progress(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named,
) -> Result<Response, Problem> {
    superuser(&caller)?;
    answer::ok(&app.views.rebuild_progress(&name)?)
}

/// Give up a rebuild; the live view stays as it is
#[utoipa::path(delete, path = "/api/admin/projections/{name}/rebuild", tag = "admin",
    params(("name" = String, Path, description = "participants, dashboard, history, integrity")),
    responses(
        (status = 200, description = "Cancelled", body = RebuildProgress),
        (status = 404, description = "No projection has this name", body = super::problem::Body, content_type = "application/problem+json"),
        (status = 409, description = "None is under way", body = super::problem::Body, content_type = "application/problem+json"),
    ))]
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named,
) -> Result<Response, Problem> {
    superuser(&caller)?;
    app.views.cancel_rebuild(&name)?;
    answer::done(
        StatusCode::OK,
        &app.views.rebuild_progress(&name)?,
        app.log.head(),
    )
}

/// The table's row is about no gathering in particular, so there is no standing to ask.
fn superuser(caller: &Caller) -> Result<(), Problem> {
    if caller.principal.superuser {
        Ok(())
    } else {
        Err(Problem::forbidden("only superusers may do this"))
    }
}

/// A body with no fields.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}
