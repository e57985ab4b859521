//! Three threads beside the queries: one follows the head, brings up what is loaded and wakes readers;
//! one saves snapshots and drops cold gatherings, so that no save ever delays a wake-up; one adds to the
//! tree over the log.
//!
//! None is needed for a right answer: queries bring their view up themselves.

use std::{
    io,
    sync::{Arc, Weak},
    thread::JoinHandle,
    time::Duration,
};

use tokio::sync::watch;

use super::{keep, live::Inner, views::ViewError};

/// How long the follower rests when nobody listens. Queries bring their view up themselves, so it
/// would only contend with them for the locks.
const UNHEARD_PAUSE: Duration = Duration::from_millis(10);
/// How often the tree over the log is brought up when nobody asks for it: many events at once cost less.
const TREE_PERIOD: Duration = Duration::from_millis(500);
/// How often snapshots are thought of.
const KEEPER_PERIOD: Duration = Duration::from_secs(1);
/// A gathering that nobody has used for this long is dropped.
const COLD_SECONDS: i64 = 600;

pub(super) fn start(
    inner: &Arc<Inner>,
    stop: &watch::Sender<bool>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let follower = spawn("views-follower", inner, stop, follow)?;
    let keeper = spawn("views-keeper", inner, stop, keep_house)?;
    let prover = spawn("views-prover", inner, stop, follow_tree)?;
    Ok(vec![follower, keeper, prover])
}

fn spawn<W, F>(
    name: &str,
    inner: &Arc<Inner>,
    stop: &watch::Sender<bool>,
    work: W,
) -> io::Result<JoinHandle<()>>
where
    W: FnOnce(Weak<Inner>, watch::Receiver<u64>, watch::Receiver<bool>) -> F + Send + 'static,
    F: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    // Weak: the threads end with the last handle.
    let weak = Arc::downgrade(inner);
    let head = inner.log.watch_head();
    let stop = stop.subscribe();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || runtime.block_on(work(weak, head, stop)))
}

async fn follow(
    inner: Weak<Inner>,
    mut head: watch::Receiver<u64>,
    mut stop: watch::Receiver<bool>,
) {
    head.mark_changed();
    loop {
        tokio::select! {
            moved = head.changed() => if moved.is_err() { return },
            // Changed or dropped: either way it is over.
            _ = stop.changed() => return,
        }
        let Some(inner) = inner.upgrade() else { return };
        if !inner.follow_head() {
            drop(inner);
            tokio::select! {
                () = tokio::time::sleep(UNHEARD_PAUSE) => {}
                _ = stop.changed() => return,
            }
        }
    }
}

async fn follow_tree(
    inner: Weak<Inner>,
    _head: watch::Receiver<u64>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        {
            let Some(inner) = inner.upgrade() else { return };
            inner.integrity.follow(&inner.log, false);
        }
        tokio::select! {
            () = tokio::time::sleep(TREE_PERIOD) => {}
            _ = stop.changed() => return,
        }
    }
}

async fn keep_house(
    inner: Weak<Inner>,
    _head: watch::Receiver<u64>,
    mut stop: watch::Receiver<bool>,
) {
    let mut quiet = Quiet::default();
    loop {
        tokio::select! {
            () = tokio::time::sleep(KEEPER_PERIOD) => {}
            _ = stop.changed() => return,
        }
        let Some(inner) = inner.upgrade() else { return };
        inner.keep_house(&mut quiet);
    }
}

/// For how many periods the log's head has stood still.
#[derive(Default)]
struct Quiet {
    head: u64,
    periods: i64,
}

impl Inner {
    /// Brings up what is loaded and wakes its readers; false when there are none.
    fn follow_head(&self) -> bool {
        report("dashboard", self.board.catch_up(&self.log));
        self.board.announce();
        let mut heard = self.board.moved.receiver_count() > 0;
        let gatherings: Vec<_> = self.gatherings.read().values().cloned().collect();
        for gathering in gatherings {
            let behind = {
                let live = gathering.live.read();
                live.parked.is_none() && live.covered < self.log.last_offset_of(gathering.id)
            };
            if behind {
                report("participants", gathering.catch_up(&self.log));
            }
            gathering.announce();
            heard |= gathering.moved.receiver_count() > 0;
        }
        heard
    }

    fn keep_house(&self, quiet: &mut Quiet) {
        let head = self.log.head();
        quiet.periods = if quiet.head == head {
            quiet.periods + 1
        } else {
            0
        };
        quiet.head = head;
        let quiet_seconds = quiet.periods;

        let (offset, saved) = {
            let live = self.board.live.read();
            (live.dashboard.state.offset, live.saved)
        };
        if keep::is_due(offset, offset.saturating_sub(saved), quiet_seconds) {
            self.board.save(&self.log);
        }
        self.board.windows.tidy();
        self.moments.tidy();
        let gatherings: Vec<_> = self.gatherings.read().values().cloned().collect();
        for gathering in &gatherings {
            let (events, saved) = {
                let live = gathering.live.read();
                (live.participants.state.events, live.saved_events)
            };
            if keep::is_due(events, events.saturating_sub(saved), quiet_seconds) {
                gathering.save(&self.log);
            }
            gathering.windows.tidy();
        }
        drop(gatherings);
        for index in self.indexes.all() {
            index.save_when_due(&self.log, false);
        }
        self.drop_cold(COLD_SECONDS);
    }

