//! What is wrong is told with file, line and column, before anything is changed.

use super::{Files, INCIDENTS, apply, refused, state, webhook};
use postern_tests::Daemon;

/// Checks that files are refused with these texts, and that nothing changes.
async fn assert_refused(daemon: &Daemon, files: &[(&str, &str)], texts: &[&str]) {
    let before = state(daemon).await;
    let files = Files::new(files);
    let printed = apply(daemon, &files, &[], &[]).await;
    let error = refused(&printed);
    for text in texts {
        assert!(error.contains(text), "`{text}` is not in: {error}");
    }
    assert!(error.contains("nothing was changed"), "{error}");
    assert!(printed.stdout.is_empty(), "{printed:?}");
    assert_eq!(state(daemon).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_not_understood_are_refused_with_the_place() {
    let daemon = Daemon::start().await;
    let one = async |name: &str, text: &str, texts: &[&str]| {
        assert_refused(&daemon, &[("t.yaml", INCIDENTS), (name, text)], texts).await
    };
    one("x.yaml", "subscriptions: [", &["x.yaml:1:", "not YAML"]).await;
    one("x.yaml", "subscriptions:\n  - name: a\n    name: b\n", &["x.yaml:3:5", "duplicate", "`name`"]).await;
    one("x.yaml", "a: &a [1]\nb: *nope\n", &["x.yaml:2:"]).await;
    one("x.yaml", "subscriptions: !exec rm\n", &["x.yaml:1:", "tag `!exec`"]).await;
    one("x.toml", "[[subscriptions]]\nname = \"a\nevents = []", &["x.toml:2:", "not TOML"]).await;
    one("x.toml", "[[subscriptions]]\nname = \"a\"\nname = \"b\"\n", &["x.toml:3:1", "duplicate"]).await;
    one("x.yaml", "subscription: []", &["x.yaml:1:1: `subscription` is not known here", "subscriptions"]).await;
    one("x.yaml", "- name: x", &["x.yaml:1:1", "eventTypes, connections and subscriptions"]).await;
    one("x.yaml", "connections: {}", &["x.yaml:1:1: `connections` must be a list"]).await;
    one("x.toml", "subscriptions = [1]", &["x.toml:1:18", "an object with named fields"]).await;
    let deep = format!("eventTypes: {}{}", "[".repeat(200), "]".repeat(200));
    one("x.yaml", &deep, &["x.yaml:1:"]).await;
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    one("x.yaml", bomb, &["x.yaml:", "not YAML as it is needed"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_do_not_fit_are_refused_all_at_once() {
    let daemon = Daemon::start().await;
    let wrong = r#"
subscriptions:
  - name: One
    providerID: postern.webhook
    events: [incident.*]
    providerConfig: {}
  - name: Two
    providerId: postern.webhook
    connectionId: 01J00000000000000000000000
    events: [incident.*]
    providerConfig: {}
  - name: Three
    providerId: postern.webhook
    events: [incident.*]
    filter: .payload.(
    providerConfig: {}
eventTypes:
  - plugin: incident
    hook: a
    displayName: A
    payloadSchema: { type: objct }
  - hook: b
"#;
    let texts = [
        "5 mistakes",
        "x.yaml:4:5: unknown field `providerID`",
        "`providerId`, `providerVersion`, `connection`,",
        "x.yaml:9:5: connectionId: a subscription refers to its connection by name",
        "x.yaml:15:5: filter: ",
        "x.yaml:21:22: payloadSchema/type: ",
        "x.yaml:22:5: missing field `plugin`",
    ];
    assert_refused(&daemon, &[("x.yaml", wrong)], &texts).await;

    let unfit = r#"
subscriptions:
  - name: One
    providerId: postern.webhook
    connection: Jira
    events: [incident.*, incident.incident.resolved]
    providerConfig:
      url: https://example.com/
      timeout: soon
      bearerToken: { fromEnv: A, fromFile: b }
  - name: Two
    providerId: postern.webhok
    events: [incident.*]
    providerConfig: {}
connections:
  - name: Not for this one
    providerId: postern.webhook
    settings: {}
"#;
    let texts = [
        "6 mistakes",
        "x.yaml:5:5: there is no connection `Jira`",
        "x.yaml:6:26: there is no event type `incident.incident.resolved`",
        "x.yaml:9:7: timeout: ",
        "x.yaml:10:7: a reference is either",
        "x.yaml:12:5: there is no provider `postern.webhok`",
        "x.yaml:17:5: postern.webhook takes no connection",
    ];
    assert_refused(&daemon, &[("t.yaml", INCIDENTS), ("x.yaml", unfit)], &texts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_declared_twice_or_is_there_twice_is_refused() {
    let daemon = Daemon::start().await;
    let hook = webhook("Mine", "https://example.com/", "");
    let twice = [("t.yaml", INCIDENTS), ("a.yaml", hook.as_str()), ("b.yaml", hook.as_str())];
    assert_refused(&daemon, &twice, &["b.yaml:2:5: the subscription `Mine` is declared twice; first at ", "a.yaml:2:5"]).await;
    assert_refused(&daemon, &[("a.yaml", INCIDENTS), ("b.yaml", INCIDENTS)], &["`incident.incident.created` is declared twice"])
        .await;

    daemon.register_incidents().await;
    let url = serde_json::json!({ "url": "https://example.com/" });
    let ids = [daemon.subscribe_webhook(url.clone()).await, daemon.subscribe_webhook(url).await];
    let there = webhook("A test's", "https://example.com/", "");
    assert_refused(&daemon, &[("a.yaml", &there)], &["the server has 2 subscriptions called `A test's`", &ids[0], &ids[1]]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_with_nothing_to_apply_is_refused() {
    let daemon = Daemon::start().await;
    let files = Files::new(&[("README.md", "# Nothing"), (".git/x.yaml", INCIDENTS)]);
    let printed = apply(&daemon, &files, &[], &[]).await;
    assert!(refused(&printed).contains("there is no .yaml, .yml or .toml file in"), "{printed:?}");
    let missing = daemon.command(&["apply", "-f", "/nowhere/at/all"]).await;
    assert!(refused(&missing).contains("/nowhere/at/all cannot be read"), "{missing:?}");
    let other = files.path().join("README.md");
    let printed = daemon.command(&["apply", "-f", other.to_str().unwrap()]).await;
    assert!(refused(&printed).contains("README.md is no .yaml, .yml or .toml file"), "{printed:?}");
}
