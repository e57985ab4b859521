//! Rebuilding: a view is folded anew from the first event, beside the live generation and by the same
//! folds, and then takes its place (`switch`). Readers and writers never notice, and nothing but the
//! switch changes what they see: a rebuild that is cancelled, fails or was only to look leaves nothing.
//!
//! `pass` reads the log once for all views that want it, `fresh` is one view of one scope on the way,
//! `generations` remembers over a crash what is live and what is under way, `job` says how far it is,
//! `differences` what a comparison found. What is folded is saved on a shelf of its own as it goes, so a
//! rebuild that dies with its process goes on from there at the next start.

mod differences;
mod fresh;
mod generations;
mod job;
mod pass;
mod switch;
#[cfg(test)]
mod switch_tests;
#[cfg(test)]
mod tests;
mod view;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::Mutex;

use self::{
    differences::Differences,
    generations::Phase,
    job::{Job, together},
    view::View,
};
pub use self::{
    differences::RowDifference,
    job::{RebuildOptions, RebuildProgress, RebuildReason, RebuildState, ViewProgress},
};
pub(super) use self::{generations::Generations, pass::pages, switch::finish};
use super::{live::Inner, views::ViewError};
use crate::events::{
    snapshot::{FoldName, Scope, Shelf},
    time::Timestamp,
};

/// How often a caller that waits for the end hears of progress.
const PROGRESS_PERIOD: Duration = Duration::from_millis(100);
/// Every view.
const ALL: &str = "all";

/// The last rebuild of each view.
#[derive(Default)]
pub(super) struct Rebuilds {
    jobs: Mutex<BTreeMap<View, Arc<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The process ends: what is under way is left as it is, for the next start.
    stopping: AtomicBool,
}

impl Rebuilds {
    /// On a thread of its own.
    pub(super) fn start(
        inner: &Arc<Inner>,
        name: &str,
        options: RebuildOptions,
    ) -> Result<(), ViewError> {
        let asked = |view| (view, RebuildReason::Asked);
        let views: Vec<_> = named(name)?.into_iter().map(asked).collect();
        Self::spawn(inner, &views, options)
    }

    /// Goes on with what was under way when the process ended, and rebuilds what is saved in another version.
    pub(super) fn resume(inner: &Arc<Inner>) -> Result<(), ViewError> {
        let mut views = Vec::new();
        for view in View::ALL.into_iter().filter(|view| view.is_fold()) {
            let under_way = inner.generations.of(view).under_way;
            let version = view.fold().version;
            let folding = |it: &generations::UnderWay| {
                it.phase == Phase::Folding && it.next.version == version
            };
            if under_way.as_ref().is_some_and(folding) {
                views.push((view, RebuildReason::Resumed));
            } else if let Some(other) = inner.generations.other_version(view) {
                views.push((
                    view,
                    if other < version {
                        RebuildReason::VersionRaised
                    } else {
                        RebuildReason::VersionLowered
                    },
                ));
            } else {
                inner.generations.note_version(view)?;
            }
        }
        if views.is_empty() {
            return Ok(());
        }
        for (view, reason) in &views {
            let view = view.fold().name;
            tracing::info!(view, ?reason, "a rebuild begins by itself");
        }
        Self::spawn(inner, &views, RebuildOptions::default())
    }

    pub(super) fn run_blocking(
        inner: &Arc<Inner>,
        name: &str,
        options: RebuildOptions,
        mut progress: impl FnMut(&RebuildProgress),
    ) -> Result<RebuildProgress, ViewError> {
        let asked = |view| (view, RebuildReason::Asked);
        let views: Vec<_> = named(name)?.into_iter().map(asked).collect();
        let jobs = inner.rebuilds.enter(inner, &views, options)?;
        std::thread::scope(|scope| {
            let (running, ended) = mpsc::channel::<()>();
            let jobs = &jobs;
            scope.spawn(move || {
                run(inner, jobs);
                drop(running);
            });
            // The channel closes when the rebuild drops its end.
            while ended.recv_timeout(PROGRESS_PERIOD) == Err(mpsc::RecvTimeoutError::Timeout) {
                if let Some(now) = together(jobs) {
                    progress(&now);
                }
            }
        });
        let end =
            together(&jobs).ok_or_else(|| ViewError::Rebuild("nothing was rebuilt".to_owned()))?;
        progress(&end);
        Ok(end)
    }

