//! Errors as problem documents (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use postern_delivery::Error;
use postern_events::Violation;
use serde::Serialize;

/// An error as callers see it.
#[derive(Debug, Serialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// Stable, for programs: `not-found`, `invalid`, …
    pub code: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// What happened and what to do.
    pub detail: String,
    /// The places that do not fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Violation>,
}

impl Problem {
    /// A problem without places.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { status: status.as_u16(), code, title, detail: detail.into(), errors: Vec::new() }
    }

    /// The same with places.
    pub fn at(self, errors: Vec<Violation>) -> Self {
        Self { errors, ..self }
    }

    /// There is no such object.
    pub fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("there is no {what} `{id}`"))
    }

    /// Something in the request does not fit.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::error!(code = self.code, detail = %self.detail, "request failed");
        }
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        }
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, "not-found", detail),
            Error::Invalid { violations, .. } => Self::invalid(detail).at(violations),
            Error::Breaks { violations, .. } => Self::new(StatusCode::CONFLICT, "breaks-subscriptions", detail).at(violations),
            Error::Conflict(_) => Self::new(StatusCode::CONFLICT, "conflict", detail),
            Error::Stale { .. } => Self::new(StatusCode::PRECONDITION_FAILED, "stale", detail),
            Error::Load(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-component", detail),
            Error::Manifest(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-manifest", detail),
            Error::Mismatch(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-component", detail),
            Error::Call(_) => Self::new(StatusCode::BAD_GATEWAY, "provider-failed", detail),
            Error::Store(error) => error.into(),
            Error::Internal(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail),
        }
    }
}

impl From<postern_store::Error> for Problem {
    fn from(error: postern_store::Error) -> Self {
        use postern_store::Error as Store;
        let detail = error.to_string();
        match error {
            Store::Full(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "disk-full", detail),
            Store::TooLarge(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail),
            Store::Conflict { .. } => Self::new(StatusCode::CONFLICT, "conflict", detail),
            Store::BadCursor => Self::new(StatusCode::BAD_REQUEST, "bad-cursor", detail),
            Store::Closed => Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", detail),
            Store::Locked(_) | Store::Damaged(_) | Store::LostClaim(_) | Store::Failed(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-failed", detail)
            }
        }
    }
}
