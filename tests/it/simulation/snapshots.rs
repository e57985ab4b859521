//! Snapshots held against the fold of everything up to their cursor.

use doorbook::events::ids::{GatheringId, Offset};
use serde_json::Value;

use super::{
    book::{Book, Topic, Who},
    judge::{Verdict, difference},
};

/// What one message holds at most (contract §3).
const PARTICIPANTS_MAX: usize = 5_000;

/// `initial_data` of one gathering at a cursor.
pub(super) fn check_in(book: &Book, id: GatheringId, message: &Value, at: Offset) -> Verdict {
    let state = book.state(id, at);
    if let Some(field) = difference(&state.gathering(id), &message["event"], "event") {
        return Err(format!("the snapshot at {at}: {field}"));
    }
    people(state.participants(id), message, at)
}

/// The answer to `get_participants`.
pub(super) fn participants(book: &Book, topic: Topic, message: &Value, after: Offset) -> Verdict {
    let Topic::CheckIn(id) = topic else {
        return Err("a dashboard has no participants".to_owned());
    };
    let (epoch, at) = (message["cursor"].as_str())
        .and_then(|cursor| cursor.split_once(':'))
        .and_then(|(epoch, at)| Some((epoch, at.parse::<Offset>().ok()?)))
        .ok_or("no cursor")?;
    if book.cursor(at) != format!("{epoch}:{at}") || at < book.last_of(topic, after) {
        return Err(format!("participants at {at}, when {after} had been seen"));
    }
    people(book.state(id, at).participants(id), message, at)
}

fn people(expected: Vec<Value>, message: &Value, at: Offset) -> Verdict {
    let found = message["participants"]
        .as_array()
        .ok_or("no participants")?;
    let truncated = expected.len() > PARTICIPANTS_MAX;
    if found.len() != expected.len().min(PARTICIPANTS_MAX)
        || (message["participants_truncated"] == true) != truncated
    {
        return Err(format!(
            "the snapshot at {at} has {} participants of {}",
            found.len(),
            expected.len()
        ));
    }
    let wrong = (expected.iter().zip(found))
        .find_map(|(expected, found)| difference(expected, found, "participant"));
    wrong.map_or(Ok(()), |field| {
        Err(format!("the snapshot at {at}: {field}"))
    })
}

/// `initial_data` of the dashboard: the gatherings that the caller may read, and no others.
pub(super) fn dashboard(book: &Book, who: Who, message: &Value, at: Offset) -> Verdict {
    let found = message["events"].as_array().ok_or("no events")?;
    let visible: Vec<_> = (book.gatherings())
        .filter(|id| book.sees(who, *id, at))
        .collect();
    for id in &visible {
        let text = id.to_string();
        let row = (found.iter().find(|row| row["id"] == text.as_str()))
            .ok_or_else(|| format!("the snapshot at {at} lacks {id}"))?;
        if let Some(field) = difference(&book.state(*id, at).gathering(*id), row, "event") {
            return Err(format!("the snapshot at {at}: {field}"));
        }
    }
    if found.len() != visible.len() {
        return Err(format!(
            "foreign: the snapshot at {at} shows {} gatherings of {}",
            found.len(),
            visible.len()
        ));
    }
    Ok(())
}
