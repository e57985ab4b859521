//! `doorbook serve`: the server until it is asked to stop.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use doorbook::{
    config::ServeArgs,
    events::log::OpenError,
    http::pages,
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
        if pages::built() {
            tracing::info!("the pages are at http://{}/", reachable(address));
        } else {
            tracing::info!(
                "no pages: this binary was built without them; `make web`, then build again"
            );
        }
        server.serve(listener, shutdown).await.map_err(run_failure)
    })
}

/// An address that this machine can call: a server on every address is reached through the loopback.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
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
