//! Who may sit down: connections in all and by caller, and everybody's way out when the server
//! stops. axum forgets a connection once it is upgraded, so they are counted and awaited here.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::StatusCode;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFutureOwned},
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use super::{Limits, problem::Problem};

/// Nobody waits longer than this for the connection before to close, so that a small server stops at once.
const STEP_MAX: Duration = Duration::from_millis(5);
/// What a connection may take to close once its turn has come.
const LAST_WORDS: Duration = Duration::from_secs(3);

pub(super) struct Admission {
    connections_max: usize,
    per_caller_max: usize,
    seats: Arc<Mutex<Seats>>,
    tracker: TaskTracker,
    draining: CancellationToken,
    /// The same, for a look that takes no lock.
    is_draining: AtomicBool,
    step_us: AtomicU64,
    turns: AtomicU32,
}

#[derive(Default)]
struct Seats {
    taken: usize,
    by_caller: HashMap<Arc<str>, usize>,
}

/// A connection's right to be; given back when dropped.
pub(super) struct Seat {
    seats: Arc<Mutex<Seats>>,
    caller: Arc<str>,
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            connections_max: limits.connections_max,
            per_caller_max: limits.connections_per_caller_max,
            seats: Arc::default(),
            tracker: TaskTracker::new(),
            draining: CancellationToken::new(),
            is_draining: AtomicBool::new(false),
            step_us: AtomicU64::new(0),
            turns: AtomicU32::new(0),
        }
    }

    /// # Errors
    /// 503 while the server stops, 429 when there are too many connections.
    pub(super) fn seat(&self, caller: &Arc<str>) -> Result<Seat, Problem> {
        if self.draining.is_cancelled() {
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "stopping",
                "the server is stopping; connect again in a moment",
            ));
        }
        let mut seats = self.seats.lock();
        if seats.taken >= self.connections_max {
            return Err(too_many("the server has as many streams open as it takes"));
        }
        let of_caller = seats.by_caller.entry(Arc::clone(caller)).or_default();
        if *of_caller >= self.per_caller_max {
            return Err(too_many("you have as many streams open as one caller may"));
        }
        *of_caller += 1;
        seats.taken += 1;
        Ok(Seat {
            seats: Arc::clone(&self.seats),
            caller: Arc::clone(caller),
        })
    }

    /// Runs a connection so that `drain` waits for it.
    pub(super) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(connection);
    }

    /// A connection that runs elsewhere; `drain` waits until this is dropped.
    pub(super) fn track(&self) -> TaskTrackerToken {
        self.tracker.token()
    }

    pub(super) fn connections(&self) -> usize {
        self.seats.lock().taken
    }

    /// Resolves when the server stops.
    pub(super) fn draining(&self) -> WaitForCancellationFutureOwned {
        self.draining.clone().cancelled_owned()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// When the connection that asks is to close: each gets its own turn.
    pub(super) fn closing_at(&self) -> Instant {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let step = Duration::from_micros(self.step_us.load(Ordering::Relaxed));
        Instant::now() + step.saturating_mul(turn)
    }

    pub(super) async fn drain(&self, spread: Duration) {
        let open = u32::try_from(self.connections()).unwrap_or(u32::MAX);
        let step = (spread / open.max(1)).min(STEP_MAX);
        let step_us = u64::try_from(step.as_micros()).unwrap_or(u64::MAX);
        self.step_us.store(step_us, Ordering::Relaxed);
        self.is_draining.store(true, Ordering::Release);
        self.draining.cancel();
        self.tracker.close();
        if timeout(spread + LAST_WORDS, self.tracker.wait())
            .await
            .is_err()
        {
            let left = self.connections();
            tracing::warn!(left, "streams were still open when the server stopped");
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.seats.lock();
        seats.taken -= 1;
        if let Some(of_caller) = seats.by_caller.get_mut(&self.caller) {
            *of_caller -= 1;
            if *of_caller == 0 {
                seats.by_caller.remove(&self.caller);
            }
        }
    }
}

fn too_many(detail: &str) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_bounded_in_all_and_by_caller_and_come_back() {
        let admission = Admission::new(&Limits {
            connections_max: 3,
            connections_per_caller_max: 2,
            ..Limits::default()
        });
        let (ada, ben): (Arc<str>, Arc<str>) = ("ada".into(), "ben".into());
        let first = admission
            .seat(&ada)
            .unwrap_or_else(|_| panic!("a first seat"));
        let _second = admission
            .seat(&ada)
            .unwrap_or_else(|_| panic!("a second seat"));
        assert_eq!(
            admission.seat(&ada).err().map(|problem| problem.status),
            Some(StatusCode::TOO_MANY_REQUESTS)
        );
        let _third = admission
            .seat(&ben)
            .unwrap_or_else(|_| panic!("somebody else's seat"));
        assert!(admission.seat(&ben).is_err());
        drop(first);
        assert_eq!(admission.connections(), 2);
        assert!(admission.seat(&ada).is_ok());
    }

    #[tokio::test]
    async fn a_draining_server_seats_nobody() {
        let admission = Admission::new(&Limits::default());
        admission.drain(Duration::ZERO).await;
        assert_eq!(
            admission
                .seat(&"ada".into())
                .err()
                .map(|problem| problem.status),
            Some(StatusCode::SERVICE_UNAVAILABLE)
        );
    }
}
