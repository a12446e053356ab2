//! What a provider says of itself, checked.

use crate::host_pattern::{HostPattern, ParseHostPatternError, Section};
use crate::id::{PluginId, ProviderId};
use crate::subscription::EventPattern;
use crate::{client_certificate, oauth2, secret_hosts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stands in every answer in the place of a secret, and in an update for "keep what is stored".
pub const SECRET_MARK: &str = "[secret]";

/// The largest manifest in bytes, counted over all its texts: 256 KiB. The largest bundled one has a tenth of it.
pub const LARGEST_MANIFEST: usize = 256 * 1024;

/// What a provider says of itself, checked. See `wit/provider.wit` for each field's meaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// `{plugin}.{id}`.
    pub id: ProviderId,
    /// Semantic version.
    pub version: semver::Version,
    /// 1 to 100 characters.
    pub display_name: String,
    /// At most 1000 characters.
    pub description: String,
    /// A Lucide icon's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// The event types that it can deliver; none means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supported_events: Option<Vec<EventPattern>>,
    /// The settings of a subscription.
    pub config: SettingsSchema,
    /// The settings of a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<SettingsSchema>,
    /// What it wants to reach.
    pub hosts: Vec<HostPattern>,
    /// Which optional exports it implements.
    pub implements: Capabilities,
    /// For administrators.
    pub documentation: Documentation,
    /// How fast the target may be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateHint>,
}

/// A version and a JSON Schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SettingsSchema {
    /// From 1.
    pub version: u32,
    /// An object schema.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub schema: serde_json::Value,
}

/// Which optional exports a provider implements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "one flag for each export, as in the contract")]
pub struct Capabilities {
    /// `test-connection`.
    pub test_connection: bool,
    /// `list-options`.
    pub list_options: bool,
    /// `migrate-config`.
    pub migrate_config: bool,
    /// `reconcile`.
    pub reconcile: bool,
    /// A repeated delivery does no harm.
    pub idempotent: bool,
}

/// What administrators read beside the form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Documentation {
    /// Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_guide: Option<String>,
    /// What the target receives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example_payload: Option<String>,
    /// The headers that the target receives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<DocumentedHeader>,
    /// A page to read further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// A header that the target receives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentedHeader {
    /// Its name.
    pub name: String,
    /// What it says.
    pub description: String,
}

/// At most so many calls in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateHint {
    /// How many, at least 1.
    pub calls: u32,
    /// In how many milliseconds, at least 1.
    pub per_milliseconds: u32,
}

/// A manifest as a component returns it, not yet checked.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "field for field the contract's record, which documents them")]
pub struct Draft {
    pub id: String,
    pub version: String,
    pub display_name: String,
    pub description: String,
    pub icon: Option<String>,
    pub supported_events: Option<Vec<String>>,
    pub config: (u32, String),
    pub connection: Option<(u32, String)>,
    pub hosts: Vec<String>,
    pub implements: Capabilities,
    pub documentation: Documentation,
    pub rate: Option<RateHint>,
}

/// What is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the manifest's {field}: {reason}")]
pub struct ManifestError {
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

fn bad(field: &'static str) -> impl Fn(String) -> ManifestError {
    move |reason| ManifestError { field, reason }
}

impl Manifest {
    /// Checks what a component of `plugin` says of itself.
    ///
    /// Whether the schemas are JSON Schemas is for the caller to check, who has the library for it.
    ///
    /// # Errors
    /// The first field that does not hold what the contract says.
    pub fn check(plugin: &PluginId, draft: Draft) -> Result<Self, ManifestError> {
        Self::check_all(plugin, draft).map_err(|mut errors| errors.swap_remove(0))
    }

