//! What holds when the disk is slow, fails, or is left and opened again.

use std::{fs, thread};

use super::{
    conformance::{checked_in, created, data_dir, new_event, registered, subject},
    gate::Gate,
    store::FrameStore as _,
    *,
};
use crate::events::{keys::KeyError, time::Timestamp};

#[tokio::test]
async fn nothing_is_answered_or_shown_before_its_sync() {
    let gate = Arc::new(Gate::default());
    let log = gate.log();
    let gathering = GatheringId::generate();
    let code = Code::parse("A-1").unwrap();
    let (first, durable) = log.append(new_event(gathering, registered("A-1"))).unwrap();
    let mut answer = answer_of(durable);
    let (second, durable) = log.append(new_event(gathering, checked_in("A-1"))).unwrap();
    let mut later = answer_of(durable);
    assert!(answer.try_now().is_none());
    assert_eq!((log.head(), log.read(0, 10).unwrap().len()), (0, 0));
    assert_eq!(log.gatherings(), []);
    assert_eq!(
        log.gathering_of_code(&code),
        Some(gathering),
        "taken all the same"
    );
    gate.say(Ok(()));
    assert_eq!(answer.wait().await, Ok(()));
    assert!(log.head() >= first.offset);
    gate.say(Ok(()));
    assert_eq!(later.wait().await, Ok(()));
    assert_eq!(log.head(), second.offset);
    assert_eq!(log.read(0, 10).unwrap(), [first, second]);
}

/// A durable answer that can be looked at without waiting.
struct Answer(std::pin::Pin<Box<dyn Future<Output = Result<(), AppendError>> + Send>>);

fn answer_of(durable: Durable) -> Answer {
    Answer(Box::pin(durable.wait()))
}

impl Answer {
    fn try_now(&mut self) -> Option<Result<(), AppendError>> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match self.0.as_mut().poll(&mut context) {
            std::task::Poll::Ready(answer) => Some(answer),
            std::task::Poll::Pending => None,
        }
    }

    async fn wait(&mut self) -> Result<(), AppendError> {
        self.0.as_mut().await
    }
}

#[test]
fn a_failed_sync_poisons_the_log_and_reads_go_on() {
    let gate = Arc::new(Gate::default());
    let log = gate.log();
    let gathering = GatheringId::generate();
    gate.say(Ok(()));
    let (first, durable) = log.append(new_event(gathering, created("Fair"))).unwrap();
    durable.wait_blocking().unwrap();
    let lost: Vec<_> = (0..600)
        .map(|_| {
            log.append(new_event(gathering, checked_in("A-1")))
                .unwrap()
                .1
        })
        .collect();
    gate.say(Err("the disk said no".to_owned()));
    let poisoned = AppendError::Poisoned("the disk said no".into());
    for durable in lost {
        assert_eq!(durable.wait_blocking(), Err(poisoned.clone()));
    }
    assert_eq!(log.poisoned().as_deref(), Some("the disk said no"));
    let refused = log.append(new_event(gathering, checked_in("A-1")));
    assert_eq!(refused.unwrap_err(), poisoned);
    assert_eq!(log.head(), 1);
    assert_eq!(log.read(0, 10).unwrap(), [first]);
    assert_eq!(log.statistics().queued, 0);
    assert_eq!(log.close(), Err(poisoned));
}

#[test]
fn a_full_queue_is_busy_and_then_takes_events_again() {
    let gate = Arc::new(Gate::default());
    let log = gate.log();
    let gathering = GatheringId::generate();
    let event = new_event(gathering, checked_in("A-1"));
    let mut last = None;
    for _ in 0..QUEUE_EVENTS_MAX {
        last = Some(log.append(event.clone()).unwrap().1);
    }
    assert_eq!(log.append(event.clone()).unwrap_err(), AppendError::Busy);
    for _ in 0..QUEUE_EVENTS_MAX {
        gate.say(Ok(()));
    }
    last.unwrap().wait_blocking().unwrap();
    assert_eq!(log.head(), QUEUE_EVENTS_MAX as Offset);
    let (event, durable) = log.append(event).unwrap();
    durable.wait_blocking().unwrap();
    assert_eq!(log.get(event.offset).unwrap(), Some(event));
}

