//! The page's files, and the page itself in a browser.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, header};
use tokio_util::sync::CancellationToken;

use super::fixture::noon;
use super::parcels::{calm, key, view};
use super::{get, router, send, usual};

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let page = get("/").await;
    assert_eq!(
        page.headers[header::CONTENT_TYPE],
        "text/html; charset=utf-8"
    );
    let policy = page.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert!(!page.body.contains("http://") && !page.body.contains("https://"));

    // Every file that it names is there.
    let mut files = 0;
    for part in page.body.split("\"/assets/").skip(1) {
        let path = format!("/assets/{}", part.split('"').next().unwrap());
        assert_eq!(get(&path).await.status, 200, "{path}");
        files += 1;
    }
    assert!(files >= 3);
}

#[tokio::test]
async fn a_file_that_has_not_changed_is_not_sent_again() {
    let tag = get("/").await.headers[header::ETAG].clone();
    let request = Request::get("/")
        .header(header::IF_NONE_MATCH, tag)
        .body(Body::empty())
        .unwrap();
    let answer = send(router(&usual()), request).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (304, ""));
}

/// Names and log lines are whatever someone sent. There is no way in the page to read them as markup.
#[test]
fn the_page_makes_no_markup_out_of_text() {
    let script = std::fs::read_to_string(ui().join("dist/crosswatch.js")).unwrap();
    for danger in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "setHTML",
        "DOMParser",
        "srcdoc",
    ] {
        assert!(!script.contains(danger), "{danger}");
    }
}

/// When it is stale: `npm ci && npm run build` in `ui/`, and commit `ui/dist`.
#[test]
#[ignore = "needs npm with ui/node_modules"]
fn the_checked_in_bundle_is_current() {
    let out = tempfile_in_target("ui-bundle");
    let build = Command::new("npm")
        .args([
            "run",
            "--silent",
            "bundle",
            "--",
            &format!("--outdir={}", out.display()),
        ])
        .current_dir(ui())
        .status()
        .unwrap();
    assert!(build.success());
    for file in ["crosswatch.js", "crosswatch.css"] {
        let fresh = std::fs::read_to_string(out.join(file)).unwrap();
        let checked_in = std::fs::read_to_string(ui().join("dist").join(file)).unwrap();
        assert!(
            fresh == checked_in,
            "ui/dist/{file} is stale: run `npm run build` in ui/"
        );
    }
    for file in ["index.html", "icon.svg"] {
        let source = std::fs::read_to_string(ui().join("src").join(file)).unwrap();
        let checked_in = std::fs::read_to_string(ui().join("dist").join(file)).unwrap();
        assert!(
            source == checked_in,
            "ui/dist/{file} is stale: run `npm run build` in ui/"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn a_browser_shows_hostile_names_as_text() {
    let site = usual();
    let mut view = view(noon());
    let evil =
        "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";
    view.apis
        .insert(0, calm(key(evil, evil, "GET", evil), noon(), 1.0, 0.1));
    view.apis[0].state = monitor_core::ApiState::Anomalous;
    site.view.send_replace(Arc::new(view));
    let stop = CancellationToken::new();
    let router = monitor_serve::router(site.ports.clone(), stop, std::convert::identity);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    for (view, expected) in [
        ("apis", "/quotes/{id}"),
        ("services", "tariffs"),
        ("environments", "on-prem"),
        ("journeys", "No journey has ended yet"),
        ("incidents", "212 journeys have failed or were late"),
        ("predictions", "Brier score"),
        ("alerts", "is slow"),
        ("streams", "here are three lines"),
        ("logs?from=", "lock wait timeout"),
        (
            "trace/4bf92f3577b34da6a3ce929d0e0e4736",
            "lock wait timeout",
        ),
    ] {
        let dom = browse(&format!("http://{address}/#/{view}")).await;
        assert!(dom.contains(expected), "{view}:\n{dom}");
        assert!(dom.contains("8 Apis") || view != "apis", "{dom}");
        // Chromium writes text with its `<` escaped; an element would be written as one.
        assert!(
            !dom.contains("<img src=\"x\"") && !dom.contains("owned</title>"),
            "{view}"
        );
    }
}

/// What the page is after three seconds, as markup.
async fn browse(url: &str) -> String {
    let profile = tempfile_in_target("chromium");
    let url = url.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--virtual-time-budget=3000",
                "--dump-dom",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn ui() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui")
}

/// A fresh folder for this test's run.
fn tempfile_in_target(name: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
