//! Folds a view anew, from the first event, beside the live generation and by the same `apply`; then
//! brings it to the head, switches under the view's lock at equal offset, and replaces the
//! snapshots. Readers and writers never notice. A crash at any moment leaves old snapshots or new
//! ones, and both are right.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    audit,
    board::LiveBoard,
    dashboard::{self, Dashboard},
    gathering::Live,
    history, integrity, keep,
    live::Inner,
    participants::{self, Participants},
    views::ViewError,
};
use crate::events::{
    ids::{GatheringId, Offset},
    snapshot::{FoldName, Scope},
};

/// Gatherings that are folded at once.
const WORKERS: usize = 2;
/// How often the command line hears of progress.
const PROGRESS_PERIOD: Duration = Duration::from_millis(100);

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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RebuildState {
    Running,
    Done,
    Cancelled,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum View {
    Participants,
    Dashboard,
    History,
    Integrity,
}

impl View {
    const ALL: [Self; 4] = [
        Self::Participants,
        Self::Dashboard,
        Self::History,
        Self::Integrity,
    ];

    const fn fold(self) -> FoldName {
        match self {
            Self::Participants => participants::FOLD,
            Self::Dashboard => dashboard::FOLD,
            Self::History => history::FOLD,
            Self::Integrity => integrity::FOLD,
        }
    }

    fn parse(name: &str) -> Result<Self, ViewError> {
        (Self::ALL.into_iter())
            .find(|view| view.fold().name == name)
            .ok_or_else(|| ViewError::UnknownProjection(name.to_owned()))
    }
}

/// The last rebuild of each view.
#[derive(Default)]
pub(super) struct Rebuilds {
    jobs: Mutex<HashMap<View, Arc<Job>>>,
}

struct Job {
    view: View,
    total: u64,
    started: Instant,
    processed: AtomicU64,
    cancelled: AtomicBool,
    end: Mutex<Option<End>>,
}

struct End {
    state: RebuildState,
    detail: Option<String>,
    after: Duration,
}

impl Rebuilds {
    pub(super) fn start(inner: &Arc<Inner>, name: &str) -> Result<(), ViewError> {
        let job = inner.rebuilds.enter(inner, View::parse(name)?)?;
        let spawned = std::thread::Builder::new()
            .name(format!("rebuild-{name}"))
            .spawn({
                let (inner, job) = (inner.clone(), job.clone());
                move || run(&inner, &job)
            });
        if let Err(error) = spawned {
            job.finish(RebuildState::Failed, Some(error.to_string()));
            return Err(ViewError::Rebuild(format!(
                "cannot start a thread: {error}"
            )));
        }
        Ok(())
    }

    pub(super) fn run_blocking(
        inner: &Arc<Inner>,
        name: &str,
        mut progress: impl FnMut(&RebuildProgress),
    ) -> Result<RebuildProgress, ViewError> {
        let views = match name {
            "all" => View::ALL.to_vec(),
            name => vec![View::parse(name)?],
        };
        let jobs: Vec<_> = (views.into_iter())
            .map(|view| inner.rebuilds.enter(inner, view))
            .collect::<Result<_, _>>()?;
        std::thread::scope(|scope| {
            let (done, all_done) = mpsc::channel::<()>();
            for job in &jobs {
                let done = done.clone();
                scope.spawn(move || {
                    run(inner, job);
                    drop(done);
                });
            }
            drop(done);
            // The channel closes when the last job drops its end.
            while all_done.recv_timeout(PROGRESS_PERIOD) == Err(mpsc::RecvTimeoutError::Timeout) {
                progress(&sum(&jobs));
            }
        });
        let end = sum(&jobs);
        progress(&end);
        Ok(end)
    }

    pub(super) fn progress(&self, name: &str) -> Result<RebuildProgress, ViewError> {
        let view = View::parse(name)?;
        (self.jobs.lock().get(&view))
            .map(|job| sum(std::slice::from_ref(job)))
            .ok_or_else(|| {
                ViewError::Rebuild(format!("{name} has not been rebuilt since the start"))
            })
    }

    pub(super) fn cancel(&self, name: &str) -> Result<(), ViewError> {
        let view = View::parse(name)?;
        match self.jobs.lock().get(&view) {
            Some(job) if job.end.lock().is_none() => {
                job.cancelled.store(true, Ordering::Relaxed);
                Ok(())
            }
            Some(_) | None => Err(ViewError::Rebuild(format!(
                "no rebuild of {name} is under way"
            ))),
        }
    }

    fn enter(&self, inner: &Inner, view: View) -> Result<Arc<Job>, ViewError> {
        let mut jobs = self.jobs.lock();
        if (jobs.get(&view)).is_some_and(|job| job.end.lock().is_none()) {
            let name = view.fold().name;
            return Err(ViewError::Rebuild(format!(
                "a rebuild of {name} is under way"
            )));
        }
        let job = Arc::new(Job {
            view,
            total: inner.log.head(),
            started: Instant::now(),
            processed: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
            end: Mutex::new(None),
        });
        jobs.insert(view, job.clone());
        Ok(job)
    }
}

impl Job {
    /// Counts a page; false when it is to stop.
    fn step(&self, events: usize) -> bool {
        self.processed.fetch_add(events as u64, Ordering::Relaxed);
        !self.cancelled.load(Ordering::Relaxed)
    }

    fn finish(&self, state: RebuildState, detail: Option<String>) {
        *self.end.lock() = Some(End {
            state,
            detail,
            after: self.started.elapsed(),
        });
    }
}

/// The progress of one job, or of several that run side by side.
fn sum(jobs: &[Arc<Job>]) -> RebuildProgress {
    let mut progress = RebuildProgress {
        state: RebuildState::Done,
        processed: 0,
        total: 0,
        events_per_second: 0,
        eta_seconds: None,
        detail: None,
    };
    let mut took = Duration::ZERO;
    for job in jobs {
        progress.processed += job.processed.load(Ordering::Relaxed);
        progress.total += job.total;
        let end = job.end.lock();
        took = took.max(
            end.as_ref()
                .map_or_else(|| job.started.elapsed(), |end| end.after),
        );
        let state = end.as_ref().map_or(RebuildState::Running, |end| end.state);
        if progress.state == RebuildState::Done || state == RebuildState::Failed {
            progress.state = state;
        }
        if let Some(detail) = end.as_ref().and_then(|end| end.detail.clone()) {
            progress.detail = Some(detail);
        }
    }
    let micros = took.as_micros().max(1);
    let rate = u128::from(progress.processed) * 1_000_000 / micros;
    progress.events_per_second = u64::try_from(rate).unwrap_or(u64::MAX);
    if progress.state == RebuildState::Running {
        let left = progress.total.saturating_sub(progress.processed);
        progress.eta_seconds = left.checked_div(progress.events_per_second);
    }
    progress
}

fn run(inner: &Inner, job: &Job) {
    let result = match job.view {
        View::Dashboard => dashboard(inner, job),
        View::Participants => each_gathering(inner, job, participants),
        View::History => each_gathering(inner, job, history),
        View::Integrity => inner
            .integrity
            .rebuild(&inner.log, |events| job.step(events)),
    };
    match result {
        Ok(true) => job.finish(RebuildState::Done, None),
        Ok(false) => job.finish(RebuildState::Cancelled, None),
        Err(error) => {
            tracing::error!(view = job.view.fold().name, %error, "a rebuild failed");
            job.finish(RebuildState::Failed, Some(error.to_string()));
        }
    }
}

fn dashboard(inner: &Inner, job: &Job) -> Result<bool, ViewError> {
    let log = &inner.log;
    let Some(mut fresh) = LiveBoard::load(log, Dashboard::default(), |events| job.step(events))?
    else {
        return Ok(false);
    };
    fresh.fail_if_parked()?;
    // Once outside the lock, so that inside it there is next to nothing left to do.
    fresh.catch_up(log)?;
    let state = {
        let mut live = inner.board.live.write();
        fresh.catch_up(log)?;
        *live = fresh;
        live.saved = live.dashboard.state.offset;
        live.dashboard.state.clone()
    };
    inner.board.windows.clear();
    let offset = state.offset;
    keep::save(
        log,
        dashboard::FOLD,
        Scope::WholeLog,
        offset,
        offset,
        &state,
    );
    keep::remove_others(log, dashboard::FOLD, Scope::WholeLog, offset);
    Ok(true)
}

/// Rebuilds gathering after gathering on a few threads.
fn each_gathering(
    inner: &Inner,
    job: &Job,
    rebuild: fn(&Inner, &Job, GatheringId) -> Result<bool, ViewError>,
) -> Result<bool, ViewError> {
    let gatherings = inner.log.gatherings();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(gathering) = gatherings.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !rebuild(inner, job, *gathering)? {
                return Ok(false);
            }
        }
        Ok(true)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (1..WORKERS.min(gatherings.len()).max(1))
            .map(|_| scope.spawn(work))
            .collect();
        let mut all = work();
        for worker in workers {
            let one = worker.join().unwrap_or_else(|_| {
                Err(ViewError::Rebuild(
                    "a worker of the rebuild panicked".to_owned(),
                ))
            });
            all = match (all, one) {
                (Ok(all), Ok(one)) => Ok(all && one),
                (Err(error), _) | (Ok(_), Err(error)) => Err(error),
            };
        }
        all
    })
}

