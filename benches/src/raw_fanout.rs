//! The floor for fan-out on this kernel, as a process of its own: one thread, epoll, one `write` per
//! subscriber and message. No upgrade, no token, no filter, no disk: what it costs is what the kernel
//! costs.
//!
//! A connection says `S` to subscribe and is greeted, or `P` to publish; what follows a `P` is messages,
//! each a big-endian u32 length and that many bytes. Each goes to every subscriber as one text frame.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

use crate::{
    child::{self, Child},
    frames,
};

pub(crate) const SUBSCRIBE: &[u8] = b"S";
pub(crate) const PUBLISH: &[u8] = b"P";
const LISTENER: Token = Token(0);
const READ_BYTES: usize = 64 * 1024;

pub(crate) struct RawFanout {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

/// Starts this program again as the floor.
pub(crate) fn start(dir: &Path) -> Result<RawFanout> {
    let address = child::free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["raw-fanout", "--listen", &address.to_string()]);
    let mut child = Child::start("raw-fanout", &mut command, &dir.join("raw-fanout.log"))?;
    child.wait_until(Duration::from_secs(10), || child::accepts(address))?;
    Ok(RawFanout { child, address })
}

/// The child's side.
pub(crate) fn serve(listen: Option<SocketAddr>) -> Result<()> {
    let mut fanout = Fanout::bind(listen.context("raw-fanout needs --listen")?)?;
    let mut events = Events::with_capacity(1024);
    loop {
        fanout.poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                fanout.accept()?;
            } else {
                fanout.hear(event.token())?;
            }
        }
    }
}

struct Fanout {
    poll: Poll,
    listener: TcpListener,
    /// Connected, not known yet what they are.
    strangers: HashMap<Token, TcpStream>,
    subscribers: HashMap<Token, TcpStream>,
    publisher: Option<(Token, TcpStream)>,
    inbox: Vec<u8>,
    next: usize,
}

impl Fanout {
    fn bind(address: SocketAddr) -> Result<Self> {
        let mut listener = TcpListener::bind(address)?;
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            strangers: HashMap::new(),
            subscribers: HashMap::new(),
            publisher: None,
            inbox: Vec::new(),
            next: 1,
        })
    }

    fn accept(&mut self) -> Result<()> {
        while let Ok((mut stream, _)) = self.listener.accept() {
            stream.set_nodelay(true)?;
            let token = Token(self.next);
            self.next += 1;
            self.poll
                .registry()
                .register(&mut stream, token, Interest::READABLE)?;
            self.strangers.insert(token, stream);
        }
        Ok(())
    }

    fn hear(&mut self, token: Token) -> Result<()> {
        let mut buffer = [0; READ_BYTES];
        if let Some((publisher, stream)) = &mut self.publisher
            && *publisher == token
        {
            let stays = drain(stream, &mut buffer, |bytes| {
                self.inbox.extend_from_slice(bytes);
            });
            if !stays {
                self.publisher = None;
            }
            self.spread();
        } else if let Some(mut stream) = self.strangers.remove(&token) {
            let mut said = Vec::new();
            let stays = drain(&mut stream, &mut buffer, |bytes| {
                said.extend_from_slice(bytes);
            });
            if said.starts_with(PUBLISH) {
                self.inbox.extend_from_slice(&said[PUBLISH.len()..]);
                self.publisher = stays.then_some((token, stream));
                self.spread();
            } else if said.starts_with(SUBSCRIBE) {
                write_whole(&mut stream, &frames::text(b"hello"));
                self.subscribers.insert(token, stream);
            } else if stays {
                self.strangers.insert(token, stream);
            }
        } else if let Some(stream) = self.subscribers.get_mut(&token)
            && !drain(stream, &mut buffer, |_| {})
        {
            self.subscribers.remove(&token);
        }
        Ok(())
    }

    /// Everything that was published goes to everybody.
    fn spread(&mut self) {
        while let Some(frame) = take_message(&mut self.inbox) {
            for stream in self.subscribers.values_mut() {
                write_whole(stream, &frame);
            }
        }
    }
}

/// Reads all there is; false when the peer is gone.
fn drain(stream: &mut TcpStream, buffer: &mut [u8], mut take: impl FnMut(&[u8])) -> bool {
    loop {
        match stream.read(buffer) {
            Ok(0) => return false,
            Ok(length) => take(&buffer[..length]),
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// The next published message as a frame.
fn take_message(inbox: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = u32::from_be_bytes(inbox.get(..4)?.try_into().ok()?) as usize;
    let frame = frames::text(inbox.get(4..4 + length)?);
    inbox.drain(..4 + length);
    Some(frame)
}

/// A reader that stalls is not this program's subject: it spins until the kernel takes the bytes.
fn write_whole(stream: &mut TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
            // Its next event tells that it is gone.
            Err(_) => return,
        }
    }
}
