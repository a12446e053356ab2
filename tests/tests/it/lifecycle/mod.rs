//! Providers while the daemon runs: added, upgraded, rolled back, pinned, removed, watched, trusted, and started.

mod fetched;
mod load;
mod pinned;
mod removed;
mod start;
mod trusted;
mod upgraded;
mod versions;
mod watched;

use postern_tests::platform::outcome;
use postern_tests::tracker::PROVIDER;
use postern_tests::wait::until;
use postern_tests::{Daemon, Engine, Receiver};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The path of the provider that most of these tests upgrade.
const PATH: &str = "/api/v1/providers/test.tracker";

/// A daemon with the tracker's first build, subscribed, and the tracker.
async fn with_tracker(engine: Engine) -> (Daemon, Receiver, String) {
    let daemon = Daemon::on(engine).await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.add_tracker().await;
    let subscription = daemon.subscribe_with(PROVIDER, &receiver, json!({})).await;
    (daemon, receiver, format!("/api/v1/subscriptions/{subscription}"))
}

/// Emits an event and answers with the version of the build that delivered it.
async fn delivered_by(daemon: &Daemon) -> Value {
    let event = daemon.emit("Who delivers?").await;
    let delivery = daemon.settled(&event).await;
    assert_eq!(outcome(&delivery)["result"], "success", "{delivery:#}");
    postern_tests::platform::attempts(&delivery).last().unwrap()["provider"]["version"].clone()
}

/// The version in force, as the provider is shown.
async fn in_force(daemon: &Daemon) -> (Value, Value) {
    let shown = daemon.api.get(PATH).await;
    (shown["state"].clone(), shown["version"].clone())
}

/// The versions that are kept, with what each is to the provider.
async fn kept(daemon: &Daemon) -> Vec<(String, String)> {
    let text = |build: &Value, field: &str| build[field].as_str().unwrap_or_default().to_owned();
    let builds = daemon.api.items(&format!("{PATH}/versions")).await;
    builds.iter().map(|build| (text(build, "version"), text(build, "standing"))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(version, standing)| ((*version).to_owned(), (*standing).to_owned())).collect()
}

/// The digests of the components that the daemon keeps.
fn components(daemon: &Daemon) -> BTreeSet<String> {
    let files = std::fs::read_dir(daemon.data().join("components")).unwrap();
    files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// The provider once it is in this state.
async fn in_state(daemon: &Daemon, id: &str, state: &str) -> Value {
    let path = format!("/api/v1/providers/{id}");
    until(&format!("{id} to be {state}"), || async {
        let answer = daemon.api.call(Method::GET, &path, Value::Null).await;
        (answer.status == 200).then(|| answer.json()).filter(|shown| shown["state"] == state)
    })
    .await
}
