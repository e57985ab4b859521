//! The server under trial: in process and on a runtime of its own, over a log on a real disk, behind
//! real sockets. It stops gently, or dies with everything it had in hand; and its log can become
//! another log, as a restored backup is one.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use doorbook::{
    auth::{Claims, mint},
    config::{Config, Secret, SecretSource},
    events::{
        event::DoorRole,
        ids::Offset,
        log::{Log, OpenError},
        recorded::NewEvent,
        time::Timestamp,
    },
    server::{RunError, Server, Shutdown, listen},
};
use tempfile::TempDir;
use tokio::{
    runtime::{Builder, Runtime},
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep},
};

use super::book::{Book, Who};

const SECRET: &[u8] = b"the secret of the simulated servers";
/// What a server that died may take to let its files go.
const PATIENCE: Duration = Duration::from_secs(20);
const LOCK_PAUSE: Duration = Duration::from_millis(2);

pub(super) struct Host {
    dir: TempDir,
    lives: u32,
    running: Option<Running>,
}

struct Running {
    log: Log,
    address: SocketAddr,
    shutdown: Shutdown,
    serving: JoinHandle<Result<(), RunError>>,
    runtime: Runtime,
}

impl Host {
    pub(super) fn new() -> Self {
        Self {
            dir: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
            lives: 0,
            running: None,
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join(format!("data-{}", self.lives))
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("a server that runs")
    }

    pub(super) fn is_down(&self) -> bool {
        self.running.is_none()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.running().address
    }

    pub(super) fn log(&self) -> &Log {
        &self.running().log
    }

    /// Opens the log and serves it.
    pub(super) async fn start(&mut self) {
        let log = open(self.data()).await;
        let mut config = Config::for_data_dir(self.data());
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.jwt_secret = SecretSource::Given(Secret::new(SECRET).unwrap());
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let shutdown = Shutdown::new();
        let served = log.clone();
        let opened = runtime.spawn({
            let shutdown = shutdown.clone();
            async move {
                let listener = listen(config.listen).unwrap();
                let address = listener.local_addr().unwrap();
                let server = Server::over(served, config).await.unwrap();
                (address, tokio::spawn(server.serve(listener, shutdown)))
            }
        });
        let (address, serving) = opened.await.unwrap();
        self.running = Some(Running {
            log,
            address,
            shutdown,
            serving,
            runtime,
        });
    }

    /// As at SIGTERM: everybody is sent away, everything is answered and closed.
    pub(super) async fn stop(&mut self) {
        let running = self.running.take().expect("a server that runs");
        running.shutdown.trigger();
        running.serving.await.unwrap().unwrap();
        running.runtime.shutdown_background();
    }

    /// Drops the server with all its tasks and sockets, wherever they are.
    pub(super) fn drop_dead(&mut self) {
        let running = self.running.take().expect("a server that runs");
        running.runtime.shutdown_background();
    }

    /// The log of a stopped server.
    pub(super) async fn book(&self) -> Book {
        let log = open(self.data()).await;
        let book = Book::read(&log);
        close(log).await;
        book
    }

    /// Makes the stopped server's log another one: the same events up to `keep`, in a new log.
    pub(super) async fn become_another_log(&mut self, keep: Offset) {
        let (old, book) = (self.data(), self.book().await);
        self.lives += 1;
        let new = self.data();
        close(open(new.clone()).await).await;
        let copied = spawn_blocking({
            let (from, to) = (old.join("keys"), new.join("keys"));
            move || copy(&from, &to)
        });
        copied.await.unwrap();
        let log = open(new).await;
        let mut last = None;
        for recorded in book.events.into_iter().take(usize::try_from(keep).unwrap()) {
            let event = NewEvent {
                gathering: recorded.gathering,
                decided_at: recorded.recorded_at,
                occurred_at: recorded.occurred_at,
                actor: recorded.actor.clone(),
                correlation: recorded.correlation,
                causation: recorded.causation,
                command: recorded.command.clone(),
                event: recorded.event.clone(),
            };
            last = Some(log.append(event).unwrap().1);
        }
        if let Some(durable) = last {
            durable.wait().await.unwrap();
        }
        close(log).await;
    }
}

/// A runtime must not be waited for in another one, as its own drop would.
impl Drop for Host {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.drop_dead();
        }
    }
}

async fn close(log: Log) {
    spawn_blocking(move || log.close().unwrap()).await.unwrap();
}

/// Waits until whoever had the log before has let it go.
async fn open(data: PathBuf) -> Log {
    let until = Instant::now() + PATIENCE;
    loop {
        let data = data.clone();
        match spawn_blocking(move || Log::open(&data)).await.unwrap() {
            Ok((log, _)) => return log,
            Err(OpenError::InUse { .. }) if Instant::now() < until => sleep(LOCK_PAUSE).await,
            Err(error) => panic!("the log does not open again: {error}"),
        }
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(super) fn token(who: Who) -> String {
    let (sub, role) = match who {
        Who::Superuser => ("root", Some("superuser")),
        Who::Creator(name) => (name, Some("creator")),
        Who::Auditor => ("ada", Some("auditor")),
        Who::Member(name) => (name, None),
        Who::AtDoor(_) => ("door", None),
    };
    let mut claims = Claims::new(sub, Timestamp::now().plus_seconds(3_600));
    claims.roles = role.into_iter().map(str::to_owned).collect();
    if let Who::AtDoor(gathering) = who {
        claims.event_id = Some(gathering);
        claims.door_role = Some(DoorRole::Steward);
    }
    mint(SECRET, &claims).unwrap()
}
