//! The delays between attempts, as they are written: a list, or a rule by which they grow.

use super::{LONGEST_AFTER, Span};
use schemars::JsonSchema;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// The most delays of a list: 20.
pub const MOST_DELAYS: usize = 20;
/// The most retries of a growing schedule, whatever its horizon: 100.
pub const MOST_RETRIES: u32 = 100;
/// The longest delay between two attempts: 24 hours, as for [`Retry::After`](crate::delivery::Retry::After).
pub const LONGEST_DELAY: Duration = LONGEST_AFTER;
/// The longest time for which a delivery is tried: 30 days, as long as deliveries are kept by default.
pub const LONGEST_HORIZON: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The largest factor by which delays grow: 10.
pub const LARGEST_FACTOR: f64 = 10.0;

/// When retries come. Written as a list of delays, `["1m", "5m"]` (none: no retry), or as a rule:
/// `{"initial": "30s", "factor": 2.0, "max": "1h", "horizon": "3d"}`. Reading one checks its bounds.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// The delay before each retry; as many retries as there are delays, at most [`MOST_DELAYS`].
    Delays(Vec<Duration>),
    /// Delays that grow.
    Growing(Growing),
}

/// Delays that grow by a factor up to a cap, until a horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "GrowingSchedule")]
pub struct Growing {
    /// The delay before the first retry: 1 ms to 24 h.
    #[serde(deserialize_with = "initial")]
    initial: Span,
    /// How much longer each delay is than the one before: 1 to 10. Default: 2.
    #[serde(default = "usual_factor", deserialize_with = "factor")]
    #[schemars(range(min = 1.0, max = 10.0))]
    factor: f64,
    /// The longest delay: from `initial` to 24 h.
    #[serde(deserialize_with = "longest")]
    max: Span,
    /// No retry begins later than this after the first attempt was due: from `initial` to 30 days.
    #[serde(deserialize_with = "horizon")]
    horizon: Span,
    /// How far a delay may be from its value, as a part of it: 0 to 1. Default: the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "jitter")]
    #[schemars(range(min = 0.0, max = 1.0))]
    jitter: Option<f64>,
}

impl Schedule {
    /// No retry at all.
    pub const NEVER: Self = Self::Delays(Vec::new());

    /// The delay before the retry that follows attempt `attempts` (from 1); none when that was the last.
    pub(super) fn delay(&self, attempts: u32) -> Option<Duration> {
        let before = attempts.checked_sub(1)?;
        match self {
            Self::Delays(delays) => delays.get(usize::try_from(before).ok()?).copied(),
            Self::Growing(_) if attempts > MOST_RETRIES => None,
            Self::Growing(Growing { initial, factor, max, .. }) => {
                let grown = initial.0.as_secs_f64() * factor.powf(f64::from(before));
                Some(Duration::from_secs_f64(grown.min(max.0.as_secs_f64())))
            }
        }
    }

    /// How long after the first attempt was due a retry may begin; none: no bound but that of the list.
    pub(super) fn horizon(&self) -> Option<Duration> {
        match self {
            Self::Delays(_) => None,
            Self::Growing(growing) => Some(growing.horizon.0),
        }
    }

    /// Its own jitter, if it names one.
    pub(super) fn jitter(&self) -> Option<f64> {
        match self {
            Self::Delays(_) => None,
            Self::Growing(growing) => growing.jitter,
        }
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Delays(delays) => serializer.collect_seq(delays.iter().map(|delay| Span(*delay))),
            Self::Growing(growing) => growing.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Schedule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a list of delays such as [\"1m\", \"5m\"], or an object with `initial`, `factor`, `max` and `horizon`",
                )
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Schedule, A::Error> {
                let mut delays = Vec::new();
                while let Some(Delay(delay)) = list.next_element()? {
                    if delays.len() == MOST_DELAYS {
                        return Err(A::Error::custom(format!("at most {MOST_DELAYS} delays are allowed")));
                    }
                    delays.push(delay);
                }
                Ok(Schedule::Delays(delays))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Schedule, A::Error> {
                let growing = Growing::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                for (name, span) in [("max", growing.max), ("horizon", growing.horizon)] {
                    if span < growing.initial {
                        return Err(A::Error::custom(format!("`{name}` must be at least `initial`")));
                    }
                }
                Ok(Schedule::Growing(growing))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Schedule {
    fn schema_name() -> Cow<'static, str> {
        "RetrySchedule".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::RetrySchedule").into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (span, growing) = (generator.subschema_for::<Span>(), generator.subschema_for::<Growing>());
        schemars::json_schema!({
            "description": "When retries come: the delay before each, at most 24 h; or a rule by which the delays grow.",
            "anyOf": [{ "type": "array", "items": span, "maxItems": MOST_DELAYS }, growing],
        })
    }
}

/// One delay of a list.
struct Delay(Duration);

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(within(deserializer, Duration::ZERO, LONGEST_DELAY)?.0))
    }
}

