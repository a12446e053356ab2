//! Whether a daemon would take a component, all reasons why not, and what its operator would be asked.

use crate::error::told;
use crate::script::Script;
use crate::tools::Tools;
use crate::workbench::Workbench;
use crate::{Error, icons};
use postern_core::Manifest;
use postern_core::manifest::SettingsSchema;
use postern_events::settings::Form;
use postern_runtime::Anatomy;
use serde::Serialize;
use serde_json::{Map, Value};

/// What checking found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// Whether a daemon with these bounds takes it.
    pub accepted: bool,
    /// Why not: all that is known.
    pub problems: Vec<String>,
    /// What nobody refuses and somebody should mend.
    pub warnings: Vec<String>,
    /// What its operator would be asked, and what would be told.
    pub asks: Vec<String>,
    /// What the file is made of.
    pub file: Anatomy,
    /// What it says of itself, if it says so well.
    pub manifest: Option<Manifest>,
    /// How many bytes of memory its description took.
    pub memory: Option<usize>,
    /// How many bytes a component may have.
    pub largest: usize,
    /// How many bytes of memory a call may take.
    pub most_memory: usize,
}

/// What is in a component.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspected {
    /// What the file is made of.
    #[serde(flatten)]
    pub file: Anatomy,
    /// What it says of itself.
    pub manifest: Option<Manifest>,
    /// Why that is not known, if it is not.
    pub problems: Vec<String>,
}

/// Names of fields that hold a credential more often than not.
const CREDENTIALS: [&str; 6] = ["token", "secret", "password", "apikey", "privatekey", "credential"];

/// What a component says of itself, as far as it gets.
struct Described {
    manifest: Option<Manifest>,
    problems: Vec<String>,
    memory: Option<usize>,
}

impl Tools {
    /// Checks a component.
    ///
    /// # Errors
    /// This machine cannot do it. What is wrong with the component is no error but stands in the result.
    pub async fn check(&self, component: Vec<u8>) -> Result<Checked, Error> {
        let file = Anatomy::of(&component);
        let Described { manifest, mut problems, memory } = self.describe(component.clone()).await;
        if problems.is_empty() {
            // The last word has the daemon itself.
            match Workbench::add(self, component, None, &Script::default()).await {
                Ok(bench) => bench.close().await,
                Err(Error::Refused(error)) => problems.push(told(&error)),
                Err(other) => return Err(other),
            }
        }
        let (warnings, asks) = match &manifest {
            Some(manifest) => (warnings(manifest), asks(manifest)),
            None => Default::default(),
        };
        let limits = self.runtime.limits();
        Ok(Checked {
            accepted: problems.is_empty(),
            problems,
            warnings,
            asks,
            file,
            manifest,
            memory,
            largest: limits.component_bytes,
            most_memory: limits.memory_bytes,
        })
    }

    /// Looks into a component.
    pub async fn inspect(&self, component: Vec<u8>) -> Inspected {
        let file = Anatomy::of(&component);
        let Described { manifest, problems, .. } = self.describe(component).await;
        Inspected { file, manifest, problems }
    }

    /// As the daemon does when one is added, but for going on after the first problem.
    async fn describe(&self, component: Vec<u8>) -> Described {
        let failed = |problem: String| Described { manifest: None, problems: vec![problem], memory: None };
        let component = match self.runtime.load(component).await {
            Ok(component) => component,
            Err(error) => return failed(error.to_string()),
        };
        let report = component.describe().await;
        let memory = Some(report.memory);
        let draft = match report.result {
            Ok(draft) => draft,
            Err(error) => return Described { memory, ..failed(format!("`describe`: {error}")) },
        };
        let manifest = match Manifest::check_all(&self.setup.plugin, draft) {
            Ok(manifest) => manifest,
            Err(errors) => {
                let problems = errors.iter().map(ToString::to_string).collect();
                return Described { manifest: None, problems, memory };
            }
        };
        let wrong = |(name, schema): (&str, &SettingsSchema)| {
            let error = Form::compile(schema).err()?;
            Some(format!("the manifest's {name}: its schema is not usable: {}: {}", error.0.path, error.0.message))
        };
        let problems = sections(&manifest).filter_map(wrong).collect();
        Described { manifest: Some(manifest), problems, memory }
    }
}

