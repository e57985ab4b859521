//! What lies below `integrity/` over restarts, crashes, damage and forgery, on a real disk.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use tempfile::TempDir;

use super::{
    Checkpoint, NoteKey, VerifierKey,
    check::{self, Auditors, Covered, Finding},
    live::Integrity,
    tree::{Edge, Hash},
};
use crate::{
    events::{
        event::Event,
        ids::{GatheringId, Offset},
        log::{
            Log,
            conformance::{checked_in, created, data_dir, new_event, registered},
            forger,
        },
    },
    projections::{
        Views,
        integrity::{InclusionProof, KeySource, SignedCheckpoint},
        views::ViewError,
    },
};

/// Frames are cut when the writer is not busy, so waiting now and then makes many.
fn write(log: &Log, events: u64) {
    let gathering = GatheringId::generate();
    let append = |event: Event| log.append(new_event(gathering, event)).unwrap().1;
    append(created("Fair")).wait_blocking().unwrap();
    for n in 1..events {
        let event = if n % 3 == 0 {
            checked_in("A-1")
        } else {
            registered(&format!("A-{}-{n}", log.head()))
        };
        let durable = append(event);
        if n % 7 == 0 || n + 1 == events {
            durable.wait_blocking().unwrap();
        }
    }
}

struct Place(TempDir);

impl Place {
    fn with(events: u64) -> Self {
        let place = Self(data_dir());
        place.visit(|log, _| write(log, events));
        place
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.dir().join("integrity").join(name)
    }

    /// Opens log and tree, and closes them as a server would.
    fn visit<T>(&self, work: impl FnOnce(&Log, &Integrity) -> T) -> T {
        let (log, _) = Log::open(self.dir()).unwrap();
        let integrity = Integrity::open(&log, KeySource::DataDir).unwrap();
        let answer = work(&log, &integrity);
        integrity.follow(&log, true);
        log.close().unwrap();
        answer
    }

    fn head(&self) -> SignedCheckpoint {
        self.visit(|log, integrity| integrity.checkpoint(log, None).unwrap())
    }

    fn check(&self, auditors: Option<&SignedCheckpoint>) -> Result<Covered, Finding> {
        let (log, _) = Log::open(self.dir()).unwrap();
        let auditors = auditors.map(|kept| Auditors {
            note: kept.note.clone(),
            key: None,
        });
        let checked = check::check(&log, auditors.as_ref(), &mut |_| ());
        log.close().unwrap();
        checked
    }
}

fn key_of(integrity: &Integrity) -> VerifierKey {
    integrity.verifier().unwrap()
}

/// From the records, by nothing but hashing them.
fn root_of(log: &Log) -> Hash {
    let mut edge = Edge::default();
    for offset in 1..=log.head() {
        let record = log.record(offset).unwrap().unwrap();
        edge.push(crate::events::log::leaf_hash(&record), |_| ());
    }
    edge.root()
}

/// Every event is proven, and the root is that of the records.
fn all_is_proven(log: &Log, integrity: &Integrity) {
    let key = key_of(integrity);
    for offset in 1..=log.head() {
        let proof = integrity.inclusion(log, offset, None).unwrap();
        let read = InclusionProof::parse(&proof.text()).unwrap();
        let checkpoint = read.verify(&key, None).unwrap();
        assert_eq!(
            (checkpoint.size, checkpoint.root),
            (log.head(), root_of(log))
        );
    }
}

