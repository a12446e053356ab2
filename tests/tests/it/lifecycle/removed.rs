//! Providers that go while subscriptions use them.

use super::{PATH, with_tracker};
use crate::bad_input::assert_detail;
use postern_tests::tracker::BUILD;
use postern_tests::wait::until;
use postern_tests::{Engine, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

on_each_engine!(a_provider_in_use_is_removed_only_by_force_and_its_deliveries_wait_for_its_return);

async fn a_provider_in_use_is_removed_only_by_force_and_its_deliveries_wait_for_its_return(engine: Engine) {
    let (mut daemon, mut receiver, subscription) = with_tracker(engine).await;
    let refused = daemon.api.call(Method::DELETE, PATH, Value::Null).await.problem(409, "conflict");
    assert_detail(&refused, &["used by 1 subscription", "force"]);
    assert_eq!(daemon.api.call(Method::DELETE, &format!("{PATH}?force=true"), Value::Null).await.status, 204);
    let event = daemon.emit("Waits").await;
    for _ in 0..2 {
        let problem = daemon.api.get(&subscription).await["problem"].clone();
        assert_detail(&json!({ "detail": problem }), &["there is no provider `test.tracker`", "add it again"]);
        let delivery = until("the delivery to say why it waits", || async {
            let delivery = daemon.deliveries(&event).await.remove(0);
            (!delivery["waitsFor"].is_null()).then_some(delivery)
        })
        .await;
        assert_eq!((&delivery["status"], &delivery["attempts"], &delivery["waitsFor"]), (&json!("pending"), &json!(0), &problem));
        daemon.kill_9();
        daemon.restart().await;
    }
    // It is another one now, as far as grants go.
    assert_eq!(daemon.offer(BUILD).await.success()["state"], "awaiting-approval");
    let problem = daemon.api.get(&subscription).await["problem"].clone();
    assert_detail(&json!({ "detail": problem }), &["waits for approval"]);
    assert!(receiver.drain().is_empty());
    daemon.api.post(&format!("{PATH}/approve"), Value::Null).await;
    assert_eq!(daemon.settled(&event).await["status"], "success");
    assert!(daemon.api.get(&subscription).await.get("problem").is_none());
}
