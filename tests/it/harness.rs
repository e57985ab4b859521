//! A whole server for a test: a data directory on a real disk, port 0, tokens, and a client that reads
//! answers. It can be restarted around the same data.

use std::{net::SocketAddr, path::Path};

use doorbook::{
    auth::{Claims, mint},
    config::{Config, Secret, SecretSource},
    events::{event::DoorRole, ids::GatheringId, time::Timestamp},
    server::{RunError, Server, Shutdown, listen},
};
use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::panics::Watch;

const SECRET: &[u8] = b"the secret of the integration tests";

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) config: Config,
    shutdown: Shutdown,
    running: JoinHandle<Result<(), RunError>>,
    client: reqwest::Client,
    dir: TempDir,
    _watch: Watch,
}

/// Somebody with a token.
#[derive(Clone)]
pub(crate) struct User(pub(crate) String);

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut config = Config::for_data_dir(dir.path().join("data"));
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.jwt_secret = SecretSource::Given(Secret::new(SECRET).unwrap());
        change(&mut config);
        Self::serve(dir, config).await
    }

    /// Stops gently and opens the same data again.
    pub(crate) async fn restart(self) -> Self {
        self.restart_after(|_| ()).await
    }

    /// The same, with something done to the data while nobody serves it.
    pub(crate) async fn restart_after(self, change: impl FnOnce(&Path)) -> Self {
        self.shutdown.trigger();
        self.running.await.unwrap().unwrap();
        change(&self.dir.path().join("data"));
        Self::serve(self.dir, self.config).await
    }

    pub(crate) async fn stop(self) {
        self.shutdown.trigger();
        self.running.await.unwrap().unwrap();
    }

    async fn serve(dir: TempDir, config: Config) -> Self {
        let listener = listen(config.listen).unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let server = Server::open(config.clone()).await.unwrap();
        Self {
            address,
            config,
            running: tokio::spawn(server.serve(listener, shutdown.clone())),
            shutdown,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            dir,
            _watch: Watch::start(),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, user: &User, path: &str) -> Answer {
        answer(self.request(Method::GET, path).bearer_auth(&user.0)).await
    }

    pub(crate) async fn post(&self, user: &User, path: &str, body: Value) -> Answer {
        self.send(Method::POST, user, path, body).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        user: &User,
        path: &str,
        body: Value,
    ) -> Answer {
        let request = self.request(method, path).bearer_auth(&user.0);
        answer(if body.is_null() {
            request
        } else {
            request.json(&body)
        })
        .await
    }

    /// A gathering of Ann's with a supervisor, Sue, and a steward, Stu.
    pub(crate) async fn gathering(&self, fields: Value) -> GatheringId {
        let mut body = json!({"name": "Gala", "start_date": "2026-05-01T18:00:00Z"});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        let created = self.post(&ann(), "/api/events/", body).await;
        assert_eq!(created.status, 201, "{}", created.body);
        let id: GatheringId = created.body["id"].as_str().unwrap().parse().unwrap();
        for (member, role) in [("sue", "supervisor"), ("stu", "steward")] {
            let path = format!("/api/events/{id}/service-team/{member}/");
            let put = self
                .send(Method::PUT, &ann(), &path, json!({"door_role": role}))
                .await;
            assert_eq!(put.status, 200, "{}", put.body);
        }
        id
    }

    pub(crate) async fn register(&self, gathering: GatheringId, code: &str) -> Answer {
        let body = json!({"first_name": "Zoë", "last_name": code, "email": "zoe@example.org", "event_pax_id": code});
        let registered = self
            .post(&ann(), &format!("/api/events/{gathering}/register/"), body)
            .await;
        assert_eq!(registered.status, 201, "{}", registered.body);
        registered
    }

    pub(crate) async fn check_in(&self, user: &User, code: &str, body: Value) -> Answer {
        self.post(
            user,
            &format!("/api/events/participants/{code}/check-in/"),
            body,
        )
        .await
    }

    pub(crate) async fn check_out(&self, user: &User, code: &str, body: Value) -> Answer {
        self.post(
            user,
            &format!("/api/events/participants/{code}/check-out/"),
            body,
        )
        .await
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer {
        status,
        headers,
        body,
        text,
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn offset(&self) -> u64 {
        self.header("x-offset")
            .expect("an answer to a command")
            .parse()
            .unwrap()
    }

    /// The error form that every error has, whatever its cause.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.text
        );
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(self.body["status"], status);
        for field in ["type", "title", "detail"] {
            assert!(
                self.body[field]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{}",
                self.text
            );
        }
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()));
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> &Value {
        assert_eq!(self.status, status, "{}", self.text);
        &self.body
    }
}

/// May everything.
pub(crate) fn root() -> User {
    with_roles("root", &["superuser"])
}

/// Creates gatherings.
pub(crate) fn ann() -> User {
    with_roles("ann", &["creator"])
}

/// Supervisor in Ann's gatherings.
pub(crate) fn sue() -> User {
    with_roles("sue", &[])
}

/// Steward in Ann's gatherings.
pub(crate) fn stu() -> User {
    with_roles("stu", &[])
}

pub(crate) fn auditor() -> User {
    with_roles("ada", &["auditor"])
}

/// Signed in and nothing else.
pub(crate) fn bob() -> User {
    with_roles("bob", &[])
}

pub(crate) fn with_roles(sub: &str, roles: &[&str]) -> User {
    let mut claims = Claims::new(sub, Timestamp::now().plus_seconds(3_600));
    claims.roles = roles.iter().map(|role| (*role).to_owned()).collect();
    token(&claims)
}

pub(crate) fn at_door(sub: &str, gathering: GatheringId, role: DoorRole) -> User {
    let mut claims = Claims::new(sub, Timestamp::now().plus_seconds(3_600));
    claims.event_id = Some(gathering);
    claims.door_role = Some(role);
    token(&claims)
}

pub(crate) fn token(claims: &Claims) -> User {
    User(mint(SECRET, claims).unwrap())
}
