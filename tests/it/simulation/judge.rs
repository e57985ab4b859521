//! The judge: holds what one connection was told against the log. It demands every event that the
//! caller may see, once, in order, as the log has it; nothing else; snapshots that are what they say;
//! and `reset`, `caught_up`, `fell_behind` and closes exactly when they are due.
//!
//! A right may change while an event is on its way. Such an event is judged by the rights of some
//! moment between its commit and its arrival: it must come if it was visible all that time, and must
//! not if it was at no moment.

use std::collections::{HashMap, VecDeque};

use doorbook::events::ids::{Cursor, Offset};
use serde_json::Value;

use super::{
    book::{Book, Topic, Who},
    snapshots,
};

/// How much of what was seen a failure tells.
const SHOWN: usize = 6;
const SHOWN_CHARS: usize = 400;

/// Where a connection asked to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Nowhere,
    Earliest,
    Latest,
    Offset(Offset),
    Cursor(Cursor),
    /// A cursor that no log of ours ever gave.
    Foreign,
}

impl std::fmt::Display for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nowhere => Ok(()),
            Self::Earliest => f.write_str("earliest"),
            Self::Latest => f.write_str("latest"),
            Self::Offset(offset) => write!(f, "{offset}"),
            Self::Cursor(cursor) => write!(f, "{cursor}"),
            Self::Foreign => f.write_str("elsewhere:7"),
        }
    }
}

/// What happened on one connection, as its client knows it. `head`: the log's head just after.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    Message {
        text: String,
        head: Offset,
    },
    /// The client asked for another place. `head`: just before.
    Resumed {
        from: From,
        head: Offset,
    },
    /// The server closed, or the connection broke.
    Closed {
        code: Option<u16>,
        head: Offset,
    },
    /// The client left.
    Left,
    /// Nothing more was on its way: everything up to `head` must have come.
    Settled {
        head: Offset,
    },
}

/// One connection.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) who: Who,
    pub(super) topic: Topic,
    pub(super) from: From,
    /// The log's head just before it connected.
    pub(super) head: Offset,
    pub(super) seen: Vec<Seen>,
}

/// Messages that somebody has been sent, by stream and offset: whoever else gets one gets the same.
#[derive(Default)]
pub(super) struct Told(HashMap<(bool, Offset), String>);

pub(super) type Verdict<T = ()> = Result<T, String>;

/// What may come next.
#[derive(Debug, Clone)]
enum Due {
    /// The first message after a start: from where, and the head when it was asked for.
    Start(From, Offset),
    /// After a reset; the head when it was asked for.
    Snapshot(Offset),
    Events,
}

/// A reading of what was seen so far. When the client asks for another place, the moment at which
/// the server turns to it cannot be seen: then there is more than one.
#[derive(Debug, Clone)]
struct Place {
    /// Everything up to here has come.
    at: Offset,
    /// What lies up to here need not come: a start at the latest.
    floor: Offset,
    due: Due,
    caught_up_is_due: bool,
    /// `caught_up` must stand at or after this.
    asked_at: Offset,
    asked: VecDeque<(From, Offset)>,
}

impl Visit {
    /// # Errors
    /// What is wrong with it.
    pub(super) fn judge(&self, book: &Book, told: &mut Told) -> Verdict {
        let mut places = vec![Place::starting(self.from, self.head)];
        for (number, seen) in self.seen.iter().enumerate() {
            places = self
                .step(book, places, seen)
                .map_err(|wrong| format!("seen {number}: {wrong}{}", self.around(number)))?;
            if let Seen::Message { text, .. } = seen {
                told.compare(self.topic, text)?;
            }
        }
        Ok(())
    }

    /// What was seen last, for whoever looks for the reason.
    fn around(&self, number: usize) -> String {
        let first = number.saturating_sub(SHOWN);
        let shown = self.seen[first..=number].iter();
        shown
            .map(|seen| {
                format!(
                    "\n    {}",
                    format!("{seen:?}")
                        .chars()
                        .take(SHOWN_CHARS)
                        .collect::<String>()
                )
            })
            .collect()
    }

    fn step(&self, book: &Book, places: Vec<Place>, seen: &Seen) -> Verdict<Vec<Place>> {
        let mut next = Vec::new();
        let mut wrong = None;
        for place in places {
            for mut reading in place.readings(seen) {
                match self.look(book, &mut reading, seen) {
                    Ok(()) => next.push(reading),
                    Err(why) => wrong = wrong.or(Some(why)),
                }
            }
        }
        match wrong {
            Some(why) if next.is_empty() => Err(why),
            _ => Ok(next),
        }
    }

    fn look(&self, book: &Book, place: &mut Place, seen: &Seen) -> Verdict {
        match seen {
            Seen::Message { text, head } => {
                let message: Value = serde_json::from_str(text).map_err(|it| it.to_string())?;
                self.hear(book, place, &message, *head)
            }
            Seen::Resumed { from, head } => {
                place.asked.push_back((*from, *head));
                Ok(())
            }
            Seen::Closed { code, head } => self.closed(book, *code, *head),
            Seen::Left => Ok(()),
            Seen::Settled { head } => self.settled(book, place, *head),
        }
    }

