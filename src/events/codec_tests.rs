//! Round trips, hostile bytes, and the golden files that hold every released schema for ever.

use std::{fmt::Write as _, fs, path::PathBuf};

use proptest::{collection::vec, option, prelude::*};

use super::{
    codec::{DecodeError, Record, encode},
    event::{
        Access, Accessed, ActorRole, CapacityMode, Direction, DoorRole, DoorToken, Event,
        ExportFormat, GatheringDetails, Reentry, RefusalCode, Registration, RegistrationPolicy,
        Scan, ScanMode, Sealed, Subject, Warning,
    },
    ids::{
        Code, CommandId, CorrelationId, DoorTokenId, EventId, GatheringId, Offset, ParticipantId,
    },
    recorded::{Actor, CommandRef, Recorded},
    stored,
    time::Timestamp,
};

fn decode(bytes: &[u8]) -> Result<Recorded, DecodeError> {
    let (record, rest) = Record::split_first(bytes)?;
    assert!(rest.len() < bytes.len());
    record.decode()
}

fn sealed() -> impl Strategy<Value = Sealed> {
    vec(any::<u8>(), 0..90).prop_map(|bytes| Sealed(bytes.into()))
}

fn short_text() -> impl Strategy<Value = std::sync::Arc<str>> {
    "\\PC{0,20}".prop_map(Into::into)
}

fn subject() -> impl Strategy<Value = Subject> {
    (any::<[u8; 16]>(), "[A-Za-z0-9é-]{1,40}").prop_map(|(participant, code)| Subject {
        participant: ParticipantId::from_bytes(participant),
        code: Code::parse(&code).unwrap(),
    })
}

fn moment() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp)
}

fn refusal() -> impl Strategy<Value = RefusalCode> {
    proptest::sample::select(RefusalCode::ALL)
}

fn warning() -> impl Strategy<Value = Warning> {
    prop_oneof![
        refusal().prop_map(Warning::Rule),
        Just(Warning::OverCapacity),
        Just(Warning::ClockAhead),
        any::<(u64, u64)>().prop_map(|(last, this)| Warning::DeviceGap { last, this }),
    ]
}

fn scan() -> impl Strategy<Value = Scan> {
    let what = (
        subject(),
        option::of(short_text()),
        option::of(short_text()),
    );
    let how = (
        option::of(any::<u64>()),
        proptest::sample::select(ScanMode::ALL),
        vec(warning(), 0..4),
        option::of(refusal()),
        option::of(sealed()),
    );
    (what, how).prop_map(
        |((subject, gate, device), (device_seq, mode, warnings, overridden, reason))| Scan {
            subject,
            gate,
            device,
            device_seq,
            mode,
            warnings,
            overridden,
            reason,
        },
    )
}

fn details() -> impl Strategy<Value = GatheringDetails> {
    let words = (
        proptest::sample::select(CapacityMode::ALL),
        proptest::sample::select(Reentry::ALL),
        proptest::sample::select(RegistrationPolicy::ALL),
        proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]),
    );
    let times = (
        moment(),
        option::of(moment()),
        option::of(moment()),
        option::of(moment()),
    );
    (
        short_text(),
        short_text(),
        option::of(any::<u32>()),
        words,
        times,
    )
        .prop_map(|(name, creator, capacity, words, times)| GatheringDetails {
            name,
            creator,
            start_date: times.0,
            end_date: times.1,
            time_zone: words.3,
            capacity,
            capacity_mode: words.0,
            reentry: words.1,
            opens_at: times.2,
            closes_at: times.3,
            registration: words.2,
        })
}

fn registration() -> impl Strategy<Value = Registration> {
    (
        subject(),
        option::of(short_text()),
        option::of(short_text()),
        sealed(),
    )
        .prop_map(|(subject, ticket_type, external_id, person)| Registration {
            subject,
            ticket_type,
            external_id,
            person,
        })
}

fn door_token() -> impl Strategy<Value = DoorToken> {
    let door_role = proptest::sample::select(DoorRole::ALL);
    (any::<[u8; 16]>(), sealed(), door_role, moment()).prop_map(
        |(jti, name, door_role, expires_at)| DoorToken {
            jti: DoorTokenId::from_bytes(jti),
            name,
            door_role,
            expires_at,
        },
    )
}

fn access() -> impl Strategy<Value = Access> {
    let what = proptest::sample::select(Accessed::ALL);
    let format = proptest::sample::select(ExportFormat::ALL);
    (what, option::of(subject()), option::of(format)).prop_map(|(what, subject, format)| Access {
        what,
        subject,
        format,
    })
}

