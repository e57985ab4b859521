//! The pages that people see: what the web build left in `web/dist`, embedded into the binary. Each page
//! is the same document, whose script reads the address; its assets lie beside it under hashed names.
//!
//! A binary that was built without them says so at the pages' addresses, and serves the API alone. What
//! is neither a page nor a file stays the API's 404: an asset that is missing is never the document.

use std::borrow::Cow;

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use rust_embed::RustEmbed;

use super::{App, door, problem::Problem};

/// The addresses of pages. They are routes, so that each is one label in the metrics.
const PAGES: &[&str] = &[
    "/",
    "/sign-in",
    "/gatherings/{*rest}",
    "/audit",
    "/audit/{*rest}",
    "/admin",
    "/admin/{*rest}",
];

const DOCUMENT: &str = "index.html";
/// What lies here has its content's hash in its name.
const ASSETS: &str = "assets/";
/// A file that was compressed beforehand lies beside it under this ending, and has no address of its own.
const GZIP: &str = ".gz";

const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Kept, and asked for again by its `ETag` each time.
const ASK_AGAIN: &str = "no-cache";

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; font-src 'self'; media-src 'self' blob:; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const PERMISSIONS_POLICY: &str = "camera=(self), geolocation=(), microphone=()";

/// Stands in for the pages in a binary that has none. No style: the policy above allows none in a document.
const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<title>doorbook: built without its pages</title>
</head>
<body>
<h1>doorbook runs, without its pages</h1>
<p>This binary was built without the web pages. To have them, run <code>make web</code> in the
source folder (it needs Node), build doorbook again, and start the new binary.</p>
<p>Everything else works: the API is described at <a href=\"/docs/\">/docs</a>, and for programs at
<a href=\"/openapi.json\">/openapi.json</a>.</p>
</body>
</html>
";

#[derive(RustEmbed)]
#[folder = "web/dist/"]
#[allow_missing = true]
struct Built;

/// One file of a build.
struct File {
    bytes: Cow<'static, [u8]>,
    hash: [u8; 32],
}

/// Finds a file of a build by its path in it.
type Find = fn(&str) -> Option<File>;

/// Whether this binary holds the pages.
#[must_use]
pub fn built() -> bool {
    embedded(DOCUMENT).is_some()
}

pub(super) fn routes() -> Router<App> {
    let mut router = Router::new().route("/assets/{*file}", get(file));
    for path in PAGES {
        router = router.route(path, get(document));
    }
    router
}

/// What no route takes: another file of the build, such as the icon, or nothing.
pub(super) async fn file(request: Request) -> Result<Response, Problem> {
    match answer_file(embedded, &request) {
        Some(response) => Ok(response),
        None => Err(door::not_found().await),
    }
}

async fn document(request: Request) -> Response {
    answer_document(embedded, request.headers())
}

fn embedded(path: &str) -> Option<File> {
    let file = Built::get(path)?;
    Some(File {
        bytes: file.data,
        hash: file.metadata.sha256_hash(),
    })
}

fn answer_document(find: Find, asked: &HeaderMap) -> Response {
    answer(find, DOCUMENT, asked).unwrap_or_else(|| {
        let text = (header::CONTENT_TYPE, content_type(DOCUMENT));
        let mut response = (StatusCode::NOT_FOUND, [text], NOT_BUILT).into_response();
        protect(response.headers_mut());
        response
    })
}

fn answer_file(find: Find, request: &Request) -> Option<Response> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let path = request.uri().path().strip_prefix('/')?;
    if path.ends_with(GZIP) {
        return None;
    }
    answer(find, path, request.headers())
}

