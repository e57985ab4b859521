//! What makes two commands the same: their canonical bytes. A tag, then every field that the caller
//! gave, each text with its length in front, so that no two contents share bytes. Not in it: who
//! asks, when, and under which id. Only ever hashed with a key ([`crate::events::recorded::CommandRef`]).

use super::{Command, register::Register, scan::ScanDetails, undo::Undo};
use crate::events::{
    event::{Direction, GatheringDetails},
    ids::{Code, CommandId},
};

/// Appends the canonical bytes of `command`. `named` is the scan that an undo takes back by name.
pub(super) fn write(command: &Command, named: Option<&CommandId>, out: &mut Vec<u8>) {
    match command {
        Command::CreateGathering(create) => {
            out.push(1);
            details(out, &create.details);
        }
        Command::ChangeGathering(change) => {
            out.push(2);
            option(out, change.name.as_deref(), text);
            option(out, change.start_date, |out, at| number(out, at.0));
            option(out, change.end_date, |out, end| {
                option(out, end, |out, at| number(out, at.0))
            });
            option(out, change.time_zone, |out, zone| text(out, zone.name()));
            option(out, change.capacity, |out, it| {
                option(out, it, |out, n| number(out, n.into()))
            });
            option(out, change.capacity_mode, |out, it| out.push(it.number()));
            option(out, change.reentry, |out, it| out.push(it.number()));
            option(out, change.opens_at, |out, it| {
                option(out, it, |out, at| number(out, at.0))
            });
            option(out, change.closes_at, |out, it| {
                option(out, it, |out, at| number(out, at.0))
            });
            option(out, change.registration, |out, it| out.push(it.number()));
        }
        Command::ChangeServiceTeam(change) => {
            out.push(3);
            text(out, &change.user_id);
            option(out, change.door_role, |out, it| out.push(it.number()));
        }
        Command::Register(command) => register(command, out),
        // The same reading of a ticket, by whichever path it comes.
        Command::CheckIn(it) => scan(out, &it.code, Direction::In, &it.details),
        Command::CheckOut(it) => scan(out, &it.code, Direction::Out, &it.details),
        Command::Scan(it) => scan(out, &it.code, it.direction, &it.details),
        Command::Undo(command) => undo(out, command, named),
        Command::Cancel(cancel) => {
            out.push(7);
            text(out, cancel.code.as_str());
            option(out, cancel.reason.as_deref(), text);
        }
        Command::MintDoorToken(mint) => {
            out.push(8);
            text(out, &mint.name);
            out.push(mint.door_role.number());
            number(out, mint.expires_at.0);
        }
        Command::RevokeDoorToken(revoke) => {
            out.push(9);
            out.extend(revoke.jti.to_bytes());
        }
        Command::Erase(erase) => {
            out.push(10);
            text(out, erase.code.as_str());
        }
    }
}

/// The canonical bytes of a registration alone; an import derives its command id from them.
pub(super) fn register(command: &Register, out: &mut Vec<u8>) {
    out.push(4);
    option(out, command.code.as_ref(), |out, code| {
        text(out, code.as_str())
    });
    text(out, &command.person.first_name);
    text(out, &command.person.last_name);
    text(out, &command.person.email);
    option(out, command.person.note.as_deref(), text);
    option(out, command.ticket_type.as_deref(), text);
    option(out, command.external_id.as_deref(), text);
}

fn scan(out: &mut Vec<u8>, code: &Code, direction: Direction, details: &ScanDetails) {
    out.push(5);
    text(out, code.as_str());
    out.push(direction.number());
    option(out, details.gate.as_deref(), text);
    option(out, details.device.as_deref(), text);
    option(out, details.device_seq, |out, seq| {
        out.extend(seq.to_le_bytes())
    });
    option(out, details.occurred_at, |out, at| number(out, at.0));
    out.push(details.mode().number());
    option(out, details.override_reason.as_deref(), text);
}

fn undo(out: &mut Vec<u8>, command: &Undo, named: Option<&CommandId>) {
    out.push(6);
    text(out, command.code.as_str());
    option(out, named, |out, id| text(out, id.as_str()));
    option(out, command.reason.as_deref(), text);
}

fn details(out: &mut Vec<u8>, details: &GatheringDetails) {
    text(out, &details.name);
    text(out, &details.creator);
    number(out, details.start_date.0);
    option(out, details.end_date, |out, at| number(out, at.0));
    text(out, details.time_zone.name());
    option(out, details.capacity, |out, it| number(out, it.into()));
    out.push(details.capacity_mode.number());
    out.push(details.reentry.number());
    option(out, details.opens_at, |out, at| number(out, at.0));
    option(out, details.closes_at, |out, at| number(out, at.0));
    out.push(details.registration.number());
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn number(out: &mut Vec<u8>, number: i64) {
    out.extend(number.to_le_bytes());
}

fn option<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        write(out, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::{check_in::CheckIn, scan::ScanTicket, spec::code};

    fn bytes(command: &Command) -> Vec<u8> {
        let mut out = Vec::new();
        write(command, None, &mut out);
        out
    }

    fn details(gate: Option<&str>, device: Option<&str>) -> ScanDetails {
        ScanDetails {
            gate: gate.map(Into::into),
            device: device.map(Into::into),
            ..ScanDetails::default()
        }
    }

    #[test]
    fn a_check_in_is_the_same_by_either_path() {
        let check_in = Command::CheckIn(CheckIn {
            code: code("A1"),
            details: details(Some("n"), None),
        });
        let scan = ScanTicket {
            code: code("A1"),
            direction: Direction::In,
            details: details(Some("n"), None),
        };
        assert_eq!(bytes(&check_in), bytes(&Command::Scan(scan)));
    }

    #[test]
    fn no_field_runs_into_the_next() {
        let with = |details| {
            bytes(&Command::CheckIn(CheckIn {
                code: code("A1"),
                details,
            }))
        };
        assert_ne!(
            with(details(Some("ab"), Some("c"))),
            with(details(Some("a"), Some("bc")))
        );
        assert_ne!(
            with(details(Some("n"), None)),
            with(details(None, Some("n")))
        );
        assert_ne!(with(details(Some(""), None)), with(details(None, None)));
    }
}