    /// The same, for who wants to mend all of it at once.
    ///
    /// # Errors
    /// Every field that does not hold what the contract says: one at least.
    pub fn check_all(plugin: &PluginId, draft: Draft) -> Result<Self, Vec<ManifestError>> {
        let mut errors = Vec::new();
        let size = size(&draft);
        if size > LARGEST_MANIFEST {
            errors.push(bad("texts")(format!("{size} bytes; at most {LARGEST_MANIFEST} are allowed")));
        }
        let id = keep(&mut errors, ProviderId::new(plugin, &draft.id).map_err(|e| bad("id")(e.to_string())));
        let version = draft.version.parse::<semver::Version>();
        let version = keep(&mut errors, version.map_err(|e| bad("version")(format!("`{}`: {e}", draft.version))));
        if draft.display_name.trim().is_empty() || draft.display_name.chars().count() > 100 {
            errors.push(bad("display-name")("1 to 100 characters are needed".into()));
        }
        if draft.description.chars().count() > 1000 {
            errors.push(bad("description")("at most 1000 characters are allowed".into()));
        }
        let event = |event: &String| event.parse().map_err(|e: crate::id::ParseIdError| bad("supported-events")(e.to_string()));
        let supported_events =
            draft.supported_events.map(|events| events.iter().filter_map(|text| keep(&mut errors, event(text))).collect());
        let host = |host: &String| host.parse().map_err(|e: ParseHostPatternError| bad("hosts")(e.to_string()));
        let hosts: Vec<HostPattern> = draft.hosts.iter().filter_map(|text| keep(&mut errors, host(text))).collect();
        let config = keep(&mut errors, settings_schema("config", draft.config));
        let connection = draft.connection.map(|connection| keep(&mut errors, settings_schema("connection", connection)));
        if let (Some(config), Some(connection)) =
            (&config, connection.as_ref().map_or(Some(None), |read| read.as_ref().map(Some)))
        {
            errors.extend(check_together(&hosts, config, connection));
        }
        if draft.rate.is_some_and(|rate| rate.calls == 0 || rate.per_milliseconds == 0) {
            errors.push(bad("rate")("both numbers must be at least 1".into()));
        }
        match (id, version, config) {
            (Some(id), Some(version), Some(config)) if errors.is_empty() => Ok(Self {
                id,
                version,
                display_name: draft.display_name,
                description: draft.description,
                icon: draft.icon,
                supported_events,
                config,
                connection: connection.flatten(),
                hosts,
                implements: draft.implements,
                documentation: draft.documentation,
                rate: draft.rate,
            }),
            _ => Err(errors),
        }
    }
}

/// What is right is kept, what is wrong is noted.
fn keep<T>(errors: &mut Vec<ManifestError>, checked: Result<T, ManifestError>) -> Option<T> {
    checked.map_err(|error| errors.push(error)).ok()
}

/// How many bytes all texts have.
fn size(draft: &Draft) -> usize {
    draft.config.1.len()
        + draft.connection.as_ref().map_or(0, |(_, schema)| schema.len())
        + draft.description.len()
        + draft.documentation.setup_guide.as_ref().map_or(0, String::len)
        + draft.documentation.example_payload.as_ref().map_or(0, String::len)
        + draft.documentation.headers.iter().map(|header| header.name.len() + header.description.len()).sum::<usize>()
        + draft.hosts.iter().map(String::len).sum::<usize>()
        + draft.supported_events.iter().flatten().map(String::len).sum::<usize>()
}

/// What hosts and schemas say of each other.
fn check_together(hosts: &[HostPattern], config: &SettingsSchema, connection: Option<&SettingsSchema>) -> Vec<ManifestError> {
    let knows = |pattern: &HostPattern| {
        pattern.field().is_none_or(|field| {
            let schema = match field.section {
                Section::Config => Some(&config.schema),
                Section::Connection => connection.map(|connection| &connection.schema),
            };
            schema.and_then(|schema| schema.get("properties")?.get(&field.name)).is_some()
        })
    };
    let unknown = hosts.iter().filter(|host| !knows(host));
    let unknown = unknown.map(|host| bad("hosts")(format!("`{host}` names a field that its schema does not have")));
    let of_config = [
        secret_hosts::check(&config.schema, Section::Config, &knows),
        oauth2::check(&config.schema, false),
        client_certificate::check(&config.schema, false),
    ];
    let of_connection = connection.map(|connection| {
        [
            oauth2::check(&connection.schema, true),
            client_certificate::check(&connection.schema, true),
            secret_hosts::check(&connection.schema, Section::Connection, &knows),
        ]
    });
    let of_config = of_config.into_iter().filter_map(Result::err).map(bad("config"));
    let of_connection = of_connection.into_iter().flatten().filter_map(Result::err).map(bad("connection"));
    unknown.chain(of_config).chain(of_connection).collect()
}

fn settings_schema(field: &'static str, (version, schema): (u32, String)) -> Result<SettingsSchema, ManifestError> {
    if version == 0 {
        return Err(bad(field)("versions count from 1".into()));
    }
    let schema: serde_json::Value =
        serde_json::from_str(&schema).map_err(|e| bad(field)(format!("the schema is no JSON: {e}")))?;
    if schema.get("type").and_then(serde_json::Value::as_str) != Some("object") {
        return Err(bad(field)("the schema must describe an object: \"type\": \"object\"".into()));
    }
    Ok(SettingsSchema { version, schema })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            id: "webhook".into(),
            version: "1.0.0".into(),
            display_name: "Webhook".into(),
            description: String::new(),
            icon: None,
            supported_events: None,
            config: (1, r#"{"type":"object","properties":{"url":{"type":"string"}}}"#.into()),
            connection: None,
            hosts: vec!["{config.url}".into()],
            implements: Capabilities::default(),
            documentation: Documentation::default(),
            rate: None,
        }
    }