    pub(super) fn roll_back(inner: &Arc<Inner>, name: &str) -> Result<(), ViewError> {
        let view = View::parse(name)?;
        if inner.generations.of(view).before.is_none() {
            return Err(ViewError::Rebuild(format!(
                "no earlier generation of {name} is kept"
            )));
        }
        // Entered as a rebuild is, so that there is none beside it.
        let mut jobs = inner.rebuilds.jobs.lock();
        inner.rebuilds.fail_if_stopping()?;
        if jobs.get(&view).is_some_and(|job| job.is_running()) {
            return Err(under_way(view));
        }
        let earlier = jobs.get(&view).cloned();
        let job = Arc::new(Job::new(
            view,
            RebuildOptions::default(),
            RebuildReason::Asked,
            0,
        ));
        jobs.insert(view, job.clone());
        drop(jobs);
        let result = guarded(|| switch::roll_back(inner, view));
        // Under one lock, or a rebuild that enters between is lost.
        let mut jobs = inner.rebuilds.jobs.lock();
        job.finish(RebuildState::Done);
        match earlier {
            Some(earlier) => jobs.insert(view, earlier),
            None => jobs.remove(&view),
        };
        result
    }

    pub(super) fn progress(&self, name: &str) -> Result<RebuildProgress, ViewError> {
        let views = named(name)?;
        let jobs = self.jobs.lock();
        let found: Vec<_> = (views.iter())
            .filter_map(|view| jobs.get(view).cloned())
            .collect();
        together(&found).ok_or_else(|| {
            ViewError::Rebuild(format!("{name} has not been rebuilt since the start"))
        })
    }

    /// Of every view that has been rebuilt since the start, for the metrics.
    pub(super) fn each(&self) -> Vec<(&'static str, RebuildProgress)> {
        let jobs = self.jobs.lock();
        (jobs.values())
            .map(|job| (job.view.fold().name, job.progress()))
            .collect()
    }

    pub(super) fn cancel(&self, name: &str) -> Result<(), ViewError> {
        let views = named(name)?;
        let jobs = self.jobs.lock();
        let running: Vec<_> = (views.iter())
            .filter_map(|view| jobs.get(view))
            .filter(|job| job.is_running())
            .collect();
        if running.is_empty() {
            return Err(ViewError::Rebuild(format!(
                "no rebuild of {name} is under way"
            )));
        }
        running.iter().for_each(|job| job.cancel());
        Ok(())
    }

    /// Leaves what is under way as it is, and waits for the threads.
    pub(super) fn stop(&self) {
        {
            let jobs = self.jobs.lock();
            self.stopping.store(true, Ordering::Relaxed);
            jobs.values().for_each(|job| job.cancel());
        }
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a rebuild panicked");
            }
        }
    }

    fn enter(
        &self,
        inner: &Inner,
        views: &[(View, RebuildReason)],
        options: RebuildOptions,
    ) -> Result<Vec<Arc<Job>>, ViewError> {
        let mut jobs = self.jobs.lock();
        self.fail_if_stopping()?;
        for (view, _) in views {
            if jobs.get(view).is_some_and(|job| job.is_running()) {
                return Err(under_way(*view));
            }
        }
        let total = inner.log.head();
        let entered = views.iter().map(|(view, reason)| {
            let job = Arc::new(Job::new(*view, options, *reason, total));
            jobs.insert(*view, job.clone());
            job
        });
        Ok(entered.collect())
    }

    /// To be asked with the jobs locked.
    fn fail_if_stopping(&self) -> Result<(), ViewError> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(ViewError::Rebuild("the views are being closed".to_owned()));
        }
        Ok(())
    }

    fn spawn(
        inner: &Arc<Inner>,
        views: &[(View, RebuildReason)],
        options: RebuildOptions,
    ) -> Result<(), ViewError> {
        // Whoever stops them waits for what enters now.
        let mut threads = inner.rebuilds.threads.lock();
        let jobs = inner.rebuilds.enter(inner, views, options)?;
        let thread = std::thread::Builder::new()
            .name("rebuild".to_owned())
            .spawn({
                let (inner, jobs) = (inner.clone(), jobs.clone());
                move || run(&inner, &jobs)
            });
        match thread {
            Ok(thread) => {
                threads.retain(|thread| !thread.is_finished());
                threads.push(thread);
                Ok(())
            }
            Err(error) => {
                let error = ViewError::Rebuild(format!("cannot start a thread: {error}"));
                jobs.iter().for_each(|job| job.fail(&error));
                Err(error)
            }
        }
    }
}

fn named(name: &str) -> Result<Vec<View>, ViewError> {
    if name == ALL {
        Ok(View::ALL.to_vec())
    } else {
        Ok(vec![View::parse(name)?])
    }
}

