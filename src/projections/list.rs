//! Pages of participants: filtered outside the lock, in the order of registration.

use std::sync::Arc;

use super::{
    gathering::Gathering,
    participants::{Participant, Row, Status},
    search::Question,
    views::ViewError,
};
use crate::events::log::Log;

/// Most participants in one page.
const PAGE_PARTICIPANTS_MAX: usize = 1_000;
/// Rows taken under the lock at a time while a page is filtered.
const ROWS_PER_LOOK: usize = 4_096;

pub struct ParticipantsPage {
    pub results: Vec<Arc<Participant>>,
    pub next: Option<String>,
}

#[derive(Default)]
pub struct ParticipantsQuery {
    pub q: Option<String>,
    pub status: Option<ParticipantFilter>,
    pub after: Option<String>,
    pub limit: usize,
}

/// `status=`: a participant's status, or where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParticipantFilter {
    Registered,
    Cancelled,
    Erased,
    Inside,
    Outside,
}

/// One page; unseals the people in it who have not been seen yet.
pub(super) fn participants_page(
    log: &Log,
    gathering: &Gathering,
    query: &ParticipantsQuery,
) -> Result<ParticipantsPage, ViewError> {
    let limit = query.limit.clamp(1, PAGE_PARTICIPANTS_MAX);
    let question = query.q.as_deref().map(Question::new);
    let mut position = match &query.after {
        Some(after) => after.parse().map_err(|_| ViewError::BadPosition)?,
        None => 0_usize,
    };
    let mut results = Vec::new();
    loop {
        let (rows, names) = {
            let state = &gathering.live.read().participants.state;
            let rows = state.rows.iter().skip(position).take(ROWS_PER_LOOK);
            (rows.cloned().collect::<Vec<_>>(), state.names.clone())
        };
        if rows.is_empty() {
            return Ok(ParticipantsPage {
                results,
                next: None,
            });
        }
        for row in rows {
            let matches = query.status.is_none_or(|filter| filter.lets_through(&row))
                && (question.as_ref()).is_none_or(|question| {
                    question.matches(row.person.haystack(gathering.id, &row, log.keys()))
                });
            if matches && results.len() == limit {
                return Ok(ParticipantsPage {
                    results,
                    next: Some(position.to_string()),
                });
            }
            if matches {
                results.push(row.participant(gathering.id, &names, log.keys()));
            }
            position += 1;
        }
    }
}

impl ParticipantFilter {
    fn lets_through(self, row: &Row) -> bool {
        match self {
            Self::Registered => row.status() == Status::Registered,
            Self::Cancelled => row.status() == Status::Cancelled,
            Self::Erased => row.status() == Status::Erased,
            Self::Inside => row.is_inside(),
            Self::Outside => !row.is_inside(),
        }
    }
}
