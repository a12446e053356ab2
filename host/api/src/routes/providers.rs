//! Providers: what there is, and what each may do.

use crate::App;
use crate::access::{Admin, Read, Tenancy};
use crate::answer::Page;
use crate::body::{Body, Paging, Params, part};
use crate::path::{Id, Path};
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::NoContent;
use postern_core::delivery::LogLine;
use postern_core::grant::Grant;
use postern_core::host_pattern::HostPattern;
use postern_core::{ConnectionId, Exchange, Manifest, ProviderId};
use postern_delivery::catalog::{Provider, ProviderState};
use postern_delivery::folders::WatchedFile;
use postern_delivery::{OptionItem, Question, Report, Trial};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A provider.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Provider")]
pub(super) struct View {
    id: ProviderId,
    display_name: String,
    /// Semantic version.
    version: String,
    /// SHA-256 of its component, in hex.
    digest: String,
    /// The size of its component in bytes.
    size: usize,
    /// The version of the contract that it speaks; null if it is not loaded.
    contract: Option<String>,
    /// Whether it came with the program.
    bundled: bool,
    /// What the operator allows it.
    grant: Grant,
    /// The hosts that it asks for beyond the grant.
    asks: Vec<HostPattern>,
    /// A newer build that waits for approval; null if there is none.
    pending: Option<PendingBuild>,
    /// The name of the key that its component is signed with; null if it is not, or with none that is known here.
    signed_by: Option<String>,
    /// The file in a watched folder that it follows; null if it follows none.
    watched: Option<WatchedFile>,
    manifest: Manifest,
    /// How many subscriptions and connections still have settings of another version than it takes; only where one provider
    /// is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    unmigrated: Option<usize>,
    #[serde(flatten)]
    pub(super) state: ProviderState,
}

/// A build that waits for approval.
#[derive(Debug, Serialize, JsonSchema)]
struct PendingBuild {
    /// Semantic version.
    version: String,
    /// SHA-256 of its component, in hex.
    digest: String,
}

pub(super) fn view(app: &App, provider: &Provider) -> View {
    let file = provider.followed.as_ref().map(|followed| &followed.file);
    let watched = file.map(|file| {
        let known = app.catalog.watched_files().into_iter().find(|known| known.file == *file);
        known.unwrap_or_else(|| WatchedFile { file: file.clone(), provider: Some(provider.manifest.id.clone()), problem: None })
    });
    let manifest = &provider.manifest;
    View {
        id: manifest.id.clone(),
        display_name: manifest.display_name.clone(),
        version: manifest.version.to_string(),
        digest: provider.digest.clone(),
        size: provider.size,
        contract: provider.contract(),
        bundled: provider.bundled,
        grant: (*provider.grant).clone(),
        asks: provider.asks().into_iter().cloned().collect(),
        pending: provider
            .pending
            .as_ref()
            .map(|pending| PendingBuild { version: pending.build.version.to_string(), digest: pending.build.digest.clone() }),
        signed_by: provider.in_force().and_then(|build| build.signed_by),
        watched,
        manifest: manifest.clone(),
        unmigrated: None,
        state: provider.state.clone(),
    }
}

pub(super) async fn list(_: Read, State(app): State<App>, Params(paging): Params<Paging>) -> Result<Json<Page<View>>, Problem> {
    let (found, next) = part(app.catalog.providers(), |provider| provider.manifest.id.to_string(), &paging)?;
    Ok(Page::of(found, next, |provider| view(&app, &provider)))
}

pub(super) async fn show(_: Read, State(app): State<App>, Path(Id { id }): Path<Id<ProviderId>>) -> Result<Json<View>, Problem> {
    if app.catalog.provider(&id)?.digest.is_empty() {
        // At a first start nothing is known of it before it is loaded.
        app.catalog.settled(&id).await;
    }
    let unmigrated = Some(app.catalog.unmigrated(&id));
    Ok(Json(View { unmigrated, ..view(&app, &*app.catalog.provider(&id)?) }))
}

