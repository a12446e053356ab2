//! The statuses of errors and what each means.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

/// What a status means here. Each operation that can end in it refers to this.
const MEANINGS: &[(StatusCode, &str)] = &[
    (StatusCode::BAD_REQUEST, "The request cannot be read: its path, query, headers or JSON. `code` says which."),
    (StatusCode::UNAUTHORIZED, "There is no token, or none that is known."),
    (StatusCode::FORBIDDEN, "The token's scopes or tenant do not allow this."),
    (StatusCode::NOT_FOUND, "There is no such object, or the token's tenant has none."),
    (StatusCode::CONFLICT, "It does not go with what is there; `detail` says what to do first."),
    (StatusCode::PRECONDITION_FAILED, "The object is not at the revision that `If-Match` names."),
    (StatusCode::PAYLOAD_TOO_LARGE, "The body, or a payload in it, is too large."),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not of a media type that this call takes."),
    (StatusCode::UNPROCESSABLE_ENTITY, "What was offered does not fit; `errors` names each place."),
    (StatusCode::TOO_MANY_REQUESTS, "Too many failed authentications came from this address."),
    (StatusCode::INTERNAL_SERVER_ERROR, "The server failed; its log says more."),
    (StatusCode::BAD_GATEWAY, "The provider did not answer as it should."),
    (StatusCode::SERVICE_UNAVAILABLE, "The store cannot take it now: the disk is full, or the server stops."),
];

fn name(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("Error").replace(' ', "")
}

/// How an operation refers to a status.
pub(super) fn reference(status: StatusCode) -> String {
    format!("#/components/responses/{}", name(status))
}

/// All of them, for the document's components.
pub(super) fn responses() -> Value {
    let response = |(status, meaning): &(StatusCode, &str)| {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        let mut response = json!({ "description": meaning, "content": { "application/problem+json": { "schema": schema } } });
        let header = |description: &str, schema: Value| json!({ "description": description, "required": true, "schema": schema });
        if *status == StatusCode::UNAUTHORIZED {
            let challenge = header("The way to authenticate.", json!({ "type": "string", "examples": ["Bearer"] }));
            response["headers"] = json!({ "WWW-Authenticate": challenge });
        }
        if matches!(*status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            let wait = header("Try again after so many seconds.", json!({ "type": "integer", "minimum": 0 }));
            response["headers"] = json!({ "Retry-After": wait });
        }
        (name(*status), response)
    };
    Value::Object(MEANINGS.iter().map(response).collect::<Map<_, _>>())
}
