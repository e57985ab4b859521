//! Give a person a ticket; and the rules for the fields of a registration, for the HTTP body and for
//! imports alike.

use std::sync::Arc;

use serde::Deserialize;
use thiserror::Error;

use super::{CommandError, model::Model, refusal::Refusal};
use crate::events::{
    event::{Event, Person, Registration, Sealed, Subject},
    ids::{Code, GatheringId, ParticipantId},
    keys::FreshKey,
    log::Log,
};

/// Longest texts, characters.
pub const NAME_CHARS_MAX: usize = 255;
pub const EMAIL_CHARS_MAX: usize = 320;
pub const NOTE_CHARS_MAX: usize = 2_000;
pub const LABEL_CHARS_MAX: usize = 255;

pub struct Register {
    /// None: the handler makes a fresh code (10 characters of an alphabet without look-alikes).
    pub code: Option<Code>,
    pub person: Person,
    pub ticket_type: Option<Arc<str>>,
    pub external_id: Option<Arc<str>>,
}

/// A person not yet registered: made before the lock is taken.
pub(super) struct Newcomer {
    pub(super) id: ParticipantId,
    pub(super) key: FreshKey,
    pub(super) person: Sealed,
}

impl Newcomer {
    pub(super) fn new(
        log: &Log,
        gathering: GatheringId,
        command: &Register,
    ) -> Result<Self, CommandError> {
        let id = ParticipantId::generate();
        let key = log.keys().fresh(gathering, id.to_bytes());
        let person = serde_json::to_vec(&command.person).map_err(|_| CommandError::TooLarge)?;
        Ok(Self {
            id,
            person: key.seal(&person),
            key,
        })
    }
}

/// The fields of a registration as they came in. No `Debug`: it holds personal data.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawRegister {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    #[serde(alias = "code")]
    pub event_pax_id: Option<String>,
    pub ticket_type: Option<String>,
    pub external_id: Option<String>,
    pub note: Option<String>,
    /// The origin's clients put the names here.
    pub user: Option<RawUser>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawUser {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
}

/// A field that is not what it should be. Never holds the value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {rule}")]
pub struct FieldProblem {
    pub field: &'static str,
    pub rule: &'static str,
}

/// What the handler made for a new participant before the decision.
#[derive(Debug, Clone)]
pub struct NewParticipant {
    pub subject: Subject,
    /// The command's person, sealed with the participant's key.
    pub person: Sealed,
    /// The code belonged to nobody and is reserved for this registration.
    pub code_is_free: bool,
}

/// # Errors
/// When there is no such gathering, or the code belongs to somebody.
pub fn decide(model: &Model, command: &Register, new: NewParticipant) -> Result<Event, Refusal> {
    if model.details().is_none() {
        return Err(Refusal::UnknownGathering);
    }
    if !new.code_is_free || model.participant(&new.subject.code).is_some() {
        return Err(Refusal::CodeTaken {
            code: new.subject.code,
        });
    }
    Ok(Event::ParticipantRegistered(Registration {
        subject: new.subject,
        ticket_type: command.ticket_type.clone(),
        external_id: command.external_id.clone(),
        person: new.person,
    }))
}

impl Register {
    /// Checks and trims every field. The e-mail may be missing; a name may not.
    ///
    /// # Errors
    /// The first field that breaks its rule.
    pub fn parse(raw: RawRegister) -> Result<Self, FieldProblem> {
        let user = raw.user.unwrap_or_default();
        let first_name = text(
            "first_name",
            raw.first_name.or(user.first_name),
            NAME_CHARS_MAX,
        )?;
        let last_name = text(
            "last_name",
            raw.last_name.or(user.last_name),
            NAME_CHARS_MAX,
        )?;
        if first_name.is_none() && last_name.is_none() {
            return Err(FieldProblem {
                field: "first_name",
                rule: "first_name or last_name must be given",
            });
        }
        Ok(Self {
            person: Person {
                first_name: first_name.unwrap_or_default(),
                last_name: last_name.unwrap_or_default(),
                email: email(raw.email.or(user.email))?.unwrap_or_default(),
                note: note(raw.note)?,
            },
            code: code(raw.event_pax_id)?,
            ticket_type: text("ticket_type", raw.ticket_type, LABEL_CHARS_MAX)?.map(Arc::from),
            external_id: text("external_id", raw.external_id, LABEL_CHARS_MAX)?.map(Arc::from),
        })
    }
}

fn text(
    field: &'static str,
    value: Option<String>,
    chars_max: usize,
) -> Result<Option<String>, FieldProblem> {
    let Some(value) = trimmed(value) else {
        return Ok(None);
    };
    if value.chars().any(char::is_control) {
        let rule = "must not hold control characters";
        return Err(FieldProblem { field, rule });
    }
    if value.chars().count() > chars_max {
        let rule = match chars_max {
            EMAIL_CHARS_MAX => "must be at most 320 characters",
            _ => "must be at most 255 characters",
        };
        return Err(FieldProblem { field, rule });
    }
    Ok(Some(value))
}

