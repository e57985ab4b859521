//! Flags, `DOORBOOK_*` variables and a TOML file, in that order of precedence, into one validated
//! [`Config`].
//!
//! Every setting has one name in three spellings: `--max-connections`, `DOORBOOK_MAX_CONNECTIONS`,
//! `max_connections`. A wrong configuration is refused with all its problems at once. Secrets come
//! from a variable or a file, never from a flag, and are never printed.

mod secret;
mod sources;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use clap::Args;
use thiserror::Error;

use crate::auth::TICKET_LIFE;
pub use secret::{Secret, SecretSource, secret_in};
use sources::Settings;

const LISTEN_DEFAULT: &str = "127.0.0.1:8080";
/// Largest configuration or secret file that is read, bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What a server needs to know; checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    pub jwt_secret: SecretSource,
    /// Asked of every token when given.
    pub jwt_audience: Option<String>,
    pub jwt_issuer: Option<String>,
    /// File with the key that signs checkpoints; else one made once in the data directory.
    pub checkpoint_key: Option<PathBuf>,
    /// Origins beside the server's own that browsers may call from: `https://desk.example`.
    pub allowed_origins: Vec<String>,
    /// `/metrics` without a token.
    pub public_metrics: bool,
    /// `/openapi.json` and `/docs` without a token.
    pub public_docs: bool,
    pub limits: Limits,
    /// How long requests in flight and sockets may take to finish at stop.
    pub drain: Duration,
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In all, WebSocket streams included.
    pub connections: usize,
    pub connections_per_address: usize,
    /// WebSocket streams. Each takes a connection, too.
    pub streams: usize,
    pub streams_per_caller: usize,
    pub body_bytes: usize,
    pub import_bytes: usize,
    /// From the first byte of a request (or the end of the last) to the end of its header.
    pub header_timeout: Duration,
    /// For a whole JSON body, and for each piece of an import.
    pub body_timeout: Duration,
    /// For an answer; imports have [`IMPORT_TIMEOUT`].
    pub handler_timeout: Duration,
    /// From a stream ticket to its connect. No setting: callers rely on it.
    pub ticket_life: Duration,
}

/// An import of the largest size may take this long.
pub const IMPORT_TIMEOUT: Duration = Duration::from_secs(600);

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Above the streams', so that there is room for requests beside them.
            connections: 30_000,
            connections_per_address: 12_000,
            streams: 20_000,
            streams_per_caller: 10_000,
            body_bytes: 1024 * 1024,
            import_bytes: 64 * 1024 * 1024,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            handler_timeout: Duration::from_secs(30),
            ticket_life: TICKET_LIFE,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// All that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the configuration is wrong:\n{}", .problems.iter().map(|problem| format!("  - {problem}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    pub problems: Vec<String>,
}

