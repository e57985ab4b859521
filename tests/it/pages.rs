//! The pages, as a browser asks for them: holds with a build in `web/dist` and without one. What the
//! files of a build answer in detail is tested beside `http::pages`, with an invented build.

use doorbook::http::pages;
use reqwest::Method;

use crate::harness::{TestServer, answer, root};

const PAGES: &[&str] = &[
    "/",
    "/sign-in",
    "/sign-in/",
    "/gatherings/0190c9a2-7c8e-7d31-b1b5-3f7a2f7d9e10",
    "/gatherings/0190c9a2-7c8e-7d31-b1b5-3f7a2f7d9e10/evacuation/",
    "/gatherings/0190c9a2-7c8e-7d31-b1b5-3f7a2f7d9e10/night?at=7",
    "/audit",
    "/audit/x",
    "/admin/",
    "/admin/projections",
];

#[tokio::test]
async fn every_page_is_the_document_or_says_that_there_is_none() {
    let server = TestServer::start().await;
    for path in PAGES {
        let page = answer(server.request(Method::GET, path)).await;
        let kind = page.header("content-type");
        assert_eq!(kind, Some("text/html; charset=utf-8"), "{path}");
        if pages::built() {
            page.is(200);
            assert_eq!(page.header("cache-control"), Some("no-cache"));
            assert!(page.header("etag").is_some());
        } else {
            page.is(404);
            assert!(page.text.contains("make web"), "{path}");
        }
        for (name, part) in [
            ("content-security-policy", "frame-ancestors 'none'"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("permissions-policy", "camera=(self)"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            let value = page.header(name).unwrap_or_default();
            assert!(value.contains(part), "{path}: {name}: {value}");
        }
        let head = answer(server.request(Method::HEAD, path)).await;
        assert_eq!((head.status, head.text.as_str()), (page.status, ""));
        assert_eq!(head.header("content-length"), page.header("content-length"));
        answer(server.request(Method::POST, path))
            .await
            .is_problem(405, "method_not_allowed");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_missing_is_a_problem_and_never_the_document() {
    let server = TestServer::start().await;
    for path in [
        "/assets/main-00000000.js",
        "/assets",
        "/favicon-of-nobody.ico",
        "/index.html/x",
        "/api",
        "/api/nothing",
        "/gatherings",
        "/administrators",
        "/ws/nothing",
    ] {
        let missing = answer(server.request(Method::GET, path)).await;
        missing.is_problem(404, "not_found");
    }
    server.stop().await;
}

#[tokio::test]
async fn every_file_that_the_document_names_is_served() {
    let server = TestServer::start().await;
    let page = answer(server.request(Method::GET, "/")).await;
    let named: Vec<&str> = ["src=\"/", "href=\"/"]
        .iter()
        .flat_map(|attribute| page.text.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(!named.is_empty());
    for path in named {
        let file = answer(server.request(Method::GET, &format!("/{path}"))).await;
        file.is(200);
        if path.starts_with("assets/") {
            let kept = file.header("cache-control").unwrap();
            assert!(kept.contains("immutable"), "{path}: {kept}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn visitors_of_pages_make_no_new_rows_in_the_metrics() {
    let server = TestServer::start().await;
    for path in [
        "/gatherings/a",
        "/gatherings/b/night",
        "/assets/c.js",
        "/d.js",
    ] {
        answer(server.request(Method::GET, path)).await;
    }
    let metrics = server.get(&root(), "/metrics").await;
    let metrics = &metrics.text;
    assert!(
        metrics.contains("route=\"/gatherings/{*rest}\""),
        "{metrics}"
    );
    for path in ["/gatherings/a", "night", "c.js", "d.js"] {
        assert!(!metrics.contains(path), "{path}");
    }
    server.stop().await;
}
