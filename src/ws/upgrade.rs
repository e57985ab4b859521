//! The way in: everything that can be refused is refused here, before the upgrade, where a client
//! still gets a status and a reason.

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Path, Query, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, Version, header},
    response::{IntoResponse, Response},
};
use hyper::upgrade::OnUpgrade;
use tungstenite::handshake::server::create_response_with_body;

use crate::{
    auth::Principal,
    events::{ids::GatheringId, time::Timestamp},
};

use super::{
    Streams,
    feed_reader::Access,
    identity::{SUBPROTOCOL, identify, offers_subprotocol},
    problem::Problem,
    session::Session,
    start::{Asked, FROM_RULE},
    subscription::Caller,
};

/// How long a connect waits for the views to know what is in the log.
const VIEWS_PATIENCE: Duration = Duration::from_secs(2);

/// `Sec-WebSocket-Key`: 16 bytes in base64.
const KEY_CHARS: usize = 24;

/// What a request brings along that is to be kept until its stream has ended. The server hands its
/// place for the connection in this way: it loses sight of a connection once that is upgraded.
#[derive(Clone)]
pub struct KeptOpen(Arc<dyn Any + Send + Sync>);

impl KeptOpen {
    #[must_use]
    pub fn new(kept: Arc<impl Any + Send + Sync>) -> Self {
        Self(kept)
    }
}

/// `GET /ws/events/checkin/{event_id}`: one gathering.
pub(super) async fn check_in(
    State(streams): State<Streams>,
    event_id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let opened = async {
        let (caller, from) =
            check_in_caller(&streams, event_id, (request.headers(), request.uri())).await?;
        upgrade(&streams, request, caller, from)
    };
    opened.await.unwrap_or_else(IntoResponse::into_response)
}

/// `GET /ws/events/dashboard`: all gatherings that the caller may see.
pub(super) async fn dashboard(State(streams): State<Streams>, request: Request) -> Response {
    dashboard_caller(&streams, (request.headers(), request.uri()))
        .and_then(|(caller, from)| upgrade(&streams, request, caller, from))
        .unwrap_or_else(IntoResponse::into_response)
}

/// Who asks for a gathering's stream, and from where on.
pub(super) async fn check_in_caller(
    streams: &Streams,
    event_id: Result<Path<String>, PathRejection>,
    (headers, uri): (&HeaderMap, &Uri),
) -> Result<(Caller, Option<Asked>), Problem> {
    let principal = caller(streams, headers, uri)?;
    let gathering = event_id
        .ok()
        .and_then(|Path(event_id)| event_id.parse().ok())
        .ok_or_else(Problem::no_such_gathering)?;
    let access = access(streams, principal, gathering).await?;
    let from = from(&query(uri)?)?;
    record(streams, &access).await?;
    Ok((Caller::CheckIn(access), from))
}

/// Who asks for the stream of all gatherings, and from where on.
pub(super) fn dashboard_caller(
    streams: &Streams,
    (headers, uri): (&HeaderMap, &Uri),
) -> Result<(Caller, Option<Asked>), Problem> {
    let principal = caller(streams, headers, uri)?;
    let from = from(&query(uri)?)?;
    Ok((Caller::Dashboard(principal), from))
}

fn caller(streams: &Streams, headers: &HeaderMap, uri: &Uri) -> Result<Principal, Problem> {
    identify(headers, &query(uri)?, streams, Timestamp::now())
}

async fn access(
    streams: &Streams,
    principal: Principal,
    gathering: GatheringId,
) -> Result<Access, Problem> {
    let views = &streams.0.views;
    // A team member added or removed a moment ago is one already, or no longer.
    let known = views.log().last_offset_of(gathering);
    views.wait_for(known, VIEWS_PATIENCE).await.map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "view_behind",
            "the views are catching up; connect again in a moment",
        )
    })?;
    let row = views
        .row(gathering)
        .ok_or_else(Problem::no_such_gathering)?;
    let access = Access::of(principal, &row);
    if !access.sees_gathering() {
        return Err(Problem::no_such_gathering());
    }
    if !access.may_read() {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "you may not read the participants of this event",
        ));
    }
    Ok(access)
}

/// What an auditor is about to read is recorded first.
async fn record(streams: &Streams, access: &Access) -> Result<(), Problem> {
    let record = &streams.0.record_access;
    let recorded =
        !access.reads_as_auditor() || record(access.gathering(), access.principal().clone()).await;
    recorded.then_some(()).ok_or_else(|| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "access_not_recorded",
            "what auditors read is recorded, and that was not possible just now; connect again in a moment",
        )
    })
}

fn upgrade(
    streams: &Streams,
    mut request: Request,
    caller: Caller,
    from: Option<Asked>,
) -> Result<Response, Problem> {
    check_handshake(&request)?;
    let mut response =
        create_response_with_body(&request, Body::empty).map_err(|_| not_a_websocket())?;
    let on_upgrade = request
        .extensions_mut()
        .remove::<OnUpgrade>()
        .ok_or_else(not_a_websocket)?;
    if offers_subprotocol(request.headers()) {
        response.headers_mut().insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(SUBPROTOCOL),
        );
    }
    let seat = streams.0.admission.seat(&caller.principal().id)?;
    let kept = request.extensions_mut().remove::<KeptOpen>();
    let session_streams = streams.clone();
    streams.0.admission.spawn(async move {
        match on_upgrade.await {
            Ok(upgraded) => Session::run(session_streams, upgraded, caller, from).await,
            Err(error) => tracing::debug!(%error, "a stream's upgrade did not come through"),
        }
        drop(seat);
        drop(kept.map(|KeptOpen(kept)| kept));
    });
    Ok(response)
}

/// What tungstenite leaves to its caller (RFC 6455, 4.2.1; RFC 9112, 3.2).
fn check_handshake(request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    if !headers.contains_key(header::HOST) && request.version() == Version::HTTP_11 {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "host_missing",
            "an HTTP/1.1 request names its Host",
        ));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let sixteen_bytes = |key: &[u8]| {
        let in_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
        key.len() == KEY_CHARS
            && (key.strip_suffix(b"==")).is_some_and(|digits| digits.iter().all(in_base64))
    };
    if key.is_some_and(|key| !sixteen_bytes(key.as_bytes())) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "websocket_key",
            "Sec-WebSocket-Key must be 16 bytes in base64",
        ));
    }
    Ok(())
}

fn query(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    Query::try_from_uri(uri)
        .map(|Query(pairs)| pairs)
        .map_err(|_| {
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_query",
                "the query is not of the form name=value&name=value",
            )
        })
}

fn from(query: &[(String, String)]) -> Result<Option<Asked>, Problem> {
    let mut given = query.iter().filter(|(name, _)| name == "from");
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some((_, text)), None) => text.parse().map(Some).map_err(Problem::invalid_field),
        (Some(_), Some(_)) => Err(Problem::invalid_field(FROM_RULE)),
    }
}

fn not_a_websocket() -> Problem {
    Problem::new(
        StatusCode::UPGRADE_REQUIRED,
        "upgrade_required",
        "open this path as a WebSocket, version 13 (RFC 6455)",
    )
}
