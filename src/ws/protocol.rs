//! The messages of the live streams, as they are on the wire: what the server says
//! ([`ServerMessage`]) and what a client may say ([`ClientMessage`]). How an event becomes its
//! message is here too, so that live and replay cannot differ.
//!
//! Nothing here reads a view or a socket.

use std::{cell::RefCell, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{
    events::{
        event::{Direction, DoorRole, DoorToken, Event, RefusalCode, Scan},
        ids::{Cursor, DoorTokenId, GatheringId, Offset, ParticipantId},
        recorded::Recorded,
        time::Timestamp,
    },
    projections::{
        dashboard::Update,
        feed::FeedEntry,
        participants::{Occupancy, Participant, Previous},
        warning::ScanWarning,
    },
};

/// Larger texts keep the buffer that they were written in, bytes.
const SCRATCH_BYTES_MAX: usize = 64 * 1024;

/// One message to a client; `initial_data` and `participants` are put together in `snapshot`. The fields stand in the order of the contract.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ServerMessage<'a> {
    CheckinUpdate(ScanUpdate<'a>),
    CheckoutUpdate(ScanUpdate<'a>),
    ParticipantRegistered {
        participant: Option<&'a Participant>,
        timestamp: Timestamp,
        offset: Offset,
        occupancy: Occupancy,
    },
    ParticipantUpdated {
        participant: Option<&'a Participant>,
        reason: &'static str,
        timestamp: Timestamp,
        offset: Offset,
        occupancy: Occupancy,
    },
    ScanRefused {
        /// None when the ticket is another gathering's: its holder is nobody's business here.
        participant: Option<&'a Participant>,
        code: RefusalCode,
        previous: Option<&'a Previous>,
        gate: Option<&'a str>,
        timestamp: Timestamp,
        offset: Offset,
        action: &'static str,
        warnings: Vec<ScanWarning>,
    },
    EventUpdate {
        event_id: GatheringId,
        /// The word of the history entry.
        update_type: &'static str,
        data: UpdateData<'a>,
        counts: Counts,
        timestamp: Timestamp,
        offset: Offset,
    },
    CaughtUp {
        offset: Offset,
        cursor: Cursor,
    },
    FellBehind {
        offset: Offset,
        head: Offset,
    },
    Reset {
        reason: ResetReason,
    },
    Heartbeat {
        offset: Offset,
        cursor: Cursor,
        timestamp: Timestamp,
    },
    Pong {
        timestamp: &'a RawValue,
        server_time: Timestamp,
    },
    AuthExpiring {
        expires_at: Timestamp,
    },
    Error {
        code: &'static str,
        message: &'a str,
    },
}

/// Somebody came in or went out.
#[derive(Serialize)]
pub(crate) struct ScanUpdate<'a> {
    participant: Option<&'a Participant>,
    action: &'static str,
    timestamp: Timestamp,
    gate: Option<&'a str>,
    offset: Offset,
    occupancy: Occupancy,
    /// What an offline fact broke, among others: the desk sees the conflict as it arrives.
    warnings: Vec<ScanWarning>,
}

/// Why the asked-for start could not be honoured; a snapshot follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResetReason {
    /// The cursor is of another log.
    LogChanged,
    /// The log has no such offset yet.
    Ahead,
    /// The caller may see other gatherings than before.
    ViewChanged,
}

impl ResetReason {
    /// In the order of declaration: a reason's number is its place here.
    pub(crate) const ALL: [Self; 3] = [Self::LogChanged, Self::Ahead, Self::ViewChanged];

    /// The word in the message and in metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::LogChanged => "log_changed",
            Self::Ahead => "ahead",
            Self::ViewChanged => "view_changed",
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Counts {
    registered: u32,
    checked_in: u32,
    inside: u32,
}

#[derive(Serialize, Default)]
pub(crate) struct UpdateData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    participant_id: Option<ParticipantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    /// Beside `user_id`; null: no longer on the team.
    #[serde(skip_serializing_if = "Option::is_none")]
    door_role: Option<Option<DoorRole>>,
    /// Which door token was minted or revoked; never the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<DoorTokenId>,
}

thread_local! {
    /// A message while it is written: its length is known only afterwards.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The message as text, ready to be shared by all who read it.
pub(crate) fn encode<T: Serialize>(message: &T) -> Option<Bytes> {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        match serde_json::to_writer(&mut *scratch, message) {
            Ok(()) if scratch.capacity() <= SCRATCH_BYTES_MAX => {
                Some(Bytes::copy_from_slice(scratch))
            }
            Ok(()) => Some(Bytes::from(std::mem::take(scratch))),
            Err(error) => {
                tracing::error!(%error, "a stream message does not encode");
                None
            }
        }
    })
}

