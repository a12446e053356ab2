//! What the server has already.

use super::declared::{Declared, Directory, Identity, Kind};
use super::place::Mistakes;
use anyhow::{Context, Result};
use postern_client::{Client, call::segment};
use postern_core::manifest::SettingsSchema;
use postern_events::settings::Form;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// An object as the server has it, secrets masked.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) identity: Identity,
    pub(super) id: String,
    pub(super) value: Value,
}

/// What a provider takes.
pub(super) struct Provider {
    config: Form,
    connection: Option<Form>,
}

impl Provider {
    /// The form of a subscription's or a connection's settings.
    pub(super) fn form(&self, kind: Kind) -> Option<&Form> {
        match kind {
            Kind::Connection => self.connection.as_ref(),
            Kind::EventType | Kind::Subscription => Some(&self.config),
        }
    }
}

/// What the server has that concerns a directory: all event types, and what belongs to the tenants that the directory names.
pub(super) struct Remote {
    /// Several of one name can be there: the server does not mind.
    objects: BTreeMap<(Kind, Identity), Vec<Object>>,
    /// By provider, for those that the directory names.
    pub(super) providers: BTreeMap<String, Provider>,
}

#[derive(Deserialize)]
struct Manifest {
    config: SettingsSchema,
    #[serde(default)]
    connection: Option<SettingsSchema>,
}

impl Remote {
    /// Asks the server. A provider that it does not have is noted as a mistake of whoever names it.
    ///
    /// # Errors
    /// The server does not answer, or refuses.
    pub(super) async fn read(client: &Client, directory: &Directory, tenant: &str, mistakes: &mut Mistakes) -> Result<Self> {
        let mut remote = Self { objects: BTreeMap::new(), providers: BTreeMap::new() };
        remote.list(client, Kind::EventType, None).await?;
        let mut tenants = directory.tenants();
        if tenants.is_empty() {
            tenants.insert(tenant);
        }
        for tenant in tenants {
            for kind in [Kind::Connection, Kind::Subscription] {
                remote.list(client, kind, Some(tenant)).await?;
            }
        }
        let mut missing = BTreeMap::new();
        for declared in &directory.objects {
            let Some(id) = declared.text("providerId") else { continue };
            if !remote.providers.contains_key(id) && !missing.contains_key(id) {
                match provider(client, id).await? {
                    Ok(provider) => {
                        remote.providers.insert(id.to_owned(), provider);
                    }
                    Err(reason) => {
                        missing.insert(id.to_owned(), reason);
                    }
                }
            }
            if let Some(reason) = missing.get(id) {
                mistakes.add(declared.place("/providerId"), reason.clone());
            }
        }
        Ok(remote)
    }

    async fn list(&mut self, client: &Client, kind: Kind, tenant: Option<&str>) -> Result<()> {
        let mut query = vec![("limit", "500".to_owned())];
        query.extend(tenant.map(|tenant| ("tenant", tenant.to_owned())));
        let items = client.list(kind.path(), &query, usize::MAX).await;
        let context = || match tenant {
            None => format!("the {kind}s cannot be listed"),
            Some(tenant) => format!("the {kind}s of the tenant `{tenant}` cannot be listed (--tenant chooses another)"),
        };
        for value in items.with_context(context)? {
            let object = Object::of(kind, value);
            self.objects.entry((kind, object.identity.clone())).or_default().push(object);
        }
        Ok(())
    }

    /// Those of this kind and identity.
    pub(super) fn find(&self, kind: Kind, identity: &Identity) -> &[Object] {
        self.objects.get(&(kind, identity.clone())).map(Vec::as_slice).unwrap_or_default()
    }

    /// All of a kind.
    pub(super) fn all(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.objects
            .range((kind, Identity { tenant: None, name: String::new() })..)
            .flat_map(|(_, objects)| objects)
            .take_while(move |object| object.kind == kind)
    }

    /// The ids of the connections by their names.
    pub(super) fn connection_ids(&self) -> BTreeMap<Identity, String> {
        self.all(Kind::Connection).map(|connection| (connection.identity.clone(), connection.id.clone())).collect()
    }

    /// The provider that a declared object names.
    pub(super) fn provider(&self, declared: &Declared) -> Option<&Provider> {
        self.providers.get(declared.text("providerId")?)
    }
}

impl Object {
    fn of(kind: Kind, value: Value) -> Self {
        let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let identity = match kind {
            Kind::EventType => Identity { tenant: None, name: text("id") },
            Kind::Connection | Kind::Subscription => Identity { tenant: Some(text("tenant")), name: text("name") },
        };
        Self { kind, identity, id: text("id"), value }
    }

    /// Its call.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.kind.path(), segment(&self.id))
    }

    /// The same as it is now, with the entity tag that a change is to name; none for event types, which have none.
    ///
    /// # Errors
    /// It is gone, or the server does not answer.
    pub(super) async fn refreshed(&self, client: &Client) -> Result<(Self, Option<String>)> {
        let context = || format!("the {} `{}` cannot be read", self.kind, self.identity);
        let tagged = client.get_tagged(&self.path()).await.with_context(context)?;
        Ok((Self { value: tagged.value, ..self.clone() }, tagged.tag))
    }
}

/// What a provider takes, or why that is not known.
async fn provider(client: &Client, id: &str) -> Result<Result<Provider, String>> {
    let mut shown = match client.get(&format!("/api/v1/providers/{}", segment(id))).await {
        Ok(shown) => shown,
        Err(error) if error.code() == Some("not-found") => {
            return Ok(Err(format!("there is no provider `{id}`; `postern provider list` shows those that are there")));
        }
        Err(error) => return Err(error).context(format!("the provider `{id}` cannot be read")),
    };
    let Ok(manifest) = serde_json::from_value::<Manifest>(shown["manifest"].take()) else {
        return Ok(Err(format!("{id} is not loaded, so its settings cannot be checked")));
    };
    let compile = |schema: &SettingsSchema| {
        Form::compile(schema)
            .map_err(|error| format!("this version of the command does not understand the schema of {id}: {error}"))
    };
    let forms = compile(&manifest.config)
        .and_then(|config| Ok(Provider { config, connection: manifest.connection.as_ref().map(compile).transpose()? }));
    Ok(forms)
}
