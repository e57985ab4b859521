//! Who, what, where → offsets. The facts themselves always come from the log: here is the index of
//! one gathering, the form in which auditors read an event, and what a query lets through.
//!
//! Not here: how a page is gathered (`audit`).

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::person::unseal;
use crate::events::{
    event::{
        Accessed, ActorRole, DoorRole, Event, ExportFormat, RefusalCode, Scan, ScanMode, Sealed,
        Warning,
    },
    ids::{Code, CommandId, DoorTokenId, GatheringId, Offset, ParticipantId},
    keys::{Keys, SubjectId},
    recorded::Recorded,
    snapshot::FoldName,
    time::Timestamp,
};

/// Raise the version whenever [`State`] or what `apply` makes of an event changes.
pub(crate) const FOLD: FoldName = FoldName {
    name: "history",
    version: 1,
};

/// One event as auditors read it (contract: **History entry**).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistoryEntry {
    pub offset: Offset,
    /// Null for what is about the log as a whole.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub event_id: Option<GatheringId>,
    #[schema(value_type = Option<String>, format = Uuid)]
    pub participant_id: Option<ParticipantId>,
    #[schema(value_type = Option<String>)]
    pub event_pax_id: Option<Code>,
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `admitted`, `exited` or `refused`; null for what is not a scan.
    pub outcome: Option<&'static str>,
    /// The refusal code of a refused scan; of an admitted one, the refusal that was overridden or
    /// that an offline fact broke.
    pub code: Option<&'static str>,
    #[schema(value_type = String, format = DateTime)]
    pub occurred_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    pub actor: HistoryActor,
    #[schema(value_type = Option<String>)]
    pub gate: Option<Arc<str>>,
    #[schema(value_type = Option<String>)]
    pub device: Option<Arc<str>>,
    pub device_seq: Option<u64>,
    #[schema(value_type = Option<String>)]
    pub scan_id: Option<CommandId>,
    pub mode: Option<ScanMode>,
    /// Null when none was given or the person has been erased.
    pub reason: Option<String>,
    /// Offset of the undo that took this scan back.
    pub undone_by: Option<Offset>,
    /// Offset of the scan that this undo took back.
    pub undoes: Option<Offset>,
    /// Of `service_team_changed`: whom it is about and their role from then on.
    pub team_member: Option<TeamMember>,
    /// Of `door_token_minted` and `door_token_revoked`.
    pub door_token: Option<HistoryDoorToken>,
    /// Of `personal_data_accessed`.
    pub accessed: Option<HistoryAccess>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistoryActor {
    #[schema(value_type = String)]
    pub id: Arc<str>,
    pub name: Option<String>,
    pub role: ActorRole,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TeamMember {
    #[schema(value_type = String)]
    pub user_id: Arc<str>,
    pub door_role: Option<DoorRole>,
}

/// What was minted, never the token itself; of a revoked one just which it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistoryDoorToken {
    #[schema(value_type = String, format = Uuid)]
    pub jti: DoorTokenId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door_role: Option<DoorRole>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// What was read, never what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistoryAccess {
    pub what: Accessed,
    /// Of exports.
    pub format: Option<ExportFormat>,
}

impl HistoryEntry {
    pub(super) fn new(recorded: &Recorded, undone_by: Option<Offset>, keys: &Keys) -> Self {
        let subject = recorded.event.subject();
        let scan = recorded.event.scan();
        let (outcome, code) = outcome(&recorded.event);
        let text = |whose: SubjectId, sealed: &Sealed| {
            unseal(keys, recorded.gathering, whose, sealed)
                .and_then(|bytes| String::from_utf8(bytes).ok())
        };
        let reason = reason(&recorded.event).zip(subject);
        let actor_name = recorded.actor.name.as_ref();
        Self {
            offset: recorded.offset,
            event_id: Some(recorded.gathering).filter(|id| !id.is_house()),
            participant_id: subject.map(|subject| subject.participant),
            event_pax_id: subject.map(|subject| subject.code.clone()),
            kind: recorded.event.type_name(),
            outcome,
            code: code.map(RefusalCode::as_str),
            occurred_at: recorded.occurred_at,
            recorded_at: recorded.recorded_at,
            actor: HistoryActor {
                id: recorded.actor.id.clone(),
                name: actor_name.and_then(|name| text(recorded.gathering.to_bytes(), name)),
                role: recorded.actor.role,
            },
            gate: scan.and_then(|scan| scan.gate.clone()),
            device: scan.and_then(|scan| scan.device.clone()),
            device_seq: scan.and_then(|scan| scan.device_seq),
            scan_id: scan
                .and(recorded.command.as_ref())
                .map(|command| command.id.clone()),
            mode: scan.map(|scan| scan.mode),
            reason: reason
                .and_then(|(sealed, subject)| text(subject.participant.to_bytes(), sealed)),
            undone_by,
            undoes: match &recorded.event {
                Event::ScanUndone { undoes, .. } => Some(*undoes),
                _ => None,
            },
            team_member: match &recorded.event {
                Event::ServiceTeamChanged { user_id, door_role } => Some(TeamMember {
                    user_id: user_id.clone(),
                    door_role: *door_role,
                }),
                _ => None,
            },
            door_token: match &recorded.event {
                Event::DoorTokenMinted(token) => Some(HistoryDoorToken {
                    jti: token.jti,
                    name: text(recorded.gathering.to_bytes(), &token.name),
                    door_role: Some(token.door_role),
                    expires_at: Some(token.expires_at),
                }),
                Event::DoorTokenRevoked { jti } => Some(HistoryDoorToken {
                    jti: *jti,
                    name: None,
                    door_role: None,
                    expires_at: None,
                }),
                _ => None,
            },
            accessed: match &recorded.event {
                Event::PersonalDataAccessed(access) => Some(HistoryAccess {
                    what: access.what,
                    format: access.format,
                }),
                _ => None,
            },
        }
    }
}

