//! The state as of an offset, and pages of the history by participant and by gate.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{
    Size,
    chance::Chance,
    prepared::{GATES, Prepared, RARE_GATE, code_text},
};
use crate::{
    doorbook_server::Doorbook,
    load::{self, Taken},
    report::{Reach, Report, short},
};

const AS_OF: (&str, Reach) = (
    "as of any offset, states not in memory, the slowest",
    Reach::AtMost(500.0, "ms"),
);
const PAGES: (&str, Reach) = (
    "history page by participant or gate, p99 of the slowest kind",
    Reach::AtMost(20.0, "ms"),
);

/// Longest measurement of one kind of page.
const LONG: Duration = Duration::from_secs(120);
/// Servers that are started anew, so that nothing is in memory at the first question.
const COLD_STARTS: u64 = 3;

pub(super) fn as_of(prepared: &Prepared, size: &Size, report: &mut Report) {
    if let Err(error) = try_as_of(prepared, size, report) {
        report.not_run(AS_OF.0, AS_OF.1, &error);
    }
}

pub(super) fn pages(prepared: &Prepared, size: &Size, report: &mut Report) {
    if let Err(error) = try_pages(prepared, size, report) {
        report.not_run(PAGES.0, PAGES.1, &error);
    }
}

/// Milliseconds.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn quantile(&self, quantile: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        let at = (last as f64 * quantile).round() as usize;
        sorted.get(at).copied().unwrap_or(f64::NAN)
    }

    fn to_json(&self) -> Value {
        json!({"p50": self.quantile(0.5), "max": self.quantile(1.0), "ms": self.0})
    }
}

/// Each offset is asked for twice, by the gathering and by a page of participants: first when nobody
/// has asked for it before, then again.
fn try_as_of(prepared: &Prepared, size: &Size, report: &mut Report) -> Result<()> {
    let data = prepared.copy("as-of")?;
    let mut doorbook = Doorbook::start_on(&data)?;
    let mut chance = Chance::new(1);
    let (mut first, mut cold, mut page, mut warm) = (
        Times::default(),
        Times::default(),
        Times::default(),
        Times::default(),
    );
    for number in 0..size.moments {
        let restarts = number < COLD_STARTS;
        if restarts {
            doorbook.kill_and_start()?;
        }
        let offset = 1 + chance.below(prepared.events);
        let then = prepared.gathering_path(&format!("?as_of={offset}"));
        let took = ask(&doorbook, &then, |answer| {
            let registered = (offset - 1).min(prepared.people);
            ensure!(
                answer["participant_count"].as_u64() == Some(registered),
                "{registered} had a ticket at offset {offset}: {answer}"
            );
            Ok(())
        })?;
        if restarts { &mut first } else { &mut cold }.0.push(took);
        let people = prepared.gathering_path(&format!("participants/?limit=100&as_of={offset}"));
        let is_a_page = |answer: &Value| {
            let rows = answer["results"].as_array().map_or(0, Vec::len) as u64;
            ensure!(rows == (offset - 1).min(100), "{rows} rows at {offset}");
            Ok(())
        };
        page.0.push(ask(&doorbook, &people, is_a_page)?);
        warm.0.push(ask(&doorbook, &then, |_| Ok(()))?);
        warm.0.push(ask(&doorbook, &people, is_a_page)?);
    }
    let worst = first
        .quantile(1.0)
        .max(cold.quantile(1.0))
        .max(page.quantile(1.0));
    report.row(
        AS_OF.0,
        AS_OF.1,
        format!("{} ms, p50 {} ms", short(worst), short(cold.quantile(0.5))),
        "",
        worst,
    );
    let words = |times: &Times| {
        format!(
            "{} ms (at most {})",
            short(times.quantile(0.5)),
            short(times.quantile(1.0))
        )
    };
    report.note(format!(
        "as of {} random offsets of a gathering of {} participants and {} events, p50: the gathering, never asked before {}; right after a \
         start {}; then its first 100 participants {}; both asked again {}",
        size.moments,
        short(prepared.people as f64),
        short(prepared.events as f64),
        words(&cold),
        words(&first),
        words(&page),
        words(&warm)
    ));
    report.raw(
        "audit_as_of",
        json!({"cold": cold.to_json(), "after_start": first.to_json(), "participants": page.to_json(),
               "again": warm.to_json()}),
    );
    doorbook.child.stop()
}

