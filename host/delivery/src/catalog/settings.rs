//! Settings with secrets, of subscriptions and of connections: how they are stored, opened and handed to a provider.

use super::{kept, token};
use crate::Error;
use postern_core::host_pattern::{HostPattern, Section};
use postern_core::manifest::SECRET_MARK;
use postern_egress::{Audience, ClientCertificate, ClientCredentials, Seals, Secret};
use postern_events::settings::{Accepted, Form, Secrets, render};
use postern_events::template::{Context, Template};
use postern_events::{Violation, schema};
use postern_store::vault::Vault;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Settings, ready for calls. They hold secrets in clear, so they have no `Debug`.
#[derive(Default)]
pub(crate) struct Opened {
    /// With their secrets in clear, for the host's own eyes.
    pub(crate) clear: Arc<Map<String, Value>>,
    /// The version of the schema that they were opened with; 0 if they cannot be used for calls.
    pub(crate) version: u32,
    templates: Vec<(String, Template)>,
    secrets: Vec<SecretField>,
    /// The field that the host fills with an access token, and how it is fetched.
    token: Option<(String, ClientCredentials)>,
    /// What is shown to servers that ask who calls.
    certificate: Option<ClientCertificate>,
    /// The settings as JSON, if they are the same for every call.
    constant: Option<String>,
}

pub(super) struct SecretField {
    /// Its JSON pointer.
    pub(super) path: String,
    /// Whether it is a URL, whose placeholder must then be one too.
    is_url: bool,
    secret: Secret,
    /// The hosts that its schema names for it, if it names any.
    pub(super) hosts: Option<Arc<[HostPattern]>>,
}

impl SecretField {
    fn new(path: &str, is_url: bool, secret: &str) -> Self {
        Self { path: path.to_owned(), is_url, secret: Secret::new(secret), hosts: None }
    }
}

impl Opened {
    /// Opens stored settings of `record`. Answers with why it cannot be.
    pub(crate) fn open(vault: &Vault, form: &Form, record: &str, stored: &Value, sealed: &Secrets) -> Result<Self, String> {
        let mut value = stored.clone();
        let mut secrets = Vec::new();
        let mut problem = None;
        form.put_secrets(&mut value, |path, is_url| match vault.decrypt(record, path, sealed.get(path)?) {
            Ok(secret) => {
                secrets.push(SecretField::new(path, is_url, &secret));
                Some(secret.to_string())
            }
            Err(error) => {
                problem = Some(format!("the secret at {path} cannot be opened: {error}"));
                None
            }
        });
        if let Some(problem) = problem {
            return Err(problem);
        }
        Self::new(form, value, secrets)
    }

    /// Settings that are only tried out.
    pub(crate) fn unsaved(form: &Form, accepted: Accepted) -> Result<Self, String> {
        let Accepted { mut value, secrets: given } = accepted;
        let mut secrets = Vec::new();
        form.put_secrets(&mut value, |path, is_url| {
            let secret = given.get(path)?;
            secrets.push(SecretField::new(path, is_url, secret));
            Some(secret.clone())
        });
        Self::new(form, value, secrets)
    }

    fn new(form: &Form, mut value: Value, mut secrets: Vec<SecretField>) -> Result<Self, String> {
        let mut hosts = form.secret_hosts(&mut value);
        for field in &mut secrets {
            field.hosts = hosts.remove(&field.path).map(Into::into);
        }
        let templates = form.templates(&mut value).map_err(|violations| violations[0].to_string())?;
        let Value::Object(clear) = value else { return Err("the settings are no object".into()) };
        let token = token::source(form, &clear, &secrets);
        let certificate = certificate(form, &clear, &secrets)?;
        let mut opened =
            Self { clear: Arc::new(clear), version: form.version(), templates, secrets, token, certificate, constant: None };
        if opened.secrets.is_empty() && opened.token.is_none() && opened.templates.is_empty() {
            opened.constant = Some(Value::Object((*opened.clear).clone()).to_string());
        }
        Ok(opened)
    }

