//! The real program as a child process, and a client for it: for tests in which the server is killed,
//! starved of disk or watched from outside. Tests of what it answers run it in process instead.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Longest start and longest answer: far more than a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a process that starts or ends is looked at.
const POLL: Duration = Duration::from_millis(3);
pub(crate) const SECRET: &str = "a secret of the tests, 32 bytes and more";

/// Ports below the range from which the system gives clients theirs, so that no connection of another
/// test can sit on one between two starts.
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);
const PORTS: (u16, u16) = (21_000, 31_000);

pub(crate) struct Process {
    child: Child,
    /// The child is another program, and the server is a child of that.
    wrapped: bool,
    pub(crate) address: SocketAddr,
    said: PathBuf,
}

/// What a request brought back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    /// Of the header `X-Offset`.
    pub(crate) offset: Option<u64>,
    pub(crate) text: String,
}

/// A superuser with connections of its own.
#[derive(Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
    token: String,
}

impl Process {
    /// Starts a server on the data directory, without waiting for it.
    pub(crate) fn spawn(data: &Path) -> Self {
        Self::spawn_under(&[], data)
    }

    /// The same under another program, such as `strace` with its arguments.
    pub(crate) fn spawn_under(wrapper: &[&str], data: &Path) -> Self {
        Self::spawn_at(wrapper, data, free_address())
    }

    fn spawn_at(wrapper: &[&str], data: &Path, address: SocketAddr) -> Self {
        let said = data.with_extension("said");
        let out = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&said)
            .unwrap();
        let doorbook = env!("CARGO_BIN_EXE_doorbook");
        let (program, before): (&str, &[&str]) = match wrapper {
            [] => (doorbook, &[]),
            [program, arguments @ ..] => (program, arguments),
        };
        let mut command = Command::new(program);
        command.args(before);
        if !wrapper.is_empty() {
            command.arg(doorbook);
        }
        let child = command
            .args(["serve", "--data"])
            .arg(data)
            .args(["--listen", &address.to_string()])
            .env("DOORBOOK_JWT_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Self {
            child,
            wrapped: !wrapper.is_empty(),
            address,
            said,
        }
    }

    pub(crate) fn start(data: &Path) -> Self {
        let mut process = Self::spawn(data);
        process.wait_ready();
        process
    }

    /// The same where another one was, for clients that come back to it.
    pub(crate) fn start_at(data: &Path, address: SocketAddr) -> Self {
        let mut process = Self::spawn_at(&[], data, address);
        process.wait_ready();
        process
    }

    /// Waits until `/readyz` says 200; panics with the last words when the process ends instead.
    pub(crate) fn wait_ready(&mut self) {
        let started = Instant::now();
        while !is_ready(self.address) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!(
                    "the server ended with {status} instead of serving:\n{}",
                    self.last_words()
                );
            }
            assert!(
                started.elapsed() < PATIENCE,
                "the server is not ready:\n{}",
                self.last_words()
            );
            std::thread::sleep(POLL);
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.kill_now();
    }

    pub(crate) fn last_words(&self) -> String {
        let said = fs::read_to_string(&self.said).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    pub(crate) fn kill_now(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        if self.wrapped {
            // A tracer that is killed lets its server run on; one whose server is killed ends.
            self.kill_servers_below();
        } else {
            self.child.kill().unwrap();
        }
        self.child.wait().unwrap();
    }

    fn kill_servers_below(&self) {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        for child in children.split_whitespace() {
            let server = Pid::from_raw(child.parse().unwrap()).unwrap();
            kill_process(server, Signal::KILL).unwrap();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the server said last:\n{}", self.last_words());
        }
        self.kill_now();
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .new_agent();
        Self {
            agent,
            base: format!("http://{address}"),
            token: token(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Result<Answer, String> {
        let request = self.agent.get(format!("{}{path}", self.base));
        read(request.header("Authorization", &self.token).call())
    }

    /// A read that waits for its view.
    pub(crate) fn get_from(&self, path: &str, min_offset: u64) -> Result<Answer, String> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let request = request.header("X-Min-Offset", min_offset.to_string());
        read(request.header("Authorization", &self.token).call())
    }

    pub(crate) fn post(
        &self,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Result<Answer, String> {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        read(request.header("Authorization", &self.token).send_json(body))
    }

    pub(crate) fn post_ndjson(&self, path: &str, lines: &str) -> Result<Answer, String> {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = request.header("Content-Type", "application/x-ndjson");
        read(request.header("Authorization", &self.token).send(lines))
    }

    pub(crate) fn create_gathering(&self, name: &str) -> String {
        let body = json!({"name": name, "start_date": "2026-05-01T18:00:00Z", "time_zone": "Europe/Berlin"});
        let answer = self.post("/api/events/", None, &body).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Registers a person and returns the answer, which is not yet judged.
    pub(crate) fn register(&self, gathering: &str, code: &str) -> Result<Answer, String> {
        let path = format!("/api/events/{gathering}/register/");
        self.post(&path, Some(&format!("register-{code}")), &person(code))
    }

    /// Every event after an offset, up to the head, as history entries.
    pub(crate) fn log_after(&self, mut after: u64) -> Vec<Value> {
        let mut entries = Vec::new();
        loop {
            // Not `/api/log/`, which is itself recorded, and refused when the log takes nothing more.
            let answer = self
                .get(&format!("/api/history/?after={after}&limit=1000"))
                .unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text);
            let page = answer.json();
            entries.extend(page["results"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = next.parse().unwrap(),
                None => return entries,
            }
        }
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {} {}", self.status, self.text))
    }
}

/// What a registration of this code says.
pub(crate) fn person(code: &str) -> Value {
    json!({"first_name": "Ada", "last_name": format!("Visitor {code}"),
           "email": format!("{}@example.org", code.to_lowercase()), "event_pax_id": code})
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, String> {
    let mut answer = answer.map_err(|error| error.to_string())?;
    let header = |name: &str| {
        let value = answer
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (content_type, offset) = (header("Content-Type"), header("X-Offset").parse().ok());
    let text = answer
        .body_mut()
        .read_to_string()
        .map_err(|error| error.to_string())?;
    Ok(Answer {
        status: answer.status().as_u16(),
        content_type,
        offset,
        text,
    })
}

fn token() -> String {
    let exp = chrono::Utc::now().timestamp() + 24 * 3600;
    let claims = json!({"sub": "oracle", "exp": exp, "roles": ["superuser"]});
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    format!("Bearer {token}")
}

fn free_address() -> SocketAddr {
    let span = PORTS.1 - PORTS.0;
    let first = u16::try_from(std::process::id() % u32::from(span)).unwrap();
    loop {
        let step = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.0 + (first.wrapping_add(step)) % span;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().unwrap();
        }
    }
}

fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}
