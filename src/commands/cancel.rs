//! Make a ticket invalid. Somebody inside may still leave.

use super::{model::Model, refusal::Refusal};
use crate::events::{
    event::{Event, RefusalCode, Sealed},
    ids::Code,
};

pub struct Cancel {
    pub code: Code,
    pub reason: Option<String>,
}

/// `reason` is the command's, sealed with the participant's key.
///
/// # Errors
/// When nobody has the code, or the registration is already cancelled or erased.
pub fn decide(model: &Model, command: &Cancel, reason: Option<Sealed>) -> Result<Event, Refusal> {
    if model.details().is_none() {
        return Err(Refusal::UnknownGathering);
    }
    let participant = model
        .participant(&command.code)
        .ok_or_else(|| Refusal::UnknownCode {
            code: command.code.clone(),
        })?;
    if participant.erased.is_some() {
        return Err(Refusal::NotPossible {
            code: RefusalCode::Erased,
        });
    }
    if participant.cancelled {
        return Err(Refusal::NotPossible {
            code: RefusalCode::Cancelled,
        });
    }
    Ok(Event::RegistrationCancelled {
        subject: participant.subject(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::spec::{code, given, sealed, subject};

    fn cancel() -> Cancel {
        Cancel {
            code: code("A1"),
            reason: None,
        }
    }

    #[test]
    fn a_registration_is_cancelled_with_its_reason() {
        given()
            .gathering()
            .registered("A1")
            .when(|model| decide(model, &cancel(), Some(sealed("ill"))))
            .then(Ok(Event::RegistrationCancelled {
                subject: subject("A1"),
                reason: Some(sealed("ill")),
            }));
    }

    #[test]
    fn somebody_inside_can_be_cancelled() {
        given()
            .gathering()
            .registered("A1")
            .checked_in("A1")
            .when(|model| decide(model, &cancel(), None))
            .then(Ok(Event::RegistrationCancelled {
                subject: subject("A1"),
                reason: None,
            }));
    }

    #[test]
    fn what_is_cancelled_or_erased_cannot_be_cancelled() {
        given()
            .gathering()
            .registered("A1")
            .cancelled("A1")
            .when(|model| decide(model, &cancel(), None))
            .then(Err(Refusal::NotPossible {
                code: RefusalCode::Cancelled,
            }));
        given()
            .gathering()
            .registered("A1")
            .erased("A1")
            .when(|model| decide(model, &cancel(), None))
            .then(Err(Refusal::NotPossible {
                code: RefusalCode::Erased,
            }));
    }

    #[test]
    fn an_unknown_code_or_gathering_cannot_be_cancelled() {
        given()
            .gathering()
            .when(|model| decide(model, &cancel(), None))
            .then(Err(Refusal::UnknownCode { code: code("A1") }));
        given()
            .when(|model| decide(model, &cancel(), None))
            .then(Err(Refusal::UnknownGathering));
    }
}
