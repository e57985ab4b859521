//! What the streams count: open connections, messages and bytes sent, how long a live event takes to
//! a socket, readers behind and how far, resets by reason, closes by code. Labels are fixed words.
//!
//! Handles are made once, with the recorder in force when the server is wired, so that a message
//! costs an addition and no lookup.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering},
};

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use parking_lot::Mutex;

use crate::events::{ids::Offset, time::Timestamp};

use super::{ending::Ending, protocol::ResetReason};

/// One live page in so many is timed: a thousand readers tell the same story.
const TIMED_ONE_IN: u64 = 32;

pub(super) struct Metrics {
    check_in: StreamMetrics,
    dashboard: StreamMetrics,
    closes: [Counter; Ending::ALL.len()],
    resets: [Counter; ResetReason::ALL.len()],
    /// Where the readers stand that are not at the head.
    behind: Mutex<Vec<Weak<AtomicU64>>>,
    readers_behind: Gauge,
    furthest_behind: Gauge,
}

/// Of one kind of stream.
pub(crate) struct StreamMetrics {
    open: Gauge,
    messages_sent: Counter,
    bytes_sent: Counter,
    delivery: Histogram,
    live_deliveries: AtomicU64,
}

/// Counts a connection for as long as it is held, even when its task dies.
pub(crate) struct Open(Gauge);

/// A reader that is not at the head, for as long as this is held.
pub(crate) struct Behind(Arc<AtomicU64>);

impl Metrics {
    pub(super) fn new() -> Self {
        describe();
        Self {
            check_in: StreamMetrics::new("checkin"),
            dashboard: StreamMetrics::new("dashboard"),
            closes: Ending::ALL
                .map(|ending| counter!("doorbook_stream_closes_total", "code" => ending.label())),
            resets: ResetReason::ALL
                .map(|reason| counter!("doorbook_stream_resets_total", "reason" => reason.label())),
            behind: Mutex::default(),
            readers_behind: gauge!("doorbook_stream_readers_behind"),
            furthest_behind: gauge!("doorbook_stream_furthest_behind_offsets"),
        }
    }

    pub(super) const fn check_in(&self) -> &StreamMetrics {
        &self.check_in
    }

    pub(super) const fn dashboard(&self) -> &StreamMetrics {
        &self.dashboard
    }

    pub(super) fn closed(&self, ending: Ending) {
        if let Some(closes) = self.closes.get(ending as usize) {
            closes.increment(1);
        }
    }

    pub(super) fn reset(&self, reason: ResetReason) {
        if let Some(resets) = self.resets.get(reason as usize) {
            resets.increment(1);
        }
    }

    pub(super) fn behind(&self, cursor: Offset) -> Behind {
        let cursor = Arc::new(AtomicU64::new(cursor));
        let mut behind = self.behind.lock();
        behind.push(Arc::downgrade(&cursor));
        Behind(cursor)
    }

    /// Looks at the readers behind; now and then.
    pub(super) fn tidy(&self, head: Offset) {
        let mut behind = self.behind.lock();
        behind.retain(|cursor| cursor.strong_count() > 0);
        let furthest = (behind.iter())
            .filter_map(Weak::upgrade)
            .map(|cursor| cursor.load(Ordering::Relaxed))
            .min();
        #[expect(clippy::cast_precision_loss, reason = "a gauge is for people")]
        {
            self.readers_behind.set(behind.len() as f64);
            let offsets = furthest.map_or(0, |offset| head.saturating_sub(offset));
            self.furthest_behind.set(offsets as f64);
        }
    }
}

impl StreamMetrics {
    fn new(stream: &'static str) -> Self {
        Self {
            open: gauge!("doorbook_stream_connections", "stream" => stream),
            messages_sent: counter!("doorbook_stream_messages_sent_total", "stream" => stream),
            bytes_sent: counter!("doorbook_stream_bytes_sent_total", "stream" => stream),
            delivery: histogram!("doorbook_stream_delivery_seconds", "stream" => stream),
            live_deliveries: AtomicU64::new(0),
        }
    }

    pub(super) fn opened(&self) -> Open {
        self.open.increment(1.0);
        Open(self.open.clone())
    }

    pub(super) fn sent(&self, messages: usize, bytes: usize) {
        self.messages_sent.increment(messages as u64);
        self.bytes_sent.increment(bytes as u64);
    }

    /// A page has been handed to a live reader, or given out to many.
    pub(super) fn delivered_live(&self, recorded_at: Timestamp) {
        let nth = self.live_deliveries.fetch_add(1, Ordering::Relaxed);
        if nth.is_multiple_of(TIMED_ONE_IN) {
            let micros = Timestamp::now().0.saturating_sub(recorded_at.0).max(0);
            #[expect(
                clippy::cast_precision_loss,
                reason = "microseconds of this century fit"
            )]
            self.delivery.record(micros as f64 / 1_000_000.0);
        }
    }
}

fn describe() {
    describe_gauge!("doorbook_stream_connections", "Open streams.");
    describe_counter!(
        "doorbook_stream_messages_sent_total",
        "Messages sent to streams."
    );
    describe_counter!(
        "doorbook_stream_bytes_sent_total",
        "Text sent to streams, bytes."
    );
    describe_histogram!(
        "doorbook_stream_delivery_seconds",
        "From an event's record to its writing to live readers; one page in 32."
    );
    describe_gauge!(
        "doorbook_stream_readers_behind",
        "Readers that are not at the head."
    );
    describe_gauge!(
        "doorbook_stream_furthest_behind_offsets",
        "How far the last of them stands behind the head."
    );
    describe_counter!(
        "doorbook_stream_resets_total",
        "Starts that could not be honoured, by reason."
    );
    describe_counter!(
        "doorbook_stream_closes_total",
        "Ended streams, by close code."
    );
}

impl Behind {
    pub(super) fn at(&self, cursor: Offset) {
        self.0.store(cursor, Ordering::Relaxed);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
