//! Wires everything: [`run`] opens the log, the commands and the views, serves both doors, and closes
//! it all in order. The only place that knows everyone.
//!
//! The accept loop is our own, since `axum::serve` has neither header timeouts nor limits on
//! connections, and forgets sockets at stop.

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn, upgrade::OnUpgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;

use crate::{
    auth::{Authenticator, Tickets},
    commands::CommandHandler,
    config::{Config, IMPORT_TIMEOUT, Limits},
    events::log::{AppendError, Log, OpenError, OpenReport},
    http::{
        self, App,
        places::{Place, Places, turn_away},
    },
    projections::{ViewError, Views, integrity::KeySource},
    ws::{self, Streams},
};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 4_096;
/// What the kernel keeps of an answer that a client does not read, bytes.
const SEND_BUFFER_BYTES: u32 = 256 * 1024;
/// Longest request header with all its fields, bytes. hyper itself takes at most 100 fields.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// After a failed accept (no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The kernel ends a connection whose peer takes nothing, or has vanished, after this long, ms. WebSockets
/// say why a moment earlier (`ws::Limits::write_stall`).
const UNTAKEN_TIMEOUT_MS: u32 = 35_000;
const METRICS_EVERY: Duration = Duration::from_secs(5);
/// Idle gatherings are put away this often, in rounds of [`METRICS_EVERY`].
const TIDY_EVERY_ROUNDS: u64 = 6;

/// The server cannot start. Nothing has been served.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("the JWT secret: {0}")]
    Secret(io::Error),
    #[error(transparent)]
    Log(#[from] OpenError),
    #[error("the key that signs checkpoints: {0}")]
    CheckpointKey(io::Error),
    #[error("the views cannot be loaded: {0}")]
    Views(#[from] ViewError),
    #[error("the work was given up")]
    GivenUp,
}

#[derive(Debug, Error)]
pub enum RunError {
    #[error(transparent)]
    Start(#[from] StartError),
    /// Everything that was acknowledged is on the disk all the same.
    #[error("the log did not close cleanly: {0}")]
    Close(#[from] AppendError),
}

/// Tells a server to stop: the first time gently, the second time at once. Cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    at_once: CancellationToken,
}

/// An open server that does not listen yet.
pub struct Server {
    app: App,
    config: Config,
}

/// # Errors
/// When it cannot start, or the log does not close cleanly.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    Server::open(config).await?.serve(listener, shutdown).await
}

/// # Errors
/// When the address is taken or not ours.
pub fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let bind = || {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.set_reuseaddr(true)?;
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().map_err(|source| StartError::Listen { address, source })
}

impl Shutdown {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops at SIGTERM or SIGINT.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn on_signals() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = Self::new();
        let stop = shutdown.clone();
        tokio::spawn(async move {
            while !stop.at_once.is_cancelled() {
                tokio::select! {
                    _ = terminate.recv() => stop.trigger(),
                    _ = interrupt.recv() => stop.trigger(),
                }
            }
        });
        Ok(shutdown)
    }

    /// Once: finish what is in flight and stop. Twice: stop at once.
    pub fn trigger(&self) {
        if self.drain.is_cancelled() {
            self.at_once.cancel();
        } else {
            self.drain.cancel();
        }
    }

    /// Resolves when the server should stop.
    pub async fn triggered(&self) {
        self.drain.cancelled().await;
    }
}

impl Server {
    /// # Errors
    /// When the log, the secret or the views cannot be opened.
    pub async fn open(config: Config) -> Result<Self, StartError> {
        let data_dir = config.data_dir.clone();
        let (log, report) = blocking(move || Log::open(&data_dir)).await??;
        tell(&report);
        Self::over(log, config).await
    }

    /// A server over a log that is open already, such as one in memory.
    ///
    /// # Errors
    /// When the secret or the views cannot be opened.
    pub async fn over(log: Log, config: Config) -> Result<Self, StartError> {
        let views = {
            let log = log.clone();
            let key = (config.checkpoint_key.as_deref())
                .map_or_else(|| Ok(KeySource::default()), KeySource::read)
                .map_err(StartError::CheckpointKey)?;
            blocking(move || Views::open_with(log, key)).await??
        };
        let secret = config.secret().map_err(StartError::Secret)?;
        let auth = Authenticator::hs256_for(
            secret.as_bytes(),
            config.jwt_audience.clone(),
            config.jwt_issuer.clone(),
        );
        let app = App::new(
            CommandHandler::new(log),
            views,
            auth,
            Tickets::new(config.limits.ticket_life),
            settings(&config),
        );
        Ok(Self { app, config })
    }