/// The flags of `serve`. Each may also be a variable or stand in the file.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Directory that holds the log and everything made from it [env: DOORBOOK_DATA]
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// Address and port [env: DOORBOOK_LISTEN; default 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// TOML file with any of these settings [env: DOORBOOK_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
    /// File with the HS256 secret; else DOORBOOK_JWT_SECRET, else one is made in the data directory
    #[arg(long, value_name = "FILE")]
    pub jwt_secret_file: Option<String>,
    /// `aud` that every token must have
    #[arg(long, value_name = "AUD")]
    pub jwt_audience: Option<String>,
    /// `iss` that every token must have
    #[arg(long, value_name = "ISS")]
    pub jwt_issuer: Option<String>,
    /// File with the key that signs checkpoints; else one is made in the data directory
    #[arg(long, value_name = "FILE")]
    pub checkpoint_key: Option<String>,
    /// Origins beside the server's own that browsers may call from, separated by commas
    #[arg(long, value_name = "ORIGINS")]
    pub allowed_origins: Option<String>,
    /// Serve /metrics without a token: true or false [default false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub public_metrics: Option<String>,
    /// Serve /openapi.json and /docs without a token: true or false [default true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub public_docs: Option<String>,
    /// Most connections at once, WebSocket streams included [default 30000]
    #[arg(long, value_name = "N")]
    pub max_connections: Option<String>,
    /// Most connections at once from one address [default 12000]
    #[arg(long, value_name = "N")]
    pub max_connections_per_address: Option<String>,
    /// Most WebSocket streams at once [default 20000]
    #[arg(long, value_name = "N")]
    pub max_streams: Option<String>,
    /// Most WebSocket streams at once of one caller (`sub`) [default 10000]
    #[arg(long, value_name = "N")]
    pub max_streams_per_caller: Option<String>,
    /// Largest request body, bytes [default 1048576]
    #[arg(long, value_name = "BYTES")]
    pub max_body_bytes: Option<String>,
    /// Largest import, bytes [default 67108864]
    #[arg(long, value_name = "BYTES")]
    pub max_import_bytes: Option<String>,
    /// Time for a request's header [default 10]
    #[arg(long, value_name = "SECONDS")]
    pub header_timeout_seconds: Option<String>,
    /// Time for a request's body [default 30]
    #[arg(long, value_name = "SECONDS")]
    pub body_timeout_seconds: Option<String>,
    /// Time for an answer [default 30]
    #[arg(long, value_name = "SECONDS")]
    pub handler_timeout_seconds: Option<String>,
    /// Time to finish what is in flight at stop [default 10]
    #[arg(long, value_name = "SECONDS")]
    pub drain_seconds: Option<String>,
    /// text or json [default text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

impl ServeArgs {
    /// Reads the variables and the file, and checks everything.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem.
    pub fn resolve(&self) -> Result<Config, ConfigError> {
        self.resolve_with(|name| std::env::var(name).ok())
    }

    fn resolve_with(&self, env: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let mut settings = Settings::gather(self, &env);
        let config = settings.config(env("DOORBOOK_JWT_SECRET"));
        if settings.problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError {
                problems: settings.problems,
            })
        }
    }

    fn values(&self) -> [(&'static str, &Option<String>); 20] {
        [
            ("data", &self.data),
            ("listen", &self.listen),
            ("jwt_secret_file", &self.jwt_secret_file),
            ("jwt_audience", &self.jwt_audience),
            ("jwt_issuer", &self.jwt_issuer),
            ("checkpoint_key", &self.checkpoint_key),
            ("allowed_origins", &self.allowed_origins),
            ("public_metrics", &self.public_metrics),
            ("public_docs", &self.public_docs),
            ("max_connections", &self.max_connections),
            (
                "max_connections_per_address",
                &self.max_connections_per_address,
            ),
            ("max_streams", &self.max_streams),
            ("max_streams_per_caller", &self.max_streams_per_caller),
            ("max_body_bytes", &self.max_body_bytes),
            ("max_import_bytes", &self.max_import_bytes),
            ("header_timeout_seconds", &self.header_timeout_seconds),
            ("body_timeout_seconds", &self.body_timeout_seconds),
            ("handler_timeout_seconds", &self.handler_timeout_seconds),
            ("drain_seconds", &self.drain_seconds),
            ("log_format", &self.log_format),
        ]
    }
}

