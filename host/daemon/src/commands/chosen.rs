//! Which final deliveries a command is about.

use anyhow::{Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use postern_client::call::segment;
use postern_core::Timestamp;
use postern_core::retry::Span;
use serde_json::{Map, Value, json};

/// The kinds of failure, as the API writes them.
const REASONS: [&str; 15] = [
    "http",
    "timeout",
    "dns",
    "connection",
    "tls",
    "denied",
    "provider",
    "trap",
    "deadline",
    "limit",
    "contract",
    "config",
    "unavailable",
    "withdrawn",
    "cancelled",
];

/// A filter; all that is named must fit.
#[derive(Debug, Args)]
pub(crate) struct Chosen {
    /// Only those of this subscription: its id.
    #[arg(long)]
    subscription: Option<String>,
    /// Only those of this provider.
    #[arg(long)]
    provider: Option<String>,
    /// Only those of this event type.
    #[arg(long = "type", value_name = "EVENT_TYPE")]
    event_type: Option<String>,
    /// Only those about the thing with this key.
    #[arg(long, value_name = "KEY")]
    entity: Option<String>,
    /// Only those that failed for this reason.
    #[arg(long, value_parser = PossibleValuesParser::new(REASONS))]
    reason: Option<String>,
    /// Only those whose last answer had this HTTP status.
    #[arg(long, value_name = "STATUS")]
    http_status: Option<u16>,
    #[command(flatten)]
    time: Time,
    /// Only those of this tenant.
    #[arg(long)]
    tenant: Option<String>,
}

/// When the event of a delivery was accepted.
#[derive(Debug, Args)]
pub(crate) struct Time {
    /// Only those whose event was accepted at this time or later: `2026-01-02T03:04:05Z`, or `2h` for two hours ago.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    /// Only those whose event was accepted before this time, written likewise.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<Timestamp>,
}

impl Chosen {
    /// The fields of a request that names these deliveries.
    pub(super) fn fields(&self) -> Map<String, Value> {
        let all = [
            ("subscription", json!(self.subscription)),
            ("provider", json!(self.provider)),
            ("eventType", json!(self.event_type)),
            ("entity", json!(self.entity)),
            ("reason", json!(self.reason)),
            ("httpStatus", json!(self.http_status)),
            ("since", json!(self.time.since)),
            ("until", json!(self.time.until)),
            ("tenant", json!(self.tenant)),
        ];
        all.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The same as a query string, with its question mark.
    pub(super) fn query(&self) -> String {
        let part = |(name, value): (String, Value)| match value {
            Value::String(text) => format!("{name}={}", segment(&text)),
            other => format!("{name}={other}"),
        };
        let parts: Vec<_> = self.fields().into_iter().map(part).collect();
        if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
    }
}

/// A time as RFC 3339 writes it, or how long ago it was.
fn moment(text: &str) -> Result<Timestamp> {
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    let Ok(Span(ago)) = serde_json::from_value(json!(text)) else {
        bail!("expected a time such as 2026-01-02T03:04:05Z, or how long ago it was, such as 90s, 2h or 3d");
    };
    let millis = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
    Ok(Timestamp::from_millis(Timestamp::now().as_millis().saturating_sub(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_core::delivery::Class;
    use std::time::Duration;

    #[test]
    fn every_reason_can_be_chosen() {
        for reason in REASONS {
            let class: Class = serde_json::from_value(json!(reason)).unwrap();
            assert_eq!(class.as_str(), reason);
        }
        let expected = serde_json::from_value::<Class>(json!("?")).unwrap_err().to_string();
        let named: Vec<_> = expected.split('`').skip(3).step_by(2).collect();
        assert_eq!(named, REASONS, "{expected}");
    }

    #[test]
    fn a_time_is_a_moment_or_how_long_ago_it_was() {
        assert_eq!(moment("2026-01-02T03:04:05Z").unwrap().to_string(), "2026-01-02T03:04:05.000Z");
        let ago = Timestamp::now().since(moment("2h").unwrap());
        // The machine's clock may be set meanwhile.
        assert!(ago.abs_diff(Duration::from_secs(2 * 60 * 60)) < Duration::from_secs(60), "{ago:?}");
        assert!(moment("yesterday").unwrap_err().to_string().contains("how long ago"));
    }
}
