//! `doorbook token`: signs a token with the HS256 secret of a data directory, or with DOORBOOK_JWT_SECRET.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use doorbook::{
    auth::{self, Claims},
    config::{self, Secret},
    events::{event::DoorRole, ids::GatheringId, time::Timestamp},
};
use serde_json::json;

use crate::{failure::Failure, output, server::Server};

const SECRET_VARIABLE: &str = "DOORBOOK_JWT_SECRET";
const TTL_DEFAULT: &str = "12h";
/// Longest life of a token, seconds: ten years.
const TTL_SECONDS_MAX: i64 = 10 * 365 * 24 * 3600;

/// Mint a token
///
/// The secret is DOORBOOK_JWT_SECRET when that is set, else the one in the data directory.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// Whose token: the user's id
    #[arg(long, value_name = "USER")]
    sub: String,
    /// What the user may do everywhere; may be given more than once
    #[arg(long, value_enum)]
    role: Vec<Role>,
    /// A door token: good for this gathering alone
    #[arg(
        long,
        value_name = "ID",
        requires = "door_role",
        conflicts_with = "role"
    )]
    event: Option<GatheringId>,
    /// What the holder may do at the doors of that gathering
    #[arg(long, value_enum, requires = "event")]
    door_role: Option<Door>,
    /// The holder's name, shown in the history
    #[arg(long)]
    name: Option<String>,
    /// How long it is good for: seconds, or a number with s, m, h or d
    #[arg(long, value_name = "TIME", default_value = TTL_DEFAULT, value_parser = seconds)]
    ttl: i64,
    /// Data directory whose secret signs
    #[arg(long, value_name = "DIR", env = "DOORBOOK_DATA")]
    data: Option<PathBuf>,
    /// Print a link that signs a browser in once, instead of the token; asks the server for it
    #[arg(long, value_name = "URL")]
    link: Option<String>,
    /// Print {token, expires_at}, or {link, expires_at}
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    Superuser,
    Creator,
    Auditor,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Door {
    Steward,
    Supervisor,
}

pub(crate) fn run(args: TokenArgs) -> Result<(), Failure> {
    let secret = secret(args.data)?;
    let expires_at = Timestamp::now().plus_seconds(args.ttl);
    let mut claims = Claims::new(args.sub, expires_at);
    claims.roles = args
        .role
        .into_iter()
        .map(|role| role.word().to_owned())
        .collect();
    claims.name = args.name;
    claims.event_id = args.event;
    claims.door_role = args.door_role.map(Door::role);
    let token = auth::mint(secret.as_bytes(), &claims).map_err(Failure::check)?;
    if let Some(server) = args.link {
        return print_link(&server, &token, args.json);
    }
    if args.json {
        output::json(&json!({"token": token, "expires_at": expires_at}))
    } else {
        output::data(token)
    }
}

/// The server takes the token as the caller's own, so it must have the same secret.
fn print_link(url: &str, token: &str, as_json: bool) -> Result<(), Failure> {
    let issued = Server::new(url, token)?.post("/api/session/link", &json!({}))?;
    let answer = issued.good()?;
    let (code, expires_at) = (answer["link"].as_str(), &answer["expires_at"]);
    let base = url.trim_end_matches('/');
    let link = format!("{base}/sign-in#link={}", code.unwrap_or_default());
    if as_json {
        output::json(&json!({"link": link, "expires_at": expires_at}))
    } else {
        output::data(link)
    }
}

fn secret(data: Option<PathBuf>) -> Result<Secret, Failure> {
    if let Ok(text) = std::env::var(SECRET_VARIABLE) {
        return Secret::new(text.as_bytes())
            .map_err(|problem| Failure::usage(format!("{SECRET_VARIABLE}: {problem}")));
    }
    let Some(dir) = data else {
        return Err(Failure::usage(format!(
            "say whose secret signs: --data DIR or {SECRET_VARIABLE}"
        )));
    };
    config::secret_in(&dir).map_err(Failure::unreachable)
}

/// `90`, `90s`, `15m`, `12h`, `7d` in seconds.
fn seconds(text: &str) -> Result<i64, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    let factor = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => 1,
    };
    number
        .parse::<i64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|seconds| (1..=TTL_SECONDS_MAX).contains(seconds))
        .ok_or_else(|| "must be a time such as 90s, 15m, 12h or 7d, at most ten years".to_owned())
}

impl Role {
    const fn word(self) -> &'static str {
        match self {
            Self::Superuser => "superuser",
            Self::Creator => "creator",
            Self::Auditor => "auditor",
        }
    }
}

impl Door {
    const fn role(self) -> DoorRole {
        match self {
            Self::Steward => DoorRole::Steward,
            Self::Supervisor => DoorRole::Supervisor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_read_with_and_without_a_unit() {
        for (text, expected) in [
            ("90", 90),
            ("90s", 90),
            ("15m", 900),
            ("12h", 43_200),
            ("7d", 604_800),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "0",
            "-5",
            "h",
            "12 h",
            "1w",
            "99999999d",
            "9223372036854775807d",
        ] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