/// Milliseconds that one question took; its answer must be what `judge` wants.
fn ask(doorbook: &Doorbook, path: &str, judge: impl FnOnce(&Value) -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    let answer = doorbook.get(path)?;
    let took = started.elapsed().as_secs_f64() * 1_000.0;
    judge(&answer).with_context(|| path.to_owned())?;
    Ok(took)
}

/// What is asked for by a kind of page, made anew for each.
type Filter = fn(&Prepared, &mut Chance) -> String;

fn try_pages(prepared: &Prepared, size: &Size, report: &mut Report) -> Result<()> {
    let data = prepared.copy("pages")?;
    let mut doorbook = Doorbook::start_on(&data)?;
    let kinds: [(&str, Filter, Filter); 6] = [
        ("participant", one_gathering, participant),
        ("common gate", one_gathering, common_gate),
        ("rare gate", one_gathering, rare_gate),
        ("participant, all gatherings", all_gatherings, participant),
        ("common gate, all gatherings", all_gatherings, common_gate),
        ("rare gate, all gatherings", all_gatherings, rare_gate),
    ];
    let mut chance = Chance::new(2);
    let mut worst = ("", 0.0_f64);
    let mut words = Vec::new();
    for (name, scope, filter) in kinds {
        // The index is made on its first use: not part of what a page costs, but told.
        let whole = format!(
            "{}?{}&limit=1000",
            scope(prepared, &mut chance),
            filter(prepared, &mut chance)
        );
        let loading = ask(&doorbook, &whole, |answer| {
            match answer["results"].as_array().map(Vec::len) {
                Some(1..) => Ok(()),
                _ => bail!("no entries: {answer}"),
            }
        })?;
        let taken = drive(prepared, size, &doorbook, &mut chance, scope, filter)?;
        let p99 = taken.quantile_ms(0.99);
        if p99 > worst.1 {
            worst = (name, p99);
        }
        words.push(format!(
            "{name} {}/{} ms (the first {} ms)",
            short(taken.quantile_ms(0.5)),
            short(p99),
            short(loading)
        ));
    }
    report.row(
        PAGES.0,
        PAGES.1,
        format!("{} ms, {}", short(worst.1), worst.0),
        "",
        worst.1,
    );
    report.note(format!(
        "pages of 100 entries after a random offset, {} of each kind over one connection, p50/p99: {}",
        size.pages,
        words.join("; ")
    ));
    doorbook.child.stop()
}

fn drive(
    prepared: &Prepared,
    size: &Size,
    doorbook: &Doorbook,
    chance: &mut Chance,
    scope: Filter,
    filter: Filter,
) -> Result<Taken> {
    let mut paths: Vec<String> = (0..size.pages)
        .map(|_| {
            let (scope, filter) = (scope(prepared, chance), filter(prepared, chance));
            let after = chance.below(prepared.events);
            format!("{scope}?{filter}&after={after}&limit=100")
        })
        .collect();
    let token = doorbook.token.clone();
    let requests = Box::new(move |request: &mut Vec<u8>| {
        paths.pop().is_some_and(|path| {
            get(request, &path, &token);
            true
        })
    });
    let taken = load::drive(doorbook.address, 1, LONG, requests)?;
    taken.all_answered()?;
    ensure!(
        taken.answers == size.pages,
        "{} pages in {LONG:?}",
        taken.answers
    );
    Ok(taken)
}

pub(super) fn get(request: &mut Vec<u8>, path: &str, token: &str) {
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    request.extend_from_slice(head.as_bytes());
}

fn one_gathering(prepared: &Prepared, _: &mut Chance) -> String {
    prepared.gathering_path("history/")
}

fn all_gatherings(_: &Prepared, _: &mut Chance) -> String {
    "/api/history/".to_owned()
}

fn participant(prepared: &Prepared, chance: &mut Chance) -> String {
    format!(
        "participant={}",
        code_text(0, chance.below(prepared.people))
    )
}

fn common_gate(_: &Prepared, chance: &mut Chance) -> String {
    format!("gate={}", GATES[chance.below(GATES.len() as u64) as usize])
}

fn rare_gate(_: &Prepared, _: &mut Chance) -> String {
    format!("gate={RARE_GATE}")
}