fn outcome(event: &Event) -> (Option<&'static str>, Option<RefusalCode>) {
    match event {
        Event::ParticipantCheckedIn(scan) => (Some("admitted"), broken_rule(scan)),
        Event::ParticipantCheckedOut(scan) => (Some("exited"), broken_rule(scan)),
        Event::ScanRefused { code, .. } => (Some("refused"), Some(*code)),
        Event::GatheringCreated(_)
        | Event::GatheringChanged(_)
        | Event::ServiceTeamChanged { .. }
        | Event::ParticipantRegistered(_)
        | Event::ScanUndone { .. }
        | Event::RegistrationCancelled { .. }
        | Event::ParticipantErased { .. }
        | Event::DoorTokenMinted(_)
        | Event::DoorTokenRevoked { .. }
        | Event::PersonalDataAccessed(_) => (None, None),
    }
}

fn broken_rule(scan: &Scan) -> Option<RefusalCode> {
    scan.overridden.or_else(|| {
        scan.warnings.iter().find_map(|warning| match warning {
            Warning::Rule(code) => Some(*code),
            Warning::OverCapacity | Warning::DeviceGap { .. } | Warning::ClockAhead => None,
        })
    })
}

const fn reason(event: &Event) -> Option<&Sealed> {
    match event {
        Event::ParticipantCheckedIn(scan)
        | Event::ParticipantCheckedOut(scan)
        | Event::ScanRefused { scan, .. } => scan.reason.as_ref(),
        Event::ScanUndone { reason, .. } | Event::RegistrationCancelled { reason, .. } => {
            reason.as_ref()
        }
        Event::GatheringCreated(_)
        | Event::GatheringChanged(_)
        | Event::ServiceTeamChanged { .. }
        | Event::ParticipantRegistered(_)
        | Event::ParticipantErased { .. }
        | Event::DoorTokenMinted(_)
        | Event::DoorTokenRevoked { .. }
        | Event::PersonalDataAccessed(_) => None,
    }
}

/// What a snapshot holds: for everybody in the gathering's events, at which offsets.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    offsets: HashMap<ParticipantId, Vec<Offset>>,
    codes: HashMap<Code, ParticipantId>,
    pub(super) offset: Offset,
    pub(super) events: u64,
}

impl State {
    /// Total.
    pub(crate) fn apply(&mut self, recorded: &Recorded) {
        if let Some(subject) = recorded.event.subject() {
            let offsets = self.offsets.entry(subject.participant).or_insert_with(|| {
                self.codes.insert(subject.code.clone(), subject.participant);
                Vec::new()
            });
            offsets.push(recorded.offset);
        }
        self.offset = recorded.offset;
        self.events += 1;
    }

    /// The offsets after `after` at which something is said about the participant with this id or
    /// code, ascending.
    pub(super) fn of(&self, participant: &str, after: Offset) -> &[Offset] {
        let by_code = Code::parse(participant)
            .ok()
            .and_then(|code| self.codes.get(&code).copied());
        let offsets = by_code
            .or_else(|| participant.parse().ok())
            .and_then(|id| self.offsets.get(&id));
        let offsets = offsets.map_or(&[][..], Vec::as_slice);
        offsets
            .get(offsets.partition_point(|offset| *offset <= after)..)
            .unwrap_or_default()
    }

    /// The first thing in which two indexes at the same offset differ.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        if self.events != other.events || self.offset != other.offset {
            return Some(format!(
                "{} events up to offset {}, and {} up to {}",
                self.events, self.offset, other.events, other.offset
            ));
        }
        let differs = (self.offsets.iter())
            .find(|(participant, offsets)| other.offsets.get(participant) != Some(offsets));
        match differs {
            Some((participant, _)) => Some(format!("the offsets of participant {participant}")),
            None if self != other => Some("the participants".to_owned()),
            None => None,
        }
    }
}