fn event() -> impl Strategy<Value = Event> {
    let door_role = option::of(proptest::sample::select(DoorRole::ALL));
    let direction = proptest::sample::select(Direction::ALL);
    prop_oneof![
        details().prop_map(Event::GatheringCreated),
        details().prop_map(Event::GatheringChanged),
        (short_text(), door_role)
            .prop_map(|(user_id, door_role)| Event::ServiceTeamChanged { user_id, door_role }),
        registration().prop_map(Event::ParticipantRegistered),
        scan().prop_map(Event::ParticipantCheckedIn),
        scan().prop_map(Event::ParticipantCheckedOut),
        (scan(), direction, refusal(), option::of(any::<u64>())).prop_map(
            |(scan, direction, code, previous)| Event::ScanRefused {
                scan,
                direction,
                code,
                previous
            }
        ),
        (subject(), any::<u64>(), option::of(sealed())).prop_map(|(subject, undoes, reason)| {
            Event::ScanUndone {
                subject,
                undoes,
                reason,
            }
        }),
        (subject(), option::of(sealed()))
            .prop_map(|(subject, reason)| Event::RegistrationCancelled { subject, reason }),
        subject().prop_map(|subject| Event::ParticipantErased { subject }),
        door_token().prop_map(Event::DoorTokenMinted),
        any::<[u8; 16]>().prop_map(|jti| Event::DoorTokenRevoked {
            jti: DoorTokenId::from_bytes(jti)
        }),
        access().prop_map(Event::PersonalDataAccessed),
    ]
}

fn recorded() -> impl Strategy<Value = Recorded> {
    let actor = (
        short_text(),
        proptest::sample::select(ActorRole::ALL),
        option::of(sealed()),
    );
    let command = option::of(("[a-z0-9-]{1,128}", any::<[u8; 16]>()));
    let ids = (any::<[[u8; 16]; 3]>(), option::of(any::<[u8; 16]>()));
    (
        any::<u64>(),
        ids,
        moment(),
        moment(),
        actor,
        command,
        event(),
    )
        .prop_map(
            |(offset, (ids, causation), recorded_at, occurred_at, actor, command, event)| {
                Recorded {
                    offset,
                    event_id: EventId::from_bytes(ids[0]),
                    gathering: GatheringId::from_bytes(ids[1]),
                    recorded_at,
                    occurred_at,
                    actor: Actor {
                        id: actor.0,
                        role: actor.1,
                        name: actor.2,
                    },
                    correlation: CorrelationId::from_bytes(ids[2]),
                    causation: causation.map(EventId::from_bytes),
                    command: command.map(|(id, content_hash)| CommandRef {
                        id: CommandId::parse(&id).unwrap(),
                        content_hash,
                    }),
                    event,
                }
            },
        )
}

proptest! {
    #[test]
    fn any_fact_is_read_back_as_it_was_written(recorded in recorded()) {
        let mut bytes = b"before".to_vec();
        encode(&recorded, &mut bytes).unwrap();
        prop_assert_eq!(decode(&bytes[6..]).unwrap(), recorded);
    }

    #[test]
    fn any_bytes_are_a_fact_or_an_error(bytes in vec(any::<u8>(), 0..400)) {
        if let Ok((record, _)) = Record::split_first(&bytes) {
            drop(record.decode());
            drop(record.registered_code());
        }
    }

    #[test]
    fn a_changed_or_cut_record_is_a_fact_or_an_error(
        recorded in recorded(), at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<prop::sample::Index>()
    ) {
        let mut bytes = Vec::new();
        encode(&recorded, &mut bytes).unwrap();
        let whole = bytes.len();
        let at = at.index(whole);
        bytes[at] = to;
        if let Ok((record, _)) = Record::split_first(&bytes) {
            drop(record.decode());
        }
        bytes.truncate(cut.index(whole));
        if let Ok((record, _)) = Record::split_first(&bytes) {
            drop(record.decode());
        }
    }
}

#[test]
fn every_released_schema_has_a_decoder() {
    for (type_id, newest) in stored::CURRENT {
        for schema in 1..=newest {
            assert_ne!(
                stored::decode(type_id, schema, &[]),
                Err(DecodeError::UnknownType { type_id, schema })
            );
        }
        let schema = newest + 1;
        assert_eq!(
            stored::decode(type_id, schema, &[]),
            Err(DecodeError::UnknownType { type_id, schema })
        );
    }
}

fn golden_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden")
}

/// Readable, and complete: `Debug` does not show sealed bytes, the record's own hex does.
fn listing(recorded: &Recorded, bytes: &[u8]) -> String {
    let mut text = format!("{recorded:#?}\n");
    for line in bytes.chunks(32) {
        writeln!(text, "{}", hex::encode(line)).unwrap();
    }
    text
}

/// With `DOORBOOK_WRITE_FIXTURES=1` missing golden files are written; existing ones never are.
#[test]
fn golden_records_decode_to_what_they_always_were() {
    let write = std::env::var_os("DOORBOOK_WRITE_FIXTURES").is_some();
    for recorded in golden::facts() {
        let (_, schema) = stored::CURRENT
            .iter()
            .zip(golden::NAMES)
            .find(|(_, name)| *name == recorded.event.type_name())
            .map(|(current, _)| *current)
            .unwrap();
        let stem = golden_dir().join(format!("{}.v{schema}", recorded.event.type_name()));
        let (bytes_path, text_path) = (
            stem.with_extension(format!("v{schema}.bin")),
            stem.with_extension(format!("v{schema}.txt")),
        );
        let mut bytes = Vec::new();
        encode(&recorded, &mut bytes).unwrap();
        if write && !bytes_path.exists() {
            fs::create_dir_all(golden_dir()).unwrap();
            fs::write(&bytes_path, &bytes).unwrap();
            fs::write(&text_path, listing(&recorded, &bytes)).unwrap();
        }
        let kept = fs::read(&bytes_path).unwrap();
        let read = decode(&kept).unwrap();
        assert_eq!(read, recorded, "{}", bytes_path.display());
        assert_eq!(bytes, kept, "{}", bytes_path.display());
        assert_eq!(
            listing(&read, &kept),
            fs::read_to_string(&text_path).unwrap()
        );
    }
}

