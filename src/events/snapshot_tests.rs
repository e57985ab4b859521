//! What a snapshot promises: the nearest one is found, a bad or foreign one is passed over, generations
//! stay apart.

use std::fs;

use super::{
    ids::{Epoch, GatheringId, Offset},
    log::conformance::data_dir,
    snapshot::{FoldName, Scope, Shelf, Snapshots},
};

const FOLD: FoldName = FoldName {
    name: "participants",
    version: 3,
};
const EPOCH: Epoch = Epoch::from_bytes([1; 16]);

fn nearest(snapshots: &Snapshots, at_most: Offset) -> Option<(Offset, Vec<String>)> {
    snapshots.nearest(FOLD, Scope::WholeLog, at_most)
}

fn saved_at(offset: Offset) -> Vec<String> {
    vec![format!("state at {offset}"); 3]
}

fn filled() -> (tempfile::TempDir, Snapshots) {
    let dir = data_dir();
    let snapshots = Snapshots::open(dir.path(), EPOCH).unwrap();
    for offset in [100, 7, 2_000] {
        let state = saved_at(offset);
        snapshots
            .save(FOLD, Scope::WholeLog, offset, &state)
            .unwrap();
    }
    (dir, snapshots)
}

#[test]
fn the_nearest_snapshot_is_the_newest_at_or_before_the_offset() {
    let (_dir, snapshots) = filled();
    assert_eq!(snapshots.offsets(FOLD, Scope::WholeLog), [7, 100, 2_000]);
    assert_eq!(nearest(&snapshots, 6), None);
    assert_eq!(nearest(&snapshots, 99), Some((7, saved_at(7))));
    assert_eq!(nearest(&snapshots, 100), Some((100, saved_at(100))));
    snapshots.remove(FOLD, Scope::WholeLog, 100).unwrap();
    assert_eq!(nearest(&snapshots, 100), Some((7, saved_at(7))));
    snapshots.remove_all(FOLD.name).unwrap();
    assert_eq!(nearest(&snapshots, 5_000), None);
}

#[test]
fn other_scopes_versions_and_epochs_are_as_good_as_missing() {
    let (dir, snapshots) = filled();
    let gathering = Scope::Gathering(GatheringId::from_bytes([5; 16]));
    let newer = FoldName { version: 4, ..FOLD };
    assert!(
        snapshots
            .nearest::<Vec<String>>(FOLD, gathering, 5_000)
            .is_none()
    );
    assert!(
        snapshots
            .nearest::<Vec<String>>(newer, Scope::WholeLog, 5_000)
            .is_none()
    );
    let restored = Snapshots::open(dir.path(), Epoch::from_bytes([2; 16])).unwrap();
    assert_eq!(nearest(&restored, 5_000), None);
    assert_eq!(nearest(&Snapshots::none(), 5_000), None);
}

#[test]
fn a_damaged_snapshot_is_passed_over_wherever_the_damage_is() {
    let (dir, snapshots) = filled();
    let file = format!("participants.v3.{:020}.snap", 2_000);
    let path = dir.path().join("whole-log").join(file);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(nearest(&snapshots, 5_000), Some((100, saved_at(100))));
        fs::write(&path, &whole[..at]).unwrap();
        assert_eq!(nearest(&snapshots, 5_000), Some((100, saved_at(100))));
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(nearest(&snapshots, 5_000), Some((2_000, saved_at(2_000))));
}

#[test]
fn what_a_killed_process_had_not_finished_is_swept_away_and_nothing_else() {
    let (dir, snapshots) = filled();
    let within = dir.path().join("whole-log");
    for unfinished in [
        dir.path().join("generations.json.aside"),
        within.join("participants.v3.00000000000000000009.snap.aside"),
    ] {
        fs::write(&unfinished, "half").unwrap();
        let reopened = Snapshots::open(dir.path(), EPOCH).unwrap();
        assert!(!unfinished.exists());
        let of = |snapshots: &Snapshots| snapshots.offsets(FOLD, Scope::WholeLog);
        assert_eq!(of(&reopened), of(&snapshots));
    }
}

#[test]
fn a_generation_is_moved_whole_and_takes_the_place_of_what_is_there() {
    let (_dir, snapshots) = filled();
    let next = |offset| {
        let state = vec![format!("next {offset}")];
        (snapshots.save_on(Shelf::Next, FOLD, Scope::WholeLog, offset, &state)).unwrap();
    };
    next(100);
    next(150);
    let shift = |from, to| snapshots.shift(FOLD, Scope::WholeLog, from, to).unwrap();
    let on = |shelf| snapshots.offsets_on(shelf, FOLD, Scope::WholeLog);
    shift(Shelf::Live, Shelf::Before);
    shift(Shelf::Next, Shelf::Live);
    assert_eq!((on(Shelf::Live), on(Shelf::Next)), (vec![100, 150], vec![]));
    assert_eq!(on(Shelf::Before), [7, 100, 2_000]);
    assert_eq!(
        nearest(&snapshots, 149),
        Some((100, vec!["next 100".to_owned()]))
    );
    shift(Shelf::Next, Shelf::Live);
    assert_eq!(on(Shelf::Live), [100, 150], "nothing was there to move");
    snapshots.clear(FOLD, Shelf::Before).unwrap();
    assert_eq!((on(Shelf::Live).len(), on(Shelf::Before).len()), (2, 0));
    let newer = FoldName { version: 4, ..FOLD };
    assert_eq!(
        snapshots
            .versions(FOLD.name)
            .into_iter()
            .collect::<Vec<_>>(),
        [3]
    );
    snapshots.remove_other_versions(newer).unwrap();
    assert!(snapshots.versions(FOLD.name).is_empty());
}
