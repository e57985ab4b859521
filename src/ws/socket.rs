//! One WebSocket on its naked TCP stream: frames go out from shared text without a buffer of their
//! own, and a peer that takes nothing is noticed.
//!
//! What comes in is tungstenite's: it checks the protocol and answers pings and closes. Frames that
//! go out are the same for everybody, so only their header is made here. An idle connection holds no
//! buffer at all; what it would cost to give each one its own is in `docs/adr/0007`.

use std::{
    cell::RefCell,
    future::poll_fn,
    io::{self, Read, Write},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use hyper::upgrade::{Parts, Upgraded};
use hyper_util::rt::TokioIo;
use rustix::{
    io::Errno,
    net::{SendFlags, Shutdown, sockopt},
};
use tokio::{net::TcpStream, time::timeout};
use tungstenite::{
    self, Message,
    error::ProtocolError,
    protocol::{
        Role, WebSocketConfig, WebSocketContext,
        frame::{
            FrameHeader,
            coding::{Control, Data, OpCode},
        },
    },
};

use crate::events::ids::Offset;

use super::fanout::{Fanout, Line, Stay};

/// Largest message and frame that a client may send, bytes.
pub(crate) const INCOMING_BYTES_MAX: usize = 4 * 1024;
/// tungstenite clears its whole read buffer before each read, and keeps it, bytes.
const READ_BUFFER_BYTES: usize = 512;
/// tungstenite writes only pongs and closes; they go to the socket's own rest at once, bytes.
const WRITE_BUFFER_BYTES_MAX: usize = 4 * 1024;
/// Most text in one write, bytes; larger messages are written from where they are.
const WRITE_BYTES_MAX: usize = 64 * 1024;
/// What the kernel holds for a client that does not read, bytes; it takes twice that for itself.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// How often a peer that takes nothing is looked at before its patience is over.
const STALL_LOOKS: u32 = 8;
/// Take what fits, or nothing.
const NOW: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
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
    /// Ping or pong; the answer, where one is due, goes out with the next write.
    Control,
    TooBig,
    NotUtf8,
    /// Closed by the client, or broken off.
    Closed,
    /// Not the WebSocket protocol.
    Broken,
}

pub(crate) struct Socket {
    line: Arc<Line>,
    /// What came right behind the request.
    early: Bytes,
    /// Made with the first byte that a client sends: most only listen.
    machine: Option<Box<WebSocketContext>>,
    /// The machine has nothing left to say before more bytes come.
    hungry: bool,
    /// What the kernel has not taken yet; empty between two calls.
    unsent: Vec<u8>,
    /// A frame has been begun whose rest is nowhere here.
    in_frame: bool,
    stall: Duration,
}

