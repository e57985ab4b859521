//! Cases against the live streams: bytes that are sent, and what has to be heard then. Each case runs
//! on both streams of a real server, and after each one a client that has done nothing wrong is served.
//!
//! The cases themselves are in the `stream_` files, by subject; frames are in `raw_stream`.

use doorbook::events::ids::GatheringId;
use serde_json::{Value, json};

use crate::{
    harness::{TestServer, root},
    raw_stream::{Heard, Raw, close, text},
};

pub(crate) const DASHBOARD: &str = "/ws/events/dashboard";

/// A server with both streams, and with a client on each that sees the whole test.
pub(crate) struct House {
    pub(crate) server: TestServer,
    gathering: GatheringId,
    paths: [String; 2],
    witnesses: Vec<Raw>,
}

pub(crate) struct Case {
    name: String,
    steps: Vec<Step>,
}

#[derive(Clone)]
enum Step {
    Send(Vec<u8>),
    SendInSingleBytes(Vec<u8>),
    HalfClose,
    Hear(Want),
}

/// What has to be heard next.
#[derive(Clone)]
pub(crate) enum Want {
    /// The WebSocket's own pong.
    Pong(Vec<u8>),
    /// The answer to our `ping` with this timestamp.
    Answer(Value),
    /// `error` with this code; the stream goes on.
    Error(&'static str),
    /// `error`, whatever its code; the stream goes on.
    SomeError,
    /// `error` or `pong`; the stream goes on.
    SomeAnswer,
    /// The answer with this timestamp, or a close frame with one of these codes.
    AnswerOrFails(Value, &'static [u16]),
    /// A close frame with one of these codes; the connection ends.
    Fails(&'static [u16]),
    /// Our close frame's code and reason; then the server ends the connection in order.
    Closes(Option<(u16, &'static str)>),
    /// No more: the server ends the connection, with or without a close frame.
    Ends,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            steps: Vec::new(),
        }
    }

    pub(crate) fn send(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Send(bytes.into()))
    }

    pub(crate) fn send_in_single_bytes(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.step(Step::SendInSingleBytes(bytes.into()))
    }

    pub(crate) fn half_close(self) -> Self {
        self.step(Step::HalfClose)
    }

    pub(crate) fn hear(self, want: Want) -> Self {
        self.step(Step::Hear(want))
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl House {
    pub(crate) async fn open() -> Self {
        let server = TestServer::start().await;
        let gathering = server.gathering(json!({})).await;
        let paths = [
            format!("/ws/events/checkin/{gathering}/"),
            DASHBOARD.to_owned(),
        ];
        let mut house = Self {
            server,
            gathering,
            paths,
            witnesses: Vec::new(),
        };
        for n in 0..2 {
            house.witnesses.push(house.stream(n).await);
        }
        house
    }

    pub(crate) async fn run(&self, cases: &[Case]) {
        assert!(!cases.is_empty());
        for case in cases {
            for n in 0..2 {
                // A failing assertion below cannot know the case it is about.
                println!("{} on {}", case.name, self.paths[n]);
                self.run_on(n, case).await;
                self.stream(1 - n).await.leave().await;
            }
        }
    }

    /// Whoever was there all the time has missed nothing, and no place is taken by those who are gone.
    pub(crate) async fn close(mut self) {
        self.server.register(self.gathering, "LAST").await;
        for (n, kind) in [(0, "participant_registered"), (1, "event_update")] {
            self.witnesses[n].expect(kind).await;
        }
        for witness in self.witnesses {
            witness.leave().await;
        }
        for stream in ["checkin", "dashboard"] {
            let none = format!("doorbook_stream_connections{{stream=\"{stream}\"}} 0");
            loop {
                let metrics = self.server.get(&root(), "/metrics").await;
                if metrics.text.lines().any(|line| line == none) {
                    break;
                }
            }
        }
        self.server.stop().await;
    }

    /// An open stream that has said hello: 0 is the gathering's, 1 the dashboard.
    pub(crate) async fn stream(&self, n: usize) -> Raw {
        let mut raw = Raw::open(self.server.address, &self.paths[n], &root().0).await;
        raw.expect("initial_data").await;
        raw
    }

    async fn run_on(&self, n: usize, case: &Case) {
        let mut raw = self.stream(n).await;
        for step in case.steps.clone() {
            match step {
                Step::Send(bytes) => raw.send(&bytes).await,
                Step::SendInSingleBytes(bytes) => raw.send_in_single_bytes(&bytes).await,
                Step::HalfClose => raw.half_close().await,
                Step::Hear(Want::Pong(payload)) => {
                    assert_eq!(raw.next().await, Heard::Pong(payload));
                }
                Step::Hear(Want::Answer(timestamp)) => {
                    assert_eq!(raw.expect("pong").await["timestamp"], timestamp);
                }
                Step::Hear(Want::Error(code)) => {
                    let message = raw.expect("error").await;
                    assert_eq!(message["code"], code, "{message}");
                    assert_explained(&message);
                }
                Step::Hear(Want::SomeError) => assert_explained(&raw.expect("error").await),
                Step::Hear(Want::SomeAnswer) => {
                    let message = raw.message().await;
                    if message["type"] != "pong" {
                        assert_explained(&message);
                    }
                }
                Step::Hear(Want::AnswerOrFails(timestamp, codes)) => match raw.next().await {
                    Heard::Text(text) => {
                        let message: Value = serde_json::from_str(&text).unwrap();
                        assert_eq!(message["timestamp"], timestamp, "{message}");
                    }
                    other => return assert_failed(raw, other, codes).await,
                },
                Step::Hear(Want::Fails(codes)) => {
                    let heard = raw.next().await;
                    return assert_failed(raw, heard, codes).await;
                }
                Step::Hear(Want::Closes(code)) => {
                    let code = code.map(|(code, reason)| (code, reason.to_owned()));
                    assert_eq!(raw.next().await, Heard::Close(code));
                    assert_eq!(raw.next().await, Heard::End);
                    return;
                }
                Step::Hear(Want::Ends) => return assert_ends(raw).await,
            }
        }
        // Still the same stream, and nothing has come that nobody asked for.
        raw.send(&ping("still there?")).await;
        assert_eq!(raw.expect("pong").await["timestamp"], "still there?");
        raw.leave().await;
    }
}

/// An error that says what is wrong, to programs and to people.
fn assert_explained(message: &Value) {
    assert_eq!(message["type"], "error", "{message}");
    for field in ["code", "message"] {
        let text = message[field].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{field}: {message}");
    }
}

async fn assert_failed(mut raw: Raw, heard: Heard, codes: &[u16]) {
    match heard {
        Heard::Close(Some((code, _))) => assert!(codes.contains(&code), "closed with {code}"),
        other => panic!("wanted a close frame with one of {codes:?}, got {other:?}"),
    }
    raw.send(&close(codes[0], b"")).await;
    // What it no longer reads may have reset the connection.
    let end = raw.next().await;
    assert!(matches!(end, Heard::End | Heard::BrokenOff), "{end:?}");
}

async fn assert_ends(mut raw: Raw) {
    let mut end = raw.next().await;
    if let Heard::Close(_) = end {
        end = raw.next().await;
    }
    assert!(matches!(end, Heard::End | Heard::BrokenOff), "{end:?}");
}

/// Our own `ping`, whose answer brings the timestamp back as sent.
pub(crate) fn ping(timestamp: &str) -> Vec<u8> {
    text(ping_text(timestamp))
}

pub(crate) fn ping_text(timestamp: &str) -> String {
    json!({"type": "ping", "timestamp": timestamp}).to_string()
}

/// The text of a `ping` of exactly so many bytes, and the timestamp that makes it so.
pub(crate) fn ping_of_bytes(count: usize) -> (String, String) {
    let timestamp = "x".repeat(count - ping_text("").len());
    (ping_text(&timestamp), timestamp)
}
