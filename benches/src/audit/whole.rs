//! Proving the whole log: what `doorbook verify` does before it comes to the views, beside the bare
//! hashes over as many bytes; and the bare read that rebuilds are held against.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use doorbook::events::{
    codec::encoded_bytes,
    log::{Log, PAGE_EVENTS_MAX},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Size, prepared::Prepared};
use crate::{
    doorbook_server::program,
    report::{Reach, Report, median, short},
};

const VERIFY: (&str, Reach) = (
    "verify: frames, chain and tree",
    Reach::AtLeast(1_000_000.0, "events/s"),
);

const REPEATS: usize = 3;
/// A node of the tree hashes a byte and two hashes.
const NODE_BYTES: usize = 65;

/// Every event read and decoded once, on one thread.
pub(super) struct Bare {
    pub(super) events: u64,
    frames: u64,
    bytes: u64,
    took: Duration,
}

impl Bare {
    pub(super) fn per_second(&self) -> f64 {
        self.events as f64 / self.took.as_secs_f64()
    }
}

pub(super) fn bare_read(data: &Path) -> Result<Bare> {
    let (log, _report) = Log::open(data)?;
    let frames = log.statistics().frames;
    let started = Instant::now();
    let mut events = 0;
    loop {
        let page = log.read(events, PAGE_EVENTS_MAX)?;
        let Some(last) = page.last() else { break };
        events = last.offset;
    }
    let took = started.elapsed();
    let mut bytes = 0;
    let mut after = 0;
    loop {
        let page = log.read(after, PAGE_EVENTS_MAX)?;
        let Some(last) = page.last() else { break };
        after = last.offset;
        for recorded in &page {
            bytes += encoded_bytes(recorded)? as u64;
        }
    }
    log.close()?;
    Ok(Bare {
        events,
        frames,
        bytes,
        took,
    })
}

pub(super) fn measure(prepared: &Prepared, size: &Size, report: &mut Report) {
    if let Err(error) = try_measure(prepared, size, report) {
        report.not_run(VERIFY.0, VERIFY.1, &error);
    }
}

fn try_measure(prepared: &Prepared, size: &Size, report: &mut Report) -> Result<()> {
    let data = prepared.copy("verify")?;
    let bare = bare_read(&data)?;
    let repeats = REPEATS.min(size.rounds);
    let (mut seconds, mut floors) = (Vec::new(), Vec::new());
    for _ in 0..repeats {
        floors.push(bare_hashes(&bare).as_secs_f64());
        seconds.push(verify(&data, prepared.head)?.as_secs_f64());
    }
    let (seconds, floor) = (median(&seconds), median(&floors));
    report.row(
        VERIFY.0,
        VERIFY.1,
        format!(
            "{} events in {} s",
            short(bare.events as f64),
            short(seconds)
        ),
        format!("bare hashes {} s", short(floor)),
        bare.events as f64 / seconds,
    );
    let (whole, said) = command(&data)?;
    report.note(format!(
        "verify: {} × the bare hashes (CRC32C and SHA-256 of as many frames, RFC 6962 leaves and nodes of as many records, \
         one thread); the whole command, start and a fresh fold of every view included, takes {} s",
        short(seconds / floor),
        short(whole.as_secs_f64())
    ));
    report.raw(
        "audit_verify",
        json!({"seconds": seconds, "bare_hashes_seconds": floor, "frames": bare.frames, "bytes": bare.bytes,
               "command_seconds": whole.as_secs_f64(), "command": said}),
    );
    Ok(())
}

/// The log's own check, from an open log: the start, which reads every frame too, is not in it.
fn verify(data: &Path, head: u64) -> Result<Duration> {
    let (log, _report) = Log::open(data)?;
    let started = Instant::now();
    let covered = log.verify(&mut |_| {})?;
    let took = started.elapsed();
    ensure!(
        covered.events == head,
        "{} of {head} events",
        covered.events
    );
    log.close()?;
    Ok(took)
}

/// The hashes that no such check can do without, over made-up bytes.
fn bare_hashes(bare: &Bare) -> Duration {
    let frame = vec![7_u8; (bare.bytes / bare.frames.max(1)).max(1) as usize];
    let record = vec![9_u8; (bare.bytes / bare.events.max(1)).max(1) as usize];
    let node = [5_u8; NODE_BYTES];
    let started = Instant::now();
    let mut sum = 0_u32;
    for _ in 0..bare.frames {
        sum ^= crc32c::crc32c(&frame) ^ u32::from(Sha256::digest(&frame)[0]);
    }
    for _ in 0..bare.events {
        sum ^= u32::from(Sha256::digest(&record)[0]) ^ u32::from(Sha256::digest(node)[0]);
    }
    std::hint::black_box(sum);
    started.elapsed()
}

/// `doorbook verify` as people run it.
fn command(data: &Path) -> Result<(Duration, Value)> {
    let started = Instant::now();
    let output = Command::new(program()?)
        .args(["verify", "--json", "--data"])
        .arg(data)
        .output()?;
    let took = started.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "doorbook verify: {said}");
    let covered = serde_json::from_slice(&output.stdout).context("doorbook verify --json")?;
    Ok((took, covered))
}
