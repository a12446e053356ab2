//! The HTTP API describes itself, and keeps to the description.

use jsonschema::draft202012::meta;
use postern_tests::daemon::run;
use postern_tests::platform::INCIDENT_CREATED;
use postern_tests::{Daemon, Receiver, chat};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const DOCUMENT: &str = "/api/v1/openapi.json";

/// Which calls need no token.
const OPEN: [&str; 4] = ["GET /healthz", "GET /readyz", "GET /api/v1/openapi.json", "GET /docs"];

/// Each operation: its method, its path, and itself.
fn operations(document: &Value) -> Vec<(Method, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations.map(move |(method, operation)| (method.to_uppercase().parse().unwrap(), path.as_str(), operation))
    });
    operations.collect()
}

/// Every value under this key, wherever it is.
fn under<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if name == key {
                    found.push(value);
                }
                under(value, key, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| under(item, key, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_is_openapi_3_1() {
    let daemon = Daemon::start().await;
    let document = daemon.api.with_token(None).get(DOCUMENT).await;
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());

    let mut references = Vec::new();
    under(&document, "$ref", &mut references);
    for reference in references {
        let pointer = reference.as_str().unwrap().strip_prefix('#').expect("the document stands alone");
        assert!(document.pointer(pointer).is_some(), "{pointer} is not there");
    }
    let mut schemas = Vec::new();
    under(&document["paths"], "schema", &mut schemas);
    schemas.extend(document["components"]["schemas"].as_object().unwrap().values());
    for schema in schemas {
        meta::validate(schema).unwrap_or_else(|error| panic!("no schema: {error}: {schema}"));
    }

    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let place = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().expect("an id")), "{place}: its id is another's too");
        assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{place}");
        let named: BTreeSet<_> = path.split(['{', '}']).skip(1).step_by(2).collect();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let described: BTreeSet<_> = parameters
            .filter(|one| one["in"] == "path" && one["required"] == true)
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        assert_eq!(named, described, "{place}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{place}");
        let inline = responses.values().filter(|response| response.get("$ref").is_none());
        assert!(inline.into_iter().all(|response| response["description"].is_string()), "{place}");
        for requirement in operation["security"].as_array().into_iter().flatten().flat_map(|one| one.as_object().unwrap().keys())
        {
            assert!(document["components"]["securitySchemes"].get(requirement).is_some(), "{place}");
        }
    }
}

#[tokio::test]
async fn every_call_is_described_and_every_described_call_is_there() {
    let daemon = Daemon::start().await;
    let nobody = daemon.api.with_token(None);
    let document = nobody.get(DOCUMENT).await;

    // The router describes what it is given: what reaches it in another way is not described.
    let routes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/api/src/routes");
    let sources = ["mod.rs", "table.rs"].map(|name| std::fs::read_to_string(routes.join(name)).unwrap()).concat();
    assert!(!sources.contains(".route("), "a call that is not described");
    let is_path = |text: &&str| text.starts_with('/') && *text != "/api/v1" && !text.contains(char::is_whitespace);
    let given: BTreeSet<_> = sources.split('"').filter(is_path).collect();
    let described: BTreeSet<_> = operations(&document)
        .into_iter()
        .map(|(_, path, _)| path)
        .filter(|path| ![DOCUMENT, "/docs"].contains(path))
        .map(|path| path.strip_prefix("/api/v1").unwrap_or(path))
        .collect();
    assert_eq!(given, described);

    let mut open = Vec::new();
    for (method, path, operation) in operations(&document) {
        let call = format!("{method} {path}");
        let answer = nobody.send(method, &path.replace(['{', '}'], ""), "application/json", Vec::new()).await.unwrap();
        if operation.get("security").is_some() {
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{call}");
            answer.problem(401, "unauthorized");
        } else {
            assert_eq!(answer.status, 200, "{call}");
            open.push(call);
        }
    }
    assert_eq!(open.into_iter().collect::<BTreeSet<_>>(), OPEN.map(str::to_owned).into());
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let daemon = Daemon::start().await;
    let page = daemon.api.with_token(None).call(Method::GET, "/docs", Value::Null).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(!policy.contains("http") && !policy.contains('*'), "{policy}");
    assert!(page.text.contains(DOCUMENT));
}

/// A daemon with an event type, a webhook, a connection, a subscription of each and a delivery; and where they deliver.
async fn seeded() -> (Daemon, Receiver) {
    let daemon = chat::builder().config("[server]\nfailed-logins-per-minute = 1000000").start().await.with_chat().await;
    let receiver = Receiver::that(chat::says(&json!({ "name": "Ada" }))).await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let connection = daemon.connect(&receiver, "hunter2hunter2").await;
    daemon.subscribe_room(&connection, "operations").await;
    let event = daemon.emit(INCIDENT_CREATED).await;
    daemon.all_settled(&event).await;
    (daemon, receiver)
}

/// Sends some thousand requests, made of the description: those that it allows, and those that it forbids.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_keeps_to_its_description() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schemathesis = root.join("../target/schemathesis/bin/schemathesis");
    assert!(schemathesis.is_file(), "schemathesis is not there: run `make test`, or tests/schemathesis/prepare.sh first");
    let (daemon, _receiver) = seeded().await;

    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(schemathesis);
    command.current_dir(folder.path()).env("SCHEMATHESIS_HOOKS", root.join("schemathesis/hooks.py"));
    command.arg("--config-file").arg(root.join("schemathesis/schemathesis.toml"));
    command.args(["run", &format!("{}{DOCUMENT}", daemon.api.server()), "--seed", "1"]);
    command.args(["--header", &format!("Authorization: Bearer {}", daemon.api.token().unwrap())]);
    let printed = run(command).await;
    let shown: String = printed.stdout.lines().map(|line| line.chars().take(400).chain(['\n']).collect::<String>()).collect();
    assert!(printed.success, "{shown}{}", printed.stderr);

    // Nothing of what was sent left anything behind that cannot be read.
    let said = daemon.stderr();
    assert!(!said.contains("damaged") && !said.contains("panicked"), "{said}");
    let mut daemon = daemon;
    daemon.terminate().await;
    daemon.restart().await;
}