    #[must_use]
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// Serves until told to stop, then closes everything in order.
    ///
    /// # Errors
    /// When the log does not close cleanly.
    pub async fn serve(self, listener: TcpListener, shutdown: Shutdown) -> Result<(), RunError> {
        let Self { app, config } = self;
        let streams = app.metrics.in_force(|| {
            Streams::new(
                app.views.clone(),
                app.auth.clone(),
                app.tickets.clone(),
                config.allowed_origins.clone(),
                ws::Limits {
                    connections_max: config.limits.streams,
                    connections_per_caller_max: config.limits.streams_per_caller,
                    ..ws::Limits::default()
                },
                record_access(app.handler.clone()),
            )
        });
        let router = http::router(app.clone(), ws::router(streams.clone()));
        let housekeeping = tokio::spawn(housekeeping(app.clone(), streams.clone()));
        let connections = TaskTracker::new();
        accept(
            &listener,
            &router,
            &app,
            &config.limits,
            &connections,
            &shutdown,
        )
        .await;

        tracing::info!("stopping: finishing what is in flight");
        app.start_draining();
        drop(listener);
        connections.close();
        let finished = async {
            // Sockets go first: their clients come back elsewhere, spread over half the time.
            tokio::join!(streams.drain(config.drain / 2), connections.wait())
        };
        tokio::select! {
            _ = finished => {}
            () = tokio::time::sleep(config.drain) => tracing::warn!("some requests did not finish in time"),
            () = shutdown.at_once.cancelled() => {}
        }
        shutdown.at_once.cancel();
        connections.wait().await;
        housekeeping.abort();
        close(app).await
    }
}

/// The streams know no commands, so they are handed this one.
#[must_use]
pub fn record_access(handler: CommandHandler) -> ws::RecordAccess {
    Arc::new(move |gathering, principal| {
        let handler = handler.clone();
        Box::pin(async move {
            let recorded = http::record_stream(&handler, gathering, &principal).await;
            if let Err(error) = &recorded {
                tracing::error!(%gathering, %error, "a stream was refused: it could not be recorded");
            }
            recorded.is_ok()
        })
    })
}

/// Takes connections until told to stop.
async fn accept(
    listener: &TcpListener,
    router: &Router,
    app: &App,
    limits: &Limits,
    connections: &TaskTracker,
    shutdown: &Shutdown,
) {
    let places = Places::new(
        app.clone(),
        limits.connections,
        limits.connections_per_address,
    );
    loop {
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = shutdown.triggered() => return,
        };
        match places.take(address.ip()) {
            Ok(place) => {
                connections.spawn(connection(
                    stream,
                    Arc::new(place),
                    router.clone(),
                    limits.header_timeout,
                    shutdown.clone(),
                ));
            }
            Err(Some((answer, place))) => {
                connections.spawn(async move {
                    turn_away(stream, answer).await;
                    drop(place);
                });
            }
            Err(None) => drop(stream),
        }
    }
}

async fn connection(
    stream: TcpStream,
    place: Arc<Place>,
    router: Router,
    header_timeout: Duration,
    shutdown: Shutdown,
) {
    let ready = stream
        .set_nodelay(true)
        .and_then(|()| Ok(sockopt::set_tcp_user_timeout(&stream, UNTAKEN_TIMEOUT_MS)?));
    if let Err(error) = ready {
        tracing::debug!(%error, "a connection was gone at once");
        return;
    }
    let service = service_fn(move |mut request: Request<Incoming>| {
        http::without_trailing_slash(request.uri_mut());
        if request.extensions().get::<OnUpgrade>().is_some() {
            let kept = ws::KeptOpen::new(Arc::clone(&place));
            request.extensions_mut().insert(kept);
        }
        // A router is always ready.
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = shutdown.at_once.cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// What is done now and then while serving.
async fn housekeeping(app: App, streams: Streams) {
    let mut ticks = tokio::time::interval(METRICS_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in 1_u64.. {
        ticks.tick().await;
        app.metrics.tidy();
        streams.tidy();
        if round % TIDY_EVERY_ROUNDS == 0 {
            let handler = app.handler.clone();
            if blocking(move || handler.tidy()).await.is_err() {
                tracing::error!("putting idle gatherings away was given up");
            }
        }
    }
}

/// Doors are closed by now: commands, then views, then the log under them.
async fn close(app: App) -> Result<(), RunError> {
    let closed = blocking(move || {
        app.handler.tidy();
        app.views.close();
        app.log.close()
    });
    closed.await??;
    tracing::info!("stopped");
    Ok(())
}

fn settings(config: &Config) -> http::Settings {
    http::Settings {
        allowed_origins: config.allowed_origins.clone(),
        public_metrics: config.public_metrics,
        public_docs: config.public_docs,
        body_bytes_max: config.limits.body_bytes,
        import_bytes_max: config.limits.import_bytes,
        body_timeout: config.limits.body_timeout,
        handler_timeout: config.limits.handler_timeout,
        import_timeout: IMPORT_TIMEOUT,
    }
}

fn tell(report: &OpenReport) {
    for mended in &report.mended {
        tracing::warn!(what = mended, "the data directory was mended");
    }
    if let Some(offset) = report.cut_from {
        tracing::warn!(offset, "an unacknowledged tail was cut");
    }
    tracing::info!(head = report.head, "the log is open");
}

fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> impl Future<Output = Result<R, StartError>> {
    let work = tokio::task::spawn_blocking(work);
    async move { work.await.map_err(|_| StartError::GivenUp) }
}
