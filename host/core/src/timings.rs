//! Where the time of a request went.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the time of a request went, in microseconds. What did not happen, or did not end, is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ExchangeTimings")]
pub struct Timings {
    /// Whether it went over a connection that was there already; then nothing was resolved or connected for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reused: bool,
    /// Resolving the name. Absent for an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve_micros: Option<u64>,
    /// Making the TCP connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_micros: Option<u64>,
    /// The TLS handshake. Absent without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_micros: Option<u64>,
    /// From the beginning of the request until the head of the answer was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_micros: Option<u64>,
}

impl Timings {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
