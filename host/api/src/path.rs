//! Reads the parts of a path.

use crate::problem::Problem;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{self, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A path with one part: `{id}`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Id<T> {
    /// The part.
    pub id: T,
}

/// The parts of a path: a structure with the names that the route gives them.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        extract::Path::from_request_parts(parts, state)
            .await
            .map(|extract::Path(value)| Self(value))
            .map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, "bad-id", reason(rejection)))
    }
}

/// What is wrong with a path, without what the library says around it.
fn reason(rejection: PathRejection) -> String {
    match rejection {
        PathRejection::FailedToDeserializePathParams(failed) => match failed.into_kind() {
            ErrorKind::DeserializeError { message, .. } | ErrorKind::Message(message) => message,
            other => other.to_string(),
        },
        other => other.body_text(),
    }
}
