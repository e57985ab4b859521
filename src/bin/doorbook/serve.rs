//! `doorbook serve`: the server until it is asked to stop.

use doorbook::{
    config::ServeArgs,
    events::log::OpenError,
    server::{self, RunError, Server, Shutdown, StartError},
    telemetry,
};

use crate::{failure::Failure, local};

pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let config = args
        .resolve()
        .map_err(|error| Failure::usage(error.to_string()))?;
    telemetry::init(config.log_format);
    local::runtime()?.block_on(async move {
        let listener = server::listen(config.listen).map_err(start_failure)?;
        let shutdown = Shutdown::on_signals().map_err(Failure::unreachable)?;
        let address = listener.local_addr().map_err(Failure::unreachable)?;
        let server = Server::open(config).await.map_err(start_failure)?;
        tracing::info!(%address, "listening");
        server.serve(listener, shutdown).await.map_err(run_failure)
    })
}

pub(crate) fn run_failure(error: RunError) -> Failure {
    match error {
        RunError::Start(error) => start_failure(error),
        RunError::Close(_) => Failure::check(error),
    }
}

/// A damaged log is a failed check; everything else that keeps a server from starting can be reached or opened
/// another time.
pub(crate) fn start_failure(error: StartError) -> Failure {
    if let StartError::Log(OpenError::Damaged { .. }) = error {
        return Failure::check(error);
    }
    Failure::unreachable(error)
}
