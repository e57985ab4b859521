//! What an idle connection weighs in the server.

use std::{fs, thread, time::Duration};

use anyhow::{Context, Result};
use serde_json::json;

use super::{
    Size,
    contender::{self, AtTheDoor},
};
use crate::{
    Plan,
    report::{Reach, Report, short},
};

const IDLE: (&str, Reach) = (
    "resident memory per idle connection, 10,000 of them",
    Reach::AtMost(10.0, "KB"),
);
/// What a better server would reach, KB.
const STRETCH_KB: f64 = 6.0;
const PEOPLE: u64 = 1_000;
/// Rest before memory is looked at.
const SETTLE: Duration = Duration::from_secs(2);

pub(super) fn measure(plan: &Plan, size: &Size, report: &mut Report) {
    if let Err(error) = try_measure(plan, size, report) {
        report.not_run(IDLE.0, IDLE.1, &error);
    }
}

fn try_measure(plan: &Plan, size: &Size, report: &mut Report) -> Result<()> {
    let mut server = AtTheDoor::open(plan, "streams-idle", PEOPLE)?;
    // What the import left in the allocator would be counted against the connections.
    server.doorbook.kill_and_start()?;
    thread::sleep(SETTLE);
    let before = server.doorbook.child.resident_bytes()?;
    let kernel_before = socket_bytes()?;
    let readers = server.readers(size.many)?;
    thread::sleep(SETTLE);
    let resident = server.doorbook.child.resident_bytes()?;
    let each = kb_each(before, resident, readers.len());
    let kernel = socket_bytes()?.saturating_sub(kernel_before);
    drop(readers);
    drop(server);

    let mut axum = contender::plain_axum(&plan.dir, b"")?;
    let axum_before = axum.server.child().resident_bytes()?;
    axum.server.connect(&mut axum.readers, size.many)?;
    thread::sleep(SETTLE);
    let axum_each = kb_each(
        axum_before,
        axum.server.child().resident_bytes()?,
        size.many,
    );

    report.row(
        IDLE.0,
        IDLE.1,
        format!("{} KB", short(each)),
        format!("{} KB", short(axum_each)),
        each,
    );
    report.note(format!(
        "idle connections: {} of them, {} MB resident before and {} MB with them (the peer is plain axum); {} \
         the {} KB that a better server would reach; buffers in the kernel, both ends: {} KB in all",
        short(size.many as f64),
        short(before as f64 / 1e6),
        short(resident as f64 / 1e6),
        if each <= STRETCH_KB { "within" } else { "not yet within" },
        STRETCH_KB,
        short(kernel as f64 / 1e3)
    ));
    report.raw(
        "stream_idle_kb_each",
        json!({"doorbook": each, "plain_axum": axum_each, "connections": size.many,
               "kernel_socket_bytes": kernel}),
    );
    Ok(())
}

fn kb_each(before: u64, after: u64, connections: usize) -> f64 {
    (after as f64 - before as f64) / 1e3 / connections as f64
}

/// What the kernel holds in the buffers of all TCP sockets of this machine.
pub(super) fn socket_bytes() -> Result<u64> {
    let text = fs::read_to_string("/proc/net/sockstat")?;
    let pages: u64 = text
        .lines()
        .find(|line| line.starts_with("TCP:"))
        .and_then(|line| line.split_once(" mem "))
        .and_then(|(_, pages)| pages.trim().parse().ok())
        .context("no TCP memory in sockstat")?;
    Ok(pages * rustix::param::page_size() as u64)
}
