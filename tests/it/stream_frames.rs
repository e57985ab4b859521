//! Frames of every kind and against every rule of RFC 6455, section 5, after the Autobahn suite's
//! cases 1 to 5 and 9: lengths, pings, reserved bits and opcodes, fragments, size.
//!
//! Text is in `stream_utf8`, the end of a stream in `stream_closing`, its opening in `stream_upgrade`.

use serde_json::json;

use crate::{
    raw_stream::{
        BINARY, CLOSE, CONTINUATION, CONTROL_BYTES_MAX, FIN, PING, PONG, TEXT, fragments, frame,
        frame_with, length_in_nine_bytes, length_in_three_bytes, text, unmasked,
    },
    stream_cases::{
        Case, House,
        Want::{Answer, AnswerOrFails, Error, Fails, Pong},
        ping, ping_of_bytes, ping_text,
    },
};

const MESSAGE_BYTES_MAX: usize = 4_096;
const PROTOCOL: &[u16] = &[1002];
const TOO_BIG: &[u16] = &[1009];
const RESERVED_OPCODES: [u8; 10] = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15];

fn timestamp(text: &str) -> crate::stream_cases::Want {
    Answer(json!(text))
}

#[tokio::test]
async fn messages_of_every_length_are_answered_and_longer_ones_end_the_stream() {
    let house = House::open().await;
    let mut cases = vec![
        Case::new("text of 0 bytes")
            .send(text(""))
            .hear(Error("bad_json")),
        Case::new("text of 1 byte")
            .send(text("x"))
            .hear(Error("bad_json")),
    ];
    for count in [125, 126, 127, 128, 129, 1_000, MESSAGE_BYTES_MAX] {
        let (message, sent) = ping_of_bytes(count);
        cases.push(
            Case::new(format!("text of {count} bytes"))
                .send(text(&message))
                .hear(timestamp(&sent)),
        );
    }
    for count in [0, 125, 126, 127, 128, MESSAGE_BYTES_MAX] {
        cases.push(
            Case::new(format!("binary of {count} bytes"))
                .send(frame(FIN | BINARY, &vec![0xFE; count]))
                .hear(Error("binary_message")),
        );
    }
    for opcode in [TEXT, BINARY] {
        for count in [MESSAGE_BYTES_MAX + 1, 65_535, 65_536] {
            cases.push(
                Case::new(format!("opcode {opcode} with {count} bytes"))
                    .send(frame(FIN | opcode, &vec![b' '; count]))
                    .hear(Fails(TOO_BIG)),
            );
        }
        // Nobody waits for what is too much when it is announced.
        for count in [MESSAGE_BYTES_MAX as u64 + 1, 1 << 40, (1 << 63) - 1] {
            let length = length_in_nine_bytes(count);
            cases.push(
                Case::new(format!("opcode {opcode}, {count} bytes announced"))
                    .send(frame_with(
                        FIN | opcode,
                        &length,
                        [1; 4],
                        b"the first bytes",
                    ))
                    .hear(Fails(TOO_BIG)),
            );
        }
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn lengths_against_the_rule_are_not_misread() {
    let house = House::open().await;
    let message = ping_text("long");
    let mut cases = Vec::new();
    for length in [
        length_in_three_bytes(message.len()),
        length_in_nine_bytes(message.len() as u64),
    ] {
        // Who sends must not; who receives may be lenient.
        cases.push(
            Case::new("a length in more bytes than it needs")
                .send(frame_with(FIN | TEXT, &length, [9; 4], message.as_bytes()))
                .hear(AnswerOrFails(json!("long"), PROTOCOL)),
        );
    }
    // Against the rule, and too much in any case.
    for length in [1 << 63, (1 << 63) + 5, u64::MAX] {
        let length = length_in_nine_bytes(length);
        for opcode in [TEXT, BINARY] {
            cases.push(
                Case::new("a length with the highest bit set")
                    .send(frame_with(FIN | opcode, &length, [9; 4], b"hello"))
                    .hear(Fails(&[1002, 1009])),
            );
        }
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn frames_come_in_any_portions_and_with_any_mask() {
    let house = House::open().await;
    let mut many = Vec::new();
    for n in 0..6 {
        many.extend(ping(&n.to_string()));
        many.extend(frame(FIN | PING, n.to_string().as_bytes()));
    }
    let mut in_one_segment = Case::new("many frames in one segment").send(many);
    for n in 0..6 {
        in_one_segment = in_one_segment
            .hear(timestamp(&n.to_string()))
            .hear(Pong(n.to_string().into_bytes()));
    }
    let pieces = fragments(&[
        br#"{"type":"#,
        b"",
        br#""ping","time"#,
        br#"stamp":"in pieces"}"#,
    ]);
    let mut cases = vec![
        in_one_segment,
        Case::new("a frame byte by byte")
            .send_in_single_bytes(ping("byte by byte"))
            .hear(timestamp("byte by byte")),
        Case::new("a long frame byte by byte")
            .send_in_single_bytes(text(ping_of_bytes(300).0))
            .hear(timestamp(&ping_of_bytes(300).1)),
        Case::new("fragments and control frames byte by byte")
            .send_in_single_bytes(pieces[..2].concat())
            .send_in_single_bytes(frame(FIN | PING, b"between"))
            .send_in_single_bytes(pieces[2..].concat())
            .hear(Pong(b"between".to_vec()))
            .hear(timestamp("in pieces")),
        Case::new("two frames, cut in the middle of the second")
            .send([ping("a"), ping("b")[..9].to_vec()].concat())
            .hear(timestamp("a"))
            .send(&ping("b")[9..])
            .hear(timestamp("b")),
    ];
    let message = ping_text("masked");
    let length = [u8::try_from(message.len()).unwrap()];
    for mask in [[0; 4], [0xFF; 4], [1, 0, 0, 0x80], [b'{'; 4]] {
        cases.push(
            Case::new(format!("mask {mask:x?}"))
                .send(frame_with(FIN | TEXT, &length, mask, message.as_bytes()))
                .hear(timestamp("masked")),
        );
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn pings_come_back_as_they_were_and_pongs_are_heard_in_silence() {
    let house = House::open().await;
    let longest = vec![0xA5; CONTROL_BYTES_MAX];
    let mut cases = vec![
        Case::new("a ping before a message")
            .send([frame(FIN | PING, b"first"), ping("second")].concat())
            .hear(Pong(b"first".to_vec()))
            .hear(timestamp("second")),
    ];
    for payload in [
        &b""[..],
        b"?",
        b"Hello",
        b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff",
        &longest,
    ] {
        cases.push(
            Case::new(format!("ping of {} bytes", payload.len()))
                .send(frame(FIN | PING, payload))
                .hear(Pong(payload.to_vec())),
        );
        cases.push(
            Case::new(format!("ping of {} bytes, byte by byte", payload.len()))
                .send_in_single_bytes(frame(FIN | PING, payload))
                .hear(Pong(payload.to_vec())),
        );
        cases.push(
            Case::new(format!("unsolicited pong of {} bytes", payload.len()))
                .send([frame(FIN | PONG, payload), frame(FIN | PING, b"then")].concat())
                .hear(Pong(b"then".to_vec())),
        );
    }
    let mut one_by_one = Case::new("ten pings, each answered before the next");
    for n in 0..10_u8 {
        one_by_one = one_by_one.send(frame(FIN | PING, &[n])).hear(Pong(vec![n]));
    }
    cases.push(one_by_one);
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn of_pings_in_a_row_the_last_is_answered_and_none_twice_or_out_of_turn() {
    let house = House::open().await;
    let ten: Vec<u8> = (0..10).flat_map(|n| frame(FIN | PING, &[n])).collect();
    for n in 0..2 {
        let mut raw = house.stream(n).await;
        raw.send(&ten).await;
        // RFC 6455, section 5.5.3: a pong may answer the latest ping alone.
        let mut answered = Vec::new();
        while answered.last() != Some(&9) {
            match raw.next().await {
                crate::raw_stream::Heard::Pong(payload) => answered.push(payload[0]),
                other => panic!("wanted a pong, got {other:?}"),
            }
        }
        assert!(answered.is_sorted_by(|a, b| a < b), "{answered:?}");
        raw.leave().await;
    }
    house.close().await;
}

#[tokio::test]
async fn frames_without_a_mask_end_the_stream() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for (first, payload) in [
        (FIN | TEXT, &b"{}"[..]),
        (FIN | TEXT, b""),
        (TEXT, b"{"),
        (FIN | BINARY, b"x"),
        (FIN | PING, b"x"),
        (FIN | PONG, b"x"),
        (FIN | CLOSE, b"\x03\xe8"),
    ] {
        cases.push(
            Case::new(format!("first byte {first:#x}"))
                .send(unmasked(first, payload))
                .hear(Fails(PROTOCOL)),
        );
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn reserved_bits_end_the_stream() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for bits in 1..=7_u8 {
        for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
            // What came before is answered; what comes after is not.
            let bytes = [
                ping("before"),
                frame(FIN | bits << 4 | opcode, b"\x03\xe8"),
                ping("after"),
            ];
            cases.push(
                Case::new(format!("bits {bits:03b}, opcode {opcode:#x}"))
                    .send(bytes.concat())
                    .hear(timestamp("before"))
                    .hear(Fails(PROTOCOL)),
            );
        }
        cases.push(
            Case::new(format!("bits {bits:03b} in a continuation"))
                .send(frame(TEXT, b"{"))
                .send(frame(FIN | bits << 4 | CONTINUATION, b"}"))
                .hear(Fails(PROTOCOL)),
        );
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn reserved_opcodes_end_the_stream() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for opcode in RESERVED_OPCODES {
        for payload in [&b""[..], b"payload"] {
            cases.push(
                Case::new(format!("opcode {opcode:#x}"))
                    .send(frame(FIN | opcode, payload))
                    .hear(Fails(PROTOCOL)),
            );
        }
        cases.push(
            Case::new(format!("opcode {opcode:#x} inside a fragmented message"))
                .send([frame(TEXT, b"{"), frame(FIN | opcode, b"")].concat())
                .hear(Fails(PROTOCOL)),
        );
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn control_frames_are_whole_and_short_or_end_the_stream() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for opcode in [PING, PONG, CLOSE] {
        let mut too_long = vec![b'x'; CONTROL_BYTES_MAX + 1];
        too_long[..2].copy_from_slice(&1000_u16.to_be_bytes());
        cases.push(
            Case::new(format!("opcode {opcode:#x} of 126 bytes"))
                .send(frame(FIN | opcode, &too_long))
                .hear(Fails(PROTOCOL)),
        );
        cases.push(
            Case::new(format!("opcode {opcode:#x} of 65,536 bytes"))
                .send(frame(FIN | opcode, &vec![b'x'; 65_536]))
                .hear(Fails(&[1002, 1009])),
        );
        cases.push(
            Case::new(format!("opcode {opcode:#x} in fragments"))
                .send([frame(opcode, b"\x03\xe8"), frame(FIN | CONTINUATION, b"")].concat())
                .hear(Fails(PROTOCOL)),
        );
        cases.push(
            Case::new(format!("opcode {opcode:#x} in fragments inside a message"))
                .send([frame(TEXT, b"{"), frame(opcode, b"\x03\xe8")].concat())
                .hear(Fails(PROTOCOL)),
        );
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn fragments_are_put_together_and_control_frames_between_them_answered_at_once() {
    let house = House::open().await;
    let message = ping_text("in parts");
    let (start, end) = message.as_bytes().split_at(11);
    let whole = fragments(&[start, end]);
    let single: Vec<&[u8]> = message.as_bytes().chunks(1).collect();
    let mut with_gaps: Vec<&[u8]> = single.iter().flat_map(|one| [*one, b""]).collect();
    with_gaps.insert(0, b"");
    let binary = [frame(BINARY, b"{"), frame(FIN | CONTINUATION, b"}")].concat();
    let mut between = Case::new("a ping before each fragment");
    let parts: Vec<&[u8]> = message.as_bytes().chunks(4).collect();
    for part in fragments(&parts) {
        between = between
            .send([frame(FIN | PING, b"now"), part].concat())
            .hear(Pong(b"now".to_vec()));
    }
    let cases = [
        Case::new("two fragments in one segment")
            .send(whole.concat())
            .hear(timestamp("in parts")),
        Case::new("a ping between two fragments is answered before the message")
            .send(&*whole[0])
            .send(frame(FIN | PING, b"between"))
            .hear(Pong(b"between".to_vec()))
            .send(&*whole[1])
            .hear(timestamp("in parts")),
        Case::new("a pong between two fragments")
            .send(&*whole[0])
            .send(frame(FIN | PONG, b"between"))
            .send(&*whole[1])
            .hear(timestamp("in parts")),
        Case::new("fragments of one byte")
            .send(fragments(&single).concat())
            .hear(timestamp("in parts")),
        Case::new("empty fragments at the start, between and at the end")
            .send(fragments(&with_gaps).concat())
            .hear(timestamp("in parts")),
        Case::new("nothing in three fragments")
            .send(fragments(&[b"", b"", b""]).concat())
            .hear(Error("bad_json")),
        Case::new("binary in two fragments")
            .send(binary)
            .hear(Error("binary_message")),
        between.hear(timestamp("in parts")),
    ];
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn fragments_out_of_turn_end_the_stream() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for fin in [0, FIN] {
        for payload in [&b""[..], b"non-continuation payload"] {
            let lone = frame(fin | CONTINUATION, payload);
            cases.push(
                Case::new("a continuation of nothing")
                    .send(lone.clone())
                    .hear(Fails(PROTOCOL)),
            );
            cases.push(
                Case::new("a continuation of a whole message")
                    .send([ping("whole"), lone.clone()].concat())
                    .hear(timestamp("whole"))
                    .hear(Fails(PROTOCOL)),
            );
            let ended = fragments(&[br#"{"type":"ping","#, br#""timestamp":"x"}"#]).concat();
            cases.push(
                Case::new("a continuation of a message that has ended")
                    .send([ended, lone].concat())
                    .hear(timestamp("x"))
                    .hear(Fails(PROTOCOL)),
            );
        }
        for opcode in [TEXT, BINARY] {
            cases.push(
                Case::new("a message inside a message")
                    .send([frame(TEXT, b"{"), frame(fin | opcode, b"}")].concat())
                    .hear(Fails(PROTOCOL)),
            );
        }
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn a_message_in_fragments_may_be_as_long_as_a_whole_one_and_no_longer() {
    let house = House::open().await;
    let (message, sent) = ping_of_bytes(MESSAGE_BYTES_MAX);
    let bytes = message.as_bytes();
    let too_long = [bytes, b" "].concat();
    let mut cases = Vec::new();
    for size in [1, 64, 125, 1_365, 4_095] {
        let parts: Vec<&[u8]> = bytes.chunks(size).collect();
        cases.push(
            Case::new(format!("4,096 bytes in fragments of {size}"))
                .send(fragments(&parts).concat())
                .hear(timestamp(&sent)),
        );
        let parts: Vec<&[u8]> = too_long.chunks(size).collect();
        cases.push(
            Case::new(format!("4,097 bytes in fragments of {size}"))
                .send(fragments(&parts).concat())
                .hear(Fails(TOO_BIG)),
        );
    }
    // Without an end: it does not grow for ever.
    let endless = [
        frame(TEXT, b"{"),
        frame(CONTINUATION, &[b' '; 100]).repeat(50),
    ]
    .concat();
    cases.push(
        Case::new("fragments without an end")
            .send(endless)
            .hear(Fails(TOO_BIG)),
    );
    cases.push(
        Case::new("a last fragment that would pass alone")
            .send(frame(TEXT, &bytes[..1]))
            .send(frame(FIN | CONTINUATION, &too_long[1..]))
            .hear(Fails(TOO_BIG)),
    );
    cases.push(
        Case::new("4,096 bytes twice are two messages")
            .send([text(bytes), text(bytes)].concat())
            .hear(timestamp(&sent))
            .hear(timestamp(&sent)),
    );
    house.run(&cases).await;
    house.close().await;
}
