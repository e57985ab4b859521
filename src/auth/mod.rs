//! Who is calling, and what they may do: JWT → [`Principal`] (`token`), and the permission table,
//! once (`permissions`).
//!
//! Used by both doors. Knows no routes and no axum.

mod permissions;
mod token;

use std::sync::Arc;

use thiserror::Error;

pub use permissions::{Action, Standing};
pub use token::{Authenticator, Claims, LEEWAY_SECONDS, TOKEN_BYTES_MAX, mint};

use crate::events::{event::DoorRole, ids::GatheringId, time::Timestamp};

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

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthError {
    #[error("no token: send Authorization: Bearer <JWT>")]
    Missing,
    #[error("the token has expired: get a new one")]
    Expired,
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
