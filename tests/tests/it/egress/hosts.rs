//! The operator's list of hosts stands above every grant.

use postern_tests::platform::exchange;
use postern_tests::{Daemon, Receiver};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_on_the_operators_list_is_refused_although_it_is_granted() {
    let (mut listed, other) = (Receiver::start().await, Receiver::start().await);
    let daemon = Daemon::builder().config(&format!("[egress]\nhosts = [\"{}\"]", listed.url())).start().await;
    daemon.register_incidents().await;
    let subscription = daemon.subscribe_webhook(json!({ "url": listed.url() })).await;
    assert_eq!(daemon.settled(&daemon.emit("Listed").await).await["status"], "success");
    listed.next().await;
    daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;

    daemon.subscribe_webhook(json!({ "url": other.url() })).await;
    let delivery = daemon.settled(&daemon.emit("Not listed").await).await;
    let denied = exchange(&delivery);
    assert_eq!((&denied["decision"], &denied["code"]), (&json!("denied"), &json!("hosts")), "{delivery:#}");
    let line = format!("[egress] hosts = [\"{}\", \"{}\"]", listed.url(), other.url());
    assert!(denied["message"].as_str().unwrap().ends_with(&line), "{denied:#}");
    assert!(other.is_untouched());

    // The line is taken at its word.
    let daemon = Daemon::builder().config(&line.replacen(' ', "\n", 1)).start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": other.url() })).await;
    assert_eq!(daemon.settled(&daemon.emit("Listed now").await).await["status"], "success");
}
