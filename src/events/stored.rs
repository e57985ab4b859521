//! The payloads that lie on disk: one frozen struct per (type, schema).
//!
//! A released struct is never edited. A changed fact gets a `…V2`, a `From<…V1> for …V2` (the
//! upcaster), a golden file, and a row in [`CURRENT`]; [`decode`] lifts what it reads to the newest
//! shape, so that nothing above knows older ones. Words are numbers and nothing here is a serde
//! enum: bincode numbers variants by their place in the source. Structs borrow from the frame, so
//! neither way copies text twice. Those about door tokens are in `stored_door_tokens`, that of
//! access records in `stored_access`.

use std::{str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};

use super::{
    codec::{self, DecodeError},
    event::{
        CapacityMode, Direction, DoorRole, Event, GatheringDetails, Reentry, RefusalCode,
        Registration, RegistrationPolicy, Scan, ScanMode, Sealed, Subject, Warning,
    },
    ids::{Code, ParticipantId},
    stored_access::PersonalDataAccessedV1,
    stored_door_tokens::{DoorTokenMintedV1, DoorTokenRevokedV1},
    time::Timestamp,
};

/// Every type there is, by number, with its newest schema. Numbers are never reused.
pub(super) const CURRENT: [(u16, u16); 13] = [
    (GATHERING_CREATED, 1),
    (GATHERING_CHANGED, 1),
    (SERVICE_TEAM_CHANGED, 1),
    (PARTICIPANT_REGISTERED, 1),
    (PARTICIPANT_CHECKED_IN, 1),
    (PARTICIPANT_CHECKED_OUT, 1),
    (SCAN_REFUSED, 1),
    (SCAN_UNDONE, 1),
    (REGISTRATION_CANCELLED, 1),
    (PARTICIPANT_ERASED, 1),
    (DOOR_TOKEN_MINTED, 1),
    (DOOR_TOKEN_REVOKED, 1),
    (PERSONAL_DATA_ACCESSED, 1),
];

const GATHERING_CREATED: u16 = 1;
const GATHERING_CHANGED: u16 = 2;
const SERVICE_TEAM_CHANGED: u16 = 3;
pub(super) const PARTICIPANT_REGISTERED: u16 = 4;
const PARTICIPANT_CHECKED_IN: u16 = 5;
const PARTICIPANT_CHECKED_OUT: u16 = 6;
const SCAN_REFUSED: u16 = 7;
const SCAN_UNDONE: u16 = 8;
const REGISTRATION_CANCELLED: u16 = 9;
pub(super) const PARTICIPANT_ERASED: u16 = 10;
const DOOR_TOKEN_MINTED: u16 = 11;
const DOOR_TOKEN_REVOKED: u16 = 12;
const PERSONAL_DATA_ACCESSED: u16 = 13;

/// Appends the payload in its newest schema to `out`; gives its type and schema.
pub(super) fn encode(event: &Event, out: &mut Vec<u8>) -> Result<(u16, u16), DecodeError> {
    let type_id = match event {
        Event::GatheringCreated(details) => {
            typed(GATHERING_CREATED, &GatheringV1::from(details), out)?
        }
        Event::GatheringChanged(details) => {
            typed(GATHERING_CHANGED, &GatheringV1::from(details), out)?
        }
        Event::ServiceTeamChanged { user_id, door_role } => {
            let stored = ServiceTeamChangedV1 {
                user_id,
                door_role: door_role.map(DoorRole::number),
            };
            typed(SERVICE_TEAM_CHANGED, &stored, out)?
        }
        Event::ParticipantRegistered(registration) => typed(
            PARTICIPANT_REGISTERED,
            &RegistrationV1::from(registration),
            out,
        )?,
        Event::ParticipantCheckedIn(scan) => {
            typed(PARTICIPANT_CHECKED_IN, &ScanV1::from(scan), out)?
        }
        Event::ParticipantCheckedOut(scan) => {
            typed(PARTICIPANT_CHECKED_OUT, &ScanV1::from(scan), out)?
        }
        Event::ScanRefused {
            scan,
            direction,
            code,
            previous,
        } => {
            let stored = ScanRefusedV1 {
                scan: scan.into(),
                direction: direction.number(),
                code: code.number(),
                previous: *previous,
            };
            typed(SCAN_REFUSED, &stored, out)?
        }
        Event::ScanUndone {
            subject,
            undoes,
            reason,
        } => {
            let stored = ScanUndoneV1 {
                subject: subject.into(),
                undoes: *undoes,
                reason: reason.as_ref().map(Blob::from),
            };
            typed(SCAN_UNDONE, &stored, out)?
        }
        Event::RegistrationCancelled { subject, reason } => {
            let stored = RegistrationCancelledV1 {
                subject: subject.into(),
                reason: reason.as_ref().map(Blob::from),
            };
            typed(REGISTRATION_CANCELLED, &stored, out)?
        }
        Event::ParticipantErased { subject } => {
            typed(PARTICIPANT_ERASED, &SubjectV1::from(subject), out)?
        }
        Event::DoorTokenMinted(token) => {
            typed(DOOR_TOKEN_MINTED, &DoorTokenMintedV1::from(token), out)?
        }
        Event::DoorTokenRevoked { jti } => {
            typed(DOOR_TOKEN_REVOKED, &DoorTokenRevokedV1::from(*jti), out)?
        }
        Event::PersonalDataAccessed(access) => typed(
            PERSONAL_DATA_ACCESSED,
            &PersonalDataAccessedV1::from(access),
            out,
        )?,
    };
    Ok((type_id, 1))
}