#[test]
fn the_key_is_made_once_for_its_owner_alone_and_is_not_replaced_when_it_is_gone() {
    let place = Place::with(3);
    let first = place.visit(|_, integrity| key_of(integrity));
    assert_eq!(place.visit(|_, integrity| key_of(integrity)), first);
    let mode = fs::metadata(place.file("key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(first.name().starts_with("doorbook/") && first.name().len() == 17);

    let kept = fs::read_to_string(place.file("key")).unwrap();
    fs::remove_file(place.file("key")).unwrap();
    place.visit(|log, integrity| {
        let refused = integrity.checkpoint(log, None).unwrap_err();
        assert!(matches!(refused, ViewError::Integrity(_)), "{refused}");
        assert!(!place.file("key").exists());
        assert!(integrity.standing().1.unwrap().contains("--checkpoint-key"));
    });
    // Given from elsewhere it is the same log.
    let elsewhere = place.dir().join("given");
    fs::write(&elsewhere, &kept).unwrap();
    let (log, _) = Log::open(place.dir()).unwrap();
    let given = Integrity::open(&log, KeySource::read(&elsewhere).unwrap()).unwrap();
    assert_eq!(key_of(&given), first);
    given.checkpoint(&log, None).unwrap();
    log.close().unwrap();
    fs::write(&elsewhere, kept.replace("+A", "+B")).unwrap();
    let refused = KeySource::read(&elsewhere).unwrap_err().to_string();
    assert!(!refused.contains(&kept[30..40]), "{refused}");
}

#[test]
fn a_checkpoint_from_before_is_consistent_with_every_later_one() {
    let place = Place::with(20);
    let mut kept = vec![place.head()];
    for _ in 0..4 {
        place.visit(|log, _| write(log, 13));
        kept.push(place.head());
    }
    place.visit(|log, integrity| {
        let key = key_of(integrity);
        for (at, earlier) in kept.iter().enumerate() {
            for later in &kept[at..] {
                let sizes = (earlier.size, Some(later.size));
                let proof = integrity.consistency(log, sizes.0, sizes.1).unwrap();
                assert_eq!(proof.checkpoint, later.note);
                assert!(proof.verify(&key, &earlier.note).is_ok());
                if earlier.size != later.size {
                    assert!(proof.verify(&key, &later.note).is_err());
                }
            }
            let again = integrity.checkpoint(log, Some(earlier.size)).unwrap();
            assert_eq!(&again, earlier);
        }
        let beyond = integrity.checkpoint(log, Some(log.head() + 1));
        assert!(matches!(beyond, Err(ViewError::NotInLog { .. })));
        for offset in [0, log.head() + 1] {
            let none = integrity.inclusion(log, offset, None);
            assert!(matches!(none, Err(ViewError::NotInLog { .. })), "{offset}");
        }
        all_is_proven(log, integrity);
    });
    let covered = place.check(Some(&kept[1])).unwrap();
    assert_eq!((covered.hashed, covered.auditors), (72, Some(33)));
    assert_eq!((covered.checkpoints, covered.last_checkpoint), (5, 72));
}

#[test]
fn what_a_crash_leaves_behind_the_saved_reach_is_written_again() {
    let place = Place::with(40);
    let (state, hashes) = (place.file("state"), place.file("hashes"));
    let (old_state, kept) = (fs::read(&state).unwrap(), fs::read(&hashes).unwrap());
    place.visit(|log, _| write(log, 30));
    let newer = fs::read(&hashes).unwrap();
    assert_eq!(newer[..kept.len()], kept, "it only grows");
    for torn in [kept.len(), kept.len() + 7, kept.len() + 64, newer.len()] {
        for garbage in [false, true] {
            let mut left = newer[..torn].to_vec();
            if garbage {
                left[kept.len()..].fill(0xee);
            }
            fs::write(&hashes, left).unwrap();
            fs::write(&state, &old_state).unwrap();
            assert_eq!(place.check(None).unwrap().hashed, 40);
            place.visit(all_is_proven);
            assert_eq!(fs::read(&hashes).unwrap()[..newer.len()], newer);
        }
    }
}

#[test]
fn damaged_missing_and_foreign_hashes_cost_a_fold_and_never_a_wrong_proof() {
    let place = Place::with(50);
    let (state, hashes) = (place.file("state"), place.file("hashes"));
    let (good_state, good) = (fs::read(&state).unwrap(), fs::read(&hashes).unwrap());
    let other = Place::with(50);
    let damages: Vec<Box<dyn Fn()>> = vec![
        Box::new(|| fs::remove_file(&hashes).unwrap()),
        Box::new(|| fs::remove_file(&state).unwrap()),
        Box::new(|| fs::write(&hashes, &good[..good.len() / 2]).unwrap()),
        Box::new(|| {
            fs::copy(other.file("hashes"), &hashes).unwrap();
        }),
        Box::new(|| {
            fs::copy(other.file("hashes"), &hashes).unwrap();
            fs::copy(other.file("state"), &state).unwrap();
        }),
    ];
    for damage in damages {
        damage();
        place.visit(all_is_proven);
        assert_eq!(fs::read(&hashes).unwrap(), good);
        assert_eq!(fs::read(&state).unwrap(), good_state);
    }
    for at in (0..good.len()).step_by(97) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x20;
        fs::write(&hashes, &bytes).unwrap();
        let found = place.check(None).unwrap_err();
        assert!(found.offset.is_some_and(|offset| offset <= 50), "{found}");
        place.visit(all_is_proven);
        assert_eq!(fs::read(&hashes).unwrap(), good, "byte {at}");
    }
    for at in 0..good_state.len() {
        let mut bytes = good_state.clone();
        bytes[at] ^= 0x20;
        fs::write(&state, &bytes).unwrap();
        place.check(None).unwrap_err();
    }
    fs::write(&state, &good_state).unwrap();
    place.check(None).unwrap();
}

#[test]
fn a_change_in_the_kept_checkpoints_or_keys_is_found() {
    let place = Place::with(10);
    place.visit(|log, _| write(log, 10));
    for name in ["checkpoints", "verifier-keys", "key"] {
        let good = fs::read(place.file(name)).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            fs::write(place.file(name), &bytes).unwrap();
            assert!(place.check(None).is_err(), "byte {at} of {name}");
        }
        fs::write(place.file(name), good).unwrap();
    }
    place.check(None).unwrap();
}

