//! The payloads about door tokens, frozen like those of `stored`. The token itself is in none
//! of them.

use serde::{Deserialize, Serialize};

use super::{
    codec::DecodeError,
    event::{DoorRole, DoorToken, Event},
    ids::DoorTokenId,
    stored::{Blob, word},
    time::Timestamp,
};

#[derive(Serialize, Deserialize)]
pub(super) struct DoorTokenMintedV1<'a> {
    jti: [u8; 16],
    #[serde(borrow)]
    name: Blob<'a>,
    door_role: u8,
    expires_at: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct DoorTokenRevokedV1 {
    jti: [u8; 16],
}

impl<'a> From<&'a DoorToken> for DoorTokenMintedV1<'a> {
    fn from(token: &'a DoorToken) -> Self {
        Self {
            jti: token.jti.to_bytes(),
            name: (&token.name).into(),
            door_role: token.door_role.number(),
            expires_at: token.expires_at.0,
        }
    }
}

impl TryFrom<DoorTokenMintedV1<'_>> for DoorToken {
    type Error = DecodeError;

    fn try_from(stored: DoorTokenMintedV1<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            jti: DoorTokenId::from_bytes(stored.jti),
            name: stored.name.into(),
            door_role: word(stored.door_role, "door role", DoorRole::from_number)?,
            expires_at: Timestamp(stored.expires_at),
        })
    }
}

impl From<DoorTokenId> for DoorTokenRevokedV1 {
    fn from(jti: DoorTokenId) -> Self {
        Self {
            jti: jti.to_bytes(),
        }
    }
}

impl From<DoorTokenRevokedV1> for Event {
    fn from(stored: DoorTokenRevokedV1) -> Self {
        Self::DoorTokenRevoked {
            jti: DoorTokenId::from_bytes(stored.jti),
        }
    }
}
