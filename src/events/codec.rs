//! Bytes of facts, each a record: a header laid out by hand, readable without bincode, then the
//! payload of `stored`. The only file that names bincode.
//!
//! | at | bytes | |
//! |---|---|---|
//! | 0 | 4 | length of the whole record |
//! | 4 | 1 | layout of this header: 1 |
//! | 5 | 1 | flags: 1 causation, 2 command, 4 actor's name |
//! | 6 | 2 + 2 | type, schema of the payload |
//! | 10 | 1 | actor's role |
//! | 11 | 1 | 0 |
//! | 12 | 8 | offset |
//! | 20 | 16 + 16 | event id, gathering |
//! | 52 | 8 + 8 | `recorded_at`, `occurred_at`, µs since 1970 |
//! | 68 | 16 | correlation |
//! | 84 | 2 | length of the actor's id |
//! | 86 | 4 | length of the payload |
//! | 90 | | actor's id; causation (16); command id (2 + n) and content hash (16); sealed name (2 + n); payload |
//!
//! Integers are little endian. Decoding is total: any bytes give a fact or a [`DecodeError`].

use bincode::Options;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

use super::{
    event::{ActorRole, Sealed},
    ids::{CommandId, CorrelationId, EventId, GatheringId, Offset},
    recorded::{Actor, CommandRef, Recorded},
    stored,
    time::Timestamp,
};

