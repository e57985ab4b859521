//! Rebuilds while serving: alone, and what check-ins feel of them.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Value, json};

use super::{
    Size,
    prepared::{NextScans, Prepared},
    whole::{Bare, bare_read},
};
use crate::{
    doorbook_server::Doorbook,
    load::{self, Taken},
    publisher::{self, Pace},
    report::{Reach, Report, median, short},
};

const PARTICIPANTS: (&str, Reach) = (
    "rebuild of participants, one large gathering",
    Reach::AtLeast(500_000.0, "events/s"),
);
const DASHBOARD: (&str, Reach) = (
    "rebuild of dashboard, one large gathering",
    Reach::AtLeast(500_000.0, "events/s"),
);
const ALL: (&str, Reach) = (
    "rebuild of all views at once",
    Reach::AtLeast(250_000.0, "events/s"),
);
const FLOODED: (&str, Reach) = (
    "check-in p99 while all views are rebuilt, 8 doors that never pause",
    Reach::AtMost(2.0, "× without"),
);
const CALM: (&str, Reach) = (
    "check-in p99 while all views are rebuilt, 100 check-ins/s",
    Reach::AtMost(2.0, "× without"),
);

const REPEATS: usize = 3;
const DOORS: usize = 8;
const CALM_PER_SECOND: f64 = 100.0;
const POLL: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(600);

pub(super) fn alone(prepared: &Prepared, size: &Size, report: &mut Report) {
    if let Err(error) = try_alone(prepared, size, report) {
        for (what, reach) in [PARTICIPANTS, DASHBOARD, ALL] {
            report.not_run(what, reach, &error);
        }
    }
}

pub(super) fn beside_check_ins(prepared: &Prepared, size: &Size, report: &mut Report) {
    if let Err(error) = try_beside_check_ins(prepared, size, report) {
        for (what, reach) in [FLOODED, CALM] {
            report.not_run(what, reach, &error);
        }
    }
}

fn try_alone(prepared: &Prepared, size: &Size, report: &mut Report) -> Result<()> {
    let data = prepared.copy("rebuild")?;
    let bare = bare_read(&data)?;
    let mut doorbook = Doorbook::start_on(&data)?;
    let all = views(&doorbook)?;
    let mut rates = Vec::new();
    for (names, (what, reach)) in [
        (vec!["participants".to_owned()], PARTICIPANTS),
        (vec!["dashboard".to_owned()], DASHBOARD),
        (all.clone(), ALL),
    ] {
        let mut seconds = Vec::new();
        for _ in 0..REPEATS.min(size.rounds) {
            let started = Instant::now();
            rebuild(&doorbook, &names)?;
            seconds.push(started.elapsed().as_secs_f64());
        }
        let seconds = median(&seconds);
        let rate = prepared.head as f64 / seconds;
        let ours = format!(
            "{} events in {} s",
            short(prepared.head as f64),
            short(seconds)
        );
        report.row(what, reach, ours, beside(&bare), rate);
        rates.push((names.join(", "), rate));
    }
    report.note(format!(
        "rebuilds: the median of {}, from the request until the views are switched; all are {}; the yardstick reads and \
         decodes every event once on one thread: {} × that for participants, {} × for all",
        REPEATS.min(size.rounds),
        all.join(", "),
        short(rates[0].1 / bare.per_second()),
        short(rates[2].1 / bare.per_second()),
    ));
    report.raw(
        "audit_rebuild_events_per_second",
        json!({"rebuilds": rates, "read_and_decode": bare.per_second()}),
    );
    doorbook.child.stop()
}

fn beside(bare: &Bare) -> String {
    format!("read and decode {}/s", short(bare.per_second()))
}

/// The views that the server has, by name.
fn views(doorbook: &Doorbook) -> Result<Vec<String>> {
    let listed = doorbook.get("/api/admin/projections/")?;
    let listed = listed["results"].as_array().context("no projections")?;
    let names: Vec<String> = (listed.iter())
        .filter_map(|view| view["name"].as_str().map(str::to_owned))
        .collect();
    ensure!(names.len() >= 3, "only {names:?} are listed");
    Ok(names)
}

fn rebuild(doorbook: &Doorbook, names: &[String]) -> Result<()> {
    for name in names {
        doorbook.post(&path(name), &json!({}))?;
    }
    let started = Instant::now();
    let mut left = names.to_vec();
    while !left.is_empty() {
        let mut running = Vec::new();
        for name in left {
            if is_running(&doorbook.get(&path(&name))?, &name)? {
                running.push(name);
            }
        }
        ensure!(started.elapsed() < LONG, "{running:?} take too long");
        left = running;
        thread::sleep(POLL);
    }
    Ok(())
}