    /// Settings that fit no schema now, with the secrets that are stored in them, so that a change may keep those. They are
    /// for no call.
    pub(crate) fn unusable(vault: &Vault, record: &str, stored: &Value, sealed: &Secrets) -> Self {
        let mut value = stored.clone();
        let mut secrets = Vec::new();
        for (path, sealed) in sealed {
            if let (Some(Value::String(text)), Ok(secret)) = (value.pointer_mut(path), vault.decrypt(record, path, sealed)) {
                *text = secret.to_string();
                secrets.push(SecretField::new(path, false, text));
            }
        }
        let clear = if let Value::Object(clear) = value { clear } else { Map::new() };
        Self { clear: Arc::new(clear), secrets, ..Self::default() }
    }

    /// With [`SECRET_MARK`] in the places of secrets.
    pub(crate) fn masked(&self) -> Value {
        let mut value = Value::Object((*self.clear).clone());
        for field in &self.secrets {
            if let Some(secret) = value.pointer_mut(&field.path) {
                *secret = SECRET_MARK.into();
            }
        }
        value
    }

    /// Whether something in them is rendered for each delivery.
    pub(crate) fn has_templates(&self) -> bool {
        !self.templates.is_empty()
    }

    /// Masked settings with their templates rendered.
    pub(crate) fn preview(&self, masked: &Value, context: &Context) -> Result<Value, Violation> {
        let mut value = masked.clone();
        render(&self.templates, &mut value, context)?;
        Ok(value)
    }

    /// The templates' texts by pointer.
    pub(crate) fn template_sources(&self) -> Vec<(String, String)> {
        let clear = Value::Object((*self.clear).clone());
        let source = |path: &String| Some((path.clone(), clear.pointer(path)?.as_str()?.to_owned()));
        self.templates.iter().filter_map(|(path, _)| source(path)).collect()
    }

    /// Whether a secret is stored at a pointer.
    pub(crate) fn has_secret(&self, path: &str) -> bool {
        self.secrets.iter().any(|field| field.path == path)
    }

    /// The settings for one call, as JSON: secrets sealed, templates rendered if there is a context. `section` says whose
    /// settings they are, on which it depends where secrets may go.
    pub(crate) fn for_call(&self, section: Section, context: Option<&Context>, seals: &mut Seals) -> Result<String, Violation> {
        if let Some(constant) = &self.constant {
            return Ok(constant.clone());
        }
        let mut value = Value::Object((*self.clear).clone());
        for field in &self.secrets {
            if let Some(Value::String(text)) = value.pointer_mut(&field.path) {
                let audience = Audience { section, path: field.path.clone(), hosts: field.hosts.clone() };
                let secret = field.secret.clone().with_audience(audience);
                *text = if field.is_url { seals.seal_uri(secret) } else { seals.seal(secret) };
            }
        }
        if let (Some((name, credentials)), Value::Object(map)) = (&self.token, &mut value) {
            map.insert(name.clone(), seals.seal_token(credentials.clone()).into());
        }
        if let Some(certificate) = &self.certificate {
            seals.show(certificate.clone());
        }
        if let Some(context) = context {
            render(&self.templates, &mut value, context)?;
        }
        Ok(value.to_string())
    }
}

/// Checks offered settings; places are given below `place`. `hosts` are the fields that granted hosts come from.
pub(crate) fn accept(
    form: &Form,
    offered: Value,
    before: Option<&Opened>,
    hosts: &[&str],
    place: &str,
) -> Result<Accepted, Vec<Violation>> {
    let accepted = form.accept(offered, &|path| before.is_some_and(|before| before.has_secret(path))).and_then(|accepted| {
        let misused = before.map(|before| kept::misused(form, &accepted, before, hosts)).unwrap_or_default();
        let unfit = unfit_certificate(form, &accepted);
        if misused.is_empty() && unfit.is_none() { Ok(accepted) } else { Err(misused.into_iter().chain(unfit).collect()) }
    });
    accepted.map_err(|violations| {
        violations.into_iter().map(|violation| Violation::new(format!("{place}{}", violation.path), violation.message)).collect()
    })
}