#[test]
fn a_log_opened_again_is_the_same_log() {
    let dir = data_dir();
    let (gathering, other) = (GatheringId::generate(), GatheringId::generate());
    let (log, _) = Log::open(dir.path()).unwrap();
    let epoch = log.epoch();
    let mut recorded = Vec::new();
    for at in 0..40 {
        let of = if at % 3 == 0 { other } else { gathering };
        let (event, durable) = log
            .append(NewEvent {
                decided_at: Timestamp(1_000 + at),
                ..new_event(of, registered(&format!("A-{at}")))
            })
            .unwrap();
        recorded.push(event);
        if at % 7 == 0 {
            durable.wait_blocking().unwrap();
        }
    }
    log.close().unwrap();
    for _ in 0..2 {
        let (log, report) = Log::open(dir.path()).unwrap();
        let head = recorded.len() as Offset;
        assert_eq!(
            report,
            OpenReport {
                head,
                ..OpenReport::default()
            }
        );
        assert_eq!((log.head(), log.epoch()), (head, epoch));
        assert_eq!(log.read(0, 100).unwrap(), recorded);
        assert_eq!(log.gatherings(), [other, gathering]);
        assert_eq!(log.last_offset_of(other), 40);
        let code = Code::parse("A-3").unwrap();
        assert_eq!(log.gathering_of_code(&code), Some(other));
        assert_eq!(log.verify(&mut |_| {}).unwrap().witnessed, head);
    }
    let (log, _) = Log::open(dir.path()).unwrap();
    let event = NewEvent {
        decided_at: Timestamp(0),
        ..new_event(other, checked_in("A-3"))
    };
    let (event, durable) = log.append(event).unwrap();
    durable.wait_blocking().unwrap();
    let last = recorded.last().unwrap();
    assert_eq!((event.offset, event.recorded_at), (41, last.recorded_at));
    log.close().unwrap();
    fs::remove_dir_all(dir.path().join("log")).unwrap();
    assert!(matches!(
        Log::open(dir.path()),
        Err(OpenError::Damaged { offset: 1, .. })
    ));
}

#[test]
fn a_directory_has_one_user_at_a_time() {
    let dir = data_dir();
    let (log, _) = Log::open(dir.path()).unwrap();
    assert!(matches!(
        Log::open(dir.path()),
        Err(OpenError::InUse { .. })
    ));
    let another_handle = log.clone();
    drop(log);
    assert!(matches!(
        Log::open(dir.path()),
        Err(OpenError::InUse { .. })
    ));
    thread::spawn(move || drop(another_handle)).join().unwrap();
    let (log, _) = Log::open(dir.path()).unwrap();
    let held = log.clone();
    log.close().unwrap();
    drop(Log::open(dir.path()).unwrap());
    assert!(matches!(held.read(0, 1).unwrap(), events if events.is_empty()));
}

#[test]
fn a_lost_witness_or_a_foreign_one_is_refused() {
    let dir = data_dir();
    let (log, _) = Log::open(dir.path()).unwrap();
    let event = new_event(GatheringId::generate(), created("Fair"));
    log.append(event).unwrap().1.wait_blocking().unwrap();
    drop(log);
    let witness = dir.path().join("witness");
    let kept = fs::read(&witness).unwrap();
    fs::remove_file(&witness).unwrap();
    assert!(matches!(
        Log::open(dir.path()),
        Err(OpenError::Damaged { .. })
    ));
    let other = data_dir();
    let (log, _) = Log::open(other.path()).unwrap();
    let event = new_event(GatheringId::generate(), created("Another"));
    log.append(event).unwrap().1.wait_blocking().unwrap();
    drop(log);
    fs::copy(other.path().join("witness"), &witness).unwrap();
    assert!(matches!(
        Log::open(dir.path()),
        Err(OpenError::Damaged { .. })
    ));
    fs::write(&witness, &kept).unwrap();
    assert_eq!(Log::open(dir.path()).unwrap().1.head, 1);
    // Either slot alone is enough, and the other one is written anew.
    for slot in [0, 4096] {
        let mut bytes = fs::read(&witness).unwrap();
        bytes[slot] ^= 1;
        fs::write(&witness, bytes).unwrap();
        assert_eq!(Log::open(dir.path()).unwrap().1.mended.len(), 1);
        assert_eq!(Log::open(dir.path()).unwrap().1.mended.len(), 0);
    }
}

