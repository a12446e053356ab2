//! A daemon under load: three subscriptions to every event, one of them in the order of entities.

use super::FAN_OUT;
use super::emitter::Emitter;
use super::tally::{ORDERED, Tally};
use postern_tests::platform::{INCIDENT_CREATED, WEBHOOK, id};
use postern_tests::wait::{until, within};
use postern_tests::{Builder, Daemon, Engine, Receiver};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const EMITTERS: usize = 4;

/// How many attempts run at once.
pub(super) const CONCURRENCY: usize = 32;

/// See the module.
pub(super) struct Scene {
    pub(super) daemon: Daemon,
    pub(super) tally: Tally,
    /// They live as long as the scene.
    receivers: Vec<Receiver>,
    emitters: Vec<Emitter>,
    working: JoinSet<Emitter>,
    acknowledgements: Option<mpsc::UnboundedReceiver<()>>,
}

impl Scene {
    /// With receivers that fail by chance, or with patient ones.
    pub(super) async fn new(engine: Engine, builder: Builder, seed: Option<u64>) -> Self {
        let daemon = builder.engine(engine).config(&format!("[delivery]\nconcurrency = {CONCURRENCY}")).start().await;
        let tally = Tally::default();
        daemon.register_incidents().await;
        let mut receivers = Vec::new();
        for (place, path) in ["/one", "/two", ORDERED].into_iter().enumerate() {
            let receiver = match seed {
                Some(seed) => tally.receiver(seed.wrapping_mul(31).wrapping_add(place as u64)).await,
                None => tally.patient().await,
            };
            let mut body = json!({
                "name": path, "providerId": WEBHOOK, "events": [INCIDENT_CREATED],
                "providerConfig": { "url": receiver.url() + path, "timeout": if seed.is_some() { 1_000 } else { 60_000 } },
            });
            if path == ORDERED {
                body["entityKey"] = json!(".payload.incidentId");
            }
            daemon.api.post("/api/v1/subscriptions", body).await;
            receivers.push(receiver);
        }
        let emitters = (0..EMITTERS).map(|name| Emitter::new(name, seed.unwrap_or_default())).collect();
        Self { daemon, tally, receivers, emitters, working: JoinSet::new(), acknowledgements: None }
    }

    /// Lets all clients emit, each at most so often.
    pub(super) fn emit(&mut self, most: usize) {
        let (told, acknowledgements) = mpsc::unbounded_channel();
        for emitter in self.emitters.drain(..) {
            self.working.spawn(emitter.run(self.daemon.api.clone(), most, told.clone()));
        }
        self.acknowledgements = Some(acknowledgements);
    }

    /// Waits until so many more emissions were acknowledged, or until the clients have nothing more to emit.
    pub(super) async fn acknowledged(&mut self, count: usize) {
        let acknowledgements = self.acknowledgements.as_mut().expect("clients emit");
        for _ in 0..count {
            if within("an acknowledgement", acknowledgements.recv()).await.is_none() {
                return;
            }
        }
    }

    /// Waits until so many more requests arrived, or nothing is left to arrive.
    pub(super) async fn arrived(&self, count: usize) {
        let wanted = self.tally.arrived() + count;
        until("requests to arrive", || async {
            (self.tally.arrived() >= wanted || (self.working.is_empty() && self.unfinished().await == 0)).then_some(())
        })
        .await;
    }

    /// Waits until the clients have stopped: the daemon is gone, or they emitted what they were to.
    pub(super) async fn silence(&mut self) {
        while let Some(emitter) = within("the clients to stop", self.working.join_next()).await {
            self.emitters.push(emitter.expect("no client panics"));
        }
        self.acknowledgements = None;
    }

    /// The acknowledged events.
    pub(super) fn events(&self) -> Vec<String> {
        self.emitters.iter().flat_map(|emitter| emitter.acknowledged.clone()).collect()
    }

    /// How many deliveries are not final.
    async fn unfinished(&self) -> usize {
        let mut unfinished = 0;
        for status in ["pending", "retrying"] {
            unfinished += self.daemon.api.items(&format!("/api/v1/deliveries?status={status}&limit=500")).await.len();
        }
        unfinished
    }

    /// Notes the newest final deliveries.
    pub(super) async fn note_settled(&self) {
        for status in ["success", "failed"] {
            let found = self.daemon.api.items(&format!("/api/v1/deliveries?status={status}&limit=500")).await;
            self.tally.settled(found.iter().map(settled));
        }
    }

    /// Waits until every delivery is final, and checks all that must be true then.
    pub(super) async fn settle(&mut self) {
        until("every delivery to be final", || async { (self.unfinished().await == 0).then_some(()) }).await;
        let events = self.events();
        self.tally.arrived_all(events.iter().flat_map(|event| (0..FAN_OUT).map(move |place| format!("{event}-{place}"))));
        let mut cursor = String::new();
        loop {
            let page = self.daemon.api.get(&format!("/api/v1/deliveries?limit=500{cursor}")).await;
            self.tally.settled(page["items"].as_array().expect("a listing").iter().map(settled));
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        // A new start, and an event behind whatever else it would make.
        assert!(self.daemon.terminate().await.status.success());
        self.daemon.restart().await;
        self.emit(1);
        self.silence().await;
        until("the last deliveries to be final", || async { (self.unfinished().await == 0).then_some(()) }).await;
        self.tally.is_sound();
    }
}

fn settled(delivery: &Value) -> (String, String) {
    (id(&delivery["id"]), id(&delivery["status"]))
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.receivers.iter().for_each(Receiver::release);
    }
}
