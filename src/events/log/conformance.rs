//! The contract of [`super::Log`], checked for every store: in memory, and sled on a real disk.

use std::{collections::BTreeSet, fs, path::PathBuf, thread};

use proptest::prelude::*;

use super::*;
use crate::events::{
    event::{
        ActorRole, CapacityMode, GatheringDetails, Reentry, Registration, RegistrationPolicy, Scan,
        ScanMode, Sealed, Subject,
    },
    ids::{CommandId, CorrelationId, ParticipantId},
    recorded::{Actor, CommandRef},
    time::Timestamp,
};

pub(crate) fn new_event(gathering: GatheringId, event: Event) -> NewEvent {
    NewEvent {
        gathering,
        decided_at: Timestamp::now(),
        occurred_at: Timestamp(1_700_000_000_000_000),
        actor: Actor {
            id: "steward-7".into(),
            role: ActorRole::Steward,
            name: None,
        },
        correlation: CorrelationId::generate(),
        causation: None,
        command: Some(CommandRef {
            id: CommandId::parse("0190c9a2-7c8e-7d31-b1b5-3f7a2f7d9e10").unwrap(),
            content_hash: [7; 16],
        }),
        event,
    }
}

pub(crate) fn created(name: &str) -> Event {
    Event::GatheringCreated(GatheringDetails {
        name: name.into(),
        creator: "organizer".into(),
        start_date: Timestamp(1_700_000_000_000_000),
        end_date: None,
        time_zone: chrono_tz::Europe::Amsterdam,
        capacity: Some(500),
        capacity_mode: CapacityMode::Warn,
        reentry: Reentry::AfterCheckOut,
        opens_at: None,
        closes_at: None,
        registration: RegistrationPolicy::Staff,
    })
}

pub(crate) fn subject(code: &str) -> Subject {
    Subject {
        participant: ParticipantId::generate(),
        code: Code::parse(code).unwrap(),
    }
}

pub(crate) fn registered(code: &str) -> Event {
    registered_with(code, 80)
}

fn registered_with(code: &str, person_bytes: usize) -> Event {
    Event::ParticipantRegistered(Registration {
        subject: subject(code),
        ticket_type: Some("day".into()),
        external_id: None,
        person: Sealed(vec![1; person_bytes].into()),
    })
}

pub(crate) fn checked_in(code: &str) -> Event {
    Event::ParticipantCheckedIn(Scan {
        subject: subject(code),
        gate: Some("north".into()),
        device: Some("phone-3".into()),
        device_seq: Some(41),
        mode: ScanMode::Online,
        warnings: Vec::new(),
        overridden: None,
        reason: None,
    })
}

/// On the disk that the build is on: a temporary directory may be in memory.
pub(crate) fn data_dir() -> tempfile::TempDir {
    let parent = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/test-data");
    fs::create_dir_all(&parent).unwrap();
    tempfile::tempdir_in(parent).unwrap()
}

fn for_each_store(check: impl Fn(&Log)) {
    check(&Log::in_memory());
    let dir = data_dir();
    let (log, report) = Log::open(dir.path()).unwrap();
    assert_eq!(report, OpenReport::default());
    check(&log);
}

/// Appends all, however long the queue, and waits for the last.
fn append_all(log: &Log, events: impl IntoIterator<Item = NewEvent>) -> Vec<Arc<Recorded>> {
    let mut recorded = Vec::new();
    let mut pending: Option<Durable> = None;
    for event in events {
        let (event, durable) = loop {
            match log.append(event.clone()) {
                Ok(appended) => break appended,
                Err(AppendError::Busy) => pending.take().unwrap().wait_blocking().unwrap(),
                Err(error) => panic!("{error}"),
            }
        };
        recorded.push(event);
        pending = Some(durable);
    }
    if let Some(durable) = pending {
        durable.wait_blocking().unwrap();
    }
    recorded
}

fn read_all(log: &Log, page: usize) -> Vec<Arc<Recorded>> {
    let mut all: Vec<Arc<Recorded>> = Vec::new();
    loop {
        let events = log.read(all.len() as Offset, page).unwrap();
        if events.is_empty() {
            return all;
        }
        all.extend(events);
    }
}

