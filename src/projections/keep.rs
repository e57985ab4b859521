//! Which snapshots are written and which stay: enough that any offset is near one, few enough that
//! they take a fraction of the log's room.

use serde::Serialize;

use crate::events::{
    ids::Offset,
    log::Log,
    snapshot::{FoldName, Scope},
};

/// Below this many events a fold from the first one is cheaper than a file.
const EVENTS_MIN: u64 = 256;
/// Two kept snapshots are at least this many offsets apart, the newest excepted …
const SPACING_MIN: Offset = 100_000;
/// … and at least this part of the later one: as of any moment, at most about a fifth of what came before
/// it has to be folded again, and all snapshots together take at most some five times the newest.
const SPACING_PART: Offset = 5;
/// A busy fold is saved after this many events, or a quarter of what it holds if that is more: what
/// is written in all then stays within a few times the last state.
const BUSY_EVENTS_MIN: u64 = 50_000;
/// A fold that has gone quiet is saved once the changes are an eighth of what it holds …
const QUIET_SECONDS_MIN: i64 = 5;
/// … or anyway after this long.
const QUIET_SECONDS_MAX: i64 = 60;

/// Whether a fold of `events` events, `changes` of them unsaved, is due.
pub(super) const fn is_due(events: u64, changes: u64, quiet_seconds: i64) -> bool {
    let busy = if events / 4 > BUSY_EVENTS_MIN {
        events / 4
    } else {
        BUSY_EVENTS_MIN
    };
    changes >= busy
        || (changes > 0 && quiet_seconds >= QUIET_SECONDS_MAX)
        || (changes > events / 8 && quiet_seconds >= QUIET_SECONDS_MIN)
}

/// Saves the state and thins out the older ones. A failure is logged and costs a longer fold.
pub(super) fn save<S: Serialize>(
    log: &Log,
    fold: FoldName,
    scope: Scope,
    offset: Offset,
    events: u64,
    state: &S,
) {
    if events < EVENTS_MIN {
        return;
    }
    if let Err(error) = log.snapshots().save(fold, scope, offset, state) {
        tracing::error!(view = fold.name, offset, %error, "a snapshot was not saved");
        return;
    }
    for old in superfluous(&log.snapshots().offsets(fold, scope)) {
        remove(log, fold, scope, old);
    }
}

/// Deletes every snapshot of the fold but the one at `offset`, after a rebuild.
pub(super) fn remove_others(log: &Log, fold: FoldName, scope: Scope, offset: Offset) {
    for other in log.snapshots().offsets(fold, scope) {
        if other != offset {
            remove(log, fold, scope, other);
        }
    }
}

fn remove(log: &Log, fold: FoldName, scope: Scope, offset: Offset) {
    if let Err(error) = log.snapshots().remove(fold, scope, offset) {
        tracing::warn!(view = fold.name, offset, %error, "an old snapshot was not removed");
    }
}

/// Of ascending offsets, those to delete: the newest stays, and then each that is far enough below the
/// one kept before.
fn superfluous(offsets: &[Offset]) -> Vec<Offset> {
    let mut kept = None;
    let mut superfluous = Vec::new();
    for &offset in offsets.iter().rev() {
        let stays = kept.is_none_or(|kept: Offset| {
            kept.saturating_sub(offset) >= SPACING_MIN.max(kept / SPACING_PART)
        });
        if stays {
            kept = Some(offset);
        } else {
            superfluous.push(offset);
        }
    }
    superfluous
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_snapshot_stays_and_the_rest_thins_out() {
        assert!(superfluous(&[]).is_empty());
        assert!(superfluous(&[10]).is_empty());
        assert_eq!(superfluous(&[10, 20]), [10]);
        assert_eq!(
            superfluous(&[
                100_000, 150_000, 250_000, 700_000, 820_000, 900_000, 1_000_000
            ]),
            [900_000, 820_000, 100_000]
        );
    }

    #[test]
    fn a_busy_fold_is_saved_ever_more_seldom_and_a_quiet_one_soon() {
        assert!(is_due(50_000, 50_000, 0) && !is_due(49_999, 49_999, 0));
        assert!(!is_due(1_000_000, 200_000, 0) && is_due(1_000_000, 250_000, 0));
        assert!(is_due(1_000, 200, 5) && !is_due(1_000, 100, 5) && is_due(1_000, 1, 60));
        assert!(!is_due(1_000, 0, 600));
    }
}
