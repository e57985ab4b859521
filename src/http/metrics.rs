//! Counts and durations for Prometheus. Labels are fixed words and route patterns; never ids.
//!
//! Each server has its own registry, and counters are registered once and kept, so that a request
//! costs an addition and not a lookup by label.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use parking_lot::RwLock;

use super::{App, caller::Caller, problem::Problem};
use crate::{
    commands::{Accepted, CommandError},
    events::event::Event,
    projections::views::RebuildState,
};

/// Upper bounds of the duration buckets, seconds.
const BUCKETS_SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.5, 2.0, 10.0,
];

const REBUILD_STATES: [(RebuildState, &str); 4] = [
    (RebuildState::Running, "running"),
    (RebuildState::Done, "done"),
    (RebuildState::Cancelled, "cancelled"),
    (RebuildState::Failed, "failed"),
];

const METADATA: Metadata<'static> = Metadata::new("doorbook", Level::INFO, None);

pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    outcomes: [Counter; Outcome::ALL.len()],
    command_seconds: Histogram,
    commands_in_flight: Gauge,
    request_seconds: Histogram,
    requests: RwLock<ByRoute>,
    pub connections: Gauge,
    pub connections_refused: Counter,
}

/// A route pattern's counters; it has few statuses.
type ByRoute = HashMap<Box<str>, Vec<(StatusCode, Counter)>>;

/// A command on its way; [`Self::ended`] counts it.
pub(super) struct RunningCommand<'m> {
    metrics: &'m Metrics,
    started: Instant,
}

#[derive(Clone, Copy)]
enum Outcome {
    Accepted,
    Replayed,
    ScanRefused,
    Refused,
    Conflict,
    Busy,
    Failed,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&BUCKETS_SECONDS)
            .unwrap_or_default()
            .build_recorder();
        describe(&recorder);
        let counter = |key: Key| recorder.register_counter(&key, &METADATA);
        let gauge = |name| recorder.register_gauge(&Key::from_static_name(name), &METADATA);
        let histogram = |name| recorder.register_histogram(&Key::from_static_name(name), &METADATA);
        Self {
            handle: recorder.handle(),
            outcomes: Outcome::ALL.map(|outcome| {
                counter(Key::from_parts(
                    "doorbook_commands_total",
                    vec![Label::from_static_parts("outcome", outcome.as_str())],
                ))
            }),
            command_seconds: histogram("doorbook_command_seconds"),
            commands_in_flight: gauge("doorbook_commands_in_flight"),
            request_seconds: histogram("doorbook_request_seconds"),
            requests: RwLock::new(HashMap::new()),
            connections: gauge("doorbook_connections"),
            connections_refused: counter(Key::from_static_name(
                "doorbook_connections_refused_total",
            )),
            recorder,
        }
    }

    pub(super) fn command(&self) -> RunningCommand<'_> {
        self.commands_in_flight.increment(1.0);
        RunningCommand {
            metrics: self,
            started: Instant::now(),
        }
    }

    pub(super) fn request(&self, route: &str, status: StatusCode, took: Duration) {
        self.request_seconds.record(took.as_secs_f64());
        if let Some(known) = self.requests.read().get(route)
            && let Some((_, counter)) = known.iter().find(|(seen, _)| *seen == status)
        {
            counter.increment(1);
            return;
        }
        let key = Key::from_parts(
            "doorbook_requests_total",
            vec![
                Label::new("route", route.to_owned()),
                Label::new("status", status.as_str().to_owned()),
            ],
        );
        let counter = self.recorder.register_counter(&key, &METADATA);
        counter.increment(1);
        let mut requests = self.requests.write();
        requests
            .entry(route.into())
            .or_default()
            .push((status, counter));
    }

    /// Runs `make` with this registry in force, for counters that the other door registers.
    pub fn in_force<R>(&self, make: impl FnOnce() -> R) -> R {
        metrics::with_local_recorder(&self.recorder, make)
    }

    /// Folds recorded durations into their buckets; to be called now and then.
    pub fn tidy(&self) {
        self.handle.run_upkeep();
    }

    /// What these stand at, each with all its labels together: read back from the text, which is all
    /// that the registry gives.
    pub(super) fn now<const N: usize>(&self, names: [&str; N]) -> [u64; N] {
        let text = self.handle.render();
        names.map(|name| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(name));
            let values = lines
                .filter(|rest| rest.starts_with([' ', '{']))
                .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok());
            values.sum::<f64>() as u64
        })
    }

    fn gauge(&self, name: &'static str, labels: Vec<Label>, value: f64) {
        self.recorder
            .register_gauge(&Key::from_parts(name, labels), &METADATA)
            .set(value);
    }
}

impl RunningCommand<'_> {
    pub(super) fn ended(self, outcome: &Result<Accepted, CommandError>) {
        self.metrics
            .command_seconds
            .record(self.started.elapsed().as_secs_f64());
        if let Some(counter) = self.metrics.outcomes.get(Outcome::of(outcome) as usize) {
            counter.increment(1);
        }
    }
}

impl Drop for RunningCommand<'_> {
    fn drop(&mut self) {
        self.metrics.commands_in_flight.decrement(1.0);
    }
}

