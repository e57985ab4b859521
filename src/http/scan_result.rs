//! What a scan answers, built from the feed's entry, so that a replay says what the original said.

use std::sync::Arc;

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{App, caller::Seat, fields::local, problem::Problem};
use crate::{
    commands::Accepted,
    events::{
        event::{Direction, Event, GatheringDetails, RefusalCode},
        ids::{GatheringId, Offset},
        time::Timestamp,
    },
    projections::{
        feed::FeedEntry,
        participants::{Occupancy, Participant, Previous},
        views::HistoryQuery,
        warning::ScanWarning,
    },
};

/// Contract: **Scan result**.
#[derive(Serialize, ToSchema)]
pub(super) struct ScanResult {
    /// `admitted`, `exited` or `refused`.
    #[schema(value_type = String)]
    outcome: &'static str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<RefusalCode>,
    /// A sentence for the person at the door: what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The scan that stands in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Previous>,
    #[schema(value_type = Option<Participant>)]
    participant: Option<Arc<Participant>>,
    /// `checkin` or `checkout`.
    #[schema(value_type = String)]
    action: &'static str,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// Null when nothing was recorded, since nobody has the code.
    #[schema(value_type = Option<u64>)]
    offset: Option<Offset>,
    occupancy: Occupancy,
    warnings: Vec<ScanWarning>,
    /// The same scan came before; this is its answer.
    replayed: bool,
}

/// # Errors
/// When the view cannot be read.
pub(super) async fn of(app: &App, accepted: &Accepted, seat: &Seat) -> Result<ScanResult, Problem> {
    let recorded = &accepted.recorded;
    let entry = app.views.entry(recorded.gathering, recorded.offset).await?;
    let (outcome, direction, code, scan) = match &recorded.event {
        Event::ParticipantCheckedIn(scan) => ("admitted", Direction::In, None, scan),
        Event::ParticipantCheckedOut(scan) => ("exited", Direction::Out, None, scan),
        Event::ScanRefused {
            scan,
            direction,
            code,
            ..
        } => ("refused", *direction, Some(*code), scan),
        Event::GatheringCreated(_)
        | Event::GatheringChanged(_)
        | Event::ServiceTeamChanged { .. }
        | Event::ParticipantRegistered(_)
        | Event::ScanUndone { .. }
        | Event::RegistrationCancelled { .. }
        | Event::ParticipantErased { .. }
        | Event::DoorTokenMinted(_)
        | Event::DoorTokenRevoked { .. }
        | Event::PersonalDataAccessed(_) => return Err(Problem::internal()),
    };
    let detail = match code {
        None => None,
        Some(code) if accepted.replayed => {
            let details = details_at(app, seat, recorded.gathering, recorded.offset).await?;
            Some(sentence(
                code,
                &entry,
                details.as_ref().unwrap_or(&seat.row.details),
            ))
        }
        Some(code) => Some(sentence(code, &entry, &seat.row.details)),
    };
    Ok(ScanResult {
        outcome,
        code,
        detail,
        previous: entry.previous.clone(),
        participant: entry.participant.clone(),
        action: action(direction),
        timestamp: recorded.occurred_at,
        offset: Some(recorded.offset),
        occupancy: entry.occupancy,
        warnings: ScanWarning::all(scan),
        replayed: accepted.replayed,
    })
}

impl ScanResult {
    /// A code that nobody has: nothing is recorded.
    pub(super) fn nobody(direction: Direction, now: Timestamp, occupancy: Occupancy) -> Self {
        Self {
            outcome: "refused",
            code: Some(RefusalCode::UnknownCode),
            detail: Some(
                "No ticket has this code. Search for the person by name, or send them to the help desk."
                    .to_owned(),
            ),
            previous: None,
            participant: None,
            action: action(direction),
            timestamp: now,
            offset: None,
            occupancy,
            warnings: Vec::new(),
            replayed: false,
        }
    }

    /// As the participant paths answer a refusal: 409, with all the fields of the result.
    pub(super) fn problem(&self, offset: Offset) -> Option<Problem> {
        let code = self.code?;
        let detail = self.detail.clone().unwrap_or_default();
        Some(
            Problem::new(StatusCode::CONFLICT, code.as_str(), detail)
                .with_all(self)
                .at_offset(offset),
        )
    }
}