fn typed(type_id: u16, stored: &impl Serialize, out: &mut Vec<u8>) -> Result<u16, DecodeError> {
    codec::encode_payload(stored, out)?;
    Ok(type_id)
}

/// The fact in its newest shape, whatever schema it was written in.
pub(super) fn decode(type_id: u16, schema: u16, payload: &[u8]) -> Result<Event, DecodeError> {
    let event = match (type_id, schema) {
        (GATHERING_CREATED, 1) => Event::GatheringCreated(gathering(payload)?),
        (GATHERING_CHANGED, 1) => Event::GatheringChanged(gathering(payload)?),
        (SERVICE_TEAM_CHANGED, 1) => {
            let stored: ServiceTeamChangedV1<'_> = codec::decode_payload(payload)?;
            Event::ServiceTeamChanged {
                user_id: stored.user_id.into(),
                door_role: optional_word(stored.door_role, "door role", DoorRole::from_number)?,
            }
        }
        (PARTICIPANT_REGISTERED, 1) => Event::ParticipantRegistered(
            codec::decode_payload::<RegistrationV1<'_>>(payload)?.try_into()?,
        ),
        (PARTICIPANT_CHECKED_IN, 1) => {
            Event::ParticipantCheckedIn(codec::decode_payload::<ScanV1<'_>>(payload)?.try_into()?)
        }
        (PARTICIPANT_CHECKED_OUT, 1) => {
            Event::ParticipantCheckedOut(codec::decode_payload::<ScanV1<'_>>(payload)?.try_into()?)
        }
        (SCAN_REFUSED, 1) => {
            let stored: ScanRefusedV1<'_> = codec::decode_payload(payload)?;
            Event::ScanRefused {
                scan: stored.scan.try_into()?,
                direction: word(stored.direction, "direction", Direction::from_number)?,
                code: word(stored.code, "refusal code", RefusalCode::from_number)?,
                previous: stored.previous,
            }
        }
        (SCAN_UNDONE, 1) => {
            let stored: ScanUndoneV1<'_> = codec::decode_payload(payload)?;
            Event::ScanUndone {
                subject: stored.subject.try_into()?,
                undoes: stored.undoes,
                reason: stored.reason.map(Sealed::from),
            }
        }
        (REGISTRATION_CANCELLED, 1) => {
            let stored: RegistrationCancelledV1<'_> = codec::decode_payload(payload)?;
            Event::RegistrationCancelled {
                subject: stored.subject.try_into()?,
                reason: stored.reason.map(Sealed::from),
            }
        }
        (PARTICIPANT_ERASED, 1) => Event::ParticipantErased {
            subject: codec::decode_payload::<SubjectV1<'_>>(payload)?.try_into()?,
        },
        (DOOR_TOKEN_MINTED, 1) => Event::DoorTokenMinted(
            codec::decode_payload::<DoorTokenMintedV1<'_>>(payload)?.try_into()?,
        ),
        (DOOR_TOKEN_REVOKED, 1) => codec::decode_payload::<DoorTokenRevokedV1>(payload)?.into(),
        (PERSONAL_DATA_ACCESSED, 1) => Event::PersonalDataAccessed(
            codec::decode_payload::<PersonalDataAccessedV1<'_>>(payload)?.try_into()?,
        ),
        _ => return Err(DecodeError::UnknownType { type_id, schema }),
    };
    Ok(event)
}

/// The code that a registration's payload registers, without decoding the rest into a fact.
pub(super) fn registered_code(schema: u16, payload: &[u8]) -> Result<&str, DecodeError> {
    match schema {
        1 => Ok(codec::decode_payload::<RegistrationV1<'_>>(payload)?
            .subject
            .code),
        _ => Err(DecodeError::UnknownType {
            type_id: PARTICIPANT_REGISTERED,
            schema,
        }),
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct SubjectV1<'a> {
    participant: [u8; 16],
    code: &'a str,
}

#[derive(Serialize, Deserialize)]
struct GatheringV1<'a> {
    name: &'a str,
    creator: &'a str,
    start_date: i64,
    end_date: Option<i64>,
    time_zone: &'a str,
    capacity: Option<u32>,
    capacity_mode: u8,
    reentry: u8,
    opens_at: Option<i64>,
    closes_at: Option<i64>,
    registration: u8,
}

#[derive(Serialize, Deserialize)]
struct ServiceTeamChangedV1<'a> {
    user_id: &'a str,
    door_role: Option<u8>,
}

#[derive(Serialize, Deserialize)]
struct RegistrationV1<'a> {
    #[serde(borrow)]
    subject: SubjectV1<'a>,
    ticket_type: Option<&'a str>,
    external_id: Option<&'a str>,
    person: Blob<'a>,
}

