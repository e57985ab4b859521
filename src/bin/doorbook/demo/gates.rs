//! The demo's three gates: takes the crowd's steps to the server as scans, each gate with a steward's token
//! of its own, and tells what came back.

use std::time::Duration;

use doorbook::events::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    crowd::{Act, Answer, Step},
    narrator::{Mark, Narrator},
    people,
};
use crate::{
    failure::Failure,
    server::{self, Server},
};

const UNKNOWN_CODES: &[&str] = &[
    "4006381333931",
    "https://example.org/menu",
    "BOARDING-PASS-LH400",
];

pub(crate) struct Gate {
    pub(crate) name: &'static str,
    /// With the token of the steward who stands here.
    pub(crate) server: Server,
    /// The reader, new with every run of the demo.
    pub(crate) device: String,
    pub(crate) device_seq: u64,
}

pub(crate) struct Gates {
    pub(crate) gathering: String,
    pub(crate) gates: Vec<Gate>,
    pub(crate) supervisor: Server,
    pub(crate) guests: Vec<Guest>,
    pub(crate) foreign_codes: Vec<String>,
    /// How long the reader of an offline arrival had been without network.
    pub(crate) offline_seconds: i64,
    pub(crate) narrator: Narrator,
}

pub(crate) struct Guest {
    code: String,
    name: String,
    /// Has been inside before.
    known: bool,
    /// The last scan that was admitted or let out, and the gate it was sent from.
    last_scan: Option<(usize, Value)>,
}

impl Guest {
    pub(crate) fn numbered(prefix: &str, number: usize, known: bool) -> Self {
        let guest = people::guest(prefix, number);
        Self {
            code: guest.event_pax_id,
            name: format!("{} {}", guest.first_name, guest.last_name),
            known,
            last_scan: None,
        }
    }
}

impl Gates {
    /// Does the step at its gate and tells what is worth telling.
    pub(crate) fn perform(&mut self, step: Step) -> Result<Answer, Failure> {
        match step.act {
            Act::Arrive(guest) => self.arrive(step.gate, guest, json!({})),
            Act::OfflineArrival(guest) => {
                let happened = Timestamp::now().plus_seconds(-self.offline_seconds);
                self.arrive(
                    step.gate,
                    guest,
                    json!({"mode": "offline_fact", "occurred_at": happened}),
                )
            }
            Act::Leave(guest) => self.leave(step.gate, guest),
            Act::RepeatScan(guest) => self.repeat(guest),
            Act::CopiedTicket(guest) => self.copied(step.gate, guest),
            Act::TakeBack(guest) => self.take_back(guest),
            Act::Override(guest) => self.let_in_anyway(step.gate, guest),
            Act::UnknownTicket => {
                let code = UNKNOWN_CODES
                    [usize::try_from(step.at_ms).unwrap_or_default() % UNKNOWN_CODES.len()];
                self.strange(step.gate, code, "is no ticket")
            }
            Act::ForeignTicket => {
                let Some(code) = self.foreign_codes.first().cloned() else {
                    return Ok(Answer::Other);
                };
                self.foreign_codes.rotate_left(1);
                self.strange(step.gate, &code, "is a ticket of another gathering")
            }
        }
    }

    fn arrive(&mut self, gate: usize, guest: usize, extra: Value) -> Result<Answer, Failure> {
        let offline = extra.get("mode").is_some();
        let again = self.guests[guest].known;
        let answer = self.scan(gate, guest, "in", extra)?;
        let outcome = outcome_of(&answer);
        self.guests[guest].known |= outcome == Answer::Admitted;
        match &outcome {
            Answer::Admitted if offline => {
                let late = warnings(&answer);
                self.tell(
                    gate,
                    Mark::In,
                    guest,
                    &format!(
                        "scanned {} s ago without network, recorded now{late}",
                        self.offline_seconds
                    ),
                )?;
            }
            Answer::Admitted if again => self.tell_when_calm(
                gate,
                Mark::In,
                guest,
                &format!("is back{}", warnings(&answer)),
            )?,
            Answer::Admitted => {
                let warnings = warnings(&answer);
                if warnings.is_empty() {
                    self.tell_when_calm(gate, Mark::In, guest, "")?;
                } else {
                    self.tell(gate, Mark::In, guest, &warnings)?;
                }
            }
            Answer::Refused(code) => {
                self.tell(gate, Mark::Refused, guest, &refusal(code, &answer))?
            }
            Answer::Exited | Answer::Other => {}
        }
        Ok(outcome)
    }

