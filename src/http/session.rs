//! The session cookie: a token that a browser page cannot read and need not keep. And one-time tickets,
//! for streams that can send neither cookie nor header.

use std::time::{Duration, Instant};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    App, answer,
    caller::{Caller, bearer, from_own_page, verified},
    extract::OptionalJson,
    problem::Problem,
    sign_in_link,
};
use crate::{
    auth::{AuthError, Principal, SESSION_COOKIE, TicketsError},
    events::time::Timestamp,
};

/// When a caller with too many tickets should come back, s.
const TICKETS_RETRY_AFTER: Duration = Duration::from_secs(5);

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionBody {
    /// The JWT; may be sent as `Authorization: Bearer` instead.
    token: Option<String>,
    /// The code of a sign-in link, instead of a token.
    link: Option<String>,
}

/// Who is signed in now.
#[derive(Serialize, ToSchema)]
pub(super) struct Session {
    sub: String,
    name: Option<String>,
    #[schema(value_type = Vec<String>)]
    roles: Vec<&'static str>,
    /// For a door token: the gathering it is good for.
    #[schema(value_type = Option<String>, format = Uuid)]
    event_id: Option<crate::events::ids::GatheringId>,
    door_role: Option<crate::events::event::DoorRole>,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl Session {
    fn of(principal: &Principal) -> Self {
        let held = [
            ("superuser", principal.superuser),
            ("creator", principal.creator),
            ("auditor", principal.auditor),
        ];
        Self {
            sub: principal.id.to_string(),
            name: principal.name.as_deref().map(str::to_owned),
            roles: held
                .into_iter()
                .filter_map(|(role, has)| has.then_some(role))
                .collect(),
            event_id: principal.door.map(|(gathering, _)| gathering),
            door_role: principal.door.map(|(_, role)| role),
            expires_at: principal.expires_at,
        }
    }
}

/// Goes into `?ticket=` of a stream.
#[derive(Serialize, ToSchema)]
pub(super) struct Ticket {
    ticket: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Sign in: puts the token into a cookie
///
/// The token itself, or the code of a link from `POST /api/session/link`. `doorbook_session`, `HttpOnly`, `SameSite=Strict`, and `Secure` when the page came by https.
#[utoipa::path(post, path = "/api/session", tag = "session", request_body = Option<SessionBody>, responses(
    (status = 200, description = "Signed in; sets the cookie", body = Session),
))]
pub(super) async fn sign_in(
    State(app): State<App>,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<SessionBody>,
) -> Result<Response, Problem> {
    // A foreign page must not sign its visitor in as somebody else.
    if headers.contains_key(header::ORIGIN) && !from_own_page(&headers, &app) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "cross_site",
            "sessions start only from this server's own pages or allowed origins",
        ));
    }
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = match (body.link, body.token) {
        (Some(_), Some(_)) => {
            return Err(Problem::field("link", "give a link or a token, not both"));
        }
        (Some(link), None) => sign_in_link::redeem(&app, &link)?,
        (None, Some(token)) => token,
        (None, None) => authorization
            .and_then(bearer)
            .ok_or(AuthError::Missing)?
            .to_owned(),
    };
    let now = Timestamp::now();
    let principal = verified(&app, &token, now)?;
    let seconds = (principal.expires_at.0 - now.0).max(0) / 1_000_000;
    let cookie = cookie(&token, seconds, &headers)?;
    let mut response = answer::ok(&Session::of(&principal))?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

/// Who is signed in
///
/// What `POST` answered, for whoever calls, by cookie or by header: a page that is loaded anew asks here.
#[utoipa::path(get, path = "/api/session", tag = "session", responses(
    (status = 200, description = "Who is signed in", body = Session),
))]
pub(super) async fn show(caller: Caller) -> Result<Response, Problem> {
    answer::ok(&Session::of(&caller.principal))
}

/// Sign out: takes the cookie away
#[utoipa::path(delete, path = "/api/session", tag = "session", security(()), responses((status = 204, description = "Signed out")))]
pub(super) async fn sign_out(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if headers.contains_key(header::ORIGIN) && !from_own_page(&headers, &app) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "cross_site",
            "sessions end only from this server's own pages or allowed origins",
        ));
    }
    let cookie = cookie("", 0, &headers)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// A ticket for one stream: `?ticket=` instead of a token
///
/// Good once, for 30 s, for whoever asks here, and only as long as their token. It is used up by the first
/// connect that shows it, whatever becomes of that. Kept in memory alone: a restart forgets it.
#[utoipa::path(post, path = "/api/session/ticket", tag = "session", responses(
    (status = 201, description = "A ticket", body = Ticket),
))]
pub(super) async fn ticket(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let issued = app.tickets.issue(caller.principal, Instant::now());
    let ticket = issued.map_err(|error| match error {
        TicketsError::TooManyOfYours | TicketsError::TooMany => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_tickets",
            format!("{error}: ask again when they have expired"),
        )
        .retry_after(TICKETS_RETRY_AFTER),
        TicketsError::NoRandom => {
            tracing::error!(%error, "no ticket could be made");
            Problem::internal()
        }
    })?;
    let life = i64::try_from(app.tickets.life().as_secs()).unwrap_or(i64::MAX);
    let body = Ticket {
        ticket,
        expires_at: caller.now.plus_seconds(life),
    };
    answer::created(&body)
}

fn cookie(token: &str, seconds: i64, headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let starts = |name: &str, with: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.starts_with(with))
    };
    let secure = starts("origin", "https://") || starts("x-forwarded-proto", "https");
    let text = format!(
        "{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{}",
        if secure { "; Secure" } else { "" }
    );
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| AuthError::Invalid("it cannot stand in a cookie".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
