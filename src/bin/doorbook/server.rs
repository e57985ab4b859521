//! A running server, as a caller sees it: requests with `DOORBOOK_TOKEN`, answers as JSON, problems as
//! sentences. Knows HTTP and problem+json; knows no single resource.

use std::{
    io::{BufRead as _, BufReader, Read},
    time::Duration,
};

use serde_json::Value;
use ureq::{Agent, Body, RequestBuilder, http::Response};

use crate::failure::Failure;

/// Longest wait for a connection, and for the head of an answer: a rebuild or an import may think long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(660);
/// Largest JSON answer that is read whole, bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

const OFFSET_HEADER: &str = "x-offset";

/// Cheap to clone: clones share their connections.
#[derive(Clone)]
pub(crate) struct Server {
    base: String,
    authorization: String,
    agent: Agent,
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Of the event that a command made.
    pub(crate) offset: Option<u64>,
    pub(crate) body: Value,
}

/// Pairs of the query string.
pub(crate) type Query<'a> = [(&'a str, String)];

impl Server {
    pub(crate) fn new(url: &str, token: &str) -> Result<Self, Failure> {
        if url.starts_with("https://") {
            return Err(Failure::usage(
                "--server takes http:// only: run this beside the server, on its loopback address, or through a tunnel",
            ));
        }
        if !url.starts_with("http://") {
            return Err(Failure::usage(format!(
                "--server must be a URL such as http://127.0.0.1:8080, not {url:?}"
            )));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .max_redirects(0)
            .build()
            .new_agent();
        Ok(Self {
            base: url.trim_end_matches('/').to_owned(),
            authorization: format!("Bearer {token}"),
            agent,
        })
    }

    /// The answer's JSON; a status of 400 or more is a [`Failure`] with the problem's words.
    pub(crate) fn get(&self, path: &str, query: &Query<'_>) -> Result<Value, Failure> {
        self.ask(path, query, None)?.good()
    }

    /// The answer once the server's view has applied `min_offset`; status 503 when that takes too long.
    pub(crate) fn ask(
        &self,
        path: &str,
        query: &Query<'_>,
        min_offset: Option<u64>,
    ) -> Result<Answer, Failure> {
        self.read(self.get_response(path, query, min_offset)?)
    }

    /// An NDJSON answer, line by line.
    pub(crate) fn lines(
        &self,
        path: &str,
        query: &Query<'_>,
        min_offset: Option<u64>,
    ) -> Result<Lines, Failure> {
        let response = self.get_response(path, query, min_offset)?;
        let status = response.status().as_u16();
        if status >= 400 {
            let answer = self.read(response)?;
            return Ok(Lines::Refused(answer));
        }
        Ok(Lines::Open(BufReader::new(Box::new(
            response.into_body().into_reader(),
        ))))
    }

    /// An answer that is text and no JSON.
    pub(crate) fn text(&self, path: &str, query: &Query<'_>) -> Result<String, Failure> {
        let response = self.get_response(path, query, None)?;
        if response.status().as_u16() >= 400 {
            return Err(self.read(response)?.failure());
        }
        (response.into_body().into_with_config())
            .limit(ANSWER_BYTES_MAX)
            .read_to_string()
            .map_err(|error| self.unreachable(error))
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        let request = self.signed(self.agent.post(self.url(path)));
        let response = request
            .send_json(body)
            .map_err(|error| self.unreachable(error))?;
        self.read(response)
    }

    pub(crate) fn post_text(
        &self,
        path: &str,
        query: &Query<'_>,
        content_type: &str,
        text: &[u8],
    ) -> Result<Answer, Failure> {
        let mut request = self
            .signed(self.agent.post(self.url(path)))
            .header("content-type", content_type);
        for (name, value) in query {
            request = request.query(*name, value);
        }
        let response = request
            .send(text)
            .map_err(|error| self.unreachable(error))?;
        self.read(response)
    }

    pub(crate) fn delete(&self, path: &str) -> Result<Answer, Failure> {
        let response = self
            .signed(self.agent.delete(self.url(path)))
            .call()
            .map_err(|error| self.unreachable(error))?;
        self.read(response)
    }

    fn get_response(
        &self,
        path: &str,
        query: &Query<'_>,
        min_offset: Option<u64>,
    ) -> Result<Response<Body>, Failure> {
        let mut request = self.signed(self.agent.get(self.url(path)));
        for (name, value) in query {
            request = request.query(*name, value);
        }
        if let Some(offset) = min_offset {
            request = request.header("x-min-offset", offset.to_string());
        }
        request.call().map_err(|error| self.unreachable(error))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn signed<State>(&self, request: RequestBuilder<State>) -> RequestBuilder<State> {
        request.header("authorization", &self.authorization)
    }

    fn read(&self, response: Response<Body>) -> Result<Answer, Failure> {
        let status = response.status().as_u16();
        let offset = response
            .headers()
            .get(OFFSET_HEADER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let text = response
            .into_body()
            .into_with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_string()
            .map_err(|error| self.unreachable(error))?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer {
            status,
            offset,
            body,
        })
    }

    fn unreachable(&self, error: ureq::Error) -> Failure {
        Failure::unreachable(
            anyhow::Error::new(error).context(format!("no answer from {}", self.base)),
        )
    }
}

impl Answer {
    pub(crate) fn good(self) -> Result<Value, Failure> {
        if self.status < 400 {
            Ok(self.body)
        } else {
            Err(self.failure())
        }
    }

    /// The problem in the server's own words.
    pub(crate) fn failure(&self) -> Failure {
        let word = |name: &str| self.body.get(name).and_then(Value::as_str);
        let detail = word("detail")
            .or_else(|| word("title"))
            .unwrap_or("the server gave no reason");
        let hint = if self.status == 401 {
            " (set DOORBOOK_TOKEN; `doorbook token` makes one)"
        } else {
            ""
        };
        let code = word("code")
            .map(|code| format!("{code}: "))
            .unwrap_or_default();
        Failure::refused(format!("{code}{detail}{hint} [{}]", self.status))
    }
}

/// An NDJSON answer under way.
pub(crate) enum Lines {
    Open(BufReader<Box<dyn Read>>),
    /// The server answered with a problem instead.
    Refused(Answer),
}

impl Lines {
    /// The next line's JSON; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Value>, Failure> {
        let Self::Open(reader) = self else {
            return Ok(None);
        };
        let mut line = String::new();
        let bytes = reader.read_line(&mut line).map_err(|error| {
            Failure::unreachable(anyhow::Error::new(error).context("the answer broke off"))
        })?;
        if bytes == 0 {
            return Ok(None);
        }
        serde_json::from_str(&line)
            .map(Some)
            .map_err(Failure::check)
    }
}
