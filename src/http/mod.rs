//! The HTTP door: routes, one resource per file, one error mapping (`problem`).
//!
//! A request passes `door` (request id, time limit, panics, metrics), is parsed once (`extract`,
//! `fields`), its caller is identified (`caller`), and its resource answers. Live streams are not
//! here but in `ws`.

mod access;
mod admin;
mod answer;
mod arrivals;
mod as_of;
mod backup;
mod caller;
mod door;
mod door_tokens;
mod erasure;
pub mod exports;
mod extract;
mod fields;
mod gatherings;
mod health;
mod history;
mod import;
mod metrics;
mod openapi;
pub mod pages;
mod participants;
mod person_export;
pub mod places;
mod problem;
mod proofs;
mod registration;
mod scan_batch;
mod scan_result;
mod scans;
mod server_state;
mod service_team;
mod session;
mod sign_in_link;

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::Router;
use tokio::sync::Semaphore;

pub use access::record_stream;
pub use door::without_trailing_slash;
pub use metrics::Metrics;

use crate::{
    auth::{Authenticator, Links, Tickets},
    commands::{Accepted, Command, CommandError, CommandHandler, Context},
    events::{ids::GatheringId, log::Log, time::Timestamp},
    projections::Views,
};

/// How long a read waits for `X-Min-Offset`.
const VIEW_PATIENCE: Duration = Duration::from_secs(2);

/// What every route works with. Cheap handle.
#[derive(Clone)]
pub struct App(Arc<Inner>);

pub struct Inner {
    pub log: Log,
    pub handler: CommandHandler,
    pub views: Views,
    pub auth: Authenticator,
    pub tickets: Tickets,
    links: Links,
    pub settings: Settings,
    pub metrics: Metrics,
    /// Places for imports.
    imports: Semaphore,
    exports: exports::stream::Places,
    draining: AtomicBool,
    started: (Timestamp, Instant),
}

/// The part of the configuration that routes look at.
#[derive(Debug, Clone)]
pub struct Settings {
    pub allowed_origins: Vec<String>,
    pub public_metrics: bool,
    pub public_docs: bool,
    pub body_bytes_max: usize,
    pub import_bytes_max: usize,
    pub body_timeout: Duration,
    pub handler_timeout: Duration,
    pub import_timeout: Duration,
}

/// All routes of this door; `streams` are the other door's, which share what every request passes.
pub fn router(app: App, streams: Router) -> Router {
    openapi::routes()
        .merge(pages::routes())
        .with_state(app.clone())
        .merge(streams)
        .fallback(pages::file)
        .method_not_allowed_fallback(door::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(app, door::pass))
}

impl App {
    pub fn new(
        handler: CommandHandler,
        views: Views,
        auth: Authenticator,
        tickets: Tickets,
        settings: Settings,
    ) -> Self {
        Self(Arc::new(Inner {
            log: views.log().clone(),
            handler,
            views,
            auth,
            tickets,
            links: Links::default(),
            settings,
            metrics: Metrics::new(),
            imports: Semaphore::new(import::AT_ONCE_MAX),
            exports: exports::stream::Places::default(),
            draining: AtomicBool::new(false),
            started: (Timestamp::now(), Instant::now()),
        }))
    }

    /// From now on `/readyz` says no, so that no new clients are sent here.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Hands the command over and counts its outcome.
    async fn run(
        &self,
        gathering: GatheringId,
        command: Command,
        context: Context,
    ) -> Result<Accepted, CommandError> {
        let counted = self.metrics.command();
        let outcome = self.handler.handle(gathering, command, context).await;
        counted.ended(&outcome);
        outcome
    }
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

#[cfg(test)]
impl App {
    /// Over a log in memory, with little patience.
    fn for_tests() -> Self {
        let (log, limit) = (Log::in_memory(), 1024 * 1024);
        Self::new(
            CommandHandler::new(log.clone()),
            Views::open(log).unwrap(),
            Authenticator::hs256(b"a secret of at least thirty-two bytes"),
            Tickets::default(),
            Settings {
                allowed_origins: Vec::new(),
                public_metrics: false,
                public_docs: true,
                body_bytes_max: limit,
                import_bytes_max: limit,
                body_timeout: Duration::from_secs(1),
                handler_timeout: Duration::from_millis(50),
                import_timeout: Duration::from_secs(1),
            },
        )
    }
}
