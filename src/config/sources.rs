//! Flags, variables and the file laid over each other, and each setting parsed; problems are collected,
//! not thrown.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use zeroize::Zeroizing;

use super::{
    Config, LISTEN_DEFAULT, ServeArgs, read_small,
    secret::{Secret, SecretSource},
};

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// What was said, and where: the name as it was written there.
struct Said {
    value: String,
    place: String,
}

/// The settings of all sources, the strongest of each, and what is wrong so far.
pub(super) struct Settings {
    said: BTreeMap<&'static str, Said>,
    pub(super) problems: Vec<String>,
}

impl Settings {
    pub(super) fn gather(args: &ServeArgs, env: &impl Fn(&str) -> Option<String>) -> Self {
        let mut settings = Self {
            said: BTreeMap::new(),
            problems: Vec::new(),
        };
        let file = args.config.clone().or_else(|| env("DOORBOOK_CONFIG"));
        let mut written = match &file {
            Some(path) => settings.file(Path::new(path)),
            None => toml::Table::new(),
        };
        for (key, flag) in args.values() {
            let variable = format!("DOORBOOK_{}", key.to_uppercase());
            let in_file = written
                .remove(key)
                .and_then(|value| settings.text(key, value));
            let said = if let Some(value) = flag {
                Some((value.clone(), format!("--{}", key.replace('_', "-"))))
            } else if let Some(value) = env(&variable) {
                Some((value, variable))
            } else {
                in_file.map(|value| (value, format!("{key} in the file")))
            };
            if let Some((value, place)) = said {
                settings.said.insert(key, Said { value, place });
            }
        }
        for key in written.keys() {
            settings
                .problems
                .push(format!("{key} in the file is not a setting"));
        }
        settings
    }

