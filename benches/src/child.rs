//! One child process: started, asked what it uses, and ended by its id, also when a measurement fails.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Resource, Signal, kill_process};

pub(crate) struct Child {
    name: String,
    process: std::process::Child,
    talk: PathBuf,
}

/// How often a child that should answer or end is looked at.
const POLL: Duration = Duration::from_millis(2);
/// How long a child that was asked to end may take.
const STOP: Duration = Duration::from_secs(30);

impl Child {
    /// Starts the command; what it says goes to `talk`.
    pub(crate) fn start(name: &str, command: &mut Command, talk: &Path) -> Result<Self> {
        let out = File::create(talk).with_context(|| format!("cannot write {}", talk.display()))?;
        let process = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            process,
            talk: talk.to_owned(),
        })
    }

    /// Waits until `ready` says so; an end of the child or `within` is an error with its last words.
    pub(crate) fn wait_until(&mut self, within: Duration, ready: impl Fn() -> bool) -> Result<()> {
        let started = Instant::now();
        while !ready() {
            if let Some(status) = self.process.try_wait()? {
                bail!("{} ended with {status}: {}", self.name, self.last_words());
            }
            if started.elapsed() > within {
                bail!(
                    "{} was not ready within {within:?}: {}",
                    self.name,
                    self.last_words()
                );
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// User and system time used so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.id())
    }

    /// Resident memory, bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
            .context("no VmRSS")?;
        Ok(kib * 1024)
    }

    /// SIGKILL: the process gets no chance to tidy.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// SIGTERM, and a wait until it has ended.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let id = Pid::from_child(&self.process);
        kill_process(id, Signal::TERM)?;
        let started = Instant::now();
        while self.process.try_wait()?.is_none() {
            if started.elapsed() > STOP {
                self.kill()?;
                bail!("{} did not stop within {STOP:?} and was killed", self.name);
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let said = fs::read_to_string(&self.talk).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" | ")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None))
            && let Err(error) = self.kill()
        {
            eprintln!("cannot end {}: {error}", self.name);
        }
    }
}

/// User and system time of any process, in seconds.
pub(crate) fn cpu_seconds(id: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The second field is the command in brackets and may hold spaces: count from its end.
    let after = stat.rsplit_once(") ").context("unreadable /proc stat")?.1;
    let ticks: u64 = after
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|word| word.parse::<u64>().ok())
        .sum();
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Lets this process and its children open as many files as the system allows at most.
pub(crate) fn raise_open_files() -> Result<()> {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(Resource::Nofile, limit)?;
    Ok(())
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

pub(crate) fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}
