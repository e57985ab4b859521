//! The life of a large log: filled by import and by check-ins, killed, started, left alone, rebuilt,
//! weighed.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use doorbook::events::{
    codec::encoded_bytes,
    log::{Log, PAGE_EVENTS_MAX},
};
use serde_json::json;

use crate::{
    Plan,
    doorbook_server::Doorbook,
    report::{Reach, Report, short},
};

const CONNECTIONS: usize = 64;
/// People imported at a time.
const IMPORT_STEP: u64 = 100_000;
/// Longest filling between two imports, and longest rebuild.
const LONG: Duration = Duration::from_secs(1_800);
/// Rest before an idle server is watched: the snapshot that a killed server did not write is written
/// once the log has been quiet for some seconds.
const SETTLE: Duration = Duration::from_secs(12);
const REBUILD_POLL: Duration = Duration::from_millis(10);

const START: (&str, Reach) = ("start to ready after SIGKILL", Reach::AtMost(2.0, "s"));
const MEMORY: (&str, Reach) = ("resident when idle", Reach::AtMost(200.0, "MB"));
const IDLE: (&str, Reach) = ("CPU when idle", Reach::AtMost(0.5, "% of a core"));
const PARTICIPANTS: (&str, Reach) = (
    "rebuild of participants",
    Reach::AtLeast(300_000.0, "events/s"),
);
const DASHBOARD: (&str, Reach) = (
    "rebuild of dashboard",
    Reach::AtLeast(300_000.0, "events/s"),
);
const DISK: (&str, Reach) = (
    "disk, everything included, after check-ins at 64 connections",
    Reach::AtMost(5.0, "× encoded bytes"),
);

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    if let Err(error) = try_measure(plan, report) {
        for (what, reach) in [START, MEMORY, IDLE, PARTICIPANTS, DASHBOARD, DISK] {
            report.not_run(what, reach, &error);
        }
    }
}

/// First a log of `events` events, half of them check-ins, for start, rest and rebuild; then as many
/// more that it holds `events` check-ins, for its weight.
fn try_measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let mut doorbook = Doorbook::start_empty(&plan.dir.join("life"))?;
    fill(&mut doorbook, plan.events / 2)?;

    let start = doorbook.kill_and_start()?.as_secs_f64();
    report.row(START.0, START.1, format!("{} s", short(start)), "", start);
    idle(&doorbook, plan, report)?;
    rebuild(&doorbook, "participants", PARTICIPANTS, report)?;
    rebuild(&doorbook, "dashboard", DASHBOARD, report)?;

    fill(&mut doorbook, plan.events)?;
    doorbook.child.stop()?;
    weigh(&doorbook.data, report)
}

/// Lets people arrive until `arrived` have.
fn fill(doorbook: &mut Doorbook, arrived: u64) -> Result<()> {
    while doorbook.arrived() < arrived {
        let step = IMPORT_STEP.min(arrived - doorbook.arrived());
        doorbook.import(step)?;
        doorbook.check_in(CONNECTIONS, LONG, step)?;
        eprintln!(
            "{} of {} have arrived",
            short(doorbook.arrived() as f64),
            short(arrived as f64)
        );
    }
    Ok(())
}

fn idle(doorbook: &Doorbook, plan: &Plan, report: &mut Report) -> Result<()> {
    thread::sleep(SETTLE);
    let before = doorbook.child.cpu_seconds()?;
    let started = Instant::now();
    thread::sleep(plan.idle);
    let used = doorbook.child.cpu_seconds()? - before;
    let share = 100.0 * used / started.elapsed().as_secs_f64();
    let resident = doorbook.child.resident_bytes()? as f64 / 1e6;
    report.row(
        MEMORY.0,
        MEMORY.1,
        format!("{} MB", short(resident)),
        "",
        resident,
    );
    report.row(IDLE.0, IDLE.1, format!("{} %", short(share)), "", share);
    Ok(())
}

fn rebuild(
    doorbook: &Doorbook,
    view: &'static str,
    (what, reach): (&'static str, Reach),
    report: &mut Report,
) -> Result<()> {
    let path = format!("/api/admin/projections/{view}/rebuild/");
    let started = Instant::now();
    doorbook.post(&path, &json!({}))?;
    let progress = loop {
        let progress = doorbook.get(&path)?;
        match progress["state"].as_str() {
            Some("done") => break progress,
            Some("failed" | "cancelled") | None => bail!("rebuild of {view}: {progress}"),
            Some(_) if started.elapsed() > LONG => {
                bail!("rebuild of {view} takes too long: {progress}")
            }
            Some(_) => thread::sleep(REBUILD_POLL),
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    let total = progress["total"]
        .as_u64()
        .context("rebuild without a total")?;
    let rate = total as f64 / seconds;
    let ours = format!("{} events in {} s", short(total as f64), short(seconds));
    report.row(what, reach, ours, "", rate);
    report.raw(what, json!({"seconds": seconds, "progress": progress}));
    Ok(())
}

/// All bytes of the data directory beside the bytes of the encoded events.
fn weigh(data: &Path, report: &mut Report) -> Result<()> {
    let disk = tree_bytes(data)?;
    let mut parts = serde_json::Map::new();
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        let bytes = if entry.file_type()?.is_dir() {
            tree_bytes(&entry.path())?
        } else {
            entry.metadata()?.blocks() * 512
        };
        parts.insert(
            entry.file_name().to_string_lossy().into_owned(),
            json!(bytes),
        );
    }
    let (events, encoded) = encoded_events(data)?;
    report.row(
        DISK.0,
        DISK.1,
        format!("{} MB", short(disk as f64 / 1e6)),
        format!("{} MB encoded", short(encoded as f64 / 1e6)),
        disk as f64 / encoded as f64,
    );
    report.note(format!(
        "disk: {} events, {} encoded bytes each; allocated blocks after a clean stop",
        short(events as f64),
        short(encoded as f64 / events as f64)
    ));
    report.raw(
        "disk",
        json!({"bytes": disk, "encoded_bytes": encoded, "events": events, "parts": parts}),
    );
    Ok(())
}

fn tree_bytes(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        bytes += entry.metadata()?.blocks() * 512;
        if entry.file_type()?.is_dir() {
            bytes += tree_bytes(&entry.path())?;
        }
    }
    Ok(bytes)
}

fn encoded_events(data: &Path) -> Result<(u64, u64)> {
    let (log, _report) = Log::open(data)?;
    let (mut after, mut bytes) = (0, 0_u64);
    loop {
        let page = log.read(after, PAGE_EVENTS_MAX)?;
        let Some(last) = page.last() else { break };
        after = last.offset;
        for recorded in &page {
            bytes += encoded_bytes(recorded)? as u64;
        }
    }
    log.close()?;
    Ok((after, bytes))
}