fn read_all_of(log: &Log, gathering: GatheringId, page: usize) -> Vec<Arc<Recorded>> {
    let mut all: Vec<Arc<Recorded>> = Vec::new();
    loop {
        let after = all.last().map_or(0, |event| event.offset);
        let events = log
            .read_gathering(gathering, after, Offset::MAX, page)
            .unwrap();
        if events.is_empty() {
            return all;
        }
        all.extend(events);
    }
}

#[test]
fn an_event_is_read_back_once_it_is_durable() {
    for_each_store(|log| {
        let gathering = GatheringId::generate();
        assert_eq!((log.head(), log.get(1).unwrap()), (0, None));
        let (first, durable) = log.append(new_event(gathering, created("Fair"))).unwrap();
        durable.wait_blocking().unwrap();
        let (second, durable) = log.append(new_event(gathering, registered("A-1"))).unwrap();
        durable.wait_blocking().unwrap();
        assert_eq!(log.head(), 2);
        assert_eq!(*log.watch_head().borrow(), 2);
        assert_eq!(log.read(0, 10).unwrap(), [first.clone(), second.clone()]);
        assert_eq!(log.read(0, 1).unwrap(), std::slice::from_ref(&first));
        assert_eq!(log.read(1, 10).unwrap(), std::slice::from_ref(&second));
        assert_eq!(log.read(2, 10).unwrap(), []);
        assert_eq!(log.read(Offset::MAX, 10).unwrap(), []);
        assert_eq!(log.get(0).unwrap(), None);
        assert_eq!(log.get(2).unwrap(), Some(second));
        assert_eq!(log.get(3).unwrap(), None);
        assert_eq!(log.read_gathering(gathering, 0, 1, 10).unwrap(), [first]);
        assert_eq!(log.gatherings(), [gathering]);
        assert_eq!(log.last_offset_of(gathering), 2);
        assert_eq!(log.last_offset_of(GatheringId::generate()), 0);
        log.close().unwrap();
        assert!(log.poisoned().is_some());
        assert!(log.append(new_event(gathering, registered("A-2"))).is_err());
    });
}

#[test]
fn a_code_belongs_to_one_gathering_from_its_claim_on() {
    for_each_store(|log| {
        let (here, there) = (GatheringId::generate(), GatheringId::generate());
        let code = Code::parse("A-1").unwrap();
        assert_eq!(log.gathering_of_code(&code), None);
        assert!(log.claim_code(&code, here));
        assert!(!log.claim_code(&code, there));
        log.release_code(&code);
        assert!(log.claim_code(&code, there));
        append_all(log, [new_event(there, registered("A-1"))]);
        log.release_code(&code);
        assert!(!log.claim_code(&code, here));
        assert_eq!(log.gathering_of_code(&code), Some(there));
    });
}

#[test]
fn who_was_erased_is_known_in_the_order_in_which_it_came() {
    for_each_store(|log| {
        let (here, there) = (GatheringId::generate(), GatheringId::generate());
        let (first, second) = (subject("A-1"), subject("B-1"));
        let erased = |gathering, subject: &Subject| {
            let subject = subject.clone();
            new_event(gathering, Event::ParticipantErased { subject })
        };
        append_all(log, [erased(there, &second), erased(here, &first)]);
        let expected = [(there, second.participant), (here, first.participant)];
        assert_eq!(log.erased(), expected);
    });
}