/// The check-in stream's message about an event. Every event has one, but who read personal data: that is
/// for those who may read the history.
pub(crate) fn checkin_message(entry: &FeedEntry) -> Option<ServerMessage<'_>> {
    let recorded = &*entry.recorded;
    let participant = entry.participant.as_deref();
    let (timestamp, offset) = (recorded.occurred_at, recorded.offset);
    let message = match &recorded.event {
        Event::ParticipantCheckedIn(scan) => {
            ServerMessage::CheckinUpdate(scan_update(entry, scan, Direction::In))
        }
        Event::ParticipantCheckedOut(scan) => {
            ServerMessage::CheckoutUpdate(scan_update(entry, scan, Direction::Out))
        }
        Event::ParticipantRegistered(_) => ServerMessage::ParticipantRegistered {
            participant,
            timestamp,
            offset,
            occupancy: entry.occupancy,
        },
        Event::ScanRefused {
            scan,
            direction,
            code,
            ..
        } => ServerMessage::ScanRefused {
            participant,
            code: *code,
            previous: entry.previous.as_ref(),
            gate: scan.gate.as_deref(),
            timestamp,
            offset,
            action: action(*direction),
            warnings: ScanWarning::all(scan),
        },
        Event::ScanUndone { .. } => participant_updated(entry, "undone"),
        Event::RegistrationCancelled { .. } => participant_updated(entry, "cancelled"),
        Event::ParticipantErased { .. } => participant_updated(entry, "erased"),
        Event::GatheringCreated(_)
        | Event::GatheringChanged(_)
        | Event::ServiceTeamChanged { .. }
        | Event::DoorTokenMinted(_)
        | Event::DoorTokenRevoked { .. } => event_update(recorded, entry.occupancy),
        Event::PersonalDataAccessed(_) => return None,
    };
    Some(message)
}

/// The dashboard's message about an event, for the same ones.
pub(crate) fn dashboard_message(update: &Update) -> Option<ServerMessage<'_>> {
    let is_silent = matches!(update.recorded.event, Event::PersonalDataAccessed(_));
    (!is_silent).then(|| event_update(&update.recorded, update.counts))
}

/// The participants' word for a way through the door.
const fn action(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "checkin",
        Direction::Out => "checkout",
    }
}

fn scan_update<'a>(entry: &'a FeedEntry, scan: &'a Scan, direction: Direction) -> ScanUpdate<'a> {
    ScanUpdate {
        participant: entry.participant.as_deref(),
        action: action(direction),
        timestamp: entry.recorded.occurred_at,
        gate: scan.gate.as_deref(),
        offset: entry.recorded.offset,
        occupancy: entry.occupancy,
        warnings: ScanWarning::all(scan),
    }
}

fn participant_updated<'a>(entry: &'a FeedEntry, reason: &'static str) -> ServerMessage<'a> {
    ServerMessage::ParticipantUpdated {
        participant: entry.participant.as_deref(),
        reason,
        timestamp: entry.recorded.occurred_at,
        offset: entry.recorded.offset,
        occupancy: entry.occupancy,
    }
}

fn event_update(recorded: &Recorded, counts: Occupancy) -> ServerMessage<'_> {
    ServerMessage::EventUpdate {
        event_id: recorded.gathering,
        update_type: recorded.event.type_name(),
        data: update_data(&recorded.event),
        counts: Counts {
            registered: counts.registered,
            checked_in: counts.checked_in,
            inside: counts.inside,
        },
        timestamp: recorded.occurred_at,
        offset: recorded.offset,
    }
}

fn update_data(event: &Event) -> UpdateData<'_> {
    match event {
        Event::ServiceTeamChanged { user_id, door_role } => UpdateData {
            user_id: Some(user_id),
            door_role: Some(*door_role),
            ..UpdateData::default()
        },
        Event::DoorTokenMinted(DoorToken { jti, .. }) | Event::DoorTokenRevoked { jti } => {
            UpdateData {
                jti: Some(*jti),
                ..UpdateData::default()
            }
        }
        // Somebody else's ticket: who holds it is not for this gathering's staff.
        Event::ScanRefused {
            code: RefusalCode::WrongEvent,
            ..
        } => UpdateData::default(),
        other => UpdateData {
            participant_id: other.subject().map(|subject| subject.participant),
            ..UpdateData::default()
        },
    }
}

/// What a client asks for.
#[derive(Debug)]
pub(crate) enum ClientMessage {
    GetParticipants,
    /// The timestamp goes back as it came, whatever it is; null when there is none.
    Ping {
        timestamp: Box<RawValue>,
    },
    Auth {
        token: Arc<str>,
    },
    Resume {
        from: String,
    },
}

