//! `postern provider test`: by a script, by a recording, for real, and again when something changes.

use super::{Desk, json_of, provider, well};
use postern_tests::launch::{compile_cache, postern};
use postern_tests::wait::until;
use postern_tests::{CONNECTED, HOSTILE, Receiver, Reply};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::process::Stdio;

/// Settings with which the hostile fixture sends one request and is content with any answer.
fn fetching(url: &str) -> String {
    json!({ "behaviour": "fetch", "method": "POST", "url": url, "token": "token-of-no-value" }).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_expects_and_answers_and_the_whole_run_is_shown() {
    let desk = Desk::new();
    let file = desk.file("webhook.wasm", webhook());
    let script = desk.file(
        "script.yaml",
        r#"
config: { url: "https://hooks.example.com:8443/incidents", authType: bearer, bearerToken: token-of-no-value }
events:
  - { type: incident.incident.created, payload: { title: It burns } }
exchanges:
  - request:
      method: POST
      url: https://hooks.example.com:8443/incidents
      headers: { authorization: Bearer token-of-no-value }
      json: { eventType: incident.incident.created, data: { title: It * } }
    answer: { status: 503, headers: { retry-after: "20" }, body: busy with token-of-no-value }
result: { outcome: again, after: 20s, message: "*HTTP 503*busy*" }
"#,
    );
    let told = well(&["test", &file, "--script", &script]).await;
    for text in [
        "POST https://hooks.example.com:8443/incidents → 503",
        "> Authorization: Bearer [secret]",
        "< busy with [secret]",
        "tried again after 20 s: ",
    ] {
        assert!(told.contains(text), "{text}: {told}");
    }
    assert!(!told.contains("token-of-no-value"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_otherwise_than_the_script_says_fails_the_run_with_each_difference() {
    let desk = Desk::new();
    let file = desk.file("hostile.wasm", HOSTILE);
    let script = desk.file(
        "script.yaml",
        format!(
            "config: {}\nexchanges:\n  - request: {{ method: GET, url: \"https://other.example/*\" }}\nresult: {{ outcome: failed, externalId: \"42\" }}\n",
            fetching("https://example.com/x")
        ),
    );
    let (ran, printed) = json_of(&["test", &file, "--script", &script]).await;
    assert_eq!(printed.code, Some(1));
    let problems = ran["problems"].to_string();
    for text in [
        "the method is POST, not GET; the URL is not https://other.example/*",
        "exchange 1 (GET https://other.example/*) did not happen",
        "it ends as `delivered`, not `failed`",
        "the external id is not `42`: it is `status-501`",
    ] {
        assert!(problems.contains(text), "{text}: {problems}");
    }
    let wrong = desk.file("wrong.yaml", "answer: []\n");
    let printed = provider(&["test", &file, "--script", &wrong]).await;
    assert!(printed.stderr.contains("wrong.yaml: line 1: "), "{printed:?}");
    let unfit = provider(&["test", &file, "--config", r#"{"behaviour": "dance"}"#]).await;
    assert!(unfit.stderr.contains("/providerConfig/behaviour"), "the daemon's own words: {unfit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaves_the_machine_whatever_a_url_names_and_rules_hold() {
    let desk = Desk::new();
    let file = desk.file("hostile.wasm", HOSTILE);
    let mut receiver = Receiver::start().await;
    for url in [receiver.url().as_str(), "https://8.8.8.8/x", "https://[2001:4860:4860::8888]:444/x", "https://example.com:444/x"]
    {
        let (ran, printed) = json_of(&["test", &file, "--config", &fetching(url)]).await;
        assert!(printed.success, "{printed:?}");
        let exchange = &ran["deliveries"][0]["attempt"]["exchanges"][0];
        assert_eq!((&exchange["decision"], &exchange["status"]), (&json!("answered"), &json!(200)), "{url}");
        assert!(exchange["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{url} was played: {exchange:#}");
    }
    assert!(receiver.drain().is_empty(), "the script plays the receiver too");
    let granted = ["test", &file, "--config", &fetching("https://example.com/x"), "--grant", r#"{"hosts": ["other.example"]}"#];
    let (ran, printed) = json_of(&granted).await;
    assert_eq!((printed.code, &ran["deliveries"][0]["attempt"]["exchanges"][0]["code"]), (Some(1), &json!("grant")));
    let private = ["test", &file, "--config", &fetching("https://10.0.0.1/x")];
    let (ran, _) = json_of(&private).await;
    assert_eq!(ran["deliveries"][0]["attempt"]["exchanges"][0]["code"], "address");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_run_reaches_the_target_under_the_operators_rules_and_its_record_is_played_again() {
    let desk = Desk::new();
    let file = desk.file("hostile.wasm", HOSTILE);
    let mut receiver = Receiver::start().await;
    receiver.always(Reply::Full(418, vec![("x-pot", "tea".to_owned())], "short and stout".to_owned()));
    let config = fetching(&format!("{}/brew", receiver.url()));
    let live = ["test", &file, "--config", &config, "--live"];
    let (refused, printed) = json_of(&live).await;
    assert_eq!(printed.code, Some(1), "loopback is not for providers: {refused:#}");
    assert!(receiver.drain().is_empty());

    let record = desk.path("attempt.json").display().to_string();
    let (ran, printed) = json_of(&[&live[..], &["--allow", "127.0.0.1", "--record", &record]].concat()).await;
    assert!(printed.success, "{printed:?}");
    assert_eq!((receiver.next().await.target, &ran["deliveries"][0]["externalId"]), ("/brew".to_owned(), &json!("status-418")));

    let (again, printed) = json_of(&["test", &file, "--config", &config, "--recording", &record]).await;
    assert!(printed.success, "{printed:?}");
    let exchange = &again["deliveries"][0]["attempt"]["exchanges"][0];
    assert_eq!((&exchange["status"], &exchange["responseBody"]["text"]), (&json!(418), &json!("short and stout")));
    assert!(receiver.drain().is_empty(), "only the recording answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn later_events_of_an_entity_find_what_the_first_one_made() {
    let desk = Desk::new();
    let file = desk.file("slack.wasm", bundled("slack"));
    let event = |title: &str| json!({ "type": "incident.incident.updated", "entity": "inc-1", "payload": { "title": title } });
    let script = desk.file(
        "script.yaml",
        r#"
connection: { botToken: xoxb-0123456789-tokenofnovalue, channel: C01 }
exchanges:
  - answer: { json: { ok: true, channel: C01, ts: "1.5" } }
  - request: { json: { thread_ts: "1.5" } }
    answer: { json: { ok: true, channel: C01, ts: "2.5" } }
"#,
    );
    let (one, two) = (event("one").to_string(), event("two").to_string());
    let (ran, printed) = json_of(&["test", &file, "--script", &script, "--event", &one, "--event", &two]).await;
    assert!(printed.success, "{printed:?}");
    assert_eq!(ran["deliveries"][0]["externalId"], "C01:1.5");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_component_is_run_again() {
    let desk = Desk::new();
    let file = desk.file("provider.wasm", HOSTILE);
    let shown = desk.path("shown");
    let output = File::create(&shown).unwrap();
    let mut child = postern()
        .args(["provider", "test", &file, "--config", &fetching("https://example.com/x"), "--watch", "--cache"])
        .arg(compile_cache())
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let told = async |text: &str| {
        until(text, || std::future::ready(fs::read_to_string(&shown).unwrap().contains(text).then_some(()))).await;
    };
    told("waiting for a change").await;
    told("local.hostile").await;
    // Renamed into its place, as builds do it: it is never there in part.
    fs::rename(desk.file("next.wasm", CONNECTED), &file).unwrap();
    told("error: the connection is not saved").await;
    child.kill().unwrap();
    child.wait().unwrap();
}

fn bundled(name: &str) -> &'static [u8] {
    postern_bundle::component(name).unwrap()
}

fn webhook() -> &'static [u8] {
    bundled("webhook")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_the_daemon_keeps_is_a_recording() {
    let daemon = postern_tests::Daemon::start().await;
    let receiver = Receiver::that(Reply::Full(200, Vec::new(), r#"{"id":"made-7"}"#.to_owned())).await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let event = daemon.emit("It burns").await;
    daemon.settled(&event).await;
    let shown = daemon.command(&["delivery", "show", &format!("{event}-0")]).await;
    let desk = Desk::new();
    let (file, recording) = (desk.file("webhook.wasm", webhook()), desk.file("delivery.json", shown.stdout));
    let config = json!({ "url": receiver.url() }).to_string();
    let (ran, printed) = json_of(&["test", &file, "--config", &config, "--recording", &recording]).await;
    assert!(printed.success, "{printed:?}");
    let delivered: &Value = &ran["deliveries"][0];
    assert_eq!((&delivered["status"], &delivered["externalId"]), (&json!("success"), &json!("made-7")));
}
