//! The calls.

mod connections;
mod deliveries;
mod emissions;
mod event_types;
mod probes;
mod providers;
mod stats;
mod subscriptions;
mod tokens;

use crate::App;
use crate::body::LARGEST;
use crate::problem::Problem;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri};
use axum::routing::{get, post, put};
use serde_json::{Value, json};
use tower_http::catch_panic::CatchPanicLayer;

/// Every call of the API.
pub fn router(app: App) -> Router {
    let api = Router::new()
        .route("/plugins/{plugin}/events/{hook}", put(event_types::register))
        .route("/plugins/{plugin}/hooks/{hook}", post(emissions::emit_hook))
        .route("/event-types", get(event_types::list))
        .route("/event-types/{id}", get(event_types::show).delete(event_types::remove))
        .route("/events", get(emissions::list).post(emissions::emit))
        .route("/events/{id}", get(emissions::show))
        .route("/providers", get(providers::list).post(providers::add))
        .route("/providers/{id}", get(providers::show).delete(providers::remove))
        .route("/providers/{id}/approve", post(providers::approve))
        .route("/providers/{id}/grant", get(providers::grant).put(providers::set_grant))
        .route("/providers/{id}/test-connection", post(providers::test_connection))
        .route("/providers/{id}/options", post(providers::options))
        .route("/connections", get(connections::list).post(connections::create))
        .route("/connections/{id}", get(connections::show).patch(connections::update).delete(connections::remove))
        .route("/connections/{id}/test", post(connections::test))
        .route("/subscriptions", get(subscriptions::list).post(subscriptions::create))
        .route("/subscriptions/{id}", get(subscriptions::show).patch(subscriptions::update).delete(subscriptions::remove))
        .route("/subscriptions/{id}/send-test", post(subscriptions::send_test))
        .route("/subscriptions/{id}/preview", post(subscriptions::preview))
        .route("/deliveries", get(deliveries::list))
        .route("/deliveries/{id}", get(deliveries::show))
        .route("/deliveries/{id}/attempts/{number}", get(deliveries::attempt))
        .route("/stats", get(stats::show))
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/{id}", axum::routing::delete(tokens::revoke));
    Router::new()
        .nest("/api/v1", api)
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
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

/// A part of a listing as JSON.
fn page(items: Vec<Value>, next: Option<String>) -> axum::Json<Value> {
    axum::Json(json!({ "items": items, "nextCursor": next }))
}

/// An id or name from the path.
fn parse<T: std::str::FromStr<Err = postern_core::id::ParseIdError>>(text: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|error: postern_core::id::ParseIdError| Problem::new(StatusCode::BAD_REQUEST, "bad-id", error.to_string()))
}
