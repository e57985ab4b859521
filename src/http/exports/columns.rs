//! The columns of an export: their names, and what stands in them.

use std::{fmt, io::Write as _};

use chrono::{Offset as _, TimeZone as _};
use chrono_tz::Tz;

use crate::{
    events::time::Timestamp,
    projections::{history::HistoryEntry, views::HistoryRow},
};

/// What stands in one place of a row.
pub(super) enum Cell<'a> {
    Empty,
    /// What people typed.
    Text(&'a str),
    /// A word of ours: safe everywhere.
    Word(&'static str),
    Number(u64),
    Id([u8; 16]),
    Time(Timestamp),
}

macro_rules! columns {
    ($($column:ident $name:literal),+ $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Column { $($column),+ }

        impl Column {
            pub const ALL: &'static [Self] = &[$(Self::$column),+];

            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$column => $name),+ }
            }
        }
    };
}

columns! {
    Offset "offset",
    EventId "event_id",
    ParticipantId "participant_id",
    EventPaxId "event_pax_id",
    Type "type",
    Outcome "outcome",
    Code "code",
    OccurredAt "occurred_at",
    RecordedAt "recorded_at",
    ActorId "actor_id",
    ActorName "actor_name",
    ActorRole "actor_role",
    Gate "gate",
    Device "device",
    DeviceSeq "device_seq",
    ScanId "scan_id",
    Mode "mode",
    Reason "reason",
    UndoneBy "undone_by",
    Undoes "undoes",
    TeamMember "team_member",
    TeamMemberRole "team_member_role",
    DoorToken "door_token",
    DoorTokenName "door_token_name",
    DoorTokenRole "door_token_role",
    DoorTokenExpiresAt "door_token_expires_at",
    Accessed "accessed",
    AccessedFormat "accessed_format",
    FirstName "first_name",
    LastName "last_name",
    Email "email",
}

/// A name that no column has, or that is named twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownColumn;

impl fmt::Display for UnknownColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a comma-separated list, each once, of ")?;
        for (number, column) in Column::ALL.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{}", column.name())?;
        }
        Ok(())
    }
}

/// # Errors
/// When a name is not a column's, or comes twice.
pub fn columns(list: &str) -> Result<Vec<Column>, UnknownColumn> {
    let mut columns = Vec::new();
    for name in list.split(',').map(str::trim) {
        let column = Column::ALL.iter().find(|column| column.name() == name);
        match column {
            Some(column) if !columns.contains(column) => columns.push(*column),
            Some(_) | None => return Err(UnknownColumn),
        }
    }
    Ok(columns)
}

impl Column {
    /// All but those that say who somebody is: these are shown when they are asked for.
    pub(super) const USUAL: &'static [Self] = Self::ALL.split_at(Self::ALL.len() - 3).0;

    pub(super) const fn shows_people(self) -> bool {
        matches!(self, Self::FirstName | Self::LastName | Self::Email)
    }

    pub(super) const fn is_time(self) -> bool {
        matches!(
            self,
            Self::OccurredAt | Self::RecordedAt | Self::DoorTokenExpiresAt
        )
    }

    pub(super) fn cell(self, row: &HistoryRow) -> Cell<'_> {
        let HistoryRow { entry, person } = row;
        let person = person.as_ref();
        match self {
            Self::Offset => Cell::Number(entry.offset),
            Self::EventId => id(entry.event_id.map(|id| id.to_bytes())),
            Self::ParticipantId => id(entry.participant_id.map(|id| id.to_bytes())),
            Self::EventPaxId => text(entry.event_pax_id.as_ref().map(|code| code.as_str())),
            Self::Type => Cell::Word(entry.kind),
            Self::Outcome => word(entry.outcome),
            Self::Code => word(entry.code),
            Self::OccurredAt => Cell::Time(entry.occurred_at),
            Self::RecordedAt => Cell::Time(entry.recorded_at),
            Self::ActorId => Cell::Text(&entry.actor.id),
            Self::ActorName => text(entry.actor.name.as_deref()),
            Self::ActorRole => Cell::Word(entry.actor.role.as_str()),
            Self::Gate => text(entry.gate.as_deref()),
            Self::Device => text(entry.device.as_deref()),
            Self::DeviceSeq => number(entry.device_seq),
            Self::ScanId => text(entry.scan_id.as_ref().map(|id| id.as_str())),
            Self::Mode => word(entry.mode.map(|mode| mode.as_str())),
            Self::Reason => text(entry.reason.as_deref()),
            Self::UndoneBy => number(entry.undone_by),
            Self::Undoes => number(entry.undoes),
            Self::TeamMember
            | Self::TeamMemberRole
            | Self::DoorToken
            | Self::DoorTokenName
            | Self::DoorTokenRole
            | Self::DoorTokenExpiresAt
            | Self::Accessed
            | Self::AccessedFormat => self.staff(entry),
            Self::FirstName => text(person.map(|person| person.first_name.as_str())),
            Self::LastName => text(person.map(|person| person.last_name.as_str())),
            Self::Email => text(person.map(|person| person.email.as_str())),
        }
    }

    fn staff(self, entry: &HistoryEntry) -> Cell<'_> {
        let (member, token) = (entry.team_member.as_ref(), entry.door_token.as_ref());
        match self {
            Self::TeamMember => text(member.map(|member| &*member.user_id)),
            Self::TeamMemberRole => {
                word(member.and_then(|member| Some(member.door_role?.as_str())))
            }
            Self::DoorToken => id(token.map(|token| token.jti.to_bytes())),
            Self::DoorTokenName => text(token.and_then(|token| token.name.as_deref())),
            Self::DoorTokenRole => word(token.and_then(|token| Some(token.door_role?.as_str()))),
            Self::DoorTokenExpiresAt => token
                .and_then(|token| token.expires_at)
                .map_or(Cell::Empty, Cell::Time),
            Self::Accessed => word(entry.accessed.as_ref().map(|access| access.what.as_str())),
            Self::AccessedFormat => {
                let format = entry.accessed.as_ref().and_then(|access| access.format);
                word(format.map(|format| format.as_str()))
            }
            _ => Cell::Empty,
        }
    }
}

