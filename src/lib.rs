//! doorbook: the book at the door of an event.
//!
//! A check-in is a fact that is written down once and kept. Everything else is read from the book.
//!
//! ```text
//!  HTTP command ─▶ commands::handler ─▶ decide ─▶ log writer ─▶ sled + fdatasync ─▶ answer
//!                   (write model, one            (group commit)        │
//!                    owner, in memory)                                 │ head moves (watch)
//!                                                                      ▼
//!  queries ◀── views (participants, dashboard, history, feed) ◀── projection runner
//!  WS ◀── a cursor over the feed: catch up, then follow, the same loop
//! ```
//!
//! Everything left of the log decides, everything right of it follows. Readers pull from an
//! offset; notifications only wake them. Nothing pushes into a reader, so no reader can slow a
//! writer or miss an event.
//!
//! Read in this order: [`events`] (facts and the log), [`commands`] (decisions), [`projections`]
//! (views), then the doors, [`http`] and [`ws`], which share nothing but [`auth`], and [`server`],
//! which alone knows everyone. [`backup`] makes copies of a log, and logs of copies.

pub mod events;

pub mod backup;

pub mod commands;
pub mod projections;

pub mod auth;
pub mod http;
pub mod ws;

pub mod config;
pub mod server;
pub mod telemetry;