/// One fact of each type, with every field in use.
mod golden {
    use super::*;

    pub(super) const NAMES: [&str; 13] = [
        "gathering_created",
        "gathering_changed",
        "service_team_changed",
        "participant_registered",
        "participant_checked_in",
        "participant_checked_out",
        "scan_refused",
        "scan_undone",
        "registration_cancelled",
        "participant_erased",
        "door_token_minted",
        "door_token_revoked",
        "personal_data_accessed",
    ];

    pub(super) fn facts() -> Vec<Recorded> {
        (1..)
            .zip(events())
            .map(|(offset, event)| recorded(offset, event))
            .collect()
    }

    fn recorded(offset: Offset, event: Event) -> Recorded {
        let id = |of: u8| [of, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        Recorded {
            offset,
            event_id: EventId::from_bytes(id(1)),
            gathering: GatheringId::from_bytes(id(2)),
            recorded_at: Timestamp(1_777_658_400_123_456),
            occurred_at: Timestamp(1_777_658_399_000_000),
            actor: Actor {
                id: "steward-7".into(),
                role: ActorRole::Steward,
                name: Some(Sealed(vec![0xA7; 45].into())),
            },
            correlation: CorrelationId::from_bytes(id(3)),
            causation: Some(EventId::from_bytes(id(4))),
            command: Some(CommandRef {
                id: CommandId::parse("scan-000041").unwrap(),
                content_hash: id(5),
            }),
            event,
        }
    }

    fn subject() -> Subject {
        Subject {
            participant: ParticipantId::from_bytes([9; 16]),
            code: Code::parse("DB-2026-0041").unwrap(),
        }
    }

    fn scan() -> Scan {
        Scan {
            subject: subject(),
            gate: Some("north".into()),
            device: Some("phone-3".into()),
            device_seq: Some(41),
            mode: ScanMode::OfflineFact,
            warnings: vec![
                Warning::Rule(RefusalCode::Closed),
                Warning::OverCapacity,
                Warning::DeviceGap { last: 38, this: 41 },
                Warning::ClockAhead,
            ],
            overridden: Some(RefusalCode::AlreadyCheckedIn),
            reason: Some(Sealed(vec![0xB2; 50].into())),
        }
    }

    fn details() -> GatheringDetails {
        GatheringDetails {
            name: "Spring fair".into(),
            creator: "organizer-1".into(),
            start_date: Timestamp(1_777_651_200_000_000),
            end_date: Some(Timestamp(1_777_680_000_000_000)),
            time_zone: chrono_tz::Europe::Amsterdam,
            capacity: Some(500),
            capacity_mode: CapacityMode::Refuse,
            reentry: Reentry::Never,
            opens_at: Some(Timestamp(1_777_647_600_000_000)),
            closes_at: Some(Timestamp(1_777_676_400_000_000)),
            registration: RegistrationPolicy::Open,
        }
    }

    fn events() -> Vec<Event> {
        vec![
            Event::GatheringCreated(details()),
            Event::GatheringChanged(details()),
            Event::ServiceTeamChanged {
                user_id: "steward-7".into(),
                door_role: Some(DoorRole::Supervisor),
            },
            Event::ParticipantRegistered(Registration {
                subject: subject(),
                ticket_type: Some("day".into()),
                external_id: Some("order-17".into()),
                person: Sealed(vec![0xC3; 120].into()),
            }),
            Event::ParticipantCheckedIn(scan()),
            Event::ParticipantCheckedOut(scan()),
            Event::ScanRefused {
                scan: scan(),
                direction: Direction::In,
                code: RefusalCode::CapacityFull,
                previous: Some(5),
            },
            Event::ScanUndone {
                subject: subject(),
                undoes: 5,
                reason: Some(Sealed(vec![0xD4; 60].into())),
            },
            Event::RegistrationCancelled {
                subject: subject(),
                reason: Some(Sealed(vec![0xE5; 60].into())),
            },
            Event::ParticipantErased { subject: subject() },
            Event::DoorTokenMinted(DoorToken {
                jti: DoorTokenId::from_bytes([6; 16]),
                name: Sealed(vec![0xF6; 51].into()),
                door_role: DoorRole::Supervisor,
                expires_at: Timestamp(1_777_680_000_000_000),
            }),
            Event::DoorTokenRevoked {
                jti: DoorTokenId::from_bytes([6; 16]),
            },
            Event::PersonalDataAccessed(Access {
                what: Accessed::PersonExport,
                subject: Some(subject()),
                format: Some(ExportFormat::Json),
            }),
        ]
    }
}
