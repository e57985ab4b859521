//! Who makes the events: one connection on a thread of its own that sends at a pace and waits for each
//! answer, so that every command's own time is known.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};

use crate::{
    load::{self, End, end_of_answer},
    raw_fanout::PUBLISH,
};

/// How many, and how fast: a command that is late is sent at once.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) commands: u64,
    pub(crate) per_second: f64,
}

/// One answered command.
#[derive(Clone, Copy)]
pub(crate) struct Commit {
    pub(crate) sent: Instant,
    /// When its answer was read; where there is none, or a flood's is not told, when it was sent.
    pub(crate) answered: Instant,
    /// From `X-Offset`; 0 where there is none.
    pub(crate) offset: u64,
}

pub(crate) type Publishing = JoinHandle<Result<Vec<Commit>>>;

/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(60);
/// Longest flood.
const FLOOD: Duration = Duration::from_secs(120);

/// A command a request.
pub(crate) fn over_http(
    address: SocketAddr,
    pace: Pace,
    mut request: impl FnMut(&mut Vec<u8>) + Send + 'static,
) -> Publishing {
    thread::spawn(move || {
        let mut stream = connect(address)?;
        let (mut bytes, mut answer) = (Vec::new(), Vec::new());
        pace.keep(|| {
            bytes.clear();
            request(&mut bytes);
            let sent = Instant::now();
            stream.write_all(&bytes)?;
            let offset = read_answer(&mut stream, &mut answer)?;
            Ok(Commit {
                sent,
                answered: Instant::now(),
                offset,
            })
        })
    })
}

/// So many commands as fast as they are answered, over many connections. Which offset is whose is not told.
pub(crate) fn flood(
    address: SocketAddr,
    connections: usize,
    commands: u64,
    mut request: impl FnMut(&mut Vec<u8>) + Send + 'static,
) -> Publishing {
    thread::spawn(move || {
        let sent = Instant::now();
        let mut left = commands;
        let requests = Box::new(move |bytes: &mut Vec<u8>| {
            let more = left > 0;
            if more {
                left -= 1;
                request(bytes);
            }
            more
        });
        let taken = load::drive(address, connections, FLOOD, requests)?;
        taken.all_answered()?;
        ensure!(taken.answers == commands, "the flood took too long");
        let commit = Commit {
            sent,
            answered: sent,
            offset: 0,
        };
        Ok(vec![commit; taken.answers as usize])
    })
}

/// The same message again and again, in the floor's own words.
pub(crate) fn over_raw(address: SocketAddr, pace: Pace, message: &[u8]) -> Publishing {
    let mut bytes = (message.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(message);
    thread::spawn(move || {
        let mut stream = connect(address)?;
        stream.write_all(PUBLISH)?;
        pace.keep(|| {
            let sent = Instant::now();
            stream.write_all(&bytes)?;
            Ok(Commit {
                sent,
                answered: sent,
                offset: 0,
            })
        })
    })
}

/// Waits for the end of it.
pub(crate) fn finish(publishing: Publishing) -> Result<Vec<Commit>> {
    publishing
        .join()
        .map_err(|_| anyhow!("the publisher panicked"))?
        .context("publishing")
}

impl Pace {
    /// Each when the one before is answered.
    pub(crate) const fn as_fast_as_it_goes(commands: u64) -> Self {
        Self {
            commands,
            per_second: f64::INFINITY,
        }
    }

    pub(crate) fn of(per_second: f64, within: Duration) -> Self {
        Self {
            commands: (per_second * within.as_secs_f64()).ceil() as u64,
            per_second,
        }
    }

    fn keep(self, mut command: impl FnMut() -> Result<Commit>) -> Result<Vec<Commit>> {
        let started = Instant::now();
        let mut commits = Vec::new();
        for number in 0..self.commands {
            let due = Duration::from_secs_f64(number as f64 / self.per_second);
            thread::sleep(due.saturating_sub(started.elapsed()));
            commits.push(command()?);
        }
        Ok(commits)
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER))?;
    Ok(stream)
}

/// Reads one answer, which must be a 2xx, and returns its offset.
fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<u64> {
    answer.clear();
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = stream.read(&mut buffer)?;
        ensure!(length > 0, "the server closed the publisher's connection");
        answer.extend_from_slice(&buffer[..length]);
        let whole = match end_of_answer(answer)? {
            None => false,
            Some(End::At(end)) => answer.len() >= end,
            Some(End::LastChunk) => answer.ends_with(b"0\r\n\r\n"),
        };
        if whole {
            break;
        }
    }
    let text = String::from_utf8_lossy(answer);
    ensure!(text.starts_with("HTTP/1.1 2"), "refused: {text}");
    let offset = text
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("x-offset"))
        .map_or(Ok(0), |(_, value)| value.trim().parse())?;
    Ok(offset)
}