#[derive(Serialize, Deserialize)]
struct ScanV1<'a> {
    #[serde(borrow)]
    subject: SubjectV1<'a>,
    gate: Option<&'a str>,
    device: Option<&'a str>,
    device_seq: Option<u64>,
    mode: u8,
    warnings: Vec<WarningV1>,
    overridden: Option<u8>,
    reason: Option<Blob<'a>>,
}

/// `kind`: 1 a rule (`rule`), 2 over capacity, 3 a gap (`last`, `this`), 4 the device's clock.
#[derive(Serialize, Deserialize)]
struct WarningV1 {
    kind: u8,
    rule: u8,
    last: u64,
    this: u64,
}

#[derive(Serialize, Deserialize)]
struct ScanRefusedV1<'a> {
    #[serde(borrow)]
    scan: ScanV1<'a>,
    direction: u8,
    code: u8,
    previous: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct ScanUndoneV1<'a> {
    #[serde(borrow)]
    subject: SubjectV1<'a>,
    undoes: u64,
    reason: Option<Blob<'a>>,
}

#[derive(Serialize, Deserialize)]
struct RegistrationCancelledV1<'a> {
    #[serde(borrow)]
    subject: SubjectV1<'a>,
    reason: Option<Blob<'a>>,
}

/// Sealed bytes, written in one piece (serde would write a slice byte by byte).
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Blob<'a>(&'a [u8]);

impl Serialize for Blob<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'a> From<&'a Sealed> for Blob<'a> {
    fn from(sealed: &'a Sealed) -> Self {
        Self(&sealed.0)
    }
}

impl From<Blob<'_>> for Sealed {
    fn from(blob: Blob<'_>) -> Self {
        Self(blob.0.into())
    }
}

impl<'a> From<&'a Subject> for SubjectV1<'a> {
    fn from(subject: &'a Subject) -> Self {
        Self {
            participant: subject.participant.to_bytes(),
            code: subject.code.as_str(),
        }
    }
}

impl TryFrom<SubjectV1<'_>> for Subject {
    type Error = DecodeError;

    fn try_from(stored: SubjectV1<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            participant: ParticipantId::from_bytes(stored.participant),
            code: Code::parse(stored.code).map_err(|_| DecodeError::Value("code"))?,
        })
    }
}

impl<'a> From<&'a GatheringDetails> for GatheringV1<'a> {
    fn from(details: &'a GatheringDetails) -> Self {
        Self {
            name: &details.name,
            creator: &details.creator,
            start_date: details.start_date.0,
            end_date: details.end_date.map(|moment| moment.0),
            time_zone: details.time_zone.name(),
            capacity: details.capacity,
            capacity_mode: details.capacity_mode.number(),
            reentry: details.reentry.number(),
            opens_at: details.opens_at.map(|moment| moment.0),
            closes_at: details.closes_at.map(|moment| moment.0),
            registration: details.registration.number(),
        }
    }
}

