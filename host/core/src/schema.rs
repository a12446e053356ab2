//! JSON Schemas (2020-12) of the types that stand in JSON as text.
//!
//! A pattern takes what the type's parser takes, and nothing else. It is written with what ECMA's regular expressions, Rust's
//! and Python's have in common, since clients in any language read it.

use crate::host_pattern::HostPattern;
use crate::id::{
    ConnectionId, DeliveryId, EventId, EventTypeId, HookId, LONGEST_DOTTED, LONGEST_EVENT_TYPE, LONGEST_NAME, PluginId,
    ProviderId, SubscriptionId, TenantId,
};
use crate::retry::Span;
use crate::subscription::EventPattern;
use crate::{Json, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_-]*$";
const DOTTED: &str = r"^[A-Za-z0-9](?:[_-]*(?:\.[_-]+)*\.?[A-Za-z0-9])*$";
const EVENT_TYPE: &str = r"^[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*\.[A-Za-z0-9_-]*[A-Za-z0-9]$";
const EVENT_PATTERN: &str = r"^[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*\.(?:\*|[A-Za-z0-9_-]*[A-Za-z0-9])$";
const PROVIDER: &str = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";
const ULID: &str = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$";
const DELIVERY: &str = concat!(
    "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}-",
    "(?:0|[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$"
);

/// Describes a type that is written as text.
macro_rules! text {
    ($type:ident, $($keywords:tt)+) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn schema_id() -> Cow<'static, str> {
                concat!("postern::", stringify!($type)).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", $($keywords)+ })
            }
        }
    };
}

text!(PluginId,
    "description": "The part of the platform that owns hooks or providers.",
    "pattern": NAME, "maxLength": LONGEST_NAME, "examples": ["incident"]);
text!(HookId,
    "description": "An occurrence that a plugin announces.",
    "pattern": DOTTED, "maxLength": LONGEST_DOTTED, "examples": ["incident.created"]);
text!(EventTypeId,
    "description": "An event type: `{plugin}.{hook}`.",
    "pattern": EVENT_TYPE, "maxLength": LONGEST_EVENT_TYPE, "examples": ["incident.incident.created"]);
text!(EventPattern,
    "description": "An event type's id, or all that begin with its parts: `incident.*`.",
    "pattern": EVENT_PATTERN, "maxLength": LONGEST_EVENT_TYPE, "examples": ["incident.incident.created", "incident.*"]);
text!(ProviderId,
    "description": "A provider: `{plugin}.{id}`.",
    "pattern": PROVIDER, "examples": ["postern.webhook"]);
text!(TenantId,
    "description": "A partition of events, subscriptions, connections and tokens.",
    "pattern": DOTTED, "maxLength": LONGEST_DOTTED, "examples": ["default"]);
text!(EventId,
    "description": "One emission of an event type: a ULID, which sorts by the time of emission.",
    "pattern": ULID, "examples": ["01JD3W5Q0V4W1R8T2N6X9YZABC"]);
text!(SubscriptionId,
    "description": "A subscription: a ULID.",
    "pattern": ULID, "examples": ["01JD3W5Q0V4W1R8T2N6X9YZABC"]);
text!(ConnectionId,
    "description": "A connection: a ULID.",
    "pattern": ULID, "examples": ["01JD3W5Q0V4W1R8T2N6X9YZABC"]);
text!(DeliveryId,
    "description": "One event for one subscription: the event's id and a place in its fan-out. The same on every attempt.",
    "pattern": DELIVERY, "examples": ["01JD3W5Q0V4W1R8T2N6X9YZABC-0"]);
text!(Timestamp,
    "description": "A moment as RFC 3339 writes it. Answers have milliseconds, in UTC.",
    "format": "date-time", "examples": ["2026-01-02T03:04:05.678Z"]);
text!(HostPattern,
    "description": "Hosts: `[SCHEME://]HOST[:PORT]`, `*.DOMAIN`, `any-host`, the host of a URL in the settings: `{config.url}`, or a name with a label from the settings: `{connection.site}.example.com`.",
    "examples": ["hooks.slack.com", "*.atlassian.net", "http://127.0.0.1:9000", "{config.url}", "{connection.site}.example.com"]);
text!(Span, "description": "A duration.", "examples": ["90s", "5m", "1h 30m"]);

impl JsonSchema for Json {
    fn schema_name() -> Cow<'static, str> {
        "Json".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Any JSON.", "examples": [{ "title": "Down" }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;
    use std::str::FromStr;

    /// The pattern and the parser agree on each text.
    fn agree<T: JsonSchema + FromStr>(texts: &[&str]) {
        let schema = SchemaGenerator::default().into_root_schema_for::<T>();
        let pattern = Regex::new(schema.get("pattern").and_then(|pattern| pattern.as_str()).unwrap()).unwrap();
        let longest = schema.get("maxLength").and_then(serde_json::Value::as_u64).map_or(usize::MAX, |most| most as usize);
        for text in texts {
            let fits = pattern.is_match(text) && text.len() <= longest;
            assert_eq!(fits, text.parse::<T>().is_ok(), "{}: {text}", T::schema_name());
        }
        assert!(texts.iter().any(|text| pattern.is_match(text)));
    }

    #[test]
    fn a_pattern_takes_what_the_parser_takes() {
        let long = [
            "a".repeat(64),
            "a".repeat(65),
            "a.".repeat(100) + "a",
            "a.".repeat(99) + "ab",
            "a.".repeat(99) + "abc",
            "a.".repeat(132) + "a",
            "a.".repeat(132) + "ab",
        ];
        let mut names = vec![
            "", "a", "A-1_", "-a", "_", "a.b", "a.b.c", "a..b", ".a", "a.", "a-.b", "a.-", "a.-b", "a._.b", "a_", "a-", "a b",
            "ä.b", "a.*", "*", "a.b.*", "a-.*", "a.*.b", "a*", ".*", "a\n", "a.b\n", "1.2",
        ];
        names.extend(long.iter().map(String::as_str));
        agree::<PluginId>(&names);
        agree::<HookId>(&names);
        agree::<EventTypeId>(&names);
        agree::<EventPattern>(&names);
        agree::<ProviderId>(&names);
        agree::<TenantId>(&names);
        let ulid = "01JD3W5Q0V4W1R8T2N6X9YZABC";
        agree::<EventId>(&[ulid, &ulid.to_lowercase(), "81JD3W5Q0V4W1R8T2N6X9YZABC", "01JD3W5Q0V4W1R8T2N6X9YZABU", "0", ""]);
        let ids: Vec<String> =
            ["0", "7", "07", "9999", "10000", "59999", "64999", "65535", "65536", "65540", "66000", "70000", "100000", "", "+1"]
                .iter()
                .map(|index| format!("{ulid}-{index}"))
                .collect();
        agree::<DeliveryId>(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
