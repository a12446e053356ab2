//! Who changed what.

use crate::App;
use crate::access::{Admin, Tenancy};
use crate::answer::Page;
use crate::body::{Paging, Params};
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use postern_core::{TenantId, Timestamp};
use postern_delivery::audit::{Difference, Values};
use postern_store::{AuditEntry, AuditFilter, Kind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    /// Only what belongs to this tenant.
    tenant: Option<TenantId>,
    /// Only what was done by this one: a token's name or id, or `postern` for the host itself.
    actor: Option<String>,
    /// Only what was done to the object with this id.
    object: Option<String>,
    /// Only what was done at this time or later.
    since: Option<Timestamp>,
    /// Only what was done before this time.
    until: Option<Timestamp>,
    /// At most so many, 1 to 500. Default: 50.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// The `nextCursor` of the part before.
    cursor: Option<String>,
}

/// Something that was done.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AuditRecord")]
pub(super) struct Record {
    /// When.
    at: Timestamp,
    /// Who: a token's name, `postern` for the host itself, `unknown` for whoever has no valid token.
    actor: String,
    /// The id of the actor's token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// Where the request came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    address: Option<IpAddr>,
    /// What: `subscription.create`, `provider.approve`, …
    action: String,
    /// To which kind of object: `subscription`, `eventType`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    kind: Option<Kind>,
    /// The id of what was made, changed or removed.
    object: String,
    /// Whose it is; absent: everybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    /// The names of its fields that were set, changed or removed.
    changed: Vec<String>,
    /// The values of those of them that are short and never secret.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    values: BTreeMap<String, Values>,
}

impl From<AuditEntry> for Record {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { at, actor, token, address, action, kind, object, tenant, detail } = entry;
        let difference = detail.and_then(|detail| serde_json::from_str(detail.as_str()).ok());
        let Difference { changed, values } = difference.unwrap_or_default();
        Self { at, actor, token, address, action, kind, object, tenant, changed, values }
    }
}

/// What was done, newest first.
pub(super) async fn list(
    access: Admin,
    State(app): State<App>,
    Params(listing): Params<Listing>,
) -> Result<Json<Page<Record>>, Problem> {
    let request = Paging { limit: listing.limit, cursor: listing.cursor }.request()?;
    let filter = AuditFilter {
        tenant: access.tenant(listing.tenant)?,
        actor: listing.actor,
        object: listing.object,
        since: listing.since,
        until: listing.until,
    };
    let found = app.store.list_audit(filter, request).await?;
    Ok(Page::of(found.items, found.next, Record::from))
}
