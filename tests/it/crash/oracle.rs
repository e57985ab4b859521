//! The judge: what the log must hold after a blow, told only from the ledgers of the clients, and what
//! the views must say, told by a fold of the log written here and nowhere else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::driver::{Acked, Kind, Sent};
use crate::process::Client;

/// The log as it was read so far, and what follows from it.
#[derive(Default)]
pub(super) struct Oracle {
    entries: Vec<Value>,
    /// Offset of each command that carries an id in the log; one appears at most once.
    by_command: HashMap<String, u64>,
    people: BTreeMap<String, Person>,
    last_recorded_at: Option<String>,
}

#[derive(Debug, Default)]
struct Person {
    gathering: String,
    /// Scans that count: offset, and whether it led inside.
    scans: Vec<(u64, bool)>,
    cancelled: bool,
}

/// Fields of an entry that later events may change.
const CHANGING: &[&str] = &["undone_by"];

impl Oracle {
    pub(super) fn head(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Reads on from where it stopped.
    pub(super) fn read_on(&mut self, client: &Client) {
        for entry in client.log_after(self.head()) {
            self.apply(entry);
        }
    }

    /// Reads the whole log again: nothing that was seen before may differ.
    pub(super) fn read_again(&self, client: &Client) {
        let again = client.log_after(0);
        assert_eq!(
            again.len(),
            self.entries.len(),
            "the log has another length"
        );
        for (before, now) in self.entries.iter().zip(&again) {
            assert_eq!(unchanging(before), unchanging(now), "an event was changed");
        }
    }

    /// Offset at which the command is in the log already.
    pub(super) fn offset_of(&self, sent: &Sent) -> Option<u64> {
        self.by_command.get(&sent.id).copied()
    }

    /// Every acknowledged answer has its event, at its offset, and the event says the same.
    pub(super) fn check_acked(&self, acked: &Acked) {
        let (sent, answer) = (&acked.sent, &acked.answer);
        let body = answer.json();
        let Some(offset) = event_offset(acked) else {
            let found = self.offset_of(sent);
            assert!(
                found.is_none(),
                "refused without an event, yet in the log: {acked:?} at {found:?}"
            );
            return;
        };
        let index = usize::try_from(offset).unwrap() - 1;
        let entry = self.entries.get(index).unwrap_or_else(|| {
            panic!("lost: {acked:?}; the log ends at {}", self.head());
        });
        assert_eq!(
            entry["event_pax_id"],
            sent.code.as_str(),
            "another event at {offset}: {acked:?}"
        );
        let wanted = expected_type(acked, &body);
        assert_eq!(
            entry["type"], wanted,
            "another event at {offset}: {acked:?}\n{entry}"
        );
        if wanted == "scan_refused" {
            assert_eq!(
                entry["code"], body["code"],
                "another refusal at {offset}: {acked:?}"
            );
        }
        if let Some(found) = self.offset_of(sent) {
            assert_eq!(found, offset, "the command is at another offset: {acked:?}");
        }
        if body["replayed"] != true {
            assert!(
                offset > sent.floor,
                "before what was acknowledged earlier: {acked:?}"
            );
        }
    }

    /// All of them are registered. [`Self::apply`] has seen to it that none is twice.
    pub(super) fn check_imported(&self, codes: &[String]) {
        for code in codes {
            assert!(self.people.contains_key(code), "imported and lost: {code}");
        }
    }

    /// The counts of a gathering are those of the fold.
    pub(super) fn check_counts(&self, client: &Client, gathering: &str) {
        let answer = client
            .get_from(&format!("/api/events/{gathering}/"), self.head())
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        let row = answer.json();
        let people = || {
            self.people
                .values()
                .filter(|person| person.gathering == gathering)
        };
        let registered = people().filter(|person| !person.cancelled).count();
        let entered = people().filter(|person| person.entries() > 0).count();
        let inside = people().filter(|person| person.is_inside()).count();
        assert_eq!(row["participant_count"], registered, "{row}");
        assert_eq!(row["checked_in_count"], entered, "{row}");
        assert_eq!(row["inside_count"], inside, "{row}");
    }

    /// Each participant of a gathering is as the fold has them.
    pub(super) fn check_participants(&self, client: &Client, gathering: &str) {
        let mut seen = BTreeSet::new();
        let mut after = String::new();
        loop {
            let path = format!("/api/events/{gathering}/participants/?limit=1000{after}");
            let answer = client.get_from(&path, self.head()).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text);
            let page = answer.json();
            for shown in page["results"].as_array().unwrap() {
                let code = shown["event_pax_id"].as_str().unwrap();
                let person = &self.people[code];
                assert_eq!(person.gathering, gathering, "{shown}");
                assert_eq!(
                    shown["checked_in"],
                    person.is_inside(),
                    "{person:?}\n{shown}"
                );
                assert_eq!(shown["entries"], person.entries(), "{person:?}\n{shown}");
                assert_eq!(shown["status"] == "cancelled", person.cancelled, "{shown}");
                assert!(seen.insert(code.to_owned()), "twice in the list: {code}");
            }
            match &page["next"] {
                Value::Null => break,
                Value::String(next) => after = format!("&after={next}"),
                next => after = format!("&after={next}"),
            }
        }
        let all = self
            .people
            .values()
            .filter(|person| person.gathering == gathering)
            .count();
        assert_eq!(seen.len(), all, "the list lacks somebody");
    }

