//! Put somebody on the service team, change their role, take them off it (`door_role: None`).

use std::sync::Arc;

use super::{model::Model, refusal::Refusal};
use crate::events::{
    event::{DoorRole, Event},
    ids::ID_TEXT_BYTES_MAX,
};

pub struct ChangeServiceTeam {
    pub user_id: Arc<str>,
    pub door_role: Option<DoorRole>,
}

/// # Errors
/// When there is no such gathering, the user id is not one, or the team is already so.
pub fn decide(model: &Model, command: &ChangeServiceTeam) -> Result<Event, Refusal> {
    if model.details().is_none() {
        return Err(Refusal::UnknownGathering);
    }
    let id = &command.user_id;
    if id.trim().is_empty() || id.len() > ID_TEXT_BYTES_MAX || id.chars().any(char::is_control) {
        return Err(Refusal::Invalid {
            field: "user_id",
            rule: "must be 1 to 128 bytes of text without control characters".to_owned(),
        });
    }
    if model.team_role(id) == command.door_role {
        return Err(Refusal::NothingToChange);
    }
    Ok(Event::ServiceTeamChanged {
        user_id: id.clone(),
        door_role: command.door_role,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::spec::given;

    fn ana(door_role: Option<DoorRole>) -> ChangeServiceTeam {
        ChangeServiceTeam {
            user_id: "ana".into(),
            door_role,
        }
    }

    fn changed(door_role: Option<DoorRole>) -> Event {
        Event::ServiceTeamChanged {
            user_id: "ana".into(),
            door_role,
        }
    }

    #[test]
    fn somebody_joins_changes_role_and_leaves() {
        given()
            .gathering()
            .when(|model| decide(model, &ana(Some(DoorRole::Steward))))
            .then(Ok(changed(Some(DoorRole::Steward))));
        let with_ana = || given().gathering().event(changed(Some(DoorRole::Steward)));
        with_ana()
            .when(|model| decide(model, &ana(Some(DoorRole::Supervisor))))
            .then(Ok(changed(Some(DoorRole::Supervisor))));
        with_ana()
            .when(|model| decide(model, &ana(None)))
            .then(Ok(changed(None)));
    }

    #[test]
    fn a_role_that_somebody_has_is_nothing_to_change() {
        given()
            .gathering()
            .when(|model| decide(model, &ana(None)))
            .then(Err(Refusal::NothingToChange));
        given()
            .gathering()
            .event(changed(Some(DoorRole::Steward)))
            .when(|model| decide(model, &ana(Some(DoorRole::Steward))))
            .then(Err(Refusal::NothingToChange));
    }

    #[test]
    fn a_team_needs_a_gathering_and_a_user_id() {
        given()
            .when(|model| decide(model, &ana(None)))
            .then(Err(Refusal::UnknownGathering));
        let nobody = ChangeServiceTeam {
            user_id: " ".into(),
            door_role: None,
        };
        given()
            .gathering()
            .when(|model| decide(model, &nobody))
            .then(Err(Refusal::Invalid {
                field: "user_id",
                rule: "must be 1 to 128 bytes of text without control characters".into(),
            }));
    }
}
