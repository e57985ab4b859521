//! The commands of a plan, sent over HTTP.

use std::net::SocketAddr;

use doorbook::events::ids::GatheringId;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{book::Who, fold::user_of, host::token, plan::Errand};

/// Sends commands to one server.
#[derive(Clone)]
pub(super) struct Clerk {
    address: SocketAddr,
    client: reqwest::Client,
    root: String,
}

/// Wrong is no answer at all, and one that says the server failed.
pub(super) type Sent = Result<(), String>;

impl Clerk {
    pub(super) fn at(address: SocketAddr) -> Self {
        Self {
            address,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            root: token(Who::Superuser),
        }
    }

    fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
            .bearer_auth(token)
    }

    pub(super) async fn create_gathering(&self, creator: &'static str) -> GatheringId {
        let body = json!({"name": "Gala", "start_date": "2026-05-01T18:00:00Z", "capacity": 40});
        let request = self.request(Method::POST, "/api/events/", &token(Who::Creator(creator)));
        let answer = request.json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let created: Value = answer.json().await.unwrap();
        created["id"].as_str().unwrap().parse().unwrap()
    }

    /// A rebuild under way is as good.
    pub(super) async fn rebuild(&self, view: &str) {
        let path = format!("/api/admin/projections/{view}/rebuild/");
        let answer = self.request(Method::POST, &path, &self.root).send().await;
        let status = answer.unwrap().status().as_u16();
        assert!([202, 409].contains(&status), "{status}");
    }

    /// Waits until no rebuild is under way.
    pub(super) async fn rebuilt(&self) {
        for view in ["participants", "dashboard", "history"] {
            let path = format!("/api/admin/projections/{view}/rebuild/");
            loop {
                let request = self.request(Method::GET, &path, &self.root);
                let answer = request.send().await.unwrap();
                let progress: Value = answer.json().await.unwrap();
                if progress["state"] != "running" {
                    break;
                }
            }
        }
    }

    pub(super) async fn send(&self, gatherings: &[GatheringId], errands: &[Errand]) -> Sent {
        for errand in errands {
            let request = self.errand(gatherings, errand);
            let answer = request.send().await.map_err(|error| error.to_string())?;
            if answer.status().is_server_error() || answer.status() == 400 {
                return Err(format!("{errand:.200?} was answered {}", answer.status()));
            }
        }
        Ok(())
    }

    fn errand(&self, gatherings: &[GatheringId], errand: &Errand) -> RequestBuilder {
        let event =
            |number: &usize| format!("/api/events/{}", gatherings[number % gatherings.len()]);
        let person = |code: &str, what: &str| format!("/api/events/participants/{code}/{what}/");
        let post =
            |path: &str, body: Value| self.request(Method::POST, path, &self.root).json(&body);
        match errand {
            Errand::Register { gathering, code } => post(
                &format!("{}/register/", event(gathering)),
                registration(code),
            ),
            Errand::CheckIn { code, gate } => {
                post(&person(code, "check-in"), json!({"gate": gate}))
            }
            Errand::CheckOut { code, gate } => {
                post(&person(code, "check-out"), json!({"gate": gate}))
            }
            Errand::Scan {
                gathering,
                code,
                out,
                offline,
                id,
            } => post(
                &format!("{}/scan/", event(gathering)),
                json!({
                    "code": code,
                    "scan_id": id,
                    "direction": if *out { "out" } else { "in" },
                    "mode": if *offline { "offline_fact" } else { "online" },
                }),
            ),
            Errand::Undo { code } => post(&person(code, "undo"), json!({"reason": "a mistake"})),
            Errand::Cancel { code } => {
                post(&person(code, "cancel"), json!({"reason": "sent back"}))
            }
            Errand::Team {
                gathering,
                member,
                role,
            } => {
                let path = format!("{}/service-team/{member}/", event(gathering));
                match role {
                    Some(role) => (self.request(Method::PUT, &path, &self.root))
                        .json(&json!({"door_role": role})),
                    None => self.request(Method::DELETE, &path, &self.root),
                }
            }
            Errand::Change {
                gathering,
                capacity,
            } => (self.request(Method::PATCH, &format!("{}/", event(gathering)), &self.root))
                .json(&json!({"capacity": capacity})),
            Errand::Import { gathering, codes } => {
                let lines: String = (codes.iter())
                    .map(|code| format!("{}\n", registration(code)))
                    .collect();
                self.request(
                    Method::POST,
                    &format!("{}/import/", event(gathering)),
                    &self.root,
                )
                .header("content-type", "application/x-ndjson")
                .body(lines)
            }
        }
    }
}

fn registration(code: &str) -> Value {
    let mut person = user_of(code);
    person["event_pax_id"] = json!(code);
    person
}
