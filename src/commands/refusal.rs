//! Business reasons for no, apart from technical errors. A refused scan of a known participant is
//! not here: it is an event, and comes back as [`super::Accepted`].

use thiserror::Error;

use crate::events::{
    event::RefusalCode,
    ids::{Code, Offset},
};

/// Why a command changed nothing and left no event.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("no such gathering")]
    UnknownGathering,
    #[error("no participant has the code {code}")]
    UnknownCode { code: Code },
    #[error("a gathering with this id exists")]
    GatheringExists,
    #[error(
        "the code {code} belongs to another registration; leave event_pax_id out to get a new one"
    )]
    CodeTaken { code: Code },
    /// Cancelling or undoing what the participant's status forbids.
    #[error("the registration is {code}")]
    NotPossible { code: RefusalCode },
    #[error("there is no scan to undo")]
    NothingToUndo,
    #[error("the scan at offset {undoes} is already undone")]
    AlreadyUndone { undoes: Offset },
    #[error("stewards may undo their own scans within 15 minutes; ask a supervisor")]
    UndoNotAllowed,
    #[error("give a reason: it is kept with the undone scan")]
    ReasonRequired,
    /// A rule between fields, e.g. `end_date` before `start_date`.
    #[error("{field}: {rule}")]
    Invalid { field: &'static str, rule: String },
    #[error("no door token of this gathering has this id")]
    UnknownDoorToken,
    /// Those that expire make room.
    #[error("the gathering has {max} door tokens that have not expired, revoked ones among them")]
    TooManyDoorTokens { max: usize },
    #[error("nothing to change: the gathering is already so")]
    NothingToChange,
}
