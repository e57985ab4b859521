//! WebSocket as far as a reader of a benchmark needs it: the upgrade as bytes, and the heads of the
//! frames that a server sends. Payloads are never copied and never parsed here.

use anyhow::{Result, bail};

pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
const PONG: u8 = 10;

/// The head of a frame: how many bytes it takes, and how many follow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) opcode: u8,
    pub(crate) head_bytes: usize,
    pub(crate) payload_bytes: usize,
}

/// None while the head is not whole.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<Head>> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & 0xf0 != 0x80 {
        bail!("a fragmented or compressed frame, which no peer here sends: {first:#04x}");
    }
    let length = match second {
        127 => (rest.len() >= 8).then(|| (10, number(&rest[..8]))),
        126 => (rest.len() >= 2).then(|| (4, number(&rest[..2]))),
        length if *length < 126 => Some((2, usize::from(*length))),
        _ => bail!("a masked frame from a server"),
    };
    Ok(length.map(|(head_bytes, payload_bytes)| Head {
        opcode: first & 0x0f,
        head_bytes,
        payload_bytes,
    }))
}

/// One text frame as a server sends it.
pub(crate) fn text(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | TEXT];
    let length = payload.len() as u64;
    match payload.len() {
        short @ 0..=125 => frame.push(short as u8),
        126..=0xffff => {
            frame.push(126);
            frame.extend_from_slice(&length.to_be_bytes()[6..]);
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&length.to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// The answer to a ping, as a client sends it: masked, with a key of zeros.
pub(crate) fn pong(payload: &[u8]) -> Vec<u8> {
    // A ping carries at most 125 bytes.
    let mut frame = vec![0x80 | PONG, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

/// The request that makes a connection a stream.
pub(crate) fn upgrade(path: &str, token: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes()
}

/// Where the answer to an upgrade ends and frames begin; None while its head is not whole.
pub(crate) fn end_of_upgrade(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    if !bytes.starts_with(b"HTTP/1.1 101") {
        bail!("no upgrade: {}", String::from_utf8_lossy(bytes));
    }
    Ok(Some(end + 4))
}

fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_the_head_that_it_was_given() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let frame = text(&vec![b'x'; length]);
            let found = head(&frame).unwrap().unwrap();
            assert_eq!(found.opcode, TEXT);
            assert_eq!(found.payload_bytes, length);
            assert_eq!(found.head_bytes + length, frame.len());
            assert_eq!(head(&frame[..found.head_bytes - 1]).unwrap(), None);
        }
        assert!(head(&[0x01, 0]).is_err(), "fragmented");
        assert!(head(&[0x81, 0x80]).is_err(), "masked");
    }
}
