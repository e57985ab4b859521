//! The kill test: clients send random commands to the real program and keep their own ledger of what
//! was acknowledged; the program is struck down at random moments, started again, and the log and the
//! views are held against the ledgers. A blow is a SIGKILL, or the power cut of a small disk.
//!
//! `DOORBOOK_KILLS`, `DOORBOOK_CUTS` and `DOORBOOK_SEED` set how many of each and where chance begins.

mod chance;
mod driver;
mod oracle;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;

use crate::{
    disk::{Cut, LoopDisk},
    durability::can_trace,
    process::{Client, Process},
};
use chance::Chance;
use driver::{Acked, Ledger, World};
use oracle::{Oracle, event_offset};

const KILLS: u64 = 100;
const CUTS: u64 = 3;
const CLIENTS: u64 = 4;
/// The whole log and every participant are read again after so many blows, and at the end.
const WHOLE_CHECK_EVERY: u64 = 10;
/// Acknowledged commands that are sent again after each blow.
const RETRIES: usize = 10;
/// Longest time from start of traffic, or of the process, to the blow.
const TRAFFIC_MS: u64 = 160;
const OPENING_MS: u64 = 80;
const DISK_MIB: u64 = 256;
/// Offset that must be acknowledged before a loss is to be found out.
const ENOUGH_TO_LOSE: u64 = 20;
/// A server whose syncs succeed and do nothing.
const NO_SYNC: &[&str] = &[
    "strace",
    "-f",
    "-o",
    "/dev/null",
    "-e",
    "trace=fdatasync,fsync,sync_file_range",
    "-e",
    "inject=fdatasync,fsync,sync_file_range:retval=0",
];

#[test]
fn what_was_acknowledged_survives_kills_at_any_moment() {
    let kills = number("DOORBOOK_KILLS").unwrap_or(KILLS);
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let data = dir.path().join("data");
    let mut trial = Trial::begin(&data);
    for blow in 1..=kills {
        trial.round(blow, |process| process.kill());
    }
    trial.end();
}

#[test]
fn what_was_acknowledged_survives_power_cuts() {
    let asked = number("DOORBOOK_CUTS");
    let mut disk = match LoopDisk::create(DISK_MIB) {
        Ok(disk) => disk,
        Err(reason) if asked.unwrap_or(0) == 0 => {
            println!("not run: {reason}");
            return;
        }
        Err(reason) => panic!("DOORBOOK_CUTS was asked for, and there is no disk to cut: {reason}"),
    };
    let data = disk.path().join("data");
    let mut trial = Trial::begin(&data);
    for blow in 1..=asked.unwrap_or(CUTS) {
        let cut = if blow % 3 == 0 {
            Cut::LogFlushed
        } else {
            Cut::NothingFlushed
        };
        trial.round(blow, |process| {
            disk.cut(cut).unwrap();
            process.kill();
            disk.unmount().unwrap();
            disk.mount().unwrap();
        });
    }
    trial.end();
    disk.unmount().unwrap();
}

/// The judge judged: where a sync does nothing, a power cut has to be found out.
#[test]
fn a_server_whose_syncs_do_nothing_is_found_out() {
    let mut disk = match LoopDisk::create(DISK_MIB) {
        Ok(disk) if can_trace() => disk,
        Ok(_) => return println!("not run: strace is not installed or may not trace here"),
        Err(reason) => return println!("not run: {reason}"),
    };
    let data = disk.path().join("data");
    let mut trial = Trial::begin(&data);
    trial.wrapper = NO_SYNC;
    trial.round_of(Busy::Acknowledging, &mut Chance::new(1), false, |process| {
        disk.cut(Cut::NothingFlushed).unwrap();
        process.kill();
        disk.unmount().unwrap();
        disk.mount().unwrap();
    });
    trial.wrapper = &[];
    println!("the failure that follows is the one to be found:");
    let judged = catch_unwind(AssertUnwindSafe(|| trial.end()));
    assert!(
        judged.is_err(),
        "acknowledged events were lost, and nobody noticed"
    );
}

