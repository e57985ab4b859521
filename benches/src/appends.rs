//! Durable appends in process: the log of the library, UmaDB, and a file that is written and synced,
//! all in the same directory and in turns. Every contender stores the same check-in.

use std::{
    fs::File,
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use doorbook::events::{
    codec::encoded_bytes,
    event::{ActorRole, Event, Scan, ScanMode, Subject},
    ids::{Code, CommandId, CorrelationId, GatheringId, ParticipantId},
    log::{AppendError, Log},
    recorded::{Actor, CommandRef, NewEvent},
    time::Timestamp,
};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::{
    Plan,
    report::{Reach, Report, median, short},
    umadb::{self, UmaDb},
};

const WRITERS: usize = 64;

const MANY: (&str, Reach) = (
    "durable appends in process, 64 writers",
    Reach::AtLeast(60_000.0, "events/s"),
);
const MANY_UMADB: (&str, Reach) = ("the same beside UmaDB", Reach::AtLeast(5.0, "× UmaDB"));
const ONE_RAW: (&str, Reach) = (
    "durable appends in process, 1 writer, beside write + fdatasync",
    Reach::AtLeast(0.4, "× raw"),
);

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    if let Err(error) = try_measure(plan, report) {
        for (what, reach) in [MANY, MANY_UMADB, ONE_RAW] {
            report.not_run(what, reach, &error);
        }
    }
}

fn try_measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let dir = plan.dir.join("appends");
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let log = open(&dir)?;
    let bytes = check_in_bytes(&log)?;
    let umadb = umadb::start(&dir, &runtime, WRITERS);
    let mut raw = Raw::create(&dir, bytes.clone())?;

    let (mut many, mut one, mut many_umadb, mut one_umadb, mut disk) =
        (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..plan.rounds {
        many.push(append(&log, &runtime, WRITERS, plan.slice)?);
        if let Ok(umadb) = &umadb {
            many_umadb.push(umadb.append(&runtime, WRITERS, &bytes, plan.slice)?);
            one_umadb.push(umadb.append(&runtime, 1, &bytes, plan.slice)?);
        }
        one.push(append(&log, &runtime, 1, plan.slice)?);
        disk.push(raw.append(plan.slice)?);
    }
    log.close()?;

    let (ours, single, floor) = (median(&many), median(&one), median(&disk));
    report.row(MANY.0, MANY.1, format!("{}/s", short(ours)), "", ours);
    report_umadb(report, &umadb, ours, median(&many_umadb));
    report.row(
        ONE_RAW.0,
        ONE_RAW.1,
        format!("{}/s", short(single)),
        format!("{}/s", short(floor)),
        single / floor,
    );
    report.note(format!(
        "appends: {} encoded bytes each, UmaDB at one writer {}/s, medians of {} slices",
        bytes.len(),
        short(median(&one_umadb)),
        plan.rounds
    ));
    report.raw(
        "appends_per_second",
        json!({"writers_64": many, "writers_1": one, "umadb_64": many_umadb, "umadb_1": one_umadb,
               "raw_1": disk, "event_bytes": bytes.len()}),
    );
    Ok(())
}

fn report_umadb(report: &mut Report, umadb: &Result<UmaDb>, ours: f64, theirs: f64) {
    match umadb {
        Ok(_) => report.row(
            MANY_UMADB.0,
            MANY_UMADB.1,
            format!("{}/s", short(ours)),
            format!("{}/s", short(theirs)),
            ours / theirs,
        ),
        Err(error) => report.no_peer(MANY_UMADB.0, MANY_UMADB.1, error),
    }
}

fn open(dir: &Path) -> Result<Log> {
    let data = dir.join("doorbook");
    std::fs::create_dir_all(&data)?;
    let (log, _report) = Log::open(&data)?;
    Ok(log)
}

/// As many bytes as one check-in has in the log, for the contenders that take bytes.
fn check_in_bytes(log: &Log) -> Result<Vec<u8>> {
    let (recorded, durable) = log.append(check_in(GatheringId::generate(), 0)?)?;
    durable.wait_blocking()?;
    Ok(vec![0x5a; encoded_bytes(&recorded)?])
}

/// Appends from so many writers, each waiting until its event is durable; how many per second.
fn append(log: &Log, runtime: &Runtime, writers: usize, slice: Duration) -> Result<f64> {
    let count = Arc::new(AtomicU64::new(0));
    let gathering = GatheringId::generate();
    let started = Instant::now();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..writers)
            .map(|_| {
                let (log, count) = (log.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    while started.elapsed() < slice {
                        let number = count.fetch_add(1, Ordering::Relaxed);
                        append_one(&log, check_in(gathering, number)?).await?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        anyhow::Ok(())
    })?;
    Ok(count.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
}

async fn append_one(log: &Log, event: NewEvent) -> Result<(), AppendError> {
    let (_recorded, durable) = log.append(event)?;
    durable.wait().await
}

/// A scan as a door makes it.
fn check_in(gathering: GatheringId, number: u64) -> Result<NewEvent> {
    let now = Timestamp::now();
    Ok(NewEvent {
        gathering,
        decided_at: now,
        occurred_at: now,
        actor: Actor {
            id: "steward-7".into(),
            role: ActorRole::Steward,
            name: None,
        },
        correlation: CorrelationId::generate(),
        causation: None,
        command: Some(CommandRef {
            id: CommandId::parse(&format!("scan-{number:010}")).context("command id")?,
            content_hash: CorrelationId::generate().to_bytes(),
        }),
        event: Event::ParticipantCheckedIn(Scan {
            subject: Subject {
                participant: ParticipantId::generate(),
                code: Code::parse(&format!("B{number:08}")).context("code")?,
            },
            gate: Some("north".into()),
            device: Some("door-1".into()),
            device_seq: None,
            mode: ScanMode::Online,
            warnings: Vec::new(),
            overridden: None,
            reason: None,
        }),
    })
}

/// A growing file, written and synced once per event.
struct Raw {
    file: File,
    bytes: Vec<u8>,
}

impl Raw {
    fn create(dir: &Path, bytes: Vec<u8>) -> Result<Self> {
        Ok(Self {
            file: File::create(dir.join("raw"))?,
            bytes,
        })
    }

    fn append(&mut self, slice: Duration) -> Result<f64> {
        let mut count = 0_u64;
        let started = Instant::now();
        while started.elapsed() < slice {
            self.file.write_all(&self.bytes)?;
            self.file.sync_data()?;
            count += 1;
        }
        Ok(count as f64 / started.elapsed().as_secs_f64())
    }
}
