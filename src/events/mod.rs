//! FACTS: what happened, in the past tense, and the log that keeps it for ever.
//!
//! An event names one fact at one offset and is never changed. This folder knows nothing of
//! commands, views or doors: everything else follows from what is here.
//!
//! Read in this order: [`event`] (the facts), [`recorded`] (a fact with its place in the log),
//! [`log`] (append and read), then how both reach the disk: [`codec`], `stored`, [`keys`],
//! [`snapshot`]. [`door_tokens`] is the one fold that is here, since commands and views both keep it.

mod aside;
pub mod codec;
#[cfg(test)]
mod codec_tests;
pub mod door_tokens;
pub mod event;
pub mod ids;
pub mod keys;
pub mod log;
pub mod recorded;
pub mod snapshot;
#[cfg(test)]
mod snapshot_tests;
pub(crate) mod stored;
mod stored_access;
mod stored_door_tokens;
pub mod time;
