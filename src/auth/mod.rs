//! Who is calling, and what they may do: JWT → [`Principal`] (`token`), and the permission table,
//! once (`permissions`). `tickets` stand in for a token once, where none can be sent; `links` hand one on.
//!
//! Used by both doors. Knows no routes and no axum.

mod links;
mod permissions;
mod tickets;
mod token;

use std::sync::Arc;

use thiserror::Error;

pub use links::{Grant, LINK_LIFE, LINK_LIFE_MAX, LINK_USES_MAX, Links, LinksError};
pub use permissions::{Action, Standing};
pub use tickets::{TICKET_LIFE, Tickets, TicketsError};
pub use token::{Authenticator, Claims, LEEWAY_SECONDS, TOKEN_BYTES_MAX, mint};

use crate::events::{
    event::DoorRole,
    ids::{DoorTokenId, GatheringId},
    time::Timestamp,
};

/// The cookie that `POST /api/session/` sets; it holds the token.
pub const SESSION_COOKIE: &str = "doorbook_session";
/// Shortest HS256 secret, bytes.
pub const SECRET_BYTES_MIN: usize = 32;
/// Longest `sub`, characters: user ids on a service team have the same limit.
pub const SUBJECT_CHARS_MAX: usize = 128;

/// A verified caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token's `sub`.
    pub id: Arc<str>,
    pub name: Option<Arc<str>>,
    pub superuser: bool,
    /// Holds the role `creator`: may create gatherings.
    pub creator: bool,
    pub auditor: bool,
    /// A door token: good for one gathering alone.
    pub door: Option<(GatheringId, DoorRole)>,
    pub expires_at: Timestamp,
    pub jti: Option<Arc<str>>,
}

impl Principal {
    /// Which door token this is, if it is one that may have been minted here: the gathering's row knows
    /// whether it has been revoked.
    #[must_use]
    pub fn door_token(&self) -> Option<(GatheringId, DoorTokenId)> {
        let (gathering, _) = self.door?;
        Some((gathering, self.jti.as_deref()?.parse().ok()?))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthError {
    #[error("no token: send Authorization: Bearer <JWT>")]
    Missing,
    #[error("the token has expired: get a new one")]
    Expired,
    #[error("the token has been revoked: ask the event's creator for a new one")]
    Revoked,
    #[error("the token is not valid: {0}")]
    Invalid(String),
}

impl AuthError {
    /// The stable word that both doors answer with.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Expired => "token_expired",
            Self::Revoked => "token_revoked",
            Self::Invalid(_) => "token_invalid",
        }
    }
}

/// Whether a browser page of this `Origin` may act with the caller's cookie: the server's own host, or
/// one of the allowed origins (lower case, as the configuration keeps them).
#[must_use]
pub fn origin_allowed(origin: &str, host: Option<&str>, allowed: &[String]) -> bool {
    let origin = origin.to_ascii_lowercase();
    let (authority, default_port) = match origin.split_once("://") {
        Some(("https", authority)) => (authority, ":443"),
        Some(("http", authority)) => (authority, ":80"),
        _ => return false,
    };
    let own = host.is_some_and(|host| {
        let host = host.to_ascii_lowercase();
        host.strip_suffix(default_port).unwrap_or(&host) == authority
    });
    own || allowed.contains(&origin)
}
