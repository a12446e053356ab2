//! Brings settings of an older version of a schema to the version of a provider's build. Nothing is stored here.
//!
//! The provider's `migrate-config` sees a placeholder in the place of each secret. Where the placeholders are afterwards, the
//! secrets are put back, and the whole is then checked as if somebody had offered it.

use super::{Provider, host_fields, settings};
use postern_core::Json;
use postern_core::host_pattern::{Section, host_of};
use postern_core::manifest::SECRET_MARK;
use postern_egress::{Seals, Secret};
use postern_events::Violation;
use postern_events::settings::{Form, LARGEST, Secrets};
use postern_runtime::SettingsKind;
use postern_store::vault::Vault;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// At most so many places are named in a problem.
const MOST_PLACES: usize = 3;

/// Settings as they are stored.
#[derive(Clone, Copy)]
pub(super) struct Old<'a> {
    /// The id of the subscription or the connection, which its secrets are bound to.
    pub(super) record: &'a str,
    pub(super) kind: SettingsKind,
    /// With marks in the places of secrets.
    pub(super) value: &'a Value,
    /// The version of the schema that they were written for.
    pub(super) version: u32,
    pub(super) secrets: &'a Secrets,
}

/// Settings that were brought forward.
pub(super) struct New {
    /// With marks in the places of secrets.
    pub(super) value: Value,
    pub(super) version: u32,
    pub(super) secrets: Secrets,
    /// The templates that the old settings did not have, by pointer.
    pub(super) templates: Vec<(String, String)>,
}

impl Provider {
    /// The form of its subscriptions' settings or of its connections', if it is loaded and has any.
    pub(super) fn form_of(&self, kind: SettingsKind) -> Option<&Form> {
        match kind {
            SettingsKind::Config => self.form.as_deref(),
            SettingsKind::Connection => self.connection_form.as_deref(),
        }
    }
}

/// Why settings are not of the version that a build takes, and what to do.
pub(super) fn problem(provider: &Provider, kind: SettingsKind, from: u32, reason: &str) -> String {
    let (id, build) = (&provider.manifest.id, &provider.manifest.version);
    let what = match kind {
        SettingsKind::Config => "settings",
        SettingsKind::Connection => "connection settings",
    };
    let to = provider.form_of(kind).map(Form::version).unwrap_or_default();
    let first = format!("these are {what} of version {from}, and {id} {build} takes version {to}");
    if from > to {
        format!("{first}, which is older: {reason}. Put a newer build in force, or change the settings")
    } else {
        format!("{first}; they could not be brought forward: {reason}. Add a repaired build, or change the settings")
    }
}

/// Why settings cannot be used that nobody tried to bring forward yet.
pub(super) fn waiting(provider: &Provider, kind: SettingsKind, from: u32) -> String {
    let (id, build) = (&provider.manifest.id, &provider.manifest.version);
    let to = provider.form_of(kind).map(Form::version).unwrap_or_default();
    format!(
        "they are still settings of version {from}, and {id} {build} takes version {to}; they are about to be brought forward"
    )
}

