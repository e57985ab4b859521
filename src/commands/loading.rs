//! How a write model comes into memory (its newest snapshot, then the rest of the gathering's
//! events) and is kept on disk. Everything here may block.

use super::{
    CommandError,
    model::{FOLD, Model},
    owner::Owner,
};
use crate::events::{
    ids::{GatheringId, Offset},
    log::{Log, PAGE_EVENTS_MAX, ReadError},
    snapshot::Scope,
};

/// A busy model is saved after so many events, and a large one after more: see [`snapshot_is_due`].
const SNAPSHOT_EVERY_EVENTS: u64 = 50_000;
/// A model dropped for idleness is saved when this many events would have to be folded again.
const SAVE_IDLE_EVENTS: u64 = 5_000;
/// Snapshots kept of a gathering: the newest, and one in case it cannot be read.
const SNAPSHOTS_MAX: usize = 2;

pub(super) fn load(log: &Log, gathering: GatheringId) -> Result<Owner, CommandError> {
    let (model, folded) =
        fold(log, gathering).map_err(|error| CommandError::Load(error.to_string()))?;
    // Brings the gathering's keys into memory, so that the first scan does not read them under the lock.
    if model.details().is_some()
        && let Err(error) = log.keys().keyed_hash(gathering, gathering.to_bytes(), &[])
    {
        tracing::error!(%gathering, %error, "the gathering's key cannot be used");
    }
    Ok(Owner::new(gathering, model, folded))
}

/// Whether folding the rest would take long beside reading the snapshot. Saving a model writes all of
/// it, so a model twice as large is saved half as often.
pub(super) fn snapshot_is_due(owner: &Owner) -> bool {
    owner.unsaved >= SNAPSHOT_EVERY_EVENTS.max(owner.model.weight() / 4)
}

/// Saves a model that leaves memory, if folding its events again would take long.
pub(super) fn save_idle(log: &Log, owner: &Owner, gathering: GatheringId) {
    if owner.unsaved >= SAVE_IDLE_EVENTS {
        save(log, gathering, &owner.model);
    }
}

/// Saves the state of a model in use, without its owner's lock: from a fold of its own. The number of events
/// that no longer have to be folded.
pub(super) fn save_busy(log: &Log, gathering: GatheringId) -> Option<u64> {
    match fold(log, gathering) {
        Ok((model, folded)) => {
            save(log, gathering, &model);
            Some(folded)
        }
        Err(error) => {
            tracing::warn!(%gathering, %error, "no snapshot of the write model: its events cannot be read");
            None
        }
    }
}

/// The model at the head and the number of events folded onto its snapshot.
fn fold(log: &Log, gathering: GatheringId) -> Result<(Model, u64), ReadError> {
    let head = log.head();
    let scope = Scope::Gathering(gathering);
    let snapshot = log.snapshots().nearest::<Model>(FOLD, scope, head);
    let mut model = snapshot.map(|(_, model)| model).unwrap_or_default();
    model.index();
    let mut folded = 0;
    let mut after = model.offset();
    loop {
        let page = log.read_gathering(gathering, after, head, PAGE_EVENTS_MAX)?;
        let Some(last) = page.last() else {
            return Ok((model, folded));
        };
        after = last.offset;
        folded += page.len() as u64;
        for recorded in &page {
            model.evolve(recorded);
        }
    }
}

fn save(log: &Log, gathering: GatheringId, model: &Model) {
    let scope = Scope::Gathering(gathering);
    let snapshots = log.snapshots();
    if let Err(error) = snapshots.save(FOLD, scope, model.offset(), model) {
        tracing::warn!(%gathering, %error, "the write model was not saved");
        return;
    }
    let offsets = snapshots.offsets(FOLD, scope);
    let surplus = offsets.len().saturating_sub(SNAPSHOTS_MAX);
    for offset in oldest(&offsets, surplus) {
        if let Err(error) = snapshots.remove(FOLD, scope, *offset) {
            tracing::warn!(%gathering, offset, %error, "an old snapshot of the write model stays");
        }
    }
}

fn oldest(offsets: &[Offset], surplus: usize) -> &[Offset] {
    offsets.get(..surplus).unwrap_or_default()
}