impl Outcome {
    const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Replayed,
        Self::ScanRefused,
        Self::Refused,
        Self::Conflict,
        Self::Busy,
        Self::Failed,
    ];

    fn of(outcome: &Result<Accepted, CommandError>) -> Self {
        match outcome {
            Ok(accepted) if accepted.replayed => Self::Replayed,
            Ok(accepted) if matches!(accepted.recorded.event, Event::ScanRefused { .. }) => {
                Self::ScanRefused
            }
            Ok(_) => Self::Accepted,
            Err(CommandError::Refused(_)) => Self::Refused,
            Err(CommandError::IdempotencyConflict { .. }) => Self::Conflict,
            Err(CommandError::Busy { .. }) => Self::Busy,
            Err(
                CommandError::Unavailable(_)
                | CommandError::TooLarge
                | CommandError::KeyStays(_)
                | CommandError::Load(_),
            ) => Self::Failed,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Replayed => "replayed",
            Self::ScanRefused => "scan_refused",
            Self::Refused => "refused",
            Self::Conflict => "idempotency_conflict",
            Self::Busy => "busy",
            Self::Failed => "failed",
        }
    }
}

/// Metrics for Prometheus
///
/// Open to superusers and auditors, or to everybody when configured so.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses(
    (status = 200, description = "Prometheus text format", body = String, content_type = "text/plain"),
))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
) -> Result<Response, Problem> {
    if !app.settings.public_metrics && !caller?.principal.reads_all_history() {
        return Err(Problem::forbidden(
            "metrics are for superusers and auditors",
        ));
    }
    let head = app.log.head();
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 events")]
    let number = |value: u64| value as f64;
    app.metrics
        .gauge("doorbook_log_head", Vec::new(), number(head));
    let writable = f64::from(u8::from(app.log.poisoned().is_none()));
    app.metrics
        .gauge("doorbook_log_writable", Vec::new(), writable);
    for status in app.views.projections() {
        let labels = vec![Label::from_static_parts("projection", status.name)];
        app.metrics
            .gauge("doorbook_projection_lag_events", labels, number(status.lag));
        let labels = vec![Label::from_static_parts("view", status.name)];
        let parked = f64::from(u8::from(status.error.is_some()));
        app.metrics
            .gauge("doorbook_view_parked", labels.clone(), parked);
        (app.metrics).gauge(
            "doorbook_view_generation",
            labels,
            number(status.generation),
        );
    }
    for (name, progress) in app.views.rebuilds() {
        let labels = || vec![Label::from_static_parts("view", name)];
        let set = |metric, value| app.metrics.gauge(metric, labels(), value);
        set(
            "doorbook_rebuild_processed_events",
            number(progress.processed),
        );
        set("doorbook_rebuild_total_events", number(progress.total));
        set(
            "doorbook_rebuild_events_per_second",
            number(progress.events_per_second),
        );
        set(
            "doorbook_rebuild_left_seconds",
            number(progress.eta_seconds.unwrap_or(0)),
        );
        for (state, word) in REBUILD_STATES {
            let mut labels = labels();
            labels.push(Label::from_static_parts("state", word));
            let is_it = f64::from(u8::from(progress.state == state));
            app.metrics.gauge("doorbook_rebuild_state", labels, is_it);
        }
    }
    let text = app.metrics.handle.render();
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    Ok((kind, text).into_response())
}

fn describe(recorder: &PrometheusRecorder) {
    let counter = |name, text: &'static str| {
        recorder.describe_counter(KeyName::from_const_str(name), None, text.into());
    };
    let gauge = |name, text: &'static str| {
        recorder.describe_gauge(KeyName::from_const_str(name), None, text.into());
    };
    let histogram = |name, text: &'static str| {
        recorder.describe_histogram(KeyName::from_const_str(name), None, text.into());
    };
    counter(
        "doorbook_commands_total",
        "Commands by what became of them.",
    );
    counter("doorbook_requests_total", "Answers by route and status.");
    counter(
        "doorbook_connections_refused_total",
        "Connections turned away by a limit.",
    );
    gauge(
        "doorbook_commands_in_flight",
        "Commands that wait for their decision or the disk.",
    );
    gauge("doorbook_connections", "Open connections.");
    gauge("doorbook_log_head", "Highest durable offset.");
    gauge(
        "doorbook_log_writable",
        "1 while the log takes events, 0 after a failed write.",
    );
    gauge(
        "doorbook_projection_lag_events",
        "Events that a view has not applied yet.",
    );
    gauge(
        "doorbook_view_parked",
        "1 while a view cannot apply an event and stands before it, else 0.",
    );
    gauge(
        "doorbook_view_generation",
        "Which making of the view is live; a rebuild makes the next.",
    );
    gauge(
        "doorbook_rebuild_processed_events",
        "Events that the last rebuild of a view has folded.",
    );
    gauge(
        "doorbook_rebuild_total_events",
        "Events that the last rebuild of a view has to fold.",
    );
    gauge(
        "doorbook_rebuild_events_per_second",
        "Speed of the last rebuild of a view.",
    );
    gauge(
        "doorbook_rebuild_left_seconds",
        "Time that a rebuild under way still needs at its speed.",
    );
    gauge(
        "doorbook_rebuild_state",
        "1 for the state that the last rebuild of a view is in.",
    );
    histogram(
        "doorbook_command_seconds",
        "From a parsed command to its durable event.",
    );
    histogram(
        "doorbook_request_seconds",
        "From a request's header to its answer.",
    );
}