fn is_running(progress: &Value, name: &str) -> Result<bool> {
    match progress["state"].as_str() {
        Some("done") => Ok(false),
        Some("failed" | "cancelled") | None => bail!("rebuild of {name}: {progress}"),
        Some(_) => Ok(true),
    }
}

fn path(name: &str) -> String {
    format!("/api/admin/projections/{name}/rebuild/")
}

/// Latencies without and with a rebuild that never ends, in turns.
struct Beside {
    without: Taken,
    with: Taken,
}

fn try_beside_check_ins(prepared: &Prepared, size: &Size, report: &mut Report) -> Result<()> {
    let data = prepared.copy("rebuild-beside")?;
    let mut doorbook = Doorbook::start_on(&data)?;
    let names = views(&doorbook)?;
    let scans = prepared.next_scans(&doorbook.token);
    let mut flooded = Beside::nothing()?;
    let mut calm = Beside::nothing()?;
    // The first scan loads the gathering.
    flood(&doorbook, &scans, size.slice / 4)?;
    let mut done = 0;
    for _ in 0..size.rounds {
        let without = flood(&doorbook, &scans, size.slice)?;
        flooded.without.add(&without)?;
        calm.without.add(&paced(&doorbook, &scans, size.slice)?)?;
        let on = AtomicBool::new(true);
        done += thread::scope(|scope| {
            let rebuilding = scope.spawn(|| keep_rebuilding(&doorbook, &names, &on));
            let with = flood(&doorbook, &scans, size.slice);
            let calmly = paced(&doorbook, &scans, size.slice);
            on.store(false, Ordering::Relaxed);
            let finished = rebuilding
                .join()
                .map_err(|_| anyhow!("the rebuilding thread panicked"))??;
            flooded.with.add(&with?)?;
            calm.with.add(&calmly?)?;
            Ok::<_, anyhow::Error>(finished)
        })?;
    }
    flooded.report(FLOODED, report)?;
    calm.report(CALM, report)?;
    report.note(format!(
        "beside rebuilds: {done} whole rebuilds of {} went by; without: {} check-ins/s of {DOORS} doors, with: {}",
        names.join(", "),
        short(flooded.without.per_second()),
        short(flooded.with.per_second())
    ));
    doorbook.child.stop()
}

/// Rebuilds all views again and again until told to stop, and returns how often.
fn keep_rebuilding(doorbook: &Doorbook, names: &[String], on: &AtomicBool) -> Result<u64> {
    let mut done = 0;
    while on.load(Ordering::Relaxed) {
        rebuild(doorbook, names)?;
        done += 1;
    }
    Ok(done)
}

/// Doors that send the next scan when the one before is answered.
fn flood(doorbook: &Doorbook, scans: &NextScans, within: Duration) -> Result<Taken> {
    let scans = scans.clone();
    let requests = Box::new(move |request: &mut Vec<u8>| {
        scans.one(request);
        true
    });
    let taken = load::drive(doorbook.address, DOORS, within, requests)?;
    taken.all_answered()?;
    Ok(taken)
}

/// One after the other at a pace.
fn paced(doorbook: &Doorbook, scans: &NextScans, within: Duration) -> Result<Taken> {
    let scans = scans.clone();
    let pace = Pace::of(CALM_PER_SECOND, within);
    let started = Instant::now();
    let publishing = publisher::over_http(doorbook.address, pace, move |bytes| scans.one(bytes));
    let commits = publisher::finish(publishing)?;
    let mut taken = Taken::nothing()?;
    for commit in commits {
        taken.note(200, commit.answered.duration_since(commit.sent), &[]);
    }
    taken.elapsed = started.elapsed();
    Ok(taken)
}

impl Beside {
    fn nothing() -> Result<Self> {
        Ok(Self {
            without: Taken::nothing()?,
            with: Taken::nothing()?,
        })
    }

    fn report(&self, (what, reach): (&'static str, Reach), report: &mut Report) -> Result<()> {
        let (with, without) = (self.with.quantile_ms(0.99), self.without.quantile_ms(0.99));
        ensure!(without > 0.0, "nothing was measured");
        report.row(
            what,
            reach,
            format!("{} ms", short(with)),
            format!("{} ms without", short(without)),
            with / without,
        );
        let quantiles = |taken: &Taken| {
            json!({"p50": taken.quantile_ms(0.5), "p99": taken.quantile_ms(0.99),
                   "max": taken.quantile_ms(1.0), "count": taken.answers})
        };
        report.raw(
            what,
            json!({"with": quantiles(&self.with), "without": quantiles(&self.without)}),
        );
        Ok(())
    }
}