    fn apply(&mut self, entry: Value) {
        let offset = entry["offset"].as_u64().unwrap();
        assert_eq!(offset, self.head() + 1, "offsets have a gap");
        let recorded_at = entry["recorded_at"].as_str().unwrap();
        let moment = chrono::DateTime::parse_from_rfc3339(recorded_at).unwrap();
        if let Some(last) = &self.last_recorded_at {
            let last = chrono::DateTime::parse_from_rfc3339(last).unwrap();
            assert!(moment >= last, "time runs backwards at {offset}");
        }
        self.last_recorded_at = Some(recorded_at.to_owned());
        if let Some(id) = entry["scan_id"].as_str() {
            let before = self.by_command.insert(id.to_owned(), offset);
            assert!(
                before.is_none(),
                "command {id} is at {before:?} and at {offset}"
            );
        }
        self.apply_to_person(&entry, offset);
        self.entries.push(entry);
    }

    fn apply_to_person(&mut self, entry: &Value, offset: u64) {
        let Some(code) = entry["event_pax_id"].as_str() else {
            return;
        };
        let gathering = entry["event_id"].as_str().unwrap();
        let kind = entry["type"].as_str().unwrap();
        if kind == "participant_registered" {
            let person = Person {
                gathering: gathering.to_owned(),
                ..Person::default()
            };
            let before = self.people.insert(code.to_owned(), person);
            assert!(
                before.is_none(),
                "{code} is registered twice, again at {offset}"
            );
            return;
        }
        let person = self
            .people
            .get_mut(code)
            .unwrap_or_else(|| panic!("{code} was never registered"));
        match kind {
            "participant_checked_in" => person.scans.push((offset, true)),
            "participant_checked_out" => person.scans.push((offset, false)),
            "scan_undone" => {
                let undone = entry["undoes"].as_u64().unwrap();
                person.scans.retain(|(scan, _)| *scan != undone);
            }
            "registration_cancelled" => person.cancelled = true,
            "scan_refused" => {}
            other => panic!("an event nobody asked for at {offset}: {other}"),
        }
    }
}

impl Person {
    fn is_inside(&self) -> bool {
        self.scans.last().is_some_and(|(_, inside)| *inside)
    }

    fn entries(&self) -> usize {
        self.scans.iter().filter(|(_, inside)| *inside).count()
    }
}

/// Where the answer says its event is. (The header is there without one, too: it says what the answer
/// has seen.)
pub(super) fn event_offset(acked: &Acked) -> Option<u64> {
    acked
        .answer
        .offset
        .filter(|_| expects_event(acked, &acked.answer.json()))
}

/// Admissions and refusals of known people are events; other refusals are not.
fn expects_event(acked: &Acked, body: &Value) -> bool {
    match acked.sent.kind {
        Kind::Register => acked.answer.status == 201,
        Kind::Undo | Kind::Cancel => acked.answer.status == 200,
        Kind::CheckIn | Kind::CheckOut | Kind::Scan => {
            matches!(acked.answer.status, 200 | 409) && body["code"] != "unknown_code"
        }
    }
}

fn expected_type(acked: &Acked, body: &Value) -> &'static str {
    match acked.sent.kind {
        Kind::Register => "participant_registered",
        Kind::Undo => "scan_undone",
        Kind::Cancel => "registration_cancelled",
        Kind::CheckIn | Kind::CheckOut | Kind::Scan => match body["outcome"].as_str() {
            Some("admitted") => "participant_checked_in",
            Some("exited") => "participant_checked_out",
            _ => "scan_refused",
        },
    }
}

fn unchanging(entry: &Value) -> Value {
    let mut entry = entry.clone();
    for field in CHANGING {
        entry[*field] = Value::Null;
    }
    entry
}
