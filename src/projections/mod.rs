//! VIEWS: what callers read, each a fold of the log in memory.
//!
//! A view is a `NAME`, a `VERSION`, an `apply` and its queries; [`Views`] is the handle that doors
//! use. A gathering's views are loaded on first use (nearest snapshot, then the rest of its events)
//! and dropped when cold; only the dashboard's rows are always there. Views pull: whoever needs
//! offset N brings the view up to N by the same code, woken or not, so a query after a command
//! never waits for a background thread. Nothing here sends or prints, and nothing decides.
//!
//! `participants` and `dashboard` are the read models, `history` finds the facts for auditors,
//! [`integrity`] proves the log, [`feed`] is what streams send, and `windows` is what they share of it below
//! the tails. `live`, `gathering` and `board` hold them; `list`, `start`, [`reader`], [`door_tokens`],
//! [`arrivals`], [`as_of`] and `audit` answer from them; `pages` gathers what auditors ask for. `folds` is the
//! table of the folds and the only place that calls them; `runner` follows the head, `keep` says which snapshots
//! stay, [`rebuild`] folds anew beside the live generation, [`verify`] compares the two, and [`verify_keys`]
//! sees whether everybody can still be read.

pub mod arrivals;
pub mod as_of;
mod audit;
mod board;
pub mod dashboard;
mod details;
pub mod door_tokens;
pub mod feed;
mod folds;
mod gathering;
pub mod history;
mod index;
pub mod integrity;
mod keep;
mod list;
mod live;
pub mod operations;
pub mod overview;
mod pages;
pub mod participants;
mod person;
mod postings;
pub mod reader;
pub mod rebuild;
mod runner;
#[cfg(test)]
mod seam;
mod search;
mod start;
pub mod verify;
pub mod verify_keys;
pub mod views;
pub mod warning;
mod windows;

pub use views::{ViewError, Views};
