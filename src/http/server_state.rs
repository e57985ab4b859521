//! What an operator asks first when something is wrong: how long the server runs, whether it takes events,
//! how full the disk is, who is connected. Names nobody, and no path but the data directory's own name.
//!
//! Where the views are is in `admin`, everything over time in `metrics`.

use std::{fs, io, path::Path};

use axum::{extract::State, response::Response};
use rustix::fs::statvfs;
use serde::Serialize;
use utoipa::ToSchema;

use super::{App, admin::superuser, answer, caller::Caller, health, pages, problem::Problem};
use crate::events::{
    ids::{Epoch, Offset},
    time::Timestamp,
};

#[derive(Serialize, ToSchema)]
pub(super) struct ServerState {
    #[schema(value_type = String)]
    version: &'static str,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    uptime_seconds: u64,
    /// What `/readyz` says; empty when clients may be sent here.
    not_ready: Vec<String>,
    #[schema(value_type = String, format = Uuid)]
    epoch: Epoch,
    head: Offset,
    /// False after a failed write: events are taken again after a restart.
    writable: bool,
    /// Events that wait for the disk.
    queued: usize,
    /// How long the newest commit took.
    last_commit_ms: f64,
    data: Data,
    connections: Connections,
    /// Whether this binary holds the web pages.
    pages_built: bool,
}

/// The data directory.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct Data {
    name: String,
    log_bytes: u64,
    /// All of it, the log included.
    data_bytes: u64,
    /// What doorbook may still write to the disk that it lies on.
    disk_free_bytes: u64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Connections {
    /// In all, this request's included.
    open: u64,
    /// Turned away by a limit, since the start.
    refused: u64,
    /// Live streams of both kinds, by WebSocket and as server-sent events.
    streams: u64,
    /// Readers that are served from the log, because they cannot keep up.
    streams_behind: u64,
}

/// How the server is
#[utoipa::path(get, path = "/api/admin/server", tag = "admin", responses(
    (status = 200, description = "Its state", body = ServerState),
))]
pub(super) async fn server(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    superuser(&caller)?;
    let statistics = app.log.statistics();
    let (started_at, since) = app.started;
    answer::ok(&ServerState {
        version: env!("CARGO_PKG_VERSION"),
        started_at,
        uptime_seconds: since.elapsed().as_secs(),
        not_ready: health::not_ready(&app),
        epoch: app.log.epoch(),
        head: app.log.head(),
        writable: app.log.poisoned().is_none(),
        queued: statistics.queued,
        last_commit_ms: statistics.last_commit.as_secs_f64() * 1_000.0,
        data: data(&app).await?,
        connections: connections(&app),
        pages_built: pages::built(),
    })
}

async fn data(app: &App) -> Result<Data, Problem> {
    let log = app.log.clone();
    let measured = tokio::task::spawn_blocking(move || log.data_dir().map(measure).transpose());
    let measured = measured.await.map_err(|_| Problem::internal())?;
    // Only a log in memory has no directory.
    Ok(measured.map_err(unmeasured)?.unwrap_or_default())
}

fn measure(dir: &Path) -> io::Result<Data> {
    let disk = statvfs(dir)?;
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    Ok(Data {
        name: name.into_owned(),
        log_bytes: bytes_under(&dir.join("log"))?,
        data_bytes: bytes_under(dir)?,
        disk_free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
    })
}

/// Files come and go meanwhile: what is gone counts nothing.
fn bytes_under(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => bytes += found.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(bytes)
}

fn unmeasured(error: io::Error) -> Problem {
    tracing::error!(%error, "the data directory could not be measured");
    Problem::internal()
}

fn connections(app: &App) -> Connections {
    let [open, refused, streams, streams_behind] = app.metrics.now([
        "doorbook_connections",
        "doorbook_connections_refused_total",
        "doorbook_stream_connections",
        "doorbook_stream_readers_behind",
    ]);
    Connections {
        open,
        refused,
        streams,
        streams_behind,
    }
}
