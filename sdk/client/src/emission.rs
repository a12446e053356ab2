//! Registering and emitting.

use crate::call::{Body, Client, segment};
use crate::{Error, Hook};
use reqwest::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::SystemTime;
use ulid::Ulid;

/// The largest number of emissions in one request, as the server has it: 100.
pub const MOST: usize = 100;

/// One emission, with the key that makes a repetition known to the server for 24 hours.
///
/// The key is made with the emission and stays the same however often this value is sent: by the retries of one call, or by
/// a caller who keeps it and sends it again. However often it arrives, it makes one event.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Emission {
    #[serde(rename = "type")]
    event_type: String,
    payload: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    idempotency_key: String,
}

/// What became of an emission.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Emitted {
    /// The event's id.
    pub event: String,
    /// How many deliveries it made.
    pub deliveries: u64,
}

impl Emission {
    /// An emission of any event type, `{plugin}.{hook}`. [`Hook::emission`] knows the type of the payload as well.
    pub fn new(event_type: impl Into<String>, payload: Value) -> Self {
        let idempotency_key = Ulid::generate().to_string();
        Self { event_type: event_type.into(), payload, timestamp: None, tenant: None, idempotency_key }
    }

    /// When it happened, to the millisecond. Default: when it arrives.
    #[must_use]
    pub fn at(self, moment: SystemTime) -> Self {
        Self { timestamp: Some(humantime::format_rfc3339_millis(moment).to_string()), ..self }
    }

    /// Whose it is. Default: the client's tenant.
    #[must_use]
    pub fn tenant(self, tenant: impl Into<String>) -> Self {
        Self { tenant: Some(tenant.into()), ..self }
    }

    /// The key that makes a repetition known, in place of the random one: the id of a database row, say, so that not even
    /// a restart of the emitter makes a second event. 1 to 256 bytes.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { idempotency_key: key.into(), ..self }
    }
}

impl Client {
    /// Registers a hook as an event type, or replaces it. To be called when the platform starts: it may be repeated.
    ///
    /// # Errors
    /// The server refuses it, with the code `breaks-subscriptions` if a subscription's filter or template would not fit the
    /// new payload; or there was no answer, see [`Client::retry`].
    pub async fn register<T: JsonSchema + Serialize>(&self, hook: &Hook<T>) -> Result<(), Error> {
        let path = format!("/api/v1/plugins/{}/events/{}", segment(hook.plugin()), segment(hook.name()));
        let body = Body::Json(hook.registration()?);
        self.call_again(Method::PUT, &path, &body).await.map(|_| ())
    }

    /// Emits a hook. When this answers, event and deliveries are on the server's disk.
    ///
    /// # Errors
    /// The payload does not fit what is registered, the hook is not registered, or there was no answer, see
    /// [`Client::retry`]. To send the very same emission once more after that, make it with [`Hook::emission`] and keep it.
    pub async fn emit<T: Serialize>(&self, hook: &Hook<T>, payload: &T) -> Result<Emitted, Error> {
        self.emit_event(&hook.emission(payload)?).await
    }

    /// Sends an emission: one with a time, a tenant or a key of its own.
    ///
    /// # Errors
    /// As [`Client::emit`].
    pub async fn emit_event(&self, emission: &Emission) -> Result<Emitted, Error> {
        let answer = self.call_again(Method::POST, "/api/v1/events", &Body::Json(self.of_tenant(emission))).await?;
        serde_json::from_value(answer).map_err(|_| self.foreign(202))
    }

    /// Sends up to [`MOST`] emissions, of any hooks, in one request; answers in their order. All are judged before the first
    /// is stored, so that one that does not fit keeps back the others; its place in the error begins with its index.
    ///
    /// # Errors
    /// As [`Client::emit`]; or there are too many.
    pub async fn emit_all(&self, emissions: &[Emission]) -> Result<Vec<Emitted>, Error> {
        if emissions.is_empty() {
            return Ok(Vec::new());
        }
        if emissions.len() > MOST {
            return Err(Error::TooMany { given: emissions.len(), most: MOST });
        }
        let body = emissions.iter().map(|emission| self.of_tenant(emission)).collect();
        let answer = self.call_again(Method::POST, "/api/v1/events", &Body::Json(body)).await?;
        let emitted: Vec<Emitted> = serde_json::from_value(answer).map_err(|_| self.foreign(202))?;
        if emitted.len() == emissions.len() { Ok(emitted) } else { Err(self.foreign(202)) }
    }

    fn of_tenant(&self, emission: &Emission) -> Value {
        let mut body = json!(emission);
        if let (None, Some(tenant)) = (&emission.tenant, self.tenant()) {
            body["tenant"] = tenant.into();
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_emission_keeps_its_key_and_no_two_have_the_same() {
        let first = Emission::new("a.b", json!({}));
        assert_eq!(first.clone().idempotency_key, first.idempotency_key);
        assert_ne!(Emission::new("a.b", json!({})).idempotency_key, first.idempotency_key);
        let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
        let body = json!(first.at(moment).tenant("acme").key("row-7"));
        let expected = json!({
            "type": "a.b", "payload": {}, "timestamp": "2026-01-02T03:04:05.678Z", "tenant": "acme", "idempotencyKey": "row-7",
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn the_clients_tenant_is_that_of_emissions_without_one() {
        let client = Client::new("http://127.0.0.1:1", None).unwrap().with_tenant("acme");
        assert_eq!(client.of_tenant(&Emission::new("a.b", json!(1)))["tenant"], "acme");
        assert_eq!(client.of_tenant(&Emission::new("a.b", json!(1)).tenant("globex"))["tenant"], "globex");
    }
}
