//! What a key file must do: keep, lose for good, and say what is damaged.

use super::*;
use crate::events::{keys::Keys, log::conformance::data_dir};

const GATHERING: GatheringId = GatheringId::from_bytes([1; 16]);
const OWN: SubjectId = GATHERING.to_bytes();

fn subject(number: u8) -> SubjectId {
    [number; 16]
}

fn add(keys: &Keys, number: u8) -> Sealed {
    let fresh = keys.fresh(GATHERING, subject(number));
    let sealed = fresh.seal(b"Ada Lovelace");
    assert_eq!(fresh.keyed_hash(b"content").len(), 16);
    keys.adopt(fresh);
    sealed
}

fn reads(keys: &Keys, number: u8, sealed: &Sealed) -> bool {
    keys.unseal(GATHERING, subject(number), sealed)
        .is_ok_and(|clear| clear == b"Ada Lovelace")
}

fn path(dir: &Path) -> PathBuf {
    dir.join(format!("{GATHERING}.keys"))
}

#[test]
fn keys_outlive_the_process_once_synced() {
    let dir = data_dir();
    let keys = Keys::open(dir.path()).unwrap();
    let first = add(&keys, 1);
    assert!(reads(&keys, 1, &first), "usable at once");
    keys.sync_pending().unwrap();
    let second = add(&keys, 2);
    let hash = keys.keyed_hash(GATHERING, subject(1), b"content").unwrap();
    drop(keys);
    let keys = Keys::open(dir.path()).unwrap();
    assert!(reads(&keys, 1, &first));
    assert!(!reads(&keys, 2, &second));
    assert_eq!(
        keys.keyed_hash(GATHERING, subject(1), b"content").unwrap(),
        hash
    );
    let third = add(&keys, 3);
    keys.sync_pending().unwrap();
    let keys = Keys::open(dir.path()).unwrap();
    assert!(reads(&keys, 1, &first) && reads(&keys, 3, &third));
}

#[test]
fn a_destroyed_key_is_gone_for_good_and_the_others_stay() {
    let dir = data_dir();
    let keys = Keys::open(dir.path()).unwrap();
    let sealed: Vec<Sealed> = (0..4).map(|number| add(&keys, number)).collect();
    keys.sync_pending().unwrap();
    let late = add(&keys, 9);
    keys.destroy(GATHERING, subject(2)).unwrap();
    keys.destroy(GATHERING, subject(2)).unwrap();
    for keys in [keys, Keys::open(dir.path()).unwrap()] {
        let erased = keys.unseal(GATHERING, subject(2), &sealed[2]);
        assert!(matches!(erased, Err(KeyError::Erased)));
        assert!(reads(&keys, 1, &sealed[1]) && reads(&keys, 3, &sealed[3]));
        assert!(
            reads(&keys, 9, &late),
            "a rewrite takes the pending ones along"
        );
    }
    let bytes = fs::read(path(dir.path())).unwrap();
    assert!(!bytes.windows(16).any(|window| window == subject(2)));
}

#[test]
fn the_torn_end_of_an_append_is_cut() {
    let dir = data_dir();
    let keys = Keys::open(dir.path()).unwrap();
    let sealed = add(&keys, 1);
    keys.sync_pending().unwrap();
    let whole = fs::read(path(dir.path())).unwrap();
    for tail in [&[7; 50][..], &[0; 2 * RECORD_BYTES + 9][..]] {
        fs::write(path(dir.path()), [&whole[..], tail].concat()).unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        assert!(reads(&keys, 1, &sealed));
        assert_eq!(fs::read(path(dir.path())).unwrap(), whole);
    }
}

#[test]
fn a_damaged_record_takes_nobody_else_along() {
    let dir = data_dir();
    let keys = Keys::open(dir.path()).unwrap();
    let sealed: Vec<Sealed> = (0..3).map(|number| add(&keys, number)).collect();
    keys.sync_pending().unwrap();
    let whole = fs::read(path(dir.path())).unwrap();
    for at in HEADER_BYTES + RECORD_BYTES..HEADER_BYTES + 2 * RECORD_BYTES {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        fs::write(path(dir.path()), bytes).unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        let read = keys.unseal(GATHERING, subject(1), &sealed[1]);
        assert!(matches!(read, Err(KeyError::Damaged { .. })), "byte {at}");
        assert!(reads(&keys, 0, &sealed[0]) && reads(&keys, 2, &sealed[2]));
    }
}

