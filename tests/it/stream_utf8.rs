//! Text is UTF-8, over all its fragments, or the stream ends with 1007 (RFC 6455, section 8.1), after
//! the Autobahn suite's cases 6.

use serde_json::json;

use crate::{
    raw_stream::{BINARY, CONTINUATION, FIN, PING, TEXT, fragments, frame, text},
    stream_cases::{
        Case, House,
        Want::{Answer, Error, Fails, Pong},
        ping_text,
    },
};

const NOT_UTF8: &[u16] = &[1007];

/// Within a JSON string: what is valid and looks as if it were not.
const VALID: &[&str] = &[
    "κόσμε",
    "Hello-µ@ßöäüàá-UTF-8!!",
    "\u{7f}\u{80}\u{7ff}\u{800}",
    "\u{d7ff}\u{e000}\u{fffd}",
    "\u{fffe}\u{ffff}\u{fdd0}\u{feff}",
    "\u{10000}\u{1f642}\u{10fffe}\u{10ffff}",
    "e\u{301}\u{202e}\u{200d}",
];

const INVALID: &[(&str, &[u8])] = &[
    ("a lone continuation byte", b"\x80"),
    ("a continuation byte too many", b"\xc3\xa4\xbf"),
    ("a start byte before ASCII", b"\xc3("),
    ("a start byte before a start byte", b"\xe2\xc3\xa4"),
    ("three bytes without the last", b"\xe2\x82 "),
    ("four bytes without the last", b"\xf0\x9f\x99 "),
    ("overlong in two bytes", b"\xc0\xaf"),
    ("overlong in two bytes, the longest", b"\xc1\xbf"),
    ("overlong in three bytes", b"\xe0\x80\xaf"),
    ("overlong in three bytes, the longest", b"\xe0\x9f\xbf"),
    ("overlong in four bytes", b"\xf0\x80\x80\xaf"),
    ("overlong in four bytes, the longest", b"\xf0\x8f\xbf\xbf"),
    ("overlong NUL", b"\xc0\x80"),
    ("five bytes", b"\xf8\x88\x80\x80\x80"),
    ("six bytes", b"\xfc\x84\x80\x80\x80\x80"),
    ("the first surrogate", b"\xed\xa0\x80"),
    ("the last surrogate", b"\xed\xbf\xbf"),
    ("a pair of surrogates", b"\xed\xa0\x80\xed\xb0\x80"),
    ("beyond the last code point", b"\xf4\x90\x80\x80"),
    ("far beyond the last code point", b"\xf7\xbf\xbf\xbf"),
    ("0xFE", b"\xfe"),
    ("0xFF", b"\xff"),
    ("UTF-16", b"\xfe\xff\x00h"),
];

/// Valid so far, and then the message is over.
const TRUNCATED: &[&[u8]] = &[
    b"\xce",
    b"\xe1",
    b"\xe1\xbd",
    b"\xf0",
    b"\xf0\x9f",
    b"\xf0\x9f\x99",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce",
];

fn in_json(bytes: &[u8]) -> Vec<u8> {
    [br#"{"type":"ping","timestamp":""#, bytes, br#""}"#].concat()
}

#[tokio::test]
async fn valid_text_is_answered_however_it_is_cut() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for sent in VALID {
        let message = in_json(sent.as_bytes());
        let answer = || Answer(json!(sent));
        cases.push(
            Case::new(format!("{sent:?} whole"))
                .send(text(&message))
                .hear(answer()),
        );
        cases.push(
            Case::new(format!("{sent:?} byte by byte"))
                .send_in_single_bytes(text(&message))
                .hear(answer()),
        );
        let single: Vec<&[u8]> = message.chunks(1).collect();
        cases.push(
            Case::new(format!("{sent:?} in fragments of a byte"))
                .send(fragments(&single).concat())
                .hear(answer()),
        );
    }
    // Inside a code point, with something else between the halves.
    let message = in_json("🙂".as_bytes());
    let start = message.iter().position(|byte| *byte == 0xF0).unwrap();
    for cut in start..start + 5 {
        let (before, after) = message.split_at(cut);
        cases.push(
            Case::new(format!("cut at byte {}", cut - start))
                .send(frame(TEXT, before))
                .send(frame(FIN | PING, b"\xff\xfe"))
                .hear(Pong(b"\xff\xfe".to_vec()))
                .send(frame(CONTINUATION, b""))
                .send(frame(FIN | CONTINUATION, after))
                .hear(Answer(json!("🙂"))),
        );
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn invalid_text_ends_the_stream() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for (what, bytes) in INVALID {
        cases.push(
            Case::new(*what)
                .send(text(in_json(bytes)))
                .hear(Fails(NOT_UTF8)),
        );
        cases.push(
            Case::new(format!("{what}, and nothing else"))
                .send(text(bytes))
                .hear(Fails(NOT_UTF8)),
        );
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn invalid_text_ends_the_stream_wherever_it_is_cut() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for (what, bytes) in INVALID {
        let message = in_json(bytes);
        let start = message.len() - bytes.len() - 2;
        for cut in start..=start + bytes.len() {
            let (before, after) = message.split_at(cut);
            cases.push(
                Case::new(format!("{what}, cut at byte {}", cut - start))
                    .send(fragments(&[before, after]).concat())
                    .hear(Fails(NOT_UTF8)),
            );
        }
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn text_that_stops_inside_a_code_point_ends_the_stream() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for bytes in TRUNCATED {
        cases.push(
            Case::new(format!("{bytes:x?} at the end"))
                .send(text(bytes))
                .hear(Fails(NOT_UTF8)),
        );
        cases.push(
            Case::new(format!("{bytes:x?} at the end of the last fragment"))
                .send(fragments(&[b"{", bytes]).concat())
                .hear(Fails(NOT_UTF8)),
        );
        cases.push(
            Case::new(format!("{bytes:x?} before an empty last fragment"))
                .send(fragments(&[bytes, b""]).concat())
                .hear(Fails(NOT_UTF8)),
        );
        // The rest in another message is no rest.
        cases.push(
            Case::new(format!("{bytes:x?} and then another message"))
                .send([text(bytes), text(b"\x99")].concat())
                .hear(Fails(NOT_UTF8)),
        );
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn bytes_that_are_not_text_need_not_be_utf8() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for (what, bytes) in INVALID {
        cases.push(
            Case::new(format!("{what} in a ping"))
                .send(frame(FIN | PING, bytes))
                .hear(Pong(bytes.to_vec())),
        );
        cases.push(
            Case::new(format!("{what} in a binary message"))
                .send([frame(BINARY, bytes), frame(FIN | CONTINUATION, bytes)].concat())
                .hear(Error("binary_message")),
        );
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn characters_that_json_does_not_take_get_an_error() {
    let house = House::open().await;
    let mut cases = vec![
        Case::new("a byte order mark")
            .send(text(format!("\u{feff}{}", ping_text("marked"))))
            .hear(Error("bad_json")),
    ];
    for control in [0_u8, 1, 9, 10, 0x1F] {
        cases.push(
            Case::new(format!("a raw {control:#x} in a string"))
                .send(text(in_json(&[control])))
                .hear(Error("bad_json")),
        );
    }
    cases.push(
        Case::new("NUL alone")
            .send(text(b"\0"))
            .hear(Error("bad_json")),
    );
    house.run(&cases).await;
    house.close().await;
}