    fn drop_cold(&self, cold_seconds: i64) {
        let cold: Vec<_> = (self.gatherings.read().values())
            .filter(|gathering| gathering.idle_seconds() >= cold_seconds)
            .cloned()
            .collect();
        for gathering in cold {
            gathering.save(&self.log);
            let mut gatherings = self.gatherings.write();
            // The map's and this one: nobody else has it, and nobody can get it now.
            let unused = Arc::strong_count(&gathering) == 2
                && gathering.moved.receiver_count() == 0
                && gathering.idle_seconds() >= cold_seconds;
            if unused {
                gatherings.remove(&gathering.id);
            }
        }
        self.indexes.drop_cold(cold_seconds);
    }

    /// Saves everything that has changed since it was saved.
    pub(super) fn save_all(&self) {
        self.board.save(&self.log);
        let gatherings: Vec<_> = self.gatherings.read().values().cloned().collect();
        for gathering in gatherings {
            gathering.save(&self.log);
        }
        for index in self.indexes.all() {
            index.save_when_due(&self.log, true);
        }
        self.integrity.follow(&self.log, true);
    }
}

fn report(view: &'static str, result: Result<(), ViewError>) {
    if let Err(error) = result {
        tracing::error!(view, %error, "the view cannot follow the log");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        events::{
            event::Event,
            ids::GatheringId,
            log::{
                Log,
                conformance::{created, data_dir, new_event, registered},
            },
        },
        projections::{Views, integrity::KeySource},
    };

    async fn append(log: &Log, id: GatheringId, events: impl IntoIterator<Item = Event>) {
        let append = |event| log.append(new_event(id, event)).unwrap().1;
        let last = events.into_iter().map(append).last();
        last.unwrap().wait().await.unwrap();
    }

    fn people(range: std::ops::Range<u32>) -> impl Iterator<Item = Event> {
        range.map(|n| registered(&format!("P-{n}")))
    }

    async fn registered_in(inner: &Arc<Inner>, id: GatheringId) -> Result<u32, ViewError> {
        let gathering = inner.current(id).await?;
        let registered = gathering
            .live
            .read()
            .participants
            .state
            .occupancy
            .registered;
        Ok(registered)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cold_gathering_is_dropped_and_comes_back_with_what_happened_meanwhile() {
        let dir = data_dir();
        let (log, _) = Log::open(dir.path()).unwrap();
        let (cold, used, heard) = (
            GatheringId::generate(),
            GatheringId::generate(),
            GatheringId::generate(),
        );
        for id in [cold, used, heard] {
            append(&log, id, [created("Fair")]).await;
        }
        append(&log, cold, people(0..300)).await;
        let inner = Inner::open(log.clone(), KeySource::default()).unwrap();
        assert_eq!(registered_in(&inner, cold).await.unwrap(), 300);
        let in_use = inner.current(used).await.unwrap();
        let listener = inner.current(heard).await.unwrap().moved.subscribe();
        // The follower may have it in its hands for a moment.
        while inner.loaded(cold).is_some() {
            inner.drop_cold(0);
        }
        assert!(inner.loaded(used).is_some() && inner.loaded(heard).is_some());
        append(&log, cold, people(300..310)).await;
        assert_eq!(registered_in(&inner, cold).await.unwrap(), 310);
        drop((in_use, listener));
        inner.close();
        log.close().unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_view_that_cannot_go_on_says_so_and_the_others_go_on_until_a_rebuild_mends_it() {
        let log = Log::in_memory();
        let (broken, sound) = (GatheringId::generate(), GatheringId::generate());
        append(&log, broken, [created("Fair")]).await;
        append(&log, sound, [created("Fair")]).await;
        let views = Views::open(log.clone()).unwrap();
        let inner = &views.inner;
        let gathering = inner.current(broken).await.unwrap();
        inner.current(sound).await.unwrap();
        // As a damaged snapshot would leave it: ahead of its own next event.
        gathering.live.write().participants.state.offset = 1_000;
        append(&log, broken, [registered("A-1")]).await;
        append(&log, sound, [registered("B-1")]).await;
        let stopped = registered_in(inner, broken).await.unwrap_err();
        assert!(matches!(stopped, ViewError::Log(_)), "{stopped}");
        assert_eq!(registered_in(inner, sound).await.unwrap(), 1);
        assert_eq!(views.row(broken).unwrap().occupancy.registered, 1);
        let statuses = views.projections();
        let said = statuses.iter().filter_map(|it| it.error.as_deref());
        let said: Vec<_> = said.collect();
        assert!(
            said.len() == 1 && said[0].starts_with("stopped before offset 3"),
            "{said:?}"
        );
        tokio::task::block_in_place(|| views.rebuild_blocking("participants", |_| ())).unwrap();
        assert_eq!(registered_in(inner, broken).await.unwrap(), 1);
        assert!(views.projections().iter().all(|it| it.error.is_none()));
        views.close();
    }
}
