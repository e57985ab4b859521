//! Measures doorbook beside its peers: everything in one run, on one machine, on one disk, because a
//! ratio survives a noisy machine and a time does not.
//!
//! Here: the command line and the order of the measurements. Each measurement is a file of its own;
//! what is said about them in the end is in [`report`]. The server is measured as people run it: the
//! release binary beside this one, as a child process, over HTTP.

mod appends;
mod audit;
mod bare;
mod checkins;
mod child;
mod door;
mod doorbook_server;
mod frames;
mod life;
mod load;
mod machine;
mod origin;
mod peers;
mod plain_axum;
mod plot;
mod publisher;
mod raw_fanout;
mod readers;
mod report;
mod streams;
mod umadb;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Result;
use clap::{Parser, ValueEnum};

/// Measures doorbook beside its peers and prints a table.
#[derive(Parser)]
struct Options {
    /// What to measure.
    #[arg(value_enum, default_value = "all")]
    what: What,
    /// Where logs are written. Must be on a real disk: a sync on tmpfs costs nothing.
    #[arg(long, default_value = "target/bench-data")]
    dir: PathBuf,
    /// Where table, plot and raw numbers go.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Events in the log that is started, rebuilt and weighed.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Length of each measurement, in seconds, shared out over the slices.
    #[arg(long, default_value_t = 12.0)]
    seconds: f64,
    /// Of the streams' or the audit's rows only this one, from 1 on.
    #[arg(long)]
    row: Option<u8>,
    /// Seconds of each measurement and a small log: shows that it works, judges nothing.
    #[arg(long)]
    quick: bool,
    /// Where a peer listens; only for the child process that is it.
    #[arg(long, hide = true)]
    listen: Option<SocketAddr>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Everything below.
    All,
    /// Check-ins over HTTP beside a bare handler and the origin design.
    Checkins,
    /// Appends in process beside UmaDB and the naked disk.
    Appends,
    /// A large log: its size on disk, its start after a kill, its rest, its rebuild.
    Life,
    /// Live streams: fan-out, latency, memory, replay, reconnection, readers that stall.
    Streams,
    /// What auditors and operators wait for: rebuilds, verification, as-of, history, exports, proofs.
    Audit,
    #[value(hide = true)]
    BareAxum,
    #[value(hide = true)]
    PlainAxum,
    #[value(hide = true)]
    RawFanout,
}

/// How much of everything.
pub(crate) struct Plan {
    /// On a real disk; the measurements make directories of their own in it.
    pub(crate) dir: PathBuf,
    pub(crate) events: u64,
    /// Small numbers everywhere.
    pub(crate) quick: bool,
    /// One slice of one contender. Contenders take turns, so that a disk or a neighbour that
    /// changes its mind hits them all.
    pub(crate) slice: Duration,
    pub(crate) rounds: usize,
    /// How long an idle server is watched.
    pub(crate) idle: Duration,
}

/// Turns of each contender.
const ROUNDS: usize = 6;
/// The same and the rest of the plan of a quick run.
const QUICK_ROUNDS: usize = 2;
const QUICK_SLICE: Duration = Duration::from_millis(400);
const QUICK_EVENTS: u64 = 4_000;
const QUICK_IDLE: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(10);

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let peer = match options.what {
        What::BareAxum => Some(bare::serve(options.listen)),
        What::PlainAxum => Some(plain_axum::serve(options.listen)),
        What::RawFanout => Some(raw_fanout::serve(options.listen)),
        What::All | What::Checkins | What::Appends | What::Life | What::Streams | What::Audit => {
            None
        }
    };
    if let Some(served) = peer {
        return served.map(|()| ExitCode::SUCCESS);
    }
    let plan = plan(&options)?;
    let machine = machine::describe(&plan.dir)?;
    eprintln!("{machine}");
    let mut report = report::Report::new(machine, !options.quick);
    let wanted = |what| options.what == What::All || options.what == what;
    if wanted(What::Appends) {
        appends::measure(&plan, &mut report);
    }
    if wanted(What::Checkins) {
        checkins::measure(&plan, &mut report);
    }
    if wanted(What::Life) {
        life::measure(&plan, &mut report);
    }
    if wanted(What::Streams) {
        streams::measure(&plan, options.row, &mut report)?;
    }
    if wanted(What::Audit) {
        audit::measure(&plan, options.row, &mut report)?;
    }
    report.write(&options.out)?;
    Ok(report.exit_code())
}

fn plan(options: &Options) -> Result<Plan> {
    std::fs::create_dir_all(&options.dir)?;
    let dir = options.dir.canonicalize()?;
    machine::refuse_memory_disk(&dir)?;
    if options.quick {
        return Ok(Plan {
            dir,
            events: QUICK_EVENTS,
            quick: true,
            slice: QUICK_SLICE,
            rounds: QUICK_ROUNDS,
            idle: QUICK_IDLE,
        });
    }
    Ok(Plan {
        dir,
        events: options.events.max(QUICK_EVENTS),
        quick: false,
        slice: Duration::try_from_secs_f64(options.seconds)? / u32::try_from(ROUNDS)?,
        rounds: ROUNDS,
        idle: IDLE,
    })
}