    fn leave(&mut self, gate: usize, guest: usize) -> Result<Answer, Failure> {
        let answer = self.scan(gate, guest, "out", json!({}))?;
        let outcome = outcome_of(&answer);
        match &outcome {
            Answer::Exited => self.tell_when_calm(gate, Mark::Out, guest, "")?,
            Answer::Refused(code) => {
                self.tell(gate, Mark::Refused, guest, &refusal(code, &answer))?
            }
            Answer::Admitted | Answer::Other => {}
        }
        Ok(outcome)
    }

    fn repeat(&mut self, guest: usize) -> Result<Answer, Failure> {
        let Some((gate, body)) = self.guests[guest].last_scan.clone() else {
            return Ok(Answer::Other);
        };
        let answer = self.send_scan(gate, &body)?;
        if answer.body["replayed"] == true {
            let offset = answer.offset.unwrap_or_default();
            self.tell(
                gate,
                Mark::Note,
                guest,
                &format!("the reader sent its scan twice: still one event, offset {offset}"),
            )?;
        }
        Ok(Answer::Other)
    }

    fn copied(&mut self, gate: usize, guest: usize) -> Result<Answer, Failure> {
        let was_here = self.guests[guest].last_scan.as_ref().map(|(gate, _)| *gate);
        let gate = if was_here == Some(gate) {
            (gate + 1) % self.gates.len()
        } else {
            gate
        };
        let body = self.scan_body(gate, &self.guests[guest].code.clone(), "in", json!({}));
        let answer = self.send_scan(gate, &body)?;
        if let Answer::Refused(code) = outcome_of(&answer) {
            self.tell(
                gate,
                Mark::Refused,
                guest,
                &format!("a copy of this ticket: {}", refusal(&code, &answer)),
            )?;
        }
        Ok(Answer::Other)
    }

    fn take_back(&mut self, guest: usize) -> Result<Answer, Failure> {
        let Some((gate, body)) = self.guests[guest].last_scan.clone() else {
            return Ok(Answer::Other);
        };
        let path = format!("/api/events/participants/{}/undo/", self.guests[guest].code);
        let undo = json!({"scan_id": body["scan_id"], "reason": "Read the wrong ticket"});
        let answer = self.gates[gate].server.post(&path, &undo)?;
        if answer.body["code"] == "undo_not_allowed" {
            // In a hurry, a quarter of an hour passes between a scan and its regret.
            return Ok(Answer::Other);
        }
        self.count(&answer)?;
        if answer.status < 400 {
            self.tell(
                gate,
                Mark::Note,
                guest,
                "wrong ticket read: the steward takes the scan back",
            )?;
        }
        Ok(Answer::Other)
    }

    fn let_in_anyway(&mut self, gate: usize, guest: usize) -> Result<Answer, Failure> {
        let extra = json!({"override": {"reason": "Cancelled by mistake, knows the host"}});
        let body = self.scan_body(gate, &self.guests[guest].code.clone(), "in", extra);
        let answer = self.supervisor.post(&self.scan_path(), &body)?;
        self.count(&answer)?;
        let outcome = outcome_of(&answer);
        if outcome == Answer::Admitted {
            // Not a scan that a steward's reader could send again or take back.
            self.guests[guest].last_scan = None;
            self.tell(
                gate,
                Mark::In,
                guest,
                "the supervisor lets them in, with a reason",
            )?;
        }
        Ok(outcome)
    }

