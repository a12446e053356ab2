//! Due work is taken in turns: who has much of it makes nobody wait who has little.

use postern_tests::platform::{INCIDENT_CREATED, WEBHOOK, id, incident};
use postern_tests::wait::within;
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use serde_json::json;

on_each_engine!(a_tenant_with_one_event_does_not_wait_for_another_ones_backlog, a_subscription_does_not_wait_for_another_ones,);

const BACKLOG: usize = 500;
/// As many of the backlog may go before the single one: those in flight, and a turn or two.
const FEW: usize = 12;

/// Two subscriptions with receivers of their own.
struct Pair {
    daemon: Daemon,
    busy: Receiver,
    single: Receiver,
}

impl Pair {
    async fn start(engine: Engine, tenants: [&str; 2]) -> Self {
        let config = "[delivery]\nconcurrency = 4\nper-destination = 4";
        let daemon = Daemon::builder().engine(engine).config(config).start().await;
        let (busy, single) = (Receiver::that(Reply::Hold).await, Receiver::start().await);
        daemon.register_incidents().await;
        for ((receiver, tenant), title) in [&busy, &single].into_iter().zip(tenants).zip(["Much", "Little"]) {
            let config = json!({ "url": receiver.url(), "timeout": 60_000 });
            let filter = format!(".payload.title == {title:?}");
            let changes = json!({ "tenant": tenant, "providerConfig": config, "filter": filter });
            daemon.subscribe_with(WEBHOOK, receiver, changes).await;
        }
        for _ in 0..BACKLOG / 100 {
            let event = json!({ "type": INCIDENT_CREATED, "payload": incident("Much"), "tenant": tenants[0] });
            daemon.api.post("/api/v1/events", json!(vec![event; 100])).await;
        }
        Self { daemon, busy, single }
    }

    /// Emits a single event and lets the backlog go one by one until it is there; answers with how many went before it.
    async fn overtaken(&mut self, tenant: &str) -> usize {
        self.busy.next().await;
        let event = json!({ "type": INCIDENT_CREATED, "payload": incident("Little"), "tenant": tenant });
        let emitted = self.daemon.api.post("/api/v1/events", event).await;
        let event = id(if emitted.is_array() { &emitted[0]["event"] } else { &emitted["event"] });
        let mut before = 0;
        let arrival = async {
            loop {
                self.busy.release_one();
                tokio::select! {
                    biased;
                    _ = self.single.next() => break,
                    _ = self.busy.next() => before += 1,
                }
            }
        };
        within("the single event to arrive", arrival).await;
        assert_eq!(self.daemon.settled(&event).await["status"], "success");
        let waiting = self.daemon.api.items("/api/v1/deliveries?status=pending&limit=500").await.len();
        assert!(waiting >= BACKLOG / 2, "{waiting} still wait");
        before
    }
}

async fn a_tenant_with_one_event_does_not_wait_for_another_ones_backlog(engine: Engine) {
    let mut pair = Pair::start(engine, ["acme", "globex"]).await;
    for _ in 0..3 {
        let before = pair.overtaken("globex").await;
        assert!(before <= FEW, "{before} went before it");
    }
}

async fn a_subscription_does_not_wait_for_another_ones(engine: Engine) {
    let mut pair = Pair::start(engine, ["acme", "acme"]).await;
    for _ in 0..3 {
        let before = pair.overtaken("acme").await;
        assert!(before <= FEW, "{before} went before it");
    }
}
