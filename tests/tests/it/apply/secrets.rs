//! Secrets come from elsewhere, are sent when they must be, and are never printed.

use super::{Files, INCIDENTS, apply, refused, summary, webhook};
use crate::delivery::arrival::signing_secret;
use postern_tests::daemon::Printed;
use postern_tests::{Daemon, Receiver};
use serde_json::Value;

const FIRST: &str = "f1rst-bearer-token";
const SECOND: &str = "s3cond-bearer-token";

/// Bearer tokens may go to this machine without TLS.
async fn start() -> (Daemon, Receiver) {
    (postern_tests::chat::builder().start().await, Receiver::start().await)
}

fn files(receiver: &Receiver, more: &str) -> Files {
    let more = format!("      authType: bearer\n      bearerToken: {{ fromEnv: HOOK_TOKEN }}\n{more}");
    Files::new(&[("types.yaml", INCIDENTS), ("hook.yaml", &webhook("Mine", &receiver.url(), &more))])
}

/// It succeeded, and told no secret.
#[track_caller]
fn quiet(printed: &Printed) -> &str {
    assert_eq!(printed.code, Some(0), "{printed:?}");
    for secret in [FIRST, SECOND] {
        assert!(!printed.stdout.contains(secret) && !printed.stderr.contains(secret), "{printed:?}");
    }
    summary(&printed.stdout)
}

