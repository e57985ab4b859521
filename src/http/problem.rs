//! The one error mapping: every refusal and every failure becomes `application/problem+json`
//! (RFC 9457) here, by exhaustive matches, so that a new reason cannot be forgotten.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::answer::X_OFFSET;
use crate::{
    auth::AuthError,
    commands::{CommandError, refusal::Refusal},
    events::{ids::Offset, log::ReadError},
    projections::ViewError,
};

/// When to ask again for a key to be destroyed.
const KEY_RETRY_AFTER: Duration = Duration::from_secs(5);

/// What an error answer says. `code` is stable; `detail` is for people.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Body {
    /// `urn:doorbook:problem:` and the code.
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[schema(value_type = String)]
    pub(super) title: &'static str,
    pub(super) status: u16,
    pub(super) detail: String,
    #[schema(value_type = String)]
    pub(super) code: &'static str,
    /// Fields that the code names.
    #[serde(flatten)]
    pub(super) more: Map<String, Value>,
}

/// An error answer on its way out. Small, since it travels in every `Result`.
#[derive(Debug)]
pub(super) struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: StatusCode,
    body: Body,
    retry_after: Option<Duration>,
    offset: Option<Offset>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            status,
            body: Body {
                kind: format!("urn:doorbook:problem:{code}"),
                title: title(code, status),
                status: status.as_u16(),
                detail: detail.into(),
                code,
                more: Map::new(),
            },
            retry_after: None,
            offset: None,
        }))
    }

    /// A field of a body, a parameter or a header that is not as it should be.
    pub(super) fn field(field: &str, rule: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_field",
            format!("{field}: {rule}"),
        )
        .with("field", field)
    }

    pub(super) fn unknown_event() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown_event",
            "there is no such event, or you may not see it",
        )
    }

    /// The same whether the code does not exist or belongs to a gathering the caller may not see.
    pub(super) fn unknown_code() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown_code",
            "no ticket has this code: search for the person by name, or send them to the help desk",
        )
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// Says nothing of the cause, which is in the log under the request's id.
    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong here; the server's log has it under this answer's X-Request-Id",
        )
    }

    /// For an answer that holds several.
    pub(super) fn into_body(self) -> Body {
        self.0.body
    }

    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.body.more.insert(name.to_owned(), value.into());
        self
    }

    /// Adds all the fields of an object, beside the problem's own.
    #[must_use]
    pub(super) fn with_all(mut self, fields: impl Serialize) -> Self {
        if let Ok(Value::Object(fields)) = serde_json::to_value(fields) {
            for (name, value) in fields {
                if !matches!(
                    name.as_str(),
                    "type" | "title" | "status" | "detail" | "code"
                ) {
                    self.0.body.more.insert(name, value);
                }
            }
        }
        self
    }

    #[must_use]
    pub(super) fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    #[must_use]
    pub(super) fn at_offset(mut self, offset: Offset) -> Self {
        self.0.offset = Some(offset);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Inner {
            status,
            body,
            retry_after,
            offset,
        } = *self.0;
        let bytes = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (status, bytes).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(after) = retry_after {
            // Rounded up: a client that comes back too early is refused again.
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(after.as_secs() + u64::from(after.subsec_nanos() > 0)),
            );
        }
        if let Some(offset) = offset {
            headers.insert(X_OFFSET, HeaderValue::from(offset));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, error.code(), error.to_string())
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Refused(refusal) => refusal.into(),
            CommandError::IdempotencyConflict { offset, .. } => Self::new(
                StatusCode::CONFLICT,
                "idempotency_conflict",
                format!("this scan_id or Idempotency-Key was used for another command, recorded at offset {offset}: use a new one"),
            )
            .with("offset", offset)
            .at_offset(offset),
            CommandError::Busy { retry_after } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "too many commands wait for the log; nothing happened, try again",
            )
            .retry_after(retry_after),
            CommandError::Unavailable(reason) => {
                tracing::error!(reason, "a command could not be written");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "log_unavailable",
                    "the log takes no more events until a restart; try again later with the same scan_id or Idempotency-Key",
                )
            }
            CommandError::TooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "event_too_large",
                "the event is larger than the log takes: shorten the text fields",
            ),
            CommandError::KeyStays(reason) => {
                tracing::error!(reason, "an erased person's key is still there");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "key_not_destroyed",
                    "the person counts as erased, and their key could not be destroyed yet: ask again; a restart tries it, too",
                )
                .retry_after(KEY_RETRY_AFTER)
            }
            CommandError::Load(reason) => {
                tracing::error!(reason, "a gathering could not be loaded");
                Self::internal()
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let conflict =
            |code, refusal: &Refusal| Self::new(StatusCode::CONFLICT, code, refusal.to_string());
        match &refusal {
            Refusal::UnknownGathering => Self::unknown_event(),
            Refusal::UnknownCode { .. } => Self::unknown_code(),
            Refusal::GatheringExists => conflict("event_exists", &refusal),
            Refusal::CodeTaken { .. } => Self::new(
                StatusCode::CONFLICT,
                "code_taken",
                "this event_pax_id belongs to another registration; leave it out to get a new one",
            ),
            Refusal::NotPossible { code } => conflict(code.as_str(), &refusal),
            Refusal::NothingToUndo => conflict("nothing_to_undo", &refusal),
            Refusal::AlreadyUndone { undoes } => {
                conflict("already_undone", &refusal).with("undoes", *undoes)
            }
            Refusal::UndoNotAllowed => Self::new(
                StatusCode::FORBIDDEN,
                "undo_not_allowed",
                refusal.to_string(),
            ),
            Refusal::ReasonRequired => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "reason_required",
                refusal.to_string(),
            )
            .with("field", "reason"),
            Refusal::Invalid { field, rule } => Self::field(field, rule),
            Refusal::UnknownDoorToken => Self::new(
                StatusCode::NOT_FOUND,
                "unknown_door_token",
                "no door token of this event has this jti, or it expired long ago",
            ),
            Refusal::TooManyDoorTokens { max } => {
                conflict("too_many_door_tokens", &refusal).with("max", *max)
            }
            Refusal::NothingToChange => conflict("nothing_to_change", &refusal),
        }
    }
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::UnknownGathering => Self::unknown_event(),
            ViewError::Behind { at, wanted } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "view_behind",
                format!("the view is at offset {at}, not yet at {wanted}: try again"),
            )
            .with("offset", at)
            .retry_after(Duration::from_secs(1)),
            ViewError::Future { head } => Self::field(
                "as_of",
                format!("must be a moment that has come; the log is at offset {head}"),
            )
            .with("head", head),
            ViewError::BadPosition => Self::field("after", "must be the `next` of an earlier page"),
            ViewError::Log(error) => error.into(),
            ViewError::Rebuild(reason) => Self::new(StatusCode::CONFLICT, "rebuild", reason),
            ViewError::NotInLog { head, .. } => {
                Self::new(StatusCode::NOT_FOUND, "not_in_log", error.to_string()).with("head", head)
            }
            ViewError::Integrity(reason) => {
                tracing::error!(%reason, "nothing can be proven");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "nothing_proven",
                    "no checkpoint can be signed and nothing can be proven now; the server's log says why",
                )
            }
            ViewError::UnknownProjection(_) => Self::new(
                StatusCode::NOT_FOUND,
                "unknown_projection",
                error.to_string(),
            ),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::Damaged { .. } | ReadError::Store(_) => {
                tracing::error!(%error, "the log could not be read");
                Self::internal()
            }
        }
    }
}

fn title(code: &str, status: StatusCode) -> &'static str {
    match code {
        "unknown_event" => "No such event",
        "unknown_code" => "No ticket has this code",
        "idempotency_conflict" => "The id was used for another command",
        "invalid_field" => "A field is not as it should be",
        "not_in_log" => "Not in the log yet",
        "nothing_proven" => "Nothing can be proven",
        "view_behind" => "The view is behind",
        "already_checked_in" => "Already inside",
        "not_checked_in" => "Not inside",
        "reentry_denied" => "No second entry",
        "cancelled" => "The registration is cancelled",
        "erased" => "The person has been erased",
        "not_open_yet" => "Not open yet",
        "closed" => "Closed",
        "capacity_full" => "Full",
        "wrong_event" => "A ticket for another event",
        _ => status.canonical_reason().unwrap_or("Problem"),
    }
}
