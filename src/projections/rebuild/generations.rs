//! Which generation of each view is live, when it was made, which one is kept from before, and which one
//! is on its way: a small file beside the snapshots, written at every turn, so that after a crash it is
//! known how to go on.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{job::RebuildReason, view::View};
use crate::{
    events::{ids::Offset, log::Log, time::Timestamp},
    projections::views::ViewError,
};

const FILE: &str = "generations.json";
/// A rebuild of fewer events than this is over sooner than it is noted: killed, it is just not there.
const NOTED_EVENTS_MIN: Offset = 10_000;

pub(in crate::projections) struct Generations {
    log: Log,
    /// Held through a change, onto the disk.
    changing: Mutex<()>,
    /// Never held while the disk is waited for.
    notes: Mutex<Notes>,
}

#[derive(Default, Serialize, Deserialize)]
struct Notes {
    epoch: String,
    views: BTreeMap<String, Note>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) live: Made,
    /// The highest number that there has been.
    newest: u64,
    pub(super) before: Option<Made>,
    pub(super) under_way: Option<UnderWay>,
}

/// A generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Made {
    pub(super) generation: u64,
    pub(super) version: u32,
    /// µs since 1970; none: it has grown with the log.
    at: Option<i64>,
}

impl Made {
    pub(super) fn built_at(self) -> Option<Timestamp> {
        self.at.map(Timestamp)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UnderWay {
    pub(super) reason: RebuildReason,
    pub(super) phase: Phase,
    pub(super) next: Made,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// What is folded is put on the shelf `Next`.
    Folding,
    /// The shelf `Before` is moved to `Next`.
    RollingBack,
    /// `Live` is moved to `Before` and `Next` to `Live`, scope after scope.
    Switching,
}

impl Generations {
    pub(in crate::projections) fn open(log: &Log) -> Self {
        let epoch = log.epoch().to_string();
        let read = (log.snapshots().note(FILE))
            .and_then(|bytes| serde_json::from_slice::<Notes>(&bytes).ok())
            .filter(|notes| notes.epoch == epoch);
        let notes = read.unwrap_or_else(|| Notes {
            epoch,
            views: BTreeMap::new(),
        });
        Self {
            log: log.clone(),
            changing: Mutex::default(),
            notes: Mutex::new(notes),
        }
    }

    /// Writes what is known, however little there is to do.
    #[cfg(test)]
    pub(super) fn write(&self, view: View) -> Result<(), ViewError> {
        self.change(view, true, |_| ())
    }

    /// What is written of the view, or what holds of one that nobody has rebuilt.
    pub(super) fn of(&self, view: View) -> Note {
        let fold = view.fold();
        let notes = self.notes.lock();
        notes.views.get(fold.name).cloned().unwrap_or(Note {
            live: Made {
                generation: 1,
                version: fold.version,
                at: None,
            },
            newest: 1,
            before: None,
            under_way: None,
        })
    }

    /// The version of what is saved, when it is not this one.
    pub(super) fn other_version(&self, view: View) -> Option<u32> {
        let fold = view.fold();
        let noted = (self.notes.lock().views.get(fold.name)).map(|note| note.live.version);
        let saved = match noted {
            Some(version) => Some(version),
            // From before there was this file.
            None => (self.log.snapshots().versions(fold.name).into_iter())
                .find(|version| *version != fold.version),
        };
        saved.filter(|version| *version != fold.version)
    }

    /// Writes that the view is as it should be, so that the next start need not look for files.
    pub(super) fn note_version(&self, view: View) -> Result<(), ViewError> {
        if self.notes.lock().views.contains_key(view.fold().name) {
            return Ok(());
        }
        self.change(view, true, |_| ())
    }

    pub(super) fn begin(&self, view: View, reason: RebuildReason) -> Result<(), ViewError> {
        let version = view.fold().version;
        self.change(view, self.log.head() >= NOTED_EVENTS_MIN, |note| {
            note.newest += 1;
            note.under_way = Some(UnderWay {
                reason,
                phase: Phase::Folding,
                next: Made {
                    generation: note.newest,
                    version,
                    at: None,
                },
            });
        })
    }

    /// Everything of the next generation is on its shelf. Written always: half a switch must be ended.
    pub(super) fn switching(&self, view: View) -> Result<(), ViewError> {
        self.change(view, true, |note| {
            if let Some(under_way) = &mut note.under_way {
                under_way.phase = Phase::Switching;
                under_way.next.at.get_or_insert(Timestamp::now().0);
            }
        })
    }

    pub(super) fn rolling_back(&self, view: View, to: Made) -> Result<(), ViewError> {
        self.change(view, true, |note| {
            note.under_way = Some(UnderWay {
                reason: RebuildReason::Asked,
                phase: Phase::RollingBack,
                next: to,
            });
        })
    }

    pub(super) fn switched(&self, view: View) -> Result<(), ViewError> {
        let version = view.fold().version;
        self.change(view, true, |note| {
            if let Some(UnderWay { next, .. }) = note.under_way.take() {
                note.before = Some(note.live).filter(|live| live.version == version);
                note.live = next;
            }
        })
    }

    pub(super) fn given_up(&self, view: View) -> Result<(), ViewError> {
        self.change(view, true, |note| note.under_way = None)
    }

    fn change(
        &self,
        view: View,
        is_written: bool,
        change: impl FnOnce(&mut Note),
    ) -> Result<(), ViewError> {
        let _changing = self.changing.lock();
        let mut note = self.of(view);
        if let Some(other) = self.other_version(view) {
            // Noted as it is on the disk, until it is switched.
            note.live.version = other;
        }
        change(&mut note);
        let text = {
            let mut notes = self.notes.lock();
            notes.views.insert(view.fold().name.to_owned(), note);
            if !is_written {
                return Ok(());
            }
            serde_json::to_vec_pretty(&*notes)
        };
        let text = text.map_err(|error| ViewError::Rebuild(error.to_string()))?;
        (self.log.snapshots().write_note(FILE, &text))
            .map_err(|error| ViewError::Rebuild(error.to_string()))
    }
}
