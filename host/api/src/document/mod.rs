//! The description of the API: an OpenAPI 3.1 document, made of the handlers' own signatures.
//!
//! A handler says by its types what it takes and answers: `Admin` needs a token and can end in 401 and 403, `Body<T>` reads a T
//! and can end in 422, `Created<T>` answers 201 with a T. What no type says, [`call`] adds: a name, a summary, and the
//! statuses that are the call's own.
//!
//! | module | what it does |
//! |---|---|
//! | `inputs` | what extractors take, and how they fail |
//! | `parts` | the pieces that descriptions are made of |
//! | `problems` | the statuses of errors and what each means |
//! | `join` | one set of schemas out of those of requests and those of answers |
//! | `page` | the document as a page |

mod inputs;
mod join;
mod page;
mod parts;
mod problems;

pub(crate) use page::{DOCS, docs};
pub(crate) use parts::{body, call, fails, header, request_schema, schema};

use crate::App;
use crate::problem::Problem;
use aide::axum::ApiRouter;
use aide::generate::{self, GenContext, in_context};
use aide::openapi::{Info, License, OpenApi, Operation, Response, SecurityScheme, Server, StatusCode};
use aide::transform::TransformOpenApi;
use aide::{OperationOutput, openapi};
use axum::body::Bytes;
use axum::extract::Extension;
use axum::http::header;
use axum::response::IntoResponse;
use axum::{Json, Router};
use schemars::generate::Contract;
use serde_json::{Map, Value};

/// Where the document is.
pub(crate) const PATH: &str = "/api/v1/openapi.json";

/// How the document calls the way to authenticate.
const TOKEN: &str = "token";

const INTRODUCTION: &str = "\
Delivers a platform's events to external systems through sandboxed providers.\n\
\n\
**Tokens.** Every call but the probes and this description needs `Authorization: Bearer TOKEN`. A token has scopes: `admin` may do \
everything, `read` may look, `emit` and `emit:PLUGIN` may emit. A token may be limited to one tenant: then nothing else exists for it.\n\
\n\
**Lists** come in parts: `?limit=` says how many at most (1 to 500, by default 50), and the `nextCursor` of one part is the `?cursor=` of the \
next; it is null at the end.\n\
\n\
**Revisions.** Subscriptions and connections answer with an `ETag`. A change with `If-Match: \"3\"` happens only if revision 3 is still \
the present one, and fails with 412 otherwise.\n\
\n\
**Changes** with `PATCH` are JSON merge patches (RFC 7396): what is absent stays, and null takes a value away. Where an answer shows \
`[secret]`, sending that text back keeps the stored secret.\n\
\n\
**Errors** are problem documents (RFC 9457) with a stable `code`; what was refused changed nothing. Any call may end in 500 or 503, and \
a path that does not know a method in 405.";

/// The document as it is served. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Document(Bytes);

impl IntoResponse for Document {
    fn into_response(self) -> axum::response::Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

impl OperationOutput for Document {
    type Inner = Self;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<Response> {
        Json::<Map<String, Value>>::operation_response(ctx, operation)
    }

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<StatusCode>, Response)> {
        Json::<Map<String, Value>>::inferred_responses(ctx, operation)
    }
}

/// The document.
pub(crate) async fn show(Extension(document): Extension<Document>) -> Document {
    document
}

/// The calls with their description. `calls` is called once, on this thread, where the library collects what the handlers say.
pub(crate) fn described(calls: impl FnOnce() -> ApiRouter<App>) -> Router<App> {
    generate::reset_context();
    // The schemas are joined with those of requests below.
    generate::extract_schemas(false);
    in_context(|ctx| ctx.schema = parts::generator(parts::ANSWERS, Contract::Serialize));
    parts::forget_requests();
    let mut api = OpenApi { info: info(), servers: vec![Server { url: "/".into(), ..Server::default() }], ..OpenApi::default() };
    let router = calls().finish_api_with(&mut api, with_token);
    let answers = in_context(|ctx| {
        ctx.schema.subschema_for::<Problem>();
        ctx.schema.take_definitions(true)
    });
    generate::reset_context();
    let document = join::document(&api, answers, parts::take_requests());
    router.layer(Extension(Document(document.to_string().into())))
}

fn info() -> Info {
    Info {
        title: "Postern".into(),
        description: Some(INTRODUCTION.into()),
        version: env!("CARGO_PKG_VERSION").into(),
        license: Some(License {
            name: env!("CARGO_PKG_LICENSE").into(),
            identifier: Some(env!("CARGO_PKG_LICENSE").into()),
            ..License::default()
        }),
        ..Info::default()
    }
}

fn with_token(api: TransformOpenApi<'_>) -> TransformOpenApi<'_> {
    let scheme = SecurityScheme::Http {
        scheme: "bearer".into(),
        bearer_format: None,
        description: Some("The first token is in the file `admin-token` of the data directory.".into()),
        extensions: openapi::OpenApi::default().extensions,
    };
    api.security_scheme(TOKEN, scheme)
}
