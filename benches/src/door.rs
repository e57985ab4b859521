//! The door of one gathering: who comes through next. Everybody goes in, then everybody out, then in
//! again, so there is no end of events with however few people.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::doorbook_server::{code, json_post};

/// Cheap handle; all clones let the same people through.
#[derive(Clone)]
pub(crate) struct Door {
    gathering: String,
    people: Range<u64>,
    token: String,
    passed: Arc<AtomicU64>,
}

impl Door {
    pub(crate) fn new(gathering: String, people: Range<u64>, token: String) -> Self {
        Self {
            gathering,
            people,
            token,
            passed: Arc::default(),
        }
    }

    /// The stream of this gathering.
    pub(crate) fn stream_path(&self, from: &str) -> String {
        format!("/ws/events/checkin/{}/?from={from}", self.gathering)
    }

    /// One person, as a door's reader sends it.
    pub(crate) fn one(&self, request: &mut Vec<u8>) {
        let (serial, person, inward) = self.next();
        let way = if inward { "check-in" } else { "check-out" };
        let path = format!("/api/events/participants/{}/{way}/", code(person));
        let body = format!(r#"{{"scan_id":"s{serial}","gate":"north"}}"#);
        json_post(request, &path, &self.token, &body);
    }

    fn next(&self) -> (u64, u64, bool) {
        let serial = self.passed.fetch_add(1, Ordering::Relaxed);
        let room = self.people.end - self.people.start;
        let person = self.people.start + serial % room;
        (serial, person, (serial / room).is_multiple_of(2))
    }
}
