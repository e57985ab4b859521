//! From a raw request to checked values, once: JSON bodies, query parameters, ids in paths and
//! headers. Who is calling is in `caller`; the rules of single fields are in `fields`.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::{App, problem::Problem};
use crate::events::ids::{Code, CommandId, GatheringId};

/// A body that is too large is still read this far, so that the client reads the answer instead of
/// a reset connection.
const DISCARDED_BYTES_MAX: usize = 8 * 1024 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// A JSON object; unknown fields are refused by the types (`deny_unknown_fields`).
pub(super) struct Json<T>(pub T);

/// The same, where no body at all means the default.
pub(super) struct OptionalJson<T>(pub T);

/// No query parameters: one that is ignored would be answered with something else than was asked.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoParams {}

/// Query parameters.
pub(super) struct Params<T>(pub T);

/// `{event_id}`. What is not a UUID names no gathering.
pub(super) struct InGathering(pub GatheringId);

/// `{event_pax_id}`. What is not a code names no ticket.
pub(super) struct OfTicket(pub Code);

/// `Idempotency-Key`, on any command.
pub(super) struct IdempotencyKey(pub Option<CommandId>);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = read_body(request, app).await?;
        if !is_json {
            return Err(unsupported("application/json"));
        }
        parse(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned + Default> FromRequest<App> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = read_body(request, app).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        if !is_json {
            return Err(unsupported("application/json"));
        }
        parse(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        // Only what the types say of a value reaches the answer, never the value.
        Query::try_from_uri(&parts.uri)
            .map(|Query(params)| Self(params))
            .map_err(|error| {
                let text = std::error::Error::source(&error)
                    .map_or_else(|| error.to_string(), ToString::to_string);
                if let Some(field) = given_twice(&text) {
                    return Problem::field(field, "is given twice");
                }
                if let Some((_, unknown)) = text.split_once("unknown field `") {
                    let (name, _) = unknown.split_once('`').unwrap_or((unknown, ""));
                    return Problem::new(
                        StatusCode::UNPROCESSABLE_ENTITY,
                        "unknown_parameter",
                        format!(
                            "{name} is not a query parameter here; /docs lists those there are"
                        ),
                    )
                    .with("field", name);
                }
                let (field, rule) = text.split_once(": ").unwrap_or(("query", &text));
                Problem::field(field, without_value(rule))
            })
    }
}

impl FromRequestParts<App> for InGathering {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        path_parameter(parts, app, "event_id")
            .await
            .and_then(|text| text.parse().ok())
            .map(Self)
            .ok_or_else(Problem::unknown_event)
    }
}

impl FromRequestParts<App> for OfTicket {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        path_parameter(parts, app, "event_pax_id")
            .await
            .and_then(|text| Code::parse(&text).ok())
            .map(Self)
            .ok_or_else(Problem::unknown_code)
    }
}

impl FromRequestParts<App> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get("idempotency-key") else {
            return Ok(Self(None));
        };
        value
            .to_str()
            .ok()
            .and_then(|text| CommandId::parse(text).ok())
            .map(|id| Self(Some(id)))
            .ok_or_else(|| {
                Problem::field(
                    "Idempotency-Key",
                    "must be 1 to 128 visible ASCII characters",
                )
            })
    }
}

impl IdempotencyKey {
    /// The command's one id, wherever it stands.
    ///
    /// # Errors
    /// 422 when header and body name different ones.
    pub(super) fn or(self, scan_id: Option<CommandId>) -> Result<Option<CommandId>, Problem> {
        match (self.0, scan_id) {
            (Some(header), Some(body)) if header != body => Err(Problem::field(
                "scan_id",
                "differs from the Idempotency-Key header: give one, or the same twice",
            )),
            (header, body) => Ok(header.or(body)),
        }
    }
}

pub(super) async fn path_parameter(parts: &mut Parts, app: &App, name: &str) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, app).await.ok()?;
    params
        .iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// The type before any parameters, in lower case.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media = value.split(';').next().unwrap_or_default().trim();
    Some(media.to_ascii_lowercase())
}

pub(super) fn unsupported(wanted: &str) -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        format!("send the body with Content-Type: {wanted}"),
    )
}

pub(super) fn body_too_large(bytes_max: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!("the body is over {bytes_max} bytes"),
    )
}

pub(super) fn body_too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "body_timeout",
        "the body did not arrive in time",
    )
}

pub(super) fn body_broken() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "body_incomplete",
        "the body ended before it was complete",
    )
}

/// Reads on, a while, for the sake of a client that only reads the answer once it has sent all.
pub(super) async fn discard(mut body: Body) {
    let mut read = 0;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DISCARDED_BYTES_MAX {
                break;
            }
        }
    };
    // Either way the answer goes out now.
    tokio::time::timeout(DISCARD_TIMEOUT, reading)
        .await
        .unwrap_or_default();
}

/// # Errors
/// 415 for a body that would have to be unpacked first.
pub(super) fn plain(headers: &HeaderMap) -> Result<(), Problem> {
    let packed = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if packed {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            "send the body as it is, without Content-Encoding",
        ));
    }
    Ok(())
}

