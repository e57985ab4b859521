//! The views as operators see them: where each stands, and rebuilding one.
//!
//! Not here: how a rebuild works ([`super::rebuild`]), and what else is asked of the views ([`Views`]).

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    dashboard, history, integrity, participants,
    rebuild::{RebuildOptions, RebuildProgress, Rebuilds},
    verify::{self, Difference},
    views::{ViewError, Views},
};
use crate::events::{ids::Offset, snapshot::FoldName, time::Timestamp};

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProjectionStatus {
    pub name: &'static str,
    pub version: u32,
    pub offset: Offset,
    pub lag: u64,
    /// Why the view stopped, if an event could not be applied.
    pub error: Option<String>,
    /// Which making of the view is live: 1 is the first, each rebuild makes the next.
    pub generation: u64,
    /// When a rebuild made it; null: it has grown with the log.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub built_at: Option<Timestamp>,
    /// The generation that a rollback would put back.
    pub generation_before: Option<u64>,
}

impl Views {
    #[must_use]
    pub fn projections(&self) -> Vec<ProjectionStatus> {
        let inner = &self.inner;
        let head = inner.log.head();
        let (board_offset, board_error) = {
            let live = inner.board.live.read();
            let error = live.parked.as_ref().map(ToString::to_string);
            (live.dashboard.state.offset, error)
        };
        let (offset, error) = inner.slowest(head);
        let (proven, unproven) = inner.integrity.standing();
        let status = |fold: FoldName, offset: Offset, error| {
            let (generation, built_at, generation_before) = inner.generation(fold);
            ProjectionStatus {
                name: fold.name,
                version: fold.version,
                offset,
                lag: head.saturating_sub(offset),
                error,
                generation,
                built_at,
                generation_before,
            }
        };
        vec![
            status(participants::FOLD, offset, error),
            status(dashboard::FOLD, board_offset, board_error),
            // Indexes are brought up when they are asked.
            status(history::FOLD, head, inner.indexes.stopped()),
            status(integrity::FOLD, proven, unproven),
        ]
    }

    /// Folds a view, or `all`, anew beside the live one, then switches.
    ///
    /// # Errors
    /// When there is no such view, or its rebuild is under way.
    pub fn start_rebuild(&self, name: &str) -> Result<(), ViewError> {
        self.start_rebuild_with(name, RebuildOptions::default())
    }

    /// # Errors
    /// As [`Self::start_rebuild`].
    pub fn start_rebuild_with(&self, name: &str, options: RebuildOptions) -> Result<(), ViewError> {
        Rebuilds::start(&self.inner, name, options)
    }

    /// Goes on with rebuilds that were under way when the process ended, and rebuilds views that were
    /// saved in another version, behind what is served. For a server, after opening.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn resume_rebuilds(&self) -> Result<(), ViewError> {
        Rebuilds::resume(&self.inner)
    }

    /// Puts the generation before the last rebuild back, and brings it up to the head. May touch the disk.
    ///
    /// # Errors
    /// When there is no such view, none is kept, or a rebuild is under way.
    pub fn roll_back(&self, name: &str) -> Result<(), ViewError> {
        Rebuilds::roll_back(&self.inner, name)
    }

    /// The last rebuild of every view that has been rebuilt since the start.
    #[must_use]
    pub fn rebuilds(&self) -> Vec<(&'static str, RebuildProgress)> {
        self.inner.rebuilds.each()
    }

    /// Of the rebuild under way, or of the last one since the start.
    ///
    /// # Errors
    /// When there is no such view, or none has been rebuilt.
    pub fn rebuild_progress(&self, name: &str) -> Result<RebuildProgress, ViewError> {
        self.inner.rebuilds.progress(name)
    }

    /// # Errors
    /// When there is no such view, or no rebuild of it is under way.
    pub fn cancel_rebuild(&self, name: &str) -> Result<(), ViewError> {
        self.inner.rebuilds.cancel(name)
    }

    /// Rebuilds one view, or `all`, and returns when it is done; for the command line.
    ///
    /// # Errors
    /// When there is no such view, or the log cannot be read.
    pub fn rebuild_blocking(
        &self,
        name: &str,
        progress: impl FnMut(&RebuildProgress),
    ) -> Result<RebuildProgress, ViewError> {
        Rebuilds::run_blocking(&self.inner, name, RebuildOptions::default(), progress)
    }

    /// Folds everything anew and compares it with what is live and what is saved; `progress` gets
    /// events done and events in all.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn verify_views(
        &self,
        progress: impl FnMut(u64, u64),
    ) -> Result<Option<Difference>, ViewError> {
        verify::verify(&self.inner, progress)
    }
}
