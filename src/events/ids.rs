//! Names of things: gatherings, participants, ticket codes, commands, the log's epoch.
//!
//! Each is a type of its own, so that one can never stand in for another. Parsing happens once, at
//! the door; a value of these types is well formed.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// Position of an event in the log: 1, 2, 3 … without gaps. 0 stands before the first event.
pub type Offset = u64;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id (UUIDv7: sorts by the time it was made).
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            #[must_use]
            pub const fn to_bytes(self) -> [u8; 16] {
                *self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text).map(Self).map_err(|_| InvalidId {
                    what: "an id",
                    rule: "a UUID such as 0190c9a2-7c8e-7d31-b1b5-3f7a2f7d9e10",
                })
            }
        }

        // In JSON a hyphenated string; in stored structs 16 raw bytes, because bincode would put
        // a length of 8 bytes in front of a UUID.
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(&self.0.hyphenated())
                } else {
                    self.to_bytes().serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; 16]>::deserialize(deserializer).map(Self::from_bytes)
                }
            }
        }
    };
}

uuid_id!(
    /// What people attend. The origin's documents and URLs call it an *event*.
    GatheringId
);
uuid_id!(
    /// One registration for one gathering.
    ParticipantId
);
uuid_id!(
    /// One door token: its `jti`. Sorts by the time it was minted.
    DoorTokenId
);
uuid_id!(
    /// One fact, unique in every log there ever was; the offset is unique in one log only.
    EventId
);
uuid_id!(
    /// Groups what was caused by one request (the request's `X-Request-Id` when it is a UUID).
    CorrelationId
);
uuid_id!(
    /// The log's identity: made when the log is created, renewed by a restore. A cursor taken in
    /// one epoch says nothing about another.
    Epoch
);

impl GatheringId {
    /// No gathering: what is recorded of the log as a whole, such as who read across all gatherings. Never
    /// created, in no list, and `null` where callers see it.
    pub const HOUSE: Self = Self(Uuid::nil());

    #[must_use]
    pub fn is_house(self) -> bool {
        self == Self::HOUSE
    }
}

/// Text that is not what it should be; `rule` says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} must be {rule}")]
pub struct InvalidId {
    pub what: &'static str,
    pub rule: &'static str,
}

/// A participant's code (`event_pax_id`): what the ticket's QR holds, unique in the whole log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Code(Arc<str>);

/// The client's name for one command (`scan_id` or `Idempotency-Key`): the same id is the same command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct CommandId(Arc<str>);

/// Longest code and command id, in bytes.
pub const ID_TEXT_BYTES_MAX: usize = 128;

macro_rules! text_id {
    ($name:ident, $what:literal) => {
        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// # Errors
            /// When the text is empty, longer than [`ID_TEXT_BYTES_MAX`], has white space at an
            /// end, or holds a control character.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let well_formed = !text.is_empty()
                    && text.len() <= ID_TEXT_BYTES_MAX
                    && text.trim() == text
                    && !text.chars().any(char::is_control);
                if well_formed {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId {
                        what: $what,
                        rule: "1 to 128 bytes of text without control characters or surrounding spaces",
                    })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id!(Code, "a participant's code");
text_id!(CommandId, "scan_id or Idempotency-Key");

/// `"<epoch>:<offset>"`: everything up to and including the offset has been seen. Opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub epoch: Epoch,
    pub offset: Offset,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch.0.simple(), self.offset)
    }
}

impl FromStr for Cursor {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId {
            what: "a cursor",
            rule: "text taken from a message's or a heartbeat's `cursor`",
        };
        let (epoch, offset) = text.split_once(':').ok_or(invalid.clone())?;
        Ok(Self {
            epoch: Epoch(Uuid::try_parse(epoch).map_err(|_| invalid.clone())?),
            offset: offset.parse().map_err(|_| invalid)?,
        })
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