const fn action(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "checkin",
        Direction::Out => "checkout",
    }
}

/// The gathering as it was at an offset, when it has been changed since (a new time zone, other
/// opening times): a replay's sentence is the original's.
async fn details_at(
    app: &App,
    seat: &Seat,
    gathering: GatheringId,
    offset: Offset,
) -> Result<Option<GatheringDetails>, Problem> {
    let changes = |after, limit| HistoryQuery {
        gathering: Some(gathering),
        kind: Some("gathering_changed".to_owned()),
        after,
        limit,
        ..HistoryQuery::default()
    };
    if seat.row.offset <= offset
        || app
            .views
            .history(changes(offset, 1))
            .await?
            .results
            .is_empty()
    {
        return Ok(None);
    }
    let mut at = app
        .log
        .read_gathering(gathering, 0, offset, 1)?
        .first()
        .map(|first| first.offset);
    let mut after = 0;
    loop {
        let page = app
            .views
            .history(changes(after, super::answer::PAGE_LIMIT_MAX))
            .await?;
        at = page
            .results
            .iter()
            .map(|entry| entry.offset)
            .take_while(|at| *at <= offset)
            .last()
            .or(at);
        match page.next {
            Some(next) if next <= offset => after = next,
            Some(_) | None => break,
        }
    }
    let recorded = at.map(|at| app.log.get(at)).transpose()?.flatten();
    Ok(recorded.and_then(|recorded| match &recorded.event {
        Event::GatheringCreated(details) | Event::GatheringChanged(details) => {
            Some(details.clone())
        }
        _ => None,
    }))
}

/// What the person at the door should do, with times as the clock on the wall shows them.
fn sentence(code: RefusalCode, entry: &FeedEntry, details: &GatheringDetails) -> String {
    let scanned_at = entry.recorded.occurred_at;
    let clock = |moment| local(moment, scanned_at, details.time_zone);
    let since = entry
        .previous
        .as_ref()
        .map(|previous| match &previous.gate {
            Some(gate) => format!("{} (gate {gate})", clock(previous.at)),
            None => clock(previous.at),
        });
    match code {
        RefusalCode::UnknownCode => {
            "No ticket has this code. Search for the person by name, or send them to the help desk.".to_owned()
        }
        RefusalCode::WrongEvent => {
            "This ticket is for another event. Send the person to the right door or the help desk.".to_owned()
        }
        RefusalCode::AlreadyCheckedIn => match since {
            Some(since) => format!("Already inside since {since}. Ask for a second look at the ticket or call a supervisor."),
            None => "Already inside. Ask for a second look at the ticket or call a supervisor.".to_owned(),
        },
        RefusalCode::NotCheckedIn => {
            "Not inside, so there is nothing to check out. Check in first if the person came in uncounted.".to_owned()
        }
        RefusalCode::ReentryDenied => match since {
            Some(since) => format!("This ticket admits once and was used at {since}. Call a supervisor."),
            None => "This ticket admits once and has been used. Call a supervisor.".to_owned(),
        },
        RefusalCode::Cancelled => {
            "The registration is cancelled. Send the person to the help desk.".to_owned()
        }
        RefusalCode::Erased => {
            "This person's data has been erased, and the ticket with it. Send the person to the help desk.".to_owned()
        }
        RefusalCode::NotOpenYet => match details.opens_at {
            Some(opens_at) => format!("Doors open at {}. Ask the person to wait.", clock(opens_at)),
            None => "Doors are not open yet. Ask the person to wait.".to_owned(),
        },
        RefusalCode::Closed => match details.closes_at {
            Some(closes_at) => format!("Doors closed at {}. Call a supervisor.", clock(closes_at)),
            None => "Doors are closed. Call a supervisor.".to_owned(),
        },
        RefusalCode::CapacityFull => format!(
            "Full: {} inside, {} allowed. Wait until somebody leaves, or call a supervisor.",
            entry.occupancy.inside,
            entry.occupancy.capacity.unwrap_or(entry.occupancy.inside)
        ),
    }
}
