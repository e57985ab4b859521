//! Who is calling, and what they are to the gathering at hand. The rights themselves are the table
//! in [`crate::auth`].

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
};

use super::{App, VIEW_PATIENCE, door::RequestId, problem::Problem};
use crate::{
    auth::{Action, AuthError, Principal, SESSION_COOKIE, Standing, origin_allowed},
    commands::Context,
    events::{
        ids::{Code, CommandId, CorrelationId, GatheringId, Offset},
        time::Timestamp,
    },
    projections::dashboard::Row,
};

/// A verified caller of this request. Reads have waited for `X-Min-Offset` by the time it exists.
pub(super) struct Caller {
    pub(super) principal: Principal,
    pub(super) now: Timestamp,
    correlation: CorrelationId,
}

/// A gathering as the caller stands to it.
pub(super) struct Seat {
    pub(super) id: GatheringId,
    pub(super) row: Arc<Row>,
    pub(super) standing: Standing,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let now = Timestamp::now();
        let principal = identify(&parts.headers, &parts.method, app, now)?;
        if parts.method.is_safe() {
            wait_for_min_offset(&parts.headers, app).await?;
        }
        let correlation = parts
            .extensions
            .get::<RequestId>()
            .map_or_else(CorrelationId::generate, RequestId::correlation);
        Ok(Self {
            principal,
            now,
            correlation,
        })
    }
}

impl Caller {
    /// The gathering, if the caller may see it.
    ///
    /// # Errors
    /// 404 otherwise.
    pub(super) fn seat(&self, app: &App, gathering: GatheringId) -> Result<Seat, Problem> {
        let seat = self
            .any_seat(app, gathering)
            .ok_or_else(Problem::unknown_event)?;
        if seat.standing.sees_gathering() {
            Ok(seat)
        } else {
            Err(Problem::unknown_event())
        }
    }

    /// The gathering, whether or not the caller may see it.
    pub(super) fn any_seat(&self, app: &App, gathering: GatheringId) -> Option<Seat> {
        let row = app.views.row(gathering)?;
        let principal = &self.principal;
        let is_creator = row.details.creator == principal.id;
        let role = row.team.get(&principal.id).copied();
        let standing = principal.standing(gathering, is_creator, role);
        Some(Seat {
            id: gathering,
            row,
            standing,
        })
    }

    /// The gathering of a ticket.
    ///
    /// # Errors
    /// 404 `unknown_code` for a stranger, exactly as for a code that nobody has.
    pub(super) fn seat_of_ticket(&self, app: &App, code: &Code) -> Result<Seat, Problem> {
        app.log
            .gathering_of_code(code)
            .and_then(|gathering| self.any_seat(app, gathering))
            .filter(|seat| seat.standing.sees_gathering())
            .ok_or_else(Problem::unknown_code)
    }

    /// # Errors
    /// 403 when the permission table says no.
    pub(super) fn require(&self, seat: &Seat, action: Action) -> Result<(), Problem> {
        if self.principal.may(seat.standing, action) {
            Ok(())
        } else {
            Err(Problem::forbidden(needs(action)))
        }
    }

    pub(super) fn context(&self, standing: Standing, command_id: Option<CommandId>) -> Context {
        Context {
            actor_id: Arc::clone(&self.principal.id),
            actor_role: standing.actor_role(),
            actor_name: self.principal.name.clone(),
            correlation: self.correlation,
            command_id,
            now: self.now,
        }
    }
}

/// The `Authorization` header, else the session cookie.
fn identify(
    headers: &HeaderMap,
    method: &Method,
    app: &App,
    now: Timestamp,
) -> Result<Principal, Problem> {
    let token = token(headers)?;
    // A browser sends the cookie along with any page's request; the page must be one of ours.
    let by_cookie = !headers.contains_key(header::AUTHORIZATION);
    if by_cookie && !method.is_safe() && !from_own_page(headers, app) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "cross_site",
            "with the session cookie, changes are taken only from this server's own pages or allowed origins",
        ));
    }
    verified(app, token, now)
}

/// The token that the request was sent with, as it is.
///
/// # Errors
/// When there is none, or the header is not as it should be.
pub(super) fn token(headers: &HeaderMap) -> Result<&str, AuthError> {
    match headers.get(header::AUTHORIZATION) {
        Some(value) => value.to_str().ok().and_then(bearer).ok_or_else(|| {
            AuthError::Invalid("the header must be Authorization: Bearer <JWT>".to_owned())
        }),
        None => cookie(headers, SESSION_COOKIE).ok_or(AuthError::Missing),
    }
}

/// # Errors
/// 401 for a bad token, and for a door token that has been revoked.
pub(super) fn verified(app: &App, token: &str, now: Timestamp) -> Result<Principal, Problem> {
    let principal = app.auth.verify(token, now)?;
    match principal.door_token() {
        Some((gathering, jti)) if app.views.door_token_revoked(gathering, jti) => {
            Err(AuthError::Revoked.into())
        }
        _ => Ok(principal),
    }
}

/// # Errors
/// 422 when the header is no offset, 503 when the views do not get there in time.
async fn wait_for_min_offset(headers: &HeaderMap, app: &App) -> Result<(), Problem> {
    let Some(value) = headers.get("x-min-offset") else {
        return Ok(());
    };
    let offset: Offset = value
        .to_str()
        .ok()
        .filter(|text| !text.starts_with('+'))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Problem::field("X-Min-Offset", "must be an offset, such as 42"))?;
    Ok(app.views.wait_for(offset, VIEW_PATIENCE).await?)
}

pub(super) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

pub(super) fn from_own_page(headers: &HeaderMap, app: &App) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match headers.get(header::ORIGIN) {
        Some(origin) => origin.to_str().is_ok_and(|origin| {
            origin_allowed(origin, text(header::HOST), &app.settings.allowed_origins)
        }),
        // Every browser marks what a page sends to another site with one of the two headers, so a
        // request with neither was not made by a foreign page.
        None => headers
            .get("sec-fetch-site")
            .is_none_or(|site| site == "same-origin" || site == "none"),
    }
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
}

const fn needs(action: Action) -> &'static str {
    match action {
        Action::ChangeGathering => "only the event's creator may do this",
        Action::Register => "only the event's creator and supervisors may do this",
        Action::Scan | Action::UndoOwn => "only the event's staff may do this",
        Action::UndoAny | Action::UndoWithReason => "ask a supervisor to undo this",
        Action::Override => "only a supervisor may override a refusal",
        Action::CancelRegistration => {
            "only the event's creator and supervisors may cancel a registration"
        }
        Action::ReadParticipants => "only the event's staff and auditors may read participants",
        Action::ReadHistory => {
            "only the event's creator, supervisors and auditors may read its history"
        }
        Action::ExportPerson => {
            "only superusers, the event's creator and whoever registered themselves may do this"
        }
        Action::Administer => "only superusers may do this",
    }
}
