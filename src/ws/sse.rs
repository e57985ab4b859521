//! Server-sent events: the same subscription as a WebSocket's, for clients that only listen. `id:` is
//! the cursor, so that `Last-Event-ID` resumes; `event:` is the message's type.
//!
//! The server pulls: nothing is read from a view before the connection takes more, so a slow reader
//! holds no memory here. One that takes nothing is ended by the kernel (see `server`).

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::events::ids::{Cursor, Offset};

use super::{
    Streams,
    admission::Seat,
    ending::Ending,
    metrics::Open,
    problem::Problem,
    start::Asked,
    subscription::{Caller, Outgoing, Subscription, Text},
    upgrade,
};

/// How long a browser waits before it connects again, ms.
const RETRY: &str = "retry: 2000\n\n";
const LAST_EVENT_ID: &str = "last-event-id";
/// Most text in one chunk, bytes; larger messages are handed over as they are.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// `GET /api/events/{event_id}/stream`: one gathering.
pub(super) async fn check_in(
    State(streams): State<Streams>,
    event_id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let (Parts { headers, uri, .. }, _) = request.into_parts();
    let opened = async {
        let (caller, from) = upgrade::check_in_caller(&streams, event_id, (&headers, &uri)).await?;
        open(streams, caller, from, &headers).await
    };
    opened.await.unwrap_or_else(IntoResponse::into_response)
}

/// `GET /api/events/stream`: all gatherings that the caller may see.
pub(super) async fn dashboard(State(streams): State<Streams>, request: Request) -> Response {
    let (Parts { headers, uri, .. }, _) = request.into_parts();
    let opened = async {
        let (caller, from) = upgrade::dashboard_caller(&streams, (&headers, &uri))?;
        open(streams, caller, from, &headers).await
    };
    opened.await.unwrap_or_else(IntoResponse::into_response)
}

/// Everything that lives as long as the answer's body.
struct Listener {
    streams: Streams,
    subscription: Subscription,
    /// Handed over before anything else is asked for.
    chunks: std::vec::IntoIter<Bytes>,
    ended: bool,
    _open: Open,
    _seat: Seat,
    _tracked: TaskTrackerToken,
}

async fn open(
    streams: Streams,
    caller: Caller,
    from: Option<Asked>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let from = match last_event_id(headers)? {
        Some(last_seen) => Some(last_seen),
        None => from,
    };
    let seat = streams.0.admission.seat(&caller.principal().id)?;
    let open = caller.metrics(&streams.0.metrics).opened();
    let tracked = streams.0.admission.track();
    let subscription = Subscription::begin(streams.clone(), caller, from)
        .await
        .map_err(|_| Problem::cannot_be_read())?;
    let listener = Listener {
        streams,
        subscription,
        chunks: vec![Bytes::from_static(RETRY.as_bytes())].into_iter(),
        ended: false,
        _open: open,
        _seat: seat,
        _tracked: tracked,
    };
    let body = Body::from_stream(stream::unfold(listener, |mut listener| async move {
        let chunk = listener.next().await?;
        Some((Ok::<_, Infallible>(chunk), listener))
    }));
    let mut response = Response::new(body);
    let answered = response.headers_mut();
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        // nginx would hold events back otherwise.
        ("x-accel-buffering", "no"),
        ("vary", "origin"),
    ] {
        answered.insert(name, HeaderValue::from_static(value));
    }
    // The page's origin has been checked with its identity; without this the browser hides the answer.
    if let Some(origin) = headers.get(header::ORIGIN) {
        answered.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answered.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
    }
    Ok(response)
}

/// What a client has seen already, by its own account.
fn last_event_id(headers: &HeaderMap) -> Result<Option<Asked>, Problem> {
    match headers.get(LAST_EVENT_ID) {
        None => Ok(None),
        Some(id) if id.is_empty() => Ok(None),
        Some(id) => match id.to_str().map(str::parse) {
            Ok(Ok(asked)) => Ok(Some(asked)),
            _ => Err(Problem::invalid_field(
                "Last-Event-ID must be the id of an event of this stream",
            )),
        },
    }
}

impl Listener {
    /// None: it is over.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(chunk) = self.chunks.next() {
                return Some(chunk);
            }
            if self.ended {
                return None;
            }
            let Err(ending) = self.step().await else {
                continue;
            };
            self.ended = true;
            self.streams.0.metrics.closed(ending);
        }
    }

    /// What there is to say, or a wait until there may be something.
    async fn step(&mut self) -> Result<(), Ending> {
        let mut messages = Vec::new();
        let at_head = self.subscription.next(&mut messages).await;
        if messages.is_empty() {
            if at_head? {
                self.subscription.wait().await?;
            }
            return Ok(());
        }
        let bytes = messages.iter().map(|message| message.text.len()).sum();
        self.subscription.said(messages.len(), bytes);
        self.chunks = chunks(&messages, |offset| self.subscription.cursor_at(offset)).into_iter();
        match at_head {
            Err(ending) => Err(ending),
            Ok(_) => Ok(()),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if !self.ended {
            self.streams.0.metrics.closed(Ending::Left);
        }
    }
}

fn chunks(messages: &[Outgoing], cursor_at: impl Fn(Offset) -> Cursor) -> Vec<Bytes> {
    let mut chunks = Vec::new();
    let mut chunk = Vec::new();
    for message in messages {
        if let Some(offset) = message.seen {
            chunk.extend_from_slice(format!("id: {}\n", cursor_at(offset)).as_bytes());
        }
        chunk.extend_from_slice(b"event: ");
        chunk.extend_from_slice(message.text.kind());
        chunk.extend_from_slice(b"\ndata: ");
        match &message.text {
            Text::Whole(text) => chunk.extend_from_slice(text),
            Text::Pieces(pieces) => {
                chunks.push(std::mem::take(&mut chunk).into());
                chunks.extend_from_slice(pieces);
            }
        }
        chunk.extend_from_slice(b"\n\n");
        if chunk.len() >= CHUNK_BYTES_MAX {
            chunks.push(std::mem::take(&mut chunk).into());
        }
    }
    if !chunk.is_empty() {
        chunks.push(chunk.into());
    }
    chunks
}
