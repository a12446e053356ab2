//! `postern provider check` and `inspect`.

use super::{Desk, json_of, provider, well};
use crate::sandbox::raw::Raw;
use postern_tests::{CONNECTED, Daemon, HOSTILE};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_component_is_told_with_what_its_operator_will_be_asked() {
    let desk = Desk::new();
    let file = desk.file("hostile.wasm", HOSTILE);
    let told = well(&["check", &file, "--plugin", "test"]).await;
    for text in
        ["test.hostile 0.1.0, a daemon takes it", "to reach {config.url}: the host in each", "the secret config.token goes"]
    {
        assert!(told.contains(text), "{text}: {told}");
    }
    assert!(told.contains("postern provider approve test.hostile") && told.contains("there is no setup guide"), "{told}");

    // What is foretold is what a daemon asks.
    let (checked, _) = json_of(&["check", &file, "--plugin", "test"]).await;
    let daemon = Daemon::start().await;
    let added = daemon.command(&["provider", "add", &file, "--plugin", "test", "--json"]).await;
    let added: serde_json::Value = serde_json::from_str(&added.stdout).unwrap();
    assert_eq!(added["asks"], checked["manifest"]["hosts"]);
    assert_eq!((&added["digest"], &added["manifest"]), (&checked["file"]["digest"], &checked["manifest"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_a_daemon_would_refuse_is_listed_at_once() {
    let desk = Desk::new();
    let wrong = Raw { id: "not.a.name", description: "x".repeat(1_001), ..Raw::default() };
    let file = desk.file("wrong.wasm", wrong.bytes());
    let (checked, printed) = json_of(&["check", &file]).await;
    assert_eq!((printed.code, &checked["accepted"]), (Some(1), &json!(false)));
    let problems: Vec<_> = checked["problems"].as_array().unwrap().iter().map(|problem| problem.as_str().unwrap()).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("the manifest's id: ") && problems[1].starts_with("the manifest's description: "));
    assert!(printed.stderr.contains("would be refused"), "{printed:?}");

    for (name, content, text) in [
        ("script.sh", b"#!/bin/sh\n".to_vec(), "no WebAssembly"),
        ("cut.wasm", HOSTILE[..HOSTILE.len() / 2].to_vec(), "not valid"),
        ("none.wasm", wat::parse_str("(component)").unwrap(), "it exports nothing"),
    ] {
        let printed = provider(&["check", &desk.file(name, content)]).await;
        assert!(printed.code == Some(1) && printed.stdout.contains(text), "{name}: {printed:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bounds_are_those_of_the_daemon_that_is_meant() {
    let desk = Desk::new();
    let file = desk.file("hostile.wasm", HOSTILE);
    let narrow = desk.file("postern.toml", "[sandbox]\ncomponent-bytes = 1024\n");
    let printed = provider(&["check", &file, "--daemon", &narrow]).await;
    assert!(printed.code == Some(1) && printed.stdout.contains("at most 1024"), "{printed:?}");
    let own = provider(&["check", &file, "--plugin", "postern"]).await;
    assert!(own.code == Some(1) && own.stdout.contains("choose another plugin id"), "the daemon has the last word: {own:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_a_file_is_shown_whatever_it_is() {
    let desk = Desk::new();
    let (inside, _) = json_of(&["inspect", &desk.file("connected.wasm", CONNECTED)]).await;
    assert_eq!(
        (&inside["kind"], &inside["contract"], &inside["size"]),
        (&json!("component"), &json!("0.1.0"), &json!(CONNECTED.len()))
    );
    assert!(inside["imports"].as_array().unwrap().contains(&json!("postern:provider/http@0.1.0")), "{inside:#}");
    assert_eq!(inside["exports"], json!(["postern:provider/provider@0.1.0"]));
    assert!(inside["languages"][0].as_str().unwrap().starts_with("Rust"), "{inside:#}");
    assert!(inside["sections"]["code"].as_u64().unwrap() > 10_000 && inside["manifest"]["id"] == "local.connected");
    let told = well(&["inspect", &desk.file("connected.wasm", CONNECTED)]).await;
    assert!(told.contains("a component") && told.contains("settings   config, version"), "{told}");

    let (module, _) = json_of(&["inspect", &desk.file("raw.wasm", Raw::default().bytes())]).await;
    assert_eq!((&module["kind"], &module["manifest"]["id"]), (&json!("module"), &json!("local.raw")));
    let (foreign, printed) = json_of(&["inspect", &desk.file("script.sh", "#!/bin/sh\n")]).await;
    assert!(printed.success && foreign["kind"] == "foreign" && foreign["manifest"].is_null(), "{foreign:#}");
}
