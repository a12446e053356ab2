//! `postern provider test --conformance`: the bundled providers pass, and what misbehaves does not.

use super::{Desk, json_of, provider};
use crate::sandbox::raw::Raw;
use postern_tests::HOSTILE;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// What went wrong in each scenario that failed.
fn failed(found: &Value) -> BTreeMap<String, String> {
    let checks = found["checks"].as_array().unwrap().iter();
    let failed = checks.filter(|check| check["problems"] != json!([]));
    failed.map(|check| (check["scenario"].as_str().unwrap().to_owned(), check["problems"].to_string())).collect()
}

async fn conformance(desk: &Desk, component: &[u8], script: &str) -> (Value, bool) {
    let (file, script) = (desk.file("provider.wasm", component), desk.file("conformance.yaml", script));
    let (found, printed) = json_of(&["test", &file, "--script", &script, "--conformance"]).await;
    assert_eq!(found["passed"] == true, printed.success, "{printed:?}");
    (found, printed.success)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bundled_provider_conforms() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../providers");
    for bundled in postern_bundle::PROVIDERS {
        let desk = Desk::new();
        let file = desk.file("provider.wasm", bundled.component);
        let script = root.join(bundled.name).join("conformance.yaml");
        assert!(script.is_file(), "{} has no conformance.yaml", bundled.name);
        let printed = provider(&["test", &file, "--script", &script.display().to_string(), "--conformance"]).await;
        assert!(printed.success && printed.stdout.trim_end().ends_with("conforms"), "{}\n{}", printed.stdout, printed.stderr);
        for scenario in ["200", "204", "400", "401", "404", "410", "429-seconds", "429-date", "500", "503"] {
            assert!(printed.stdout.contains(&format!("\nok    {scenario} ")), "{scenario} was played: {}", printed.stdout);
        }
        for scenario in ["timeout", "refused", "reset", "garbage", "page", "giant", "giant-headers", "lost-answer"] {
            assert!(printed.stdout.contains(&format!("\nok    {scenario} ")), "{scenario} was played: {}", printed.stdout);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_calls_every_answer_a_success_does_not_conform() {
    let desk = Desk::new();
    let script = r#"config: { behaviour: fetch, method: POST, url: "https://example.com/x" }"#;
    let (found, _) = conformance(&desk, HOSTILE, script).await;
    let failed = failed(&found);
    let names: Vec<_> = failed.keys().map(String::as_str).collect();
    assert_eq!(names, ["400", "401", "404", "410", "429-date", "429-seconds", "500", "503", "settings-401"]);
    assert!(failed["400"].contains("no retry can help") && failed["503"].contains("a later try may succeed"), "{failed:?}");
    assert!(failed["429-seconds"].contains("tried again when the target says"), "{failed:?}");
    assert!(failed["settings-401"].contains("are called good"), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_is_never_sensible_and_a_deviation_does_not_excuse_it() {
    let desk = Desk::new();
    let script = "config: { behaviour: panic }\ndeviations: { \"500\": { outcome: again, reason: It is tired. } }";
    let (found, _) = conformance(&desk, HOSTILE, script).await;
    let failed = failed(&found);
    assert!(failed["200"].contains("panicked on purpose") && failed["500"].contains("panicked on purpose"), "{failed:?}");
    assert!(failed["settings"].contains("it must answer with a sentence either way"), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deviation_is_told_with_its_reason_and_must_be_what_happens() {
    let desk = Desk::new();
    let config = r#"config: { behaviour: fetch, method: POST, url: "https://example.com/x" }"#;
    let deviations = |outcome: &str| {
        format!("{config}\ndeviations:\n  \"404\": {{ outcome: {outcome}, reason: Whoever is not there needs no message. }}\n")
    };
    let (found, _) = conformance(&desk, HOSTILE, &deviations("delivered")).await;
    let check = found["checks"].as_array().unwrap().iter().find(|check| check["scenario"] == "404").unwrap();
    assert_eq!((&check["problems"], &check["deviation"]), (&json!([]), &json!("Whoever is not there needs no message.")));
    let (found, _) = conformance(&desk, HOSTILE, &deviations("again")).await;
    assert!(failed(&found)["404"].contains("the script's deviation says `again`"));

    let (file, script) =
        (desk.file("provider.wasm", HOSTILE), desk.file("c.yaml", "deviations: { \"418\": { outcome: again, reason: x } }"));
    let printed = provider(&["test", &file, "--script", &script, "--conformance"]).await;
    assert!(printed.code == Some(1) && printed.stderr.contains("there is no scenario `418`; there are 200, 204"), "{printed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_found_even_where_a_target_tells_it_back_or_a_provider_may_read_it() {
    let desk = Desk::new();
    let script = |behaviour: &str| {
        format!(
            "config: {{ behaviour: {behaviour}, url: \"https://example.com/x\", token: token-of-no-value }}\ngrant: {{ hosts: [\"{{config.url}}\"], revealSecrets: true }}\n"
        )
    };
    for behaviour in ["reveal", "exfiltrate-header", "print-config"] {
        let (found, _) = conformance(&desk, HOSTILE, &script(behaviour)).await;
        assert!(!found.to_string().contains("token-of-no-value"), "{behaviour}: {found:#}");
        let failed = failed(&found);
        assert!(failed.values().all(|problems| !problems.contains("a secret is in")), "{behaviour}: {failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_claims_to_be_idempotent_is_called_twice() {
    let desk = Desk::new();
    let idempotent = Raw { implements: 0b1_0000, ..Raw::default() };
    let (found, _) = conformance(&desk, &idempotent.bytes(), "").await;
    let check = |found: &Value, name: &str| {
        found["checks"].as_array().unwrap().iter().find(|check| check["scenario"] == name).unwrap().clone()
    };
    let twice = check(&found, "twice");
    assert_eq!((&twice["outcome"], &twice["problems"], &twice["skipped"]), (&json!("delivered"), &json!([]), &Value::Null));
    let (found, _) = conformance(&desk, &Raw::default().bytes(), "").await;
    assert!(check(&found, "twice")["skipped"].as_str().unwrap().contains("does not claim idempotent"));
}
