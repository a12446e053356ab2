//! Templates in the language of minijinja, rendered by the host with the escaping of their target.
//!
//! A template sees `event` {id, type, timestamp, payload}, `payload`, `delivery` {id, attempt}, `subscription` {id, name},
//! and, under the names that the seed's webhook uses, `deliveryId`, `eventId` and `eventType` (both the event type's id),
//! `timestamp`, `subscriptionId` and `subscriptionName`. What is absent renders as nothing.
//!
//! Every value is escaped when it is printed, by the field's [`Escaping`]; nothing a template says turns that off.

use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Output, UndefinedBehavior, Value, context};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::LazyLock;

/// The largest template: 64 KiB.
pub const LARGEST_SOURCE: usize = 64 * 1024;

/// The largest text that a template may render: 512 KiB.
pub const LARGEST_OUTPUT: usize = 512 * 1024;

/// How many instructions a rendering may take: 100,000, some milliseconds.
pub const FUEL: u64 = 100_000;

/// How values are escaped: what the schema keyword `x-template` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Escaping {
    /// As they are.
    Text,
    /// For the inside of a JSON string: `"title": "{{ payload.title }}"`. Numbers, booleans and null can stand without
    /// quotes. Lists and objects are for `{{ payload | tojson }}`, without quotes around it.
    Json,
    /// Percent-encoded, for a path segment or a query value of a URL. Scheme, host and port take no template.
    Url,
    /// For one line of a header: control characters become spaces.
    Header,
    /// With Markdown's own characters escaped.
    Markdown,
}

impl FromStr for Escaping {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "text" => Self::Text,
            "json" => Self::Json,
            "url" => Self::Url,
            "header" => Self::Header,
            "markdown" => Self::Markdown,
            _ => return Err(format!("`{name}` is no escaping; known are text, json, url, header and markdown")),
        })
    }
}

/// A template that compiled.
pub struct Template {
    escaping: Escaping,
    environment: Environment<'static>,
}

/// Why a template does not compile or does not render.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

/// What a template sees.
#[derive(Clone, Debug)]
pub struct Context(Value);

impl Context {
    /// The names that every template sees.
    pub(crate) const NAMES: &[&str] = &[
        "event",
        "payload",
        "delivery",
        "subscription",
        "deliveryId",
        "eventId",
        "eventType",
        "timestamp",
        "subscriptionId",
        "subscriptionName",
    ];

    /// What templates of one delivery see.
    pub fn new(delivery: &Delivery<'_>) -> Self {
        let payload = Value::from(Serde(delivery.payload));
        Self(context! {
            event => context! {
                id => delivery.event_id,
                type => delivery.event_type,
                timestamp => delivery.timestamp,
                payload => payload.clone(),
            },
            payload => payload,
            delivery => context! { id => delivery.id, attempt => delivery.attempt },
            subscription => context! { id => delivery.subscription_id, name => delivery.subscription_name },
            deliveryId => delivery.id,
            eventId => delivery.event_type,
            eventType => delivery.event_type,
            timestamp => delivery.timestamp,
            subscriptionId => delivery.subscription_id,
            subscriptionName => delivery.subscription_name,
        })
    }
}

/// The delivery that templates are rendered for.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each field is the name under which templates see it, explained above")]
pub struct Delivery<'a> {
    pub id: &'a str,
    pub attempt: u32,
    pub event_id: &'a str,
    pub event_type: &'a str,
    pub timestamp: &'a str,
    pub payload: &'a serde_json::Value,
    pub subscription_id: &'a str,
    pub subscription_name: &'a str,
}

impl Template {
    /// Whether a text has anything to render.
    pub fn is_needed(text: &str) -> bool {
        text.contains("{{") || text.contains("{%") || text.contains("{#")
    }

    /// Compiles a template.
    ///
    /// # Errors
    /// Its syntax is wrong (with the line), it is larger than [`LARGEST_SOURCE`], or, for a URL, it reaches into the
    /// scheme, host or port.
    pub fn compile(source: &str, escaping: Escaping) -> Result<Self, TemplateError> {
        if source.len() > LARGEST_SOURCE {
            return Err(TemplateError(format!("the template has {} bytes; at most {LARGEST_SOURCE} are allowed", source.len())));
        }
        if escaping == Escaping::Url {
            fixed_origin(source)?;
        }
        let mut environment = BASE.clone();
        if escaping != Escaping::Json {
            environment.remove_filter("tojson");
        }
        environment.set_formatter(move |output, _, value| print(escaping, output, value));
        environment.add_template_owned("field", source.to_owned()).map_err(|error| describe(&error))?;
        Ok(Self { escaping, environment })
    }

