//! The readers: thousands of connections on one thread with epoll. They have to cost less than what they
//! read from, so frames are told by their heads, and of a message only its type and its offset are
//! looked at. Every reader of doorbook demands every offset once and in order.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use crate::frames;

/// How a server speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// The contract's messages, with offsets.
    Doorbook,
    /// A greeting, and then nothing but deliveries.
    Greeting,
}

/// A message about an event has arrived.
pub(crate) struct Delivery {
    /// 0 where the server has none.
    pub(crate) offset: u64,
    pub(crate) at: Instant,
}

pub(crate) struct Readers {
    poll: Poll,
    events: Events,
    readers: Vec<Reader>,
    buffer: Vec<u8>,
    speaks: Speaks,
    pub(crate) heard: Heard,
}

/// What all readers together have heard.
#[derive(Default)]
pub(crate) struct Heard {
    /// Readers that have been greeted, or have caught up.
    pub(crate) ready: usize,
    pub(crate) deliveries: u64,
    /// Payload bytes of the deliveries.
    pub(crate) bytes: u64,
    /// How often a reader was told that it fell behind.
    pub(crate) fell_behind: u64,
    /// One message about an event, as it came.
    pub(crate) sample: Vec<u8>,
    /// The cursor of the last `caught_up`, as it came.
    pub(crate) cursor: Option<String>,
}

struct Reader {
    stream: TcpStream,
    /// The request that is sent once the connection is there.
    request: Option<Vec<u8>>,
    upgraded: bool,
    ready: bool,
    /// The last offset heard of.
    offset: Option<u64>,
    /// The beginning of a frame whose end has not come.
    kept: Vec<u8>,
    /// Bytes of a large frame that are still to come.
    skip: usize,
}

const BUFFER_BYTES: usize = 256 * 1024;
/// A larger payload is passed over unread: a snapshot.
const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
const EVENTS_MAX: usize = 1024;
/// Connections under way at a time, so that no server's backlog overflows.
const WAVE: usize = 200;
/// Longest wait for the readers to connect.
const CONNECT: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(20);

impl Readers {
    pub(crate) fn new(speaks: Speaks) -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            readers: Vec::new(),
            buffer: vec![0; BUFFER_BYTES],
            speaks,
            heard: Heard::default(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.readers.len()
    }

    /// Connects `count` more with the same request, a wave at a time, and waits until all are ready.
    pub(crate) fn connect(
        &mut self,
        count: usize,
        address: SocketAddr,
        request: &[u8],
    ) -> Result<()> {
        self.connect_in_waves(count, WAVE, address, request)
    }

    /// The same for a server that takes fewer at a time.
    pub(crate) fn connect_in_waves(
        &mut self,
        count: usize,
        wave: usize,
        address: SocketAddr,
        request: &[u8],
    ) -> Result<()> {
        let upgraded = !request.starts_with(b"GET ");
        let mut left = count;
        while left > 0 {
            for _ in 0..left.min(wave) {
                self.begin(address, request.to_vec(), upgraded, None)?;
            }
            left -= left.min(wave);
            self.until_ready()?;
        }
        Ok(())
    }

    /// Connects one reader that has seen everything up to `offset`, and does not wait.
    pub(crate) fn resume(
        &mut self,
        address: SocketAddr,
        request: Vec<u8>,
        offset: u64,
    ) -> Result<()> {
        self.begin(address, request, false, Some(offset))
    }

    /// Until everybody is greeted or caught up.
    pub(crate) fn until_ready(&mut self) -> Result<()> {
        let all = self.len();
        self.until(CONNECT, |heard| heard.ready == all, |_| {})
            .with_context(|| format!("connecting readers, {} are ready", self.heard.ready))
    }

    /// Reads until `done`; when that takes longer than `within`, something is missing.
    pub(crate) fn until(
        &mut self,
        within: Duration,
        done: impl Fn(&Heard) -> bool,
        mut note: impl FnMut(&Delivery),
    ) -> Result<()> {
        let deadline = Instant::now() + within;
        while !done(&self.heard) {
            self.turn(TICK, &mut note)?;
            if Instant::now() > deadline {
                let Heard {
                    ready, deliveries, ..
                } = self.heard;
                bail!(
                    "after {within:?} {ready} of {} readers are ready and {deliveries} messages have come",
                    self.len()
                );
            }
        }
        Ok(())
    }

