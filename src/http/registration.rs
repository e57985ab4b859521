//! Giving one person a ticket. Whole lists are in `import`.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::{
    App, answer,
    caller::{Caller, Seat},
    extract::{IdempotencyKey, InGathering, Json},
    problem::Problem,
};
use crate::{
    auth::Action,
    commands::{
        Command,
        register::{RawRegister, RawUser, Register},
    },
    events::{
        event::RegistrationPolicy,
        ids::{CommandId, ID_TEXT_BYTES_MAX},
    },
    projections::participants::Participant,
};

/// Names and e-mail stand here or under `user`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewParticipant {
    #[schema(max_length = 255)]
    first_name: Option<String>,
    #[schema(max_length = 255)]
    last_name: Option<String>,
    #[schema(max_length = 320)]
    email: Option<String>,
    user: Option<NewUser>,
    /// The ticket's code, unique in the whole log; one is made when left out.
    #[schema(max_length = 128)]
    event_pax_id: Option<String>,
    #[schema(max_length = 255)]
    ticket_type: Option<String>,
    #[schema(max_length = 255)]
    external_id: Option<String>,
    #[schema(max_length = 2000)]
    note: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    #[schema(max_length = 255)]
    first_name: Option<String>,
    #[schema(max_length = 255)]
    last_name: Option<String>,
    #[schema(max_length = 320)]
    email: Option<String>,
}

/// The participant right after registration.
#[derive(Serialize, ToSchema)]
pub(super) struct Registered {
    #[serde(flatten)]
    #[schema(value_type = Participant)]
    participant: Arc<Participant>,
    /// The same command came before.
    replayed: bool,
}

/// Register a participant
///
/// Where the event's `registration` is `open`, anybody signed in may register once, for themselves.
#[utoipa::path(post, path = "/api/events/{event_id}/register", tag = "participants",
    params(("event_id" = String, Path, format = Uuid)), request_body = NewParticipant, responses(
    (status = 201, description = "Registered", body = Registered, headers(("X-Offset" = u64))),
))]
pub(super) async fn register(
    State(app): State<App>,
    caller: Caller,
    InGathering(id): InGathering,
    key: IdempotencyKey,
    Json(body): Json<NewParticipant>,
) -> Result<Response, Problem> {
    let seat = caller
        .any_seat(&app, id)
        .ok_or_else(Problem::unknown_event)?;
    let command_id = if caller.principal.may(seat.standing, Action::Register) {
        key.0
    } else {
        for_self(&caller, &seat, &body)?
    };
    let register = Register::parse(body.into_raw())
        .map_err(|problem| Problem::field(problem.field, problem.rule))?;
    let context = caller.context(seat.standing, command_id);
    let accepted = app.run(id, Command::Register(register), context).await?;
    let offset = accepted.recorded.offset;
    let entry = app.views.entry(id, offset).await?;
    let participant = entry.participant.clone().ok_or_else(Problem::internal)?;
    answer::done(
        StatusCode::CREATED,
        &Registered {
            participant,
            replayed: accepted.replayed,
        },
        offset,
    )
}

/// Somebody registers themselves: once, so the command's id is theirs and not the client's, and with
/// nothing that is for staff to give.
fn for_self(
    caller: &Caller,
    seat: &Seat,
    body: &NewParticipant,
) -> Result<Option<CommandId>, Problem> {
    let open = seat.row.details.registration == RegistrationPolicy::Open
        && caller.principal.door.is_none();
    if !open && !seat.standing.sees_gathering() {
        return Err(Problem::unknown_event());
    }
    if !open {
        caller.require(seat, Action::Register)?;
    }
    let for_staff = [
        ("event_pax_id", &body.event_pax_id),
        ("ticket_type", &body.ticket_type),
        ("external_id", &body.external_id),
    ];
    if let Some((field, _)) = for_staff.iter().find(|(_, value)| value.is_some()) {
        return Err(Problem::forbidden(format!(
            "{field} is given by the event's staff: leave it out"
        ))
        .with("field", *field));
    }
    self_id(&caller.principal.id).map(Some)
}

/// The id of the command by which somebody registers themselves: it can be sent once.
pub(super) fn self_id(user: &str) -> Result<CommandId, Problem> {
    let mut text = format!("self:{user}");
    if text.len() > ID_TEXT_BYTES_MAX || text.trim() != text {
        text = format!("self:{}", hex::encode(Sha256::digest(user.as_bytes())));
    }
    CommandId::parse(&text).map_err(|_| Problem::internal())
}

impl NewParticipant {
    fn into_raw(self) -> RawRegister {
        RawRegister {
            first_name: self.first_name,
            last_name: self.last_name,
            email: self.email,
            event_pax_id: self.event_pax_id,
            ticket_type: self.ticket_type,
            external_id: self.external_id,
            note: self.note,
            user: self.user.map(|user| RawUser {
                first_name: user.first_name,
                last_name: user.last_name,
                email: user.email,
            }),
        }
    }
}