/// The bytes are not a fact that this doorbook knows.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    #[error("the record ends inside its {0}")]
    Truncated(&'static str),
    #[error("the record's lengths do not agree")]
    Length,
    #[error("record header layout {0} is unknown")]
    HeaderLayout(u8),
    #[error("event type {type_id} with schema {schema} is unknown")]
    UnknownType { type_id: u16, schema: u16 },
    #[error("the {0} is not one there can be")]
    Value(&'static str),
    #[error("it was recorded before the event before it: one of the two times is wrong")]
    Backwards,
    #[error("the payload does not decode")]
    Payload,
    #[error("the payload does not encode")]
    Encode,
}

/// Layout of the record header.
const LAYOUT: u8 = 1;
const HEADER_BYTES: usize = 90;

const HAS_CAUSATION: u8 = 1;
const HAS_COMMAND: u8 = 2;
const HAS_ACTOR_NAME: u8 = 4;

/// Largest encoded payload and largest encoded state of a fold, bytes.
const PAYLOAD_BYTES_MAX: u64 = 1 << 20;
const STATE_BYTES_MAX: u64 = 1 << 30;

/// Length of the record, bytes: what a log of this event cannot do without. For statistics.
///
/// # Errors
/// When the event is too large to encode.
pub fn encoded_bytes(recorded: &Recorded) -> Result<usize, DecodeError> {
    let mut record = Vec::new();
    encode(recorded, &mut record)?;
    Ok(record.len())
}

/// The fact in the bytes of one record, all of them. What is sealed stays sealed.
///
/// # Errors
/// When they are not a record that this doorbook knows, or there is more behind it.
pub fn decode(bytes: &[u8]) -> Result<Recorded, DecodeError> {
    let (record, rest) = Record::split_first(bytes)?;
    if !rest.is_empty() {
        return Err(DecodeError::Length);
    }
    record.check_known()?;
    record.decode()
}

/// Appends the record to `out`; `out` is as it was when that fails.
pub(super) fn encode(recorded: &Recorded, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let start = out.len();
    encode_at(recorded, start, out).inspect_err(|_| out.truncate(start))
}

fn encode_at(recorded: &Recorded, start: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let actor = &recorded.actor;
    let flags = if recorded.causation.is_some() {
        HAS_CAUSATION
    } else {
        0
    } | if recorded.command.is_some() {
        HAS_COMMAND
    } else {
        0
    } | if actor.name.is_some() {
        HAS_ACTOR_NAME
    } else {
        0
    };
    let mut header = [0; HEADER_BYTES];
    header[4] = LAYOUT;
    header[5] = flags;
    header[10] = actor.role.number();
    header[12..20].copy_from_slice(&recorded.offset.to_le_bytes());
    header[20..36].copy_from_slice(&recorded.event_id.to_bytes());
    header[36..52].copy_from_slice(&recorded.gathering.to_bytes());
    header[52..60].copy_from_slice(&recorded.recorded_at.0.to_le_bytes());
    header[60..68].copy_from_slice(&recorded.occurred_at.0.to_le_bytes());
    header[68..84].copy_from_slice(&recorded.correlation.to_bytes());
    header[84..86].copy_from_slice(&length16(&*actor.id)?);
    out.extend_from_slice(&header);
    out.extend_from_slice(actor.id.as_bytes());
    if let Some(causation) = recorded.causation {
        out.extend_from_slice(&causation.to_bytes());
    }
    if let Some(command) = &recorded.command {
        out.extend_from_slice(&length16(command.id.as_str())?);
        out.extend_from_slice(command.id.as_str().as_bytes());
        out.extend_from_slice(&command.content_hash);
    }
    if let Some(name) = &actor.name {
        out.extend_from_slice(&length16(&*name.0)?);
        out.extend_from_slice(&name.0);
    }
    let payload_start = out.len();
    let (type_id, schema) = stored::encode(&recorded.event, out)?;
    let payload = length32(out.len() - payload_start)?;
    let record = length32(out.len() - start)?;
    let mut patch = |at: usize, bytes: &[u8]| {
        out[start + at..start + at + bytes.len()].copy_from_slice(bytes);
    };
    patch(0, &record);
    patch(6, &type_id.to_le_bytes());
    patch(8, &schema.to_le_bytes());
    patch(86, &payload);
    Ok(())
}

/// A record whose lengths have been checked; the rest is decoded when asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    whole: &'a [u8],
    header: &'a [u8; HEADER_BYTES],
    /// What follows the header, but the payload.
    middle: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record at the front of `bytes`, and what comes after it.
    pub(super) fn split_first(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), DecodeError> {
        let header = bytes
            .first_chunk::<HEADER_BYTES>()
            .ok_or(DecodeError::Truncated("header"))?;
        if header[4] != LAYOUT {
            return Err(DecodeError::HeaderLayout(header[4]));
        }
        let length = u32::from_le_bytes(field(header, 0)) as usize;
        let payload = u32::from_le_bytes(field(header, 86)) as usize;
        let (record, rest) = bytes
            .split_at_checked(length)
            .ok_or(DecodeError::Truncated("body"))?;
        let (middle, payload) = record
            .get(HEADER_BYTES..)
            .and_then(|body| body.split_at_checked(body.len().checked_sub(payload)?))
            .ok_or(DecodeError::Length)?;
        let record = Self {
            whole: record,
            header,
            middle,
            payload,
        };
        Ok((record, rest))
    }

    /// As they stand in the frame: what a proof is about.
    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.whole
    }

    pub(super) fn offset(&self) -> Offset {
        Offset::from_le_bytes(field(self.header, 12))
    }

    pub(super) fn gathering(&self) -> GatheringId {
        GatheringId::from_bytes(field(self.header, 36))
    }

    pub(super) fn recorded_at(&self) -> Timestamp {
        Timestamp(i64::from_le_bytes(field(self.header, 52)))
    }

    /// The code it registers, when it is a registration.
    pub(super) fn registered_code(&self) -> Result<Option<&'a str>, DecodeError> {
        if self.type_id() == stored::PARTICIPANT_REGISTERED {
            stored::registered_code(self.schema(), self.payload).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Whether it tells of an erasure.
    pub(super) fn is_erasure(&self) -> bool {
        self.type_id() == stored::PARTICIPANT_ERASED
    }

    /// # Errors
    /// When a newer doorbook wrote it.
    pub(super) fn check_known(&self) -> Result<(), DecodeError> {
        let (type_id, schema) = (self.type_id(), self.schema());
        let known = stored::CURRENT
            .iter()
            .any(|(known, newest)| *known == type_id && (1..=*newest).contains(&schema));
        if known {
            Ok(())
        } else {
            Err(DecodeError::UnknownType { type_id, schema })
        }
    }

    pub(super) fn decode(&self) -> Result<Recorded, DecodeError> {
        let flags = self.header[5];
        let mut middle = self.middle;
        let actor_id = take(
            &mut middle,
            u16::from_le_bytes(field(self.header, 84)).into(),
            "actor",
        )?;
        let causation = if flags & HAS_CAUSATION == 0 {
            None
        } else {
            Some(EventId::from_bytes(take_array(&mut middle, "causation")?))
        };
        let command = if flags & HAS_COMMAND == 0 {
            None
        } else {
            Some(CommandRef {
                id: CommandId::parse(text(
                    take_counted(&mut middle, "command id")?,
                    "command id",
                )?)
                .map_err(|_| DecodeError::Value("command id"))?,
                content_hash: take_array(&mut middle, "content hash")?,
            })
        };
        let name = if flags & HAS_ACTOR_NAME == 0 {
            None
        } else {
            Some(Sealed(take_counted(&mut middle, "actor's name")?.into()))
        };
        let known = HAS_CAUSATION | HAS_COMMAND | HAS_ACTOR_NAME;
        if !middle.is_empty() || flags & !known != 0 || self.header[11] != 0 {
            return Err(DecodeError::Length);
        }
        Ok(Recorded {
            offset: self.offset(),
            event_id: EventId::from_bytes(field(self.header, 20)),
            gathering: self.gathering(),
            recorded_at: self.recorded_at(),
            occurred_at: Timestamp(i64::from_le_bytes(field(self.header, 60))),
            actor: Actor {
                id: text(actor_id, "actor")?.into(),
                role: ActorRole::from_number(self.header[10]).ok_or(DecodeError::Value("role"))?,
                name,
            },
            correlation: CorrelationId::from_bytes(field(self.header, 68)),
            causation,
            command,
            event: stored::decode(self.type_id(), self.schema(), self.payload)?,
        })
    }

    fn type_id(&self) -> u16 {
        u16::from_le_bytes(field(self.header, 6))
    }

    fn schema(&self) -> u16 {
        u16::from_le_bytes(field(self.header, 8))
    }
}

