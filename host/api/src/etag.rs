//! Revisions as entity tags, so that two editors do not overwrite each other.

use crate::problem::Problem;
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// The revision that a change is for: `If-Match: "3"`. None without the header, or with `*`.
#[derive(Debug)]
pub struct IfMatch(pub Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        let revision = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
        revision.map(|revision| Self(Some(revision))).ok_or_else(|| {
            let detail = "If-Match is not an ETag that this server gave, such as `\"3\"`";
            Problem::new(StatusCode::BAD_REQUEST, "bad-if-match", detail)
        })
    }
}

/// An object with its revision.
#[derive(Debug)]
pub struct Tagged(pub u64, pub Value);

impl IntoResponse for Tagged {
    fn into_response(self) -> Response {
        ([(header::ETAG, format!("\"{}\"", self.0))], Json(self.1)).into_response()
    }
}
