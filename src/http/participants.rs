//! Reading participants.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    App,
    access::{self, Read},
    answer::{self, Page},
    as_of::{AsOfParams, Moment},
    caller::Caller,
    extract::{InGathering, OfTicket, Params},
    fields::{self, FILTER_CHARS_MAX},
    problem::Problem,
};
use crate::{
    auth::Action,
    events::event::Accessed,
    projections::{
        participants::Participant,
        views::{ParticipantFilter, ParticipantsQuery},
    },
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchParams {
    /// Parts of names in any order, of the e-mail or the code; case and accents do not matter.
    #[param(max_length = 200)]
    q: Option<String>,
    #[param(inline)]
    status: Option<StatusParam>,
    /// The `next` of the page before.
    after: Option<String>,
    /// 1 to 1,000; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// As it was right after this offset, or at this time (RFC 3339); `next` is good for the same.
    #[param(value_type = Option<String>)]
    as_of: Option<Moment>,
}

/// A participant's status, or where they are.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StatusParam {
    Registered,
    Cancelled,
    Erased,
    Inside,
    Outside,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ParticipantsPage {
    results: Vec<Participant>,
    next: Option<String>,
}

/// Search an event's participants
#[utoipa::path(get, path = "/api/events/{event_id}/participants", tag = "participants",
    params(("event_id" = String, Path, format = Uuid), SearchParams), responses(
    (status = 200, description = "A page", body = ParticipantsPage),
))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    Params(params): Params<SearchParams>,
) -> Result<Response, Problem> {
    let seat = caller.seat(&app, id)?;
    caller.require(&seat, Action::ReadParticipants)?;
    let q = fields::optional_text("q", params.q.as_deref(), FILTER_CHARS_MAX)?;
    let query = ParticipantsQuery {
        q: q.map(|q| q.as_ref().to_owned()),
        status: params.status.map(StatusParam::filter),
        after: params.after,
        limit: answer::page_limit(params.limit)?,
    };
    let read = Read::page(Accessed::Participants);
    access::record(&app, &caller, Some(&seat), read).await?;
    let (page, at) = match &params.as_of {
        None => (app.views.participants(id, query).await?, None),
        Some(moment) => {
            let at = moment.offset(&app, &caller, &seat).await?;
            let page = app.views.participants_as_of(id, query, at).await?;
            (page, Some(at))
        }
    };
    let page = Page::<Arc<Participant>> {
        results: page.results,
        next: page.next,
    };
    answer::read(&page, at)
}

/// A participant, by the ticket's code
#[utoipa::path(get, path = "/api/events/participants/{event_pax_id}", tag = "participants",
    params(("event_pax_id" = String, Path, max_length = 128), AsOfParams), responses(
    (status = 200, description = "The participant", body = Participant),
))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    OfTicket(code): OfTicket,
    Params(AsOfParams { as_of }): Params<AsOfParams>,
) -> Result<Response, Problem> {
    let seat = caller.seat_of_ticket(&app, &code)?;
    caller.require(&seat, Action::ReadParticipants)?;
    let read = Read::page(Accessed::Participant).about(&code);
    access::record(&app, &caller, Some(&seat), read).await?;
    let (participant, at) = match as_of {
        None => (app.views.participant(&code).await?, None),
        Some(moment) => {
            let at = moment.offset(&app, &caller, &seat).await?;
            (app.views.participant_as_of(&code, at).await?, Some(at))
        }
    };
    answer::read(&participant.ok_or_else(Problem::unknown_code)?, at)
}

impl StatusParam {
    const fn filter(self) -> ParticipantFilter {
        match self {
            Self::Registered => ParticipantFilter::Registered,
            Self::Cancelled => ParticipantFilter::Cancelled,
            Self::Erased => ParticipantFilter::Erased,
            Self::Inside => ParticipantFilter::Inside,
            Self::Outside => ParticipantFilter::Outside,
        }
    }
}