/// A message that asks for nothing we know; the text says what would be right.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadMessage {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl BadMessage {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl ClientMessage {
    /// # Errors
    /// When the text is not one of the four messages; the text never comes back in the error.
    pub(crate) fn parse(text: &str) -> Result<Self, BadMessage> {
        let value: Value = serde_json::from_str(text).map_err(|_| {
            BadMessage::new(
                "bad_json",
                r#"send one JSON object a message, such as {"type": "ping", "timestamp": "2026-05-01T18:00:00Z"}"#,
            )
        })?;
        let Value::Object(mut fields) = value else {
            return Err(BadMessage::new(
                "not_an_object",
                r#"send a JSON object with a "type""#,
            ));
        };
        let Some(Value::String(kind)) = fields.remove("type") else {
            return Err(BadMessage::new(
                "missing_field",
                r#""type" must be a string: get_participants, ping, auth or resume"#,
            ));
        };
        match kind.as_str() {
            "get_participants" => Ok(Self::GetParticipants),
            "ping" => Ok(Self::Ping {
                timestamp: timestamp_of(text),
            }),
            "auth" => match fields.remove("token") {
                Some(Value::String(token)) => Ok(Self::Auth {
                    token: token.into(),
                }),
                _ => Err(BadMessage::new(
                    "missing_field",
                    "auth needs a token, a string",
                )),
            },
            "resume" => match fields.remove("from") {
                Some(Value::String(from)) => Ok(Self::Resume { from }),
                Some(Value::Number(from)) => Ok(Self::Resume {
                    from: from.to_string(),
                }),
                _ => Err(BadMessage::new(
                    "missing_field",
                    "resume needs from: a cursor, an offset, earliest or latest",
                )),
            },
            _ => Err(BadMessage::new(
                "unknown_type",
                "the types are get_participants, ping, auth and resume",
            )),
        }
    }
}

/// A ping's timestamp as its bytes stand there: a number must not change its digits.
fn timestamp_of(text: &str) -> Box<RawValue> {
    #[derive(Deserialize)]
    struct Ping {
        timestamp: Option<Box<RawValue>>,
    }
    serde_json::from_str(text)
        .ok()
        .and_then(|ping: Ping| ping.timestamp)
        .unwrap_or_else(|| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn a_ping_keeps_its_timestamp_whatever_it_is() {
        let timestamp = |text: &str| match ClientMessage::parse(text) {
            Ok(ClientMessage::Ping { timestamp }) => timestamp.get().to_owned(),
            other => panic!("{other:?}"),
        };
        for sent in [
            r#""2026-05-01T18:00:00Z""#,
            "17",
            "1e2",
            "123456789012345678901234567890",
            "null",
            r#"{"b": 1, "a": [2]}"#,
        ] {
            let text = format!(r#"{{"type": "ping", "timestamp": {sent}}}"#);
            assert_eq!(timestamp(&text), sent);
        }
        // A client that only asks whether we are there.
        assert_eq!(timestamp(r#"{"type": "ping"}"#), "null");
    }

    #[test]
    fn bad_messages_say_what_would_be_right() {
        for (text, code) in [
            ("{", "bad_json"),
            ("[]", "not_an_object"),
            ("\"ping\"", "not_an_object"),
            ("{}", "missing_field"),
            (r#"{"type": 1}"#, "missing_field"),
            (r#"{"type": "auth", "token": 3}"#, "missing_field"),
            (r#"{"type": "resume"}"#, "missing_field"),
            (r#"{"type": "shout"}"#, "unknown_type"),
        ] {
            let bad = ClientMessage::parse(text).unwrap_err();
            assert_eq!(bad.code, code, "{text}");
            assert!(!bad.message.is_empty());
        }
    }

    #[test]
    fn control_messages_have_the_contract_s_fields_in_its_order() {
        let cursor = Cursor {
            epoch: crate::events::ids::Epoch::from_bytes([7; 16]),
            offset: 9,
        };
        let text = encode(&ServerMessage::CaughtUp { offset: 9, cursor }).unwrap();
        assert_eq!(
            std::str::from_utf8(&text).unwrap(),
            r#"{"type":"caught_up","offset":9,"cursor":"07070707070707070707070707070707:9"}"#
        );
        let reset = encode(&ServerMessage::Reset {
            reason: ResetReason::LogChanged,
        });
        assert_eq!(
            &reset.unwrap()[..],
            br#"{"type":"reset","reason":"log_changed"}"#
        );
    }
}