    fn file(&mut self, path: &Path) -> toml::Table {
        let parsed = read_small(path)
            .map_err(|error| error.to_string())
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()))
            .and_then(|text| {
                text.parse::<toml::Table>()
                    .map_err(|error| error.message().to_owned())
            });
        parsed.unwrap_or_else(|problem| {
            self.problems
                .push(format!("the file {}: {problem}", path.display()));
            toml::Table::new()
        })
    }

    /// A TOML value as a flag would say it.
    fn text(&mut self, key: &str, value: toml::Value) -> Option<String> {
        match value {
            toml::Value::String(text) => Some(text),
            toml::Value::Integer(number) => Some(number.to_string()),
            toml::Value::Boolean(yes) => Some(yes.to_string()),
            toml::Value::Array(items) if items.iter().all(toml::Value::is_str) => {
                let items: Vec<&str> = items.iter().filter_map(toml::Value::as_str).collect();
                Some(items.join(","))
            }
            toml::Value::Array(_)
            | toml::Value::Float(_)
            | toml::Value::Datetime(_)
            | toml::Value::Table(_) => {
                self.problems.push(format!(
                    "{key} in the file must be a text, a number, true or false, or a list of texts"
                ));
                None
            }
        }
    }

    pub(super) fn config(&mut self, secret: Option<String>) -> Config {
        let mut config = Config::for_data_dir("");
        match self.said.get("data") {
            Some(said) if !said.value.is_empty() => config.data_dir = PathBuf::from(&said.value),
            _ => self
                .problems
                .push("say where the data is: --data DIR or DOORBOOK_DATA".to_owned()),
        }
        config.listen = self.parsed(
            "listen",
            config.listen,
            &format!("an address and a port such as {LISTEN_DEFAULT}"),
        );
        config.jwt_secret = self.secret(secret.map(Zeroizing::new));
        config.jwt_audience = self.optional("jwt_audience");
        config.jwt_issuer = self.optional("jwt_issuer");
        config.checkpoint_key = self.optional("checkpoint_key").map(PathBuf::from);
        config.allowed_origins = self.origins();
        config.public_metrics =
            self.parsed("public_metrics", config.public_metrics, "true or false");
        config.public_docs = self.parsed("public_docs", config.public_docs, "true or false");
        let limits = &mut config.limits;
        limits.connections = self.number("max_connections", limits.connections, 1..=1_000_000);
        limits.connections_per_address = self.number(
            "max_connections_per_address",
            limits.connections_per_address,
            1..=1_000_000,
        );
        limits.streams = self.number("max_streams", limits.streams, 1..=1_000_000);
        limits.streams_per_caller = self.number(
            "max_streams_per_caller",
            limits.streams_per_caller,
            1..=1_000_000,
        );
        limits.body_bytes = self.number("max_body_bytes", limits.body_bytes, 1024..=1 << 30);
        limits.import_bytes = self.number("max_import_bytes", limits.import_bytes, 1024..=1 << 30);
        limits.header_timeout = self.seconds("header_timeout_seconds", limits.header_timeout, 1);
        limits.body_timeout = self.seconds("body_timeout_seconds", limits.body_timeout, 1);
        limits.handler_timeout = self.seconds("handler_timeout_seconds", limits.handler_timeout, 1);
        config.drain = self.seconds("drain_seconds", config.drain, 0);
        config.log_format = self.parsed("log_format", config.log_format, "text or json");
        config
    }

    fn secret(&mut self, variable: Option<Zeroizing<String>>) -> SecretSource {
        let file = self.said.get("jwt_secret_file");
        let read = match (variable, file) {
            (Some(_), Some(file)) => Err(format!(
                "DOORBOOK_JWT_SECRET and {} are both given: choose one",
                file.place
            )),
            (Some(text), None) => Secret::new(text.as_bytes())
                .map_err(|problem| format!("DOORBOOK_JWT_SECRET: {problem}")),
            (None, Some(file)) => Secret::read(Path::new(&file.value))
                .map_err(|error| format!("{}: {}: {error}", file.place, file.value)),
            (None, None) => return SecretSource::DataDir,
        };
        match read {
            Ok(secret) => SecretSource::Given(secret),
            Err(problem) => {
                self.problems.push(problem);
                SecretSource::DataDir
            }
        }
    }

    fn optional(&mut self, key: &str) -> Option<String> {
        let said = self.said.get(key)?;
        if said.value.is_empty() {
            self.problems.push(format!("{} is empty", said.place));
        }
        Some(said.value.clone())
    }

    fn origins(&mut self) -> Vec<String> {
        let Some(said) = self.said.get("allowed_origins") else {
            return Vec::new();
        };
        let mut origins = Vec::new();
        for origin in said
            .value
            .split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
        {
            let host = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"));
            if host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ', '*', '?'])) {
                origins.push(origin.to_ascii_lowercase());
            } else {
                self.problems.push(format!(
                    "{}: {origin:?} is not an origin such as https://desk.example",
                    said.place
                ));
            }
        }
        origins
    }

    fn parsed<T: FromStr>(&mut self, key: &str, default: T, rule: &str) -> T {
        let Some(said) = self.said.get(key) else {
            return default;
        };
        said.value.trim().parse().unwrap_or_else(|_| {
            self.problems.push(format!(
                "{} must be {rule}, not {:?}",
                said.place, said.value
            ));
            default
        })
    }

    fn number(
        &mut self,
        key: &str,
        default: usize,
        range: std::ops::RangeInclusive<usize>,
    ) -> usize {
        let rule = format!("a whole number from {} to {}", range.start(), range.end());
        let number = self.parsed(key, default, &rule);
        if range.contains(&number) {
            return number;
        }
        let place = self.said.get(key).map_or(key, |said| &said.place);
        self.problems
            .push(format!("{place} must be {rule}, not {number}"));
        default
    }

    fn seconds(&mut self, key: &str, default: Duration, least: u64) -> Duration {
        let rule = format!("whole seconds from {least} to {DAY_SECONDS}");
        let seconds = self.parsed(key, default.as_secs(), &rule);
        if (least..=DAY_SECONDS).contains(&seconds) {
            return Duration::from_secs(seconds);
        }
        let place = self.said.get(key).map_or(key, |said| &said.place);
        self.problems
            .push(format!("{place} must be {rule}, not {seconds}"));
        default
    }
}
