//! Builds of providers: adding one, those that are kept, the way back, and the files that are followed.

use super::providers::{View, view};
use crate::App;
use crate::access::{Admin, Read, Tenancy};
use crate::answer::{Page, Put};
use crate::body::{Body, Paging, Params, part, too_large};
use crate::document;
use crate::path::{Id, Path};
use crate::problem::Problem;
use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::{Operation, ReferenceOr};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_core::{PluginId, ProviderId, Timestamp};
use postern_delivery::catalog::{BuildStanding, KeptBuild, Offer, ProviderState};
use postern_delivery::folders::WatchedFile;
use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, Serialize};

/// The largest component that is read at all; the sandbox's own bound then judges it.
const LARGEST_COMPONENT: usize = 64 << 20;

/// Carries the signature of the component in the body.
const SIGNATURE: &str = "postern-signature";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Adding {
    /// The plugin that the provider belongs to: the first part of its id.
    plugin: PluginId,
}

/// The minisign signature of a component, in the header `Postern-Signature`: the whole `.minisig` file in base64.
#[derive(Debug)]
pub(super) struct Signature(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Signature {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        signature(&parts.headers).map(Self)
    }
}

fn signature(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(SIGNATURE) else { return Ok(None) };
    let text = STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Some).ok_or_else(|| {
        let detail = "Postern-Signature is not the content of a .minisig file in base64";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    })
}

impl OperationInput for Signature {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let schema = json_schema!({ "type": "string", "contentEncoding": "base64", "pattern": "^[A-Za-z0-9+/=]*$" });
        let description = "The minisign signature of the component: the whole content of its .minisig file, in base64.";
        document::header(operation, "Postern-Signature", description, schema);
        document::fails(operation, &[StatusCode::UNPROCESSABLE_ENTITY]);
    }
}

/// The bytes of a component.
#[derive(Debug)]
pub(super) struct ComponentFile(Bytes);

impl<S: Send + Sync> FromRequest<S> for ComponentFile {
    type Rejection = Problem;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Problem> {
        DefaultBodyLimit::max(LARGEST_COMPONENT).apply(&mut request);
        let bytes = Bytes::from_request(request, state).await;
        bytes.map(Self).map_err(|rejection| too_large(&rejection, LARGEST_COMPONENT))
    }
}

impl OperationInput for ComponentFile {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        document::body(operation, [("application/wasm", None)]);
        let statuses = [StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::UNPROCESSABLE_ENTITY];
        document::fails(operation, &statuses);
    }
}

/// Adds a component, or a new build of a provider. The answer's state is that of what was added: what asks for more than the
/// grant waits for approval, though a build before it may serve on.
pub(super) async fn add(
    access: Admin,
    State(app): State<App>,
    Params(Adding { plugin }): Params<Adding>,
    Signature(signature): Signature,
    ComponentFile(bytes): ComponentFile,
) -> Result<Put<Json<View>>, Problem> {
    access.everything()?;
    let offer = Offer { plugin, component: bytes.to_vec(), signature, file: None };
    let added = app.catalog.add_provider(offer).await?;
    let provider = app.catalog.provider(&added.id)?;
    let mut answer = view(&app, &provider);
    if provider.pending.is_some() {
        answer.state = ProviderState::AwaitingApproval;
    }
    Ok(Put { new: added.new, answer: Json(answer) })
}

/// A build of a provider.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ProviderBuild")]
pub(super) struct BuildView {
    /// Semantic version.
    version: String,
    /// SHA-256 of its component, in hex.
    digest: String,
    /// The size of its component in bytes.
    size: usize,
    /// What it is to the provider.
    standing: BuildStanding,
    /// When it was added for the last time; null for what came with the program.
    added_at: Option<Timestamp>,
    /// The file in a watched folder that it came from; null if somebody uploaded it, or it came with the program.
    file: Option<String>,
    /// The name of the key that it is signed with; null if it is not, or with none that is known here.
    signed_by: Option<String>,
    /// How many subscriptions pin this version; it is kept for as long as one does.
    pinned_by: usize,
}

fn build_view(KeptBuild { build, standing, pinned_by }: KeptBuild) -> BuildView {
    BuildView {
        version: build.version.to_string(),
        digest: build.digest,
        size: build.size,
        standing,
        added_at: Some(build.added_at).filter(|at| *at != Timestamp::default()),
        file: build.file,
        signed_by: build.signed_by,
        pinned_by,
    }
}

pub(super) async fn versions(
    _: Read,
    State(app): State<App>,
    Path(Id { id }): Path<Id<ProviderId>>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<BuildView>>, Problem> {
    let numbered: Vec<_> = app.catalog.versions(&id)?.into_iter().enumerate().collect();
    let (found, next) = part(numbered, |(place, _)| format!("{place:06}"), &paging)?;
    Ok(Page::of(found, next, |(_, build)| build_view(build)))
}

/// Which build to go back to; one of both, or none for the one before the present one.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Target {
    /// The newest that is kept of this version.
    #[serde(default)]
    version: Option<String>,
    /// The one with this digest, or with one that begins so: at least 8 digits.
    #[serde(default)]
    #[schemars(length(min = 8))]
    digest: Option<String>,
}

impl<S: Send + Sync> FromRequest<S> for Target {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::new(body), state)
            .await
            .map_err(|rejection| too_large(&rejection, crate::body::LARGEST))?;
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let Body(target) = Body::<Self>::from_request(Request::from_parts(parts, bytes.into()), state).await?;
        if target.version.is_some() && target.digest.is_some() {
            return Err(Problem::invalid("name the build by its version or by its digest, not by both"));
        }
        Ok(target)
    }
}

impl OperationInput for Target {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Body::<Self>::operation_input(ctx, operation);
        if let Some(ReferenceOr::Item(body)) = &mut operation.request_body {
            body.required = false;
        }
    }
}

/// Puts an earlier build in force again.
pub(super) async fn roll_back(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<ProviderId>>,
    Target { version, digest }: Target,
) -> Result<Json<View>, Problem> {
    access.everything()?;
    app.catalog.roll_back_provider(&id, version.or(digest).as_deref()).await?;
    Ok(Json(view(&app, &*app.catalog.provider(&id)?)))
}

/// The files in watched folders, and what became of them.
pub(super) async fn watched(
    _: Read,
    State(app): State<App>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<WatchedFile>>, Problem> {
    let (found, next) = part(app.catalog.watched_files(), |found| found.file.clone(), &paging)?;
    Ok(Page::of(found, next, |found| found))
}
