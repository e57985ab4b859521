//! The origin design as a server: Redis and uvicorn as child processes on an empty database.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    child::{self, Child},
    doorbook_server::{SECRET, json_post, superuser_token},
    frames,
    load::{self, Taken},
    peers,
};

/// People registered before a slice, per second of it. Fewer than arrive end the slice early, which
/// does not change its rate.
const PEOPLE_PER_SECOND: f64 = 250.0;
/// Longest start of either process.
const START: Duration = Duration::from_secs(30);
/// Longest registration of everybody.
const REGISTRATION: Duration = Duration::from_secs(120);
const CONNECTIONS: usize = 64;

pub(crate) struct Origin {
    server: Child,
    redis: Child,
    address: SocketAddr,
    token: String,
    event_id: String,
    registered: u64,
    arrived: Arc<AtomicU64>,
}

pub(crate) fn start(dir: &Path) -> Result<Origin> {
    need_redis()?;
    let bin = peers::environment("django-channels")?;
    let place = dir.join("origin");
    if place.exists() {
        std::fs::remove_dir_all(&place)?;
    }
    std::fs::create_dir_all(&place)?;
    let redis_address = child::free_address()?;
    let mut redis = Command::new("redis-server");
    redis
        .args([
            "--port",
            &redis_address.port().to_string(),
            "--bind",
            "127.0.0.1",
        ])
        .args(["--save", "", "--appendonly", "no"]);
    let mut redis = Child::start("redis-server", &mut redis, &place.join("redis.log"))?;
    redis.wait_until(START, || child::accepts(redis_address))?;

    let address = child::free_address()?;
    let redis_url = format!("redis://{redis_address}/0");
    let prepared = |program: &str| {
        let mut command = Command::new(bin.join(program));
        command
            .current_dir(peers::source("django-channels"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PEER_DIR", &place)
            .env("REDIS_URL", &redis_url)
            .env("JWT_SECRET", SECRET);
        command
    };
    peers::run(prepared("python").args(["app.py", "migrate"]))?;
    let mut server = prepared("uvicorn");
    server
        .args([
            "app:application",
            "--host",
            "127.0.0.1",
            "--port",
            &address.port().to_string(),
        ])
        .args([
            "--workers",
            "1",
            "--log-level",
            "warning",
            "--no-access-log",
        ]);
    let mut server = Child::start("origin", &mut server, &place.join("uvicorn.log"))?;
    server.wait_until(START, || child::accepts(address))?;

    let token = superuser_token()?;
    let event_id = create_event(address, &token)?;
    Ok(Origin {
        server,
        redis,
        address,
        token,
        event_id,
        registered: 0,
        arrived: Arc::default(),
    })
}

impl Origin {
    /// Registers people for a slice.
    pub(crate) fn register(&mut self, slice: Duration) -> Result<()> {
        let last = self.registered + (PEOPLE_PER_SECOND * slice.as_secs_f64()) as u64 + 1;
        let path = format!("/api/events/{}/register/", self.event_id);
        let token = self.token.clone();
        let mut number = self.registered;
        let requests = Box::new(move |request: &mut Vec<u8>| {
            if number >= last {
                return false;
            }
            let body = format!(
                r#"{{"first_name":"Ada","last_name":"Visitor {number}","email":"p{number}@example.org","event_pax_id":"P{number}"}}"#
            );
            json_post(request, &path, &token, &body);
            number += 1;
            true
        });
        load::drive(self.address, CONNECTIONS, REGISTRATION, requests)?.all_answered()?;
        self.registered = last;
        Ok(())
    }

    /// Checks people in, each once, for a slice or until all are inside.
    pub(crate) fn check_in(&self, slice: Duration) -> Result<Taken> {
        let (token, arrived, last) = (
            self.token.clone(),
            Arc::clone(&self.arrived),
            self.registered,
        );
        let requests = Box::new(move |request: &mut Vec<u8>| {
            let person = arrived.load(Ordering::Relaxed);
            if person >= last {
                return false;
            }
            arrived.store(person + 1, Ordering::Relaxed);
            json_post(
                request,
                &format!("/api/events/participants/P{person}/check-in/"),
                &token,
                "{}",
            );
            true
        });
        load::drive(self.address, CONNECTIONS, slice, requests)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The request of a stream of the event.
    pub(crate) fn stream(&self) -> Vec<u8> {
        let path = format!("/ws/events/checkin/{}/", self.event_id);
        frames::upgrade(&path, &self.token)
    }

    /// One check-in a call, of the people that are registered; there must be enough of them.
    pub(crate) fn check_ins(&self) -> impl FnMut(&mut Vec<u8>) + Send + 'static {
        let (token, arrived) = (self.token.clone(), Arc::clone(&self.arrived));
        move |request| {
            let person = arrived.fetch_add(1, Ordering::Relaxed);
            let path = format!("/api/events/participants/P{person}/check-in/");
            json_post(request, &path, &token, "{}");
        }
    }

    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        Ok(self.server.cpu_seconds()? + self.redis.cpu_seconds()?)
    }
}

fn need_redis() -> Result<()> {
    let found = Command::new("redis-server")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        bail!("redis-server is not installed (Debian: apt-get install redis-server)");
    }
    Ok(())
}

fn create_event(address: SocketAddr, token: &str) -> Result<String> {
    let answer = ureq::post(format!("http://{address}/api/events/"))
        .header("Authorization", format!("Bearer {token}"))
        .send_json(serde_json::json!({"name": "Benchmark", "start_date": "2026-05-01T18:00:00Z"}))
        .context("the origin made no event")?
        .body_mut()
        .read_json::<serde_json::Value>()?;
    Ok(answer["id"]
        .as_str()
        .context("an event without id")?
        .to_owned())
}
