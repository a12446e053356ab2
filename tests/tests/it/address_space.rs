//! A machine that gives the daemon little address space.

use postern_tests::{Daemon, Receiver};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_little_address_space_there_is_no_pool_and_deliveries_are_made_all_the_same() {
    let mut receiver = Receiver::start().await;
    let mut daemon = Daemon::builder().address_space(3_000_000).start().await;
    assert!(daemon.stderr().contains("no pool of instances"), "{}", daemon.stderr());
    daemon.register_incidents().await;
    daemon.add_hostile().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    daemon.subscribe_hostile(json!({ "behaviour": "ok" })).await;
    let mut events = Vec::new();
    for number in 0..20 {
        events.push(daemon.emit(&format!("Number {number}")).await);
    }
    for event in &events {
        for delivery in daemon.all_settled(event).await {
            assert_eq!(delivery["status"], "success", "{delivery:#}");
        }
    }
    assert_eq!(receiver.drain().len(), 20);
    assert_eq!(daemon.terminate().await.status.code(), Some(0));
}