async fn token(daemon: &Daemon, receiver: &mut Receiver) -> String {
    daemon.settled(&daemon.emit("Who is it?").await).await;
    receiver.next().await.header("authorization").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_sent_when_its_object_is_made_and_when_it_is_asked_for() {
    let (daemon, mut receiver) = start().await;
    let files = files(&receiver, "");
    let missing = apply(&daemon, &files, &[], &[]).await;
    assert!(refused(&missing).contains("hook.yaml:8:7: the environment variable HOOK_TOKEN is not set"), "{missing:?}");
    let empty = apply(&daemon, &files, &[], &[("HOOK_TOKEN", "")]).await;
    assert!(refused(&empty).contains("HOOK_TOKEN is empty"), "{empty:?}");
    assert!(daemon.api.items("/api/v1/event-types?plugin=incident").await.is_empty(), "it was known before anything was changed");

    let made = apply(&daemon, &files, &[], &[("HOOK_TOKEN", FIRST)]).await;
    assert_eq!(quiet(&made), "2 created, 0 updated, 0 deleted, 0 unchanged");
    assert_eq!(token(&daemon, &mut receiver).await, format!("Bearer {FIRST}"));

    let again = apply(&daemon, &files, &[], &[("HOOK_TOKEN", SECOND)]).await;
    assert_eq!(quiet(&again), "0 created, 0 updated, 0 deleted, 2 unchanged");
    assert!(again.stderr.contains("1 stored secret was not compared") && again.stderr.contains("--refresh-secrets"), "{again:?}");
    files.replace("hook.yaml", "authType: bearer", "authType: bearer\n      timeout: 9000");
    let without = apply(&daemon, &files, &[], &[]).await;
    assert_eq!(quiet(&without), "0 created, 1 updated, 0 deleted, 1 unchanged", "what is kept need not be there");
    assert_eq!(token(&daemon, &mut receiver).await, format!("Bearer {FIRST}"));

    let refreshed = apply(&daemon, &files, &["--refresh-secrets"], &[("HOOK_TOKEN", SECOND)]).await;
    assert_eq!(quiet(&refreshed), "0 created, 1 updated, 0 deleted, 1 unchanged");
    assert!(refreshed.stdout.contains("providerConfig/bearerToken: (stored secret) → (secret, sent again)"), "{refreshed:?}");
    assert_eq!(token(&daemon, &mut receiver).await, format!("Bearer {SECOND}"));
    let absent = apply(&daemon, &files, &["--refresh-secrets"], &[]).await;
    assert!(refused(&absent).contains("HOOK_TOKEN is not set, and this secret must be sent"), "{absent:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_in_a_list_are_sent_whenever_the_list_changes() {
    let (daemon, mut receiver) = start().await;
    let old = "      signingSecret: { fromFile: secrets/current }\n      previousSigningSecrets: [{ fromFile: secrets/old }]\n";
    let files = files(&receiver, old);
    files.write("secrets/current", &format!("{}\n", signing_secret(1)));
    files.write("secrets/old", &format!("{}\r\n", signing_secret(2)));
    files.write("secrets/older", &signing_secret(3));
    let environment = [("HOOK_TOKEN", FIRST)];
    quiet(&apply(&daemon, &files, &[], &environment).await);
    // The older one comes first, where the old one stood.
    files.replace("hook.yaml", "[{ fromFile: secrets/old }]", "[{ fromFile: secrets/older }, { fromFile: secrets/old }]");
    let changed = apply(&daemon, &files, &[], &environment).await;
    assert_eq!(quiet(&changed), "0 created, 1 updated, 0 deleted, 1 unchanged");
    assert!(changed.stdout.contains("previousSigningSecrets: [(secret)] → [(secret),(secret)]"), "{changed:?}");
    assert!(!changed.stdout.contains("whsec_") && !changed.stderr.contains("whsec_"), "{changed:?}");
    daemon.settled(&daemon.emit("Signed").await).await;
    let received = receiver.next().await;
    for number in 1..=3 {
        let webhook = standardwebhooks::Webhook::new(&signing_secret(number)).unwrap();
        let headers = received.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut map = reqwest::header::HeaderMap::new();
        for (name, value) in headers {
            map.insert(reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        webhook.verify(&received.body, &map).unwrap_or_else(|error| panic!("secret {number}: {error}"));
    }
    assert_eq!(quiet(&apply(&daemon, &files, &[], &environment).await), "0 created, 0 updated, 0 deleted, 2 unchanged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_from_elsewhere_is_not_printed_even_if_the_provider_calls_it_no_secret() {
    let (daemon, receiver) = start().await;
    let files = files(&receiver, "      customHeaders: [{ name: X-Key, value: { fromEnv: KEY } }]\n");
    quiet(&apply(&daemon, &files, &[], &[("HOOK_TOKEN", FIRST), ("KEY", FIRST)]).await);
    let changed = apply(&daemon, &files, &["--json"], &[("HOOK_TOKEN", FIRST), ("KEY", SECOND)]).await;
    quiet(&changed);
    let report: Value = serde_json::from_str(&changed.stdout).unwrap();
    let field = &report["objects"][1]["fields"][0];
    assert_eq!(field["path"], "/providerConfig/customHeaders", "{report:#}");
    assert!(field["after"].as_str().unwrap().contains("the environment variable KEY"), "{report:#}");
    let again = apply(&daemon, &files, &[], &[("HOOK_TOKEN", FIRST), ("KEY", SECOND)]).await;
    assert_eq!(quiet(&again), "0 created, 0 updated, 0 deleted, 2 unchanged");
    // It is no stored secret, so it must be there.
    assert!(refused(&apply(&daemon, &files, &[], &[]).await).contains("KEY is not set"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_written_out_is_taken_with_a_word_of_warning() {
    let (daemon, mut receiver) = start().await;
    let files = files(&receiver, "");
    files.replace("hook.yaml", "{ fromEnv: HOOK_TOKEN }", FIRST);
    let printed = apply(&daemon, &files, &[], &[]).await;
    quiet(&printed);
    assert!(printed.stderr.contains("hook.yaml:8:7: a secret is written out here"), "{printed:?}");
    assert_eq!(token(&daemon, &mut receiver).await, format!("Bearer {FIRST}"));
    // A parser's message must not show it either.
    files.replace("hook.yaml", FIRST, &format!("\"{FIRST}\" {SECOND}: ["));
    let broken = apply(&daemon, &files, &[], &[]).await;
    let error = refused(&broken);
    assert!(error.contains("hook.yaml:8:") && !error.contains(FIRST) && !error.contains(SECOND), "{error}");
}