/// `N` bytes of a fixed header; `at` is a constant of the layout.
pub(super) fn field<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[at..at + N]);
    bytes
}

fn take<'a>(
    rest: &mut &'a [u8],
    length: usize,
    what: &'static str,
) -> Result<&'a [u8], DecodeError> {
    let (taken, left) = rest
        .split_at_checked(length)
        .ok_or(DecodeError::Truncated(what))?;
    *rest = left;
    Ok(taken)
}

fn take_array<const N: usize>(
    rest: &mut &[u8],
    what: &'static str,
) -> Result<[u8; N], DecodeError> {
    let (taken, left) = rest
        .split_first_chunk()
        .ok_or(DecodeError::Truncated(what))?;
    *rest = left;
    Ok(*taken)
}

fn take_counted<'a>(rest: &mut &'a [u8], what: &'static str) -> Result<&'a [u8], DecodeError> {
    let length = u16::from_le_bytes(take_array(rest, what)?);
    take(rest, length.into(), what)
}

fn text<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|_| DecodeError::Value(what))
}

fn length16(bytes: impl AsRef<[u8]>) -> Result<[u8; 2], DecodeError> {
    u16::try_from(bytes.as_ref().len())
        .map(u16::to_le_bytes)
        .map_err(|_| DecodeError::Encode)
}

fn length32(length: usize) -> Result<[u8; 4], DecodeError> {
    u32::try_from(length)
        .map(u32::to_le_bytes)
        .map_err(|_| DecodeError::Encode)
}

/// The bytes of bincode 1.3: fixed-width integers, little endian, nothing left over.
fn options() -> impl Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_little_endian()
        .reject_trailing_bytes()
}

/// Appends a frozen struct to `out`.
pub(super) fn encode_payload<S: Serialize>(
    stored: &S,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    options()
        .with_limit(PAYLOAD_BYTES_MAX)
        .serialize_into(out, stored)
        .map_err(|_| DecodeError::Encode)
}

pub(super) fn decode_payload<'a, D: Deserialize<'a>>(payload: &'a [u8]) -> Result<D, DecodeError> {
    options()
        .with_limit(PAYLOAD_BYTES_MAX)
        .deserialize(payload)
        .map_err(|_| DecodeError::Payload)
}

/// Appends the state of a fold to `out`.
pub(super) fn encode_state<S: Serialize>(state: &S, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    options()
        .with_limit(STATE_BYTES_MAX)
        .serialize_into(out, state)
        .map_err(|_| DecodeError::Encode)
}

pub(super) fn decode_state<S: DeserializeOwned>(bytes: &[u8]) -> Result<S, DecodeError> {
    options()
        .with_limit(STATE_BYTES_MAX)
        .deserialize(bytes)
        .map_err(|_| DecodeError::Payload)
}