const LEAST: Duration = Duration::from_millis(1);

fn within<'de, D: Deserializer<'de>>(deserializer: D, least: Duration, most: Duration) -> Result<Span, D::Error> {
    let span = Span::deserialize(deserializer)?;
    if (least..=most).contains(&span.0) {
        return Ok(span);
    }
    let (least, most) = (humantime::format_duration(least), humantime::format_duration(most));
    Err(D::Error::custom(format!("a time from {least} to {most} is needed")))
}

fn initial<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    within(deserializer, LEAST, LONGEST_DELAY)
}

fn longest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    within(deserializer, LEAST, LONGEST_DELAY)
}

fn horizon<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    within(deserializer, LEAST, LONGEST_HORIZON)
}

fn factor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let factor = f64::deserialize(deserializer)?;
    if (1.0..=LARGEST_FACTOR).contains(&factor) {
        return Ok(factor);
    }
    Err(D::Error::custom(format!("a number from 1 to {LARGEST_FACTOR} is needed")))
}

fn jitter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    match Option::<f64>::deserialize(deserializer)? {
        Some(jitter) if !(0.0..=1.0).contains(&jitter) => Err(D::Error::custom("a number from 0 to 1 is needed")),
        jitter => Ok(jitter),
    }
}

fn usual_factor() -> f64 {
    2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: Value) -> Result<Schedule, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn both_spellings_are_read_and_written_back() {
        for value in [
            json!([]),
            json!(["1m", "5m"]),
            json!({"initial": "30s", "factor": 2.0, "max": "1h", "horizon": "3days"}),
            json!({"initial": "1ms", "factor": 1.5, "max": "1ms", "horizon": "1ms", "jitter": 0.0}),
        ] {
            assert_eq!(serde_json::to_value(read(value.clone()).unwrap()).unwrap(), value);
        }
        let usual = read(json!({"initial": "30s", "max": "1h", "horizon": "3d"})).unwrap();
        assert_eq!(usual, read(json!({"initial": "30s", "factor": 2, "max": "1h", "horizon": "72h"})).unwrap());
    }

    #[test]
    fn delays_grow_up_to_the_cap_and_end() {
        let schedule = read(json!({"initial": "10s", "factor": 3.0, "max": "1m", "horizon": "30d"})).unwrap();
        let seconds: Vec<_> = (1..=4).map(|attempts| schedule.delay(attempts).unwrap().as_secs()).collect();
        assert_eq!(seconds, [10, 30, 60, 60]);
        assert_eq!(schedule.delay(MOST_RETRIES), Some(Duration::from_secs(60)));
        assert_eq!(schedule.delay(MOST_RETRIES + 1), None);
        assert_eq!(schedule.delay(0), None);
        assert_eq!(Schedule::NEVER.delay(1), None);
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let rule = |change: Value| {
            let mut rule = json!({"initial": "30s", "factor": 2.0, "max": "1h", "horizon": "3d"});
            for (key, value) in change.as_object().unwrap() {
                rule[key] = value.clone();
            }
            read(rule)
        };
        assert!(rule(json!({})).is_ok());
        for bad in [
            json!({"initial": "0s"}),
            json!({"initial": "25h"}),
            json!({"initial": "2h"}),
            json!({"factor": 0.5}),
            json!({"factor": 11}),
            json!({"max": "25h"}),
            json!({"horizon": "31d"}),
            json!({"horizon": "29s"}),
            json!({"jitter": 1.5}),
            json!({"jitter": -0.1}),
            json!({"colour": 1}),
        ] {
            assert!(rule(bad.clone()).is_err(), "{bad}");
        }
        assert!(read(json!(["25h"])).unwrap_err().contains("1day"));
        assert!(read(json!(["soon"])).unwrap_err().contains("soon"));
        assert!(read(json!(vec!["1s"; 20])).is_ok());
        assert!(read(json!(vec!["1s"; 21])).unwrap_err().contains("20"));
        assert!(read(json!("1m")).unwrap_err().contains("list of delays"));
        assert!(read(json!({"initial": "30s"})).unwrap_err().contains("max"));
    }
}
