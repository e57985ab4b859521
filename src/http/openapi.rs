//! All routes of this door, and the OpenAPI document made from them.
//!
//! What every operation has in common (problems, headers) is added to the document here once,
//! instead of at each handler.

use std::sync::{Arc, LazyLock};

use axum::{
    extract::{FromRequestParts as _, RawPathParams, Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use utoipa::{
    Modify, OpenApi, ToSchema as _,
    openapi::{
        self, Content, HeaderBuilder, KnownFormat, ObjectBuilder, Ref, ResponseBuilder,
        SchemaFormat,
        path::{HttpMethod, Operation, ParameterBuilder, ParameterIn},
        schema::Type,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    App, admin, arrivals, backup,
    caller::Caller,
    door, door_tokens, erasure, gatherings, health, history, import, metrics, participants,
    person_export,
    problem::{self, Problem},
    proofs, registration, scan_batch, scans, server_state, service_team, session, sign_in_link,
};
use crate::{auth::SESSION_COOKIE, events::event};

#[derive(OpenApi)]
#[openapi(
    info(title = "doorbook", description = "The book at the door of an event. Every path works with and without its trailing slash."),
    components(schemas(problem::Body)),
    security(("token" = []), ("session" = [])),
    modifiers(&Schemes),
)]
struct Document;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let cookie = ApiKey::Cookie(ApiKeyValue::new(SESSION_COOKIE));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
}

const SESSION: &str = "/api/session";

/// The document as it is served, made once.
static DOCUMENT: LazyLock<bytes::Bytes> = LazyLock::new(|| {
    let (_, mut document) = described().split_for_parts();
    complete(&mut document);
    serde_json::to_vec_pretty(&document)
        .unwrap_or_default()
        .into()
});

pub(super) fn routes() -> axum::Router<App> {
    let (router, _) = described().split_for_parts();
    router
        .route("/openapi.json", get(document))
        .route("/docs", get(|| async { Redirect::permanent("/docs/") }))
        .route("/docs/", get(docs))
        .route("/docs/{*file}", get(docs))
}

fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(gatherings::create, gatherings::list))
        .routes(routes!(gatherings::show, gatherings::change))
        .routes(routes!(service_team::put, service_team::delete))
        .routes(routes!(door_tokens::mint, door_tokens::list))
        .routes(routes!(door_tokens::revoke))
        .routes(routes!(registration::register))
        .routes(routes!(import::import))
        .routes(routes!(scans::check_in))
        .routes(routes!(scans::check_out))
        .routes(routes!(scans::scan))
        .routes(routes!(scan_batch::batch))
        .routes(routes!(scans::undo))
        .routes(routes!(scans::cancel))
        .routes(routes!(participants::list))
        .routes(routes!(participants::show))
        .routes(routes!(person_export::show))
        .routes(routes!(erasure::erase))
        .routes(routes!(erasure::erase_all))
        .routes(routes!(arrivals::show))
        .routes(routes!(history::of_gathering))
        .routes(routes!(history::of_all))
        .routes(routes!(history::log))
        .routes(routes!(proofs::checkpoint))
        .routes(routes!(proofs::key))
        .routes(routes!(proofs::proof))
        .routes(routes!(proofs::consistency))
        .routes(routes!(admin::list))
        .routes(routes!(server_state::server))
        .routes(routes!(backup::state))
        .routes(routes!(backup::frames))
        .routes(routes!(backup::keys))
        .routes(routes!(backup::erased))
        .routes(routes!(admin::rebuild, admin::progress, admin::cancel))
        .routes(routes!(admin::rollback))
        .routes(routes!(session::sign_in, session::show, session::sign_out))
        .routes(routes!(session::ticket))
        .routes(routes!(sign_in_link::issue))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::show))
}

async fn document(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
) -> Result<Response, Problem> {
    may_read_docs(&app, caller)?;
    Ok((
        [(header::CONTENT_TYPE, "application/json")],
        DOCUMENT.clone(),
    )
        .into_response())
}

