//! Errors as problem documents (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use postern_delivery::Error;
use postern_events::Violation;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use std::borrow::Cow;

/// Every code and what it means. Programs rely on them: one may be added, none changes its meaning.
const CODES: &[(&str, &str)] = &[
    ("bad-cursor", "no listing returned this cursor"),
    ("bad-header", "a header is no text"),
    ("bad-id", "a part of the path is no such id or name"),
    ("bad-if-match", "`If-Match` is no ETag of this server"),
    ("bad-json", "the body is no JSON"),
    ("bad-query", "the query string has an unknown or malformed parameter"),
    ("bad-request", "the body could not be read"),
    ("breaks-subscriptions", "subscriptions would not work any more"),
    ("conflict", "it does not go with what is there"),
    ("disk-full", "there is no space left"),
    ("forbidden", "the token does not allow it"),
    ("internal", "the server failed"),
    ("invalid", "what was offered does not fit"),
    ("invalid-component", "the file is no provider that this server can run"),
    ("invalid-manifest", "the provider's manifest breaks the contract"),
    ("no-such-call", "there is nothing at this path"),
    ("not-found", "there is no such object"),
    ("provider-failed", "the provider did not answer as it should"),
    ("queue-full", "as much is queued as may be"),
    ("stale", "the object is at another revision"),
    ("stopping", "the server stops"),
    ("store-failed", "the store failed"),
    ("too-large", "the body, or a payload in it, is too large"),
    ("too-many-failures", "too many failed authentications came from this address"),
    ("unauthorized", "there is no token, or none that is known"),
    ("unsupported-media-type", "the body is of another media type"),
    ("untrusted-component", "the operator does not trust the file"),
    ("wrong-method", "the path does not take this method"),
];

/// The schema of [`Problem::code`].
struct Code;

impl JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        "ProblemCode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let listed: Vec<_> = CODES.iter().map(|(code, meaning)| format!("- `{code}`: {meaning}")).collect();
        let codes: Vec<_> = CODES.iter().map(|(code, _)| *code).collect();
        let description = format!("What went wrong, for programs. More may be added.\n\n{}", listed.join("\n"));
        json_schema!({ "type": "string", "enum": codes, "description": description })
    }
}

/// An error as callers see it (RFC 9457).
#[derive(Debug, Serialize, JsonSchema)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// Stable, for programs: `not-found`, `invalid`, …
    #[schemars(with = "Code")]
    pub code: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// What happened and what to do.
    pub detail: String,
    /// The places that do not fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Violation>,
    /// After how many seconds to try again: the header `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem without places.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        debug_assert!(CODES.iter().any(|(known, _)| *known == code), "the code `{code}` is not documented");
        let title = status.canonical_reason().unwrap_or("Error");
        Self { status: status.as_u16(), code, title, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    /// The same, to be tried again after so many seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
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
            tracing::error!(code = self.code, detail = ?self.detail, "request failed");
        }
        // Without a space on the disk, or at a stop, nothing changes at once.
        let retry_after = self.retry_after.or((status == StatusCode::SERVICE_UNAVAILABLE).then_some(10));
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
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
            Error::Busy { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "queue-full", detail),
            Error::Stale { .. } => Self::new(StatusCode::PRECONDITION_FAILED, "stale", detail),
            Error::Load(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-component", detail),
            Error::Untrusted(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "untrusted-component", detail),
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
            Store::Locked(_) | Store::Damaged(_) | Store::Lost { .. } | Store::LostClaim(_) | Store::Failed(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-failed", detail)
            }
        }
    }
}