thread_local! {
    /// Frames on their way from shared text into the kernel.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Socket {
    /// `stall`: how long the peer may take no byte before writes fail. None when the connection is no
    /// TCP stream.
    pub(crate) fn open(upgraded: Upgraded, stall: Duration) -> Option<Self> {
        let Parts { io, read_buf, .. } = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
        let tcp = io.into_inner();
        // A copy: even an empty rest keeps hyper's whole buffer.
        let early = Bytes::copy_from_slice(&read_buf);
        if let Err(error) = sockopt::set_socket_send_buffer_size(&tcp, SEND_BUFFER_BYTES) {
            tracing::debug!(%error, "a stream keeps the send buffer it has");
        }
        Some(Self {
            line: Line::new(tcp),
            hungry: early.is_empty(),
            early,
            machine: None,
            unsent: Vec::new(),
            in_frame: false,
            stall,
        })
    }

    /// Sends the messages, as many in one write as fit. Not safe to drop while waiting.
    pub(crate) async fn send<'m>(
        &mut self,
        messages: impl IntoIterator<Item = &'m Bytes>,
    ) -> Result<(), WriteError> {
        let mut messages = messages.into_iter().peekable();
        while let Some(message) = messages.peek() {
            if message.len() > WRITE_BYTES_MAX {
                let message = (*message).clone();
                self.send_pieces(&[message]).await?;
                messages.next();
                continue;
            }
            SCRATCH.with_borrow_mut(|scratch| {
                scratch.clear();
                while let Some(message) = messages.peek()
                    && (scratch.is_empty() || scratch.len() + message.len() <= WRITE_BYTES_MAX)
                {
                    put_text(scratch, message);
                    messages.next();
                }
                self.write_or_keep(scratch)
            })?;
            self.flush().await?;
        }
        Ok(())
    }

    /// Sends one message of several pieces, from where they are.
    pub(crate) async fn send_pieces(&mut self, pieces: &[Bytes]) -> Result<(), WriteError> {
        let length = pieces.iter().map(Bytes::len).sum();
        put_header(&mut self.unsent, OpCode::Data(Data::Text), length);
        self.flush().await?;
        self.in_frame = true;
        for piece in pieces {
            let mut rest = piece.clone();
            while !rest.is_empty() {
                let written = self.write_some(&rest).await?;
                rest.advance(written);
            }
        }
        self.in_frame = false;
        Ok(())
    }

    /// Sends what the kernel has not taken yet, such as the pong that a ping has asked for.
    pub(crate) async fn flush(&mut self) -> Result<(), WriteError> {
        let mut at = 0;
        let mut written = Ok(());
        while at < self.unsent.len() && written.is_ok() {
            let rest = self.unsent.get(at..).unwrap_or_default();
            written = self.write_some(rest).await.map(|bytes| at += bytes);
        }
        match written {
            // Idle connections are many; their buffers would be more.
            Ok(()) => self.unsent = Vec::new(),
            // What has gone out must not go out again before the goodbye.
            Err(_) => drop(self.unsent.drain(..at)),
        }
        written
    }

    /// Lets the fan-out write, for a reader at the head that has seen everything up to the cursor.
    pub(crate) fn park(&self, fanout: &Arc<Fanout>, cursor: Offset) -> Option<Stay> {
        self.line.park(fanout, cursor)
    }

    /// The rest of what the fan-out began to write goes before anything of our own.
    pub(crate) fn take_back(&mut self, unsent: Vec<u8>) {
        if !unsent.is_empty() {
            let own = std::mem::replace(&mut self.unsent, unsent);
            self.unsent.extend_from_slice(&own);
        }
    }

    /// Waits for the client. Safe to drop while waiting.
    pub(crate) async fn recv(&mut self) -> Incoming {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// What has already come from the client, without waiting.
    pub(crate) fn recv_ready(&mut self) -> Option<Incoming> {
        self.recv().now_or_never()
    }

    /// Sends the close code, if there is one to send, and waits a moment for the client to take it: a
    /// connection dropped with unread bytes is reset, and the code is lost with it.
    pub(crate) async fn close(mut self, code: Option<(u16, &'static str)>) {
        // In the middle of a frame it would be read as a part of it.
        if let Some((code, reason)) = code.filter(|_| !self.in_frame) {
            put_header(
                &mut self.unsent,
                OpCode::Control(Control::Close),
                2 + reason.len(),
            );
            self.unsent.extend_from_slice(&code.to_be_bytes());
            self.unsent.extend_from_slice(reason.as_bytes());
        }
        let goodbye = async {
            self.flush()
                .await
                .map_err(|_| io::ErrorKind::ConnectionReset)?;
            // `TcpStream`'s own needs the stream for itself alone, which the fan-out may still hold.
            rustix::net::shutdown(&self.line.tcp, Shutdown::Write)?;
            let mut ignored = [0; 1024];
            loop {
                self.line.tcp.readable().await?;
                match self.line.tcp.try_read(&mut ignored) {
                    Ok(0) => return io::Result::Ok(()),
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                    Ok(_) | Err(_) => {}
                }
            }
        };
        match timeout(GOODBYE, pin!(goodbye)).await {
            Ok(Ok(())) => {}
            // The peer is gone or mute; there is nobody left to tell.
            Ok(Err(_)) | Err(_) => tracing::debug!("a stream ended without a goodbye"),
        }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        loop {
            if self.hungry && ready!(self.line.tcp.poll_read_ready(cx)).is_err() {
                return Poll::Ready(Incoming::Closed);
            }
            let machine = self.machine.get_or_insert_with(|| Box::new(new_machine()));
            let mut wire = Wire {
                tcp: &self.line.tcp,
                early: &mut self.early,
                unsent: &mut self.unsent,
            };
            let read = machine.read(&mut wire);
            // Pongs and closes wait in the machine until somebody asks for them.
            let answered = machine.flush(&mut wire);
            match incoming(read) {
                Some(incoming) => {
                    self.hungry = false;
                    return Poll::Ready(incoming);
                }
                None if answered.is_err() => return Poll::Ready(Incoming::Closed),
                None => self.hungry = true,
            }
        }
    }

    /// Gives the kernel what it takes at once and keeps the rest.
    fn write_or_keep(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let written = if self.unsent.is_empty() {
            match self.line.tcp.try_write(bytes) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(_) => return Err(WriteError::Gone),
            }
        } else {
            0
        };
        self.unsent
            .extend_from_slice(bytes.get(written..).unwrap_or_default());
        Ok(())
    }

    /// Waits until the kernel takes some of it; a peer that lets it take nothing is stalled.
    async fn write_some(&self, bytes: &[u8]) -> Result<usize, WriteError> {
        let tcp = &self.line.tcp;
        let mut waited = Duration::ZERO;
        loop {
            match tcp.try_write(bytes) {
                Ok(0) => return Err(WriteError::Gone),
                Ok(written) => return Ok(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(WriteError::Gone),
            }
            let step = self.stall / STALL_LOOKS;
            match timeout(step, tcp.writable()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(WriteError::Gone),
                // The kernel calls a socket writable when a third of its buffer is free. A peer that
                // reads slowly may take long to free so much; any room at all shows that it reads.
                Err(_) => match rustix::net::send(tcp, bytes, NOW) {
                    Ok(written) => return Ok(written),
                    Err(Errno::AGAIN) if waited + step < self.stall => waited += step,
                    Err(Errno::AGAIN) => return Err(WriteError::Stalled),
                    Err(_) => return Err(WriteError::Gone),
                },
            }
        }
    }
}

/// None: nothing more has come yet.
fn incoming(read: Result<Message, tungstenite::Error>) -> Option<Incoming> {
    Some(match read {
        Ok(Message::Text(text)) => Incoming::Text(text.as_str().to_owned()),
        Ok(Message::Binary(_)) => Incoming::Binary,
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Incoming::Control,
        Ok(Message::Close(_)) => Incoming::Closed,
        Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
            return None;
        }
        Err(tungstenite::Error::Capacity(_)) => Incoming::TooBig,
        Err(tungstenite::Error::Utf8(_)) => Incoming::NotUtf8,
        Err(
            tungstenite::Error::Io(_)
            | tungstenite::Error::ConnectionClosed
            | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
        ) => Incoming::Closed,
        Err(_) => Incoming::Broken,
    })
}

fn new_machine() -> WebSocketContext {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(INCOMING_BYTES_MAX))
        .max_frame_size(Some(INCOMING_BYTES_MAX));
    WebSocketContext::new(Role::Server, Some(config))
}

/// A whole text message as one frame.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_header(out, OpCode::Data(Data::Text), text.len());
    out.extend_from_slice(text);
}

/// The header of a whole, unmasked frame.
fn put_header(out: &mut Vec<u8>, opcode: OpCode, length: usize) {
    let header = FrameHeader {
        opcode,
        ..FrameHeader::default()
    };
    // A Vec takes everything.
    if header.format(length as u64, out).is_err() {
        out.clear();
    }
}

/// The stream as tungstenite sees it: reads what is there, and its writes never block.
struct Wire<'s> {
    tcp: &'s TcpStream,
    early: &'s mut Bytes,
    unsent: &'s mut Vec<u8>,
}

impl Read for Wire<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.early.is_empty() {
            return self.tcp.try_read(buf);
        }
        let taken = self.early.len().min(buf.len());
        self.early
            .copy_to_slice(buf.get_mut(..taken).unwrap_or_default());
        Ok(taken)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.unsent.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
