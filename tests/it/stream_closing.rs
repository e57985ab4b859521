//! How streams end, from the client's side: the closing handshake of RFC 6455, sections 5.5.1 and 7,
//! after the Autobahn suite's cases 7, and connections that end without one.
//!
//! What the server itself ends streams for is in `stream_limits` and `stream_drain`.

use crate::{
    raw_stream::{
        CLOSE, CONTINUATION, CONTROL_BYTES_MAX, FIN, Heard, PING, PONG, TEXT, close, fragments,
        frame, frame_with, length_in_three_bytes, text,
    },
    stream_cases::{
        Case, House,
        Want::{Answer, Closes, Ends, Fails},
        ping,
    },
};

const PROTOCOL: &[u16] = &[1002];
/// A code takes two of a control frame's bytes.
const LONGEST_REASON: &str = "so far so far so far so far so far so far so far so far so far so far so far so far so far so far so far so far so far away";

#[tokio::test]
async fn codes_that_may_be_sent_come_back() {
    let house = House::open().await;
    let mut cases = vec![
        Case::new("a close frame without a code")
            .send(frame(FIN | CLOSE, b""))
            .hear(Closes(None)),
    ];
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4400,
        4999,
    ] {
        cases.push(
            Case::new(format!("code {code}"))
                .send(close(code, b""))
                .hear(Closes(Some((code, "")))),
        );
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn codes_that_may_not_be_sent_are_an_error() {
    let house = House::open().await;
    let mut cases = vec![
        Case::new("half a code")
            .send(frame(FIN | CLOSE, b"\x03"))
            .hear(Fails(PROTOCOL)),
    ];
    for code in [
        0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 10_000, 65_535,
    ] {
        for reason in [&b""[..], b"why not"] {
            cases.push(
                Case::new(format!("code {code}"))
                    .send(close(code, reason))
                    .hear(Fails(PROTOCOL)),
            );
        }
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn reasons_are_text_of_123_bytes_at_most() {
    let house = House::open().await;
    assert_eq!(LONGEST_REASON.len() + 2, CONTROL_BYTES_MAX);
    let mut cases = Vec::new();
    for reason in ["going home", "κόσμε", "\0", LONGEST_REASON] {
        cases.push(
            Case::new(format!("reason {reason:?}"))
                .send(close(1000, reason.as_bytes()))
                .hear(Closes(Some((1000, reason)))),
        );
    }
    cases.push(
        Case::new("a reason that is too long")
            .send(close(1000, format!("{LONGEST_REASON}*").as_bytes()))
            .hear(Fails(PROTOCOL)),
    );
    for reason in [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xce\xba\xe1\xbd",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    ] {
        cases.push(
            Case::new(format!("reason {reason:x?}"))
                .send(close(1000, reason))
                .hear(Fails(&[1007])),
        );
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn after_the_close_frame_nothing_is_heard() {
    let house = House::open().await;
    let goodbye = || close(1000, b"");
    let parts = fragments(&[br#"{"type":"ping","#, br#""timestamp":1}"#]);
    let cases = [
        Case::new("a message before it is answered first")
            .send([ping("last"), goodbye()].concat())
            .hear(Answer("last".into()))
            .hear(Closes(Some((1000, "")))),
        Case::new("a message after it")
            .send([goodbye(), ping("late")].concat())
            .hear(Closes(Some((1000, "")))),
        Case::new("a ping after it")
            .send([goodbye(), frame(FIN | PING, b"late")].concat())
            .hear(Closes(Some((1000, "")))),
        Case::new("a second close frame")
            .send([goodbye(), close(1001, b"")].concat())
            .hear(Closes(Some((1000, "")))),
        Case::new("nonsense after it")
            .send([goodbye(), vec![0xFF; 64]].concat())
            .hear(Closes(Some((1000, "")))),
        Case::new("inside a message")
            .send([parts[0].clone(), goodbye(), parts[1].clone()].concat())
            .hear(Closes(Some((1000, "")))),
        Case::new("inside a message that is not UTF-8 so far")
            .send([frame(TEXT, b"\xce"), goodbye()].concat())
            .hear(Closes(Some((1000, "")))),
        Case::new("byte by byte")
            .send_in_single_bytes(goodbye())
            .hear(Closes(Some((1000, "")))),
        Case::new("and the client's side is closed at once")
            .send(goodbye())
            .half_close()
            .hear(Closes(Some((1000, "")))),
        Case::new("a pong after what ended the stream")
            .send([frame(FIN | CONTINUATION, b""), frame(FIN | PONG, b"")].concat())
            .hear(Fails(PROTOCOL)),
    ];
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn a_client_that_sends_no_more_is_let_go() {
    let house = House::open().await;
    let header = frame_with(FIN | TEXT, &length_in_three_bytes(300), [3; 4], b"");
    let mut cases = vec![
        Case::new("between two frames").half_close().hear(Ends),
        Case::new("after an answer")
            .send(ping("x"))
            .hear(Answer("x".into()))
            .half_close()
            .hear(Ends),
        Case::new("inside a message")
            .send(frame(TEXT, b"{"))
            .half_close()
            .hear(Ends),
    ];
    for cut in 1..=header.len() {
        cases.push(
            Case::new(format!("after byte {cut} of a frame's header"))
                .send(&header[..cut])
                .half_close()
                .hear(Ends),
        );
    }
    cases.push(
        Case::new("inside a payload")
            .send([&header[..], b"some of it"].concat())
            .half_close()
            .hear(Ends),
    );
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn a_connection_that_breaks_anywhere_hurts_nobody() {
    let house = House::open().await;
    let bytes = [
        ping("x"),
        frame(FIN | PING, b"Hello"),
        fragments(&[b"{", b"}"]).concat(),
        close(1000, b"going"),
    ]
    .concat();
    for n in 0..2 {
        for cut in 0..=bytes.len() {
            let mut raw = house.stream(n).await;
            raw.send(&bytes[..cut]).await;
            raw.reset();
            house.stream(1 - n).await.leave().await;
        }
    }
    house.close().await;
}

#[tokio::test]
async fn the_server_ends_the_connection_after_its_own_close_frame_without_an_answer() {
    let house = House::open().await;
    for n in 0..2 {
        let mut raw = house.stream(n).await;
        raw.send(&text(vec![b' '; 5_000])).await;
        assert!(matches!(raw.next().await, Heard::Close(Some((1009, _)))));
        // This side says nothing any more: it is not waited for for ever.
        let end = raw.next().await;
        assert!(matches!(end, Heard::End | Heard::BrokenOff), "{end:?}");
    }
    house.close().await;
}