    fn hear(&self, book: &Book, place: &mut Place, message: &Value, head: Offset) -> Verdict {
        let kind = message["type"].as_str().ok_or("a message without a type")?;
        match kind {
            "pong" | "error" | "auth_expiring" => return Ok(()),
            "participants" => return snapshots::participants(book, self.topic, message, place.at),
            _ => {}
        }
        match place.due {
            Due::Start(from, asked) => self.first(book, place, (from, asked), message, head),
            Due::Snapshot(asked) if kind == "initial_data" => {
                self.snapshot(book, place, asked, message, head)
            }
            Due::Snapshot(_) => Err(format!("{kind} instead of initial_data")),
            Due::Events => self.follow(book, place, message, head),
        }
    }

    /// The first message after a start.
    fn first(
        &self,
        book: &Book,
        place: &mut Place,
        (from, asked): (From, Offset),
        message: &Value,
        head: Offset,
    ) -> Verdict {
        place.asked_at = asked;
        let (reset, after) = start(book, from, (asked, head));
        match message["type"].as_str() {
            Some("initial_data") if from == From::Nowhere => {
                self.snapshot(book, place, asked, message, head)
            }
            Some("reset") if reset.is_some() && message["reason"].as_str() == reset => {
                place.due = Due::Snapshot(asked);
                place.caught_up_is_due = true;
                Ok(())
            }
            Some("reset") => Err(format!("a reset that is not due: {message}")),
            _ => {
                let after = after.ok_or_else(|| format!("from {from:?} a snapshot is due"))?;
                place.due = Due::Events;
                place.caught_up_is_due = true;
                place.at = after;
                // The latest is where the head was when the server looked: no later than now.
                place.floor = if from == From::Latest { head } else { after };
                self.follow(book, place, message, head)
            }
        }
    }

    fn snapshot(
        &self,
        book: &Book,
        place: &mut Place,
        asked: Offset,
        message: &Value,
        head: Offset,
    ) -> Verdict {
        let at = cursor_of(book, message)?;
        if at > head || at < book.last_of(self.topic, asked) {
            return Err(format!(
                "a snapshot at {at}, asked for at {asked}, with the head at {head}"
            ));
        }
        match self.topic {
            Topic::CheckIn(gathering) => snapshots::check_in(book, gathering, message, at)?,
            Topic::Dashboard => snapshots::dashboard(book, self.who, message, at)?,
        }
        (place.at, place.floor, place.due) = (at, at, Due::Events);
        Ok(())
    }

    fn follow(&self, book: &Book, place: &mut Place, message: &Value, head: Offset) -> Verdict {
        let kind = message["type"].as_str().unwrap_or_default();
        let Some(offset) = message["offset"].as_u64() else {
            return match kind {
                "reset" | "initial_data" => Err(format!("{kind} is not due")),
                _ => Ok(()), // a type of a later version
            };
        };
        if offset > head {
            return Err(format!("offset {offset}, and the head is at {head}"));
        }
        match kind {
            "caught_up" | "heartbeat" => {
                if cursor_of(book, message)? != offset {
                    return Err("its cursor is not its offset".to_owned());
                }
                self.nothing_between(book, place, offset + 1, head)?;
                if kind == "heartbeat" {
                    return Ok(());
                }
                if !place.caught_up_is_due {
                    return Err("caught_up, and it has been".to_owned());
                }
                if offset < book.last_of(self.topic, place.asked_at) {
                    return Err("caught_up below what was the head at the start".to_owned());
                }
                place.caught_up_is_due = false;
                Ok(())
            }
            "fell_behind" => {
                if place.caught_up_is_due {
                    return Err("fell_behind before it had caught up".to_owned());
                }
                let told = message["head"].as_u64().unwrap_or(0);
                if told <= offset || told > head {
                    return Err("fell_behind with a head that was not".to_owned());
                }
                self.nothing_between(book, place, offset + 1, head)?;
                place.caught_up_is_due = true;
                Ok(())
            }
            _ => self.event(book, place, message, offset, head),
        }
    }

    fn event(
        &self,
        book: &Book,
        place: &mut Place,
        message: &Value,
        offset: Offset,
        head: Offset,
    ) -> Verdict {
        if offset <= place.at {
            return Err(format!(
                "doubled or out of order: offset {offset}, and everything up to {} had come",
                place.at
            ));
        }
        let recorded = book.event(offset).ok_or("not in the log")?;
        if !self.topic.holds(recorded.gathering) || !book.may_see(self.who, recorded, head) {
            return Err("foreign: not for this caller".to_owned());
        }
        self.nothing_between(book, place, offset, head)?;
        let expected = book.expected(self.topic, offset).ok_or("not in the log")?;
        if let Some(field) = difference(expected, message, "") {
            return Err(format!("changed: {field}"));
        }
        place.at = offset;
        Ok(())
    }