    /// Reads what has come, waiting for it at most `wait`.
    pub(crate) fn turn(&mut self, wait: Duration, note: &mut impl FnMut(&Delivery)) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in &self.events {
            let number = event.token().0;
            let reader = &mut self.readers[number];
            let mut ears = Ears {
                speaks: self.speaks,
                heard: &mut self.heard,
                note,
            };
            if event.is_writable() {
                reader.ask()?;
            }
            if event.is_readable() || event.is_read_closed() {
                reader
                    .read(&mut self.buffer, event.is_read_closed(), &mut ears)
                    .with_context(|| format!("reader {number}"))?;
            }
        }
        Ok(())
    }

    /// The last offset that each reader has heard of.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = u64> {
        self.readers
            .iter()
            .map(|reader| reader.offset.unwrap_or_default())
    }

    fn begin(
        &mut self,
        address: SocketAddr,
        request: Vec<u8>,
        upgraded: bool,
        offset: Option<u64>,
    ) -> Result<()> {
        let mut stream = TcpStream::connect(address)?;
        self.poll.registry().register(
            &mut stream,
            Token(self.readers.len()),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        self.readers.push(Reader {
            stream,
            request: Some(request),
            upgraded,
            ready: false,
            offset,
            kept: Vec::new(),
            skip: 0,
        });
        Ok(())
    }
}

impl Reader {
    /// Sends the request, once.
    fn ask(&mut self) -> Result<()> {
        if let Some(request) = self.request.take() {
            if let Some(error) = self.stream.take_error()? {
                bail!("cannot connect: {error}");
            }
            self.stream.write_all(&request)?;
        }
        Ok(())
    }

    /// Epoll tells only of news, so everything is read: to a read that is not filled, or, when the peer
    /// has closed, to the end.
    fn read<N: FnMut(&Delivery)>(
        &mut self,
        buffer: &mut [u8],
        to_the_end: bool,
        ears: &mut Ears<'_, N>,
    ) -> Result<()> {
        loop {
            let kept = self.kept.len();
            buffer[..kept].copy_from_slice(&self.kept);
            let length = match self.stream.read(&mut buffer[kept..]) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let at = Instant::now();
            let filled = kept + length;
            let used = self.take(&buffer[..filled], at, ears)?;
            self.kept.clear();
            self.kept.extend_from_slice(&buffer[used..filled]);
            if filled < buffer.len() && !to_the_end {
                return Ok(());
            }
        }
    }

    /// Takes whole frames; how many bytes they were.
    fn take<N: FnMut(&Delivery)>(
        &mut self,
        bytes: &[u8],
        at: Instant,
        ears: &mut Ears<'_, N>,
    ) -> Result<usize> {
        let mut used = 0;
        if !self.upgraded {
            let Some(end) = frames::end_of_upgrade(bytes)? else {
                return Ok(0);
            };
            self.upgraded = true;
            used = end;
        }
        loop {
            if self.skip > 0 {
                let passed = self.skip.min(bytes.len() - used);
                used += passed;
                self.skip -= passed;
                if self.skip > 0 {
                    return Ok(used);
                }
                ears.hear(self, b"", at)?;
            }
            let rest = &bytes[used..];
            let Some(head) = frames::head(rest)? else {
                return Ok(used);
            };
            if head.payload_bytes > PAYLOAD_BYTES_MAX {
                used += head.head_bytes;
                self.skip = head.payload_bytes;
                continue;
            }
            let end = head.head_bytes + head.payload_bytes;
            let Some(payload) = rest.get(head.head_bytes..end) else {
                return Ok(used);
            };
            match head.opcode {
                frames::TEXT => ears.hear(self, payload, at)?,
                frames::PING => self.stream.write_all(&frames::pong(payload))?,
                frames::CLOSE => bail!("closed with {}", close_code(payload)),
                _ => {}
            }
            used += end;
        }
    }
}

