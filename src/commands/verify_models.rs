//! Whether the saved write models are what the log gives: one that was forged would decide by another
//! history than the one that is shown.

use std::fmt;

use super::model::{FOLD, Model};
use crate::events::{
    ids::{GatheringId, Offset},
    log::{Log, PAGE_EVENTS_MAX, ReadError},
    snapshot::Scope,
};

/// The first saved model that a fold from the first event does not give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelDifference {
    pub gathering: GatheringId,
    pub offset: Offset,
}

impl fmt::Display for ModelDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the write model of gathering {} that was saved at offset {} is not what the log gives; delete \
             `snapshots/{0}/{}.*` while nothing runs, it is made anew",
            self.gathering, self.offset, FOLD.name
        )
    }
}

/// Folds every gathering of which models are saved, and says how many were compared.
///
/// # Errors
/// When the log cannot be read.
pub fn verify_models(log: &Log) -> Result<Result<usize, ModelDifference>, ReadError> {
    let mut compared = 0;
    for gathering in log.gatherings() {
        let scope = Scope::Gathering(gathering);
        let mut fresh = Model::default();
        for offset in log.snapshots().offsets(FOLD, scope) {
            let Some((found, mut saved)) = log.snapshots().nearest::<Model>(FOLD, scope, offset)
            else {
                continue;
            };
            if found != offset {
                // Not readable, and so as good as missing.
                continue;
            }
            saved.index();
            fold(log, gathering, &mut fresh, offset)?;
            if saved != fresh {
                return Ok(Err(ModelDifference { gathering, offset }));
            }
            compared += 1;
        }
    }
    Ok(Ok(compared))
}

fn fold(
    log: &Log,
    gathering: GatheringId,
    model: &mut Model,
    up_to: Offset,
) -> Result<(), ReadError> {
    loop {
        let page = log.read_gathering(gathering, model.offset(), up_to, PAGE_EVENTS_MAX)?;
        if page.is_empty() {
            return Ok(());
        }
        for recorded in &page {
            model.evolve(recorded);
        }
    }
}
