//! Counts of what happened.

use postern_tests::platform::INCIDENT_CREATED;
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/stats";

on_each_engine!(deliveries_are_counted_by_status_event_type_and_provider);

async fn deliveries_are_counted_by_status_event_type_and_provider(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    daemon.register_incidents().await;
    daemon.add_hostile().await;
    let none = daemon.api.get(PATH).await;
    assert_eq!((&none["events"], &none["deliveries"]["total"], &none["cutAt"]), (&json!(0), &json!(0), &Value::Null));
    daemon.emit("For nobody").await;

    let mut receiver = Receiver::start().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    daemon.settled(&daemon.emit("Arrives").await).await;
    receiver.script([Reply::Status(410)]);
    daemon.settled(&daemon.emit("Is gone").await).await;
    let hostile = daemon.subscribe_hostile(json!({ "behaviour": "fail-never" })).await;
    daemon.all_settled(&daemon.emit("Arrives at one of two").await).await;
    daemon.api.delete(&format!("/api/v1/subscriptions/{hostile}")).await;
    receiver.always(Reply::Hold);
    receiver.drain();
    let event = daemon.emit("Is on its way").await;
    receiver.next().await;

    let counts = |total, success, failed, pending| json!({ "total": total, "success": success, "failed": failed, "retrying": 0, "pending": pending });
    let stats = daemon.api.get(PATH).await;
    assert_eq!((&stats["events"], &stats["deliveries"]), (&json!(5), &counts(5, 2, 2, 1)), "{stats:#}");
    assert_eq!(stats["byEventType"], json!([{ "eventType": INCIDENT_CREATED, "deliveries": counts(5, 2, 2, 1) }]));
    let by_provider = json!([
        { "provider": "postern.webhook", "deliveries": counts(4, 2, 1, 1) },
        { "provider": "test.hostile", "deliveries": counts(1, 0, 1, 0) },
    ]);
    assert_eq!(stats["byProvider"], by_provider);
    for query in ["?hours=1", "?hours=720"] {
        assert_eq!(daemon.api.get(&format!("{PATH}{query}")).await["deliveries"], stats["deliveries"]);
    }
    receiver.release();
    daemon.settled(&event).await;
    daemon.kill_9();
    daemon.restart().await;
    assert_eq!(daemon.api.get(PATH).await["deliveries"], counts(5, 3, 2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hours_out_of_range_are_refused() {
    let daemon = Daemon::start().await;
    for query in ["hours=0", "hours=721", "hours=-1", "hours=many", "days=1"] {
        daemon.api.call(Method::GET, &format!("{PATH}?{query}"), Value::Null).await.problem(400, "bad-query");
    }
}
