//! A fact with its place: who did it, when, at which offset, in answer to which command.
//!
//! [`NewEvent`] is what a decision hands to the log; [`Recorded`] is what the log made of it and
//! what every fold reads.

use std::sync::Arc;

use super::{
    event::{ActorRole, Event, Sealed},
    ids::{CommandId, CorrelationId, EventId, GatheringId, Offset},
    time::Timestamp,
};

/// A fact that has been decided and wants an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    pub gathering: GatheringId,
    /// When the command was decided. The log may move it forward so that `recorded_at` never
    /// runs backwards, whatever the clock does.
    pub decided_at: Timestamp,
    /// When it happened at the door.
    pub occurred_at: Timestamp,
    pub actor: Actor,
    pub correlation: CorrelationId,
    /// The event that this one answers (an undo answers a scan).
    pub causation: Option<EventId>,
    pub command: Option<CommandRef>,
    pub event: Event,
}

/// An event in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub offset: Offset,
    pub event_id: EventId,
    pub gathering: GatheringId,
    /// When the log took it; never before the event at the offset before.
    pub recorded_at: Timestamp,
    pub occurred_at: Timestamp,
    pub actor: Actor,
    pub correlation: CorrelationId,
    pub causation: Option<EventId>,
    pub command: Option<CommandRef>,
    pub event: Event,
}

/// On whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The token's `sub`.
    pub id: Arc<str>,
    pub role: ActorRole,
    /// The token's `name`, sealed with the gathering's key.
    pub name: Option<Sealed>,
}

/// The command an event answers, for exactly-once: same id and same content is the same command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRef {
    pub id: CommandId,
    /// First 16 bytes of HMAC-SHA-256 over the command's canonical bytes, keyed by the
    /// participant's key when they hold words about a person, else by the gathering's: without the
    /// key it tells nothing.
    pub content_hash: [u8; 16],
}
