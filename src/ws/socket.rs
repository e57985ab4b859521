//! One WebSocket: writes shared text without copying it first, notices a peer that takes nothing,
//! and says goodbye so that the close code arrives.
//!
//! Sits on tungstenite directly and not on axum's `WebSocket`, which hides the bytes: only with
//! them can a slow peer be told from a dead one, and a large snapshot be sent in fragments.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::timeout,
};
use tokio_stream::StreamExt as _;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        error::ProtocolError,
        protocol::{
            CloseFrame, Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{CloseCode, Data, OpCode},
            },
        },
    },
};

/// Largest message and frame that a client may send, bytes.
pub(crate) const INCOMING_BYTES_MAX: usize = 4 * 1024;
/// tungstenite clears its whole read buffer before each read, so it is kept small, bytes.
const READ_BUFFER_BYTES: usize = 2 * 1024;
/// Text beyond this is written to the kernel without waiting for the flush, bytes.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// Largest fragment of a message; bounds what a connection's write buffer grows to, bytes.
const FRAGMENT_BYTES_MAX: usize = 16 * 1024;
/// Never reached: a fragment is only taken once the buffer is below its threshold, bytes.
const WRITE_BUFFER_BYTES_MAX: usize = 4 * WRITE_BUFFER_BYTES;
/// How long a closing connection may take to hear its close code.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why nothing more can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// The peer has taken no byte for the whole patience.
    Stalled,
    /// The connection is gone.
    Gone,
}

/// What came from the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Text(String),
    Binary,
    /// Ping or pong; already answered where an answer is due.
    Control,
    TooBig,
    NotUtf8,
    /// Closed by the client, or broken off.
    Closed,
    /// Not the WebSocket protocol.
    Broken,
}

pub(crate) struct Socket {
    stream: WebSocketStream<Counted>,
    written: Arc<AtomicU64>,
    stall: Duration,
}

impl Socket {
    /// `stall`: how long the peer may take no byte before writes fail.
    pub(crate) async fn open(upgraded: Upgraded, stall: Duration) -> Self {
        let written = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            io: TokioIo::new(upgraded),
            written: Arc::clone(&written),
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
            .max_message_size(Some(INCOMING_BYTES_MAX))
            .max_frame_size(Some(INCOMING_BYTES_MAX));
        Self {
            stream: WebSocketStream::from_raw_socket(counted, Role::Server, Some(config)).await,
            written,
            stall,
        }
    }

    /// Puts one text message behind what is already there; `flush` sends it. The pieces make one message.
    pub(crate) async fn feed(&mut self, pieces: &[Bytes]) -> Result<(), WriteError> {
        let mut left: usize = pieces.iter().map(Bytes::len).sum();
        if let ([_, _, ..], true) = (pieces, left <= FRAGMENT_BYTES_MAX) {
            return self.feed_fragment(pieces.concat().into(), true, true).await;
        }
        let mut first = true;
        for piece in pieces {
            let mut rest = piece.clone();
            while !rest.is_empty() {
                let fragment = rest.split_to(rest.len().min(FRAGMENT_BYTES_MAX));
                left -= fragment.len();
                self.feed_fragment(fragment, first, left == 0).await?;
                first = false;
            }
        }
        Ok(())
    }

    pub(crate) async fn flush(&mut self) -> Result<(), WriteError> {
        watched(&self.written, self.stall, self.stream.flush()).await
    }

    /// Waits for the client. Safe to drop while waiting.
    pub(crate) async fn recv(&mut self) -> Incoming {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Incoming::Text(text.as_str().to_owned()),
            Some(Ok(Message::Binary(_))) => Incoming::Binary,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Incoming::Control,
            Some(Ok(Message::Close(_))) | None => Incoming::Closed,
            Some(Err(tungstenite::Error::Capacity(_))) => Incoming::TooBig,
            Some(Err(tungstenite::Error::Utf8(_))) => Incoming::NotUtf8,
            Some(Err(
                tungstenite::Error::Io(_)
                | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
            )) => Incoming::Closed,
            Some(Err(_)) => Incoming::Broken,
        }
    }

    /// What has already come from the client, without waiting.
    pub(crate) fn recv_ready(&mut self) -> Option<Incoming> {
        self.recv().now_or_never()
    }

    /// Sends the close code, if there is one to send, and waits a moment for the client to take it: a
    /// connection dropped with unread bytes is reset, and the code is lost with it.
    pub(crate) async fn close(mut self, code: Option<(u16, &'static str)>) {
        let goodbye = async {
            let said = match code {
                Some((code, reason)) => {
                    let frame = CloseFrame {
                        code: CloseCode::from(code),
                        reason: reason.into(),
                    };
                    self.stream.send(Message::Close(Some(frame))).await
                }
                // The client's own close is answered by what is flushed here.
                None => self.stream.flush().await,
            };
            said.map_err(io::Error::other)?;
            let io = self.stream.get_mut();
            io.shutdown().await?;
            let mut ignored = [0; 1024];
            while io.read(&mut ignored).await? > 0 {}
            io::Result::Ok(())
        };
        match timeout(GOODBYE, goodbye).await {
            Ok(Ok(())) => {}
            // The peer is gone or mute; there is nobody left to tell.
            Ok(Err(_)) | Err(_) => tracing::debug!("a stream ended without a goodbye"),
        }
    }

    async fn feed_fragment(
        &mut self,
        payload: Bytes,
        first: bool,
        last: bool,
    ) -> Result<(), WriteError> {
        let opcode = OpCode::Data(if first { Data::Text } else { Data::Continue });
        let frame = Message::Frame(Frame::message(payload, opcode, last));
        watched(&self.written, self.stall, self.stream.feed(frame)).await
    }
}

/// Waits for a write as long as bytes move.
async fn watched<T>(
    written: &AtomicU64,
    stall: Duration,
    write: impl Future<Output = Result<T, tungstenite::Error>>,
) -> Result<T, WriteError> {
    let mut write = pin!(write);
    loop {
        let before = written.load(Ordering::Relaxed);
        match timeout(stall, write.as_mut()).await {
            Ok(done) => return done.map_err(|_| WriteError::Gone),
            Err(_) if written.load(Ordering::Relaxed) == before => {
                return Err(WriteError::Stalled);
            }
            Err(_) => {}
        }
    }
}

/// The connection, with a count of the bytes that the kernel has taken.
struct Counted {
    io: TokioIo<Upgraded>,
    written: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(bytes)) = taken {
            self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        taken
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
