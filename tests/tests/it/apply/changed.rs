//! Made once, changed where something differs, and left alone otherwise.

use super::{Files, INCIDENTS, apply, apply_at, ok, refused, state, summary, webhook};
use crate::proxy::{Fate, Proxy};
use postern_tests::chat::{PROVIDER, builder};
use postern_tests::platform::id;
use postern_tests::{Daemon, Receiver};
use serde_json::{Value, json};

fn chat(receiver: &Receiver) -> String {
    format!(
        r#"
connections:
  - name: The chat
    providerId: {PROVIDER}
    settings:
      baseUrl: {}
      token: t0ken-of-the-chat
---
# The order of the documents does not matter.
subscriptions:
  - name: Operations
    description: Everybody reads it
    providerId: {PROVIDER}
    connection: The chat
    events: [incident.*]
    filter: .payload.severity == "critical"
    retry: [60s, 300s]
    rateLimit: {{ deliveries: 10, per: 60s }}
    providerConfig: {{ room: ops }}
"#,
        receiver.url()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_is_made_once_and_repeating_it_changes_nothing() {
    let daemon = builder().start().await;
    daemon.add_connected().await;
    let mut receiver = Receiver::start().await;
    let toml = format!(
        "[[subscriptions]]\nname = \"All\"\nproviderId = \"postern.webhook\"\nevents = [\"incident.*\"]\nenabled = false\n\
         [subscriptions.providerConfig]\nurl = \"{}\"\ntimeout = 5_000\n",
        receiver.url()
    );
    // What is needed first comes last by name.
    let files = Files::new(&[("a/chat.yml", &chat(&receiver)), ("b.toml", &toml), ("z.yaml", INCIDENTS), (".hidden.yaml", "{")]);
    let before = state(&daemon).await;
    let shown = ok(&daemon, &files, &["--dry-run"]).await;
    assert!(summary(&shown).contains("4 created, 0 updated, 0 deleted, 0 unchanged"), "{shown}");
    assert_eq!(state(&daemon).await, before, "a dry run changes nothing");

    let printed = apply(&daemon, &files, &["--detailed-exit-code"], &[]).await;
    assert_eq!(printed.code, Some(2), "{printed:?}");
    assert_eq!(summary(&printed.stdout), "4 created, 0 updated, 0 deleted, 0 unchanged");
    let kinds: Vec<_> = printed.stdout.lines().take(4).collect();
    let order = ["+ event type    incident.incident.created", "+ connection    The chat"];
    assert_eq!(kinds[..2], order, "{printed:?}");
    assert!(kinds[2..].iter().all(|line| line.starts_with("+ subscription")), "{printed:?}");

    let made = state(&daemon).await;
    let printed = apply(&daemon, &files, &["--detailed-exit-code"], &[]).await;
    assert_eq!((printed.code, summary(&printed.stdout)), (Some(0), "0 created, 0 updated, 0 deleted, 4 unchanged"));
    assert!(printed.stdout.lines().take(4).all(|line| line.starts_with("= ")), "{printed:?}");
    assert_eq!(state(&daemon).await, made, "what the server filled in is no difference, and no revision was made");

    let event = daemon.emit("Of a directory").await;
    assert_eq!(daemon.settled(&event).await["status"], "success", "one is disabled");
    assert_eq!(receiver.next().await.header("authorization"), "Bearer t0ken-of-the-chat");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_differs_is_shown_field_by_field_and_changed() {
    let daemon = builder().start().await;
    daemon.add_connected().await;
    let receiver = Receiver::start().await;
    let files = Files::new(&[("chat.yaml", &chat(&receiver)), ("types.yaml", INCIDENTS)]);
    ok(&daemon, &files, &[]).await;
    files.replace("chat.yaml", "room: ops", "room: noc");
    files.replace("chat.yaml", "    filter: .payload.severity == \"critical\"\n", "");
    files.replace("types.yaml", "Incident Created", "Incident opened");
    let before = state(&daemon).await;
    let printed = apply(&daemon, &files, &["--dry-run", "--detailed-exit-code"], &[]).await;
    assert_eq!((printed.code, state(&daemon).await), (Some(2), before));
    let shown = [
        "~ event type    incident.incident.created",
        "displayName: \"Incident Created\" → \"Incident opened\"",
        "= connection    The chat",
        "~ subscription  Operations",
        "providerConfig/room: \"ops\" → \"noc\"",
        "filter: `.payload.severity == \"critical\"` → (none)",
    ];
    let found = |text: &str| shown.iter().all(|line| text.contains(line));
    assert!(found(&printed.stdout), "{}", printed.stdout);
    let done = ok(&daemon, &files, &[]).await;
    assert!(found(&done) && summary(&done) == "0 created, 2 updated, 0 deleted, 1 unchanged", "{done}");
    let subscription = daemon.api.items("/api/v1/subscriptions").await.remove(0);
    assert_eq!((&subscription["filter"], &subscription["providerConfig"]["room"]), (&Value::Null, &json!("noc")));

    // What somebody changed by hand becomes what the files say, also where they say nothing.
    let path = format!("/api/v1/subscriptions/{}", id(&subscription["id"]));
    let change = json!({ "enabled": false, "entityKey": ".type", "description": null });
    daemon.api.patch(&path, change).await;
    let done = ok(&daemon, &files, &[]).await;
    for line in ["enabled: false → true", "entityKey: \".type\" → (none)", "description: (none) → \"Everybody reads it\""] {
        assert!(done.contains(line), "{line}: {done}");
    }
    assert_eq!(summary(&ok(&daemon, &files, &[]).await), "0 created, 0 updated, 0 deleted, 3 unchanged");

    let json: Value = serde_json::from_str(&ok(&daemon, &files, &["--json"]).await).unwrap();
    assert_eq!(json["summary"], json!({ "created": 0, "updated": 0, "deleted": 0, "unchanged": 3 }));
    assert_eq!((&json["objects"][2]["name"], &json["objects"][2]["action"]), (&json!("Operations"), &json!("unchanged")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_changes_meanwhile_is_not_overwritten() {
    let daemon = Daemon::start().await;
    let files = Files::new(&[("types.yaml", INCIDENTS), ("hook.yaml", &webhook("Mine", "https://example.com/a", ""))]);
    ok(&daemon, &files, &[]).await;
    files.replace("hook.yaml", "example.com/a", "example.com/b");
    let path = format!("/api/v1/subscriptions/{}", id(&daemon.api.items("/api/v1/subscriptions").await[0]["id"]));
    let (api, changed) = (daemon.api.clone(), path.clone());
    let proxy = Proxy::before(daemon.api.server(), move |request| {
        let (api, changed) = (api.clone(), changed.clone());
        async move {
            if request.starts_with("PATCH") {
                api.patch(&changed, json!({ "description": "By the other editor" })).await;
            }
            Fate::Pass
        }
    })
    .await;
    let printed = apply_at(&proxy.url(), &daemon, &files, &[], &[]).await;
    let error = refused(&printed);
    assert!(error.contains("`Mine`") && error.contains("Somebody changed it meanwhile"), "{error}");
    let kept = daemon.api.get(&path).await;
    assert_eq!(
        (&kept["description"], &kept["providerConfig"]["url"]),
        (&json!("By the other editor"), &json!("https://example.com/a"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_at_what_the_server_refuses_and_goes_on_from_there_later() {
    let daemon = Daemon::start().await;
    let bad = webhook("Bad", "https://example.com/{{ payload.nope }}", "");
    let files =
        Files::new(&[("types.yaml", INCIDENTS), ("a.yaml", &webhook("Good", "https://example.com/", "")), ("b.yaml", &bad)]);
    let printed = apply(&daemon, &files, &[], &[]).await;
    let error = refused(&printed);
    for text in [
        "`Bad` is not created",
        "b.yaml:6:7",
        "`payload.nope`",
        "+ event type    incident.incident.created",
        "+ subscription  Good",
    ] {
        assert!(error.contains(text), "{text}: {error}");
    }
    assert!(!error.contains("+ subscription  Bad"), "{error}");
    let json = apply(&daemon, &files, &["--json"], &[]).await;
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(report["error"].as_str().unwrap().contains("payload.nope") && json.code == Some(1), "{report:#}");
    let done: Vec<_> = report["objects"].as_array().unwrap().iter().map(|object| object["done"].clone()).collect();
    assert_eq!(done, [true, true, false]);
    files.replace("b.yaml", "nope", "title");
    assert_eq!(summary(&ok(&daemon, &files, &[]).await), "1 created, 0 updated, 0 deleted, 2 unchanged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_type_that_would_break_subscriptions_needs_force() {
    let daemon = Daemon::start().await;
    let files = Files::new(&[("t.yaml", INCIDENTS), ("s.yaml", &webhook("Mine", "https://example.com/{{ payload.title }}", ""))]);
    ok(&daemon, &files, &[]).await;
    files.replace("t.yaml", "        title: { type: string }\n", "");
    files.replace("t.yaml", "systemIds, title, severity]", "systemIds, severity]");
    files.replace("t.yaml", "      type: object\n", "      type: object\n      additionalProperties: false\n");
    files.replace("s.yaml", "payload.title", "payload.severity");
    let error = apply(&daemon, &files, &[], &[]).await;
    assert!(refused(&error).contains("--force"), "{error:?}");
    assert_eq!(summary(&ok(&daemon, &files, &["--force"]).await), "0 created, 2 updated, 0 deleted, 0 unchanged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_name_in_another_tenant_is_another_object() {
    let daemon = Daemon::start().await;
    let url = "https://example.com/";
    let files = Files::new(&[("t.yaml", INCIDENTS), ("s.yaml", &webhook("Same", url, "    tenant: acme\n"))]);
    ok(&daemon, &files, &[]).await;
    files.write("d.yaml", &webhook("Same", url, ""));
    assert_eq!(summary(&ok(&daemon, &files, &[]).await), "1 created, 0 updated, 0 deleted, 2 unchanged");
    let mut tenants: Vec<_> =
        daemon.api.items("/api/v1/subscriptions").await.iter().map(|subscription| id(&subscription["tenant"])).collect();
    tenants.sort();
    assert_eq!(tenants, ["acme", "default"]);
    let globex = ok(&daemon, &files, &["--tenant", "globex"]).await;
    assert!(globex.contains("+ subscription  Same (tenant globex)"), "{globex}");
}
