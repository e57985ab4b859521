//! Links that sign in: made for whoever asks, or for a token that they hand on, and exchanged in
//! `session` for the cookie. What they are and how many there may be is in [`crate::auth`].

use std::time::{Duration, Instant};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    App, answer,
    caller::{self, Caller, verified},
    extract::OptionalJson,
    problem::Problem,
};
use crate::{
    auth::{Grant, LINK_LIFE, LINK_LIFE_MAX, LINK_USES_MAX, LinksError},
    events::time::Timestamp,
};

/// When a caller with too many links should come back.
const RETRY_AFTER: Duration = Duration::from_secs(60);
const MINUTES_MAX: u64 = LINK_LIFE_MAX.as_secs() / 60;

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkBody {
    /// A token to hand on instead of the caller's own, such as a new door token.
    token: Option<String>,
    /// How often it signs in; else once. More than once: only for superusers.
    #[schema(minimum = 1, maximum = 1000)]
    uses: Option<u32>,
    /// How long it is good for; else 10, or as long as the token. More than that: only for superusers.
    #[schema(minimum = 1, maximum = 10080)]
    minutes: Option<u64>,
}

/// `<this server>/sign-in#link=<link>` opens the pages, signed in.
#[derive(Serialize, ToSchema)]
pub(super) struct Link {
    link: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A link that signs in once
///
/// Its code goes into `POST /api/session`, from the pages' `/sign-in#link=…`. Whoever follows it holds the
/// caller's own rights, or those of the `token` in the body. Kept in memory alone: a restart forgets it.
#[utoipa::path(post, path = "/api/session/link", tag = "session", request_body = Option<LinkBody>, responses(
    (status = 201, description = "A link", body = Link),
))]
pub(super) async fn issue(
    State(app): State<App>,
    headers: HeaderMap,
    caller: Caller,
    OptionalJson(body): OptionalJson<LinkBody>,
) -> Result<Response, Problem> {
    let uses = body.uses.unwrap_or(1);
    if !(1..=LINK_USES_MAX).contains(&uses) {
        let rule = format!("must be 1 to {LINK_USES_MAX}");
        return Err(Problem::field("uses", rule));
    }
    let minutes = body.minutes.unwrap_or(LINK_LIFE.as_secs() / 60);
    if !(1..=MINUTES_MAX).contains(&minutes) {
        let rule = format!("must be 1 to {MINUTES_MAX}");
        return Err(Problem::field("minutes", rule));
    }
    let asked = Duration::from_secs(minutes * 60);
    if (uses > 1 || asked > LINK_LIFE) && !caller.principal.superuser {
        return Err(Problem::forbidden(
            "only superusers may have links for more than one use or more than 10 minutes",
        ));
    }
    let (token, until) = match body.token {
        Some(token) => {
            let until = handed_on(&app, &token, caller.now)?;
            (token, until)
        }
        None => {
            let own = caller::token(&headers)?.to_owned();
            (own, caller.principal.expires_at)
        }
    };
    let life = asked.min(left(until, caller.now));
    let grant = Grant { token, uses, life };
    let issued = (app.links).issue(caller.principal.id, grant, Instant::now());
    let seconds = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
    answer::created(&Link {
        link: issued.map_err(too_many)?,
        expires_at: caller.now.plus_seconds(seconds),
    })
}

/// The token of a link, which is used from now on.
///
/// # Errors
/// 401 when it is unknown, was used, or has expired; nobody is told which.
pub(super) fn redeem(app: &App, link: &str) -> Result<String, Problem> {
    app.links.redeem(link, Instant::now()).ok_or_else(|| {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "link_invalid",
            "the sign-in link is unknown, has expired, or was used: ask whoever gave it to you for a new one",
        )
    })
}

/// Until when a token is good that the caller hands on.
///
/// # Errors
/// 422 when it is not good now: the caller themselves are signed in.
fn handed_on(app: &App, token: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    let principal = verified(app, token, now);
    principal.map(|it| it.expires_at).map_err(|problem| {
        let reason = problem.into_body().detail;
        Problem::field("token", reason)
    })
}

fn left(until: Timestamp, now: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(until.0 - now.0).unwrap_or(0))
}

fn too_many(error: LinksError) -> Problem {
    match error {
        LinksError::TooManyOfYours | LinksError::TooMany => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_links",
            format!("{error}: ask again when some were used or have expired"),
        )
        .retry_after(RETRY_AFTER),
        LinksError::NoRandom => {
            tracing::error!(%error, "no link could be made");
            Problem::internal()
        }
    }
}