    fn strange(&mut self, gate: usize, code: &str, what: &str) -> Result<Answer, Failure> {
        let body = self.scan_body(gate, code, "in", json!({}));
        let answer = self.send_scan(gate, &body)?;
        let told = answer.body["code"].as_str().unwrap_or("refused");
        self.narrator.tell(
            self.gates[gate].name,
            Mark::Refused,
            code,
            &format!("{what} ({told})"),
        )?;
        Ok(Answer::Other)
    }

    fn scan(
        &mut self,
        gate: usize,
        guest: usize,
        direction: &str,
        extra: Value,
    ) -> Result<server::Answer, Failure> {
        let body = self.scan_body(gate, &self.guests[guest].code.clone(), direction, extra);
        let answer = self.send_scan(gate, &body)?;
        if matches!(outcome_of(&answer), Answer::Admitted | Answer::Exited) {
            self.guests[guest].last_scan = Some((gate, body));
        }
        Ok(answer)
    }

    fn scan_body(&mut self, gate: usize, code: &str, direction: &str, extra: Value) -> Value {
        let gate = &mut self.gates[gate];
        gate.device_seq += 1;
        let mut body = json!({
            "code": code,
            "direction": direction,
            "scan_id": Uuid::now_v7(),
            "gate": gate.name,
            "device": gate.device,
            "device_seq": gate.device_seq,
        });
        if let (Some(body), Value::Object(extra)) = (body.as_object_mut(), extra) {
            body.extend(extra);
        }
        body
    }

    fn send_scan(&mut self, gate: usize, body: &Value) -> Result<server::Answer, Failure> {
        let answer = self.gates[gate].server.post(&self.scan_path(), body)?;
        self.count(&answer)?;
        Ok(answer)
    }

    fn scan_path(&self) -> String {
        format!("/api/events/{}/scan/", self.gathering)
    }

    fn count(&mut self, answer: &server::Answer) -> Result<(), Failure> {
        if answer.status >= 500 || answer.status == 401 || answer.status == 403 {
            return Err(answer.failure());
        }
        self.narrator.count(
            answer
                .body
                .get("occupancy")
                .filter(|occupancy| occupancy.is_object()),
        )
    }

    fn tell(&mut self, gate: usize, mark: Mark, guest: usize, what: &str) -> Result<(), Failure> {
        self.narrator
            .tell(self.gates[gate].name, mark, &self.guests[guest].name, what)
    }

    fn tell_when_calm(
        &mut self,
        gate: usize,
        mark: Mark,
        guest: usize,
        what: &str,
    ) -> Result<(), Failure> {
        if self.narrator.is_calm() {
            self.tell(gate, mark, guest, what)
        } else {
            Ok(())
        }
    }
}

fn outcome_of(answer: &server::Answer) -> Answer {
    let code = || answer.body["code"].as_str().unwrap_or("refused").to_owned();
    match answer.body["outcome"].as_str() {
        Some("admitted") => Answer::Admitted,
        Some("exited") => Answer::Exited,
        Some("refused") => Answer::Refused(code()),
        Some(_) | None if answer.status >= 400 => Answer::Refused(code()),
        Some(_) | None => Answer::Other,
    }
}

/// Why not, and what stands in the way.
fn refusal(code: &str, answer: &server::Answer) -> String {
    let previous = &answer.body["previous"];
    let ago = previous["at"]
        .as_str()
        .and_then(|at| Timestamp::parse(at).ok())
        .map(|at| Duration::from_micros((Timestamp::now().0 - at.0).try_into().unwrap_or_default()))
        .map(|ago| format!(" {} s ago", ago.as_secs()));
    let gate = previous["gate"].as_str().map(|gate| format!(" at {gate}"));
    match (ago, gate) {
        (None, None) => code.to_owned(),
        (ago, gate) => format!(
            "{code}, admitted{}{}",
            ago.unwrap_or_default(),
            gate.unwrap_or_default()
        ),
    }
}

/// What the answer warns of, in brackets; empty when it does not.
fn warnings(answer: &server::Answer) -> String {
    let codes: Vec<&str> = answer.body["warnings"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|warning| warning["code"].as_str())
        .collect();
    if codes.is_empty() {
        String::new()
    } else {
        format!(" (warning: {})", codes.join(", "))
    }
}
