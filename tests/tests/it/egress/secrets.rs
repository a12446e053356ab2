//! A secret leaves only toward the host that it is for, and is seen by nobody on the way.

use postern_tests::platform::{FIXTURE, WEBHOOK, attempts, exchange};
use postern_tests::{Daemon, Receiver, Reply};
use serde_json::{Value, json};

const SECRET: &str = "s3cr3t/tok+en=of-a-receiver";

/// A daemon that lets secrets go to this machine without TLS, because receivers here have none.
async fn with_plain_http() -> Daemon {
    let daemon = Daemon::builder().config("[egress]\nplain-http = [\"127.0.0.1:*\"]").start().await;
    daemon.register_incidents().await;
    daemon
}

/// Everything that the API tells, and what the daemon wrote.
async fn everything_told(daemon: &Daemon) -> String {
    let mut text = daemon.stderr();
    for path in ["subscriptions", "deliveries", "events", "providers", "event-types", "tokens"] {
        for item in daemon.api.items(&format!("/api/v1/{path}")).await {
            text.push_str(&item.to_string());
            if let ("subscriptions" | "deliveries", Some(id)) = (path, item["id"].as_str()) {
                text.push_str(&daemon.api.get(&format!("/api/v1/{path}/{id}")).await.to_string());
            }
        }
    }
    text
}