fn email(value: Option<String>) -> Result<Option<String>, FieldProblem> {
    let field = "email";
    let value = text(field, value, EMAIL_CHARS_MAX)?;
    let well_formed = |email: &String| {
        let sides = email.split_once('@');
        sides.is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        }) && !email.contains(char::is_whitespace)
    };
    match value {
        Some(email) if !well_formed(&email) => Err(FieldProblem {
            field,
            rule: "must be an address such as ana@example.org",
        }),
        value => Ok(value),
    }
}

fn note(value: Option<String>) -> Result<Option<String>, FieldProblem> {
    let field = "note";
    let Some(value) = trimmed(value) else {
        return Ok(None);
    };
    let forbidden = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if value.chars().any(forbidden) {
        let rule = "must not hold control characters other than line breaks and tabs";
        return Err(FieldProblem { field, rule });
    }
    if value.chars().count() > NOTE_CHARS_MAX {
        let rule = "must be at most 2,000 characters";
        return Err(FieldProblem { field, rule });
    }
    Ok(Some(value))
}

fn code(value: Option<String>) -> Result<Option<Code>, FieldProblem> {
    trimmed(value)
        .map(|value| {
            Code::parse(&value).map_err(|invalid| FieldProblem {
                field: "event_pax_id",
                rule: invalid.rule,
            })
        })
        .transpose()
}

/// Empty text is as good as none.
fn trimmed(value: Option<String>) -> Option<String> {
    value
        .map(|value| match value.trim() {
            trimmed if trimmed.len() == value.len() => value,
            trimmed => trimmed.to_owned(),
        })
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::spec::{code, given, sealed, subject};

    fn command() -> Register {
        Register {
            code: Some(code("A1")),
            person: Person {
                first_name: "Ana".into(),
                last_name: "Ruiz".into(),
                email: String::new(),
                note: None,
            },
            ticket_type: Some("crew".into()),
            external_id: None,
        }
    }

    fn new(code_is_free: bool) -> NewParticipant {
        NewParticipant {
            subject: subject("A1"),
            person: sealed("Ana"),
            code_is_free,
        }
    }

    #[test]
    fn a_person_gets_a_ticket() {
        given()
            .gathering()
            .when(|model| decide(model, &command(), new(true)))
            .then(Ok(Event::ParticipantRegistered(Registration {
                subject: subject("A1"),
                ticket_type: Some("crew".into()),
                external_id: None,
                person: sealed("Ana"),
            })));
    }

    #[test]
    fn a_code_belongs_to_one_registration_of_all_gatherings() {
        let taken = || Err(Refusal::CodeTaken { code: code("A1") });
        given()
            .gathering()
            .registered("A1")
            .when(|model| decide(model, &command(), new(true)))
            .then(taken());
        given()
            .gathering()
            .when(|model| decide(model, &command(), new(false)))
            .then(taken());
    }

    #[test]
    fn an_unknown_gathering_takes_no_registrations() {
        given()
            .when(|model| decide(model, &command(), new(true)))
            .then(Err(Refusal::UnknownGathering));
    }

    fn problem(change: impl FnOnce(&mut RawRegister)) -> &'static str {
        let mut raw = RawRegister {
            first_name: Some("Ana".into()),
            ..RawRegister::default()
        };
        change(&mut raw);
        match Register::parse(raw) {
            Err(FieldProblem { field, .. }) => field,
            Ok(_) => "none",
        }
    }

    #[test]
    fn fields_are_checked_by_name() {
        assert_eq!(problem(|_| ()), "none");
        assert_eq!(
            problem(|raw| raw.first_name = Some("  ".into())),
            "first_name"
        );
        assert_eq!(
            problem(|raw| raw.last_name = Some("x".repeat(256))),
            "last_name"
        );
        assert_eq!(
            problem(|raw| raw.last_name = Some("a\u{0}b".into())),
            "last_name"
        );
        for bad in ["ana", "@example.org", "ana@", "a@b@c", "a b@example.org"] {
            assert_eq!(problem(|raw| raw.email = Some(bad.into())), "email");
        }
        assert_eq!(problem(|raw| raw.email = Some(String::new())), "none");
        assert_eq!(problem(|raw| raw.note = Some("two\nlines".into())), "none");
        assert_eq!(problem(|raw| raw.note = Some("n".repeat(2_001))), "note");
        assert_eq!(
            problem(|raw| raw.event_pax_id = Some("c".repeat(129))),
            "event_pax_id"
        );
        assert_eq!(
            problem(|raw| raw.ticket_type = Some("a\nb".into())),
            "ticket_type"
        );
    }

    #[test]
    fn names_may_come_under_user() {
        let raw: RawRegister = serde_json::from_str(
            r#"{"user":{"first_name":" Ana ","last_name":"Ruiz"},"code":"A1"}"#,
        )
        .unwrap();
        let register = Register::parse(raw).ok().unwrap();
        assert_eq!(register.person.first_name, "Ana");
        assert_eq!(register.code, Some(code("A1")));
    }
}
