//! Durable check-ins over HTTP, each its own participant, beside a bare handler that stores nothing and
//! beside the origin design. The three take turns under the same load generator.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Result, anyhow};
use serde_json::json;

use crate::{
    Plan, bare,
    bare::BareAxum,
    doorbook_server::{Doorbook, check_in_request, superuser_token},
    load::{self, Taken},
    origin::{self, Origin},
    report::{Reach, Report, median, short},
};

const CONNECTIONS: usize = 64;
/// People imported before each slice: more than any slice can let in. Grows with what was seen.
const PEOPLE_PER_SECOND_FIRST: f64 = 30_000.0;

const BESIDE_BARE: (&str, Reach) = (
    "durable check-ins over HTTP, 64 connections",
    Reach::AtLeast(0.35, "× bare axum"),
);
const BESIDE_ORIGIN: (&str, Reach) = (
    "the same beside the origin",
    Reach::AtLeast(100.0, "× origin"),
);
const P99: (&str, Reach) = ("their p99 at 64 connections", Reach::AtMost(15.0, "ms"));
const P50: (&str, Reach) = ("their p50 at 1 connection", Reach::AtMost(1.5, "ms"));

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    if let Err(error) = try_measure(plan, report) {
        for (what, reach) in [BESIDE_BARE, BESIDE_ORIGIN, P99, P50] {
            report.not_run(what, reach, &error);
        }
    }
}

/// Everything one contender did, and the CPU its server used for it.
struct Sum {
    taken: Taken,
    rates: Vec<f64>,
    cpu_seconds: f64,
}

fn try_measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let mut doorbook = Doorbook::start_empty(&plan.dir.join("checkins"))?;
    let bare = bare::start(&plan.dir)?;
    let mut origin = origin::start(&plan.dir);
    let (mut many, mut one, mut floor, mut theirs) =
        (Sum::new()?, Sum::new()?, Sum::new()?, Sum::new()?);
    for _ in 0..plan.rounds {
        let rate = many
            .rates
            .iter()
            .copied()
            .fold(PEOPLE_PER_SECOND_FIRST, f64::max);
        let people = (rate * 1.5 * plan.slice.as_secs_f64()) as u64;
        doorbook.import(people.saturating_sub(doorbook.waiting()))?;
        many.add(doorbook.child.id(), || {
            doorbook.check_in(CONNECTIONS, plan.slice, u64::MAX)
        })?;
        floor.add(bare.child.id(), || bare_post(&bare, plan.slice))?;
        if let Ok(origin) = &mut origin {
            origin_turn(origin, &mut theirs, plan.slice)?;
        }
        one.add(doorbook.child.id(), || {
            doorbook.check_in(1, plan.slice, u64::MAX)
        })?;
    }
    doorbook.child.stop()?;
    write_rows(
        report,
        &many,
        &one,
        &floor,
        origin.is_ok().then_some(&theirs),
    );
    if let Err(error) = &origin {
        report.no_peer(BESIDE_ORIGIN.0, BESIDE_ORIGIN.1, error);
    }
    Ok(())
}

fn write_rows(report: &mut Report, many: &Sum, one: &Sum, floor: &Sum, theirs: Option<&Sum>) {
    let (ours, bare) = (median(&many.rates), median(&floor.rates));
    let rate = format!("{}/s", short(ours));
    report.row(
        BESIDE_BARE.0,
        BESIDE_BARE.1,
        rate.clone(),
        format!("{}/s", short(bare)),
        ours / bare,
    );
    if let Some(theirs) = theirs {
        let origin = median(&theirs.rates);
        let peer = format!("{}/s", short(origin));
        report.row(BESIDE_ORIGIN.0, BESIDE_ORIGIN.1, rate, peer, ours / origin);
        report.note(format!("origin: {}", theirs.words()));
    }
    let p99 = many.taken.quantile_ms(0.99);
    let bare_p99 = format!("{} ms", short(floor.taken.quantile_ms(0.99)));
    report.row(P99.0, P99.1, format!("{} ms", short(p99)), bare_p99, p99);
    let p50 = one.taken.quantile_ms(0.5);
    report.row(P50.0, P50.1, format!("{} ms", short(p50)), "", p50);
    report.note(format!("doorbook at 64 connections: {}", many.words()));
    report.note(format!("doorbook at 1 connection: {}", one.words()));
    report.note(format!("bare axum at 64 connections: {}", floor.words()));
    report.raw(
        "checkins_per_second",
        json!({"doorbook_64": many.rates, "doorbook_1": one.rates, "bare_axum_64": floor.rates,
               "origin_64": theirs.map(|sum| &sum.rates)}),
    );
    report.raw(
        "checkin_latency_ms",
        json!({"doorbook_64": many.latencies(), "doorbook_1": one.latencies(),
               "bare_axum_64": floor.latencies(), "origin_64": theirs.map(Sum::latencies)}),
    );
}

impl Sum {
    fn new() -> Result<Self> {
        Ok(Self {
            taken: Taken::nothing()?,
            rates: Vec::new(),
            cpu_seconds: 0.0,
        })
    }

    fn add(&mut self, process: u32, turn: impl FnOnce() -> Result<Taken>) -> Result<()> {
        let before = crate::child::cpu_seconds(process)?;
        let taken = turn()?;
        self.count(&taken, crate::child::cpu_seconds(process)? - before)
    }

    fn count(&mut self, taken: &Taken, cpu_seconds: f64) -> Result<()> {
        taken.all_answered()?;
        self.cpu_seconds += cpu_seconds;
        self.rates.push(taken.per_second());
        self.taken.add(taken)
    }

    fn words(&self) -> String {
        format!(
            "{} answers, p50 {} ms, p99 {} ms, max {} ms, {} µs of server CPU each",
            short(self.taken.answers as f64),
            short(self.taken.quantile_ms(0.5)),
            short(self.taken.quantile_ms(0.99)),
            short(self.taken.quantile_ms(1.0)),
            short(self.cpu_seconds * 1e6 / self.taken.answers as f64)
        )
    }

    fn latencies(&self) -> serde_json::Value {
        let ms = |quantile| self.taken.quantile_ms(quantile);
        json!({"p50": ms(0.5), "p90": ms(0.9), "p99": ms(0.99), "p999": ms(0.999), "max": ms(1.0),
               "server_cpu_seconds": self.cpu_seconds, "answers": self.taken.answers})
    }
}

fn bare_post(bare: &BareAxum, slice: Duration) -> Result<Taken> {
    let token = superuser_token()?;
    let person = AtomicU64::new(0);
    let requests = Box::new(move |request: &mut Vec<u8>| {
        check_in_request(request, person.fetch_add(1, Ordering::Relaxed), &token);
        true
    });
    load::drive(bare.address, CONNECTIONS, slice, requests)
}

fn origin_turn(origin: &mut Origin, sum: &mut Sum, slice: Duration) -> Result<()> {
    origin.register(slice)?;
    let before = origin.cpu_seconds()?;
    let taken = origin.check_in(slice)?;
    sum.count(&taken, origin.cpu_seconds()? - before)
        .map_err(|error| anyhow!("origin: {error}"))
}
