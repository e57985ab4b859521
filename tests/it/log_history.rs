//! A small made-up history, and directories on a real disk to keep it in.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use doorbook::events::{
    event::{
        ActorRole, CapacityMode, Direction, DoorRole, Event, GatheringDetails, Reentry,
        RefusalCode, Registration, RegistrationPolicy, Scan, ScanMode, Subject, Warning,
    },
    ids::{Code, CommandId, CorrelationId, GatheringId, Offset, ParticipantId},
    log::{Log, PAGE_EVENTS_MAX},
    recorded::{Actor, CommandRef, NewEvent, Recorded},
    time::Timestamp,
};

/// A directory under `target/`: the system's temporary directory may be in memory.
pub(crate) fn data_dir() -> tempfile::TempDir {
    let parent = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(&parent).unwrap();
    tempfile::tempdir_in(parent).unwrap()
}

pub(crate) fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

/// The files below `dir`, as paths from it, sorted.
pub(crate) fn files_below(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        if entry.file_type()?.is_dir() {
            let below = files_below(&entry.path())?;
            files.extend(below.into_iter().map(|path| name.join(path)));
        } else {
            files.push(name);
        }
    }
    files.sort();
    Ok(files)
}

pub(crate) fn read_all(log: &Log) -> Vec<Arc<Recorded>> {
    let mut all: Vec<Arc<Recorded>> = Vec::new();
    loop {
        let page = log.read(all.len() as Offset, PAGE_EVENTS_MAX).unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// Three gatherings, every type of event, frames of many sizes; everything sealed is really sealed.
pub(crate) fn write_history(log: &Log, events: usize) {
    let gatherings = [1, 2, 3].map(|number| GatheringId::from_bytes([number; 16]));
    let mut last = None;
    for at in 0..events {
        let gathering = gatherings[if at < 3 { at } else { at % 7 % 3 }];
        let event = if at < 3 {
            let staff = gathering.to_bytes();
            log.keys().adopt(log.keys().fresh(gathering, staff));
            Event::GatheringCreated(details(at))
        } else {
            event(log, gathering, at)
        };
        let name = log
            .keys()
            .seal(gathering, gathering.to_bytes(), b"Grace Hopper")
            .unwrap();
        let (_, durable) = log
            .append(NewEvent {
                gathering,
                decided_at: moment(at),
                occurred_at: moment(at.saturating_sub(at % 5)),
                actor: Actor {
                    id: format!("steward-{}", at % 4).into(),
                    role: ActorRole::ALL[at % ActorRole::ALL.len()],
                    name: (at % 3 == 0).then_some(name),
                },
                correlation: CorrelationId::generate(),
                causation: None,
                command: (at % 4 != 0).then(|| CommandRef {
                    id: CommandId::parse(&format!("scan-{at}")).unwrap(),
                    content_hash: [at as u8; 16],
                }),
                event,
            })
            .unwrap();
        if at % 17 == 0 || at % 100 < 5 {
            durable.wait_blocking().unwrap();
        } else {
            last = Some(durable);
        }
    }
    if let Some(durable) = last {
        durable.wait_blocking().unwrap();
    }
}

fn event(log: &Log, gathering: GatheringId, at: usize) -> Event {
    let scan = Scan {
        subject: subject(at),
        gate: Some(["north", "south", "Tür 3"][at % 3].into()),
        device: at.is_multiple_of(2).then(|| "phone-1".into()),
        device_seq: at.is_multiple_of(2).then_some(at as u64),
        mode: ScanMode::ALL[at % 2],
        warnings: match at % 6 {
            0 => vec![Warning::Rule(RefusalCode::Closed), Warning::OverCapacity],
            1 => vec![Warning::DeviceGap { last: 3, this: 9 }],
            _ => Vec::new(),
        },
        overridden: None,
        reason: None,
    };
    match at % 12 {
        0 => Event::GatheringChanged(details(at)),
        1 => Event::ServiceTeamChanged {
            user_id: format!("user-{at}").into(),
            door_role: Some(DoorRole::Steward).filter(|_| !at.is_multiple_of(5)),
        },
        2 | 3 => {
            let key = log
                .keys()
                .fresh(gathering, subject(at).participant.to_bytes());
            let person = key.seal(format!("Ada Lovelace {at}").as_bytes());
            log.keys().adopt(key);
            Event::ParticipantRegistered(Registration {
                subject: subject(at),
                ticket_type: Some("day".into()),
                external_id: None,
                person,
            })
        }
        4 => Event::ParticipantCheckedOut(scan),
        5 => Event::ScanRefused {
            scan,
            direction: Direction::In,
            code: RefusalCode::AlreadyCheckedIn,
            previous: Some(at as Offset - 1),
        },
        6 => Event::ScanUndone {
            subject: subject(at),
            undoes: at as Offset - 1,
            reason: None,
        },
        7 => Event::RegistrationCancelled {
            subject: subject(at),
            reason: None,
        },
        8 if at.is_multiple_of(5) => Event::ParticipantErased {
            subject: subject(at),
        },
        _ => Event::ParticipantCheckedIn(scan),
    }
}

fn subject(at: usize) -> Subject {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&at.to_be_bytes());
    Subject {
        participant: ParticipantId::from_bytes(id),
        code: Code::parse(&format!("DB-{at:05}")).unwrap(),
    }
}

fn details(at: usize) -> GatheringDetails {
    GatheringDetails {
        name: format!("Fair number {at}").into(),
        creator: "organizer".into(),
        start_date: moment(0),
        end_date: Some(moment(100_000)),
        time_zone: chrono_tz::Europe::Amsterdam,
        capacity: Some(500),
        capacity_mode: CapacityMode::Warn,
        reentry: Reentry::AfterCheckOut,
        opens_at: None,
        closes_at: None,
        registration: RegistrationPolicy::Staff,
    }
}

fn moment(at: usize) -> Timestamp {
    Timestamp(1_777_658_400_000_000).plus_seconds(at as i64)
}