/// Brings settings forward.
///
/// # Errors
/// Why they cannot be: the place and the reason, without a secret.
pub(super) async fn bring_forward(vault: &Vault, provider: &Provider, old: Old<'_>) -> Result<New, String> {
    let form = provider.form_of(old.kind).ok_or_else(|| format!("{} has no such settings", provider.manifest.id))?;
    let component = provider.component.as_ref().ok_or_else(|| format!("{} is not loaded", provider.manifest.id))?;
    let hidden = hide(vault, old)?;
    let (mut value, places) = if provider.manifest.implements.migrate_config {
        let report = component.migrate_config(old.kind, old.version, hidden.value.to_string()).await;
        let answer = report.result.map_err(|error| hidden.mask(&error.to_string()))?;
        let text = answer.map_err(|refusal| format!("the provider says: {}", hidden.mask(&refusal)))?;
        if text.len() > LARGEST {
            return Err(format!("the provider's answer has {} bytes; at most {LARGEST} are allowed", text.len()));
        }
        let value = Json::parse(text).map_err(|error| format!("the provider's answer is no JSON: {error}"))?.to_value();
        let mut places = BTreeMap::new();
        hidden.find(&value, &mut String::new(), &mut places)?;
        (value, places)
    } else {
        let places = (0..hidden.secrets.len()).map(|index| (hidden.secrets[index].path.clone(), index)).collect();
        (hidden.value.clone(), places)
    };
    let mut fields = BTreeSet::new();
    form.put_secrets(&mut value, |path, _| {
        fields.insert(path.to_owned());
        None
    });
    for (path, index) in &places {
        let secret = &hidden.secrets[*index];
        if !fields.contains(path) {
            let from = &secret.path;
            return Err(format!("{path}: the secret that was at {from} would stand in a field that is not secret"));
        }
        if let Some(field) = value.pointer_mut(path) {
            *field = secret.clear.expose().into();
        }
    }
    same_hosts(provider, old, &hidden, &value)?;
    let mut accepted = form.accept(value, &|_| false).map_err(|violations| {
        let advice = if provider.manifest.implements.migrate_config { "" } else { "the build has no migrate-config, and " };
        format!("{advice}{}", list(&violations))
    })?;
    let mut known = BTreeSet::new();
    texts(old.value, &mut |text| {
        known.insert(text.to_owned());
    });
    let mut templates = form.template_sources(&mut accepted.value);
    templates.retain(|(_, source)| !known.contains(source));
    let secrets = settings::seal_given(vault, old.record, accepted.secrets).map_err(|error| error.to_string())?;
    Ok(New { value: accepted.value, version: form.version(), secrets, templates })
}