fn answer(find: Find, path: &str, asked: &HeaderMap) -> Option<Response> {
    let plain = find(path)?;
    let compressed = find(&format!("{path}{GZIP}"));
    let varies = compressed.is_some();
    let (file, encoding) = match compressed.filter(|_| takes_gzip(asked)) {
        Some(compressed) => (compressed, Some("gzip")),
        None => (plain, None),
    };
    let tag = tag(&file.hash);
    let mut response = if has(asked, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = [(header::CONTENT_TYPE, content_type(path))];
        match encoding {
            Some(encoding) => {
                (kind, [(header::CONTENT_ENCODING, encoding)], file.bytes).into_response()
            }
            None => (kind, file.bytes).into_response(),
        }
    };
    let headers = response.headers_mut();
    if varies {
        let vary = HeaderValue::from_static("accept-encoding");
        headers.insert(header::VARY, vary);
    }
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    let keep = if path.starts_with(ASSETS) {
        FOR_EVER
    } else {
        ASK_AGAIN
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    protect(headers);
    Some(response)
}

fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("permissions-policy"),
            PERMISSIONS_POLICY,
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn tag(hash: &[u8; 32]) -> String {
    format!("\"{}\"", hex::encode(&hash[..16]))
}

/// Whether the client holds this very file. A weak tag counts, too: proxies weaken them.
fn has(asked: &HeaderMap, tag: &str) -> bool {
    let held = asked.get_all(header::IF_NONE_MATCH).iter();
    held.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|held| held.trim().trim_start_matches("W/"))
        .any(|held| held == tag || held == "*")
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let offered = asked.get_all(header::ACCEPT_ENCODING).iter();
    offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|offer| {
            let mut parts = offer.split(';').map(str::trim);
            let named = parts
                .next()
                .is_some_and(|it| it.eq_ignore_ascii_case("gzip"));
            let refused = parts.any(|part| {
                let weight = part
                    .strip_prefix("q=")
                    .and_then(|it| it.parse::<f32>().ok());
                weight == Some(0.0)
            });
            named && !refused
        })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "mp3" => "audio/mpeg",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};

    use super::*;

    /// An invented build.
    fn invented(path: &str) -> Option<File> {
        let (bytes, hash): (&'static [u8], u8) = match path {
            "index.html" => (b"<!doctype html><title>doorbook</title>", 1),
            "icon.svg" => (b"<svg/>", 2),
            "assets/main-1a2b.js" => (b"'plain'", 3),
            "assets/main-1a2b.js.gz" => (b"squeezed", 4),
            _ => return None,
        };
        Some(File {
            bytes: bytes.into(),
            hash: [hash; 32],
        })
    }

    fn nothing(_: &str) -> Option<File> {
        None
    }

    fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn get(path: &str, headers: &[(&str, &str)]) -> Option<Response> {
        answer_file(invented, &request(Method::GET, path, headers))
    }

    fn header_of<'r>(response: &'r Response, name: &str) -> &'r str {
        response
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    async fn text(response: Response) -> String {
        let bytes = to_bytes(response.into_body(), 4096).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_page_is_the_document_which_is_asked_for_again_by_its_tag() {
        let page = answer_document(invented, &HeaderMap::new());
        assert_eq!(page.status(), 200);
        assert_eq!(header_of(&page, "content-type"), "text/html; charset=utf-8");
        assert_eq!(header_of(&page, "cache-control"), "no-cache");
        let policy = header_of(&page, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
        assert_eq!(
            header_of(&page, "cross-origin-opener-policy"),
            "same-origin"
        );
        let tag = header_of(&page, "etag").to_owned();
        assert!(text(page).await.contains("<title>doorbook</title>"));
        for held in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let mut asked = HeaderMap::new();
            asked.insert("if-none-match", held.parse().unwrap());
            let page = answer_document(invented, &asked);
            assert_eq!(
                (page.status(), header_of(&page, "etag")),
                (StatusCode::NOT_MODIFIED, &*tag)
            );
            assert_eq!(header_of(&page, "cache-control"), "no-cache");
            assert_eq!(text(page).await, "");
        }
        let mut asked = HeaderMap::new();
        asked.insert("if-none-match", "\"another\"".parse().unwrap());
        assert_eq!(answer_document(invented, &asked).status(), 200);
    }

    #[tokio::test]
    async fn an_asset_is_kept_for_ever_and_compressed_for_whoever_takes_it() {
        let plain = get("/assets/main-1a2b.js", &[]).unwrap();
        assert_eq!(header_of(&plain, "cache-control"), FOR_EVER);
        assert_eq!(
            header_of(&plain, "content-type"),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(header_of(&plain, "vary"), "accept-encoding");
        assert_eq!(header_of(&plain, "content-encoding"), "");
        let plain_tag = header_of(&plain, "etag").to_owned();
        assert_eq!(text(plain).await, "'plain'");
        for taken in ["gzip", "br, GZIP;q=0.5, *", "deflate, gzip;q=1.0"] {
            let squeezed = get("/assets/main-1a2b.js", &[("accept-encoding", taken)]).unwrap();
            assert_eq!(header_of(&squeezed, "content-encoding"), "gzip");
            assert_eq!(
                header_of(&squeezed, "content-type"),
                "text/javascript; charset=utf-8"
            );
            assert_ne!(header_of(&squeezed, "etag"), plain_tag);
            assert_eq!(text(squeezed).await, "squeezed");
        }
        for not_taken in ["br", "gzip;q=0", "identity, gzip; q=0.0", "gzipped"] {
            let plain = get("/assets/main-1a2b.js", &[("accept-encoding", not_taken)]).unwrap();
            assert_eq!(text(plain).await, "'plain'");
        }
        let icon = get("/icon.svg", &[("accept-encoding", "gzip")]).unwrap();
        assert_eq!(header_of(&icon, "content-type"), "image/svg+xml");
        assert_eq!(
            (header_of(&icon, "vary"), header_of(&icon, "cache-control")),
            ("", ASK_AGAIN)
        );
    }

    #[test]
    fn what_is_not_in_the_build_is_never_the_document() {
        for path in [
            "/assets/main-0000.js",
            "/assets/main-1a2b.js.gz",
            "/assets/",
            "/assets/../index.html",
            "/api/nothing",
            "//icon.svg",
            "/",
        ] {
            assert!(get(path, &[]).is_none(), "{path}");
        }
        let posted = request(Method::POST, "/icon.svg", &[]);
        assert!(answer_file(invented, &posted).is_none());
        let asked = request(Method::HEAD, "/icon.svg", &[]);
        assert!(answer_file(invented, &asked).is_some());
    }

    #[tokio::test]
    async fn a_binary_without_pages_says_so_and_how_to_get_them() {
        let page = answer_document(nothing, &HeaderMap::new());
        assert_eq!(page.status(), 404);
        assert_eq!(header_of(&page, "content-type"), "text/html; charset=utf-8");
        assert!(!header_of(&page, "content-security-policy").is_empty());
        let text = text(page).await;
        for told in ["make web", "/docs", "/openapi.json"] {
            assert!(text.contains(told), "{told}");
        }
        assert!(answer_file(nothing, &request(Method::GET, "/icon.svg", &[])).is_none());
    }
}
