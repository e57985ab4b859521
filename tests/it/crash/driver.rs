//! The clients: they send random commands until the server is struck down, and write into a ledger of
//! their own what was acknowledged and what was left open. Nothing here judges.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use serde_json::{Value, json};

use super::chance::Chance;
use crate::process::{Answer, Client, person};

/// People put in by one import.
const IMPORT_LINES: u64 = 60;

/// What a command is, so that a retry is the same command and the log can be asked about it.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) kind: Kind,
    /// Its `scan_id` or `Idempotency-Key`.
    pub(super) id: String,
    pub(super) code: String,
    path: String,
    body: Value,
    /// Highest offset that had been acknowledged to anybody when it was sent: its own is above.
    pub(super) floor: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Register,
    CheckIn,
    CheckOut,
    Scan,
    Undo,
    Cancel,
}

#[derive(Debug, Clone)]
pub(super) struct Acked {
    pub(super) sent: Sent,
    pub(super) answer: Answer,
}

/// An outcome that is open: the command may be in the log or not.
#[derive(Debug)]
pub(super) enum Open {
    NoAnswer(#[expect(dead_code, reason = "said when a check fails")] String),
    /// A 5xx, which promises nothing.
    Unpromised(#[expect(dead_code, reason = "said when a check fails")] Answer),
}

/// A whole file, sent at once.
#[derive(Debug, Clone)]
pub(super) struct Import {
    gathering: String,
    pub(super) codes: Vec<String>,
}

/// What happened between two blows.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) acked: Vec<Acked>,
    /// No answer, or one that promises nothing (5xx).
    pub(super) unknown: Vec<Sent>,
    pub(super) imports_acked: Vec<Import>,
    pub(super) imports_unknown: Vec<Import>,
}

/// What all clients know.
pub(super) struct World {
    pub(super) gatherings: Vec<String>,
    /// Code and gathering of everybody whose registration was acknowledged.
    people: Mutex<Vec<(String, String)>>,
    acked_floor: AtomicU64,
    serial: AtomicU64,
}

impl World {
    pub(super) fn new(gatherings: Vec<String>) -> Self {
        Self {
            gatherings,
            people: Mutex::default(),
            acked_floor: AtomicU64::new(0),
            serial: AtomicU64::new(0),
        }
    }

    /// Highest offset that was acknowledged to anybody.
    pub(super) fn acked_up_to(&self) -> u64 {
        self.acked_floor.load(Ordering::SeqCst)
    }

    /// Sends commands one after another until the server no longer answers or `stop` is set.
    pub(super) fn send_commands(
        &self,
        client: &Client,
        chance: &mut Chance,
        stop: &AtomicBool,
    ) -> Ledger {
        let mut ledger = Ledger::default();
        while !stop.load(Ordering::Relaxed) {
            // Now and then what was just acknowledged comes again, as from a scanner with a bad net.
            let again = if chance.below(10) == 0 {
                chance.pick(&ledger.acked).cloned()
            } else {
                None
            };
            let sent = again.map_or_else(|| self.random_command(chance), |acked| acked.sent);
            match self.send(client, &sent) {
                Ok(acked) => ledger.acked.push(acked),
                Err(open) => {
                    ledger.unknown.push(sent);
                    if matches!(open, Open::NoAnswer(_)) {
                        break;
                    }
                }
            }
        }
        ledger
    }

    /// Sends it, for the first time or again.
    pub(super) fn send(&self, client: &Client, sent: &Sent) -> Result<Acked, Open> {
        let key = (!sent.kind.carries_scan_id()).then_some(sent.id.as_str());
        let answer = client
            .post(&sent.path, key, &sent.body)
            .map_err(Open::NoAnswer)?;
        if answer.status >= 500 {
            return Err(Open::Unpromised(answer));
        }
        if let Some(offset) = answer.offset {
            self.acked_floor.fetch_max(offset, Ordering::SeqCst);
        }
        if sent.kind == Kind::Register && answer.status == 201 {
            let gathering = sent.path.split('/').nth(3).unwrap().to_owned();
            self.people
                .lock()
                .unwrap()
                .push((sent.code.clone(), gathering));
        }
        Ok(Acked {
            sent: sent.clone(),
            answer,
        })
    }

