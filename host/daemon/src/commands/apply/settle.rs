//! Settings and their secrets: what the server would make of them, and which secrets are sent.
//!
//! A stored secret cannot be read back, so it cannot be compared. It is sent when the object is made, when its field is new,
//! when the list that it stands in changes, and when `--refresh-secrets` asks for it; otherwise the stored one is kept.
//! Applying the same files again therefore changes nothing.

use super::compare::{merge_patch, without_nulls};
use super::declared::Declared;
use super::place::{Mistakes, Place};
use super::reference::{self, References};
use postern_core::manifest::SECRET_MARK;
use postern_events::settings::{Form, Secrets};
use serde_json::Value;

/// An object as it is to be, its secrets apart.
pub(super) struct Settled {
    /// What is compared and shown: all defaults filled in, marks in the places of secrets, no nulls.
    pub(super) shown: Value,
    /// The pointer of each secret, into the object.
    pub(super) secrets: Vec<String>,
    /// Fields that are not secret to the provider but come from elsewhere, with their source: they are not shown.
    pub(super) hidden: Vec<(String, String)>,
    /// Secrets that stand in a file themselves.
    pub(super) written_out: Vec<Place>,
    base: String,
    values: Secrets,
    references: References,
}

/// What makes an object of the present one.
pub(super) struct Patch {
    /// A JSON merge patch, with the secrets that are sent.
    pub(super) body: Value,
    /// The pointers of those secrets, into the object.
    pub(super) sent: Vec<String>,
}

/// A secret that must be sent and is not there.
pub(super) struct Missing {
    /// Its pointer, into the object.
    pub(super) pointer: String,
    /// Why it is not there.
    pub(super) problem: String,
}

/// Checks an object's settings as the server would.
pub(super) fn settle(declared: &Declared, form: &Form, current: Option<&Value>, mistakes: &mut Mistakes) -> Option<Settled> {
    let field = declared.kind.settings()?;
    let mut settings = without_nulls(declared.value[field].clone());
    let mut found = Mistakes::default();
    let references = reference::resolve(declared, &mut settings, &mut found);
    let stored = |path: &str| {
        let kept = current.and_then(|current| current[field].pointer(path));
        kept.is_some_and(|kept| kept == SECRET_MARK)
    };
    let unresolved = |path: &str| references.get(path).and_then(|reference| reference.problem.as_deref());
    for (path, reference) in &references {
        if let Some(problem) = reference.problem.as_deref().filter(|_| !stored(path)) {
            found.add(declared.settings_place(path), problem);
        }
    }
    let accepted = match form.accept(settings, &stored) {
        Ok(accepted) => Some(accepted),
        Err(violations) => {
            for violation in violations.into_iter().filter(|violation| unresolved(&violation.path).is_none()) {
                let path = if violation.path.is_empty() { field } else { violation.path.trim_start_matches('/') };
                found.add(declared.settings_place(&violation.path), format!("{path}: {}", violation.message));
            }
            None
        }
    };
    if !found.is_empty() {
        mistakes.extend(found);
        return None;
    }
    let accepted = accepted?;
    let base = format!("/{field}");
    let mut marked = accepted.value;
    let mut secrets = Vec::new();
    form.put_secrets(&mut marked, |path, _| {
        secrets.push(format!("{base}{path}"));
        None
    });
    let written_out = accepted.secrets.keys().filter(|path| !references.contains_key(*path));
    let written_out = written_out.map(|path| declared.settings_place(path)).collect();
    let hidden = references.iter().map(|(path, reference)| (format!("{base}{path}"), reference.source.clone()));
    let hidden = hidden.filter(|(path, _)| !secrets.contains(path)).collect();
    let mut shown = declared.value.clone();
    shown[field] = marked;
    Some(Settled { shown: without_nulls(shown), secrets, hidden, written_out, base, values: accepted.secrets, references })
}

impl Settled {
    /// The whole object, to be made.
    pub(super) fn whole(&self) -> Value {
        let mut whole = self.shown.clone();
        for pointer in &self.secrets {
            self.put(pointer, &mut whole);
        }
        whole
    }

    /// The change that makes it of the present object; none: nothing is to change.
    ///
    /// # Errors
    /// Secrets must be sent and are not there.
    pub(super) fn patch(&self, current: &Value, refresh: bool) -> Result<Option<Patch>, Vec<Missing>> {
        let rough = merge_patch(current, &self.shown);
        // Another provider's secrets are others, whatever their fields are called.
        let all = refresh || current["providerId"] != self.shown["providerId"];
        let new = |pointer: &str| rough.as_ref().and_then(|patch| patch.pointer(pointer)).is_some();
        let sent: Vec<String> = self.secrets.iter().filter(|pointer| all || new(pointer)).cloned().collect();
        let mut whole = self.shown.clone();
        let missing: Vec<_> = sent.iter().filter_map(|pointer| self.put(pointer, &mut whole)).collect();
        if !missing.is_empty() {
            return Err(missing);
        }
        Ok(merge_patch(current, &whole).map(|body| Patch { body, sent }))
    }

    /// Puts a secret into its place.
    fn put(&self, pointer: &str, whole: &mut Value) -> Option<Missing> {
        let path = pointer.strip_prefix(&self.base)?;
        match (self.values.get(path), whole.pointer_mut(pointer)) {
            (Some(secret), Some(place)) => {
                *place = Value::String(secret.clone());
                None
            }
            // Without a reference the file itself holds the mark, which keeps the stored secret.
            _ => Some(Missing { pointer: pointer.to_owned(), problem: self.references.get(path)?.problem.clone()? }),
        }
    }
}
