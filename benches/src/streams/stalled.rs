//! Readers that never read, and what the others feel of them. Runs with and without them take turns on
//! one server; before each the door is busy until the stalled sockets have long been full.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
use serde_json::json;

use super::{
    COMMITS_PER_SECOND, FLOOD_CONNECTIONS, Size,
    contender::{AtTheDoor, Contender, Server},
    delay::{Arrivals, WARM_UP, delays, quantile_ms},
    memory::socket_bytes,
};
use crate::{
    Plan, frames,
    publisher::{self, Pace},
    report::{Reach, Report, median, short},
};

const STALLED: (&str, Reach) = (
    "p99 of 900 readers beside 100 that never read",
    Reach::AtMost(1.1, "× without them"),
);

const PEOPLE: u64 = 5_000;
/// The least that a kernel gives.
const RECEIVE_BUFFER_BYTES: usize = 2 * 1024;
const ANSWER: Duration = Duration::from_secs(10);

pub(super) fn measure(plan: &Plan, size: &Size, report: &mut Report) {
    if let Err(error) = try_measure(plan, size, report) {
        report.not_run(STALLED.0, STALLED.1, &error);
    }
}

/// One run of the readers that read.
struct Run {
    p99_ms: f64,
    resident_bytes: u64,
    kernel_bytes: u64,
}

fn try_measure(plan: &Plan, size: &Size, report: &mut Report) -> Result<()> {
    let mut server = AtTheDoor::open(plan, "streams-stalled", PEOPLE)?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        let run;
        (server, run) = run_beside(server, size, 0)?;
        without.push(run);
        let run;
        (server, run) = run_beside(server, size, size.stalled)?;
        with.push(run);
    }
    let p99 = |runs: &[Run]| median(&runs.iter().map(|run| run.p99_ms).collect::<Vec<_>>());
    let most = |runs: &[Run], bytes: fn(&Run) -> u64| {
        runs.iter().map(bytes).max().unwrap_or_default() as f64 / 1e6
    };
    let (ours, alone) = (p99(&with), p99(&without));
    report.row(
        STALLED.0,
        STALLED.1,
        format!("{} ms", short(ours)),
        format!("{} ms", short(alone)),
        ours / alone,
    );
    report.note(format!(
        "stalled readers: {} of {} never read; at most {} MB resident with them, {} MB without; buffers in the kernel, \
         both ends: {} MB with them, {} MB without; medians of {} runs each",
        size.stalled,
        short(size.readers as f64),
        short(most(&with, |run| run.resident_bytes)),
        short(most(&without, |run| run.resident_bytes)),
        short(most(&with, |run| run.kernel_bytes)),
        short(most(&without, |run| run.kernel_bytes)),
        size.rounds
    ));
    report.raw(
        "stream_stalled_p99_ms",
        json!({"with": with.iter().map(|run| run.p99_ms).collect::<Vec<_>>(),
               "without": without.iter().map(|run| run.p99_ms).collect::<Vec<_>>()}),
    );
    Ok(())
}

/// The server goes in and comes out, since readers are connected to it only for the run.
fn run_beside(mut server: AtTheDoor, size: &Size, stalled: usize) -> Result<(AtTheDoor, Run)> {
    let kernel_before = socket_bytes()?;
    let request = server.stream("latest");
    let address = server.doorbook.address;
    let still: Vec<TcpStream> = (0..stalled)
        .map(|_| stall(address, &request))
        .collect::<Result<_>>()?;
    server.connections = FLOOD_CONNECTIONS;
    publisher::finish(server.publish(Pace::as_fast_as_it_goes(size.flood / 2)))?;
    server.connections = 1;
    let readers = server.readers(size.readers - size.stalled)?;
    let mut ours = Contender { server, readers };
    ours.turn(WARM_UP, |_| {})?;

    let mut arrivals = Arrivals::new();
    let pace = Pace::of(COMMITS_PER_SECOND, size.slice);
    let spent = ours.turn(pace, |delivery| {
        arrivals.push((delivery.offset, delivery.at));
    })?;
    let run = Run {
        p99_ms: quantile_ms(&delays(&spent.commits, arrivals)?, 0.99),
        resident_bytes: ours.server.doorbook.child.resident_bytes()?,
        kernel_bytes: socket_bytes()?.saturating_sub(kernel_before),
    };
    drop(still);
    Ok((ours.server, run))
}

/// A stream whose answer to the upgrade is the last thing that is read from it.
fn stall(address: SocketAddr, request: &[u8]) -> Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER_BYTES)?;
    connect(&socket, &address)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while frames::end_of_upgrade(&answer)?.is_none() {
        let length = stream
            .read(&mut byte)
            .context("a stalled reader's upgrade")?;
        ensure!(length > 0, "a stalled reader was closed");
        answer.extend_from_slice(&byte);
    }
    Ok(stream)
}