#[test]
fn a_snapshot_left_half_written_by_a_kill_is_put_away() {
    let dir = data_dir();
    drop(Log::open(dir.path()).unwrap());
    fs::write(
        dir.path().join("log/snap.0000000000000400.generating"),
        b"half",
    )
    .unwrap();
    assert_eq!(Log::open(dir.path()).unwrap().1.mended.len(), 1);
    assert_eq!(Log::open(dir.path()).unwrap().1.mended.len(), 0);
}

/// A closed log of `events` frames of one event; the witness of each length.
fn frames_of_one(dir: &Path, events: usize) -> Vec<Vec<u8>> {
    let gathering = GatheringId::generate();
    let mut witnesses = Vec::new();
    for _ in 0..events {
        let (log, _) = Log::open(dir).unwrap();
        let (_, durable) = log.append(new_event(gathering, created("Fair"))).unwrap();
        durable.wait_blocking().unwrap();
        drop(log);
        witnesses.push(fs::read(dir.join("witness")).unwrap());
    }
    witnesses
}

fn tear_frame(dir: &Path, first: Offset) {
    let lock = fs::File::create(dir.join("another.lock")).unwrap();
    let store = sled_store::SledStore::open(&dir.join("log"), lock, &mut Vec::new()).unwrap();
    let (_, frame) = store.frame_at(first).unwrap().unwrap();
    store.commit(first, &frame[..frame.len() - 9]).unwrap();
}

#[test]
fn a_torn_last_frame_above_the_witness_is_cut_and_below_it_is_refused() {
    let dir = data_dir();
    let witnesses = frames_of_one(dir.path(), 3);
    tear_frame(dir.path(), 3);
    let refused = Log::open(dir.path()).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { offset: 3, .. }));
    fs::write(dir.path().join("witness"), &witnesses[1]).unwrap();
    let (log, report) = Log::open(dir.path()).unwrap();
    assert_eq!((report.head, report.cut_from), (2, Some(3)));
    let event = new_event(GatheringId::generate(), created("Another"));
    let (event, durable) = log.append(event).unwrap();
    durable.wait_blocking().unwrap();
    drop(log);
    let (log, report) = Log::open(dir.path()).unwrap();
    assert_eq!((report.head, report.cut_from), (3, None));
    assert_eq!(log.get(3).unwrap(), Some(event));
}

#[test]
fn a_damaged_frame_with_another_behind_it_is_no_torn_tail() {
    let dir = data_dir();
    let witnesses = frames_of_one(dir.path(), 3);
    tear_frame(dir.path(), 2);
    fs::write(dir.path().join("witness"), &witnesses[0]).unwrap();
    let refused = Log::open(dir.path()).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { offset: 2, .. }));
}

#[test]
fn an_erasure_that_a_crash_interrupted_is_finished_when_the_log_opens() {
    let dir = data_dir();
    let gathering = GatheringId::generate();
    let subject = subject("A-1");
    let whose = subject.participant.to_bytes();
    let (log, _) = Log::open(dir.path()).unwrap();
    let key = log.keys().fresh(gathering, whose);
    let sealed = key.seal(b"Ada Lovelace");
    log.keys().adopt(key);
    let event = new_event(gathering, Event::ParticipantErased { subject });
    log.append(event).unwrap().1.wait_blocking().unwrap();
    assert!(log.keys().unseal(gathering, whose, &sealed).is_ok());
    drop(log);
    let (log, _) = Log::open(dir.path()).unwrap();
    let read = log.keys().unseal(gathering, whose, &sealed);
    assert!(matches!(read, Err(KeyError::Erased)));
}
