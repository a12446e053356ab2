//! A client that emits one event after the other, and knows what of it was acknowledged.

use postern_tests::Api;
use postern_tests::platform::id;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::json;
use tokio::sync::mpsc;

/// The things that the events of one client are about.
const ENTITIES: u64 = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Emitter {
    name: usize,
    chance: StdRng,
    /// The number of the next emission.
    next: u64,
    /// An emission with an idempotency key that was not answered: its number.
    unanswered: Option<u64>,
    /// The events that were acknowledged.
    pub(super) acknowledged: Vec<String>,
}

impl Emitter {
    pub(super) fn new(name: usize, seed: u64) -> Self {
        let chance = StdRng::seed_from_u64(seed.wrapping_add(name as u64));
        Self { name, chance, next: 1, unanswered: None, acknowledged: Vec::new() }
    }

    /// Emits until the server is gone, or so many times; tells of each acknowledgement.
    pub(super) async fn run(mut self, api: Api, most: usize, told: mpsc::UnboundedSender<()>) -> Self {
        for _ in 0..most {
            let (number, keyed) = match self.unanswered.take() {
                Some(number) => (number, true),
                None => {
                    self.next += 1;
                    (self.next, self.chance.random_bool(0.5))
                }
            };
            let Some(event) = self.emit(&api, number, keyed).await else {
                self.unanswered = keyed.then_some(number);
                break;
            };
            self.acknowledged.push(event.clone());
            let _ = told.send(());
            if keyed && self.chance.random_bool(0.1) {
                match self.emit(&api, number, true).await {
                    Some(again) => assert_eq!(again, event, "the key was forgotten"),
                    None => break,
                }
            }
        }
        self
    }

    /// The event's id, if the emission was acknowledged; none if there was no whole answer.
    async fn emit(&self, api: &Api, number: u64, keyed: bool) -> Option<String> {
        let entity = format!("{}-{}", self.name, number % ENTITIES);
        let body = json!({ "incidentId": entity, "systemIds": [], "title": number.to_string(), "severity": "minor" });
        let key = format!("{}-{number}", self.name);
        let headers: &[(&str, &str)] = if keyed { &[("Idempotency-Key", &key)] } else { &[] };
        let path = "/api/v1/plugins/incident/hooks/incident.created";
        let answer = api.try_call_with(Method::POST, path, headers, body).await.ok()?;
        if answer.status == 503 {
            answer.problem(503, "stopping");
            return None;
        }
        assert_eq!(answer.status, 202, "{}", answer.text);
        let answer = answer.json();
        assert_eq!(answer["deliveries"], super::FAN_OUT);
        Some(id(&answer["event"]))
    }
}