async fn assert_told_nowhere(daemon: &Daemon, secret: &str) {
    let told = everything_told(daemon).await;
    for form in [secret.to_owned(), secret.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D")] {
        let found = told.find(&form).map(|at| &told[at.saturating_sub(200)..(at + form.len()).min(told.len())]);
        assert!(found.is_none(), "the secret is told: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_arrives_in_clear_and_the_api_never_shows_it() {
    let daemon = with_plain_http().await;
    let mut receiver = Receiver::start().await;
    let config = json!({ "url": receiver.url(), "authType": "bearer", "bearerToken": SECRET });
    let subscription = daemon.subscribe_webhook(config).await;
    let delivery = daemon.settled(&daemon.emit("With a token").await).await;
    assert_eq!(delivery["status"], "success", "{delivery:#}");
    assert_eq!(receiver.next().await.header("authorization"), format!("Bearer {SECRET}"));

    let shown = exchange(&delivery)["requestHeaders"].as_array().unwrap().clone();
    assert!(shown.contains(&json!(["Authorization", "Bearer [secret]"])), "{shown:?}");
    let config = &daemon.api.get(&format!("/api/v1/subscriptions/{subscription}")).await["providerConfig"];
    assert_eq!(config["bearerToken"], "[secret]");
    assert_told_nowhere(&daemon, SECRET).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn basic_credentials_and_a_header_of_ones_own_arrive_too() {
    let daemon = with_plain_http().await;
    let mut receiver = Receiver::start().await;
    let config = json!({ "url": receiver.url(), "authType": "basic", "basicUsername": "user", "basicPassword": SECRET });
    daemon.subscribe_webhook(config).await;
    daemon.settled(&daemon.emit("Basic").await).await;
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("user:{SECRET}"));
    assert_eq!(receiver.next().await.header("authorization"), format!("Basic {encoded}"));
    assert_told_nowhere(&daemon, &encoded).await;

    let mut receiver = Receiver::start().await;
    let config = json!({ "url": receiver.url(), "authType": "header", "authHeaderName": "X-My-Key", "authHeaderValue": SECRET });
    daemon.subscribe_webhook(config).await;
    daemon.all_settled(&daemon.emit("Header").await).await;
    assert_eq!(receiver.next().await.header("x-my-key"), SECRET);
    assert_told_nowhere(&daemon, SECRET).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_echoes_the_secret_tells_nobody() {
    let daemon = with_plain_http().await;
    let receiver = Receiver::that(Reply::Echo).await;
    let config = json!({ "url": receiver.url(), "authType": "bearer", "bearerToken": SECRET });
    daemon.subscribe_webhook(config).await;
    let delivery = daemon.settled(&daemon.emit("Echo").await).await;
    let exchange = exchange(&delivery);
    let body = exchange["responseBody"]["text"].as_str().unwrap();
    assert!(body.contains("Bearer [secret]"), "{body}");
    let echoed = exchange["responseHeaders"].as_array().unwrap().iter().find(|header| header[0] == "x-echo").unwrap();
    assert_eq!(echoed[1], "Bearer [secret]");
    assert_told_nowhere(&daemon, SECRET).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_sees_only_placeholders_and_each_call_has_its_own() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    daemon.add_hostile().await;
    daemon.subscribe_hostile(json!({ "behaviour": "print-config", "token": SECRET })).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let delivery = daemon.settled(&daemon.emit("Print").await).await;
        assert_eq!(delivery["status"], "failed");
        let printed = attempts(&delivery)[0]["log"][0]["message"].as_str().unwrap().to_owned();
        let config: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
        assert_eq!(config["behaviour"], "print-config");
        assert_ne!(config["token"], SECRET);
        seen.push(config["token"].clone());
    }
    assert_told_nowhere(&daemon, SECRET).await;
    assert_ne!(seen[0], seen[1], "placeholders are random for each call");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_goes_to_a_granted_host_and_to_no_other() {
    let daemon = with_plain_http().await;
    let mut receiver = Receiver::start().await;
    daemon.add_hostile().await;
    daemon.subscribe_hostile(json!({ "behaviour": "exfiltrate-header", "url": receiver.url(), "token": SECRET })).await;
    let delivery = daemon.settled(&daemon.emit("Granted").await).await;
    assert_eq!(delivery["externalId"], "status-200", "{delivery:#}");
    assert_eq!(receiver.next().await.header("x-stolen"), SECRET);

    daemon.grant(FIXTURE, &["https://example.com"]).await;
    let delivery = daemon.settled(&daemon.emit("No more").await).await;
    assert_eq!((&exchange(&delivery)["decision"], &exchange(&delivery)["code"]), (&json!("denied"), &json!("grant")));
    assert!(receiver.drain().is_empty());
    assert_told_nowhere(&daemon, SECRET).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_does_not_travel_without_tls_unless_the_operator_says_so() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url(), "authType": "bearer", "bearerToken": SECRET })).await;
    let delivery = daemon.settled(&daemon.emit("In the open").await).await;
    let exchange = exchange(&delivery);
    assert_eq!((&exchange["decision"], &exchange["code"]), (&json!("denied"), &json!("plain-http")), "{delivery:#}");
    let line = format!("[egress] plain-http = [\"127.0.0.1:{}\"]", receiver.port());
    assert!(delivery["error"].as_str().unwrap().ends_with(&line), "{delivery:#}");
    assert!(receiver.is_untouched());

    // The line is taken at its word.
    let toml = line.replacen(' ', "\n", 1);
    let daemon = Daemon::builder().config(&toml).start().await;
    daemon.register_incidents().await;
    daemon
        .subscribe(WEBHOOK, &["incident.*"], json!({ "url": receiver.url(), "authType": "bearer", "bearerToken": SECRET }))
        .await;
    assert_eq!(daemon.settled(&daemon.emit("Allowed").await).await["status"], "success");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_revealed_only_with_a_grant_and_even_then_not_told() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    daemon.add_hostile().await;
    let subscription = daemon.subscribe_hostile(json!({ "behaviour": "reveal", "token": SECRET })).await;
    let audit = format!("/api/v1/audit?object={FIXTURE}");
    let refused = daemon.settled(&daemon.emit("Without a grant").await).await;
    let message = refused["error"].as_str().unwrap();
    assert!(message.contains("reveal"), "{message}");
    assert_told_nowhere(&daemon, SECRET).await;

    let reveals = |record: &Value| record["action"] == "secret.reveal";
    assert!(!daemon.api.items(&audit).await.iter().any(reveals));

    // The command that the message ends with is taken at its word.
    let command = message.split_once("To allow it: postern ").expect("a command").1;
    let printed = daemon.command(&command.split(' ').collect::<Vec<_>>()).await;
    assert!(printed.success && printed.stdout.contains("it may read secrets in clear"), "{printed:?}");
    let revealed = daemon.settled(&daemon.emit("With a grant").await).await;
    assert_eq!(revealed["error"], "[secret]", "the provider had it, and administrators still do not see it: {revealed:#}");
    assert_told_nowhere(&daemon, SECRET).await;
    let records = daemon.api.items(&audit).await;
    let records: Vec<_> = records.iter().filter(|record| reveals(record)).collect();
    let [record] = records[..] else { panic!("one for the one attempt: {records:#?}") };
    assert_eq!(
        (&record["actor"], &record["kind"], &record["tenant"]),
        (&json!("postern"), &json!("provider"), &json!("default"))
    );
    let value = |name: &str| record["values"][name]["to"].clone();
    assert_eq!(value("secret"), "config/token", "{record:#}");
    assert_eq!((value("subscription"), value("delivery")), (json!(subscription), revealed["id"].clone()));

    assert!(daemon.command(&["provider", "grant", FIXTURE, "--reveal-secrets=false"]).await.success);
    let refused = daemon.settled(&daemon.emit("No more").await).await;
    assert!(refused["error"].as_str().unwrap().contains("may not read secrets"), "{refused:#}");
}