async fn read_body(request: Request, app: &App) -> Result<Bytes, Problem> {
    let bytes_max = app.settings.body_bytes_max;
    if let Err(packed) = plain(request.headers()) {
        discard(request.into_body()).await;
        return Err(packed);
    }
    let too_large = content_length(request.headers()).is_some_and(|length| length > bytes_max);
    if too_large {
        discard(request.into_body()).await;
        return Err(body_too_large(bytes_max));
    }
    let body = Limited::new(request.into_body(), bytes_max);
    match tokio::time::timeout(app.settings.body_timeout, body.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(body_too_large(bytes_max)),
        Ok(Err(_)) => Err(body_broken()),
        Err(_) => Err(body_too_slow()),
    }
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|media| {
        media == "application/json"
            || (media.starts_with("application/") && media.ends_with("+json"))
    })
}

/// # Errors
/// 400 or 422, naming the field that is not as it should be.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde takes a list for a struct, field by field; a body is an object.
    let object = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    match serde_json::from_slice(bytes) {
        Ok(value) if object => Ok(value),
        Ok(_) => Err(Problem::field("body", "must be a JSON object")),
        Err(_) => Err(explain::<T>(bytes, object)),
    }
}

/// The slow way, taken only when there is something to explain: names the field.
fn explain<T: DeserializeOwned>(bytes: &[u8], object: bool) -> Problem {
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
        return Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_json",
            format!(
                "the body is not JSON: line {}, column {}",
                error.line(),
                error.column()
            ),
        );
    }
    if !object {
        return Problem::field("body", "must be a JSON object");
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => Problem::field("body", "must be one JSON object"),
        Err(error) => {
            let path = error.path().to_string();
            let text = error.into_inner().to_string();
            let text = text
                .rsplit_once(" at line ")
                .map_or(&*text, |(message, _)| message);
            name_field(&path, text)
        }
    }
}

fn name_field(path: &str, text: &str) -> Problem {
    let inside = |field: &str| match path {
        "." | "?" => field.to_owned(),
        _ => format!("{path}.{field}"),
    };
    if let Some(rest) = text.strip_prefix("missing field `") {
        let field = inside(rest.trim_end_matches('`'));
        return Problem::field(&field, "is missing");
    }
    if let Some((field, rule)) = text
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split_once('`'))
    {
        // The path already ends in the unknown field.
        let known = rule.trim_start_matches(", ").replace('`', "");
        return Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "unknown_field",
            format!("{field} is not a field here: {known}"),
        )
        .with("field", field);
    }
    if let Some(field) = given_twice(text) {
        return Problem::field(&inside(field), "is given twice");
    }
    Problem::field(path, without_value(text))
}

fn given_twice(text: &str) -> Option<&str> {
    let field = text.strip_prefix("duplicate field ")?;
    Some(field.trim_matches('`'))
}

/// What serde says is wrong, without the value that is wrong, which may be somebody's name.
fn without_value(text: &str) -> String {
    let expected = text.split_once(", expected ").map(|(_, it)| it);
    match expected {
        Some("u8" | "u16" | "u32" | "u64" | "usize") => "must be a whole number".to_owned(),
        Some(expected) => format!("must be {}", expected.replace('`', "")),
        // What Rust's own parsers say of digits.
        None if text.starts_with("invalid digit") || text.starts_with("cannot parse integer") => {
            "must be a whole number".to_owned()
        }
        None if text.starts_with("number") => "must be a smaller number".to_owned(),
        None => text.replace('`', ""),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Sample {
        name: String,
        capacity: Option<u32>,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Inner {
        reason: String,
    }

    fn wrong(body: &str) -> String {
        format!("{:?}", parse::<Sample>(body.as_bytes()).unwrap_err())
    }

    #[test]
    fn a_wrong_body_is_explained_by_field_and_never_by_value() {
        for (body, code, mentions) in [
            ("", "invalid_json", "line"),
            ("{", "invalid_json", "line"),
            (r#"{"name": "a"} x"#, "invalid_json", "line"),
            ("[1]", "invalid_field", "JSON object"),
            ("\"text\"", "invalid_field", "JSON object"),
            (r#"["a", 3, null]"#, "invalid_field", "JSON object"),
            ("{}", "invalid_field", "name: is missing"),
            (r#"{"name": "a", "colour": 1}"#, "unknown_field", "colour"),
            (
                r#"{"name": "a", "inner": {"x": 1}}"#,
                "unknown_field",
                "x is not a field",
            ),
            (
                r#"{"name": "a", "inner": {}}"#,
                "invalid_field",
                "inner.reason: is missing",
            ),
            (
                r#"{"name": "a", "capacity": "Bob"}"#,
                "invalid_field",
                "capacity: must be a whole number",
            ),
            (
                r#"{"name": "a", "name": "b"}"#,
                "invalid_field",
                "name: is given twice",
            ),
            (
                r#"{"name": "a", "capacity": 1e400}"#,
                "invalid_field",
                "capacity: must be a smaller number",
            ),
        ] {
            let problem = wrong(body);
            assert!(
                problem.contains(code) && problem.contains(mentions),
                "{body} → {problem}"
            );
            assert!(!problem.contains("Bob"), "{problem}");
        }
    }
}
