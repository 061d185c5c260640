//! The page at `/`: self-contained files that show what the API says.
//!
//! Built from `ui/` (TypeScript) and embedded, so that the monitor needs no files beside it and the
//! page no network beyond it. It holds no data: everything comes through the API.

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Scripts and styles come from our own files only, nothing is embedded elsewhere, and no form
/// sends anything: a log line that looks like markup stays text even if the page had a mistake.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'";

struct Asset {
    path: &'static str,
    content_type: &'static str,
    body: &'static str,
}

const ASSETS: [Asset; 4] = [
    Asset {
        path: "/",
        content_type: "text/html; charset=utf-8",
        body: include_str!("../../../ui/dist/index.html"),
    },
    Asset {
        path: "/assets/crosswatch.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_str!("../../../ui/dist/crosswatch.js"),
    },
    Asset {
        path: "/assets/crosswatch.css",
        content_type: "text/css; charset=utf-8",
        body: include_str!("../../../ui/dist/crosswatch.css"),
    },
    Asset {
        path: "/assets/icon.svg",
        content_type: "image/svg+xml",
        body: include_str!("../../../ui/dist/icon.svg"),
    },
];

pub(crate) fn routes() -> Router {
    let mut router = Router::new();
    for asset in &ASSETS {
        // The same file again is answered with 304 and without a body. Weak, because compressing
        // changes the bytes and not the tag.
        let tag = HeaderValue::from_str(&format!("W/\"{:016x}\"", fingerprint(asset.body)))
            .expect("hexadecimal digits in quotes are a header value");
        router = router.route(
            asset.path,
            get(async move |headers: HeaderMap| answer(asset, &tag, &headers)),
        );
    }
    router
}

fn answer(asset: &Asset, tag: &HeaderValue, asked: &HeaderMap) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(asset.content_type),
        ),
        (header::ETAG, tag.clone()),
        // Kept, but asked for again each time: a new monitor shows its new page at once.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(CONTENT_SECURITY_POLICY),
        ),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    ];
    if asked.get(header::IF_NONE_MATCH) == Some(tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, asset.body).into_response()
}

/// FNV-1a, 64 bits; tells versions of a file apart, nothing more.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
