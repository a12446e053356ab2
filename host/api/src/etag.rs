//! Revisions as entity tags, so that two editors do not overwrite each other.

use crate::document;
use crate::problem::Problem;
use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{self, Operation};
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use indexmap::IndexMap;
use schemars::{JsonSchema, json_schema};
use serde::Serialize;

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
pub struct Tagged<T>(pub u64, pub T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        ([(header::ETAG, format!("\"{}\"", self.0))], Json(self.1)).into_response()
    }
}

impl<T: JsonSchema> OperationOutput for Tagged<T> {
    type Inner = T;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<openapi::Response> {
        let mut response = Json::<T>::operation_response(ctx, operation)?;
        let tag = openapi::Header {
            description: Some("The revision, for `If-Match`.".into()),
            style: openapi::HeaderStyle::Simple,
            required: true,
            deprecated: None,
            format: document::schema(json_schema!({ "type": "string", "pattern": "^\"[0-9]+\"$" })),
            example: None,
            examples: IndexMap::new(),
            extensions: IndexMap::new(),
        };
        response.headers.insert("ETag".into(), openapi::ReferenceOr::Item(tag));
        Some(response)
    }

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<openapi::StatusCode>, openapi::Response)> {
        let response = Self::operation_response(ctx, operation);
        response.map(|response| (Some(openapi::StatusCode::Code(200)), response)).into_iter().collect()
    }
}
