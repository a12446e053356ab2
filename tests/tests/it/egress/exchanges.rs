//! What an exchange tells of a request.

use postern_tests::platform::exchange;
use postern_tests::{Daemon, Receiver, Reply};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_tells_the_version_of_http_and_where_the_time_went() {
    let daemon = Daemon::builder().config("[egress]\nallow = [\"localhost\"]").start().await;
    daemon.register_incidents().await;
    let receiver = Receiver::start().await;
    let url = format!("http://localhost:{}/", receiver.port());
    daemon.subscribe_webhook(json!({ "url": url })).await;
    let delivery = daemon.settled(&daemon.emit("Timed").await).await;
    let exchange = exchange(&delivery);
    assert_eq!(exchange["httpVersion"], "HTTP/1.1", "{delivery:#}");
    let timings = &exchange["timings"];
    let micros = |name: &str| timings[name].as_u64().unwrap_or_else(|| panic!("no {name}: {exchange:#}"));
    let before_sending = micros("resolveMicros") + micros("connectMicros");
    assert!(before_sending <= micros("firstByteMicros"), "{exchange:#}");
    assert!(micros("firstByteMicros") <= exchange["durationMicros"].as_u64().unwrap(), "{exchange:#}");
    assert_eq!((&timings["tlsMicros"], &timings["reused"]), (&json!(null), &json!(null)), "{exchange:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_stay_out_of_the_records_when_the_operator_says_so() {
    let daemon = Daemon::builder().config("[egress]\nrecord-bodies = \"none\"").start().await;
    daemon.register_incidents().await;
    let mut receiver = Receiver::that(Reply::Full(200, Vec::new(), "the answer's words".into())).await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let delivery = daemon.settled(&daemon.emit("Nobody's business").await).await;
    let received = receiver.next().await;
    let exchange = exchange(&delivery);
    assert_eq!(exchange["requestBody"], json!({ "text": "", "size": received.body.len() }), "{delivery:#}");
    assert_eq!(exchange["responseBody"], json!({ "text": "", "size": "the answer's words".len() }), "{delivery:#}");
}
