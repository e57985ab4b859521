//! Makes the demo's gatherings and their guests, or finds them again, through the API like any organizer.

use doorbook::events::time::Timestamp;
use serde_json::{Value, json};

use super::people;
use crate::{failure::Failure, projections::listed, server::Server};

/// How a second demo on the same directory finds its gatherings.
const NAME: &str = "Winter Fair (demo)";
const OTHER_NAME: &str = "Harbour Concert (demo)";
pub(super) const PREFIX: &str = "FAIR";
const OTHER_PREFIX: &str = "CONCERT";
const OTHER_PEOPLE: usize = 5;
/// Guests whose registration was cancelled before the evening.
const CANCELLED: &[usize] = &[3, 42, 128, 256];
/// Of a hundred guests so many fit in: the doors get to refuse when it is full.
const CAPACITY_PERCENT: usize = 84;
const PAGE_PARTICIPANTS: &str = "1000";

pub(super) struct Setting {
    pub(super) gathering: String,
    /// By guest number: inside now.
    pub(super) inside: Vec<bool>,
    /// By guest number: has ever been inside.
    pub(super) known: Vec<bool>,
    pub(super) other_codes: Vec<String>,
    /// The gathering was there before.
    pub(super) continued: bool,
}

/// `opens_in_seconds` is for a gathering that has to be made.
pub(super) fn prepare(
    server: &Server,
    people: usize,
    opens_in_seconds: i64,
) -> Result<Setting, Failure> {
    let gatherings = all(server, "/api/events/")?;
    let found = find(&gatherings, NAME);
    let continued = found.is_some();
    let gathering = match found {
        Some(id) => id,
        None => create(server, &fair(people, opens_in_seconds))?,
    };
    let other = match find(&gatherings, OTHER_NAME) {
        Some(id) => id,
        None => create(
            server,
            &json!({"name": OTHER_NAME, "start_date": Timestamp::now()}),
        )?,
    };
    // The same list every time: guests who are there already are not added again.
    import(server, &gathering, PREFIX, people)?;
    import(server, &other, OTHER_PREFIX, OTHER_PEOPLE)?;
    if !continued {
        for number in CANCELLED.iter().copied().filter(|number| *number < people) {
            let code = people::guest(PREFIX, number).event_pax_id;
            server
                .post(
                    &format!("/api/events/participants/{code}/cancel/"),
                    &json!({"reason": "Returned the ticket"}),
                )?
                .good()?;
        }
    }
    let (inside, known) = whereabouts(server, &gathering, people)?;
    Ok(Setting {
        gathering,
        inside,
        known,
        other_codes: (0..OTHER_PEOPLE)
            .map(|number| people::guest(OTHER_PREFIX, number).event_pax_id)
            .collect(),
        continued,
    })
}

fn fair(people: usize, opens_in_seconds: i64) -> Value {
    let now = Timestamp::now();
    let opens_at =
        Timestamp(now.0.div_euclid(1_000_000) * 1_000_000).plus_seconds(opens_in_seconds);
    json!({
        "name": NAME,
        "start_date": opens_at,
        "time_zone": "Europe/Lisbon",
        "capacity": (people * CAPACITY_PERCENT / 100).max(1),
        "capacity_mode": "refuse",
        "reentry": "after_check_out",
        "opens_at": opens_at,
    })
}

fn create(server: &Server, gathering: &Value) -> Result<String, Failure> {
    let made = server.post("/api/events/", gathering)?.good()?;
    made["id"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Failure::refused("the server made a gathering without an id"))
}

fn import(server: &Server, gathering: &str, prefix: &str, people: usize) -> Result<(), Failure> {
    let list = people::attendee_list(prefix, people).map_err(Failure::check)?;
    let path = format!("/api/events/{gathering}/import/");
    server
        .post_text(&path, &[], "application/x-ndjson", list.as_bytes())?
        .good()
        .map(drop)
}

/// Who of the guests is inside, and who has ever been.
fn whereabouts(
    server: &Server,
    gathering: &str,
    people: usize,
) -> Result<(Vec<bool>, Vec<bool>), Failure> {
    let numbers: std::collections::HashMap<String, usize> = (0..people)
        .map(|number| (people::guest(PREFIX, number).event_pax_id, number))
        .collect();
    let (mut inside, mut known) = (vec![false; people], vec![false; people]);
    for participant in all(server, &format!("/api/events/{gathering}/participants/"))? {
        let Some(number) = participant["event_pax_id"]
            .as_str()
            .and_then(|code| numbers.get(code))
        else {
            continue;
        };
        inside[*number] = participant["checked_in"] == true;
        known[*number] = participant["entries"]
            .as_u64()
            .is_some_and(|entries| entries > 0);
    }
    Ok((inside, known))
}

/// Every result of a paged list.
fn all(server: &Server, path: &str) -> Result<Vec<Value>, Failure> {
    let mut results = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("limit", PAGE_PARTICIPANTS.to_owned())];
        query.extend(after.take().map(|after| ("after", after)));
        let page = server.get(path, &query)?;
        results.extend_from_slice(listed(&page));
        after = match &page["next"] {
            Value::String(next) => Some(next.clone()),
            Value::Number(next) => Some(next.to_string()),
            _ => return Ok(results),
        };
    }
}

fn find(gatherings: &[Value], name: &str) -> Option<String> {
    gatherings
        .iter()
        .find(|gathering| gathering["name"] == name)?["id"]
        .as_str()
        .map(str::to_owned)
}
