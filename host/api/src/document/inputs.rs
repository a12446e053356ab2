//! What extractors take, and how they fail.

use super::TOKEN;
use super::parts::{body, fails, header, request_fields, request_schema};
use crate::access::{Admin, Emit, Read};
use crate::body::{Body, Params, Patch};
use crate::etag::IfMatch;
use crate::path::Path;
use crate::problem::Problem;
use crate::token::Scope;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response, SecurityRequirement};
use aide::operation::{ParamLocation, add_parameters, parameters_from_schema};
use aide::{OperationInput, OperationOutput};
use axum::http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// A token with this scope is needed. In OpenAPI 3.1 the list may name what a bearer must have.
fn needs(operation: &mut Operation, scope: &str) {
    operation.security.push(SecurityRequirement::from_iter([(TOKEN.to_owned(), vec![scope.to_owned()])]));
    fails(operation, &[StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS]);
}

impl OperationInput for Admin {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        needs(operation, "admin");
    }
}

impl OperationInput for Read {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        needs(operation, "read");
    }
}

impl OperationInput for Emit {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        needs(operation, "emit");
    }
}

impl<T: JsonSchema> OperationInput for Params<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let parameters = parameters_from_schema(ctx, request_fields::<T>(), ParamLocation::Query);
        add_parameters(ctx, operation, parameters);
        fails(operation, &[StatusCode::BAD_REQUEST]);
    }
}

impl<T: JsonSchema> OperationInput for Path<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let parameters = parameters_from_schema(ctx, request_fields::<T>(), ParamLocation::Path);
        add_parameters(ctx, operation, parameters);
        fails(operation, &[StatusCode::BAD_REQUEST]);
    }
}

/// How reading a JSON body can fail.
const BODY: &[StatusCode] = &[
    StatusCode::BAD_REQUEST,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

impl<T: JsonSchema> OperationInput for Body<T> {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        body(operation, [("application/json", Some(request_schema::<T>()))]);
        fails(operation, BODY);
    }
}

impl<T: JsonSchema> OperationInput for Patch<T> {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let schema = request_schema::<Self>();
        body(operation, [("application/merge-patch+json", Some(schema.clone())), ("application/json", Some(schema))]);
        fails(operation, BODY);
    }
}

impl OperationInput for IfMatch {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let schema = json_schema!({ "type": "string", "pattern": r#"^("[0-9]{1,19}"|\*)$"#, "examples": ["\"3\""] });
        header(operation, "If-Match", "The revision that the change is for: the object's ETag.", schema);
        fails(operation, &[StatusCode::BAD_REQUEST, StatusCode::PRECONDITION_FAILED]);
    }
}

impl OperationOutput for Problem {
    type Inner = Self;

    /// Whatever a call does, the server and its store can fail.
    fn inferred_responses(_: &mut GenContext, operation: &mut Operation) -> Vec<(Option<aide::openapi::StatusCode>, Response)> {
        fails(operation, &[StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE]);
        Vec::new()
    }
}

impl JsonSchema for Scope {
    fn schema_name() -> Cow<'static, str> {
        "Scope".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(?:admin|read|emit(?::[A-Za-z0-9][A-Za-z0-9_-]{0,63})?)$",
            "description": "What a token may do: everything, look, emit, or emit a plugin's events.",
            "examples": ["admin", "emit:incident"],
        })
    }
}
