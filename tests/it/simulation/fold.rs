//! The plainest fold of a gathering's events, and the message that each of them asks for, field by
//! field. It knows nothing of the server's views.

use std::{collections::HashMap, sync::Arc};

use doorbook::events::{
    event::{Direction, Event, GatheringDetails, RefusalCode, Registration, Scan},
    ids::{GatheringId, Offset, ParticipantId},
    recorded::Recorded,
    time::Timestamp,
};
use serde_json::{Value, json};

/// What the message on either stream must say of one event, at least.
pub(super) struct Expected {
    pub(super) check_in: Value,
    pub(super) dashboard: Value,
}

/// One gathering.
#[derive(Default)]
pub(super) struct State {
    details: Option<GatheringDetails>,
    people: Vec<Person>,
    places: HashMap<ParticipantId, usize>,
    counts: Counts,
    offset: Offset,
}

#[derive(Default, Clone, Copy)]
struct Counts {
    registered: usize,
    checked_in: usize,
    inside: usize,
}

struct Person {
    registration: Registration,
    visits: Vec<Visit>,
    cancelled: bool,
    offset: Offset,
}

struct Visit {
    offset: Offset,
    direction: Direction,
    gate: Option<Arc<str>>,
    at: Timestamp,
}

impl Person {
    fn counts(&self) -> Counts {
        let entered = self
            .visits
            .iter()
            .any(|visit| visit.direction == Direction::In);
        Counts {
            registered: usize::from(!self.cancelled),
            checked_in: usize::from(entered),
            inside: usize::from(self.inside()),
        }
    }

    fn inside(&self) -> bool {
        self.visits
            .last()
            .is_some_and(|visit| visit.direction == Direction::In)
    }

    fn json(&self, gathering: GatheringId) -> Value {
        let code = &self.registration.subject.code.to_string();
        let ins = || {
            self.visits
                .iter()
                .filter(|visit| visit.direction == Direction::In)
        };
        let last = self.visits.last();
        let left = last.filter(|visit| visit.direction == Direction::Out);
        json!({
            "id": self.registration.subject.participant,
            "event_id": gathering,
            "event_pax_id": code,
            "user": user_of(code),
            "ticket_type": self.registration.ticket_type,
            "external_id": self.registration.external_id,
            "status": if self.cancelled { "cancelled" } else { "registered" },
            "checked_in": self.inside(),
            "check_in_time": ins().next_back().map(|visit| visit.at),
            "check_out_time": left.map(|visit| visit.at),
            "last_gate": last.and_then(|visit| visit.gate.clone()),
            "entries": ins().count(),
            "offset": self.offset,
        })
    }
}

/// Names are made from codes, so that what is sealed in the log can be expected in clear.
pub(super) fn user_of(code: &str) -> Value {
    let email = format!("{}@example.org", code.to_lowercase());
    json!({"first_name": "Guest", "last_name": code, "email": email})
}

impl State {
    pub(super) fn apply(&mut self, recorded: &Recorded) {
        self.offset = recorded.offset;
        if let Event::ParticipantRegistered(registration) = &recorded.event {
            let place = self.people.len();
            self.places.insert(registration.subject.participant, place);
            self.people.push(Person {
                registration: registration.clone(),
                visits: Vec::new(),
                cancelled: false,
                offset: recorded.offset,
            });
            self.counts.registered += 1;
            return;
        }
        if let Event::GatheringCreated(details) | Event::GatheringChanged(details) = &recorded.event
        {
            self.details = Some(details.clone());
        }
        let Some(person) = about(recorded)
            .and_then(|who| self.places.get(&who))
            .and_then(|place| self.people.get_mut(*place))
        else {
            return;
        };
        let before = person.counts();
        person.offset = recorded.offset;
        match &recorded.event {
            Event::ParticipantCheckedIn(scan) => person.visit(recorded, scan, Direction::In),
            Event::ParticipantCheckedOut(scan) => person.visit(recorded, scan, Direction::Out),
            Event::ScanUndone { undoes, .. } => {
                person.visits.retain(|visit| visit.offset != *undoes);
            }
            Event::RegistrationCancelled { .. } => person.cancelled = true,
            _ => {}
        }
        let after = person.counts();
        let counts = &mut self.counts;
        counts.registered = counts.registered + after.registered - before.registered;
        counts.checked_in = counts.checked_in + after.checked_in - before.checked_in;
        counts.inside = counts.inside + after.inside - before.inside;
    }

