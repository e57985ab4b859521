//! The permission table of contract §2, once, and what a caller is to one gathering.

use super::Principal;
use crate::events::{
    event::{ActorRole, DoorRole},
    ids::GatheringId,
};

/// What the caller is to one gathering; computed from its row (creator, team) by [`Principal::standing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Superuser,
    Creator,
    Supervisor,
    Steward,
    Auditor,
    Stranger,
}

/// The rows of the permission table (contract §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    ChangeGathering,
    Register,
    Scan,
    UndoAny,
    UndoWithReason,
    UndoOwn,
    Override,
    CancelRegistration,
    ReadParticipants,
    ReadHistory,
    /// Everything that is held about a person; the person themselves may, too.
    ExportPerson,
    Administer,
}

impl Principal {
    /// `is_creator` and `team_role` come from the gathering's row. A door token gives its role in its own gathering and
    /// nothing anywhere else.
    #[must_use]
    pub fn standing(
        &self,
        gathering: GatheringId,
        is_creator: bool,
        team_role: Option<DoorRole>,
    ) -> Standing {
        let role = match self.door {
            Some((door, role)) if door == gathering => Some(role),
            Some(_) => return Standing::Stranger,
            None if self.superuser => return Standing::Superuser,
            None if is_creator => return Standing::Creator,
            None => team_role,
        };
        match role {
            Some(DoorRole::Supervisor) => Standing::Supervisor,
            Some(DoorRole::Steward) => Standing::Steward,
            None if self.auditor => Standing::Auditor,
            None => Standing::Stranger,
        }
    }

    /// Whether the caller may do this from `standing`; an auditor who stands at a door keeps both rights.
    #[must_use]
    pub const fn may(&self, standing: Standing, action: Action) -> bool {
        standing.allows(action) || (self.auditor && Standing::Auditor.allows(action))
    }

    /// Whether it is the role `auditor` that lets the caller read this, and nothing else.
    #[must_use]
    pub const fn reads_as_auditor(&self, standing: Standing, action: Action) -> bool {
        self.auditor && (matches!(standing, Standing::Auditor) || !standing.allows(action))
    }

    /// Whether both see the same gatherings, as far as their tokens say.
    #[must_use]
    pub fn sees_as(&self, other: &Self) -> bool {
        (self.superuser, self.auditor, self.door) == (other.superuser, other.auditor, other.door)
    }

    #[must_use]
    pub const fn may_create_gatherings(&self) -> bool {
        self.superuser || self.creator
    }

    /// Whether the history of every gathering is open to the caller.
    #[must_use]
    pub const fn reads_all_history(&self) -> bool {
        self.superuser || self.auditor
    }
}

impl Standing {
    /// The permission table of contract §2.
    #[must_use]
    pub const fn allows(self, action: Action) -> bool {
        use Standing::{Auditor, Creator, Steward, Superuser, Supervisor};
        match action {
            Action::Administer => matches!(self, Superuser),
            Action::ChangeGathering | Action::UndoAny | Action::ExportPerson => {
                matches!(self, Superuser | Creator)
            }
            Action::Register
            | Action::UndoWithReason
            | Action::Override
            | Action::CancelRegistration => matches!(self, Superuser | Creator | Supervisor),
            Action::Scan | Action::UndoOwn => {
                matches!(self, Superuser | Creator | Supervisor | Steward)
            }
            Action::ReadParticipants => {
                matches!(self, Superuser | Creator | Supervisor | Steward | Auditor)
            }
            Action::ReadHistory => matches!(self, Superuser | Creator | Supervisor | Auditor),
        }
    }

    /// Whether the gathering exists for the caller at all (else 404).
    #[must_use]
    pub const fn sees_gathering(self) -> bool {
        !matches!(self, Self::Stranger)
    }

    #[must_use]
    pub const fn actor_role(self) -> ActorRole {
        match self {
            Self::Superuser => ActorRole::Superuser,
            Self::Creator => ActorRole::Creator,
            Self::Supervisor => ActorRole::Supervisor,
            Self::Steward => ActorRole::Steward,
            Self::Auditor | Self::Stranger => ActorRole::User,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_permission_table_is_the_contracts() {
        use Action::*;
        let table = [
            // action, superuser, creator, supervisor, steward, auditor, stranger
            (ChangeGathering, "yy...."),
            (Register, "yyy..."),
            (Scan, "yyyy.."),
            (UndoAny, "yy...."),
            (UndoWithReason, "yyy..."),
            (UndoOwn, "yyyy.."),
            (Override, "yyy..."),
            (CancelRegistration, "yyy..."),
            (ReadParticipants, "yyyyy."),
            (ReadHistory, "yyy.y."),
            (ExportPerson, "yy...."),
            (Administer, "y....."),
        ];
        let standings = [
            Standing::Superuser,
            Standing::Creator,
            Standing::Supervisor,
            Standing::Steward,
            Standing::Auditor,
            Standing::Stranger,
        ];
        for (action, row) in table {
            for (standing, cell) in standings.into_iter().zip(row.chars()) {
                assert_eq!(
                    standing.allows(action),
                    cell == 'y',
                    "{standing:?} {action:?}"
                );
            }
        }
    }
}