fn under_way(view: View) -> ViewError {
    ViewError::Rebuild(format!("a rebuild of {} is under way", view.fold().name))
}

/// The whole of it, on a thread of its own: folds (on threads that give way), then switches.
fn run(inner: &Inner, jobs: &[Arc<Job>]) {
    let (folds, others): (Vec<_>, Vec<_>) =
        (jobs.iter().cloned()).partition(|job| job.view.is_fold());
    std::thread::scope(|scope| {
        for job in &others {
            scope.spawn(|| {
                pass::give_way();
                integrity(inner, job);
            });
        }
        run_folds(inner, &folds);
    });
}

fn run_folds(inner: &Inner, jobs: &[Arc<Job>]) {
    for job in jobs.iter().filter(|job| job.options.switches()) {
        if let Err(error) = prepare(inner, job) {
            job.fail(&error);
        }
    }
    let mut kept = guarded(|| Ok(pass::fold(inner, jobs))).unwrap_or_else(|error| {
        for job in jobs.iter().filter(|job| job.is_running()) {
            job.fail(&error);
        }
        pass::Kept::new()
    });
    for job in jobs {
        conclude(inner, job, &mut kept);
    }
}

/// The tree over the log, which keeps no generations: one that is made anew is the same or a contradiction.
fn integrity(inner: &Inner, job: &Job) {
    let mut step = |events: usize| {
        job.count(events as u64);
        !job.is_cancelled()
    };
    let made = guarded(|| {
        if job.options.switches() {
            return inner.integrity.rebuild(&inner.log, &mut step);
        }
        let Some((size, is_equal)) = inner.integrity.compare(&inner.log, &mut step)? else {
            return Ok(false);
        };
        if job.options.diff && !is_equal {
            let row = [("root".to_owned(), vec!["hashes"])];
            job.differ(Differences::of(job.view, Scope::WholeLog, size, row));
        }
        Ok(true)
    });
    match made {
        Ok(true) => job.finish(RebuildState::Done),
        Ok(false) => job.finish(RebuildState::Cancelled),
        Err(error) => {
            tracing::error!(view = job.view.fold().name, %error, "a rebuild failed");
            job.fail(&error);
        }
    }
}

/// A rebuild that is not resumed begins with an empty shelf.
fn prepare(inner: &Inner, job: &Job) -> Result<(), ViewError> {
    if job.reason == RebuildReason::Resumed {
        return Ok(());
    }
    clear(inner, job.view)?;
    inner.generations.begin(job.view, job.reason)
}

fn clear(inner: &Inner, view: View) -> Result<(), ViewError> {
    let clear = |shelf| inner.log.snapshots().clear(view.fold(), shelf);
    (clear(Shelf::Next).and_then(|()| clear(Shelf::Arriving)))
        .map_err(|error| ViewError::Rebuild(error.to_string()))
}

/// A panic becomes a failure: a job that is never ended would keep its view from every other rebuild.
fn guarded<T>(work: impl FnOnce() -> Result<T, ViewError>) -> Result<T, ViewError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let detail = "a thread of the rebuild panicked";
        Err(ViewError::Rebuild(detail.to_owned()))
    })
}

fn conclude(inner: &Inner, job: &Job, kept: &mut pass::Kept) {
    let stopping = inner.rebuilds.stopping.load(Ordering::Relaxed);
    if job.is_running() && !job.is_cancelled() {
        let switched = if job.options.switches() {
            guarded(|| switch::switch(inner, job.view, kept))
        } else {
            Ok(())
        };
        match switched {
            Ok(()) => job.finish(RebuildState::Done),
            Err(error) => {
                tracing::error!(view = job.view.fold().name, %error, "a rebuild failed");
                job.fail(&error);
            }
        }
        return;
    }
    if job.options.switches() && !stopping {
        let given_up = clear(inner, job.view).and_then(|()| inner.generations.given_up(job.view));
        if let Err(error) = given_up {
            tracing::warn!(view = job.view.fold().name, %error, "a rebuild was not tidied up");
        }
    }
    if job.is_running() {
        job.finish(RebuildState::Cancelled);
    }
}

impl Inner {
    /// Number of the live generation, when it was made if it was, and of the one that is kept from before.
    pub(super) fn generation(&self, fold: FoldName) -> (u64, Option<Timestamp>, Option<u64>) {
        View::parse(fold.name).map_or((1, None, None), |view| {
            let note = self.generations.of(view);
            let before = note.before.map(|before| before.generation);
            (note.live.generation, note.live.built_at(), before)
        })
    }
}