    /// Renders it.
    ///
    /// # Errors
    /// It needs more than [`FUEL`], renders more than [`LARGEST_OUTPUT`], applies a filter to what it does not fit, or,
    /// for a URL, a value would make a `.` or `..` of a path segment.
    pub fn render(&self, context: &Context) -> Result<String, TemplateError> {
        let mut output = Bounded(Vec::new());
        let template = self.environment.get_template("field").map_err(|error| describe(&error))?;
        template.render_captured_to(context.0.clone(), &mut output).map_err(|error| describe(&error))?;
        let text = String::from_utf8(output.0).map_err(|_| TemplateError("it renders no UTF-8".into()))?;
        if self.escaping == Escaping::Url {
            no_dot_segments(&text)?;
        }
        Ok(text)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.escaping)
    }
}

/// Filters that switch escaping off are taken away: `safe` does it openly, `escape` by calling HTML's escaping enough.
static BASE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(50);
    // Any other than none makes captured blocks count as escaped; what escaping there is, `print` decides.
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("field".into()));
    for filter in ["safe", "escape", "e"] {
        environment.remove_filter(filter);
    }
    environment
});

/// Everything but what RFC 3986 calls unreserved.
const URL_PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn print(escaping: Escaping, output: &mut Output<'_>, value: &Value) -> Result<(), minijinja::Error> {
    use fmt::Write;
    if value.is_undefined() || (value.is_none() && escaping != Escaping::Json) {
        return Ok(());
    }
    // What a block captured has been escaped when it was printed, and `tojson`, which only JSON has, prints JSON.
    let plain_json = escaping == Escaping::Json && matches!(value.kind(), ValueKind::Bool | ValueKind::Number);
    if value.is_safe() || plain_json {
        return Ok(write!(output, "{value}")?);
    }
    let text = match value.kind() {
        ValueKind::None => "null".to_owned(),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => {
            serde_json::to_string(value).unwrap_or_else(|_| value.to_string())
        }
        _ => value.to_string(),
    };
    match escaping {
        Escaping::Text => output.write_str(&text)?,
        Escaping::Json => {
            let quoted = serde_json::Value::String(text).to_string();
            output.write_str(&quoted[1..quoted.len() - 1])?;
        }
        Escaping::Url => write!(output, "{}", utf8_percent_encode(&text, URL_PART))?,
        Escaping::Header => {
            for character in text.chars() {
                output.write_char(if character.is_control() { ' ' } else { character })?;
            }
        }
        Escaping::Markdown => {
            for character in text.chars() {
                if character.is_ascii_punctuation() {
                    output.write_char('\\')?;
                }
                output.write_char(if matches!(character, '\r' | '\n') { ' ' } else { character })?;
            }
        }
    }
    Ok(())
}

/// A template may begin only behind scheme, host and port, so those are the same for every event.
fn fixed_origin(source: &str) -> Result<(), TemplateError> {
    let start = ["{{", "{%", "{#"].iter().filter_map(|mark| source.find(mark)).min().unwrap_or(source.len());
    let fixed = &source[..start];
    let behind_authority =
        fixed.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?', '#']) || start == source.len());
    if behind_authority && url::Url::parse(fixed).is_ok_and(|url| url.has_host()) {
        Ok(())
    } else {
        Err(TemplateError(
            "it must begin with a whole `https://HOST/`; a template may stand only in the path and the query".into(),
        ))
    }
}

fn no_dot_segments(text: &str) -> Result<(), TemplateError> {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.split(['/', '\\']).skip(1).any(dots) {
        return Err(TemplateError("a path segment renders as `.` or `..`, which would lead to another path".into()));
    }
    Ok(())
}

pub(crate) fn describe(error: &minijinja::Error) -> TemplateError {
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    TemplateError(format!("{}{detail}{line}", error.kind()))
}

/// Takes at most [`LARGEST_OUTPUT`].
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LARGEST_OUTPUT {
            return Err(io::Error::other(format!("it renders more than {LARGEST_OUTPUT} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
