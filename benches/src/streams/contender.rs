//! A server with its readers connected and a way to make it speak: what takes turns with others under
//! the same load.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};

use crate::{
    Plan,
    child::Child,
    door::Door,
    doorbook_server::Doorbook,
    frames,
    origin::Origin,
    plain_axum::{self, PlainAxum},
    publisher::{self, Commit, Pace, Publishing},
    raw_fanout::{self, RawFanout},
    readers::{Delivery, Readers, Speaks},
};

/// Longest wait for what is still under way when the last command has been answered.
const LAST_DELIVERIES: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(20);

/// A server that can be loaded.
pub(super) trait Server {
    fn cpu_seconds(&self) -> Result<f64>;
    fn publish(&self, pace: Pace) -> Publishing;
}

pub(super) struct Contender<S> {
    pub(super) server: S,
    pub(super) readers: Readers,
}

/// What turns have cost so far.
#[derive(Default)]
pub(super) struct Spent {
    pub(super) deliveries: u64,
    pub(super) bytes: u64,
    pub(super) cpu_seconds: f64,
    pub(super) commits: Vec<Commit>,
}

impl<S: Server> Contender<S> {
    /// Publishes at the pace and reads until every reader has everything. The CPU is the server's over
    /// all of that, commands included.
    pub(super) fn turn(&mut self, pace: Pace, mut note: impl FnMut(&Delivery)) -> Result<Spent> {
        self.readers.turn(Duration::ZERO, &mut |_| {})?;
        let (deliveries, bytes) = (self.readers.heard.deliveries, self.readers.heard.bytes);
        let before = self.server.cpu_seconds()?;
        let publishing = self.server.publish(pace);
        while !publishing.is_finished() {
            self.readers.turn(TICK, &mut note)?;
        }
        let commits = publisher::finish(publishing)?;
        let all = deliveries + commits.len() as u64 * self.readers.len() as u64;
        self.readers
            .until(LAST_DELIVERIES, |heard| heard.deliveries >= all, &mut note)
            .context("waiting for the last deliveries")?;
        Ok(Spent {
            deliveries: self.readers.heard.deliveries - deliveries,
            bytes: self.readers.heard.bytes - bytes,
            cpu_seconds: self.server.cpu_seconds()? - before,
            commits,
        })
    }
}

impl Spent {
    pub(super) fn add(&mut self, other: Self) {
        self.deliveries += other.deliveries;
        self.bytes += other.bytes;
        self.cpu_seconds += other.cpu_seconds;
        self.commits.extend(other.commits);
    }

    pub(super) fn micros_each(&self) -> f64 {
        self.counted_cpu_seconds() * 1e6 / self.deliveries as f64
    }

    pub(super) fn per_cpu_second(&self) -> f64 {
        self.deliveries as f64 / self.counted_cpu_seconds()
    }

    /// The system counts in ticks: less than one, as in a quick run, cannot be told from one.
    fn counted_cpu_seconds(&self) -> f64 {
        let tick = 1.0 / rustix::param::clock_ticks_per_second() as f64;
        self.cpu_seconds.max(tick)
    }

    pub(super) fn bytes_each(&self) -> f64 {
        self.bytes as f64 / self.deliveries as f64
    }
}

/// doorbook with one gathering.
pub(super) struct AtTheDoor {
    pub(super) doorbook: Doorbook,
    pub(super) door: Door,
    /// 1: scans keep to a pace and their offsets are known; more: a flood.
    pub(super) connections: usize,
}

impl AtTheDoor {
    pub(super) fn open(plan: &Plan, name: &str, people: u64) -> Result<Self> {
        let mut doorbook = Doorbook::start_empty(&plan.dir.join(name))?;
        let door = doorbook.open_gathering(people)?;
        Ok(Self {
            doorbook,
            door,
            connections: 1,
        })
    }

    /// The request of a stream that starts there.
    pub(super) fn stream(&self, from: &str) -> Vec<u8> {
        frames::upgrade(&self.door.stream_path(from), &self.doorbook.token)
    }

    /// So many readers that start now.
    pub(super) fn readers(&self, count: usize) -> Result<Readers> {
        let mut readers = Readers::new(Speaks::Doorbook)?;
        readers.connect(count, self.doorbook.address, &self.stream("latest"))?;
        Ok(readers)
    }
}

impl Server for AtTheDoor {
    fn cpu_seconds(&self) -> Result<f64> {
        self.doorbook.child.cpu_seconds()
    }

    fn publish(&self, pace: Pace) -> Publishing {
        let (address, door) = (self.doorbook.address, self.door.clone());
        let request = move |request: &mut Vec<u8>| door.one(request);
        if self.connections == 1 {
            publisher::over_http(address, pace, request)
        } else {
            publisher::flood(address, self.connections, pace.commands, request)
        }
    }
}

impl Server for Origin {
    fn cpu_seconds(&self) -> Result<f64> {
        self.cpu_seconds()
    }

    fn publish(&self, pace: Pace) -> Publishing {
        publisher::over_http(self.address(), pace, self.check_ins())
    }
}

/// A peer that sends on what it is given.
pub(super) struct Repeating<P> {
    peer: P,
    message: Vec<u8>,
}

impl Server for Repeating<RawFanout> {
    fn cpu_seconds(&self) -> Result<f64> {
        self.peer.child.cpu_seconds()
    }

    fn publish(&self, pace: Pace) -> Publishing {
        publisher::over_raw(self.peer.address, pace, &self.message)
    }
}

impl Server for Repeating<PlainAxum> {
    fn cpu_seconds(&self) -> Result<f64> {
        self.peer.child.cpu_seconds()
    }

    fn publish(&self, pace: Pace) -> Publishing {
        let mut post = format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            plain_axum::PUBLISH_PATH,
            self.message.len()
        )
        .into_bytes();
        post.extend_from_slice(&self.message);
        publisher::over_http(self.peer.address, pace, move |request| {
            request.extend_from_slice(&post);
        })
    }
}

impl Repeating<PlainAxum> {
    pub(super) fn child(&self) -> &Child {
        &self.peer.child
    }

    pub(super) fn connect(&self, readers: &mut Readers, count: usize) -> Result<()> {
        readers.connect(
            count,
            self.peer.address,
            &frames::upgrade(plain_axum::STREAM_PATH, "none"),
        )
    }
}

/// The floor, with readers, repeating a message.
pub(super) fn raw_fanout(
    dir: &Path,
    message: &[u8],
    count: usize,
) -> Result<Contender<Repeating<RawFanout>>> {
    let peer = raw_fanout::start(dir)?;
    let mut readers = Readers::new(Speaks::Greeting)?;
    readers.connect(count, peer.address, raw_fanout::SUBSCRIBE)?;
    let message = message.to_vec();
    Ok(Contender {
        server: Repeating { peer, message },
        readers,
    })
}

/// The plain server, with no readers yet.
pub(super) fn plain_axum(dir: &Path, message: &[u8]) -> Result<Contender<Repeating<PlainAxum>>> {
    let server = Repeating {
        peer: plain_axum::start(dir)?,
        message: message.to_vec(),
    };
    Ok(Contender {
        server,
        readers: Readers::new(Speaks::Greeting)?,
    })
}
