//! The load generator: keep-alive connections on one thread, each sends a request and waits for its
//! answer. It has to cost less than what it measures, so requests are bytes made by the caller and
//! answers are read only as far as their status and length.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime, task,
};

/// Writes the next request into the buffer; false when there is none left.
pub(crate) type Requests = Box<dyn FnMut(&mut Vec<u8>) -> bool>;

/// What came back.
pub(crate) struct Taken {
    pub(crate) answers: u64,
    /// Answers other than 2xx, and what the first of them said.
    pub(crate) refused: u64,
    pub(crate) first_refusal: Option<String>,
    pub(crate) elapsed: Duration,
    pub(crate) latency_us: Histogram<u64>,
}

/// Longest latency that is told apart, µs.
const LATENCY_US_MAX: u64 = 60_000_000;
/// Most bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Sends requests over `connections` connections for as long as `within`, or until there are none left.
pub(crate) fn drive(
    address: SocketAddr,
    connections: usize,
    within: Duration,
    requests: Requests,
) -> Result<Taken> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = task::LocalSet::new();
    local.block_on(&runtime, run(address, connections, within, requests))
}

impl Taken {
    pub(crate) fn nothing() -> Result<Self> {
        Ok(Self {
            answers: 0,
            refused: 0,
            first_refusal: None,
            elapsed: Duration::ZERO,
            latency_us: Histogram::new_with_max(LATENCY_US_MAX, 3)?,
        })
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.answers as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        self.latency_us.value_at_quantile(quantile) as f64 / 1_000.0
    }

    pub(crate) fn add(&mut self, other: &Self) -> Result<()> {
        self.answers += other.answers;
        self.refused += other.refused;
        self.elapsed += other.elapsed;
        self.latency_us.add(&other.latency_us)?;
        if self.first_refusal.is_none() {
            self.first_refusal.clone_from(&other.first_refusal);
        }
        Ok(())
    }

    /// A measurement in which requests were refused measures something else.
    pub(crate) fn all_answered(&self) -> Result<()> {
        if self.refused > 0 {
            let said = self.first_refusal.as_deref().unwrap_or_default();
            bail!(
                "{} of {} requests were refused, the first with: {said}",
                self.refused,
                self.answers
            );
        }
        if self.answers == 0 {
            bail!("nothing was answered");
        }
        Ok(())
    }

    pub(crate) fn note(&mut self, status: u16, took: Duration, answer: &[u8]) {
        self.answers += 1;
        let micros = u64::try_from(took.as_micros()).unwrap_or(LATENCY_US_MAX);
        self.latency_us
            .saturating_record(micros.clamp(1, LATENCY_US_MAX));
        if !(200..300).contains(&status) {
            self.refused += 1;
            self.first_refusal
                .get_or_insert_with(|| String::from_utf8_lossy(answer).into_owned());
        }
    }
}

async fn run(
    address: SocketAddr,
    connections: usize,
    within: Duration,
    requests: Requests,
) -> Result<Taken> {
    let mut streams = Vec::with_capacity(connections);
    for _ in 0..connections {
        let stream = TcpStream::connect(address)
            .await
            .context("cannot connect")?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let requests = Rc::new(RefCell::new(requests));
    let taken = Rc::new(RefCell::new(Taken::nothing()?));
    let started = Instant::now();
    let tasks: Vec<_> = streams
        .into_iter()
        .map(|stream| {
            let (requests, taken) = (Rc::clone(&requests), Rc::clone(&taken));
            task::spawn_local(connection(stream, started + within, requests, taken))
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let mut taken = taken.replace(Taken::nothing()?);
    taken.elapsed = started.elapsed();
    Ok(taken)
}

async fn connection(
    mut stream: TcpStream,
    deadline: Instant,
    requests: Rc<RefCell<Requests>>,
    taken: Rc<RefCell<Taken>>,
) -> Result<()> {
    let mut request = Vec::with_capacity(1024);
    let mut answer = Vec::with_capacity(8 * 1024);
    while Instant::now() < deadline {
        request.clear();
        if !(requests.borrow_mut())(&mut request) {
            break;
        }
        let sent = Instant::now();
        stream.write_all(&request).await?;
        answer.clear();
        let status = read_answer(&mut stream, &mut answer).await?;
        taken.borrow_mut().note(status, sent.elapsed(), &answer);
    }
    Ok(())
}

/// Reads one whole answer and returns its status.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<u16> {
    let mut end = None;
    loop {
        if stream.read_buf(answer).await? == 0 {
            bail!("the server closed a connection in the middle of an answer");
        }
        if end.is_none() {
            end = end_of_answer(answer)?;
        }
        let whole = match end {
            None => false,
            Some(End::At(length)) => answer.len() >= length,
            Some(End::LastChunk) => answer.ends_with(b"0\r\n\r\n"),
        };
        if whole {
            break;
        }
    }
    answer
        .get(9..12)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse().ok())
        .context("no status line")
}

/// How the end of an answer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Head and body together are so many bytes.
    At(usize),
    /// The body comes in chunks, and the last is empty. Good enough for JSON, in which no line is `0`.
    LastChunk,
}

/// Known once the head is there.
pub(crate) fn end_of_answer(answer: &[u8]) -> Result<Option<End>> {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        if answer.len() > HEAD_BYTES_MAX {
            bail!("the head of an answer does not end");
        }
        return Ok(None);
    };
    for line in answer[..head].split(|byte| *byte == b'\n') {
        let Some((name, value)) = std::str::from_utf8(line)?.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            return Ok(Some(End::At(head + 4 + value.trim().parse::<usize>()?)));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") && value.trim() == "chunked" {
            return Ok(Some(End::LastChunk));
        }
    }
    bail!("an answer that does not tell its length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_head_says() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
        assert_eq!(end_of_answer(head).unwrap(), Some(End::At(head.len() + 2)));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(end_of_answer(chunked).unwrap(), Some(End::LastChunk));
        assert_eq!(end_of_answer(b"HTTP/1.1 200 OK\r\n").unwrap(), None);
        assert!(end_of_answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
