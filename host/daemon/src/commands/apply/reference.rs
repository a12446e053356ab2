//! Values that stand elsewhere: `{ fromEnv: NAME }` and `{ fromFile: path }`.

use super::declared::Declared;
use super::document::escape;
use super::place::Mistakes;
use postern_core::manifest::SECRET_MARK;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

/// The largest file that a value may stand in: 64 KiB.
const LARGEST_FILE: u64 = 64 << 10;

/// Where a value stands.
pub(super) struct Reference {
    /// In words: `the environment variable SLACK_TOKEN`.
    pub(super) source: String,
    /// Why there is no value.
    pub(super) problem: Option<String>,
}

/// References by the JSON pointer of their field within the settings.
pub(super) type References = BTreeMap<String, Reference>;

/// Puts the values in the places of their references. One without a value leaves the mark of a secret, which keeps what
/// is stored, if something is.
pub(super) fn resolve(declared: &Declared, settings: &mut Value, mistakes: &mut Mistakes) -> References {
    let mut references = References::new();
    let directory = Path::new(declared.document.file()).parent().unwrap_or(Path::new("")).to_owned();
    let mut seek = Seek { declared, directory: &directory, references: &mut references, mistakes };
    seek.visit(settings, &mut String::new());
    references
}

struct Seek<'a> {
    declared: &'a Declared,
    directory: &'a Path,
    references: &'a mut References,
    mistakes: &'a mut Mistakes,
}

impl Seek<'_> {
    fn visit(&mut self, value: &mut Value, pointer: &mut String) {
        if let Value::Object(map) = value
            && (map.contains_key("fromEnv") || map.contains_key("fromFile"))
        {
            *value = self.resolve(map, pointer);
            return;
        }
        let entries: Vec<(String, &mut Value)> = match value {
            Value::Object(map) => map.iter_mut().map(|(key, inner)| (escape(key), inner)).collect(),
            Value::Array(items) => items.iter_mut().enumerate().map(|(index, item)| (index.to_string(), item)).collect(),
            _ => return,
        };
        for (key, inner) in entries {
            let length = pointer.len();
            pointer.push('/');
            pointer.push_str(&key);
            self.visit(inner, pointer);
            pointer.truncate(length);
        }
    }

    fn resolve(&mut self, map: &Map<String, Value>, pointer: &str) -> Value {
        let found = match (map.len(), map.get("fromEnv"), map.get("fromFile")) {
            (1, Some(Value::String(name)), None) => (format!("the environment variable {name}"), from_environment(name)),
            (1, None, Some(Value::String(path))) => {
                let path = self.directory.join(path);
                (format!("the file {}", path.display()), from_file(&path))
            }
            _ => {
                let message = "a reference is either { fromEnv: NAME } or { fromFile: path }, with a text and nothing beside it";
                // Even where a stored secret could be kept, this is wrong.
                self.mistakes.add(self.declared.settings_place(pointer), message);
                let reference = Reference { source: "a reference".to_owned(), problem: Some(message.to_owned()) };
                self.references.insert(pointer.to_owned(), reference);
                return SECRET_MARK.into();
            }
        };
        let (source, result) = found;
        let (text, problem) = match result {
            Ok(text) => (text, None),
            Err(problem) => (SECRET_MARK.to_owned(), Some(format!("{source} {problem}"))),
        };
        self.references.insert(pointer.to_owned(), Reference { source, problem });
        text.into()
    }
}

fn from_environment(name: &str) -> Result<String, String> {
    match std::env::var(name) {
        Ok(text) if text.is_empty() => Err("is empty".to_owned()),
        Ok(text) => Ok(text),
        Err(std::env::VarError::NotPresent) => Err("is not set".to_owned()),
        Err(std::env::VarError::NotUnicode(_)) => Err("is no UTF-8 text".to_owned()),
    }
}

/// The text of a file, without the line break that editors put at the end.
fn from_file(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let mut text = String::new();
    let read = fs::File::open(path).map_err(unreadable)?.take(LARGEST_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if read as u64 > LARGEST_FILE {
        return Err(format!("has more than {LARGEST_FILE} bytes"));
    }
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(text.to_owned()) }
}
