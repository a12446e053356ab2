//! What the writer and the verifier of the crash tests must agree on.

use postern_core::delivery::Route;
use postern_core::{Event, EventId, Json, SubscriptionId, Timestamp};
use postern_store::{NewEvent, Options};
use std::sync::Arc;

/// The content of an event follows from its id, so the verifier can tell what must be there.
pub(crate) fn event_for(id: EventId, bytes: usize) -> NewEvent {
    let bits = u128::from_be_bytes(id.to_bytes());
    let mut state = (bits as u64) | 1;
    let mut text = String::with_capacity(bytes + 18);
    text.push('"');
    while text.len() < bytes {
        // xorshift64: a payload that does not compress.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push_str(&format!("{state:016x}"));
    }
    text.push('"');
    let event = Event {
        id,
        event_type: "crash.test.happened".parse().expect("a good id"),
        tenant: Default::default(),
        timestamp: Timestamp::from_millis((bits >> 80) as i64),
        payload: Json::parse(text).expect("a JSON string"),
    };
    let provider: postern_core::ProviderId = "crash.test".parse().expect("a good id");
    let routes = (0..1 + bits % 8)
        .map(|index| Route::new(SubscriptionId::from_bytes((bits ^ index).to_be_bytes()), provider.clone()))
        .collect();
    NewEvent { event: Arc::new(event), routes, idempotency: None }
}

/// The options of a store under test, from its engine's name and directory.
pub(crate) fn options(engine: &str, directory: &str) -> Options {
    let mut options = Options::new(directory);
    options.engine = engine.parse().unwrap_or_else(|error| panic!("{error}"));
    options.reserve_bytes = 16 << 20;
    options
}
