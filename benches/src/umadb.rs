//! UmaDB, an event store in Rust that syncs each commit: its server from PyPI as a child process, its
//! own client, one connection per writer.

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use umadb_client::AsyncUmaDbClient;
use umadb_dcb::{DcbEvent, DcbEventStoreAsync};
use uuid::Uuid;

use crate::{
    child::{self, Child},
    peers,
};

/// Longest start, with an empty store.
const START: Duration = Duration::from_secs(20);

pub(crate) struct UmaDb {
    #[expect(dead_code, reason = "ends the server when dropped")]
    child: Child,
    clients: Vec<Arc<AsyncUmaDbClient>>,
}

pub(crate) fn start(dir: &Path, runtime: &Runtime, writers: usize) -> Result<UmaDb> {
    let program = peers::environment("umadb")?.join("umadb");
    let address = child::free_address()?;
    let mut command = Command::new(program);
    command
        .arg("--db-path")
        .arg(dir.join("uma.db"))
        .args(["--listen", &address.to_string()]);
    let mut child = Child::start("umadb", &mut command, &dir.join("umadb.log"))?;
    child.wait_until(START, || child::accepts(address))?;
    let clients = runtime.block_on(async {
        let mut clients = Vec::with_capacity(writers);
        for _ in 0..writers {
            let url = format!("http://{address}");
            let client = AsyncUmaDbClient::connect(url, None, None, None).await;
            clients.push(Arc::new(client.context("cannot reach umadb")?));
        }
        anyhow::Ok(clients)
    })?;
    Ok(UmaDb { child, clients })
}

impl UmaDb {
    /// Appends events of `payload` bytes from `writers` writers for a slice; how many per second.
    pub(crate) fn append(
        &self,
        runtime: &Runtime,
        writers: usize,
        payload: &[u8],
        slice: Duration,
    ) -> Result<f64> {
        let count = Arc::new(AtomicU64::new(0));
        let started = Instant::now();
        runtime.block_on(async {
            let tasks: Vec<_> = self
                .clients
                .iter()
                .take(writers)
                .map(|client| {
                    let (client, count) = (Arc::clone(client), Arc::clone(&count));
                    let payload = payload.to_vec();
                    tokio::spawn(async move {
                        while started.elapsed() < slice {
                            client.append(vec![event(&payload)], None, None).await?;
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        anyhow::Ok(())
                    })
                })
                .collect();
            for task in tasks {
                task.await??;
            }
            anyhow::Ok(())
        })?;
        Ok(count.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
    }
}

fn event(payload: &[u8]) -> DcbEvent {
    DcbEvent::default()
        .event_type("participant_checked_in")
        .tags([format!("participant:{}", Uuid::new_v4())])
        .uuid(Uuid::new_v4())
        .data(payload)
}
