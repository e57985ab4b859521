//! A WebSocket client with nothing between the test and the bytes (RFC 6455): it can send what no
//! library sends, and it checks every frame of the server for what no library tells.
//!
//! What is to be sent and heard is in the tests; this knows frames, not messages.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

pub(crate) const FIN: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

/// The longest payload of a control frame.
pub(crate) const CONTROL_BYTES_MAX: usize = 125;

/// The example of RFC 6455, section 1.3, and what has to be answered.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// The example of RFC 6455, section 5.7.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// Nothing here takes long; a test that waits in vain fails after this.
const PATIENCE: Duration = Duration::from_secs(30);
const HEAD_BYTES_MAX: usize = 16 * 1024;

pub(crate) struct Raw {
    pub(crate) tcp: TcpStream,
    unread: Vec<u8>,
    /// A message of which fragments are still to come.
    begun: Option<Vec<u8>>,
    closed: bool,
}

/// The beginning of an answer to a request.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Text(String),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// Code and reason, or neither.
    Close(Option<(u16, String)>),
    /// The server has closed its side between two frames.
    End,
    /// The server has broken off, or closed its side inside a frame.
    BrokenOff,
}

struct Frame {
    fin: bool,
    opcode: u8,
    payload: Vec<u8>,
}

impl Raw {
    /// Sends the request as it is and reads the head of the answer.
    pub(crate) async fn ask(address: SocketAddr, request: &[u8]) -> (Head, Self) {
        let mut raw = Self::connect(address).await;
        raw.send(request).await;
        let head = raw.head().await;
        (head, raw)
    }

    pub(crate) async fn ask_in_single_bytes(address: SocketAddr, request: &[u8]) -> (Head, Self) {
        let mut raw = Self::connect(address).await;
        raw.send_in_single_bytes(request).await;
        let head = raw.head().await;
        (head, raw)
    }

    /// Sends a request, or a part of one, and goes away with a reset.
    pub(crate) async fn broken_off(address: SocketAddr, request: &[u8]) {
        let mut raw = Self::connect(address).await;
        raw.send(request).await;
        tokio::task::yield_now().await;
        raw.reset();
    }

    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    fn over(tcp: TcpStream) -> Self {
        tcp.set_nodelay(true).unwrap();
        Self {
            tcp,
            unread: Vec::new(),
            begun: None,
            closed: false,
        }
    }

    /// An open stream. Every word of the handshake has been checked.
    pub(crate) async fn open(address: SocketAddr, path: &str, token: &str) -> Self {
        let request = request("GET", path, "HTTP/1.1", &handshake(token));
        let (head, raw) = Self::ask(address, request.as_bytes()).await;
        head.assert_switched();
        raw
    }

    /// The same, with a kernel that takes next to nothing ahead of the reader.
    pub(crate) async fn open_narrow(address: SocketAddr, path: &str, token: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2_048).unwrap();
        let mut raw = Self::over(socket.connect(address).await.unwrap());
        let request = request("GET", path, "HTTP/1.1", &handshake(token));
        raw.send(request.as_bytes()).await;
        raw.head().await.assert_switched();
        raw
    }

    /// What the server does not take any more is no failure here: what it says is.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        if let Err(error) = self.tcp.write_all(bytes).await {
            let gone = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
            assert!(gone.contains(&error.kind()), "{error}");
        }
    }

    /// One byte a segment, each read before the next is sent as far as the machine's scheduler pleases.
    pub(crate) async fn send_in_single_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.send(&[*byte]).await;
            tokio::task::yield_now().await;
        }
    }

    /// No more from this side; the other may go on.
    pub(crate) async fn half_close(&mut self) {
        self.tcp.shutdown().await.unwrap();
    }

    /// Away with a reset.
    pub(crate) fn reset(self) {
        self.tcp.set_zero_linger().unwrap();
    }

    /// The next message or control frame, whichever comes first; messages may be in fragments.
    pub(crate) async fn next(&mut self) -> Heard {
        loop {
            let frame = match self.frame().await {
                Ok(frame) => frame,
                Err(end) => return end,
            };
            assert!(!self.closed, "a frame after the close frame");
            match frame.opcode {
                TEXT => {
                    assert!(self.begun.is_none(), "a message inside a message");
                    self.begun = Some(frame.payload);
                }
                CONTINUATION => self
                    .begun
                    .as_mut()
                    .expect("a message to continue")
                    .extend(frame.payload),
                PING => return Heard::Ping(frame.payload),
                PONG => return Heard::Pong(frame.payload),
                CLOSE => {
                    self.closed = true;
                    return Heard::Close(close_reason(&frame.payload));
                }
                opcode => panic!("a frame of the server with opcode {opcode:#x}"),
            }
            if frame.fin {
                let text = self.begun.take().expect("a message that has begun");
                return Heard::Text(String::from_utf8(text).expect("text in UTF-8"));
            }
        }
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Value {
        match self.next().await {
            Heard::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("wanted a message, got {other:?}"),
        }
    }

    /// The next message, which must be of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let message = self.message().await;
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// A goodbye as it should be: our close frame comes back, and then the server ends the connection.
    pub(crate) async fn leave(mut self) {
        let goodbye = close(1000, b"");
        self.send(&goodbye).await;
        assert_eq!(self.next().await, Heard::Close(Some((1000, String::new()))));
        assert_eq!(self.next().await, Heard::End);
    }

    async fn frame(&mut self) -> Result<Frame, Heard> {
        if !self.has(1).await {
            return Err(Heard::End);
        }
        let start = self.take(2).await?;
        let (first, second) = (start[0], start[1]);
        assert_eq!(first & 0x70, 0, "reserved bits in a frame of the server");
        assert_eq!(second & 0x80, 0, "a masked frame of the server");
        let length = match second {
            126 => {
                let length = u64::from(u16::from_be_bytes(self.array().await?));
                assert!(length > 125, "a length of {length} in three bytes");
                length
            }
            127 => {
                let length = u64::from_be_bytes(self.array().await?);
                assert!(length > 65_535, "a length of {length} in nine bytes");
                length
            }
            short => u64::from(short),
        };
        let (fin, opcode) = (first & FIN != 0, first & 0x0F);
        if opcode >= CLOSE {
            assert!(fin, "a fragmented control frame of the server");
            assert!(length <= 125, "a control frame of {length} bytes");
        }
        let payload = self.take(usize::try_from(length).unwrap()).await?;
        Ok(Frame {
            fin,
            opcode,
            payload,
        })
    }

    pub(crate) async fn head(&mut self) -> Head {
        loop {
            let end = self.unread.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return Head::parse(std::str::from_utf8(&head).unwrap());
            }
            let have = self.unread.len();
            assert!(have < HEAD_BYTES_MAX, "a head without an end");
            assert!(self.has(have + 1).await, "the server hung up");
        }
    }

    async fn array<const N: usize>(&mut self) -> Result<[u8; N], Heard> {
        Ok(self.take(N).await?.try_into().unwrap())
    }

    async fn take(&mut self, count: usize) -> Result<Vec<u8>, Heard> {
        if self.has(count).await {
            Ok(self.unread.drain(..count).collect())
        } else {
            Err(Heard::BrokenOff)
        }
    }

    /// Waits for so many bytes; false when no more are to come.
    async fn has(&mut self, count: usize) -> bool {
        while self.unread.len() < count {
            let read = timeout(PATIENCE, self.tcp.read_buf(&mut self.unread));
            match read.await.expect("an answer in time") {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
                    return false;
                }
            }
        }
        true
    }
}

