//! Give a door a token of its own. The event holds what the token says, never the token: whoever holds
//! the secret can sign it again, equal to the first.

use std::sync::Arc;

use super::{
    CommandError,
    model::Model,
    owner::{Attempt, Owner, keys_failed},
    refusal::Refusal,
};
use crate::events::{
    door_tokens::DOOR_TOKENS_MAX,
    event::{DoorRole, DoorToken, Event, Sealed},
    ids::DoorTokenId,
    time::Timestamp,
};

/// Longest name of a door token, characters.
pub const NAME_CHARS_MAX: usize = 100;
/// A door token lives for at most so long, days.
pub const LIFE_DAYS_MAX: i64 = 366;

pub struct MintDoorToken {
    pub name: Arc<str>,
    pub door_role: DoorRole,
    /// A whole second, as a token says it.
    pub expires_at: Timestamp,
}

/// What a decision may not find out by itself.
pub struct MintFacts {
    pub now: Timestamp,
    pub jti: DoorTokenId,
    /// The command's name, sealed with the gathering's key.
    pub name: Sealed,
}

/// # Errors
/// When there is no such gathering, it has as many tokens as it may, or the time is not one for a token.
pub fn decide(model: &Model, command: &MintDoorToken, facts: MintFacts) -> Result<Event, Refusal> {
    if model.details().is_none() {
        return Err(Refusal::UnknownGathering);
    }
    let expires_at = command.expires_at;
    if expires_at <= facts.now {
        return Err(invalid_expiry("must be in the future".to_owned()));
    }
    if expires_at > facts.now.plus_seconds(LIFE_DAYS_MAX * 86_400) {
        return Err(invalid_expiry(format!(
            "must be within {LIFE_DAYS_MAX} days from now"
        )));
    }
    if !model.door_tokens().has_room(facts.now) {
        return Err(Refusal::TooManyDoorTokens {
            max: DOOR_TOKENS_MAX,
        });
    }
    Ok(Event::DoorTokenMinted(DoorToken {
        jti: facts.jti,
        name: facts.name,
        door_role: command.door_role,
        expires_at,
    }))
}

impl Owner {
    pub(super) fn mint_facts(
        &self,
        attempt: &Attempt<'_>,
        command: &MintDoorToken,
    ) -> Result<MintFacts, CommandError> {
        let (gathering, subject) = self.own();
        let keys = attempt.log.keys();
        Ok(MintFacts {
            now: attempt.context.now,
            jti: DoorTokenId::generate(),
            name: keys
                .seal(gathering, subject, command.name.as_bytes())
                .map_err(keys_failed)?,
        })
    }
}

const fn invalid_expiry(rule: String) -> Refusal {
    Refusal::Invalid {
        field: "expires_at",
        rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::spec::{at, given, sealed};

    const NOW: i64 = 5_000;

    fn mint(expires_at: Timestamp) -> MintDoorToken {
        MintDoorToken {
            name: "north".into(),
            door_role: DoorRole::Steward,
            expires_at,
        }
    }

    fn facts() -> MintFacts {
        MintFacts {
            now: at(NOW),
            jti: DoorTokenId::from_bytes([7; 16]),
            name: sealed("north"),
        }
    }

    fn minted(jti: [u8; 16], expires_at: Timestamp) -> Event {
        Event::DoorTokenMinted(DoorToken {
            jti: DoorTokenId::from_bytes(jti),
            name: sealed("north"),
            door_role: DoorRole::Steward,
            expires_at,
        })
    }

    #[test]
    fn a_token_is_minted_with_what_it_says() {
        let until = at(NOW + 60);
        given()
            .gathering()
            .when(|model| decide(model, &mint(until), facts()))
            .then(Ok(minted([7; 16], until)));
    }

    #[test]
    fn it_expires_in_the_future_and_within_a_year() {
        let last = at(NOW + LIFE_DAYS_MAX * 86_400);
        given()
            .gathering()
            .when(|model| decide(model, &mint(last), facts()))
            .then(Ok(minted([7; 16], last)));
        for (wrong, rule) in [
            (at(NOW), "must be in the future"),
            (last.plus_seconds(1), "must be within 366 days from now"),
        ] {
            given()
                .gathering()
                .when(|model| decide(model, &mint(wrong), facts()))
                .then(Err(invalid_expiry(rule.to_owned())));
        }
    }

    #[test]
    fn a_gathering_has_so_many_that_have_not_expired() {
        let full = (0..DOOR_TOKENS_MAX).fold(given().gathering(), |given, number| {
            let mut jti = [0; 16];
            jti[..8].copy_from_slice(&number.to_be_bytes());
            given.event(minted(jti, at(NOW + 60)))
        });
        full.when(|model| decide(model, &mint(at(NOW + 60)), facts()))
            .then(Err(Refusal::TooManyDoorTokens {
                max: DOOR_TOKENS_MAX,
            }));
    }

    #[test]
    fn there_is_none_without_a_gathering() {
        given()
            .when(|model| decide(model, &mint(at(NOW + 60)), facts()))
            .then(Err(Refusal::UnknownGathering));
    }
}