    #[test]
    fn a_good_manifest_passes_and_gets_its_whole_id() {
        let manifest = Manifest::check(&"postern".parse().unwrap(), draft()).unwrap();
        assert_eq!(manifest.id.as_str(), "postern.webhook");
    }

    #[test]
    fn all_that_is_wrong_can_be_told_at_once() {
        let mut draft = draft();
        (draft.id, draft.version, draft.hosts) = ("web.hook".into(), "1".into(), vec!["*".into(), "{config.uri}".into()]);
        (draft.config, draft.rate) = ((0, "{}".into()), Some(RateHint { calls: 0, per_milliseconds: 1 }));
        let errors = Manifest::check_all(&"postern".parse().unwrap(), draft).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|error| error.field).collect();
        assert_eq!(fields, ["id", "version", "hosts", "config", "rate"]);
    }

    #[test]
    fn each_bad_field_is_named() {
        let check = |change: fn(&mut Draft)| {
            let mut draft = draft();
            change(&mut draft);
            Manifest::check(&"postern".parse().unwrap(), draft).unwrap_err().field
        };
        assert_eq!(check(|d| d.id = "web.hook".into()), "id");
        assert_eq!(check(|d| d.version = "1".into()), "version");
        assert_eq!(check(|d| d.display_name = " ".into()), "display-name");
        assert_eq!(check(|d| d.hosts = vec!["*".into()]), "hosts");
        assert_eq!(check(|d| d.hosts = vec!["{config.uri}".into()]), "hosts");
        assert_eq!(check(|d| d.hosts = vec!["{connection.url}".into()]), "hosts");
        assert_eq!(check(|d| d.hosts = vec!["{config.site}.example.com".into()]), "hosts");
        assert_eq!(check(|d| d.config = (0, "{}".into())), "config");
        assert_eq!(check(|d| d.config = (1, "[]".into())), "config");
        assert_eq!(check(|d| d.connection = Some((1, "{".into()))), "connection");
        let secret = |hosts: &str| {
            (1, format!(r#"{{"type":"object","properties":{{"t":{{"type":"string","writeOnly":true,"x-hosts":{hosts}}}}}}}"#))
        };
        let refused = |change: &dyn Fn(&mut Draft)| {
            let mut draft = draft();
            change(&mut draft);
            Manifest::check(&"postern".parse().unwrap(), draft).unwrap_err().field
        };
        assert_eq!(refused(&|d| (d.hosts, d.config) = (Vec::new(), secret(r#"["*"]"#))), "config");
        assert_eq!(refused(&|d| d.connection = Some(secret(r#"["{config.url}"]"#))), "connection");
        assert_eq!(refused(&|d| d.connection = Some(secret(r#"["{connection.url}"]"#))), "connection");
        assert_eq!(check(|d| d.supported_events = Some(vec!["*".into()])), "supported-events");
        assert_eq!(check(|d| d.description = "x".repeat(1001)), "description");
        assert_eq!(check(|d| d.documentation.setup_guide = Some("x".repeat(300_000))), "texts");
        assert_eq!(check(|d| d.rate = Some(RateHint { calls: 0, per_milliseconds: 1 })), "rate");
    }
}
