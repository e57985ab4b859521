//! A stage for the stream tests: the live streams behind a real listener, on a log in memory, with
//! commands given directly; and a client that takes messages one by one.
//!
//! The whole server is used in `stream_server` and `interop`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use doorbook::{
    auth::{Authenticator, Claims, Tickets, mint},
    commands::{
        Accepted, Command, CommandHandler, Context, cancel::Cancel,
        change_service_team::ChangeServiceTeam, check_in::CheckIn, check_out::CheckOut,
        create_gathering::CreateGathering, register::Register, scan::ScanDetails, undo::Undo,
        undo::UndoAuthority,
    },
    events::{
        event::{
            ActorRole, CapacityMode, DoorRole, GatheringDetails, Person, Reentry,
            RegistrationPolicy,
        },
        ids::{Code, CorrelationId, GatheringId, Offset},
        log::Log,
        time::Timestamp,
    },
    projections::Views,
    server::record_access,
    ws::{Limits, Streams, router},
};
use futures_util::{SinkExt, StreamExt};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest, http},
};

use crate::panics::Watch;

pub(crate) const SECRET: &[u8] = b"a secret of the stream tests, long enough";
/// Nothing here takes long; a test that waits in vain fails after this.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Stage {
    pub(crate) log: Log,
    pub(crate) commands: CommandHandler,
    pub(crate) streams: Streams,
    pub(crate) address: SocketAddr,
    _watch: Watch,
}

/// What a connect sends beside the path; a `Bearer` token of a superuser unless told otherwise.
#[derive(Clone, Default)]
pub(crate) struct Asking {
    pub(crate) headers: Vec<(&'static str, String)>,
}

pub(crate) struct Client(pub(crate) WebSocketStream<TcpStream>);

impl Stage {
    pub(crate) async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        let log = Log::in_memory();
        let commands = CommandHandler::new(log.clone());
        let views = Views::open(log.clone()).unwrap();
        let origins = vec!["https://desk.example".to_owned()];
        let streams = Streams::new(
            views,
            Authenticator::hs256(SECRET),
            Tickets::default(),
            origins,
            limits,
            record_access(commands.clone()),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = router(streams.clone());
        tokio::spawn(serve(listener, app));
        Self {
            commands,
            log,
            streams,
            address,
            _watch: Watch::start(),
        }
    }

    pub(crate) fn cursor_at(&self, offset: Offset) -> String {
        let epoch = self.log.epoch();
        doorbook::events::ids::Cursor { epoch, offset }.to_string()
    }

    pub(crate) async fn run(&self, gathering: GatheringId, command: Command) -> Accepted {
        self.commands
            .handle(gathering, command, context("organizer"))
            .await
            .unwrap()
    }

    pub(crate) async fn gathering(&self, creator: &str) -> GatheringId {
        let id = GatheringId::generate();
        let details = details(creator);
        self.commands
            .handle(
                id,
                Command::CreateGathering(CreateGathering { details }),
                context(creator),
            )
            .await
            .unwrap()
            .recorded
            .gathering
    }

    pub(crate) async fn register(&self, gathering: GatheringId, name: &str) -> Offset {
        let accepted = self.run(gathering, registration(name)).await;
        accepted.recorded.offset
    }

    pub(crate) async fn check_in(&self, gathering: GatheringId, name: &str) -> Offset {
        let accepted = self.run(gathering, check_in(name)).await;
        accepted.recorded.offset
    }

    pub(crate) async fn check_out(&self, gathering: GatheringId, name: &str) -> Offset {
        let command = Command::CheckOut(CheckOut {
            code: code(name),
            details: ScanDetails::default(),
        });
        self.run(gathering, command).await.recorded.offset
    }

    pub(crate) async fn undo(&self, gathering: GatheringId, name: &str) -> Offset {
        let command = Command::Undo(Undo {
            code: code(name),
            scan_id: None,
            reason: None,
            authority: UndoAuthority::Any,
        });
        self.run(gathering, command).await.recorded.offset
    }

    pub(crate) async fn cancel(&self, gathering: GatheringId, name: &str) -> Offset {
        let command = Command::Cancel(Cancel {
            code: code(name),
            reason: None,
        });
        self.run(gathering, command).await.recorded.offset
    }

    pub(crate) async fn team(
        &self,
        gathering: GatheringId,
        user_id: &str,
        door_role: Option<DoorRole>,
    ) -> Offset {
        let command = Command::ChangeServiceTeam(ChangeServiceTeam {
            user_id: user_id.into(),
            door_role,
        });
        self.run(gathering, command).await.recorded.offset
    }

    /// That many people register and come in; decided and queued, and waited for only now and then.
    pub(crate) async fn crowd(&self, gathering: GatheringId, people: usize) {
        let mut waiting = Vec::new();
        for n in 0..people {
            let name = format!("guest-{n}");
            for command in [registration(&name), check_in(&name)] {
                let context = context("organizer");
                waiting.push(self.commands.submit(gathering, command, context).unwrap());
            }
            if waiting.len() >= 1_000 || n + 1 == people {
                for submitted in waiting.drain(..) {
                    submitted.durable().await.unwrap();
                }
            }
        }
    }

    /// Connects as a superuser.
    pub(crate) async fn connect(&self, path: &str) -> Client {
        self.connect_as(path, &Asking::bearer(&superuser())).await
    }

    pub(crate) async fn connect_as(&self, path: &str, asking: &Asking) -> Client {
        self.try_connect(path, asking)
            .await
            .map_err(|(status, problem)| panic!("{path} was refused with {status}: {problem}"))
            .unwrap()
            .0
    }