    /// Imports a file of new people. The ledger says whether it was acknowledged.
    pub(super) fn import(&self, client: &Client, chance: &mut Chance) -> Ledger {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let import = Import {
            gathering: chance.pick(&self.gatherings).unwrap().clone(),
            codes: (0..IMPORT_LINES)
                .map(|line| format!("I{serial}-{line}"))
                .collect(),
        };
        let mut ledger = Ledger::default();
        match self.send_import(client, &import) {
            Some(answer) if answer.status == 200 => ledger.imports_acked.push(import),
            _ => ledger.imports_unknown.push(import),
        }
        ledger
    }

    pub(super) fn send_import(&self, client: &Client, import: &Import) -> Option<Answer> {
        let lines: String = import
            .codes
            .iter()
            .map(|code| format!("{}\n", person(code)))
            .collect();
        client
            .post_ndjson(&format!("/api/events/{}/import/", import.gathering), &lines)
            .ok()
    }

    fn random_command(&self, chance: &mut Chance) -> Sent {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let kind = Kind::random(chance);
        let known = chance.pick(&self.people.lock().unwrap()).cloned();
        let (code, gathering) = match known {
            Some(known) if kind != Kind::Register => known,
            _ => (
                format!("K{serial}"),
                chance.pick(&self.gatherings).unwrap().clone(),
            ),
        };
        // Some tickets come to the wrong door, some were never sold.
        let door = if chance.below(8) == 0 {
            chance.pick(&self.gatherings).unwrap()
        } else {
            &gathering
        };
        let code = if kind == Kind::Scan && chance.below(12) == 0 {
            format!("X{serial}")
        } else {
            code
        };
        let id = format!("c{serial}");
        let (path, body) = kind.request(&id, &code, door, &gathering, chance);
        Sent {
            kind,
            id,
            code,
            path,
            body,
            floor: self.acked_up_to(),
        }
    }
}

impl Kind {
    fn random(chance: &mut Chance) -> Self {
        match chance.below(16) {
            0..=2 => Self::Register,
            3..=7 => Self::CheckIn,
            8..=10 => Self::CheckOut,
            11..=13 => Self::Scan,
            14 => Self::Undo,
            _ if chance.below(4) == 0 => Self::Cancel,
            _ => Self::CheckIn,
        }
    }

    const fn carries_scan_id(self) -> bool {
        matches!(self, Self::CheckIn | Self::CheckOut | Self::Scan)
    }

    fn request(
        self,
        id: &str,
        code: &str,
        door: &str,
        home: &str,
        chance: &mut Chance,
    ) -> (String, Value) {
        let participant = format!("/api/events/participants/{code}");
        let gate = chance.pick(&["north", "south", "stage"]).unwrap();
        match self {
            Self::Register => (format!("/api/events/{home}/register/"), person(code)),
            Self::CheckIn => (
                format!("{participant}/check-in/"),
                json!({"scan_id": id, "gate": gate}),
            ),
            Self::CheckOut => (
                format!("{participant}/check-out/"),
                json!({"scan_id": id, "gate": gate}),
            ),
            Self::Scan => {
                let direction = if chance.below(3) == 0 { "out" } else { "in" };
                let body =
                    json!({"code": code, "direction": direction, "scan_id": id, "gate": gate});
                (format!("/api/events/{door}/scan/"), body)
            }
            Self::Undo => (
                format!("{participant}/undo/"),
                json!({"reason": "pressed by mistake"}),
            ),
            Self::Cancel => (
                format!("{participant}/cancel/"),
                json!({"reason": "sent back"}),
            ),
        }
    }
}

impl Ledger {
    pub(super) fn merge(&mut self, other: Self) {
        self.acked.extend(other.acked);
        self.unknown.extend(other.unknown);
        self.imports_acked.extend(other.imports_acked);
        self.imports_unknown.extend(other.imports_unknown);
    }
}