pub(super) async fn approve(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<ProviderId>>,
) -> Result<Json<View>, Problem> {
    access.everything()?;
    app.catalog.approve_provider(&id).await?;
    Ok(Json(view(&app, &*app.catalog.provider(&id)?)))
}

/// Lets a quarantined or disabled provider deliver again.
pub(super) async fn enable(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<ProviderId>>,
) -> Result<Json<View>, Problem> {
    access.everything()?;
    app.catalog.enable_provider(&id).await?;
    Ok(Json(view(&app, &*app.catalog.provider(&id)?)))
}

/// Pauses a provider.
pub(super) async fn disable(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<ProviderId>>,
) -> Result<Json<View>, Problem> {
    access.everything()?;
    app.catalog.disable_provider(&id).await?;
    Ok(Json(view(&app, &*app.catalog.provider(&id)?)))
}

pub(super) async fn grant(
    _: Read,
    State(app): State<App>,
    Path(Id { id }): Path<Id<ProviderId>>,
) -> Result<Json<Grant>, Problem> {
    Ok(Json((*app.catalog.provider(&id)?.grant).clone()))
}

pub(super) async fn set_grant(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<ProviderId>>,
    Body(grant): Body<Grant>,
) -> Result<Json<Grant>, Problem> {
    access.everything()?;
    Ok(Json((*app.catalog.set_grant(&id, grant).await?.grant).clone()))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Removal {
    /// Whether to remove it although subscriptions use it: their deliveries then wait until it is added again. Default: no.
    #[serde(default)]
    force: bool,
}

pub(super) async fn remove(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<ProviderId>>,
    Params(removal): Params<Removal>,
) -> Result<NoContent, Problem> {
    access.everything()?;
    app.catalog.remove_provider(&id, removal.force).await?;
    Ok(NoContent)
}

pub(super) async fn test_connection(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<ProviderId>>,
    Body(trial): Body<Trial>,
) -> Result<Json<Tested>, Problem> {
    own_connection(&access, &app, trial.connection_id)?;
    Ok(Json(Tested::from(app.catalog.test_connection(&id, trial).await?)))
}

/// A connection of another tenant is not there.
fn own_connection(access: &Admin, app: &App, id: Option<ConnectionId>) -> Result<(), Problem> {
    match id {
        Some(id) if !access.sees(&app.catalog.connection(id)?.connection.tenant) => Err(Problem::not_found("connection", id)),
        _ => Ok(()),
    }
}

/// What a test of settings came to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TestResult")]
pub(super) struct Tested {
    success: bool,
    /// What the provider says, or why it did not answer.
    message: String,
    /// The requests that it made.
    exchanges: Vec<Exchange>,
    /// What it wrote to its log.
    log: Vec<LogLine>,
}

impl From<Report<Result<String, String>>> for Tested {
    fn from(report: Report<Result<String, String>>) -> Self {
        let (success, message) = match report.result {
            Ok(Ok(message)) => (true, message),
            Ok(Err(message)) => (false, message),
            Err(error) => (false, error.to_string()),
        };
        Self { success, message, exchanges: report.exchanges, log: report.log }
    }
}

/// An entry of a drop-down.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DropDownEntry")]
pub(super) struct Choice {
    /// What the settings hold.
    value: String,
    /// What people read.
    label: String,
    description: Option<String>,
}

pub(super) async fn options(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<ProviderId>>,
    Body(question): Body<Question>,
) -> Result<Json<Page<Choice>>, Problem> {
    own_connection(&access, &app, question.connection_id)?;
    let report = app.catalog.options(&id, question).await?;
    let failed = |message| Problem::new(StatusCode::BAD_GATEWAY, "provider-failed", message);
    let items = report.result.map_err(|error| failed(error.to_string()))?.map_err(failed)?;
    let choice = |item: OptionItem| Choice { value: item.value, label: item.label, description: item.description };
    Ok(Page::of(items, None, choice))
}