fn text(text: Option<&str>) -> Cell<'_> {
    text.map_or(Cell::Empty, Cell::Text)
}

fn word(word: Option<&'static str>) -> Cell<'static> {
    word.map_or(Cell::Empty, Cell::Word)
}

fn number(number: Option<u64>) -> Cell<'static> {
    number.map_or(Cell::Empty, Cell::Number)
}

fn id(id: Option<[u8; 16]>) -> Cell<'static> {
    id.map_or(Cell::Empty, Cell::Id)
}

/// Writes an id as hyphenated text.
pub(super) fn push_id(id: [u8; 16], out: &mut Vec<u8>) {
    let mut buffer = uuid::Uuid::encode_buffer();
    let text = uuid::Uuid::from_bytes(id)
        .hyphenated()
        .encode_lower(&mut buffer);
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn push_number(number: u64, out: &mut Vec<u8>) {
    // Memory takes whatever is written to it.
    write!(out, "{number}").ok();
}

/// Moments as text in one zone. Most rows of a second share its text, which is made once.
pub(super) struct Clock {
    zone: Option<Tz>,
    second: i64,
    /// Up to the seconds, and the offset after them.
    text: String,
    offset: String,
}

impl Clock {
    pub(super) fn new(zone: Option<Tz>) -> Self {
        Self {
            zone,
            second: i64::MIN,
            text: String::new(),
            offset: String::new(),
        }
    }

    /// RFC 3339 with the zone's offset, or `Z`.
    pub(super) fn push(&mut self, moment: Timestamp, out: &mut Vec<u8>) {
        let second = moment.0.div_euclid(1_000_000);
        if second != self.second {
            self.turn_to(moment.whole_second());
            self.second = second;
        }
        out.extend_from_slice(self.text.as_bytes());
        let micros = moment.0.rem_euclid(1_000_000);
        // As long as pages write it.
        let written = match micros {
            0 => Ok(()),
            _ if micros % 1_000 == 0 => write!(out, ".{:03}", micros / 1_000),
            _ => write!(out, ".{micros:06}"),
        };
        written.ok();
        out.extend_from_slice(self.offset.as_bytes());
    }

    fn turn_to(&mut self, second: Timestamp) {
        let utc = second.to_datetime();
        (self.text, self.offset) = match self.zone {
            None => (utc.format("%Y-%m-%dT%H:%M:%S").to_string(), "Z".to_owned()),
            Some(zone) => {
                let local = utc.with_timezone(&zone);
                (
                    local.format("%Y-%m-%dT%H:%M:%S").to_string(),
                    local.format("%:z").to_string(),
                )
            }
        };
    }
}

/// The time on a wall in the zone, µs since 1970.
pub(super) fn wall_micros(moment: Timestamp, zone: Tz) -> i64 {
    let offset = zone.offset_from_utc_datetime(&moment.to_datetime().naive_utc());
    moment.plus_seconds(offset.fix().local_minus_utc().into()).0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(clock: &mut Clock, moment: &str) -> String {
        let mut out = Vec::new();
        clock.push(Timestamp::parse(moment).unwrap(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn moments_are_written_as_pages_write_them() {
        let mut clock = Clock::new(None);
        for moment in [
            "2026-05-01T18:00:03Z",
            "2026-05-01T18:00:03.250Z",
            "2026-05-01T18:00:03.250001Z",
            "1969-12-31T23:59:59.999999Z",
            "0001-01-01T00:00:00Z",
        ] {
            assert_eq!(written(&mut clock, moment), moment);
        }
    }

    #[test]
    fn a_zone_moves_the_hour_and_says_by_how_much() {
        let mut clock = Clock::new(Some(Tz::Europe__Berlin));
        for (moment, local) in [
            ("2026-10-25T00:30:00Z", "2026-10-25T02:30:00+02:00"),
            ("2026-10-25T01:30:00.5Z", "2026-10-25T02:30:00.500+01:00"),
        ] {
            assert_eq!(written(&mut clock, moment), local);
        }
    }

    #[test]
    fn columns_are_named_once_each() {
        assert_eq!(
            columns("gate, offset").unwrap(),
            [Column::Gate, Column::Offset]
        );
        for wrong in ["", "gate,gate", "gate,", "Gate", "nope"] {
            assert_eq!(columns(wrong), Err(UnknownColumn), "{wrong}");
        }
        assert!(!Column::USUAL.iter().any(|column| column.shows_people()));
        assert!(UnknownColumn.to_string().contains("offset, event_id"));
    }
}
