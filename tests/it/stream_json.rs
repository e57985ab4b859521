//! JSON as nobody should send it, within 4 KiB: deep, huge, double, with escapes for what is no
//! character. It gets an `error` or its answer, and the stream goes on.

use serde_json::{Value, json};

use crate::{
    raw_stream::text,
    stream_cases::{
        Case, House,
        Want::{Answer, Error, SomeAnswer, SomeError},
    },
};

/// As deep as 4 KiB allow, beside the rest of a message.
const DEPTH: usize = 1_900;

fn deep() -> [String; 4] {
    [
        "[".repeat(DEPTH) + &"]".repeat(DEPTH),
        r#"{"a":"#.repeat(DEPTH / 3) + "1" + &"}".repeat(DEPTH / 3),
        r#"[{"":"#.repeat(DEPTH / 4) + "null" + &"}]".repeat(DEPTH / 4),
        // Never closed.
        "[".repeat(2 * DEPTH),
    ]
}

#[tokio::test]
async fn deep_json_in_any_field_gets_an_error() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for (n, deep) in deep().iter().enumerate() {
        for message in [
            deep.clone(),
            format!(r#"{{"type":{deep}}}"#),
            format!(r#"{{"type":"ping","timestamp":{deep}}}"#),
            format!(r#"{{"type":"auth","token":{deep}}}"#),
            format!(r#"{{"type":"resume","from":{deep}}}"#),
            format!(r#"{{"type":"get_participants","unknown":{deep}}}"#),
            format!(r#"{{"type":"shout","unknown":{deep}}}"#),
            format!(r#"{{"unknown":{deep},"type":"ping","timestamp":1}}"#),
        ] {
            assert!(message.len() <= 4_096, "{} bytes", message.len());
            let name = format!("nesting {n} in {}", &message[..32]);
            cases.push(Case::new(name).send(text(message)).hear(Error("bad_json")));
        }
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn a_timestamp_comes_back_as_sent() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for sent in [
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1_777_658_638_000_u64),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(f64::MAX),
        json!("2026-05-01T18:00:00Z"),
        json!(""),
        json!("\0\u{1}\u{7f}\u{2028}\"\\/"),
        json!("🙂"),
        Value::Null,
        json!(true),
        json!([1, [2, {"three": [4]}]]),
        json!({"b": 1, "a": {"b": []}}),
    ] {
        let message = json!({"type": "ping", "timestamp": sent}).to_string();
        cases.push(Case::new(&*message).send(text(&message)).hear(Answer(sent)));
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn numbers_beyond_all_numbers_hurt_nobody() {
    let house = House::open().await;
    let mut cases = Vec::new();
    let digits = "9".repeat(3_000);
    for number in [
        "1e999",
        "-1e999",
        "1e-999",
        "123456789012345678901234567890",
        "0.1000000000000000055511151231257827021181583404541015625",
        &*digits,
        &*format!("0.{digits}"),
        &*format!("1e{digits}"),
    ] {
        let name = &number[..number.len().min(32)];
        for field in ["type", "timestamp"] {
            let message = format!(r#"{{"type":"ping","{field}":{number}}}"#);
            cases.push(
                Case::new(format!("{field} {name}"))
                    .send(text(message))
                    .hear(SomeAnswer),
            );
        }
        let message = format!(r#"{{"type":"resume","from":"{number}"}}"#);
        cases.push(
            Case::new(format!("from {name} as text"))
                .send(text(message))
                .hear(Error("invalid_from")),
        );
    }
    for from in [
        "-1",
        "1.5",
        "18446744073709551616",
        "1e2",
        "null",
        "[]",
        "{}",
        "true",
        "1e999",
    ] {
        let message = format!(r#"{{"type":"resume","from":{from}}}"#);
        cases.push(
            Case::new(format!("from {from}"))
                .send(text(message))
                .hear(SomeError),
        );
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn escapes_are_read_and_halves_of_characters_refused() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for (escaped, sent) in [
        (r"\u0000", "\0"),
        (r"\ud83d\ude42", "🙂"),
        (r"\uffff\ufffe", "\u{ffff}\u{fffe}"),
        (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
    ] {
        cases.push(
            Case::new(escaped)
                .send(text(format!(
                    r#"{{"type":"ping","timestamp":"{escaped}"}}"#
                )))
                .hear(Answer(json!(sent))),
        );
    }
    cases.push(
        Case::new("an escape in the type and in a field's name")
            .send(text(r#"{"t\u0079pe":"pi\u006eg","\u0074imestamp":"x"}"#))
            .hear(Answer(json!("x"))),
    );
    for escaped in [
        r"\ud800",
        r"\udfff",
        r"\udc00\ud800",
        r"\ud83d\ud83d\ude42",
        r"\ud83d x",
        r"\u12",
        r"\x41",
        r"\",
    ] {
        for field in ["type", "timestamp", "unknown"] {
            let message = format!(r#"{{"type":"ping","{field}":"{escaped}"}}"#);
            cases.push(
                Case::new(format!("{escaped} in {field}"))
                    .send(text(message))
                    .hear(Error("bad_json")),
            );
        }
    }
    house.run(&cases).await;
    house.close().await;
}

#[tokio::test]
async fn one_message_gets_one_answer_whatever_is_in_it() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for message in [
        r#"{"type":"ping","type":"ping","timestamp":1}"#,
        r#"{"type":"ping","type":"shout"}"#,
        r#"{"type":"shout","type":"ping"}"#,
        r#"{"type":"ping","timestamp":1,"timestamp":2}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"PING","timestamp":1}"#,
        r#"{"Type":"ping","timestamp":1}"#,
        r#"{"type":"ping","timestamp":1,"__proto__":{},"constructor":1}"#,
        r#"  {"type":"ping","timestamp":1}  "#,
        r#"{"type":"ping","timestamp":1},"#,
        r#"{"type":"ping","timestamp":1}{"type":"ping","timestamp":2}"#,
        r#"{"type":"ping","timestamp":1}}"#,
        r#"{'type':'ping'}"#,
        r#"{"type":"ping","timestamp":NaN}"#,
        r#"{"type":"ping","timestamp":+1}"#,
        r#"{"type":"ping","timestamp":01}"#,
        r#"{"type":"ping",}"#,
        r#"// ping"#,
        "null",
        "true",
        "0",
        r#""ping""#,
        "[]",
        r#"[{"type":"ping"}]"#,
        r#"{"type":null}"#,
        r#"{"type":["ping"]}"#,
        r#"{"type":{"ping":1}}"#,
        r#"{"type":""}"#,
        r#"{"type":"auth"}"#,
        r#"{"type":"auth","token":""}"#,
        r#"{"type":"auth","token":1}"#,
        r#"{"type":"auth","token":"a.b.c"}"#,
        r#"{"type":"resume"}"#,
        r#"{"type":"resume","from":""}"#,
        r#"{"type":"initial_data"}"#,
        r#"{"type":"error","code":"x","message":"y"}"#,
    ] {
        cases.push(Case::new(message).send(text(message)).hear(SomeAnswer));
    }
    house.run(&cases).await;
    house.close().await;
}
