//! The live streams under a simulation: a real server, random commands, and clients that connect, fall
//! silent, break off, come back and ask for anything, while the server restarts, dies, rebuilds its
//! views and changes its log; and a judge who reads the log and demands of each client every event
//! that it may see, once, in order.
//!
//! One seed decides what happens (`plan`); how it interleaves is up to the scheduler, so a seed that
//! fails may need a few runs to fail again. `DOORBOOK_SEED` runs one seed, `DOORBOOK_SEEDS` so many.

mod book;
mod errands;
mod fold;
mod host;
mod judge;
mod judge_tests;
mod plan;
mod snapshots;
mod subscriber;
mod trial;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use plan::Plan;
use trial::Tally;

/// Run on every test run, beside one by chance.
const FIXED_SEEDS: u64 = 8;
/// Seeds that are under way at once: most of the time they wait for the disk.
const WORKERS: usize = 4;
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

#[test]
fn every_subscriber_sees_every_event_it_may_see_once_and_in_order() {
    let by_chance = fastrand::u64(..) >> 16;
    let seeds = match (number("DOORBOOK_SEED"), number("DOORBOOK_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(seeds)) => (by_chance..by_chance + seeds).collect(),
        (None, None) => (1..=FIXED_SEEDS).chain([by_chance]).collect(),
    };
    println!("seeds: {}", said(&seeds));
    let run = Run {
        seeds: &seeds,
        next: AtomicUsize::new(0),
        done: AtomicU64::new(0),
        failures: Mutex::default(),
        tally: Mutex::default(),
        started: Instant::now(),
        last_said: Mutex::new(Instant::now()),
    };
    thread::scope(|scope| {
        for _ in 0..WORKERS.min(seeds.len()) {
            scope.spawn(|| run.work());
        }
    });
    run.say();
    let failures = run.failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} seeds failed:\n{}",
        failures.len(),
        seeds.len(),
        failures.join("\n")
    );
}

struct Run<'a> {
    seeds: &'a [u64],
    next: AtomicUsize,
    done: AtomicU64,
    failures: Mutex<Vec<String>>,
    tally: Mutex<Tally>,
    started: Instant,
    last_said: Mutex<Instant>,
}

impl Run<'_> {
    fn work(&self) {
        while let Some(seed) = self.seeds.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            match simulate(*seed) {
                Ok(tally) => self.tally.lock().unwrap().add(tally),
                Err(wrong) => {
                    let failure =
                        format!("seed {seed}: {wrong}\n  again: make simulate SEED={seed}");
                    println!("{failure}");
                    self.failures.lock().unwrap().push(failure);
                }
            }
            self.done.fetch_add(1, Ordering::Relaxed);
            let mut last = self.last_said.lock().unwrap();
            if last.elapsed() >= PROGRESS_EVERY {
                *last = Instant::now();
                self.say();
            }
        }
    }

    fn say(&self) {
        println!(
            "{} of {} seeds in {} s: {:?}",
            self.done.load(Ordering::Relaxed),
            self.seeds.len(),
            self.started.elapsed().as_secs(),
            self.tally.lock().unwrap(),
        );
    }
}

/// A panic is a failure like any other: it is told with its seed.
fn simulate(seed: u64) -> Result<Tally, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let judged = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(trial::run(Plan::of(seed)))
    }));
    judged.unwrap_or_else(|_| Err("a panic, told above".to_owned()))
}

fn said(seeds: &[u64]) -> String {
    match seeds {
        [first, .., last] if seeds.len() > 20 => format!("{first} to {last}"),
        _ => format!("{seeds:?}"),
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}
