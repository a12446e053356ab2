//! The commands, as a person or a script uses them.

use crate::commands::{assert_refused, json_of, ok};
use postern_tests::daemon::run;
use postern_tests::launch::postern;
use postern_tests::platform::{id, incident, incident_type};
use postern_tests::receiver::Nobody;
use postern_tests::{Daemon, HOSTILE, Receiver, Reply};
use serde_json::{Value, json};
use std::fs;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_can_be_followed_from_registration_to_delivery() {
    let daemon = Daemon::start().await;
    let mut receiver = Receiver::start().await;
    let schema = daemon.data().join("schema.json");
    fs::write(&schema, incident_type()["payloadSchema"].to_string()).unwrap();
    let file = format!("@{}", schema.display());
    let register = [
        "event",
        "register",
        "incident",
        "incident.created",
        "--name",
        "Incident Created",
        "--category",
        "Incidents",
        "--schema",
        &file,
    ];
    assert_eq!(ok(&daemon, &register).await, "registered incident.incident.created");
    let types = ok(&daemon, &["event", "types"]).await;
    assert!(types.lines().count() > 2 && types.contains("postern.delivery.failed"), "the host has its own: {types}");
    assert!(types.contains("Incident Created") && types.contains("Incidents"), "{types}");
    assert_eq!(json_of(&daemon, &["event", "types", "--plugin", "incident"]).await[0]["id"], "incident.incident.created");
    assert_eq!(ok(&daemon, &["event", "types", "--plugin", "other"]).await, "(none)");

    let config = json!({ "url": receiver.url(), "signingSecret": crate::delivery::arrival::signing_secret(1) }).to_string();
    let create = [
        "subscription",
        "create",
        "--name",
        "Mine",
        "--provider",
        "postern.webhook",
        "--event",
        "incident.*",
        "--config",
        &config,
    ];
    let created = ok(&daemon, &create).await;
    let subscription = created.strip_prefix("created ").unwrap_or_else(|| panic!("{created}"));
    let listed = ok(&daemon, &["subscription", "list"]).await;
    assert!(listed.contains(subscription) && listed.contains("Mine") && listed.contains("incident.*"), "{listed}");
    let shown: Value = serde_json::from_str(&ok(&daemon, &["subscription", "show", subscription]).await).unwrap();
    assert_eq!(shown["providerConfig"]["signingSecret"], "[secret]");
    let update = ["subscription", "update", subscription, "--change", r#"{"name": "Ours"}"#];
    assert_eq!(ok(&daemon, &update).await, format!("updated {subscription}"));
    assert_eq!(json_of(&daemon, &["subscription", "list"]).await[0]["name"], "Ours");

    let payload = incident("By hand").to_string();
    let emitted = json_of(&daemon, &["event", "emit", "incident", "incident.created", "--payload", &payload]).await;
    let event = id(&emitted["event"]);
    assert_eq!(emitted["deliveries"], 1);
    assert_eq!(receiver.next().await.json()["data"]["title"], "By hand");
    daemon.settled(&event).await;
    assert!(ok(&daemon, &["event", "list"]).await.contains(&event));
    let shown: Value = serde_json::from_str(&ok(&daemon, &["event", "show", &event]).await).unwrap();
    assert_eq!(shown["deliveries"][0]["status"], "success");
    let table = ok(&daemon, &["delivery", "list", "--status", "success", "--subscription", subscription]).await;
    assert!(table.lines().count() == 2 && table.contains(&format!("{event}-0")) && table.contains("postern.webhook"), "{table}");
    assert_eq!(json_of(&daemon, &["delivery", "list", "--event", &event]).await[0]["id"], format!("{event}-0"));
    assert_eq!(ok(&daemon, &["delivery", "list", "--status", "failed"]).await, "(none)");
    let shown: Value = serde_json::from_str(&ok(&daemon, &["delivery", "show", &format!("{event}-0")]).await).unwrap();
    assert_eq!(shown["history"][0]["attempt"]["exchanges"][0]["status"], 200);

    ok(&daemon, &["subscription", "disable", subscription]).await;
    assert!(
        ok(&daemon, &["event", "emit", "incident", "incident.created", "--payload", &payload])
            .await
            .ends_with("with 0 deliveries")
    );
    ok(&daemon, &["subscription", "enable", subscription]).await;
    ok(&daemon, &["subscription", "delete", subscription]).await;
    assert_eq!(ok(&daemon, &["subscription", "list"]).await, "(none)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_can_be_added_approved_granted_tried_and_removed() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::start().await;
    let file = daemon.data().join("hostile.wasm");
    fs::write(&file, HOSTILE).unwrap();
    let added = ok(&daemon, &["provider", "add", file.to_str().unwrap(), "--plugin", "test"]).await;
    assert!(added.contains("waits for approval") && added.contains("{config.url}"), "{added}");
    assert!(added.ends_with("postern provider approve test.hostile"), "{added}");
    assert_eq!(
        ok(&daemon, &["provider", "approve", "test.hostile"]).await,
        "test.hostile may reach {config.url}, {config.elsewhere}"
    );
    let listed = ok(&daemon, &["provider", "list"]).await;
    assert!(listed.contains("postern.webhook") && listed.contains("test.hostile") && listed.contains("active"), "{listed}");
    let shown: Value = serde_json::from_str(&ok(&daemon, &["provider", "show", "test.hostile"]).await).unwrap();
    assert!(shown["manifest"]["config"]["schema"]["properties"]["behaviour"].is_object(), "{shown:#}");

    let granted = ok(&daemon, &["provider", "grant", "test.hostile", "--host", "hooks.example.com", "--only"]).await;
    assert_eq!(granted, "test.hostile may reach hooks.example.com");
    let granted = ok(&daemon, &["provider", "grant", "test.hostile", "--host", &receiver.url()]).await;
    assert_eq!(granted, format!("test.hostile may reach hooks.example.com, {}", receiver.url()));
    assert_eq!(ok(&daemon, &["provider", "grant", "test.hostile"]).await, granted);

    let config = json!({ "behaviour": "fetch", "url": receiver.url() }).to_string();
    let tried = ok(&daemon, &["provider", "try", "test.hostile", "--config", &config]).await;
    assert!(tried.contains("status-200"), "{tried}");
    let failing = ["provider", "try", "test.hostile", "--config", r#"{"behaviour": "fail-never"}"#];
    let printed = daemon.command(&failing).await;
    assert_eq!(printed.code, Some(1), "{printed:?}");
    assert_eq!(printed.stderr, "error: the test failed: the fixture failed for good on purpose\n");
    ok(&daemon, &["provider", "remove", "test.hostile"]).await;
    let left = json_of(&daemon, &["provider", "list"]).await;
    assert!(left.as_array().unwrap().iter().all(|provider| provider["bundled"] == true), "{left:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_can_be_made_listed_and_revoked() {
    let daemon = Daemon::start().await;
    let token = ok(&daemon, &["token", "create", "--name", "CI", "--scope", "emit:incident", "--scope", "read"]).await;
    assert!(token.starts_with("postern_"), "{token}");
    let printed = daemon.command(&["event", "list", "--token", &token]).await;
    assert!(printed.success, "{printed:?}");
    let listed = ok(&daemon, &["token", "list"]).await;
    assert!(listed.contains("CI") && listed.contains("emit:incident, read") && !listed.contains(&token), "{listed}");
    let all = json_of(&daemon, &["token", "list"]).await;
    let made = all.as_array().unwrap().iter().find(|token| token["name"] == "CI").unwrap();
    ok(&daemon, &["token", "revoke", &id(&made["id"])]).await;
    assert_refused(&daemon.command(&["event", "list", "--token", &token]).await, &["the token is not known"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_one_message_with_its_places() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let emit = ["event", "emit", "incident", "incident.created", "--payload", r#"{"severity": "huge"}"#];
    assert_refused(&daemon.command(&emit).await, &["does not fit", "/payload/severity: "]);
    let emit = ["event", "emit", "incident", "incident.created", "--payload", "{"];
    assert_refused(&daemon.command(&emit).await, &["the argument is no JSON"]);
    let emit = ["event", "emit", "incident", "incident.created", "--payload", "@/nowhere/at/all"];
    assert_refused(&daemon.command(&emit).await, &["/nowhere/at/all cannot be read"]);
    assert_refused(&daemon.command(&["provider", "show", "no.such"]).await, &["there is no provider `no.such`"]);
    assert_refused(
        &daemon.command(&["provider", "add", "/nowhere.wasm", "--plugin", "x"]).await,
        &["/nowhere.wasm cannot be read"],
    );
    assert_refused(&daemon.command(&["delivery", "show", "x"]).await, &["not a valid delivery id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_answer_is_one_line() {
    let nobody = Nobody::new();
    let url = nobody.url();
    let mut command = postern();
    command.args(["event", "list", "--server", &url, "--token", "x"]);
    let printed = run(command).await;
    assert_refused(&printed, &[&url, "Is the server running there?"]);
    assert_eq!(printed.stderr.lines().count(), 1, "{printed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_another_kind_is_not_taken_for_an_empty_one() {
    for reply in [Reply::Status(404), Reply::Echo, Reply::Full(200, Vec::new(), "<html>".to_owned()), Reply::Status(200)] {
        let foreign = Receiver::that(reply.clone()).await;
        let mut command = postern();
        command.args(["event", "list", "--server", &foreign.url(), "--token", "x"]);
        let printed = run(command).await;
        assert_eq!(printed.code, Some(1), "{reply:?}: {printed:?}");
        assert_refused(&printed, &["not as Postern does"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_can_be_shown() {
    let mut command = postern();
    command.args(["config", "show", "--defaults"]);
    let defaults = run(command).await;
    let table: toml::Table = defaults.stdout.parse().unwrap();
    assert_eq!(table["server"]["listen"].as_str(), Some("127.0.0.1:7676"));
    assert_eq!(table["delivery"]["retry"].as_array().unwrap().len(), 3);

    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("postern.toml");
    fs::write(&file, "[delivery]\nconcurrency = 7\n[log]\nlevel = \"warn\"").unwrap();
    let show = |variable: &str| {
        let mut command = postern();
        command.args(["config", "show", "--listen", "127.0.0.1:9", "--config"]).arg(&file);
        command.env("POSTERN_DELIVERY_CONCURRENCY", variable).env("POSTERN_EGRESS_ALLOW", "10.0.0.0/8");
        command
    };
    let shown: toml::Table = run(show("8")).await.stdout.parse().unwrap();
    assert_eq!(shown["delivery"]["concurrency"].as_integer(), Some(8), "a variable goes before the file");
    assert_eq!(shown["log"]["level"].as_str(), Some("warn"), "the file goes before the default");
    assert_eq!(shown["server"]["listen"].as_str(), Some("127.0.0.1:9"), "a flag goes before all");
    assert_eq!(shown["egress"]["allow"][0].as_str(), Some("10.0.0.0/8"));
    assert_refused(&run(show("many")).await, &["POSTERN_DELIVERY_CONCURRENCY"]);
    fs::write(&file, "[delivery]\nconcurency = 7").unwrap();
    assert_refused(&run(show("8")).await, &["postern.toml", "concurency"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_shows_a_delivery_a_verified_signature_and_a_refusal() {
    let mut command = postern();
    command.arg("demo");
    let printed = run(command).await;
    assert!(printed.success, "{printed:?}");
    for text in ["signature verified", "\"status\": \"success\"", "is failed", "is not among the hosts granted"] {
        assert!(printed.stdout.contains(text), "`{text}` is not in: {}", printed.stdout);
    }
}