    /// Everything that must be seen before `next` has come.
    fn nothing_between(
        &self,
        book: &Book,
        place: &mut Place,
        next: Offset,
        head: Offset,
    ) -> Verdict {
        if next <= place.at {
            return Err(format!("it goes back to {}, from {}", next - 1, place.at));
        }
        for offset in place.at.max(place.floor) + 1..next {
            let recorded = book.event(offset).ok_or("not in the log")?;
            if self.topic.holds(recorded.gathering) && book.must_see(self.who, recorded, head) {
                return Err(format!("lost: offset {offset} never came"));
            }
        }
        place.at = next - 1;
        place.floor = 0;
        Ok(())
    }

    /// With which code a server may end this connection while it runs; its stop is not judged here.
    fn closed(&self, book: &Book, code: Option<u16>, head: Offset) -> Verdict {
        match (code, self.topic) {
            (Some(1012) | None, _) => Ok(()),
            (Some(4403), Topic::CheckIn(gathering))
                if book.shut_out_in(self.who, gathering, (self.head, head)) =>
            {
                Ok(())
            }
            _ => Err(format!("closed with {code:?}, which is not due")),
        }
    }

    fn settled(&self, book: &Book, place: &mut Place, head: Offset) -> Verdict {
        if let Topic::CheckIn(gathering) = self.topic
            && !book.sees(self.who, gathering, head)
        {
            return Err("still open, and the caller may see no more".to_owned());
        }
        if !place.asked.is_empty() || !matches!(place.due, Due::Events) {
            return Err("its start was not answered".to_owned());
        }
        if place.caught_up_is_due {
            return Err("caught_up never came".to_owned());
        }
        // It was at the head: a place that nothing visible has moved is there, too.
        let at = place.at;
        if at < head {
            self.nothing_between(book, place, head + 1, head)?;
            place.at = at;
        }
        Ok(())
    }
}

impl Place {
    fn starting(from: From, head: Offset) -> Self {
        Self {
            at: 0,
            floor: 0,
            due: Due::Start(from, head),
            caught_up_is_due: false,
            asked_at: head,
            asked: VecDeque::new(),
        }
    }

    /// Where the reader may be when the next thing is seen: here, or at a place it asked for.
    fn readings(self, seen: &Seen) -> Vec<Self> {
        let mut readings = vec![self.clone()];
        if matches!(seen, Seen::Message { .. } | Seen::Settled { .. }) {
            let mut turned = self;
            while let Some((from, head)) = turned.asked.pop_front() {
                turned = Self {
                    asked: turned.asked,
                    ..Self::starting(from, head)
                };
                readings.push(turned.clone());
            }
        }
        readings
    }
}

impl Told {
    fn compare(&mut self, topic: Topic, text: &str) -> Verdict {
        let message: Value = serde_json::from_str(text).map_err(|it| it.to_string())?;
        let kind = message["type"].as_str().unwrap_or_default();
        let (Some(offset), false) = (
            message["offset"].as_u64(),
            ["caught_up", "fell_behind", "heartbeat"].contains(&kind),
        ) else {
            return Ok(());
        };
        let key = (topic == Topic::Dashboard, offset);
        match self.0.get(&key) {
            Some(before) if before == text => Ok(()),
            Some(before) if serde_json::from_str::<Value>(before).ok() != Some(message) => Err(
                format!("offset {offset} was told in two ways:\n  {before}\n  {text}"),
            ),
            _ => {
                self.0.insert(key, text.to_owned());
                Ok(())
            }
        }
    }
}

/// The reset that is due, and the offset after which events may be, when the head is in the span.
fn start(
    book: &Book,
    from: From,
    (low, high): (Offset, Offset),
) -> (Option<&'static str>, Option<Offset>) {
    match from {
        From::Nowhere => (None, None),
        From::Earliest => (None, Some(0)),
        From::Latest => (None, Some(low)),
        From::Foreign => (Some("log_changed"), None),
        From::Cursor(cursor) if cursor.epoch != book.epoch => (Some("log_changed"), None),
        From::Offset(offset) | From::Cursor(Cursor { offset, .. }) => (
            (offset > low).then_some("ahead"),
            (offset <= high).then_some(offset),
        ),
    }
}

fn cursor_of(book: &Book, message: &Value) -> Verdict<Offset> {
    let cursor: Cursor = (message["cursor"].as_str())
        .and_then(|cursor| cursor.parse().ok())
        .ok_or("no cursor")?;
    if cursor.epoch == book.epoch {
        Ok(cursor.offset)
    } else {
        Err("a cursor of another log".to_owned())
    }
}

/// The first field that is expected and is not there, or is something else.
pub(super) fn difference(expected: &Value, found: &Value, path: &str) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.iter().find_map(|(name, value)| {
                let found = found.get(name).unwrap_or(&Value::Null);
                difference(value, found, &format!("{path}/{name}"))
            })
        }
        _ if expected == found => None,
        _ => Some(format!("{path} is {found}, and the log says {expected}")),
    }
}
