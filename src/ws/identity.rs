//! Who opens a stream: session cookie with an allowed `Origin`, then `Authorization`, then the
//! subprotocol `bearer.<JWT>`, then a one-time `?ticket=`. Never a token in the URL, which ends up in
//! logs and histories; a ticket that ends up there has been used by then.
//!
//! A browser sends cookies to any page's WebSocket, so the `Origin` decides before anything else. It
//! leaves it out where a page reads from its own server (`EventSource`), and says so otherwise
//! (`Sec-Fetch-Site`), which no page can forge.

use std::time::Instant;

use axum::http::{HeaderMap, StatusCode, header};

use crate::{
    auth::{AuthError, LEEWAY_SECONDS, Principal, SESSION_COOKIE, origin_allowed},
    events::time::Timestamp,
};

use super::{Streams, feed_reader::door_is_shut, problem::Problem};

/// The one subprotocol that is ever echoed.
pub(crate) const SUBPROTOCOL: &str = "doorbook.v1";
const BEARER_SUBPROTOCOL: &str = "bearer.";
/// Query names that look like a token in the URL.
const TOKEN_QUERY_NAMES: [&str; 5] = ["token", "access_token", "jwt", "bearer", "authorization"];

/// # Errors
/// 401 or 403; says what to send, never what was sent.
pub(crate) fn identify(
    headers: &HeaderMap,
    query: &[(String, String)],
    streams: &Streams,
    now: Timestamp,
) -> Result<Principal, Problem> {
    if query.iter().any(|(name, _)| is_token_name(name)) {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "token_in_url",
            "never put a token in the URL: send Authorization: Bearer <JWT>, or the subprotocols doorbook.v1, bearer.<JWT>",
        ));
    }
    let from_own_page = check_origin(headers, &streams.0.allowed_origins)?;
    let cookie = session_cookie(headers);
    let mut refused = match (&cookie, from_own_page) {
        (Some(_), false) => Some(Problem::new(
            StatusCode::FORBIDDEN,
            "origin_required",
            "a session cookie counts only from this server's own pages, which send Origin or Sec-Fetch-Site: same-origin; other clients send Authorization: Bearer <JWT>",
        )),
        _ => None,
    };
    let cookie = cookie.filter(|_| from_own_page);
    // A stale cookie must not lock out a caller who also brings a good token.
    for token in [cookie, authorization(headers), bearer_subprotocol(headers)]
        .into_iter()
        .flatten()
    {
        match verified(streams, token, now) {
            Ok(principal) => return Ok(principal),
            Err(error) => refused = Some(refused.unwrap_or_else(|| error.into())),
        }
    }
    if let Some(ticket) = ticket(query)? {
        return redeemed(streams, ticket, now);
    }
    Err(refused.unwrap_or_else(|| AuthError::Missing.into()))
}

/// A token that is good, and has not been taken back if it is a door's.
///
/// # Errors
/// Says what is wrong with it.
pub(crate) fn verified(
    streams: &Streams,
    token: &str,
    now: Timestamp,
) -> Result<Principal, AuthError> {
    let principal = streams.0.authenticator.verify(token, now)?;
    unless_revoked(streams, principal)
}

/// Whether the client offers the one subprotocol that we speak.
pub(crate) fn offers_subprotocol(headers: &HeaderMap) -> bool {
    subprotocols(headers).any(|offered| offered == SUBPROTOCOL)
}

fn unless_revoked(streams: &Streams, principal: Principal) -> Result<Principal, AuthError> {
    if door_is_shut(&streams.0.views, &principal) {
        return Err(AuthError::Revoked);
    }
    Ok(principal)
}

/// From here on the ticket is used up, whatever else may be wrong with the request: what has stood in a
/// URL is good for nothing more. Its token may have expired or been revoked since it was made.
fn redeemed(streams: &Streams, ticket: &str, now: Timestamp) -> Result<Principal, Problem> {
    let principal = (streams.0.tickets)
        .redeem(ticket, Instant::now())
        .ok_or_else(ticket_invalid)?;
    if principal.expires_at.plus_seconds(LEEWAY_SECONDS) < now {
        return Err(AuthError::Expired.into());
    }
    Ok(unless_revoked(streams, principal)?)
}

fn ticket(query: &[(String, String)]) -> Result<Option<&str>, Problem> {
    let mut given = query.iter().filter(|(name, _)| name == "ticket");
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some((_, ticket)), None) => Ok(Some(ticket)),
        (Some(_), Some(_)) => Err(ticket_invalid()),
    }
}

fn ticket_invalid() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "ticket_invalid",
        "the ticket is unknown, has expired, or was used: get a new one from POST /api/session/ticket/, for each connect",
    )
}

fn is_token_name(name: &str) -> bool {
    TOKEN_QUERY_NAMES
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a page of ours asks; an `Origin` that is not allowed is refused whatever else is sent.
fn check_origin(headers: &HeaderMap, allowed_origins: &[String]) -> Result<bool, Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        let site = headers.get("sec-fetch-site");
        return Ok(site.is_some_and(|site| site == "same-origin"));
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if origin
        .to_str()
        .is_ok_and(|origin| origin_allowed(origin, host, allowed_origins))
    {
        return Ok(true);
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "origin_not_allowed",
        "pages of this origin may not open streams: add it to the allowed origins of the server",
    ))
}

fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, _)| *name == SESSION_COOKIE)
        .map(|(_, token)| token.trim_matches('"'))
        .filter(|token| !token.is_empty())
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn bearer_subprotocol(headers: &HeaderMap) -> Option<&str> {
    subprotocols(headers).find_map(|offered| offered.strip_prefix(BEARER_SUBPROTOCOL))
}

fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|offered| offered.to_str().ok())
        .flat_map(|offered| offered.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            "a=b; doorbook_session=x.y.z; c=d".parse().unwrap(),
        );
        assert_eq!(session_cookie(&headers), Some("x.y.z"));
        headers.insert(
            header::COOKIE,
            "doorbook_session=; doorbook=1".parse().unwrap(),
        );
        assert_eq!(session_cookie(&headers), None);
    }

    #[test]
    fn the_subprotocols_bring_the_token_and_only_the_first_is_ours() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::SEC_WEBSOCKET_PROTOCOL,
            "doorbook.v1, bearer.x.y.z".parse().unwrap(),
        );
        assert!(offers_subprotocol(&headers));
        assert_eq!(bearer_subprotocol(&headers), Some("x.y.z"));
    }
}