fn participants(inner: &Inner, job: &Job, id: GatheringId) -> Result<bool, ViewError> {
    let log = &inner.log;
    let empty = Participants::new(id);
    let Some(mut fresh) = Live::load(log, empty, |events| job.step(events))? else {
        return Ok(false);
    };
    fresh.catch_up(log)?;
    fresh.saved_events = fresh.participants.state.events;
    let state = fresh.participants.state.clone();
    // Nobody loads this gathering while its snapshots change.
    let gate = inner.gate(id);
    let _gate = gate.blocking_lock();
    replace_snapshots(
        inner,
        participants::FOLD,
        id,
        state.offset,
        state.events,
        &state,
    );
    if let Some(gathering) = inner.loaded(id) {
        let mut live = gathering.live.write();
        fresh.catch_up(log)?;
        // The fold that made the kept windows is gone, and they go with it.
        fresh.erased = live.erased + 1;
        *live = fresh;
        gathering.windows.clear();
    }
    Ok(true)
}

fn history(inner: &Inner, job: &Job, id: GatheringId) -> Result<bool, ViewError> {
    let mut fresh = history::State::default();
    if !audit::catch_up(&inner.log, id, &mut fresh, |events| job.step(events))? {
        return Ok(false);
    }
    let state = inner.indexes.of(id).replace(&inner.log, fresh)?;
    replace_snapshots(inner, history::FOLD, id, state.offset, state.events, &state);
    Ok(true)
}

fn replace_snapshots<S: Serialize>(
    inner: &Inner,
    fold: FoldName,
    id: GatheringId,
    offset: Offset,
    events: u64,
    state: &S,
) {
    let scope = Scope::Gathering(id);
    keep::save(&inner.log, fold, scope, offset, events, state);
    keep::remove_others(&inner.log, fold, scope, offset);
}
