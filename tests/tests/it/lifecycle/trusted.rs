//! Which components are taken.

use super::{PATH, in_force, in_state};
use crate::bad_input::assert_detail;
use crate::commands::{assert_refused, json_of, ok};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign::KeyPair;
use postern_tests::daemon::run;
use postern_tests::launch::postern;
use postern_tests::tracker::{BUILD, PROVIDER, REPAIRED};
use postern_tests::{Answer, Daemon};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;
use std::io::Cursor;
use tempfile::TempDir;

/// Signs as `minisign -S` does.
fn sign(key: &KeyPair, content: &[u8]) -> String {
    minisign::sign(None, &key.sk, Cursor::new(content), Some("timestamp:1"), Some("a test's")).unwrap().into_string()
}

fn keys() -> (KeyPair, KeyPair, String) {
    let pair = || KeyPair::generate_unencrypted_keypair().unwrap();
    let (ours, foreign) = (pair(), pair());
    let config = format!("[providers]\ntrust = \"signed\"\n[providers.keys]\nacme = \"{}\"", ours.pk.to_base64());
    (ours, foreign, config)
}

async fn offer(daemon: &Daemon, component: &[u8], signature: Option<&str>) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.post(format!("{}/api/v1/providers?plugin=test", daemon.api.server()));
    request = request.bearer_auth(daemon.api.token().unwrap()).header("Content-Type", "application/wasm");
    if let Some(signature) = signature {
        request = request.header("Postern-Signature", STANDARD.encode(signature));
    }
    let response = request.body(component.to_vec()).send().await.unwrap();
    Answer { status: response.status().as_u16(), headers: response.headers().clone(), text: response.text().await.unwrap() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_signed_with_a_named_key_is_taken() {
    let (ours, foreign, config) = keys();
    let daemon = Daemon::builder().config(&config).start().await;
    let signature = sign(&ours, BUILD);
    let table = [
        (None, vec!["is not signed", "one of its keys (acme", "minisign -S"]),
        (Some(sign(&foreign, BUILD)), vec!["a key that is not known here"]),
        (Some(sign(&ours, REPAIRED)), vec!["not of this content", "`acme`"]),
        (Some("not a signature".to_owned()), vec!["none of minisign"]),
        (Some(signature.replace("timestamp:1", "timestamp:2")), vec!["not of this content"]),
        (Some("x".repeat(5000)), vec!["at most 4096"]),
    ];
    for (signature, texts) in table {
        let refused = offer(&daemon, BUILD, signature.as_deref()).await;
        assert_detail(&refused.problem(422, "untrusted-component"), &texts);
    }
    let path = "/api/v1/providers?plugin=test";
    let headers = [("Postern-Signature", "%%%"), ("Content-Type", "application/wasm")];
    daemon.api.call_with(Method::POST, path, &headers, json!("x")).await.problem(422, "invalid");
    assert_eq!(daemon.api.call(Method::GET, PATH, Value::Null).await.status, 404, "nothing of it was kept");

    let added = offer(&daemon, BUILD, Some(&signature)).await.success();
    assert_eq!((&added["state"], &added["signedBy"]), (&json!("awaiting-approval"), &json!("acme")));
    let builds = daemon.api.items(&format!("{PATH}/versions")).await;
    assert_eq!(builds[0]["signedBy"], "acme");
    assert_eq!(daemon.api.get("/api/v1/providers/postern.webhook").await["state"], "active", "it is part of the program");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_is_judged_again_at_each_start() {
    let (ours, foreign, config) = keys();
    let home = TempDir::new().unwrap();
    let start = async |config: &str| Daemon::builder().data(home.path()).config(config).start().await;
    let mut daemon = start("").await;
    let added = offer(&daemon, BUILD, Some(&sign(&foreign, BUILD))).await.success();
    assert_eq!(added["signedBy"], Value::Null, "any is taken, and of this key nobody knows whose it is");
    daemon.terminate().await;
    let token = daemon.api.token().unwrap().to_owned();
    drop(daemon);
    let mut daemon = start(&config).await;
    let shown = daemon.api.with_token(Some(&token)).get(PATH).await;
    assert_eq!(shown["state"], "failed", "{shown:#}");
    assert_detail(&json!({ "detail": shown["reason"] }), &["a key that is not known here"]);
    assert_eq!(offer(&daemon, BUILD, Some(&sign(&ours, BUILD))).await.success()["signedBy"], "acme");
    daemon.terminate().await;
    drop(daemon);
    let daemon = start(&config).await;
    let shown = daemon.api.get(PATH).await;
    assert_eq!((&shown["state"], &shown["signedBy"]), (&json!("awaiting-approval"), &json!("acme")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_pinned_digests_are_taken() {
    let digest = digest_of(BUILD).await;
    let daemon = Daemon::builder().config(&format!("[providers]\ntrust = \"pinned\"\ndigests = [\"{digest}\"]")).start().await;
    let refused = daemon.offer(REPAIRED).await.problem(422, "untrusted-component");
    assert_detail(&refused, &["[providers] trust = \"pinned\"", &digest_of(REPAIRED).await, "[providers] digests"]);
    assert_eq!(daemon.offer(BUILD).await.success()["digest"], json!(digest));
}

/// What a daemon that takes anything says of a component.
async fn digest_of(component: &[u8]) -> String {
    let daemon = Daemon::start().await;
    postern_tests::platform::id(&daemon.offer(component).await.success()["digest"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_is_taken_from_beside_the_file() {
    let (ours, _, config) = keys();
    let folder = TempDir::new().unwrap();
    let watch = format!("[providers]\nwatch = [{:?}]", folder.path().display().to_string());
    let daemon = Daemon::builder().config(&config).config(&watch).start().await;
    let file = daemon.data().join("tracker.wasm");
    fs::write(&file, BUILD).unwrap();
    let name = file.to_str().unwrap();
    let add = ["provider", "add", name, "--plugin", "test"];
    assert_refused(&daemon.command(&add).await, &["is not signed"]);
    fs::write(daemon.data().join("tracker.wasm.minisig"), sign(&ours, BUILD)).unwrap();
    assert_eq!(json_of(&daemon, &add).await["signedBy"], "acme");
    let elsewhere = daemon.data().join("elsewhere");
    fs::write(&elsewhere, sign(&ours, REPAIRED)).unwrap();
    let other = ["provider", "add", name, "--plugin", "test", "--signature", elsewhere.to_str().unwrap()];
    assert_refused(&daemon.command(&other).await, &["not of this content"]);
    assert!(ok(&daemon, &["provider", "list"]).await.contains("acme"));

    // In a watched folder the file is there first, and its signature a moment later.
    fs::write(folder.path().join("tracker.wasm"), BUILD).unwrap();
    postern_tests::wait::until("the file to be refused", || async {
        let files = daemon.api.items("/api/v1/providers/watched").await;
        files.iter().any(|found| found["problem"].as_str().is_some_and(|text| text.contains("is not signed"))).then_some(())
    })
    .await;
    fs::write(folder.path().join("tracker.wasm.minisig"), sign(&ours, BUILD)).unwrap();
    assert_eq!(in_state(&daemon, "local.tracker", "awaiting-approval").await["signedBy"], "acme");
    assert_eq!(in_force(&daemon).await.0, "awaiting-approval", "{PROVIDER} is another");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_trusted_is_refused_when_the_daemon_starts() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("postern.toml");
    for (config, texts) in [
        ("trust = \"signed\"", ["[providers] trust is \"signed\"", "no key is named"]),
        ("trust = \"pinned\"\ndigests = [\"abc\"]", ["`abc` in digests", "64 hexadecimal"]),
        ("[providers.keys]\nacme = \"RWQ\"", ["the key `acme`", "minisign"]),
        ("trust = \"some\"", ["postern.toml", "is not understood"]),
        ("keep-builds = 0", ["keep-builds is 0", "from 1 to 100"]),
    ] {
        fs::write(&file, format!("[providers]\n{config}")).unwrap();
        let mut command = postern();
        command.args(["config", "show", "--config"]).arg(&file);
        let printed = run(command).await;
        assert!(!printed.success && texts.iter().all(|text| printed.stderr.contains(text)), "{texts:?}: {printed:?}");
    }
}