const FROM: &[u8] = b"steward-7";
const TO: &[u8] = b"steward-8";

#[test]
fn a_rewritten_record_is_found_although_checksums_chain_and_witness_are_repaired() {
    for offset in [1, 17, 60] {
        let place = Place::with(60);
        let auditors = place.head();
        forger::rewrite(place.dir(), offset, FROM, TO);
        let (log, _) = Log::open(place.dir()).unwrap();
        log.verify(&mut |_| ())
            .expect("the log itself sees nothing");
        log.close().unwrap();
        assert_eq!(place.check(None).unwrap_err().offset, Some(offset));

        // The hashes are repaired, too: what was signed stands against it.
        fs::remove_file(place.file("state")).unwrap();
        let found = place.check(None).unwrap_err();
        assert!(found.detail.contains("rewritten"), "{found}");
        assert_eq!(found.offset, Some(1));
        place.visit(|log, integrity| {
            let refused = integrity.checkpoint(log, None).unwrap_err();
            assert!(refused.to_string().contains("rewritten"), "{refused}");
            assert!(integrity.inclusion(log, 1, None).is_err());
        });
        // Even with all of it made anew, an auditor's copy tells.
        fs::remove_file(place.file("checkpoints")).unwrap();
        fs::remove_file(place.file("state")).ok();
        place.visit(all_is_proven);
        place
            .check(None)
            .expect("nothing in the directory is left to tell");
        let found = place.check(Some(&auditors)).unwrap_err();
        assert!(found.detail.contains("the auditor's checkpoint"), "{found}");
        assert!(found.detail.contains("rewritten"), "{found}");
    }
}

