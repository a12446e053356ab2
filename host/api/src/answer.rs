//! What calls answer with when they succeed. The types say the status, so that the API's description knows it.

use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response, StatusCode as Documented};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use schemars::JsonSchema;
use serde::Serialize;

/// A part of a listing.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The objects.
    pub items: Vec<T>,
    /// The `?cursor=` of the next part; null at the end.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A part whose items are made of others.
    pub fn of<F>(found: impl IntoIterator<Item = F>, next: Option<String>, view: impl FnMut(F) -> T) -> axum::Json<Self> {
        axum::Json(Self { items: found.into_iter().map(view).collect(), next_cursor: next })
    }
}

/// 201: the object was made.
#[derive(Debug)]
pub struct Created<T>(pub T);

/// 202: it is on the disk and will be delivered.
#[derive(Debug)]
pub struct Accepted<T>(pub T);

/// 201 if the object is new, 200 if it replaces another.
#[derive(Debug)]
pub struct Put<T> {
    /// Whether it is new.
    pub new: bool,
    /// The object.
    pub answer: T,
}

impl<T: IntoResponse> IntoResponse for Created<T> {
    fn into_response(self) -> axum::response::Response {
        (StatusCode::CREATED, self.0).into_response()
    }
}

impl<T: IntoResponse> IntoResponse for Accepted<T> {
    fn into_response(self) -> axum::response::Response {
        (StatusCode::ACCEPTED, self.0).into_response()
    }
}

impl<T: IntoResponse> IntoResponse for Put<T> {
    fn into_response(self) -> axum::response::Response {
        (if self.new { StatusCode::CREATED } else { StatusCode::OK }, self.answer).into_response()
    }
}

/// What `T` answers, with each of these statuses.
fn with<T: OperationOutput>(
    ctx: &mut GenContext,
    operation: &mut Operation,
    statuses: &[StatusCode],
) -> Vec<(Option<Documented>, Response)> {
    let response = T::operation_response(ctx, operation).unwrap_or_default();
    statuses.iter().map(|status| (Some(Documented::Code(status.as_u16())), response.clone())).collect()
}

impl<T: OperationOutput> OperationOutput for Created<T> {
    type Inner = T::Inner;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<Documented>, Response)> {
        with::<T>(ctx, operation, &[StatusCode::CREATED])
    }
}

impl<T: OperationOutput> OperationOutput for Accepted<T> {
    type Inner = T::Inner;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<Documented>, Response)> {
        with::<T>(ctx, operation, &[StatusCode::ACCEPTED])
    }
}

impl<T: OperationOutput> OperationOutput for Put<T> {
    type Inner = T::Inner;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<Documented>, Response)> {
        with::<T>(ctx, operation, &[StatusCode::OK, StatusCode::CREATED])
    }
}
