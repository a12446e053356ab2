//! The external id of an entity's first success is handed to what follows about it.

use super::{assert_came_to, kill};
use postern_tests::platform::id;
use postern_tests::tracker::{PROVIDER, issue};
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use serde_json::{Value, json};

on_each_engine!(the_first_successs_external_id_reaches_what_follows,);

/// Entity and external id of the next request.
async fn next(receiver: &mut Receiver) -> (Value, Value) {
    let body = receiver.next().await.json();
    (body["entity"].clone(), body["externalId"].clone())
}

async fn the_first_successs_external_id_reaches_what_follows(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.add_tracker().await;
    let keyed = json!({ "entityKey": ".payload.incidentId" });
    daemon.subscribe_with(PROVIDER, &receiver, keyed.clone()).await;
    // A failure names nothing, nor does a success without an id.
    receiver.script([Reply::Status(410), Reply::Status(200), issue("T-1"), issue("T-2")]);
    for (title, expected) in [("a1", None), ("a2", None), ("a3", None), ("a4", Some("T-1")), ("a5", Some("T-1"))] {
        daemon.settled(&daemon.emit_about("a", title).await).await;
        assert_eq!(next(&mut receiver).await, (json!("a"), json!(expected)), "{title}");
    }
    receiver.script([issue("T-3")]);
    let other = daemon.settled(&daemon.emit_about("b", "b1").await).await;
    assert_eq!((&other["status"], &other["externalId"]), (&json!("success"), &json!("T-3")));
    assert_eq!(next(&mut receiver).await, (json!("b"), Value::Null));

    kill(&mut daemon).await;
    daemon.restart().await;
    for (entity, expected) in [("a", "T-1"), ("b", "T-3")] {
        assert_came_to(&daemon.settled(&daemon.emit_about(entity, "After the restart").await).await, "success", 1);
        assert_eq!(next(&mut receiver).await, (json!(entity), json!(expected)));
    }
    // Another subscription has names of its own for it, and one without a key knows no entity.
    let subscriptions = daemon.api.items("/api/v1/subscriptions").await;
    daemon.api.delete(&format!("/api/v1/subscriptions/{}", id(&subscriptions[0]["id"]))).await;
    for (changes, entity) in [(keyed, json!("a")), (json!({}), Value::Null)] {
        let subscription = daemon.subscribe_with(PROVIDER, &receiver, changes).await;
        daemon.settled(&daemon.emit_about("a", "Elsewhere").await).await;
        assert_eq!(next(&mut receiver).await, (entity, Value::Null));
        daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;
    }
}
