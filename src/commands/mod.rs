//! DECISIONS: what people ask for, and whether it may happen.
//!
//! One command per file: its type, `decide` (pure, synchronous, no clock, no randomness), and its
//! given/when/then tests. [`model`] is the state that decisions read (`evolve`: total, never
//! fails); [`refusal`] the reasons for no. [`handler`] leads to the log's `append`: its lock guards the
//! `owner` of a gathering's model, which answers ids that have been used by the rules of `exactly_once`;
//! [`record_access`] appends without a model while there is none. [`import`] turns attendee lists into
//! commands, and [`verify_models`] holds saved models against the log. Nothing here knows of views or doors.

pub mod cancel;
pub mod change_gathering;
pub mod change_service_team;
pub mod check_in;
pub mod check_out;
mod codes;
mod content;
pub mod create_gathering;
pub mod erase;
mod exactly_once;
pub mod handler;
#[cfg(test)]
mod handler_tests;
pub mod import;
mod loading;
pub mod mint_door_token;
pub mod model;
mod owner;
pub mod record_access;
pub mod refusal;
pub mod register;
pub mod revoke_door_token;
mod saved;
pub mod scan;
#[cfg(test)]
mod spec;
pub mod undo;
pub mod verify_models;

pub use handler::{Accepted, CommandError, CommandHandler, Context, gathering_id_for};

/// Everything a caller can ask for. What is read is recorded without being asked for: see [`record_access`].
pub enum Command {
    CreateGathering(create_gathering::CreateGathering),
    ChangeGathering(change_gathering::ChangeGathering),
    ChangeServiceTeam(change_service_team::ChangeServiceTeam),
    MintDoorToken(mint_door_token::MintDoorToken),
    RevokeDoorToken(revoke_door_token::RevokeDoorToken),
    Register(register::Register),
    CheckIn(check_in::CheckIn),
    CheckOut(check_out::CheckOut),
    Scan(scan::ScanTicket),
    Undo(undo::Undo),
    Cancel(cancel::Cancel),
    Erase(erase::Erase),
}