    /// The connection and the answered subprotocol, or the refusal.
    pub(crate) async fn try_connect(
        &self,
        path: &str,
        asking: &Asking,
    ) -> Result<(Client, Option<String>), (u16, Value)> {
        connect(self.address, path, asking).await
    }

    /// A client whose kernel takes next to nothing ahead of it.
    pub(crate) async fn connect_narrow(&self, path: &str) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2_048).unwrap();
        let tcp = socket.connect(self.address).await.unwrap();
        let asking = Asking::bearer(&superuser());
        upgrade(self.address, tcp, path, &asking).await.unwrap().0
    }
}

/// As the server serves, without its doors.
async fn serve(listener: TcpListener, app: Router) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let connection = http1::Builder::new()
            .serve_connection(TokioIo::new(tcp), TowerToHyperService::new(app.clone()))
            .with_upgrades();
        tokio::spawn(connection);
    }
}

/// The connection and the answered subprotocol, or the refusal.
pub(crate) async fn connect(
    address: SocketAddr,
    path: &str,
    asking: &Asking,
) -> Result<(Client, Option<String>), (u16, Value)> {
    let tcp = TcpStream::connect(address).await.unwrap();
    upgrade(address, tcp, path, asking).await
}

async fn upgrade(
    address: SocketAddr,
    tcp: TcpStream,
    path: &str,
    asking: &Asking,
) -> Result<(Client, Option<String>), (u16, Value)> {
    let mut request = format!("ws://{address}{path}")
        .into_client_request()
        .unwrap();
    for (name, value) in &asking.headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    match client_async(request, tcp).await {
        Ok((stream, response)) => {
            let protocol = response.headers().get(http::header::SEC_WEBSOCKET_PROTOCOL);
            let protocol = protocol.map(|protocol| protocol.to_str().unwrap().to_owned());
            Ok((Client(stream), protocol))
        }
        Err(tungstenite::Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            let problem = serde_json::from_slice(&body).unwrap_or(Value::Null);
            Err((response.status().as_u16(), problem))
        }
        Err(error) => panic!("{path}: {error}"),
    }
}

impl Asking {
    pub(crate) fn nothing() -> Self {
        Self::default()
    }

    pub(crate) fn bearer(token: &str) -> Self {
        Self::nothing().with("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Client {
    pub(crate) async fn next(&mut self) -> Value {
        match self.frame().await {
            Some(Message::Text(text)) => serde_json::from_str(text.as_str()).unwrap(),
            other => panic!("wanted a text message, got {other:?}"),
        }
    }

    /// The next message, which must be of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let message = self.next().await;
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// Messages up to and including the first of this type.
    pub(crate) async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let message = self.next().await;
            let found = message["type"] == kind;
            messages.push(message);
            if found {
                return messages;
            }
        }
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.send_text(message.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    /// Reads until the end, and gives the close code.
    pub(crate) async fn closed(mut self) -> Option<u16> {
        loop {
            match self.frame().await {
                Some(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
                None => return None,
                Some(_) => {}
            }
        }
    }

    async fn frame(&mut self) -> Option<Message> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.0.next()).await;
            match next.expect("a message in time") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }
}

pub(crate) fn path(gathering: GatheringId) -> String {
    format!("/ws/events/checkin/{gathering}")
}

pub(crate) const DASHBOARD: &str = "/ws/events/dashboard";

pub(crate) fn token(claims: &Claims) -> String {
    mint(SECRET, claims).unwrap()
}

pub(crate) fn claims(sub: &str, roles: &[&str]) -> Claims {
    let mut claims = Claims::new(sub, Timestamp::now().plus_seconds(3_600));
    claims.roles = roles.iter().map(|role| (*role).to_owned()).collect();
    claims
}

pub(crate) fn user(sub: &str) -> String {
    token(&claims(sub, &[]))
}

pub(crate) fn superuser() -> String {
    token(&claims("root", &["superuser"]))
}

pub(crate) fn code(name: &str) -> Code {
    Code::parse(name).unwrap()
}

pub(crate) fn context(actor: &str) -> Context {
    Context {
        actor_id: actor.into(),
        actor_role: ActorRole::Creator,
        actor_name: None,
        correlation: CorrelationId::generate(),
        command_id: None,
        now: Timestamp::now(),
    }
}

pub(crate) fn registration(name: &str) -> Command {
    Command::Register(Register {
        code: Some(code(name)),
        person: Person {
            first_name: name.to_owned(),
            last_name: "Example".to_owned(),
            email: format!("{name}@example.org"),
            note: None,
        },
        ticket_type: Some("Day".into()),
        external_id: None,
    })
}

pub(crate) fn check_in(name: &str) -> Command {
    Command::CheckIn(CheckIn {
        code: code(name),
        details: ScanDetails {
            gate: Some("North".into()),
            ..ScanDetails::default()
        },
    })
}

pub(crate) fn details(creator: &str) -> GatheringDetails {
    GatheringDetails {
        name: "Open day".into(),
        creator: Arc::from(creator),
        start_date: Timestamp::parse("2026-05-01T18:00:00Z").unwrap(),
        end_date: None,
        time_zone: chrono_tz::Europe::Berlin,
        capacity: Some(100),
        capacity_mode: CapacityMode::Warn,
        reentry: Reentry::AfterCheckOut,
        opens_at: None,
        closes_at: None,
        registration: RegistrationPolicy::Staff,
    }
}

pub(crate) fn ping(n: u64) -> Value {
    json!({"type": "ping", "timestamp": n})
}