#[test]
fn sixteen_threads_get_gapless_offsets_each_in_its_own_order() {
    const THREADS: usize = 16;
    const EACH: usize = 100;
    for_each_store(|log| {
        let appended: Vec<Vec<Arc<Recorded>>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|number| {
                    scope.spawn(move || {
                        let gathering = GatheringId::generate();
                        (0..EACH)
                            .map(|at| {
                                let event = checked_in(&format!("T{number}-{at}"));
                                let (event, durable) =
                                    log.append(new_event(gathering, event)).unwrap();
                                if at % 3 == 0 {
                                    durable.wait_blocking().unwrap();
                                    assert!(log.head() >= event.offset);
                                    let read = log.get(event.offset).unwrap();
                                    assert_eq!(read.as_ref(), Some(&event));
                                }
                                event
                            })
                            .collect()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });

        append_all(log, [new_event(GatheringId::generate(), created("Last"))]);
        let offsets: BTreeSet<Offset> = appended
            .iter()
            .flatten()
            .map(|event| event.offset)
            .collect();
        assert!(offsets.into_iter().eq(1..=(THREADS * EACH) as Offset));
        let all = read_all(log, 100);
        assert_eq!(all.len(), THREADS * EACH + 1);
        for of_one in appended {
            assert!(of_one.is_sorted_by_key(|event| event.offset));
            assert_eq!(read_all_of(log, of_one[0].gathering, 7), of_one);
        }
    });
}

#[test]
fn recorded_at_never_runs_backwards_whatever_the_clock_does() {
    for_each_store(|log| {
        let gathering = GatheringId::generate();
        let clock = [50, 90, 20, -7, 90, 91, i64::MIN, 60];
        let recorded = append_all(
            log,
            clock.map(|micros| NewEvent {
                decided_at: Timestamp(micros),
                ..new_event(gathering, checked_in("A-1"))
            }),
        );
        let times: Vec<i64> = recorded.iter().map(|event| event.recorded_at.0).collect();
        assert_eq!(times, [50, 90, 90, 90, 90, 91, 91, 91]);
    });
}

#[test]
fn an_event_over_the_limit_is_refused_and_takes_no_offset() {
    for_each_store(|log| {
        let gathering = GatheringId::generate();
        for length in [EVENT_BYTES_MAX, 70_000, 3_000_000] {
            let event = new_event(gathering, created(&"x".repeat(length)));
            let refused = log.append(event).unwrap_err();
            assert!(matches!(
                refused,
                AppendError::TooLarge {
                    max: EVENT_BYTES_MAX,
                    ..
                }
            ));
        }
        let refused = log.append(new_event(gathering, registered_with("A-1", 40_000)));
        assert!(refused.is_err());
        assert_eq!(log.gathering_of_code(&Code::parse("A-1").unwrap()), None);
        let large = (0..9).map(|_| new_event(gathering, created(&"x".repeat(30_000))));
        let recorded = append_all(log, large);
        assert_eq!(recorded[0].offset, 1);
        assert_eq!(read_all(log, 2), recorded);
    });
}

#[test]
fn old_events_are_read_from_their_frames_as_they_were_appended() {
    const EVENTS: usize = 12_000;
    for_each_store(|log| {
        let gatherings: Vec<GatheringId> = (0..5).map(|_| GatheringId::generate()).collect();
        let events = (0..EVENTS).map(|at| {
            // One has events all along, the others in runs.
            let gathering = if at % 2 == 0 { 0 } else { 1 + at / 3_000 };
            new_event(gatherings[gathering], checked_in(&format!("A-{at}")))
        });
        let recorded = append_all(log, events);
        assert!(
            log.get(1).unwrap().is_some(),
            "older than what memory keeps"
        );
        assert_eq!(read_all(log, 1_000), recorded);
        assert_eq!(log.read(0, usize::MAX).unwrap().len(), PAGE_EVENTS_MAX);
        assert_eq!(log.gatherings(), gatherings);
        for gathering in gatherings {
            let of_it: Vec<_> = recorded
                .iter()
                .filter(|event| event.gathering == gathering)
                .cloned()
                .collect();
            assert_eq!(log.last_offset_of(gathering), of_it.last().unwrap().offset);
            assert_eq!(read_all_of(log, gathering, 300), of_it);
        }
        let report = log.verify(&mut |_| {}).unwrap();
        assert_eq!((report.events, report.gatherings), (EVENTS as u64, 5));
        assert_eq!(report.frames, log.statistics().frames);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pages_of_any_size_from_anywhere_are_slices_of_the_whole(
        kinds in proptest::collection::vec(0_usize..4, 1..200),
        cuts in proptest::collection::vec((0_u64..220, 0_u64..220, 0_usize..50), 20),
    ) {
        let log = Log::in_memory();
        let gatherings: Vec<GatheringId> = (0..4).map(|_| GatheringId::generate()).collect();
        let recorded = append_all(&log, kinds.iter().map(|kind| {
            new_event(gatherings[*kind], checked_in("A-1"))
        }));
        for (after, up_to, limit) in cuts {
            let expected: Vec<_> = recorded.iter()
                .filter(|event| event.offset > after).take(limit).cloned().collect();
            prop_assert_eq!(log.read(after, limit).unwrap(), expected);
            let expected: Vec<_> = recorded.iter()
                .filter(|event| event.gathering == gatherings[0])
                .filter(|event| event.offset > after && event.offset <= up_to)
                .take(limit).cloned().collect();
            prop_assert_eq!(log.read_gathering(gatherings[0], after, up_to, limit).unwrap(), expected);
        }
    }
}
