//! The pass over the log: every scope's events are read once for all the views that want them, scope
//! beside scope on a few threads, each with a thread that reads and decodes ahead of it. The threads
//! run at a lower priority and hold no lock while they fold, so that a check-in goes before them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, mpsc},
};

use parking_lot::Mutex;

use super::{
    fresh::{Fresh, read},
    job::Job,
    view::View,
};
use crate::{
    events::{
        ids::Offset,
        log::{Log, PAGE_EVENTS_MAX},
        recorded::Recorded,
        snapshot::Scope,
    },
    projections::{live::Inner, views::ViewError},
};

/// Scopes that are folded at once.
const WORKERS: usize = 2;
/// Pages that are decoded before they are asked for.
const AHEAD_PAGES: usize = 4;
/// Of the threads that fold: they take what others leave, and still go on when everything is busy.
const NICE: i32 = 19;

type Page = Vec<Arc<Recorded>>;

/// What was folded and is better kept than loaded again.
pub(super) type Kept = HashMap<(View, GatheringKey), Fresh>;

/// A scope as a key; none: the whole log.
type GatheringKey = Option<crate::events::ids::GatheringId>;

pub(super) const fn key(scope: Scope) -> GatheringKey {
    match scope {
        Scope::Gathering(id) => Some(id),
        Scope::WholeLog => None,
    }
}

/// A scope and who wants its events.
struct Unit {
    scope: Scope,
    jobs: Vec<Arc<Job>>,
}

struct Work<'a> {
    inner: &'a Inner,
    units: Mutex<VecDeque<Unit>>,
    kept: Mutex<Kept>,
}

/// Folds all scopes of all jobs. A job that fails or is cancelled is left out from then on.
pub(super) fn fold(inner: &Inner, jobs: &[Arc<Job>]) -> Kept {
    let work = Work {
        inner,
        units: Mutex::new(units(inner, jobs)),
        kept: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for number in 0..WORKERS {
            let spawned = std::thread::Builder::new()
                .name(format!("rebuild-{number}"))
                .spawn_scoped(scope, || {
                    give_way();
                    work.run();
                });
            if let Err(error) = spawned {
                // The others do its part; with none of them, this thread does all.
                tracing::warn!(%error, "a thread of the rebuild was not started");
                if number == 0 {
                    work.run();
                }
            }
        }
    });
    work.kept.into_inner()
}

/// Lets everything else go first. Where that is not allowed the rebuild is only less polite.
pub(super) fn give_way() {
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "a rebuild runs at the priority of everything else");
    }
}

/// The whole log first: it takes longest.
fn units(inner: &Inner, jobs: &[Arc<Job>]) -> VecDeque<Unit> {
    let mut whole = Vec::new();
    let mut of_gatherings = Vec::new();
    for job in jobs {
        if job.view.covers_whole_log() {
            whole.push(job.clone());
        } else {
            of_gatherings.push(job.clone());
        }
    }
    let mut units = VecDeque::new();
    if !whole.is_empty() {
        units.push_back(Unit {
            scope: Scope::WholeLog,
            jobs: whole,
        });
    }
    if !of_gatherings.is_empty() {
        units.extend(inner.log.gatherings().into_iter().map(|id| Unit {
            scope: Scope::Gathering(id),
            jobs: of_gatherings.clone(),
        }));
    }
    units
}