fn warnings(manifest: &Manifest) -> Vec<String> {
    let mut warnings = Vec::new();
    match manifest.icon.as_deref().map(|icon| (icon, icons::look_up(icon))) {
        None => warnings.push("icon: there is none; choose one of Lucide's".to_owned()),
        Some((_, Ok(()))) => {}
        Some((icon, Err(nearest))) => {
            let hint = nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
            warnings.push(format!("icon: Lucide has no `{icon}`{hint}"));
        }
    }
    if manifest.description.trim().is_empty() {
        warnings.push("description: there is none; say in a sentence what the provider does".into());
    }
    if manifest.documentation.setup_guide.is_none() {
        warnings.push("documentation: there is no setup guide; an administrator needs to know what to do at the target".into());
    }
    if manifest.hosts.is_empty() {
        warnings.push("hosts: it asks for none, so it can reach nothing unless an operator grants more".into());
    }
    if let Some(any) = manifest.hosts.iter().find(|host| host.is_any_host()) {
        warnings.push(format!("hosts: `{any}` is every host; few operators grant that"));
    }
    for (name, schema) in sections(manifest) {
        for (field, schema) in properties(schema) {
            let bare: String = field.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
            let text = schema.get("type").is_none_or(|kind| kind == "string" || *kind == serde_json::json!(["string", "null"]));
            if text && CREDENTIALS.iter().any(|word| bare.ends_with(word)) && schema.get("writeOnly").is_none() {
                warnings.push(format!("{name}: `{field}` looks like a credential and is none: mark it with `writeOnly: true`"));
            }
            if schema.get("description").is_none() && schema.get("title").is_none() && schema.get("$ref").is_none() {
                warnings.push(format!("{name}: `{field}` has neither a title nor a description"));
            }
        }
    }
    warnings
}

/// What an operator is asked, and told.
fn asks(manifest: &Manifest) -> Vec<String> {
    let mut asks = Vec::new();
    for host in &manifest.hosts {
        asks.push(match host.field() {
            Some(field) => format!("to reach {host}: the host in each subscription's or connection's `{}`", field.name),
            None => format!("to reach {host}"),
        });
    }
    if asks.is_empty() {
        asks.push("to reach nothing".into());
    } else {
        asks.push(format!("the answer is: postern provider approve {}", manifest.id));
    }
    for (name, schema) in sections(manifest) {
        let secrets = properties(schema).filter(|(_, schema)| schema.get("writeOnly") == Some(&Value::Bool(true)));
        for (field, schema) in secrets {
            let hosts = schema.get("x-hosts").and_then(Value::as_array);
            let goes = match hosts.map(|hosts| hosts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")) {
                None if name == "connection" => "to the hosts above that no subscription chooses".to_owned(),
                None => "to the hosts above".to_owned(),
                Some(none) if none.is_empty() => "nowhere; it signs".to_owned(),
                Some(hosts) => format!("to {hosts}"),
            };
            asks.push(format!("the secret {name}.{field} goes {goes}"));
        }
    }
    if let Some(rate) = manifest.rate {
        asks.push(format!("its calls are kept to {} in {} ms", rate.calls, rate.per_milliseconds));
    }
    asks
}

/// The settings that a provider has, by the names of their sections.
fn sections(manifest: &Manifest) -> impl Iterator<Item = (&'static str, &SettingsSchema)> {
    let connection = manifest.connection.iter().map(|schema| ("connection", schema));
    std::iter::once(("config", &manifest.config)).chain(connection)
}

/// The fields of a schema at its top.
fn properties(schema: &SettingsSchema) -> impl Iterator<Item = (&String, &Map<String, Value>)> {
    let properties = schema.schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().filter_map(|(name, schema)| Some((name, schema.as_object()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_core::manifest::{Capabilities, Draft, RateHint};
    use serde_json::json;

    fn manifest(schema: &Value, icon: &str) -> Manifest {
        let draft = Draft {
            id: "x".into(),
            version: "1.0.0".into(),
            display_name: "X".into(),
            description: String::new(),
            icon: Some(icon.into()),
            supported_events: None,
            config: (1, schema.to_string()),
            connection: None,
            hosts: vec!["{config.url}".into(), "api.example.com".into()],
            implements: Capabilities::default(),
            documentation: Default::default(),
            rate: Some(RateHint { calls: 5, per_milliseconds: 1000 }),
        };
        Manifest::check(&"local".parse().unwrap(), draft).unwrap()
    }

    #[test]
    fn what_should_be_mended_and_what_is_asked_is_told() {
        let schema = json!({"type": "object", "properties": {
            "url": {"type": "string", "title": "URL"},
            "apiToken": {"type": "string", "title": "Token"},
            "key": {"type": "string", "writeOnly": true, "description": "Signs.", "x-hosts": []},
        }});
        let manifest = manifest(&schema, "webhok");
        assert_eq!(
            warnings(&manifest),
            [
                "icon: Lucide has no `webhok`; did you mean `webhook`?",
                "description: there is none; say in a sentence what the provider does",
                "documentation: there is no setup guide; an administrator needs to know what to do at the target",
                "config: `apiToken` looks like a credential and is none: mark it with `writeOnly: true`",
            ]
        );
        assert_eq!(
            asks(&manifest),
            [
                "to reach {config.url}: the host in each subscription's or connection's `url`",
                "to reach api.example.com",
                "the answer is: postern provider approve local.x",
                "the secret config.key goes nowhere; it signs",
                "its calls are kept to 5 in 1000 ms",
            ]
        );
    }
}
