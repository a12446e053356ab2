//! The coordinator through the real daemon: order, fairness, rates, breakers, quarantine, the inbox, what it announces.

mod ambiguous;
mod announced;
mod backlog;
mod breaker;
mod cancelled;
mod external_ids;
mod failing;
mod held;
mod inbox;
mod neighbours;
mod order;
mod quarantine;
mod rates;
mod rates_of_targets;
mod replays;
mod turns;

use postern_tests::Daemon;
use postern_tests::platform::id;
use postern_tests::wait::until;
use reqwest::Method;
use serde_json::{Value, json};

/// A retry that no test lives to see.
const MUCH_LATER: &str = "[delivery]\nretry = [\"1h\"]";

/// An event's only delivery once it says that it waits for this.
async fn waiting(daemon: &Daemon, event: &str, what: &str) -> Value {
    until(&format!("a delivery to wait: {what}"), || async {
        let delivery = daemon.deliveries(event).await.remove(0);
        delivery["waitsFor"].as_str().is_some_and(|waits| waits.contains(what)).then_some(delivery)
    })
    .await
}

/// The id of an event's only delivery.
async fn delivery_of(daemon: &Daemon, event: &str) -> String {
    id(&daemon.deliveries(event).await[0]["id"])
}

/// Tries an event's only delivery again, or cancels it.
async fn by_hand(daemon: &Daemon, event: &str, verb: &str) -> Value {
    let delivery = delivery_of(daemon, event).await;
    daemon.api.post(&format!("/api/v1/deliveries/{delivery}/{verb}"), Value::Null).await
}

/// Likewise, where it is refused.
async fn refused_by_hand(daemon: &Daemon, event: &str, verb: &str) -> Value {
    let delivery = delivery_of(daemon, event).await;
    let answer = daemon.api.call(Method::POST, &format!("/api/v1/deliveries/{delivery}/{verb}"), Value::Null).await;
    answer.problem(409, "conflict")
}

/// Kills the daemon once all that could be read so far is on the disk: what was just committed can be read a moment before it
/// is, and whatever is answered is there with all that was committed before.
async fn kill(daemon: &mut Daemon) {
    daemon.api.post("/api/v1/tokens", json!({ "name": "The last commit", "scopes": ["read"] })).await;
    daemon.kill_9();
}

/// What a delivery came to: status and number of attempts.
#[track_caller]
fn assert_came_to(delivery: &Value, status: &str, attempts: u32) {
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!(status), &json!(attempts)), "{delivery:#}");
}

/// The title of the incident that a webhook or the tracker got.
fn title(received: &postern_tests::Received) -> String {
    let body = received.json();
    id(if body["title"].is_string() { &body["title"] } else { &body["data"]["title"] })
}

/// The number of the run that each attempt belongs to, in order.
fn runs(delivery: &Value) -> Vec<u64> {
    let steps = delivery["history"].as_array().expect("a whole delivery").iter();
    steps.filter(|step| step["attempt"].is_object()).map(|step| step["run"]["number"].as_u64().expect("a number")).collect()
}