impl Head {
    fn parse(head: &str) -> Self {
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').expect("a header");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Self {
            status: status.parse().unwrap(),
            headers: headers.collect(),
        }
    }

    /// The value of a header that is there at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(header, _)| header == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice: {self:?}");
        value
    }

    #[track_caller]
    pub(crate) fn assert_switched(&self) {
        assert_eq!(self.status, 101, "{self:?}");
        let lower = |name| self.header(name).map(str::to_ascii_lowercase);
        assert_eq!(lower("upgrade").as_deref(), Some("websocket"));
        assert_eq!(lower("connection").as_deref(), Some("upgrade"));
        assert_eq!(self.header("sec-websocket-accept"), Some(ACCEPT));
        for absent in [
            "sec-websocket-extensions",
            "content-length",
            "transfer-encoding",
        ] {
            assert_eq!(self.header(absent), None, "{self:?}");
        }
    }
}

/// A masked frame; `first` is the first byte: FIN, reserved bits and opcode.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ ..=125 => vec![u8::try_from(short).unwrap()],
        middle @ ..=65_535 => length_in_three_bytes(middle),
        long => length_in_nine_bytes(long as u64),
    };
    frame_with(first, &length, MASK, payload)
}

/// A masked frame with the length as given: one, three or nine bytes.
pub(crate) fn frame_with(first: u8, length: &[u8], mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, length[0] | 0x80];
    frame.extend(&length[1..]);
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

/// A short frame as only servers may send it.
pub(crate) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, u8::try_from(payload.len()).unwrap()];
    frame.extend(payload);
    frame
}

pub(crate) fn length_in_three_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![126];
    bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
    bytes
}

pub(crate) fn length_in_nine_bytes(length: u64) -> Vec<u8> {
    let mut bytes = vec![127];
    bytes.extend(length.to_be_bytes());
    bytes
}

pub(crate) fn text(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | TEXT, payload.as_ref())
}

pub(crate) fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// The parts as the fragments of one text message.
pub(crate) fn fragments(parts: &[&[u8]]) -> Vec<Vec<u8>> {
    let last = parts.len() - 1;
    let one = |(n, part): (usize, &&[u8])| {
        let opcode = if n == 0 { TEXT } else { CONTINUATION };
        frame(opcode | if n == last { FIN } else { 0 }, part)
    };
    parts.iter().enumerate().map(one).collect()
}

/// The fields of a proper opening handshake.
pub(crate) fn handshake(token: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Host", "doorbook.example.org".to_owned()),
        ("Upgrade", "websocket".to_owned()),
        ("Connection", "Upgrade".to_owned()),
        ("Sec-WebSocket-Key", KEY.to_owned()),
        ("Sec-WebSocket-Version", "13".to_owned()),
        ("Authorization", format!("Bearer {token}")),
    ]
}

pub(crate) fn request(
    method: &str,
    path: &str,
    version: &str,
    headers: &[(&'static str, String)],
) -> String {
    let mut request = format!("{method} {path} {version}\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request
}

/// Code and reason of a close frame of the server, which must be ones that may be sent.
fn close_reason(payload: &[u8]) -> Option<(u16, String)> {
    if payload.is_empty() {
        return None;
    }
    let (code, reason) = payload.split_at_checked(2).expect("a whole close code");
    let code = u16::from_be_bytes([code[0], code[1]]);
    assert!(
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999),
        "close code {code} is not for sending"
    );
    Some((
        code,
        String::from_utf8(reason.to_vec()).expect("a reason in UTF-8"),
    ))
}