/// What is wrong with a client's certificate that was given now.
fn unfit_certificate(form: &Form, accepted: &Accepted) -> Option<Violation> {
    let path = format!("/{}", form.client_certificate()?);
    let reason = ClientCertificate::from_pem(accepted.secrets.get(&path)?).err()?;
    Some(Violation::new(path, format!("this is to be a certificate and its private key, both in PEM. {reason}")))
}

/// The client's certificate in settings, if there is one.
fn certificate(form: &Form, clear: &Map<String, Value>, secrets: &[SecretField]) -> Result<Option<ClientCertificate>, String> {
    let Some(name) = form.client_certificate() else { return Ok(None) };
    let path = format!("/{name}");
    let (Some(text), Some(field)) = (clear.get(name).and_then(Value::as_str), secrets.iter().find(|field| field.path == path))
    else {
        return Ok(None);
    };
    let read = ClientCertificate::from_pem(text).map_err(|reason| format!("the certificate at {path}: {reason}"))?;
    let audience = Audience { section: Section::Connection, path, hosts: field.hosts.clone() };
    Ok(Some(read.with_audience(audience)))
}

/// Adds to the secrets that were given now those that marks keep.
pub(crate) fn fill_kept(form: &Form, accepted: &mut Accepted, before: Option<&Opened>) {
    let Accepted { value, secrets } = accepted;
    form.put_secrets(value, |path, _| {
        if !secrets.contains_key(path)
            && let Some(kept) = before.filter(|before| before.has_secret(path)).and_then(|before| lookup(&before.clear, path))
        {
            secrets.insert(path.to_owned(), kept.to_owned());
        }
        None
    });
}

/// Seals the secrets that were given now for `record`, and those that are kept.
pub(crate) fn seal(
    vault: &Vault,
    form: &Form,
    record: &str,
    accepted: &mut Accepted,
    before: Option<&Opened>,
) -> Result<Secrets, Error> {
    fill_kept(form, accepted, before);
    seal_given(vault, record, std::mem::take(&mut accepted.secrets))
}

/// Seals secrets for their places in `record`.
pub(crate) fn seal_given(vault: &Vault, record: &str, clear: Secrets) -> Result<Secrets, Error> {
    clear
        .iter()
        .map(|(path, secret)| {
            let sealed = vault.encrypt(record, path, secret).map_err(|error| Error::Internal(error.to_string()))?;
            Ok((path.clone(), sealed))
        })
        .collect()
}

/// Compiles a schema of a manifest.
pub(crate) fn compile(what: &str, settings: &postern_core::manifest::SettingsSchema) -> Result<Form, Error> {
    Form::compile(settings).map_err(|schema::SchemaError(violation)| {
        let place = Violation::new(format!("/{what}/schema{}", violation.path), violation.message);
        Error::invalid(format!("the manifest's {what} schema is not usable"), vec![place])
    })
}

fn lookup<'a>(clear: &'a Map<String, Value>, path: &str) -> Option<&'a str> {
    let path = path.strip_prefix('/')?;
    let (first, rest) = path.find('/').map_or((path, ""), |at| path.split_at(at));
    clear.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(rest)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_found_by_its_pointer() {
        let Value::Object(clear) = json!({"a/b": {"c": ["x"]}, "t": "y"}) else { unreachable!() };
        assert_eq!(lookup(&clear, "/a~1b/c/0"), Some("x"));
        assert_eq!(lookup(&clear, "/t"), Some("y"));
        assert_eq!(lookup(&clear, "/u"), None);
    }
}
