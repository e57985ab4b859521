//! A log as copies of it need it: frames as they are, keys, who was erased. For `doorbook backup` and
//! `doorbook export`; superusers only, since with the keys comes everything.

use std::io;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{App, admin::superuser, answer, caller::Caller, extract::Params, problem::Problem};
use crate::events::{
    ids::{Epoch, GatheringId, Offset, ParticipantId},
    log::{Log, ReadError},
};

/// Most bytes of one page of frames, but for the last frame's end.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StateParams {
    /// The offset at which the chain's hash is wanted
    at: Option<Offset>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LogState {
    #[schema(value_type = String, format = Uuid)]
    epoch: Epoch,
    head: Offset,
    /// SHA-256 of the frame that ends at `at`, hexadecimal; null when none ends there
    chain: Option<String>,
}

/// Which log this is and how far it goes
#[utoipa::path(get, path = "/api/admin/backup", tag = "admin", params(StateParams), responses(
    (status = 200, description = "Epoch, head, and the chain's hash at an offset", body = LogState),
))]
pub(super) async fn state(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<StateParams>,
) -> Result<Response, Problem> {
    superuser(&caller)?;
    let log = app.log.clone();
    let (epoch, head) = (log.epoch(), log.head());
    let chain = reading(move || log.chain_at(params.at.unwrap_or(0))).await?;
    answer::ok(&LogState { epoch, head, chain })
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FrameParams {
    /// Frames after this offset, at which one must end; from the first when left out
    #[serde(default)]
    after: Offset,
    /// Up to the frame that holds this offset
    up_to: Offset,
}

/// Commit frames as they lie in the log
///
/// One behind the other, some 4 MiB a page; an empty answer is the end. The layout is in the source, `events/log/frame.rs`.
#[utoipa::path(get, path = "/api/admin/backup/frames", tag = "admin", params(FrameParams), responses(
    (status = 200, description = "Whole frames", body = Vec<u8>, content_type = "application/octet-stream"),
))]
pub(super) async fn frames(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<FrameParams>,
) -> Result<Response, Problem> {
    superuser(&caller)?;
    let log = app.log.clone();
    let raw = reading(move || {
        let inside = params.after < log.head() && log.chain_at(params.after)?.is_none();
        let raw = (!inside).then(|| log.raw_frames(params.after, params.up_to, PAGE_BYTES));
        raw.transpose()
    });
    let raw = raw.await?;
    Ok(octets(raw.ok_or_else(|| {
        Problem::field("after", "must be an offset at which a frame ends")
    })?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct KeyParams {
    /// The content of this file; without it, the names of all
    file: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct KeyNames {
    files: Vec<String>,
}

/// The key files: their names, or what is in one
///
/// Who has them can read everything that is sealed in the log. Keys come wrapped; the file `master` opens them.
#[utoipa::path(get, path = "/api/admin/backup/keys", tag = "admin", params(KeyParams), responses(
    (status = 200, description = "Names, or with `file` its bytes", body = KeyNames),
))]
pub(super) async fn keys(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<KeyParams>,
) -> Result<Response, Problem> {
    superuser(&caller)?;
    let log = app.log.clone();
    let Some(name) = params.file else {
        let files = reading_keys(move || key_names(&log)).await?;
        return answer::ok(&KeyNames { files });
    };
    let content = reading_keys(move || key_content(&log, &name)).await?;
    let content = content.ok_or_else(|| Problem::field("file", "must be one of the names"))?;
    Ok(octets(content))
}

#[derive(Serialize, ToSchema)]
pub(super) struct ErasedList {
    erased: Vec<ErasedPerson>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ErasedPerson {
    #[schema(value_type = String, format = Uuid)]
    gathering: GatheringId,
    #[schema(value_type = String, format = Uuid)]
    participant: ParticipantId,
}

/// Everybody who was erased, for copies made before that have to lose them, too
#[utoipa::path(get, path = "/api/admin/backup/erased", tag = "admin", responses(
    (status = 200, description = "In the order in which they were erased", body = ErasedList),
))]
pub(super) async fn erased(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    superuser(&caller)?;
    let erased = app.log.erased().into_iter();
    answer::ok(&ErasedList {
        erased: erased
            .map(|(gathering, participant)| ErasedPerson {
                gathering,
                participant,
            })
            .collect(),
    })
}

fn key_names(log: &Log) -> io::Result<Vec<String>> {
    log.keys().file_names()
}

fn key_content(log: &Log, name: &str) -> io::Result<Option<Vec<u8>>> {
    let content = log.keys().file_content(name)?;
    Ok(content.map(|bytes| bytes.to_vec()))
}

fn octets(bytes: Vec<u8>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    (StatusCode::OK, kind, bytes).into_response()
}

/// Off the async threads, since it waits for the disk.
async fn reading<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, Problem> {
    let read = tokio::task::spawn_blocking(work).await;
    let read = read.map_err(|_| Problem::internal())?;
    read.map_err(|error| {
        tracing::error!(%error, "the log cannot be copied");
        Problem::internal()
    })
}

async fn reading_keys<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let read = tokio::task::spawn_blocking(work).await;
    let read = read.map_err(|_| Problem::internal())?;
    read.map_err(|error| {
        tracing::error!(%error, "the keys cannot be copied");
        Problem::internal()
    })
}
