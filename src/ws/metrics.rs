//! What the streams count: open connections, messages sent, closes by code. Labels are fixed words.
//!
//! Handles are made once, with the recorder in force when the server is wired, so that a message
//! costs an addition and no lookup.

use metrics::{Counter, Gauge, counter, gauge};

use super::ending::Ending;

pub(super) struct Metrics {
    check_in: StreamMetrics,
    dashboard: StreamMetrics,
    closes: [Counter; Ending::ALL.len()],
}

/// Of one kind of stream.
pub(super) struct StreamMetrics {
    open: Gauge,
    messages_sent: Counter,
}

/// Counts a connection for as long as it is held, even when its task dies.
pub(super) struct Open(Gauge);

impl Metrics {
    pub(super) fn new() -> Self {
        Self {
            check_in: StreamMetrics::new("checkin"),
            dashboard: StreamMetrics::new("dashboard"),
            closes: Ending::ALL
                .map(|ending| counter!("doorbook_stream_closes_total", "code" => ending.label())),
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
}

impl StreamMetrics {
    fn new(stream: &'static str) -> Self {
        Self {
            open: gauge!("doorbook_stream_connections", "stream" => stream),
            messages_sent: counter!("doorbook_stream_messages_sent_total", "stream" => stream),
        }
    }

    pub(super) fn opened(&self) -> Open {
        self.open.increment(1.0);
        Open(self.open.clone())
    }

    pub(super) fn sent(&self, messages: usize) {
        self.messages_sent.increment(messages as u64);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
