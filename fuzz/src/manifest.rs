//! Manifests, as a component says them.

use crate::lines;
use postern_core::host_pattern::{HostPattern, Section};
use postern_core::manifest::{Capabilities, Documentation, Draft, Manifest, SettingsSchema};
use postern_core::{PluginId, secret_hosts};
use postern_events::settings::Form;
use serde_json::Value;

/// Reads a manifest: its id, its version, the schemas of its config and of its connection, and its hosts, a line each.
pub fn manifest(data: &[u8]) {
    let [id, version, config, connection, hosts] = lines(data);
    let plugin: PluginId = "test".parse().expect("a plugin's id");
    let draft = Draft {
        id,
        version,
        display_name: "Fuzzed".into(),
        description: String::new(),
        icon: None,
        supported_events: None,
        config: (1, config),
        connection: (!connection.is_empty()).then_some((1, connection)),
        hosts: hosts.lines().map(str::to_owned).collect(),
        implements: Capabilities::default(),
        documentation: Documentation::default(),
        rate: None,
    };
    let Ok(manifest) = Manifest::check(&plugin, draft) else { return };
    let text = serde_json::to_string(&manifest).expect("a manifest can be written");
    assert_eq!(serde_json::from_str::<Manifest>(&text).expect("and read back"), manifest);
    assert!(!manifest.hosts.iter().any(|host| host.to_string() == "*"), "everything is asked for by a word of its own");
    compile(&manifest.config);
    if let Some(connection) = &manifest.connection {
        closed(&connection.schema, 0);
        compile(connection);
    }
}

/// Makes a form of a schema, and fills it in with nothing.
fn compile(settings: &SettingsSchema) {
    if let Ok(form) = Form::compile(settings) {
        let _ = form.accept(Value::Object(serde_json::Map::new()), &|_| false);
    }
}

/// No secret of a connection names a host that a subscription chooses.
fn closed(schema: &Value, depth: usize) {
    let open =
        |pattern: &HostPattern| pattern.is_any_host() || pattern.field().is_some_and(|field| field.section == Section::Config);
    // A field may have the keyword's name; its schema is an object.
    if schema.get(secret_hosts::KEYWORD).is_some_and(Value::is_array) {
        let hosts = secret_hosts::read(schema).unwrap_or_default();
        assert!(!hosts.iter().any(open), "{schema}");
    }
    let inner: Box<dyn Iterator<Item = &Value>> = match schema {
        _ if depth >= 60 => return,
        Value::Object(map) => Box::new(map.values()),
        Value::Array(items) => Box::new(items.iter()),
        _ => return,
    };
    inner.for_each(|inner| closed(inner, depth + 1));
}
