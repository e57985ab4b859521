//! Fan-out as people write it with axum: a `WebSocketUpgrade`, a `tokio::sync::broadcast`, a task per
//! connection, default settings. A process of its own; it stores nothing and replays nothing, and a
//! reader that lags loses messages.

use std::{net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result};
use axum::{
    Router,
    extract::{
        State,
        ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    },
    response::Response,
    routing::{get, post},
};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{
    bare::no_delay,
    child::{self, Child},
};

pub(crate) const STREAM_PATH: &str = "/ws";
pub(crate) const PUBLISH_PATH: &str = "/publish";
/// Messages that a reader may lag behind.
const CHANNEL_MESSAGES: usize = 1024;

pub(crate) struct PlainAxum {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

type Sender = broadcast::Sender<Utf8Bytes>;

/// Starts this program again as the plain server.
pub(crate) fn start(dir: &Path) -> Result<PlainAxum> {
    let address = child::free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["plain-axum", "--listen", &address.to_string()]);
    let mut child = Child::start("plain axum", &mut command, &dir.join("plain-axum.log"))?;
    child.wait_until(Duration::from_secs(10), || child::accepts(address))?;
    Ok(PlainAxum { child, address })
}

/// The child's side.
pub(crate) fn serve(listen: Option<SocketAddr>) -> Result<()> {
    let address = listen.context("plain-axum needs --listen")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (sender, _) = broadcast::channel::<Utf8Bytes>(CHANNEL_MESSAGES);
        let router = Router::new()
            .route(STREAM_PATH, get(subscribe))
            .route(PUBLISH_PATH, post(publish))
            .with_state(sender);
        let listener = tokio::net::TcpListener::bind(address).await?;
        axum::serve(axum::serve::ListenerExt::tap_io(listener, no_delay), router).await?;
        Ok(())
    })
}

async fn publish(State(sender): State<Sender>, message: String) -> &'static str {
    if sender.send(message.into()).is_err() {
        return "nobody listens";
    }
    "sent"
}

async fn subscribe(State(sender): State<Sender>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| follow(socket, sender))
}

async fn follow(mut socket: WebSocket, sender: Sender) {
    let mut messages = sender.subscribe();
    if socket.send(Message::text("hello")).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Ok(message) => if socket.send(Message::Text(message)).await.is_err() { break },
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            },
            said = socket.recv() => if !matches!(said, Some(Ok(_))) { break },
        }
    }
}
