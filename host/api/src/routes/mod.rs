//! The calls.

mod audit;
mod builds;
mod connections;
mod deliveries;
mod destinations;
mod emissions;
mod event_types;
mod events;
mod inbox;
mod metrics;
mod offer;
mod probes;
mod providers;
mod stats;
mod subscriptions;
mod table;
mod tokens;

use crate::App;
use crate::authentication;
use crate::body::LARGEST;
use crate::document;
use crate::problem::Problem;
use aide::axum::ApiRouter;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri};
use tower_http::catch_panic::CatchPanicLayer;

/// Every call of the API.
pub fn router(app: App) -> Router {
    let authenticated = axum::middleware::from_fn_with_state(app.clone(), authentication::authenticate);
    let calls = || {
        let operations = table::operations().layer(authenticated.clone());
        ApiRouter::new().nest("/api/v1", table::calls().layer(authenticated)).merge(operations).merge(table::open())
    };
    document::described(calls)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(CatchPanicLayer::custom(|_| {
            use axum::response::IntoResponse;
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed; its log says more").into_response()
        }))
        .with_state(app)
}

async fn unknown(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no-such-call", format!("there is nothing at {}", uri.path()))
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", "this path does not take that method")
}

/// An id or name from the path.
fn parse<T: std::str::FromStr<Err = postern_core::id::ParseIdError>>(text: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|error: postern_core::id::ParseIdError| Problem::new(StatusCode::BAD_REQUEST, "bad-id", error.to_string()))
}