#[test]
fn an_end_that_was_cut_is_found_although_the_witness_was_set_back() {
    let place = Place::with(60);
    let auditors = place.head();
    let head = forger::cut(place.dir(), 50);
    assert!((20..=50).contains(&head), "{head}");
    let found = place.check(None).unwrap_err();
    assert_eq!(found.offset, Some(head + 1), "{found}");
    assert!(found.detail.contains("cut"), "{found}");
    place.visit(|log, integrity| {
        let refused = integrity.checkpoint(log, None).unwrap_err();
        assert!(refused.to_string().contains("cut"), "{refused}");
        let again = integrity.rebuild(log, |_| true).unwrap_err();
        assert!(again.to_string().contains("cut"), "{again}");
        let refused = integrity.checkpoint(log, None).unwrap_err();
        assert!(refused.to_string().contains("cut"), "{refused}");
    });
    for name in ["checkpoints", "state"] {
        fs::remove_file(place.file(name)).ok();
    }
    place
        .check(None)
        .expect("nothing in the directory is left to tell");
    let found = place.check(Some(&auditors)).unwrap_err();
    assert_eq!(found.offset, Some(head + 1), "{found}");
    // Made as long again with other events, it is still not the same history.
    place.visit(|log, _| write(log, 80));
    let found = place.check(Some(&auditors)).unwrap_err();
    assert!(found.detail.contains("rewritten"), "{found}");
}

#[test]
fn a_fold_from_the_first_event_that_is_stopped_leaves_nothing() {
    let place = Place::with(10);
    place.visit(|log, integrity| {
        assert!(!integrity.rebuild(log, |_| false).unwrap());
        assert!(!place.file("hashes.rebuild").exists());
        assert!(integrity.rebuild(log, |_| true).unwrap());
    });
    place.check(None).unwrap();
}

#[test]
fn an_auditors_checkpoint_counts_only_when_a_known_key_signed_it() {
    let place = Place::with(10);
    let good = place.head();
    let stranger = NoteKey::new("doorbook/00000000", &[3; 32]);
    let Checkpoint { size, root, .. } = Checkpoint::peek(&good.note).unwrap();
    let origin = stranger.verifier().name().to_owned();
    let foreign = Checkpoint { origin, size, root }.sign(&stranger);
    place.check(Some(&foreign)).unwrap_err();
    let (log, _) = Log::open(place.dir()).unwrap();
    let trusted = Auditors {
        note: foreign.note.clone(),
        key: Some(stranger.verifier().clone()),
    };
    assert_eq!(
        check::check(&log, Some(&trusted), &mut |_| ())
            .unwrap()
            .auditors,
        Some(10)
    );
    let other_key = Auditors {
        note: good.note.clone(),
        key: Some(stranger.verifier().clone()),
    };
    check::check(&log, Some(&other_key), &mut |_| ()).unwrap_err();
    log.close().unwrap();
    place.check(Some(&good)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_tree_is_the_same_and_a_view_like_the_others() {
    let place = tokio::task::spawn_blocking(|| Place::with(30))
        .await
        .unwrap();
    let good = fs::read(place.file("hashes")).unwrap();
    let (log, _) = Log::open(place.dir()).unwrap();
    let views = Views::open(log.clone()).unwrap();
    let before = views.checkpoint().await.unwrap();
    tokio::task::block_in_place(|| views.rebuild_blocking("integrity", |_| ())).unwrap();
    assert_eq!(views.checkpoint().await.unwrap(), before);
    let status = views
        .projections()
        .into_iter()
        .find(|it| it.name == "integrity");
    let status = status.unwrap();
    assert_eq!(
        (status.version, status.offset, status.lag, status.error),
        (1, 30, 0, None)
    );
    tokio::task::block_in_place(|| {
        views.close();
        log.close().unwrap();
    });
    assert_eq!(fs::read(place.file("hashes")).unwrap(), good);
    place.check(None).unwrap();
}

#[test]
fn a_log_in_memory_is_proven_like_any_other() {
    let log = Log::in_memory();
    let integrity = Integrity::open(&log, KeySource::DataDir).unwrap();
    assert_eq!(integrity.checkpoint(&log, None).unwrap().size, 0 as Offset);
    write(&log, 25);
    all_is_proven(&log, &integrity);
    integrity.rebuild(&log, |_| true).unwrap();
    write(&log, 5);
    all_is_proven(&log, &integrity);
}
