//! Pages of participants: filtered outside the lock, in the order of registration.

use std::sync::Arc;

use super::{
    details::Names,
    gathering::Gathering,
    participants::{Participant, Participants, Row, Status},
    search::Question,
    views::ViewError,
};
use crate::events::{ids::GatheringId, log::Log};

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

/// Some of a gathering's rows, from a position on, and the names that they use.
pub(super) type Rows = (Vec<Arc<Row>>, Arc<Names>);

/// One page of a loaded gathering as it is.
pub(super) fn participants_page(
    log: &Log,
    gathering: &Gathering,
    query: &ParticipantsQuery,
) -> Result<ParticipantsPage, ViewError> {
    page(log, gathering.id, query, |position| {
        gathering.live.read().participants.rows_from(position)
    })
}

/// One page of a state that does not move.
pub(super) fn participants_page_of(
    log: &Log,
    participants: &Participants,
    query: &ParticipantsQuery,
) -> Result<ParticipantsPage, ViewError> {
    page(log, participants.state.gathering, query, |position| {
        participants.rows_from(position)
    })
}

/// Unseals the people in the page who have not been seen yet.
fn page(
    log: &Log,
    gathering: GatheringId,
    query: &ParticipantsQuery,
    rows_from: impl Fn(usize) -> Rows,
) -> Result<ParticipantsPage, ViewError> {
    let limit = query.limit.clamp(1, PAGE_PARTICIPANTS_MAX);
    let question = query.q.as_deref().map(Question::new);
    let mut position = match &query.after {
        Some(after) => after.parse().map_err(|_| ViewError::BadPosition)?,
        None => 0_usize,
    };
    let mut results = Vec::new();
    loop {
        let (rows, names) = rows_from(position);
        if rows.is_empty() {
            return Ok(ParticipantsPage {
                results,
                next: None,
            });
        }
        for row in rows {
            let matches = query.status.is_none_or(|filter| filter.lets_through(&row))
                && (question.as_ref()).is_none_or(|question| {
                    question.matches(row.person.haystack(gathering, &row, log.keys()))
                });
            if matches && results.len() == limit {
                return Ok(ParticipantsPage {
                    results,
                    next: Some(position.to_string()),
                });
            }
            if matches {
                results.push(row.participant(gathering, &names, log.keys()));
            }
            position += 1;
        }
    }
}

impl Participants {
    fn rows_from(&self, position: usize) -> Rows {
        let rows = self.state.rows.iter().skip(position).take(ROWS_PER_LOOK);
        (rows.cloned().collect(), self.state.names.clone())
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
