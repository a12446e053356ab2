//! What `http.send` refuses, `wasi:http` refuses too: by the same rule, with the same words.

use super::{PROVIDER, assert_failed, decisions, deliver, deliver_by, exchanges, log, with_stock};
use postern_tests::platform::FIXTURE;
use postern_tests::{Daemon, Receiver};
use serde_json::{Value, json};

/// Has both fixtures do the same, and checks that the same came of it. Answers with the stock client's delivery.
async fn alike(daemon: &Daemon, contract: Value, stock: Value) -> Value {
    let contract = deliver_by(daemon, FIXTURE, contract).await;
    let stock = deliver_by(daemon, PROVIDER, stock).await;
    assert_eq!(decisions(&contract), decisions(&stock), "{contract:#}\n{stock:#}");
    for (one, other) in exchanges(&contract).iter().zip(exchanges(&stock)) {
        let message = one["message"].as_str().map(|message| message.replace(FIXTURE, PROVIDER));
        assert_eq!(message.as_deref(), other["message"].as_str());
        assert_eq!((&one["method"], &one["url"]), (&other["method"], &other["url"]));
    }
    stock
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_and_addresses_are_judged_alike() {
    let daemon = with_stock("[egress]\nallow = []").await;
    daemon.add_hostile().await;
    let receiver = Receiver::start().await;
    let fetch = |url: &str| json!({ "behaviour": "fetch", "url": url });
    for url in [
        &format!("{}/", receiver.url()),
        &format!("http://2130706433:{}/", receiver.port()),
        &format!("http://localhost:{}/", receiver.port()),
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "https://10.0.0.1/",
    ] {
        let refused = alike(&daemon, fetch(url), fetch(url)).await;
        assert_eq!(exchanges(&refused)[0]["code"], "address", "{refused:#}");
        assert_failed(&refused, "HttpRequestDenied");
        assert!(log(&refused).contains("[egress] allow = ["), "the author reads what would allow it: {refused:#}");
    }

    for provider in [FIXTURE, PROVIDER] {
        daemon.grant(provider, &["https://example.com"]).await;
    }
    let refused = alike(&daemon, fetch("https://example.org/"), fetch("https://example.org/")).await;
    assert_eq!(exchanges(&refused)[0]["code"], "grant");
    assert!(log(&refused).contains("postern provider grant test.stock --host example.org"), "{refused:#}");
    assert!(receiver.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_goes_to_no_second_host_and_not_in_the_open() {
    let daemon = with_stock("").await;
    daemon.add_hostile().await;
    let (receiver, second) = (Receiver::start().await, Receiver::start().await);
    let stock = json!({ "behaviour": "post", "place": "header", "url": receiver.url(), "token": "hunter2hunter2" });
    let contract = json!({ "behaviour": "exfiltrate-header", "url": receiver.url(), "token": "hunter2hunter2" });
    let refused = deliver_by(&daemon, PROVIDER, stock).await;
    let alike = deliver_by(&daemon, FIXTURE, contract).await;
    assert_eq!(decisions(&refused), decisions(&alike));
    assert_eq!(exchanges(&refused)[0]["code"], "plain-http", "{refused:#}");
    assert_failed(&refused, "HttpRequestDenied");

    // The host of `url` is granted, so no other is reached.
    daemon.grant(PROVIDER, &["{config.url}"]).await;
    let config = json!({ "behaviour": "fetch", "url": receiver.url(), "elsewhere": second.url() });
    let refused = deliver(&daemon, config).await;
    assert_eq!(exchanges(&refused)[0]["code"], "grant", "{refused:#}");
    assert!(receiver.is_untouched() && second.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_schemes_and_headers_that_belong_to_the_host_are_refused() {
    let daemon = with_stock("").await;
    daemon.add_hostile().await;
    let receiver = Receiver::start().await;
    let url = format!("{}/", receiver.url());
    for method in ["CONNECT", "TRACE", "get"] {
        let config = json!({ "behaviour": "fetch", "url": url, "method": method });
        let refused = alike(&daemon, config.clone(), config).await;
        assert_eq!(exchanges(&refused)[0]["code"], "method");
        assert_failed(&refused, method);
    }
    // The client's library does not even take these, as WASI has it.
    for header in ["Host: example.com", "Transfer-Encoding: chunked", "Upgrade: websocket", "Proxy-Authorization: Basic x"] {
        let refused = deliver(&daemon, json!({ "behaviour": "fetch", "url": url, "header": header })).await;
        assert_failed(&refused, "Forbidden");
        assert!(decisions(&refused).is_empty(), "{refused:#}");
    }
    for header in ["Expect: 100-continue", "TE: trailers", "Trailer: X-Sum", "Alt-Used: example.com"] {
        let refused = deliver(&daemon, json!({ "behaviour": "fetch", "url": url, "header": header })).await;
        assert_eq!(exchanges(&refused)[0]["code"], "header", "{header}: {refused:#}");
        assert_failed(&refused, "belongs to the host");
    }
    let elsewhere = "ftp://example.com/";
    let refused = deliver(&daemon, json!({ "behaviour": "fetch", "url": url, "elsewhere": elsewhere })).await;
    assert_eq!(exchanges(&refused)[0]["code"], "scheme", "{refused:#}");
    assert!(receiver.is_untouched());
}
