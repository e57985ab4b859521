//! One rebuild of one view: what was asked for, how far it is, how it ended, and the form in which
//! callers see that. Counts only; it folds nothing.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    differences::{Differences, RowDifference},
    view::View,
};
use crate::{
    events::{ids::Offset, log::ReadError},
    projections::views::ViewError,
};

/// What a rebuild is to do beside folding. By default it switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RebuildOptions {
    /// Folds and says how it went; switches nothing.
    pub dry_run: bool,
    /// Compares with the live view row by row at the same offset; switches nothing either.
    pub diff: bool,
}

impl RebuildOptions {
    pub(super) const fn switches(self) -> bool {
        !self.dry_run && !self.diff
    }
}

/// How far a rebuild is. Of `all`: events of the log that every view has folded.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RebuildProgress {
    pub state: RebuildState,
    /// Events folded.
    pub processed: u64,
    /// Events in the log when it started.
    pub total: u64,
    pub events_per_second: u64,
    pub eta_seconds: Option<u64>,
    pub detail: Option<String>,
    /// Of a failed one: the event that cannot be read or applied.
    #[schema(value_type = Option<u64>)]
    pub offset: Option<Offset>,
    pub reason: RebuildReason,
    pub dry_run: bool,
    pub diff: bool,
    /// With `diff`: how many rows differ.
    pub differences: Option<u64>,
    /// The first of them.
    pub differing_rows: Vec<RowDifference>,
    /// Of `all`: each view.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<ViewProgress>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ViewProgress {
    pub name: &'static str,
    pub state: RebuildState,
    pub processed: u64,
    pub total: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RebuildState {
    Running,
    Done,
    Cancelled,
    Failed,
}

/// Why a view is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RebuildReason {
    Asked,
    /// It was under way when the process ended.
    Resumed,
    /// What was saved is of an earlier version of the view.
    VersionRaised,
    /// What was saved is of a later version: an earlier doorbook has been put back.
    VersionLowered,
}

pub(super) struct Job {
    pub(super) view: View,
    pub(super) options: RebuildOptions,
    pub(super) reason: RebuildReason,
    total: u64,
    started: Instant,
    processed: AtomicU64,
    /// Of these, events that an earlier run had folded.
    inherited: AtomicU64,
    cancelled: AtomicBool,
    differences: Mutex<Differences>,
    end: Mutex<Option<End>>,
}

struct End {
    state: RebuildState,
    detail: Option<String>,
    offset: Option<Offset>,
    after: Duration,
}

impl Job {
    pub(super) fn new(
        view: View,
        options: RebuildOptions,
        reason: RebuildReason,
        total: u64,
    ) -> Self {
        Self {
            view,
            options,
            reason,
            total,
            started: Instant::now(),
            processed: AtomicU64::new(0),
            inherited: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
            differences: Mutex::default(),
            end: Mutex::default(),
        }
    }

    pub(super) fn count(&self, events: u64) {
        self.processed.fetch_add(events, Ordering::Relaxed);
    }

    pub(super) fn inherit(&self, events: u64) {
        self.inherited.fetch_add(events, Ordering::Relaxed);
        self.count(events);
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(super) fn is_running(&self) -> bool {
        self.end.lock().is_none()
    }

    pub(super) fn differ(&self, found: Differences) {
        self.differences.lock().extend(found);
    }

    pub(super) fn finish(&self, state: RebuildState) {
        self.end_with(state, None, None);
    }

    pub(super) fn fail(&self, error: &ViewError) {
        let offset = match error {
            ViewError::Log(ReadError::Damaged { offset, .. }) => Some(*offset),
            _ => None,
        };
        self.end_with(RebuildState::Failed, Some(error.to_string()), offset);
    }

    fn end_with(&self, state: RebuildState, detail: Option<String>, offset: Option<Offset>) {
        *self.end.lock() = Some(End {
            state,
            detail,
            offset,
            after: self.started.elapsed(),
        });
    }

    fn state(&self) -> RebuildState {
        (self.end.lock().as_ref()).map_or(RebuildState::Running, |end| end.state)
    }

    pub(super) fn progress(&self) -> RebuildProgress {
        let end = self.end.lock();
        let state = end.as_ref().map_or(RebuildState::Running, |end| end.state);
        let took = end
            .as_ref()
            .map_or_else(|| self.started.elapsed(), |end| end.after);
        let processed = self.processed.load(Ordering::Relaxed);
        // Events that came while it ran are folded too.
        let total = self.total.max(processed);
        let folded = processed.saturating_sub(self.inherited.load(Ordering::Relaxed));
        let events_per_second = rate(folded, took);
        let differences = self.differences.lock();
        RebuildProgress {
            state,
            processed,
            total,
            events_per_second,
            eta_seconds: left(state, total - processed, events_per_second),
            detail: end.as_ref().and_then(|end| end.detail.clone()),
            offset: end.as_ref().and_then(|end| end.offset),
            reason: self.reason,
            dry_run: !self.options.switches(),
            diff: self.options.diff,
            differences: self.options.diff.then_some(differences.count),
            differing_rows: differences.rows.clone(),
            views: Vec::new(),
        }
    }
}

/// The progress of several that run together; the slowest word wins: failed, running, cancelled, done.
pub(super) fn together(jobs: &[std::sync::Arc<Job>]) -> Option<RebuildProgress> {
    let each: Vec<RebuildProgress> = jobs.iter().map(|job| job.progress()).collect();
    let mut all = each.first()?.clone();
    if each.len() == 1 {
        return Some(all);
    }
    let views = each.len() as u64;
    for state in [
        RebuildState::Cancelled,
        RebuildState::Running,
        RebuildState::Failed,
    ] {
        if let Some(one) = each.iter().find(|one| one.state == state) {
            all.state = state;
            all.detail = one.detail.clone().or(all.detail);
            all.offset = one.offset.or(all.offset);
        }
    }
    all.processed = each.iter().map(|one| one.processed).sum::<u64>() / views;
    all.total = each.iter().map(|one| one.total).sum::<u64>() / views;
    all.events_per_second = if all.state == RebuildState::Running {
        each.iter().map(|one| one.events_per_second).sum::<u64>() / views
    } else {
        // The log is folded when the slowest view is.
        (each.iter().map(|one| one.events_per_second).min()).unwrap_or_default()
    };
    let missing = all.total.saturating_sub(all.processed);
    all.eta_seconds = left(all.state, missing, all.events_per_second);
    let differences: Vec<u64> = each.iter().filter_map(|one| one.differences).collect();
    all.differences = (!differences.is_empty()).then(|| differences.iter().sum());
    all.differing_rows = (each.iter())
        .flat_map(|one| one.differing_rows.clone())
        .collect();
    all.views = (jobs.iter().zip(&each))
        .map(|(job, one)| ViewProgress {
            name: job.view.fold().name,
            state: job.state(),
            processed: one.processed,
            total: one.total,
        })
        .collect();
    Some(all)
}

fn rate(events: u64, took: Duration) -> u64 {
    let rate = u128::from(events) * 1_000_000 / took.as_micros().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

fn left(state: RebuildState, missing: u64, events_per_second: u64) -> Option<u64> {
    (state == RebuildState::Running)
        .then(|| missing.checked_div(events_per_second))
        .flatten()
}