/// Where what is read goes to.
struct Ears<'e, N> {
    speaks: Speaks,
    heard: &'e mut Heard,
    note: &'e mut N,
}

impl<N: FnMut(&Delivery)> Ears<'_, N> {
    fn hear(&mut self, reader: &mut Reader, payload: &[u8], at: Instant) -> Result<()> {
        match self.speaks {
            Speaks::Greeting if !reader.ready => self.ready(reader),
            Speaks::Greeting => self.delivered(payload, 0, at),
            Speaks::Doorbook => {
                let kind = payload.get(TYPE.len()..).unwrap_or_default();
                if EVENTS.iter().any(|event| kind.starts_with(event)) {
                    let offset = offset(payload)?;
                    in_order(reader, offset)?;
                    self.delivered(payload, offset, at);
                } else {
                    self.control(reader, kind, payload)?;
                }
            }
        }
        Ok(())
    }

    fn delivered(&mut self, payload: &[u8], offset: u64, at: Instant) {
        self.heard.deliveries += 1;
        self.heard.bytes += payload.len() as u64;
        if self.heard.sample.is_empty() {
            self.heard.sample.extend_from_slice(payload);
        }
        (self.note)(&Delivery { offset, at });
    }

    fn ready(&mut self, reader: &mut Reader) {
        if !reader.ready {
            reader.ready = true;
            self.heard.ready += 1;
        }
    }

    fn control(&mut self, reader: &mut Reader, kind: &[u8], payload: &[u8]) -> Result<()> {
        if kind.starts_with(b"caught_up") {
            let head = offset(payload)?;
            // A log of one gathering: what it is caught up to is what it has heard.
            if let Some(heard) = reader.offset {
                ensure!(heard == head, "caught up to {head}, having heard {heard}");
            }
            reader.offset = Some(head);
            if self.heard.cursor.is_none() {
                self.heard.cursor = cursor(payload);
            }
            self.ready(reader);
        } else if kind.starts_with(b"fell_behind") {
            self.heard.fell_behind += 1;
        } else if kind.starts_with(b"reset") || kind.starts_with(b"error") {
            bail!("the server said {}", String::from_utf8_lossy(payload));
        }
        Ok(())
    }
}

const TYPE: &[u8] = br#"{"type":""#;
/// How the types begin that are messages about an event.
const EVENTS: [&[u8]; 4] = [b"check", b"participant_", b"scan_refused", b"event_update"];
const OFFSET: &[u8] = br#""offset":"#;
const CURSOR: &[u8] = br#""cursor":""#;

/// The message's own offset is the last one in it; the participant's comes before.
pub(crate) fn offset(payload: &[u8]) -> Result<u64> {
    let place = payload
        .windows(OFFSET.len())
        .rposition(|bytes| bytes == OFFSET)
        .ok_or_else(|| anyhow!("no offset in {}", String::from_utf8_lossy(payload)))?;
    Ok(payload[place + OFFSET.len()..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |number, byte| number * 10 + u64::from(byte - b'0')))
}

fn cursor(payload: &[u8]) -> Option<String> {
    let place = payload
        .windows(CURSOR.len())
        .rposition(|bytes| bytes == CURSOR)?;
    let text = payload[place + CURSOR.len()..]
        .split(|byte| *byte == b'"')
        .next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// Once, in order, without a gap.
fn in_order(reader: &mut Reader, offset: u64) -> Result<()> {
    if let Some(last) = reader.offset {
        ensure!(offset == last + 1, "offset {offset} came after {last}");
    }
    reader.offset = Some(offset);
    Ok(())
}

fn close_code(payload: &[u8]) -> u16 {
    match payload {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 1005,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_offset_of_a_message_is_its_own() {
        let message =
            br#"{"type":"checkin_update","participant":{"offset":7},"offset":1234,"warnings":[]}"#;
        assert_eq!(offset(message).unwrap(), 1234);
        assert!(offset(b"{}").is_err());
        let caught_up = br#"{"type":"caught_up","offset":9,"cursor":"ab:9"}"#;
        assert_eq!(cursor(caught_up).as_deref(), Some("ab:9"));
    }
}