fn gathering(payload: &[u8]) -> Result<GatheringDetails, DecodeError> {
    let stored: GatheringV1<'_> = codec::decode_payload(payload)?;
    let capacity_mode = word(
        stored.capacity_mode,
        "capacity mode",
        CapacityMode::from_number,
    )?;
    let registration = word(
        stored.registration,
        "registration policy",
        RegistrationPolicy::from_number,
    )?;
    Ok(GatheringDetails {
        name: stored.name.into(),
        creator: stored.creator.into(),
        start_date: Timestamp(stored.start_date),
        end_date: stored.end_date.map(Timestamp),
        time_zone: chrono_tz::Tz::from_str(stored.time_zone)
            .map_err(|_| DecodeError::Value("time zone"))?,
        capacity: stored.capacity,
        capacity_mode,
        reentry: word(stored.reentry, "reentry", Reentry::from_number)?,
        opens_at: stored.opens_at.map(Timestamp),
        closes_at: stored.closes_at.map(Timestamp),
        registration,
    })
}

impl<'a> From<&'a Registration> for RegistrationV1<'a> {
    fn from(registration: &'a Registration) -> Self {
        Self {
            subject: (&registration.subject).into(),
            ticket_type: registration.ticket_type.as_deref(),
            external_id: registration.external_id.as_deref(),
            person: (&registration.person).into(),
        }
    }
}

impl TryFrom<RegistrationV1<'_>> for Registration {
    type Error = DecodeError;

    fn try_from(stored: RegistrationV1<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            subject: stored.subject.try_into()?,
            ticket_type: stored.ticket_type.map(Arc::from),
            external_id: stored.external_id.map(Arc::from),
            person: stored.person.into(),
        })
    }
}

impl<'a> From<&'a Scan> for ScanV1<'a> {
    fn from(scan: &'a Scan) -> Self {
        Self {
            subject: (&scan.subject).into(),
            gate: scan.gate.as_deref(),
            device: scan.device.as_deref(),
            device_seq: scan.device_seq,
            mode: scan.mode.number(),
            warnings: scan.warnings.iter().map(WarningV1::from).collect(),
            overridden: scan.overridden.map(RefusalCode::number),
            reason: scan.reason.as_ref().map(Blob::from),
        }
    }
}

impl TryFrom<ScanV1<'_>> for Scan {
    type Error = DecodeError;

    fn try_from(stored: ScanV1<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            subject: stored.subject.try_into()?,
            gate: stored.gate.map(Arc::from),
            device: stored.device.map(Arc::from),
            device_seq: stored.device_seq,
            mode: word(stored.mode, "scan mode", ScanMode::from_number)?,
            warnings: stored
                .warnings
                .into_iter()
                .map(Warning::try_from)
                .collect::<Result<_, _>>()?,
            overridden: optional_word(stored.overridden, "refusal code", RefusalCode::from_number)?,
            reason: stored.reason.map(Sealed::from),
        })
    }
}

impl From<&Warning> for WarningV1 {
    fn from(warning: &Warning) -> Self {
        let (kind, rule, last, this) = match *warning {
            Warning::Rule(code) => (1, code.number(), 0, 0),
            Warning::OverCapacity => (2, 0, 0, 0),
            Warning::DeviceGap { last, this } => (3, 0, last, this),
            Warning::ClockAhead => (4, 0, 0, 0),
        };
        Self {
            kind,
            rule,
            last,
            this,
        }
    }
}

impl TryFrom<WarningV1> for Warning {
    type Error = DecodeError;

    fn try_from(stored: WarningV1) -> Result<Self, DecodeError> {
        match stored.kind {
            1 => word(stored.rule, "refusal code", RefusalCode::from_number).map(Self::Rule),
            2 => Ok(Self::OverCapacity),
            3 => Ok(Self::DeviceGap {
                last: stored.last,
                this: stored.this,
            }),
            4 => Ok(Self::ClockAhead),
            _ => Err(DecodeError::Value("warning")),
        }
    }
}

pub(super) fn word<T>(
    number: u8,
    what: &'static str,
    from_number: fn(u8) -> Option<T>,
) -> Result<T, DecodeError> {
    from_number(number).ok_or(DecodeError::Value(what))
}

pub(super) fn optional_word<T>(
    number: Option<u8>,
    what: &'static str,
    from_number: fn(u8) -> Option<T>,
) -> Result<Option<T>, DecodeError> {
    number
        .map(|number| word(number, what, from_number))
        .transpose()
}
