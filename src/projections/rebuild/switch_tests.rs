//! A switch that a crash has cut in two, at every place where it can be cut; whole ones are in `tests`.

use super::{Generations, RebuildReason, switch, view::View};
use crate::events::{
    ids::{GatheringId, Offset},
    log::{Log, conformance::data_dir},
    snapshot::{Scope, Shelf},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_died_between_any_two_files_ends_as_it_would_have() {
    const LIVE: [Offset; 2] = [4, 9];
    const NEXT: [Offset; 3] = [3, 8, 9];
    let (view, fold) = (View::Participants, View::Participants.fold());
    // How many files had been moved: to `Before`, to `Arriving`, to `Live`.
    for moved in 0..=LIVE.len() + 2 * NEXT.len() {
        let dir = data_dir();
        let (log, _) = Log::open(dir.path()).unwrap();
        let id = GatheringId::generate();
        let (snapshots, scope) = (log.snapshots(), Scope::Gathering(id));
        let save = |shelf, offset| {
            let state = format!("{shelf:?} {offset}");
            (snapshots.save_on(shelf, fold, scope, offset, &state)).unwrap();
        };
        LIVE.into_iter().for_each(|at| save(Shelf::Live, at));
        NEXT.into_iter().for_each(|at| save(Shelf::Next, at));
        save(Shelf::Before, 2);
        let generations = Generations::open(&log);
        generations.begin(view, RebuildReason::Asked).unwrap();
        generations.switching(view).unwrap();
        let place = dir.path().join("snapshots").join(id.to_string());
        let file = |offset: Offset, suffix: &str| {
            let name = format!("{}.v{}.{offset:020}.{suffix}", fold.name, fold.version);
            place.join(name)
        };
        let moves = (LIVE.iter().map(|at| (at, "snap", "before")))
            .chain(NEXT.iter().map(|at| (at, "next", "arriving")))
            .chain(NEXT.iter().map(|at| (at, "arriving", "snap")));
        if moved > 0 {
            std::fs::remove_file(file(2, "before")).unwrap();
        }
        for (at, from, to) in moves.take(moved) {
            std::fs::rename(file(*at, from), file(*at, to)).unwrap();
        }
        // Noted in a log that is this small, too.
        let reopened = Generations::open(&log);
        switch::finish(&log, &reopened).unwrap();
        let on = |shelf| snapshots.offsets_on(shelf, fold, scope);
        assert_eq!(on(Shelf::Live), NEXT, "{moved}");
        assert_eq!(on(Shelf::Next).len() + on(Shelf::Arriving).len(), 0);
        let newest = |shelf| snapshots.nearest_on::<String>(shelf, fold, scope, 9);
        assert_eq!(newest(Shelf::Live), Some((9, "Next 9".to_owned())));
        assert_eq!(newest(Shelf::Before), Some((9, "Live 9".to_owned())));
        assert!(!on(Shelf::Before).contains(&2), "{moved}");
        tokio::task::block_in_place(|| log.close().unwrap());
    }
}
