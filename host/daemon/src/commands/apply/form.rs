//! Objects as a file writes them, checked against the forms that the API takes.

use super::declared::Identity;
use postern_core::EventType;
use postern_delivery::catalog::{ConnectionInput, EventTypeInput, SubscriptionInput};
use postern_events::Violation;
use postern_events::jq::{EntityKey, Filter};
use postern_events::registry::Registered;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Who an object is, and all fields that the API takes; or the places that do not fit.
pub(super) type Read = Result<(Identity, Value), Vec<Violation>>;

/// Reads the form that the API takes. What it says of an unknown field is put in terms of the file.
fn form<T: DeserializeOwned>(value: Value) -> Result<T, Vec<Violation>> {
    postern_events::read_form(value).map_err(|(mut violation, _)| {
        violation.message = violation.message.replace("`connectionId`", "`connection`");
        vec![violation]
    })
}

fn internal(error: &serde_json::Error) -> Vec<Violation> {
    vec![Violation::new("", error.to_string())]
}

fn object(value: &Value) -> Result<(), Vec<Violation>> {
    if value.is_object() { Ok(()) } else { Err(vec![Violation::new("", "an object with named fields is needed here")]) }
}

/// An event type: its plugin and hook stand among its fields.
pub(super) fn event_type(mut value: Value) -> Read {
    object(&value)?;
    let mut take = |field: &str| {
        let taken = value.as_object_mut().and_then(|map| map.remove(field));
        match taken {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(vec![Violation::new(format!("/{field}"), format!("`{field}` must be a text"))]),
            None => Err(vec![Violation::new("", format!("missing field `{field}`"))]),
        }
    };
    let (plugin, hook) = (take("plugin")?, take("hook")?);
    form::<EventTypeInput>(value.clone())?;
    let id = format!("{plugin}.{hook}");
    value["id"] = id.as_str().into();
    value["plugin"] = plugin.into();
    value["hook"] = hook.into();
    let definition: EventType = form(value)?;
    let value = serde_json::to_value(&definition).map_err(|error| internal(&error))?;
    Registered::new(definition)?;
    Ok((Identity { tenant: None, name: id }, value))
}

/// A connection; without a tenant of its own it belongs to `tenant`.
pub(super) fn connection(value: Value, tenant: &str) -> Read {
    object(&value)?;
    let input: ConnectionInput = form(value)?;
    let identity = Identity { tenant: Some(tenant_of(input.tenant.as_ref(), tenant)), name: input.name.clone() };
    let mut value = serde_json::to_value(input).map_err(|error| internal(&error))?;
    value["tenant"] = json!(identity.tenant);
    Ok((identity, value))
}

/// A subscription, likewise. It has `connection`, a name, in place of `connectionId`.
pub(super) fn subscription(mut value: Value, tenant: &str) -> Read {
    object(&value)?;
    let map = value.as_object_mut();
    let connection = map.and_then(|map| if map.contains_key("connectionId") { None } else { Some(map.remove("connection")) });
    let connection = match connection {
        Some(None | Some(Value::Null)) => Value::Null,
        Some(Some(Value::String(name))) => Value::String(name),
        Some(Some(_)) => return Err(vec![Violation::new("/connection", "the name of a connection is needed")]),
        None => {
            let message = "a subscription refers to its connection by name here: `connection: NAME`";
            return Err(vec![Violation::new("/connectionId", message)]);
        }
    };
    let input: SubscriptionInput = form(value)?;
    let mut violations = Vec::new();
    let filter = input.filter.as_deref().map(Filter::compile).transpose();
    violations.extend(filter.err().map(|error| Violation::new("/filter", error.to_string())));
    let entity_key = input.entity_key.as_deref().map(EntityKey::compile).transpose();
    violations.extend(entity_key.err().map(|error| Violation::new("/entityKey", error.to_string())));
    if !violations.is_empty() {
        return Err(violations);
    }
    let identity = Identity { tenant: Some(tenant_of(input.tenant.as_ref(), tenant)), name: input.name.clone() };
    let mut value = serde_json::to_value(input).map_err(|error| internal(&error))?;
    value["tenant"] = json!(identity.tenant);
    if let Some(map) = value.as_object_mut() {
        map.remove("connectionId");
        map.insert("connection".to_owned(), connection);
    }
    Ok((identity, value))
}

fn tenant_of(named: Option<&postern_core::TenantId>, otherwise: &str) -> String {
    named.map_or_else(|| otherwise.to_owned(), ToString::to_string)
}
