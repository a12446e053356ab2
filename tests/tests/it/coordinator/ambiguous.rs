//! An attempt whose answer was lost may have had its effect. A provider that can is asked before it delivers again.

use super::{assert_came_to, kill};
use postern_tests::platform::{attempts, outcome};
use postern_tests::tracker::{PROVIDER, issue};
use postern_tests::{Daemon, Engine, Received, Receiver, Reply, on_each_engine};
use serde_json::{Value, json};

on_each_engine!(
    a_lost_answer_is_recorded_as_ambiguous,
    what_is_found_counts_as_success_and_nothing_is_sent_anew,
    what_is_not_found_is_delivered,
    what_was_in_flight_at_a_kill_is_asked_for,
);

async fn tracked(engine: Engine, receiver: &Receiver) -> Daemon {
    let daemon = Daemon::on(engine).await;
    daemon.register_incidents().await;
    daemon.add_tracker().await;
    daemon.subscribe_with(PROVIDER, receiver, json!({ "entityKey": ".payload.incidentId" })).await;
    daemon
}

/// Method and path of each request, the delivery's id left out.
fn calls(requests: &[Received], delivery: &Value) -> Vec<String> {
    let id = delivery["id"].as_str().unwrap();
    requests.iter().map(|request| format!("{} {}", request.method, request.target.replace(id, "ID"))).collect()
}

async fn a_lost_answer_is_recorded_as_ambiguous(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    receiver.script([Reply::Close, Reply::Status(503)]);
    let delivery = daemon.settled(&daemon.emit("Cut off").await).await;
    assert_came_to(&delivery, "success", 3);
    let ambiguous: Vec<_> = attempts(&delivery).iter().map(|attempt| attempt["outcome"]["ambiguous"] == true).collect();
    assert_eq!(ambiguous, [true, false, false], "a 503 is an answer: {delivery:#}");
    assert_eq!(attempts(&delivery)[0]["exchanges"][0]["sent"], true);
    assert_eq!(receiver.drain().len(), 3, "the webhook provider cannot be asked, so it is sent again");
}

async fn what_is_found_counts_as_success_and_nothing_is_sent_anew(engine: Engine) {
    let mut receiver = Receiver::start().await;
    let daemon = tracked(engine, &receiver).await;
    receiver.script([Reply::Close, issue("T-1")]);
    let delivery = daemon.settled(&daemon.emit_about("a", "Made, and nobody was told").await).await;
    assert_came_to(&delivery, "success", 2);
    assert_eq!(delivery["externalId"], "T-1");
    let history = attempts(&delivery);
    assert_eq!(history[0]["outcome"]["ambiguous"], true, "{delivery:#}");
    assert!(history[0].get("reconciled").is_none() && history[1]["reconciled"] == true, "{delivery:#}");
    assert_eq!(calls(&receiver.drain(), &delivery), ["POST /issues", "GET /effects/ID"]);
    // It is the entity's first success like any other.
    let next = daemon.settled(&daemon.emit_about("a", "Next").await).await;
    let request = receiver.drain().remove(0);
    assert_eq!((request.json()["externalId"].clone(), &next["status"]), (json!("T-1"), &json!("success")));
}

async fn what_is_not_found_is_delivered(engine: Engine) {
    let mut receiver = Receiver::start().await;
    let daemon = tracked(engine, &receiver).await;
    receiver.script([Reply::Close, Reply::Status(404), issue("T-2")]);
    let delivery = daemon.settled(&daemon.emit_about("a", "Never arrived").await).await;
    assert_came_to(&delivery, "success", 2);
    assert_eq!(delivery["externalId"], "T-2");
    assert_eq!(calls(&receiver.drain(), &delivery), ["POST /issues", "GET /effects/ID", "POST /issues"]);
    let exchanges = attempts(&delivery)[1]["exchanges"].as_array().unwrap();
    let seen: Vec<_> = exchanges.iter().map(|exchange| (&exchange["method"], &exchange["status"])).collect();
    assert_eq!(seen, [(&json!("GET"), &json!(404)), (&json!("POST"), &json!(200))], "the question is kept as well");
    assert_eq!(outcome(&delivery)["result"], "success");
    // Where an answer came, nobody is asked; where the asking fails, nothing is sent.
    receiver.script([Reply::Status(503), Reply::Close, Reply::Status(500), issue("T-3")]);
    let delivery = daemon.settled(&daemon.emit_about("b", "Asked in vain first").await).await;
    assert_came_to(&delivery, "success", 4);
    assert_eq!(
        calls(&receiver.drain(), &delivery),
        ["POST /issues", "POST /issues", "GET /effects/ID", "GET /effects/ID"],
        "{delivery:#}"
    );
}

async fn what_was_in_flight_at_a_kill_is_asked_for(engine: Engine) {
    let mut receiver = Receiver::start().await;
    let mut daemon = tracked(engine, &receiver).await;
    let mut events = Vec::new();
    receiver.script([Reply::Hold, Reply::Hold]);
    for entity in ["a", "b"] {
        events.push(daemon.emit_about(entity, "In flight").await);
        assert_eq!(receiver.next().await.method, "POST");
    }
    kill(&mut daemon).await;
    receiver.always(Reply::Status(404));
    receiver.script([issue("T-1")]);
    let before = receiver.drain();
    assert!(before.is_empty(), "{before:?}");
    // One of the two is found; the other one is not, and is delivered, which fails for good here.
    daemon.restart().await;
    let mut came_to = Vec::new();
    for event in &events {
        let delivery = daemon.settled(event).await;
        came_to.push((delivery["status"].clone(), delivery["externalId"].clone()));
        let found = delivery["status"] == "success";
        let history = attempts(&delivery);
        assert_eq!((history.len(), history[0]["reconciled"] == true), (1, found), "{delivery:#}");
    }
    came_to.sort_by_key(|(status, _)| status.to_string());
    assert_eq!(came_to, [(json!("failed"), Value::Null), (json!("success"), json!("T-1"))]);
    let requests = receiver.drain();
    let asked = requests.iter().filter(|request| request.method == "GET").count();
    assert_eq!((asked, requests.len()), (2, 3), "{requests:?}");
    // What was never attempted is delivered without a question.
    let delivery = daemon.settled(&daemon.emit_about("c", "New").await).await;
    assert_eq!(calls(&receiver.drain(), &delivery), ["POST /issues"]);
}
