//! How many deliveries a subscription gets in so much time.

use crate::retry::Span;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;

/// The most deliveries of a limit: 100,000.
pub const MOST_DELIVERIES: u32 = 100_000;
/// The shortest time of a limit: 1 second.
pub const SHORTEST: Duration = Duration::from_secs(1);
/// The longest time of a limit: 24 hours.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// At most so many deliveries in so much time: `{"deliveries": 10, "per": "1s"}`. Reading one checks its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// How many: 1 to 100,000.
    #[serde(deserialize_with = "deliveries")]
    #[schemars(range(min = 1, max = 100_000))]
    deliveries: u32,
    /// In how much time: 1 second to 24 hours.
    #[serde(deserialize_with = "per")]
    per: Span,
}

impl RateLimit {
    /// How many deliveries, at least 1.
    pub fn deliveries(&self) -> u32 {
        self.deliveries
    }

    /// In how much time.
    pub fn per(&self) -> Duration {
        self.per.0
    }
}

fn deliveries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        deliveries @ 1..=MOST_DELIVERIES => Ok(deliveries),
        _ => Err(D::Error::custom(format!("a number from 1 to {MOST_DELIVERIES} is needed"))),
    }
}

fn per<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    let span = Span::deserialize(deserializer)?;
    if (SHORTEST..=LONGEST).contains(&span.0) { Ok(span) } else { Err(D::Error::custom("a time from 1s to 24h is needed")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_bounded() {
        let read = |text: &str| serde_json::from_str::<RateLimit>(text);
        let limit = read(r#"{"deliveries":10,"per":"1s"}"#).unwrap();
        assert_eq!((limit.deliveries(), limit.per()), (10, Duration::from_secs(1)));
        assert_eq!(serde_json::to_string(&limit).unwrap(), r#"{"deliveries":10,"per":"1s"}"#);
        for bad in [
            r#"{"deliveries":0,"per":"1s"}"#,
            r#"{"deliveries":100001,"per":"1s"}"#,
            r#"{"deliveries":-1,"per":"1s"}"#,
            r#"{"deliveries":1,"per":"999ms"}"#,
            r#"{"deliveries":1,"per":"25h"}"#,
            r#"{"deliveries":1}"#,
            r#"{"deliveries":1,"per":"1s","burst":2}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
