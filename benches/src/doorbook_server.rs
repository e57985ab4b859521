//! doorbook as people run it: the binary beside this program, as a child process on a data directory,
//! with gatherings and participants put in through its own import.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    child::{self, Child},
    door::Door,
    load::{self, Taken},
};

/// Shared by the server and by who mints tokens for it.
pub(crate) const SECRET: &str = "a secret of the benchmark, 32 bytes and more";
/// People of one gathering: a large one, so that views and write models have something to carry.
pub(crate) const PEOPLE_PER_GATHERING: u64 = 20_000;
/// Longest start, imports and rebuilds included.
const START: Duration = Duration::from_secs(120);
const TOKEN_LIFE_SECONDS: u64 = 24 * 3600;

pub(crate) struct Doorbook {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) token: String,
    http: ureq::Agent,
    /// People imported so far and people checked in so far: everybody arrives once.
    imported: u64,
    arrived: Arc<AtomicU64>,
}

impl Doorbook {
    /// Starts on an empty data directory.
    pub(crate) fn start_empty(data: &Path) -> Result<Self> {
        if data.exists() {
            fs::remove_dir_all(data)?;
        }
        fs::create_dir_all(data)?;
        Self::start_on(data)
    }

    /// Starts on what lies there. People of it are unknown to [`Self::import`] and [`Self::check_in`].
    pub(crate) fn start_on(data: &Path) -> Result<Self> {
        let address = child::free_address()?;
        let http = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(START))
            .build()
            .new_agent();
        Ok(Self {
            child: spawn(data, address)?,
            address,
            data: data.to_owned(),
            token: superuser_token()?,
            http,
            imported: 0,
            arrived: Arc::default(),
        })
    }

    /// SIGKILL, then a new process on the same directory; how long until it says it is ready.
    pub(crate) fn kill_and_start(&mut self) -> Result<Duration> {
        self.child.kill()?;
        self.address = child::free_address()?;
        let started = Instant::now();
        self.child = spawn(&self.data, self.address)?;
        Ok(started.elapsed())
    }

    /// Imports `count` more people, in gatherings of [`PEOPLE_PER_GATHERING`].
    pub(crate) fn import(&mut self, count: u64) -> Result<()> {
        let target = self.imported + count;
        while self.imported < target {
            self.open_gathering(PEOPLE_PER_GATHERING.min(target - self.imported))?;
        }
        Ok(())
    }

    /// A gathering with so many people, and its door.
    pub(crate) fn open_gathering(&mut self, room: u64) -> Result<Door> {
        let gathering = self.create_gathering(room)?;
        let people: String = (self.imported..self.imported + room).map(person).collect();
        let answer = self
            .http
            .post(self.url(&format!("/api/events/{gathering}/import/")))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", "application/x-ndjson")
            .send(people.as_bytes())?;
        let answer = success(answer)?;
        if answer["accepted"].as_u64() != Some(room) {
            bail!("import of {room} people: {answer}");
        }
        let first = self.imported;
        self.imported += room;
        Ok(Door::new(
            gathering,
            first..self.imported,
            self.token.clone(),
        ))
    }

    /// People with a ticket who have not arrived.
    pub(crate) fn waiting(&self) -> u64 {
        self.imported
            .saturating_sub(self.arrived.load(Ordering::Relaxed))
    }

    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Checks people in who have not arrived yet, at most `count`.
    pub(crate) fn check_in(
        &self,
        connections: usize,
        within: Duration,
        count: u64,
    ) -> Result<Taken> {
        let arrived = Arc::clone(&self.arrived);
        let last = self.imported.min(self.arrived().saturating_add(count));
        let token = self.token.clone();
        let requests = Box::new(move |request: &mut Vec<u8>| {
            let person = arrived.load(Ordering::Relaxed);
            if person >= last {
                return false;
            }
            arrived.store(person + 1, Ordering::Relaxed);
            check_in_request(request, person, &token);
            true
        });
        let taken = load::drive(self.address, connections, within, requests)?;
        taken.all_answered()?;
        Ok(taken)
    }

    /// GET or POST of a small JSON answer.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        let bearer = format!("Bearer {}", self.token);
        success(
            self.http
                .get(self.url(path))
                .header("Authorization", bearer)
                .call()?,
        )
    }

    /// GET of an answer of any length.
    pub(crate) fn stream(&self, path: &str) -> Result<impl Read + use<>> {
        let answer = self
            .http
            .get(self.url(path))
            .header("Authorization", format!("Bearer {}", self.token))
            .call()?;
        let status = answer.status();
        if !status.is_success() {
            success(answer)?;
            bail!("{status}");
        }
        Ok(answer.into_body().into_reader())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let bearer = format!("Bearer {}", self.token);
        success(
            self.http
                .post(self.url(path))
                .header("Authorization", bearer)
                .send_json(body)?,
        )
    }

    fn create_gathering(&self, room: u64) -> Result<String> {
        let answer = self.post(
            "/api/events/",
            &json!({
                "name": format!("Benchmark from {}", self.imported),
                "start_date": "2026-05-01T18:00:00Z",
                "time_zone": "Europe/Berlin",
                "capacity": room,
            }),
        )?;
        let id = answer["id"].as_str().context("a gathering without id")?;
        Ok(id.to_owned())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A check-in as a door sends it. The bare handler gets the same bytes.
pub(crate) fn check_in_request(request: &mut Vec<u8>, person: u64, token: &str) {
    let path = format!("/api/events/participants/{}/check-in/", code(person));
    let body = format!(r#"{{"scan_id":"scan-{person:010}","gate":"north","device":"door-1"}}"#);
    json_post(request, &path, token, &body);
}

pub(crate) fn json_post(request: &mut Vec<u8>, path: &str, token: &str, body: &str) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    request.extend_from_slice(head.as_bytes());
    request.extend_from_slice(body.as_bytes());
}

pub(crate) fn superuser_token() -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = json!({"sub": "bench", "exp": now + TOKEN_LIFE_SECONDS, "roles": ["superuser"]});
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    Ok(jsonwebtoken::encode(
        &jsonwebtoken::Header::default(),
        &claims,
        &key,
    )?)
}

/// The `doorbook` binary that was built together with this program.
pub(crate) fn program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("doorbook");
    if !program.is_file() {
        bail!(
            "{} is missing: build it first (make bench does)",
            program.display()
        );
    }
    Ok(program)
}

fn spawn(data: &Path, address: SocketAddr) -> Result<Child> {
    let mut command = Command::new(program()?);
    command
        .args(["serve", "--data"])
        .arg(data)
        .args(["--listen", &address.to_string()])
        .env("DOORBOOK_JWT_SECRET", SECRET);
    let mut child = Child::start("doorbook", &mut command, &data.with_extension("log"))?;
    child.wait_until(START, || is_ready(address))?;
    Ok(child)
}

fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(200))?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

fn success(mut answer: ureq::http::Response<ureq::Body>) -> Result<Value> {
    let status = answer.status();
    let text = answer.body_mut().read_to_string()?;
    if !status.is_success() {
        bail!("{status}: {text}");
    }
    Ok(serde_json::from_str(&text)?)
}

pub(crate) fn code(person: u64) -> String {
    format!("B{person:08}")
}

fn person(number: u64) -> String {
    let code = code(number);
    format!(
        "{{\"first_name\":\"Ada\",\"last_name\":\"Visitor {number}\",\"email\":\"visitor{number}@example.org\",\"event_pax_id\":\"{code}\"}}\n"
    )
}
