//! No provider speaks to the daemon that runs it.

use postern_tests::platform::exchange;
use postern_tests::{Daemon, Receiver};
use serde_json::json;

/// The port of the daemon's API.
fn port(daemon: &Daemon) -> &str {
    daemon.api.server().rsplit(':').next().expect("a port")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemons_own_api_is_out_of_reach_under_every_name_whatever_is_allowed() {
    let allow = "[egress]\nallow = [\"127.0.0.0/8\", \"::1\", \"0.0.0.0\", \"::\", \"64:ff9b::/96\", \"localhost\"]";
    let daemon = Daemon::builder().config(allow).start().await;
    daemon.register_incidents().await;
    let port = port(&daemon);
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",
        "[::]",
        "localhost",
        "LOCALHOST",
    ];
    for host in hosts {
        let url = format!("http://{host}:{port}/healthz");
        let subscription = daemon.subscribe_webhook(json!({ "url": url })).await;
        let delivery = daemon.settled(&daemon.emit("To oneself").await).await;
        daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;
        let denied = exchange(&delivery);
        assert_eq!(denied["code"], "own-listener", "{url}: {delivery:#}");
        assert!(denied["message"].as_str().unwrap().contains("nothing allows it"), "{denied:#}");
    }

    // What is allowed is reached at every other port.
    let mut receiver = Receiver::start().await;
    daemon.subscribe_webhook(json!({ "url": format!("http://localhost:{}/", receiver.port()) })).await;
    assert_eq!(daemon.settled(&daemon.emit("To another").await).await["status"], "success");
    receiver.next().await;
}