impl Work<'_> {
    fn run(&self) {
        loop {
            let Some(unit) = self.units.lock().pop_front() else {
                return;
            };
            if let Err(error) = self.unit(&unit) {
                // What cannot be read stops everybody who wants it.
                for job in running(&unit.jobs) {
                    job.fail(&error);
                }
            }
        }
    }

    fn unit(&self, unit: &Unit) -> Result<(), ViewError> {
        let log = &self.inner.log;
        let mut folding: Vec<(Arc<Job>, Fresh)> = running(&unit.jobs)
            .map(|job| {
                let fresh = Fresh::begin(log, job.view, unit.scope, job.options.switches());
                job.inherit(fresh.events());
                (job.clone(), fresh)
            })
            .collect();
        let Some(after) = folding.iter().map(|(_, fresh)| fresh.offset()).min() else {
            return Ok(());
        };
        let end = match unit.scope {
            Scope::Gathering(id) => log.last_offset_of(id).min(log.head()),
            Scope::WholeLog => log.head(),
        };
        pages(log, unit.scope, after, end, |page| {
            let is_last = page.len() < PAGE_EVENTS_MAX;
            folding.retain_mut(|(job, fresh)| self.page(job, fresh, page, is_last));
            !folding.is_empty()
        })?;
        for (job, fresh) in folding {
            self.finish(&job, fresh);
        }
        Ok(())
    }

    /// False when this view has nothing more to do with the scope.
    fn page(&self, job: &Job, fresh: &mut Fresh, page: &Page, is_last: bool) -> bool {
        if job.is_cancelled() || !job.is_running() {
            return false;
        }
        if is_last && job.options.switches() {
            fresh.warm_up(self.inner);
        }
        let done = fresh.offset();
        let new = page.partition_point(|recorded| recorded.offset <= done);
        let new = page.get(new..).unwrap_or_default();
        for recorded in new {
            if let Err(error) = fresh.apply(&self.inner.log, recorded) {
                tracing::error!(view = job.view.fold().name, %error, "a rebuild failed");
                job.fail(&error);
                return false;
            }
        }
        job.count(new.len() as u64);
        if job.options.switches() && fresh.is_due() {
            fresh.save(&self.inner.log);
        }
        true
    }

    fn finish(&self, job: &Job, mut fresh: Fresh) {
        if job.options.diff {
            match fresh.differences(self.inner) {
                Ok(found) => job.differ(found),
                Err(error) => job.fail(&error),
            }
        }
        if job.options.switches() {
            fresh.save(&self.inner.log);
            if fresh.is_in_use(self.inner) {
                let key = (job.view, key(fresh.scope));
                self.kept.lock().insert(key, fresh);
            }
        }
    }
}

fn running(jobs: &[Arc<Job>]) -> impl Iterator<Item = &Arc<Job>> {
    jobs.iter()
        .filter(|job| job.is_running() && !job.is_cancelled())
}

/// Shows the pages after an offset, until one is not full or nobody wants more. The first is read here;
/// if it is full, a thread reads on while it is folded.
pub(in crate::projections) fn pages(
    log: &Log,
    scope: Scope,
    after: Offset,
    end: Offset,
    mut show: impl FnMut(&Page) -> bool,
) -> Result<(), ViewError> {
    let first = read(log, scope, after, end)?;
    let Some(mut last) = next_after(&first) else {
        show(&first);
        return Ok(());
    };
    std::thread::scope(|threads| {
        let (send, decoded) = mpsc::sync_channel(AHEAD_PAGES);
        let reading = std::thread::Builder::new()
            .name("rebuild-reader".to_owned())
            .spawn_scoped(threads, move || {
                loop {
                    let page = read(log, scope, last, end);
                    let next = page.as_ref().ok().and_then(next_after);
                    // Nobody wants more when the receiver is gone.
                    if send.send(page).is_err() {
                        return;
                    }
                    match next {
                        Some(next) => last = next,
                        None => return,
                    }
                }
            });
        reading.map_err(|error| ViewError::Rebuild(format!("cannot start a thread: {error}")))?;
        if !show(&first) {
            return Ok(());
        }
        for page in decoded {
            if !show(&page?) {
                return Ok(());
            }
        }
        Ok(())
    })
}

/// Where the next page begins, if there is one.
fn next_after(page: &Page) -> Option<Offset> {
    let last = page.last().filter(|_| page.len() == PAGE_EVENTS_MAX)?;
    Some(last.offset)
}
