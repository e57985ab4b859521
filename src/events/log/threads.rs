//! The log's two threads, and the end of a log: everything written, then everything let go.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};

use parking_lot::Mutex;

use super::{
    frame::ChainHash,
    witness::{Witness, WitnessThread},
    writer::{self, Shared},
};

/// Its last handle dropped stops them.
#[derive(Debug)]
pub(super) struct Threads {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    witness: Option<Arc<WitnessThread>>,
    witness_path: Option<PathBuf>,
}

impl Threads {
    pub(super) fn start(
        shared: &Arc<Shared>,
        chain: ChainHash,
        witness: Option<(Witness, PathBuf)>,
    ) -> io::Result<Self> {
        let (witness, witness_path) = witness.unzip();
        let failed = {
            let shared = Arc::clone(shared);
            move |reason: String| {
                tracing::error!(%reason, "the log takes no more events");
                shared.sequencer.poison(&reason.into());
            }
        };
        let witness = witness
            .map(|witness| WitnessThread::start(witness, failed))
            .transpose()?
            .map(Arc::new);
        let writer = thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn({
                let (shared, witness) = (Arc::clone(shared), witness.clone());
                move || writer::run(&shared, chain, witness.as_deref())
            })?;
        Ok(Self {
            shared: Arc::clone(shared),
            writer: Mutex::new(Some(writer)),
            witness,
            witness_path,
        })
    }

    pub(super) fn witness_path(&self) -> Option<&Path> {
        self.witness_path.as_deref()
    }

    /// Returns when everything is written and the files are closed. Harmless when stopped already.
    pub(super) fn stop(&self) {
        self.shared.sequencer.close();
        // Held across the join, so that a second caller, too, returns only when all is done.
        let mut writer = self.writer.lock();
        if let Some(thread) = writer.take()
            && thread.join().is_err()
        {
            tracing::error!("the log's writer panicked");
            self.shared
                .sequencer
                .poison(&"the log's writer panicked".into());
        }
        if let Some(witness) = &self.witness {
            witness.close();
        }
        drop(self.shared.store.write().take());
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}