impl Config {
    /// Everything at its default, for a data directory.
    #[must_use]
    pub fn for_data_dir(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            jwt_secret: SecretSource::DataDir,
            jwt_audience: None,
            jwt_issuer: None,
            checkpoint_key: None,
            allowed_origins: Vec::new(),
            public_metrics: false,
            public_docs: true,
            limits: Limits::default(),
            drain: Duration::from_secs(10),
            log_format: LogFormat::default(),
        }
    }

    /// The secret that signs tokens; makes one in the data directory when none was given.
    ///
    /// # Errors
    /// When the file cannot be read or made, or holds fewer than 32 bytes.
    pub fn secret(&self) -> io::Result<Secret> {
        match &self.jwt_secret {
            SecretSource::Given(secret) => Ok(secret.clone()),
            SecretSource::DataDir => secret_in(&self.data_dir),
        }
    }
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file is over 64 KiB",
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn args() -> ServeArgs {
        ServeArgs {
            data: Some("data".to_owned()),
            ..ServeArgs::default()
        }
    }

    fn resolve(args: &ServeArgs, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
        args.resolve_with(|name| {
            let found = env.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("doorbook.toml");
        std::fs::write(&path, text).unwrap();
        (dir, path.to_str().unwrap().to_owned())
    }

    #[test]
    fn flags_come_before_variables_and_variables_before_the_file() {
        let (_dir, path) = file(
            "listen = '127.0.0.1:1'\ndrain_seconds = 7\nlog_format = 'json'\nallowed_origins = ['https://a.example', 'http://b.example:81']",
        );
        let args = ServeArgs {
            listen: Some("127.0.0.1:3".to_owned()),
            config: Some(path),
            ..args()
        };
        let env = [
            ("DOORBOOK_LISTEN", "127.0.0.1:2"),
            ("DOORBOOK_DRAIN_SECONDS", "8"),
        ];
        let config = resolve(&args, &env).unwrap();
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.drain, Duration::from_secs(8));
        assert_eq!(config.log_format, LogFormat::Json);
        assert_eq!(
            config.allowed_origins,
            ["https://a.example", "http://b.example:81"]
        );
        assert_eq!(config.limits, Limits::default());
    }

    #[test]
    fn all_problems_are_named_at_once_with_the_place_they_come_from() {
        let (_dir, path) = file("listne = 'x'\ndrain_seconds = 1.5");
        let args = ServeArgs {
            data: None,
            config: Some(path),
            listen: Some("nowhere".to_owned()),
            max_connections: Some("0".to_owned()),
            ..ServeArgs::default()
        };
        let env = [
            ("DOORBOOK_JWT_SECRET", "short"),
            ("DOORBOOK_LOG_FORMAT", "xml"),
            ("DOORBOOK_ALLOWED_ORIGINS", "desk.example"),
            ("DOORBOOK_PUBLIC_METRICS", "maybe"),
        ];
        let error = resolve(&args, &env).unwrap_err();
        let text = error.to_string();
        for named in [
            "--data",
            "--listen",
            "--max-connections",
            "DOORBOOK_JWT_SECRET",
            "DOORBOOK_LOG_FORMAT",
            "DOORBOOK_ALLOWED_ORIGINS",
            "DOORBOOK_PUBLIC_METRICS",
            "listne in the file",
            "drain_seconds in the file",
        ] {
            assert!(text.contains(named), "{named} is not named in {text}");
        }
        assert_eq!(error.problems.len(), 9, "{text}");
        assert!(!text.contains("short"), "a secret is never shown");
    }

    #[test]
    fn a_file_that_is_not_there_or_not_toml_is_a_problem() {
        let missing = ServeArgs {
            config: Some("no/such/file".to_owned()),
            ..args()
        };
        assert_eq!(resolve(&missing, &[]).unwrap_err().problems.len(), 1);
        let (_dir, path) = file("listen = ");
        let broken = ServeArgs {
            config: Some(path),
            ..args()
        };
        assert_eq!(resolve(&broken, &[]).unwrap_err().problems.len(), 1);
    }

    #[test]
    fn the_secret_comes_from_one_place() {
        let (_dir, path) = file(&format!("{SECRET}\n"));
        let with_file = ServeArgs {
            jwt_secret_file: Some(path),
            ..args()
        };
        let config = resolve(&with_file, &[]).unwrap();
        assert_eq!(config.secret().unwrap().as_bytes(), SECRET.as_bytes());
        assert!(!format!("{config:?}").contains(SECRET));
        let both = resolve(&with_file, &[("DOORBOOK_JWT_SECRET", SECRET)]);
        assert_eq!(both.unwrap_err().problems.len(), 1);
    }

    #[test]
    fn without_a_secret_one_is_made_once_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let config = Config::for_data_dir(&data);
        let first = config.secret().unwrap();
        assert_eq!(first.as_bytes().len(), 64);
        assert_eq!(config.secret().unwrap().as_bytes(), first.as_bytes());
        let mode = std::fs::metadata(data.join("jwt-secret"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(&data).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }
}
