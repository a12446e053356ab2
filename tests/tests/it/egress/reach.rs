//! Which hosts and addresses can be reached.

use postern_tests::platform::{WEBHOOK, exchange, id};
use postern_tests::{COURIER, Daemon, Receiver, chat};
use serde_json::{Value, json};

/// Nothing special may be reached, as it is by default.
async fn strict() -> Daemon {
    let daemon = Daemon::builder().config("[egress]\nallow = []").start().await;
    daemon.register_incidents().await;
    daemon
}

/// Delivers to a URL that is to be refused, and answers with the denied exchange.
async fn refused(daemon: &Daemon, url: &str) -> Value {
    let subscription = daemon.subscribe_webhook(json!({ "url": url })).await;
    let delivery = daemon.settled(&daemon.emit("To where it must not go").await).await;
    daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("failed"), &json!(1)), "{url}: {delivery:#}");
    let exchange = exchange(&delivery);
    assert_eq!(exchange["decision"], "denied", "{url}: {delivery:#}");
    assert_eq!(delivery["error"], exchange["message"], "the delivery says why: {url}");
    exchange.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_outside_the_grant_is_refused_with_the_command_that_allows_it() {
    let daemon = Daemon::start().await;
    let (granted, mut other) = (Receiver::start().await, Receiver::start().await);
    daemon.register_incidents().await;
    daemon.grant(WEBHOOK, &[&granted.url()]).await;
    let denied = refused(&daemon, &other.url()).await;
    assert_eq!(denied["code"], "grant");
    let command = format!("postern provider grant postern.webhook --host {}", other.url());
    assert!(denied["message"].as_str().unwrap().ends_with(&command), "{denied:#}");
    assert!(other.is_untouched());

    // The command is taken at its word.
    let arguments: Vec<_> = command.split(' ').skip(1).collect();
    let printed = daemon.command(&arguments).await;
    assert!(printed.success, "{printed:?}");
    daemon.subscribe_webhook(json!({ "url": other.url() })).await;
    assert_eq!(daemon.settled(&daemon.emit("Granted now").await).await["status"], "success");
    other.next().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn special_addresses_are_refused_in_every_spelling() {
    let daemon = strict().await;
    let receiver = Receiver::start().await;
    let port = receiver.port();
    let table = [
        (format!("http://127.0.0.1:{port}/"), "127.0.0.1"),
        (format!("http://127.1:{port}/"), "127.0.0.1"),
        (format!("http://2130706433:{port}/"), "127.0.0.1"),
        (format!("http://0x7f000001:{port}/"), "127.0.0.1"),
        (format!("http://0177.0.0.1:{port}/"), "127.0.0.1"),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), "127.0.0.1"),
        (format!("http://[::1]:{port}/"), "::1"),
        (format!("http://0.0.0.0:{port}/"), "0.0.0.0"),
        (format!("http://localhost:{port}/"), "127.0.0.1"),
        (format!("http://LocalHost:{port}/"), "127.0.0.1"),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), "169.254.169.254"),
        ("http://[fd00:ec2::254]/latest/meta-data/".to_owned(), "fd00:ec2::254"),
        ("http://[64:ff9b::a9fe:a9fe]/".to_owned(), "64:ff9b::a9fe:a9fe"),
        ("https://10.0.0.1/".to_owned(), "10.0.0.1"),
        ("https://192.168.1.1/".to_owned(), "192.168.1.1"),
        ("https://[fe80::1]/".to_owned(), "fe80::1"),
    ];
    for (url, address) in table {
        let denied = refused(&daemon, &url).await;
        assert_eq!(denied["code"], "address", "{url}: {denied:#}");
        let message = denied["message"].as_str().unwrap();
        assert!(message.contains(address) || url.contains("ocal"), "{url}: {message}");
        assert!(message.contains("[egress] allow = ["), "it names the line that would allow it: {message}");
    }
    assert!(receiver.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_the_operator_allows_reaches_what_it_resolves_to_and_its_addresses_stay_refused() {
    let daemon = Daemon::builder().config("[egress]\nallow = [\"localhost\"]").start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let denied = refused(&daemon, &receiver.url()).await;
    assert_eq!(denied["code"], "address");
    assert!(receiver.is_untouched());
    daemon.subscribe_webhook(json!({ "url": format!("http://localhost:{}/", receiver.port()) })).await;
    assert_eq!(daemon.settled(&daemon.emit("By name").await).await["status"], "success");
    receiver.next().await;
}

const CARRIER: &str = "test.courier";

/// A subscription of the courier that posts to the host of its own `url`.
async fn subscribe_courier(daemon: &Daemon, base: &str, url: &str) -> String {
    let connection = json!({ "name": "C", "providerId": CARRIER, "settings": { "baseUrl": base, "token": "t0ken" } });
    let connection = id(&daemon.api.post("/api/v1/connections", connection).await["id"]);
    let subscription = json!({
        "name": "Carries", "providerId": CARRIER, "connectionId": connection, "events": ["incident.*"],
        "providerConfig": { "url": url, "to": "config", "carry": "own", "own": "of-the-subscription" },
    });
    id(&daemon.api.post("/api/v1/subscriptions", subscription).await["id"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_narrows_and_widens_what_the_manifest_asks_for() {
    let daemon = chat::builder().start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.add_provider(CARRIER, COURIER).await;
    let grant = format!("/api/v1/providers/{CARRIER}/grant");
    let asked = daemon.api.get(&grant).await["hosts"].clone();
    assert!(asked.as_array().unwrap().contains(&json!("{config.url}")), "{asked}");
    subscribe_courier(&daemon, &receiver.url(), &receiver.url()).await;

    daemon.grant(CARRIER, &["https://example.com"]).await;
    let delivery = daemon.settled(&daemon.emit("Narrowed").await).await;
    assert_eq!(exchange(&delivery)["code"], "grant", "{delivery:#}");
    assert!(delivery["error"].as_str().unwrap().contains("(granted: example.com)"), "{delivery:#}");
    assert!(receiver.is_untouched());

    // Wider, and in other words than the manifest's.
    let host = receiver.url();
    let printed = daemon.command(&["provider", "grant", CARRIER, "--only", "--host", &host, "--host", "more.example"]).await;
    assert!(printed.success && printed.stdout.contains(&format!("may reach {host}, more.example")), "{printed:?}");
    assert_eq!(daemon.api.get(&grant).await["hosts"], json!([host, "more.example"]));
    let delivery = daemon.settled(&daemon.emit("Widened").await).await;
    assert_eq!(delivery["status"], "success", "{delivery:#}");
    receiver.next().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_from_the_settings_leads_to_one_name_and_to_nothing_cleverer() {
    let daemon = Daemon::builder().config("[delivery]\nretry = []").start().await;
    daemon.register_incidents().await;
    daemon.add_provider(CARRIER, COURIER).await;
    // What is in `to` is the label; the name behind it never resolves.
    daemon.grant(CARRIER, &["{config.to}.postern.invalid"]).await;
    for (url, decision) in [
        ("https://config.postern.invalid", "failed"),
        ("https://other.postern.invalid", "denied"),
        ("https://x.config.postern.invalid", "denied"),
        ("https://postern.invalid", "denied"),
        ("http://config.postern.invalid", "denied"),
        ("https://config.postern.invalid:8443", "denied"),
    ] {
        let subscription = subscribe_courier(&daemon, "https://base.example", url).await;
        let delivery = daemon.settled(&daemon.emit("By a label").await).await;
        daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;
        let exchange = exchange(&delivery);
        assert_eq!(exchange["decision"], decision, "{url}: {delivery:#}");
        assert!(decision == "denied" || exchange["kind"] == "dns", "{delivery:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_waits_for_approval_reaches_nothing() {
    let daemon = Daemon::builder().config("[delivery]\nretry = []").start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let path = "/api/v1/providers?plugin=test";
    let component = postern_tests::HOSTILE.to_vec();
    let added = daemon.api.send(reqwest::Method::POST, path, "application/wasm", component).await.unwrap();
    assert_eq!(added.status, 201);
    let added = added.success();
    assert_eq!(
        (&added["state"], &added["asks"]),
        (&json!("awaiting-approval"), &json!(["{config.url}", "{config.elsewhere}"])),
        "{added:#}"
    );
    daemon.subscribe_hostile(json!({ "behaviour": "fetch", "url": receiver.url() })).await;
    let event = daemon.emit("Too early").await;
    let delivery = daemon.deliveries(&event).await.remove(0);
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("pending"), &json!(0)), "{delivery:#}");
    assert!(delivery["waitsFor"].as_str().unwrap().contains("postern provider approve test.hostile"), "{delivery:#}");
    assert!(receiver.is_untouched());

    daemon.api.post("/api/v1/providers/test.hostile/approve", Value::Null).await;
    assert_eq!(daemon.settled(&event).await["status"], "success");
    assert_eq!(receiver.drain().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_that_are_not_for_providers_are_refused_before_anything_is_sent() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.add_hostile().await;
    for method in ["CONNECT", "TRACE", "get", "GET / HTTP/1.1\r\nX: 1"] {
        let config = json!({ "behaviour": "fetch", "url": receiver.url(), "method": method });
        let subscription = daemon.subscribe_hostile(config).await;
        let delivery = daemon.settled(&daemon.emit("A method").await).await;
        assert_eq!(exchange(&delivery)["code"], "method", "{method}: {delivery:#}");
        daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;
    }
    assert!(receiver.is_untouched());
}