/// One data directory, all that was promised about it, and where chance stands.
struct Trial<'a> {
    data: &'a Path,
    /// What the server runs under.
    wrapper: &'static [&'static str],
    chance: Chance,
    world: World,
    oracle: Oracle,
    ledger: Ledger,
}

/// What the server is busy with when it is struck down, beside the clients.
#[derive(Debug, Clone, Copy)]
enum Busy {
    Opening,
    Commands,
    /// Commands, until some of them have been acknowledged.
    Acknowledging,
    Importing,
    Rebuilding,
}

impl<'a> Trial<'a> {
    fn begin(data: &'a Path) -> Self {
        let seed = number("DOORBOOK_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 20);
        println!("DOORBOOK_SEED={seed}");
        std::fs::create_dir_all(data).unwrap();
        let process = Process::start(data);
        let gatherings = ["Evening", "Matinee"].map(|name| process.client().create_gathering(name));
        process.kill();
        Self {
            data,
            wrapper: &[],
            chance: Chance::new(seed),
            world: World::new(gatherings.to_vec()),
            oracle: Oracle::default(),
            ledger: Ledger::default(),
        }
    }

    /// A start, a check of what was before, some traffic, and a blow.
    fn round(&mut self, blow: u64, strike: impl FnOnce(Process)) {
        let mut chance = self.chance.branch(blow);
        let busy = match chance.below(10) {
            0 | 1 => Busy::Opening,
            2 => Busy::Importing,
            3 => Busy::Rebuilding,
            _ => Busy::Commands,
        };
        let whole = blow.is_multiple_of(WHOLE_CHECK_EVERY);
        let acked = self.round_of(busy, &mut chance, whole, strike);
        println!("blow {blow} while {busy:?}: {acked} acknowledged");
    }

    fn round_of(
        &mut self,
        busy: Busy,
        chance: &mut Chance,
        whole: bool,
        strike: impl FnOnce(Process),
    ) -> usize {
        let mut process = Process::spawn_under(self.wrapper, self.data);
        if matches!(busy, Busy::Opening) {
            pass(chance.below(OPENING_MS));
            strike(process);
            return 0;
        }
        process.wait_ready();
        self.check(&process.client(), chance, whole);
        self.traffic(process, busy, chance, strike);
        self.ledger.acked.len()
    }

    /// Clients and blow at once: the clients stop when the server no longer answers.
    fn traffic(
        &mut self,
        process: Process,
        busy: Busy,
        chance: &mut Chance,
        strike: impl FnOnce(Process),
    ) {
        let (world, address) = (&self.world, process.address);
        let (ledger, stop) = (Mutex::new(&mut self.ledger), AtomicBool::new(false));
        let moment = chance.below(TRAFFIC_MS);
        thread::scope(|scope| {
            for number in 1..=CLIENTS {
                let mut chance = chance.branch(number);
                let (ledger, stop) = (&ledger, &stop);
                scope.spawn(move || {
                    let kept = world.send_commands(&Client::new(address), &mut chance, stop);
                    ledger.lock().unwrap().merge(kept);
                });
            }
            let mut chance = chance.branch(0);
            let ledger = &ledger;
            match busy {
                Busy::Importing => {
                    scope.spawn(move || {
                        let kept = world.import(&Client::new(address), &mut chance);
                        ledger.lock().unwrap().merge(kept);
                    });
                }
                Busy::Rebuilding => {
                    scope.spawn(move || rebuild(&Client::new(address)));
                }
                Busy::Opening | Busy::Commands | Busy::Acknowledging => {}
            }
            pass(moment);
            while matches!(busy, Busy::Acknowledging) && world.acked_up_to() < ENOUGH_TO_LOSE {
                pass(1);
            }
            strike(process);
            stop.store(true, Ordering::Relaxed);
        });
    }

    /// Everything promised since the last check is kept; retries change nothing; views agree.
    fn check(&mut self, client: &Client, chance: &mut Chance, whole: bool) {
        let ledger = std::mem::take(&mut self.ledger);
        self.oracle.read_on(client);
        for acked in &ledger.acked {
            self.oracle.check_acked(acked);
        }
        for import in &ledger.imports_acked {
            self.oracle.check_imported(&import.codes);
        }
        for _ in 0..RETRIES.min(ledger.acked.len()) {
            if let Some(acked) = chance.pick(&ledger.acked) {
                self.retry_acked(client, acked);
            }
        }
        self.settle_unknown(client, &ledger);
        for gathering in &self.world.gatherings {
            self.oracle.check_counts(client, gathering);
            if whole {
                self.oracle.check_participants(client, gathering);
            }
        }
        if whole {
            self.oracle.read_again(client);
        }
    }

    /// The same command again gives the same answer and no event.
    fn retry_acked(&mut self, client: &Client, acked: &Acked) {
        let head = self.oracle.head();
        let again = self.world.send(client, &acked.sent);
        let again = again.unwrap_or_else(|open| panic!("{open:?}, sent again: {acked:?}"));
        if event_offset(acked).is_none() {
            // Refused without an event: nothing was promised, and by now the answer may be another.
            self.oracle.read_on(client);
            return;
        }
        let (before, now) = (acked.answer.json(), again.answer.json());
        assert_eq!(
            again.answer.status, acked.answer.status,
            "{acked:?}\n{again:?}"
        );
        assert_eq!(
            again.answer.offset, acked.answer.offset,
            "{acked:?}\n{again:?}"
        );
        if let Some(replayed) = now.get("replayed") {
            assert_eq!(*replayed, json!(true), "{again:?}");
        }
        for field in [
            "outcome",
            "code",
            "action",
            "timestamp",
            "occupancy",
            "previous",
            "warnings",
        ] {
            assert_eq!(
                now.get(field),
                before.get(field),
                "{field}: {acked:?}\n{again:?}"
            );
        }
        self.oracle.read_on(client);
        assert_eq!(self.oracle.head(), head, "a retry made an event: {acked:?}");
    }

    /// A command whose outcome is open is in the log once or not at all; sent again, it is in once.
    fn settle_unknown(&mut self, client: &Client, ledger: &Ledger) {
        for sent in &ledger.unknown {
            let before = self.oracle.offset_of(sent);
            let acked = self.world.send(client, sent);
            let acked = acked.unwrap_or_else(|open| panic!("{open:?}, sent again: {sent:?}"));
            self.oracle.read_on(client);
            self.oracle.check_acked(&acked);
            if before.is_some() {
                assert_eq!(acked.answer.offset, before, "{acked:?}");
                assert_ne!(acked.answer.json()["replayed"], json!(false), "{acked:?}");
            }
        }
        for import in &ledger.imports_unknown {
            let answer = self.world.send_import(client, import).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text);
            self.oracle.read_on(client);
            self.oracle.check_imported(&import.codes);
        }
    }

    fn end(mut self) {
        let process = Process::start(self.data);
        let mut chance = self.chance.clone();
        self.check(&process.client(), &mut chance, true);
        println!("{} events, every promise kept", self.oracle.head());
    }
}

/// Asks for rebuilds until the server no longer answers.
fn rebuild(client: &Client) {
    let views = ["participants", "dashboard"];
    while views.iter().all(|view| {
        let path = format!("/api/admin/projections/{view}/rebuild/");
        client
            .post(&path, None, &json!({}))
            .is_ok_and(|answer| answer.status < 500)
    }) {}
}

/// Lets time pass until the blow. The moment is the one thing here that no event announces.
fn pass(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable)
        .ok()
        .filter(|text| !text.is_empty())?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} must be a number, not {text}")),
    )
}
