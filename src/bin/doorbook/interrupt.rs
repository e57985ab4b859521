//! Ctrl-C and SIGTERM, for commands that tidy up before they stop.

use std::{
    io,
    sync::mpsc::{self, Receiver},
    thread,
};

use tokio::signal::unix::{SignalKind, signal};

use crate::{failure::Failure, local::runtime};

/// Receives once when the process is asked to stop.
pub(crate) fn watch() -> Result<Receiver<()>, Failure> {
    let runtime = runtime()?;
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            if runtime.block_on(asked_to_stop()).is_ok() {
                // The receiver may be gone: then the command is over already.
                sender.send(()).ok();
            }
        })
        .map_err(Failure::unreachable)?;
    Ok(receiver)
}

/// Resolves on the first Ctrl-C or SIGTERM.
pub(crate) async fn asked_to_stop() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
