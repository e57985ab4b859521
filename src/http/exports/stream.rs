//! An export as the body of an answer: made on a thread that may block, handed over in chunks, of which
//! few wait. A slow client makes it wait, one that has gone ends it, and what ends early is aborted, so
//! that no client takes it for a whole file.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

use super::{Checkpoint, ExportError, Shape, write};
use crate::{http::problem::Problem, projections::views::HistoryRows};

/// Exports at once: each keeps a thread busy.
const AT_ONCE_MAX: usize = 4;
/// Size of a chunk, and how many wait for the client.
const CHUNK_BYTES: usize = 64 * 1024;
const CHUNKS_MAX: usize = 4;
/// A client that takes no chunk for this long makes room for others.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// When to come back after being turned away.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Places for exports.
pub(in crate::http) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE_MAX)))
    }
}

impl Places {
    /// # Errors
    /// 503 when all are taken.
    pub(in crate::http) fn take(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.0.clone().try_acquire_owned().map_err(|_| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "other exports are running; try again when one of them is done",
            )
            .retry_after(RETRY_AFTER)
        })
    }
}

/// What goes from the thread to the body. A body that has seen no end is not whole.
enum Piece {
    Chunk(Bytes),
    End,
}

pub(in crate::http) fn send(
    place: OwnedSemaphorePermit,
    mut rows: HistoryRows,
    limit: u64,
    shape: Shape,
    checkpoint: Checkpoint,
    file_name: &str,
) -> Response {
    let (pieces, receiver) = mpsc::channel(CHUNKS_MAX);
    let kind = shape.format.media_type();
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let mut pipe = Pipe {
            runtime,
            pieces,
            chunk: Vec::with_capacity(CHUNK_BYTES),
        };
        match write(&mut rows, limit, &shape, &checkpoint, &mut pipe, |_| ()) {
            // Nobody may be left to hear of it.
            Ok(_) => pipe.send(Piece::End).unwrap_or_default(),
            Err(ExportError::View(error)) => {
                tracing::error!(%error, "an export broke off: the log cannot be read on");
            }
            Err(ExportError::Write(error)) => {
                tracing::debug!(%error, "an export broke off: the client does not take it");
            }
        }
    });
    let disposition = format!("attachment; filename=\"{file_name}\"");
    let disposition = HeaderValue::from_str(&disposition);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (
            header::CONTENT_DISPOSITION,
            disposition.unwrap_or(HeaderValue::from_static("attachment")),
        ),
    ];
    let body = Body::from_stream(stream::try_unfold(receiver, next));
    (headers, body).into_response()
}

async fn next(
    mut pieces: mpsc::Receiver<Piece>,
) -> Result<Option<(Bytes, mpsc::Receiver<Piece>)>, io::Error> {
    match pieces.recv().await {
        Some(Piece::Chunk(chunk)) => Ok(Some((chunk, pieces))),
        Some(Piece::End) => Ok(None),
        None => Err(io::Error::other("the export broke off")),
    }
}

/// The thread's end of the body.
struct Pipe {
    runtime: Handle,
    pieces: mpsc::Sender<Piece>,
    chunk: Vec<u8>,
}

impl Pipe {
    fn send(&self, piece: Piece) -> io::Result<()> {
        let sent = timeout(STALL_TIMEOUT, self.pieces.send(piece));
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let next = Vec::with_capacity(CHUNK_BYTES);
        let chunk = std::mem::replace(&mut self.chunk, next);
        self.send(Piece::Chunk(chunk.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_has_seen_no_end_is_an_error() {
        for (last, is_whole) in [(Some(Piece::End), true), (None, false)] {
            let (pieces, receiver) = mpsc::channel(CHUNKS_MAX);
            let chunk = Piece::Chunk(Bytes::from_static(b"offset\r\n"));
            assert!(pieces.send(chunk).await.is_ok());
            if let Some(last) = last {
                assert!(pieces.send(last).await.is_ok());
            }
            drop(pieces);
            let body = Body::from_stream(stream::try_unfold(receiver, next));
            let read = axum::body::to_bytes(body, CHUNK_BYTES).await;
            assert_eq!(read.is_ok(), is_whole);
        }
    }

    #[tokio::test]
    async fn there_are_so_many_places_and_no_more() {
        let places = Places::default();
        let taken: Vec<_> = (0..AT_ONCE_MAX).map(|_| places.take().unwrap()).collect();
        assert!(places.take().is_err());
        drop(taken);
        assert!(places.take().is_ok());
    }
}
