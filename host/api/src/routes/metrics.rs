//! The figures of the process, for Prometheus. `metrics.md` beside this lists them.

use crate::App;
use crate::access::{Read, Tenancy};
use crate::problem::Problem;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response, StatusCode};
use aide::{OperationInput, OperationOutput};
use axum::extract::{FromRequestParts, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::IntoResponse;

/// Whoever may see them: with a token that may look at everything, or anybody if the operator wants it so.
#[derive(Debug)]
pub(super) struct Collector;

impl FromRequestParts<App> for Collector {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if !app.figures.is_open() {
            Read::from_request_parts(parts, app).await?.everything()?;
        }
        Ok(Self)
    }
}

impl OperationInput for Collector {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Read::operation_input(ctx, operation);
    }
}

/// The figures as text.
#[derive(Debug)]
pub(super) struct Text(String);

impl IntoResponse for Text {
    fn into_response(self) -> axum::response::Response {
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], self.0).into_response()
    }
}

impl OperationOutput for Text {
    type Inner = Self;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<StatusCode>, Response)> {
        String::inferred_responses(ctx, operation)
    }
}

/// The figures as they are now.
pub(super) async fn show(_: Collector, State(app): State<App>) -> Text {
    Text(app.figures.render(&*app.store, &app.schedule))
}