    fn participant(&self, who: Option<ParticipantId>, gathering: GatheringId) -> Value {
        (who.and_then(|who| self.places.get(&who)))
            .map_or(Value::Null, |place| self.people[*place].json(gathering))
    }

    fn occupancy(&self) -> Value {
        json!({
            "inside": self.counts.inside,
            "checked_in": self.counts.checked_in,
            "registered": self.counts.registered,
            "capacity": self.details.as_ref().and_then(|details| details.capacity),
        })
    }

    /// The gathering as callers see it, at least.
    pub(super) fn gathering(&self, id: GatheringId) -> Value {
        let details = self.details.as_ref();
        json!({
            "id": id,
            "name": details.map(|details| details.name.clone()),
            "creator": details.map(|details| details.creator.clone()),
            "capacity": details.and_then(|details| details.capacity),
            "participant_count": self.counts.registered,
            "checked_in_count": self.counts.checked_in,
            "inside_count": self.counts.inside,
            "offset": self.offset,
        })
    }

    /// In the order they registered.
    pub(super) fn participants(&self, id: GatheringId) -> Vec<Value> {
        self.people.iter().map(|person| person.json(id)).collect()
    }
}

impl Person {
    fn visit(&mut self, recorded: &Recorded, scan: &Scan, direction: Direction) {
        self.visits.push(Visit {
            offset: recorded.offset,
            direction,
            gate: scan.gate.clone(),
            at: recorded.occurred_at,
        });
    }
}

/// Who is shown beside the event: not the holder of another gathering's ticket.
fn about(recorded: &Recorded) -> Option<ParticipantId> {
    match &recorded.event {
        Event::ScanRefused {
            code: RefusalCode::WrongEvent,
            ..
        } => None,
        event => event.subject().map(|subject| subject.participant),
    }
}

pub(super) fn expected(state: &State, recorded: &Recorded) -> Expected {
    let counts = json!({
        "registered": state.counts.registered,
        "checked_in": state.counts.checked_in,
        "inside": state.counts.inside,
    });
    let mut data = json!({});
    if let Some(who) = about(recorded) {
        data["participant_id"] = json!(who);
    }
    if let Event::ServiceTeamChanged { user_id, door_role } = &recorded.event {
        data = json!({"user_id": user_id, "door_role": door_role});
    }
    let dashboard = json!({
        "type": "event_update",
        "event_id": recorded.gathering,
        "update_type": recorded.event.type_name(),
        "data": data,
        "counts": counts,
        "timestamp": recorded.occurred_at,
        "offset": recorded.offset,
    });
    Expected {
        check_in: check_in_message(state, recorded).unwrap_or_else(|| dashboard.clone()),
        dashboard,
    }
}

/// None: a fact about the gathering itself, which looks as on the dashboard.
fn check_in_message(state: &State, recorded: &Recorded) -> Option<Value> {
    let mut message = json!({
        "participant": state.participant(about(recorded), recorded.gathering),
        "timestamp": recorded.occurred_at,
        "offset": recorded.offset,
    });
    let occupancy = state.occupancy();
    let mut say = |fields: Value| {
        let fields = fields.as_object().unwrap().clone();
        message.as_object_mut().unwrap().extend(fields);
    };
    match &recorded.event {
        Event::ParticipantCheckedIn(scan) => say(
            json!({"type": "checkin_update", "action": "checkin", "gate": scan.gate, "occupancy": occupancy}),
        ),
        Event::ParticipantCheckedOut(scan) => say(
            json!({"type": "checkout_update", "action": "checkout", "gate": scan.gate, "occupancy": occupancy}),
        ),
        Event::ParticipantRegistered(_) => {
            say(json!({"type": "participant_registered", "occupancy": occupancy}))
        }
        Event::ScanRefused { scan, code, .. } => {
            say(json!({"type": "scan_refused", "code": code, "gate": scan.gate}));
        }
        Event::ScanUndone { .. } => {
            say(json!({"type": "participant_updated", "reason": "undone", "occupancy": occupancy}))
        }
        Event::RegistrationCancelled { .. } => say(
            json!({"type": "participant_updated", "reason": "cancelled", "occupancy": occupancy}),
        ),
        Event::ParticipantErased { .. } => {
            say(json!({"type": "participant_updated", "reason": "erased", "occupancy": occupancy}))
        }
        Event::GatheringCreated(_)
        | Event::GatheringChanged(_)
        | Event::ServiceTeamChanged { .. }
        | Event::DoorTokenMinted(_)
        | Event::DoorTokenRevoked { .. }
        | Event::PersonalDataAccessed(_) => return None,
    }
    Some(message)
}