/// The first places of many.
pub(super) fn list(violations: &[Violation]) -> String {
    violations.iter().take(MOST_PLACES).map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Settings with placeholders for their secrets.
struct Hidden {
    value: Value,
    secrets: Vec<HiddenSecret>,
}

struct HiddenSecret {
    /// Where it was.
    path: String,
    /// What the provider sees.
    placeholder: String,
    clear: Secret,
}

impl HiddenSecret {
    /// The part of the placeholder by which it is found in a text.
    fn core(&self) -> &str {
        self.placeholder.trim_start_matches("https://").trim_end_matches('/')
    }
}

fn hide(vault: &Vault, old: Old<'_>) -> Result<Hidden, String> {
    let mut value = old.value.clone();
    let mut seals = Seals::new();
    let mut secrets = Vec::new();
    for (path, sealed) in old.secrets {
        let Some(Value::String(field)) = value.pointer_mut(path) else { continue };
        let clear = vault.decrypt(old.record, path, sealed).map_err(|error| format!("{path}: {error}"))?;
        let clear = Secret::new(clear.as_str());
        // The old schema is gone with its build; what looks like a URL gets a placeholder that does too.
        let is_url = ["https://", "http://"].iter().any(|scheme| clear.expose().starts_with(scheme));
        let placeholder = if is_url { seals.seal_uri(clear.clone()) } else { seals.seal(clear.clone()) };
        field.clone_from(&placeholder);
        secrets.push(HiddenSecret { path: path.clone(), placeholder, clear });
    }
    Ok(Hidden { value, secrets })
}

impl Hidden {
    /// A provider's text without placeholders.
    fn mask(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| {
            text.replace(&secret.placeholder, SECRET_MARK).replace(secret.core(), SECRET_MARK)
        })
    }

    /// Where the placeholders are.
    fn find(&self, value: &Value, path: &mut String, places: &mut BTreeMap<String, usize>) -> Result<(), String> {
        let within = |text: &str| self.secrets.iter().position(|secret| text.contains(secret.core()));
        let whole = "a provider can move a secret only whole";
        match value {
            Value::String(text) => {
                let Some(index) = within(text) else { return Ok(()) };
                let secret = &self.secrets[index];
                if *text != secret.placeholder && *text != secret.placeholder.trim_end_matches('/') {
                    let from = &secret.path;
                    return Err(format!("{path}: the secret that was at {from} would stand inside a longer text; {whole}"));
                }
                places.insert(path.clone(), index);
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.enter(&index.to_string(), item, path, places)?;
                }
            }
            Value::Object(map) => {
                for (key, item) in map {
                    if let Some(index) = within(key) {
                        let from = &self.secrets[index].path;
                        return Err(format!("{path}: the secret that was at {from} would be a field's name; {whole}"));
                    }
                    self.enter(key, item, path, places)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn enter(&self, key: &str, value: &Value, path: &mut String, places: &mut BTreeMap<String, usize>) -> Result<(), String> {
        let length = path.len();
        path.push('/');
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        let result = self.find(value, path, places);
        path.truncate(length);
        result
    }
}

/// A provider asks for the host of a field, and an administrator chose that host. A migration must not choose another:
/// secrets would go there.
fn same_hosts(provider: &Provider, old: Old<'_>, hidden: &Hidden, value: &Value) -> Result<(), String> {
    let section = match old.kind {
        SettingsKind::Config => Section::Config,
        SettingsKind::Connection => Section::Connection,
    };
    let fields = host_fields(&provider.wish, section);
    if fields.is_empty() {
        return Ok(());
    }
    let mut before: Vec<_> = hidden.secrets.iter().filter_map(|secret| host_of(secret.clear.expose())).collect();
    texts(old.value, &mut |text| before.extend(host_of(text)));
    for field in fields {
        if let Some(host) = value.get(field).and_then(Value::as_str).and_then(host_of)
            && !before.contains(&host)
        {
            return Err(format!("/{field}: it would lead to a host that is not in the settings as they are stored"));
        }
    }
    Ok(())
}

/// Every text of a value.
fn texts(value: &Value, visit: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, visit)),
        Value::Object(map) => map.values().for_each(|item| texts(item, visit)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hidden() -> Hidden {
        let mut seals = Seals::new();
        let mut secret = |path: &str, is_url| {
            let clear = Secret::new(path);
            let placeholder = if is_url { seals.seal_uri(clear.clone()) } else { seals.seal(clear.clone()) };
            HiddenSecret { path: path.to_owned(), placeholder, clear }
        };
        let secrets = vec![secret("/token", false), secret("/hook", true)];
        Hidden { value: Value::Null, secrets }
    }

    fn find(hidden: &Hidden, value: &Value) -> Result<Vec<(String, usize)>, String> {
        let mut places = BTreeMap::new();
        hidden.find(value, &mut String::new(), &mut places).map(|()| places.into_iter().collect())
    }

    #[test]
    fn placeholders_are_found_where_they_went() {
        let hidden = hidden();
        let [token, hook] = [0, 1].map(|index: usize| hidden.secrets[index].placeholder.clone());
        let value = json!({"a": {"b/c": [1, token]}, "url": hook, "same": hook.trim_end_matches('/'), "text": "sealed"});
        let places = [("/a/b~1c/1", 0), ("/same", 1), ("/url", 1)].map(|(path, index)| (path.to_owned(), index));
        assert_eq!(find(&hidden, &value).unwrap(), places);
        assert!(find(&hidden, &json!({"a": []})).unwrap().is_empty(), "a secret may be dropped");
    }

    #[test]
    fn a_placeholder_in_a_longer_text_is_refused_with_both_places() {
        let hidden = hidden();
        let [token, hook] = [0, 1].map(|index: usize| hidden.secrets[index].placeholder.clone());
        for (value, from) in [
            (json!({"a": [format!("Bearer {token}")]}), "/token"),
            (json!({"a": [format!("{hook}more")]}), "/hook"),
            (json!({"a": [hidden.secrets[1].core()]}), "/hook"),
        ] {
            let message = find(&hidden, &value).unwrap_err();
            assert!(
                message.contains("/a/0") && message.contains(from) && !message.contains(hidden.secrets[0].core()),
                "{message}"
            );
        }
        assert!(find(&hidden, &json!({token.clone(): 1})).is_err());
        assert_eq!(hidden.mask(&format!("<{token}> <{hook}>")), "<[secret]> <[secret]>");
    }
}