async fn docs(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    request: Request,
) -> Result<Response, Problem> {
    may_read_docs(&app, caller)?;
    let (mut parts, _) = request.into_parts();
    let params = RawPathParams::from_request_parts(&mut parts, &app)
        .await
        .ok();
    let file = params
        .as_ref()
        .and_then(|params| params.iter().next())
        .map_or("", |(_, file)| file);
    let config = Arc::new(utoipa_swagger_ui::Config::from("/openapi.json"));
    let Ok(Some(file)) = utoipa_swagger_ui::serve(file, config) else {
        return Err(door::not_found().await);
    };
    let mut response = file.bytes.into_owned().into_response();
    let headers = response.headers_mut();
    let kind = HeaderValue::from_str(&file.content_type);
    headers.insert(
        header::CONTENT_TYPE,
        kind.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    if file.gzpipped {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

fn may_read_docs(app: &App, caller: Result<Caller, Problem>) -> Result<(), Problem> {
    if app.settings.public_docs {
        Ok(())
    } else {
        caller.map(|_| ())
    }
}

/// Adds to every operation what every operation has, and the words of the facts' enums, whose names
/// come from a macro that the schema derive does not see through.
fn complete(document: &mut openapi::OpenApi) {
    let schemas = &mut document.components.get_or_insert_default().schemas;
    for (name, words) in words() {
        if let Some(schema) = schemas.get_mut(name) {
            let words = ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(words));
            *schema = words.into();
        }
    }
    for (path, item) in &mut document.paths.paths {
        let operations = [
            (HttpMethod::Get, &mut item.get),
            (HttpMethod::Post, &mut item.post),
            (HttpMethod::Put, &mut item.put),
            (HttpMethod::Patch, &mut item.patch),
            (HttpMethod::Delete, &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                complete_operation(path, &method, operation);
            }
        }
    }
}

fn words() -> Vec<(&'static str, Vec<&'static str>)> {
    macro_rules! words {
        ($($name:ident),+) => {
            vec![$((stringify!($name), event::$name::ALL.iter().map(|word| word.as_str()).collect())),+]
        };
    }
    words!(
        ActorRole,
        CapacityMode,
        Direction,
        DoorRole,
        Reentry,
        RefusalCode,
        RegistrationPolicy,
        ScanMode
    )
}

fn complete_operation(path: &str, method: &HttpMethod, operation: &mut Operation) {
    operation.operation_id = unique_id(operation);
    for (status, description) in problems_of(path, method, operation) {
        let problem = || {
            let content = Content::new(Some(Ref::from_schema_name(problem::Body::name())));
            ResponseBuilder::new()
                .description(description)
                .content("application/problem+json", content)
                .build()
        };
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_owned())
            .or_insert_with(|| problem().into());
    }
    let request_id = HeaderBuilder::new()
        .description(Some("The request's id, as sent or made here"))
        .build();
    for response in operation.responses.responses.values_mut() {
        if let openapi::RefOr::T(response) = response {
            let headers = &mut response.headers;
            headers.insert("X-Request-Id".to_owned(), request_id.clone().into());
        }
    }
    if path.starts_with("/api/") && !path.starts_with(SESSION) {
        let parameters = operation.parameters.get_or_insert_default();
        parameters.push(openapi::RefOr::T(common_parameter(method)));
    }
}

/// A handler's name says what it does to its resource; with the tag it is unique in the document, which
/// programs that are made from it rely on.
fn unique_id(operation: &Operation) -> Option<String> {
    let id = operation.operation_id.as_deref()?;
    let tag = operation.tags.as_ref()?.first()?;
    Some(format!("{}_{id}", tag.replace(' ', "_")))
}

fn problems_of(
    path: &str,
    method: &HttpMethod,
    operation: &Operation,
) -> Vec<(&'static str, &'static str)> {
    let mut problems = vec![
        ("500", "A defect in doorbook"),
        ("503", "Not now: try again; the code says why"),
    ];
    if !matches!(path, "/healthz" | "/readyz") {
        problems.extend([
            ("401", "No token, or a bad one"),
            ("403", "Signed in but not allowed"),
            (
                "422",
                "A field, a parameter or a header is not as it should be; names it",
            ),
        ]);
    }
    if path.contains('{') {
        problems.push((
            "404",
            "There is no such thing, or the caller may not see it",
        ));
    }
    if path.ends_with("/ticket") || path.ends_with("/link") {
        problems.push(("429", "Too many of them were given out"));
    }
    if operation.request_body.is_some() {
        problems.extend([
            ("400", "The body is not what its type says"),
            ("408", "The body did not arrive in time"),
            ("413", "The body is too large"),
            ("415", "Another type of body is expected"),
        ]);
    }
    if !matches!(method, HttpMethod::Get) && path.starts_with("/api/") && !path.starts_with(SESSION)
    {
        problems.push((
            "409",
            "Refused by a rule or by what came before; the code says which",
        ));
    }
    problems
}

fn common_parameter(method: &HttpMethod) -> openapi::path::Parameter {
    if matches!(method, HttpMethod::Get) {
        let offset = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(0));
        let text = "Wait, at most 2 s, until the answer holds everything up to this offset";
        return header_parameter("X-Min-Offset", text, offset);
    }
    let id = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(128));
    let text = "The client's name for this command: the same id is the same command";
    header_parameter("Idempotency-Key", text, id)
}

fn header_parameter(
    name: &str,
    description: &str,
    schema: ObjectBuilder,
) -> openapi::path::Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(openapi::Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}
