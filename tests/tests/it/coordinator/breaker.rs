//! Circuit breakers: a destination that only fails is left alone; one delivery probes it.

use super::{assert_came_to, kill, waiting};
use postern_tests::platform::WEBHOOK;
use postern_tests::wait::until;
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

on_each_engine!(an_open_breaker_holds_deliveries_back_and_uses_up_no_retry,);

fn settings(pause: &str) -> String {
    let breaker = format!("[delivery.breaker]\nfailures = 3\npause = {pause:?}\nlongest = \"1h\"");
    format!("[delivery]\nretry = [\"1ms\", \"1ms\", \"1ms\", \"1ms\"]\n{breaker}")
}

/// What is known of a receiver, once its breaker is thus.
async fn destination(daemon: &Daemon, receiver: &Receiver, breaker: &str) -> Value {
    until(&format!("a breaker that is {breaker}"), || async {
        let known = daemon.api.items("/api/v1/destinations").await;
        known.into_iter().find(|known| known["destination"] == receiver.url() && known["breaker"] == breaker)
    })
    .await
}

async fn an_open_breaker_holds_deliveries_back_and_uses_up_no_retry(engine: Engine) {
    let mut daemon = Daemon::builder().engine(engine).config(&settings("1h")).start().await;
    let (mut receiver, healthy) = (Receiver::that(Reply::Status(500)).await, Receiver::start().await);
    daemon.register_incidents().await;
    let down = daemon.subscribe_with(WEBHOOK, &receiver, json!({})).await;
    let first = daemon.emit("Opens it").await;
    let known = destination(&daemon, &receiver, "open").await;
    assert!(known["openUntil"].is_string() && known["inFlight"] == 0 && known["slow"] == true, "{known:#}");
    let figures = daemon.api.call(Method::GET, "/metrics", Value::Null).await.text;
    assert!(figures.contains("postern_breakers{state=\"open\"} 1\n"), "{figures}");
    // A retry was due in a millisecond, and there are more to come.
    let what = format!("{} fails; the next delivery probes it at {}", receiver.url(), known["openUntil"].as_str().unwrap());
    // The breaker knows of the third failure before it is recorded.
    let recorded = until("the third failure to be recorded", || async {
        Some(waiting(&daemon, &first, &what).await).filter(|delivery| delivery["attempts"] == 3)
    });
    assert_came_to(&recorded.await, "retrying", 3);
    let second = daemon.emit("Waits").await;
    assert_came_to(&waiting(&daemon, &second, &what).await, "pending", 0);
    let other = daemon.subscribe_with(WEBHOOK, &healthy, json!({})).await;
    let third = daemon.with_status(&daemon.emit("For both").await, "success").await;
    assert_eq!((&third["subscription"], &third["attempts"]), (&json!(other), &json!(1)), "{third:#}");
    assert_eq!(receiver.drain().len(), 3, "nothing is sent meanwhile");
    let view = daemon.api.items("/api/v1/destinations").await;
    let healthy = view.iter().find(|known| known["destination"] == healthy.url()).unwrap();
    assert_eq!((&healthy["breaker"], &healthy["slow"]), (&json!("closed"), &json!(false)));

    // What is known of destinations ends with the process; what waits does not.
    receiver.always(Reply::Status(200));
    kill(&mut daemon).await;
    daemon.restart().await;
    assert_came_to(&daemon.settled(&first).await, "success", 4);
    assert_came_to(&daemon.settled(&second).await, "success", 1);
    let listed = daemon.api.items(&format!("/api/v1/deliveries?subscription={down}&status=success")).await;
    assert!(listed.len() >= 2, "{listed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_delivery_probes_and_a_success_lets_all_go() {
    let daemon = Daemon::builder().config(&settings("500ms")).start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let failing = vec![Reply::Status(500); 4];
    receiver.script(failing.into_iter().chain([Reply::Hold]));
    let mut events = vec![daemon.emit("Opens it").await];
    for _ in 0..3 {
        receiver.next().await;
    }
    destination(&daemon, &receiver, "open").await;
    for number in 0..5 {
        events.push(daemon.emit(&format!("Waits {number}")).await);
    }
    // The first probe fails, and the pause doubles.
    let first = receiver.next().await.at;
    let second = receiver.next().await.at;
    assert!(second.duration_since(first) >= Duration::from_millis(990), "{:?}", second.duration_since(first));
    let known = destination(&daemon, &receiver, "probing").await;
    assert_eq!((&known["inFlight"], known.get("openUntil")), (&json!(1), None), "{known:#}");
    let late = daemon.emit("While the probe is on its way").await;
    waiting(&daemon, &late, "as many deliveries as may be are on their way").await;
    assert!(receiver.drain().is_empty(), "one probe alone");
    events.push(late);
    receiver.release();
    for event in &events {
        assert_eq!(daemon.settled(event).await["status"], "success");
    }
    let known = destination(&daemon, &receiver, "closed").await;
    assert_eq!((&known["failures"], &known["inFlight"]), (&json!(0), &json!(0)), "{known:#}");
    let attempts: u64 = {
        let all = daemon.api.items("/api/v1/deliveries").await;
        all.iter().map(|delivery| delivery["attempts"].as_u64().unwrap()).sum()
    };
    assert_eq!(attempts, events.len() as u64 + 4, "four failed, and each succeeded once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_of_single_requests_open_no_breaker() {
    let daemon = Daemon::builder().config(&settings("1h")).start().await;
    let receiver = Receiver::that(Reply::Status(422)).await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    for _ in 0..10 {
        assert_came_to(&daemon.settled(&daemon.emit("Unfit").await).await, "failed", 1);
    }
    assert_eq!(destination(&daemon, &receiver, "closed").await["failures"], 0);
}
