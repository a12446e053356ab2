//! How the access token of a connection is fetched, read from its schema and its settings.

use super::settings::SecretField;
use postern_core::host_pattern::Section;
use postern_core::oauth2::{Keyword, Text};
use postern_core::secret_hosts;
use postern_egress::{Audience, ClientCredentials, Secret};
use postern_events::settings::Form;
use serde_json::{Map, Value};

/// The field that the host fills with an access token, and how that is fetched; none if the schema has no such field, or if a
/// setting that it needs is absent.
pub(super) fn source(form: &Form, clear: &Map<String, Value>, secrets: &[SecretField]) -> Option<(String, ClientCredentials)> {
    let (name, schema, keyword) = form.token()?;
    let Keyword { token_url, client_id, client_secret, scopes, parameters, authentication } = keyword;
    let audience = |name: &str, hosts| Audience { section: Section::Connection, path: format!("/{name}"), hosts };
    let Text::Field(secret_name) = &client_secret else { return None };
    let secret_path = format!("/{secret_name}");
    let secret_hosts = secrets.iter().find(|field| field.path == secret_path).and_then(|field| field.hosts.clone());
    let text = |text: &Text| text.resolve(clear).map(str::to_owned);
    let credentials = ClientCredentials {
        token_url: text(&token_url)?,
        client_id: text(&client_id)?,
        client_secret: Secret::new(text(&client_secret)?).with_audience(audience(secret_name, secret_hosts)),
        scopes,
        // A parameter whose setting is absent is left out.
        parameters: parameters.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect(),
        authentication,
        audience: audience(name, secret_hosts::read(schema).map(Into::into)),
    };
    Some((name.to_owned(), credentials))
}
