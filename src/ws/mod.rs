//! LIVE STREAMS: what happens at the doors, as it happens, from any point in the past on.
//!
//! A subscriber is a cursor over the feed view. Nothing is pushed into it and nothing is queued for
//! it: it pulls what lies behind its cursor, and is woken when there is more. So a slow reader can
//! slow nobody, and no reader can miss an event.
//!
//! In reading order: `protocol` (the messages), `feed_reader` (the one loop), `subscription` (its
//! start, its clocks), the two that carry it: `session` over a `socket`, and `sse`; `fanout` (who
//! writes for those at the head), `snapshot`
//! (`initial_data`), `start` (`?from=`), and the way in: `upgrade`, `identity`, `admission`,
//! `problem`. Commands and HTTP are not known here.

mod admission;
mod ending;
mod fanout;
mod feed_reader;
mod identity;
mod metrics;
mod problem;
mod protocol;
mod session;
mod snapshot;
mod socket;
mod sse;
mod start;
mod subscription;
mod upgrade;

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::get};
use futures_util::future::BoxFuture;

use crate::{
    auth::{Authenticator, Principal, Tickets},
    events::ids::GatheringId,
    projections::Views,
};

use admission::Admission;
use fanout::Fanouts;
use metrics::Metrics;
use snapshot::Snapshots;
pub use upgrade::KeptOpen;

/// Bounds on connections; the defaults are the contract's.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open connections in all.
    pub connections_max: usize,
    /// Open connections of one caller (`sub`).
    pub connections_per_caller_max: usize,
    /// Messages a client may send in one second.
    pub messages_per_second_max: u32,
    /// A connection that has heard nothing for this long hears where the cursor stands.
    pub heartbeat: Duration,
    /// A client that takes no byte for this long is closed.
    pub write_stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            connections_per_caller_max: 10_000,
            messages_per_second_max: 20,
            heartbeat: Duration::from_secs(25),
            write_stall: Duration::from_secs(30),
        }
    }
}

/// Records that a caller is about to read a gathering's people as an auditor. False: it could not be
/// recorded, and then there is no stream.
pub type RecordAccess =
    Arc<dyn Fn(GatheringId, Principal) -> BoxFuture<'static, bool> + Send + Sync>;

/// Everything a stream needs. Cheap handle.
#[derive(Clone)]
pub struct Streams(Arc<Inner>);

struct Inner {
    views: Views,
    authenticator: Authenticator,
    tickets: Tickets,
    allowed_origins: Vec<String>,
    limits: Limits,
    record_access: RecordAccess,
    admission: Admission,
    snapshots: Snapshots,
    fanouts: Fanouts,
    metrics: Metrics,
}

impl Streams {
    /// `allowed_origins`: pages of other hosts that may open streams, in lower case as
    /// `https://host[:port]`; pages of the server's own host always may. Metrics go to the recorder in force during this call.
    #[must_use]
    pub fn new(
        views: Views,
        authenticator: Authenticator,
        tickets: Tickets,
        allowed_origins: Vec<String>,
        limits: Limits,
        record_access: RecordAccess,
    ) -> Self {
        Self(Arc::new(Inner {
            views,
            authenticator,
            tickets,
            allowed_origins,
            admission: Admission::new(&limits),
            limits,
            record_access,
            snapshots: Snapshots::default(),
            fanouts: Fanouts::default(),
            metrics: Metrics::new(),
        }))
    }

    /// Takes no new connections, closes the open ones with 1012 one after the other within `spread`, so
    /// that they do not all come back at once, and waits until they are gone.
    pub async fn drain(&self, spread: Duration) {
        self.0.admission.drain(spread).await;
    }

    /// Lets go of what nobody needs, and looks at the readers behind; now and then.
    pub fn tidy(&self) {
        self.0.snapshots.tidy(&self.0.views);
        self.0.metrics.tidy(self.0.views.log().head());
    }

    /// Open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.admission.connections()
    }
}

/// Both streams, as WebSocket and as server-sent events. Paths are expected without a trailing slash.
pub fn router(streams: Streams) -> Router {
    Router::new()
        .route("/ws/events/checkin/{event_id}", get(upgrade::check_in))
        .route("/ws/events/dashboard", get(upgrade::dashboard))
        .route("/api/events/{event_id}/stream", get(sse::check_in))
        .route("/api/events/stream", get(sse::dashboard))
        .with_state(streams)
}
