//! Take a door token back: it is good for nothing from now on.

use super::{model::Model, refusal::Refusal};
use crate::events::{event::Event, ids::DoorTokenId};

pub struct RevokeDoorToken {
    pub jti: DoorTokenId,
}

/// # Errors
/// When the gathering never minted it, or it expired long ago, or it is revoked already.
pub fn decide(model: &Model, command: &RevokeDoorToken) -> Result<Event, Refusal> {
    if model.details().is_none() {
        return Err(Refusal::UnknownGathering);
    }
    match model.door_tokens().get(command.jti) {
        None => Err(Refusal::UnknownDoorToken),
        Some(token) if token.revoked => Err(Refusal::NothingToChange),
        Some(_) => Ok(Event::DoorTokenRevoked { jti: command.jti }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        commands::spec::{Given, at, given, sealed},
        events::event::{DoorRole, DoorToken},
    };

    fn revoke(jti: u8) -> RevokeDoorToken {
        RevokeDoorToken {
            jti: DoorTokenId::from_bytes([jti; 16]),
        }
    }

    fn with_a_token() -> Given {
        given().gathering().event(Event::DoorTokenMinted(DoorToken {
            jti: revoke(1).jti,
            name: sealed("north"),
            door_role: DoorRole::Steward,
            expires_at: at(100),
        }))
    }

    #[test]
    fn a_minted_token_is_revoked_once() {
        let revoked = || Event::DoorTokenRevoked { jti: revoke(1).jti };
        with_a_token()
            .when(|model| decide(model, &revoke(1)))
            .then(Ok(revoked()));
        with_a_token()
            .event(revoked())
            .when(|model| decide(model, &revoke(1)))
            .then(Err(Refusal::NothingToChange));
    }

    #[test]
    fn what_was_never_minted_here_is_unknown() {
        with_a_token()
            .when(|model| decide(model, &revoke(2)))
            .then(Err(Refusal::UnknownDoorToken));
        given()
            .when(|model| decide(model, &revoke(1)))
            .then(Err(Refusal::UnknownGathering));
    }
}
