//! A whole history as a file: how many rows a second, and what it does to the server's memory.

use std::{
    io::Read,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};
use serde_json::json;

use super::{Size, prepared::Prepared};
use crate::{
    child::Child,
    doorbook_server::Doorbook,
    report::{Reach, Report, short},
};

const CSV: (&str, Reach) = ("export as CSV", Reach::AtLeast(200_000.0, "rows/s"));
const MEMORY: (&str, Reach) = (
    "resident memory during a CSV export",
    Reach::AtMost(32.0, "MB more"),
);

/// How often the server's memory is looked at.
const LOOK: Duration = Duration::from_millis(5);
const READ_BYTES: usize = 64 * 1024;
/// How long a server that was asked for the first time has to save what it made.
const SETTLED: Duration = Duration::from_secs(4);

struct Exported {
    bytes: u64,
    lines: u64,
    seconds: f64,
    /// Most memory while it ran, less what there was before.
    grew_mb: f64,
    begins_with: Vec<u8>,
}

pub(super) fn measure(prepared: &Prepared, size: &Size, report: &mut Report) {
    if let Err(error) = try_measure(prepared, size, report) {
        for (what, reach) in [CSV, MEMORY] {
            report.not_run(what, reach, &error);
        }
    }
}

fn try_measure(prepared: &Prepared, _: &Size, report: &mut Report) -> Result<()> {
    let data = prepared.copy("export")?;
    let mut doorbook = Doorbook::start_on(&data)?;
    // The history's index is in memory whoever asks, and so are the pages that sled keeps: not the export's doing.
    doorbook.get(&prepared.gathering_path("history/?limit=1"))?;
    // Nor is the snapshot of that index, which is written soon after it was made.
    thread::sleep(SETTLED);
    let cold = export(&doorbook, prepared, "csv")?;
    let csv = export(&doorbook, prepared, "csv")?;
    ensure!(
        csv.lines > prepared.events,
        "{} lines of {} events",
        csv.lines,
        prepared.events
    );
    let rows = prepared.events as f64;
    report.row(
        CSV.0,
        CSV.1,
        format!("{} rows in {} s", short(rows), short(csv.seconds)),
        "",
        rows / csv.seconds,
    );
    let grew = cold.grew_mb.max(csv.grew_mb);
    report.row(MEMORY.0, MEMORY.1, format!("{} MB", short(grew)), "", grew);
    let ndjson = export(&doorbook, prepared, "ndjson")?;
    ensure!(
        ndjson.lines >= prepared.events,
        "{} lines of {} events",
        ndjson.lines,
        prepared.events
    );
    let xlsx = export(&doorbook, prepared, "xlsx")?;
    ensure!(xlsx.begins_with.starts_with(b"PK"), "no workbook came");
    let words = |name: &str, it: &Exported| {
        format!(
            "{name} {} rows/s, {} bytes a row, {} MB more",
            short(rows / it.seconds),
            short(it.bytes as f64 / rows),
            short(it.grew_mb)
        )
    };
    report.note(format!(
        "exports of one gathering over HTTP to a reader on the same cores: {}; the first after a start: {}; {}; {}",
        words("CSV", &csv),
        words("CSV", &cold),
        words("NDJSON", &ndjson),
        words("XLSX", &xlsx)
    ));
    let raw = |it: &Exported| json!({"seconds": it.seconds, "bytes": it.bytes, "lines": it.lines, "grew_mb": it.grew_mb});
    report.raw(
        "audit_export",
        json!({"csv": raw(&csv), "csv_first": raw(&cold), "ndjson": raw(&ndjson), "xlsx": raw(&xlsx)}),
    );
    doorbook.child.stop()
}

fn export(doorbook: &Doorbook, prepared: &Prepared, format: &str) -> Result<Exported> {
    let before = doorbook.child.resident_bytes()?;
    let path = prepared.gathering_path(&format!("history/?format={format}"));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watching = scope.spawn(|| highest(&doorbook.child, &over));
        let read = read_all(doorbook, &path);
        over.store(true, Ordering::Relaxed);
        let highest = watching
            .join()
            .map_err(|_| anyhow!("the watching thread panicked"))??;
        let mut exported = read?;
        exported.grew_mb = highest.saturating_sub(before) as f64 / 1e6;
        Ok(exported)
    })
}

fn read_all(doorbook: &Doorbook, path: &str) -> Result<Exported> {
    let started = Instant::now();
    let mut body = doorbook.stream(path)?;
    let mut buffer = vec![0; READ_BYTES];
    let mut exported = Exported {
        bytes: 0,
        lines: 0,
        seconds: 0.0,
        grew_mb: 0.0,
        begins_with: Vec::new(),
    };
    loop {
        let length = body.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        if exported.bytes == 0 {
            exported.begins_with = buffer[..length.min(64)].to_vec();
        }
        exported.bytes += length as u64;
        exported.lines += buffer[..length]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count() as u64;
    }
    exported.seconds = started.elapsed().as_secs_f64();
    Ok(exported)
}

fn highest(child: &Child, over: &AtomicBool) -> Result<u64> {
    let mut highest = 0;
    while !over.load(Ordering::Relaxed) {
        highest = highest.max(child.resident_bytes()?);
        thread::sleep(LOOK);
    }
    Ok(highest.max(child.resident_bytes()?))
}