#[test]
fn of_two_keys_for_one_subject_the_later_one_is_in_use() {
    let dir = data_dir();
    let keys = Keys::open(dir.path()).unwrap();
    add(&keys, 1);
    keys.sync_pending().unwrap();
    let keys = Keys::open(dir.path()).unwrap();
    let again = add(&keys, 1);
    keys.sync_pending().unwrap();
    assert!(reads(&keys, 1, &again));
    let keys = Keys::open(dir.path()).unwrap();
    assert!(reads(&keys, 1, &again));
    keys.destroy(GATHERING, subject(1)).unwrap();
    let bytes = fs::read(path(dir.path())).unwrap();
    assert!(!bytes.windows(16).any(|window| window == subject(1)));
}

#[test]
fn a_missing_file_is_damage_not_an_erasure() {
    let dir = data_dir();
    let keys = Keys::open(dir.path()).unwrap();
    let sealed = add(&keys, 1);
    keys.sync_pending().unwrap();
    fs::remove_file(path(dir.path())).unwrap();
    let keys = Keys::open(dir.path()).unwrap();
    let read = keys.unseal(GATHERING, subject(1), &sealed);
    assert!(matches!(read, Err(KeyError::Damaged { .. })));
}

#[test]
fn a_lost_or_damaged_master_key_is_never_replaced() {
    let dir = data_dir();
    let keys = Keys::open(dir.path()).unwrap();
    add(&keys, 1);
    keys.sync_pending().unwrap();
    let master = dir.path().join("master");
    let mut bytes = fs::read(&master).unwrap();
    bytes[20] ^= 1;
    fs::write(&master, bytes).unwrap();
    assert!(Keys::open(dir.path()).is_err());
    fs::remove_file(&master).unwrap();
    assert!(Keys::open(dir.path()).is_err());
    assert!(!master.exists());
}

#[test]
fn an_unreadable_record_of_whoever_is_erased_goes_too() {
    let dir = data_dir();
    let keys = Keys::open(dir.path()).unwrap();
    let sealed: Vec<Sealed> = (0..3).map(|number| add(&keys, number)).collect();
    keys.sync_pending().unwrap();
    let mut bytes = fs::read(path(dir.path())).unwrap();
    bytes[HEADER_BYTES + 2 * RECORD_BYTES - 1] ^= 1;
    fs::write(path(dir.path()), bytes).unwrap();
    let keys = Keys::open(dir.path()).unwrap();
    keys.destroy(GATHERING, subject(1)).unwrap();
    for keys in [keys, Keys::open(dir.path()).unwrap()] {
        let erased = keys.unseal(GATHERING, subject(1), &sealed[1]);
        assert!(matches!(erased, Err(KeyError::Erased)));
        assert!(reads(&keys, 0, &sealed[0]) && reads(&keys, 2, &sealed[2]));
    }
    let bytes = fs::read(path(dir.path())).unwrap();
    assert!(!bytes.windows(16).any(|window| window == subject(1)));
}

#[test]
fn in_a_file_that_does_not_begin_as_one_no_key_counts_as_destroyed() {
    let dir = data_dir();
    let keys = Keys::open(dir.path()).unwrap();
    add(&keys, 1);
    keys.sync_pending().unwrap();
    let mut bytes = fs::read(path(dir.path())).unwrap();
    bytes[4] ^= 2;
    fs::write(path(dir.path()), &bytes).unwrap();
    let keys = Keys::open(dir.path()).unwrap();
    let destroyed = keys.destroy(GATHERING, subject(1));
    assert!(matches!(destroyed, Err(KeyError::Damaged { .. })));
    assert_eq!(fs::read(path(dir.path())).unwrap(), bytes);
}

#[test]
fn a_first_event_that_comes_again_finds_the_key_that_its_names_were_sealed_with() {
    let dir = data_dir();
    let keys = Keys::open(dir.path()).unwrap();
    keys.adopt_own(GATHERING);
    let sealed = keys.seal(GATHERING, OWN, b"Ada Lovelace").unwrap();
    keys.adopt_own(GATHERING);
    keys.sync_pending().unwrap();
    for keys in [keys, Keys::open(dir.path()).unwrap()] {
        assert!(keys.unseal(GATHERING, OWN, &sealed).is_ok());
    }
}

#[test]
fn a_key_of_the_gathering_that_takes_anothers_place_is_in_use_at_once() {
    let dir = data_dir();
    let keys = Keys::open(dir.path()).unwrap();
    keys.adopt_own(GATHERING);
    keys.seal(GATHERING, OWN, b"Ada Lovelace").unwrap();
    keys.adopt(keys.fresh(GATHERING, OWN));
    let sealed = keys.seal(GATHERING, OWN, b"Ada Lovelace").unwrap();
    keys.sync_pending().unwrap();
    let keys = Keys::open(dir.path()).unwrap();
    assert!(keys.unseal(GATHERING, OWN, &sealed).is_ok());
}
