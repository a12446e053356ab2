//! The document as a page, with nothing from another host: the viewer is part of the program, and the page's own policy
//! forbids the browser to load anything else.

use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response, StatusCode};
use aide::swagger::Swagger;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use std::sync::LazyLock;

/// Where the page is.
pub(crate) const DOCS: &str = "/docs";

/// The viewer's code and styles stand in the page itself, and nothing that a caller says does.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static HTML: LazyLock<String> = LazyLock::new(|| Swagger::new(super::PATH).with_title("Postern: the HTTP API").html());

/// The page.
#[derive(Debug)]
pub(crate) struct Viewer;

impl IntoResponse for Viewer {
    fn into_response(self) -> axum::response::Response {
        ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(HTML.as_str())).into_response()
    }
}

impl OperationOutput for Viewer {
    type Inner = Self;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<StatusCode>, Response)> {
        Html::<String>::inferred_responses(ctx, operation)
    }
}

/// Shows the page.
pub(crate) async fn docs() -> Viewer {
    Viewer
}
