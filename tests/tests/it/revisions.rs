//! Two editors do not overwrite each other: `If-Match` and `ETag`.

use futures::future::join_all;
use postern_tests::chat::builder;
use postern_tests::{Api, Daemon, Engine, Receiver, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

const TOKEN: &str = "t0ken-of-the-chat";

on_each_engine!(a_change_for_a_revision_that_is_past_changes_nothing, of_many_changes_for_one_revision_exactly_one_is_made,);

/// A connection's path and a subscription's.
async fn objects(daemon: &Daemon, receiver: &Receiver) -> [String; 2] {
    let connection = daemon.connect(receiver, TOKEN).await;
    let subscription = daemon.subscribe_room(&connection, "ops").await;
    [format!("/api/v1/subscriptions/{subscription}"), format!("/api/v1/connections/{connection}")]
}

async fn remove(api: &Api, path: &str, etag: &str) -> postern_tests::Answer {
    api.call_with(Method::DELETE, path, &[("If-Match", etag)], Value::Null).await
}

async fn a_change_for_a_revision_that_is_past_changes_nothing(engine: Engine) {
    let daemon = builder().engine(engine).start().await.with_chat().await;
    let receiver = Receiver::start().await;
    let api = &daemon.api;
    for path in objects(&daemon, &receiver).await {
        let first = api.etag(&path).await;
        let changed = api.change(&path, &first, json!({ "name": "By the first editor" })).await;
        let second = changed.header("etag").to_owned();
        changed.success();
        assert!(!second.is_empty() && second != first, "{first} {second}");
        assert_eq!(api.etag(&path).await, second);

        let problem = api.change(&path, &first, json!({ "name": "By the second editor" })).await.problem(412, "stale");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(first.trim_matches('"')) && detail.contains(second.trim_matches('"')), "{detail}");
        remove(api, &path, &first).await.problem(412, "stale");
        assert_eq!((api.get(&path).await["name"].clone(), api.etag(&path).await), (json!("By the first editor"), second.clone()));

        api.change(&path, &second, json!({ "name": "" })).await.problem(422, "invalid");
        assert_eq!(api.etag(&path).await, second, "a refusal is no revision");
        for malformed in ["3", "\"three\"", "\"\"", "\"-1\"", "nonsense", "\""] {
            api.change(&path, malformed, json!({ "name": "By nobody" })).await.problem(400, "bad-if-match");
            remove(api, &path, malformed).await.problem(400, "bad-if-match");
        }
        api.change(&path, "*", json!({ "name": "By anybody" })).await.success();
        api.call(Method::PATCH, &path, json!({ "name": "By somebody who does not care" })).await.success();
        let last = api.etag(&path).await;
        assert_eq!(remove(api, &path, &last).await.status, 204);
        api.change(&path, &last, json!({ "name": "Too late" })).await.problem(404, "not-found");
    }
}

async fn of_many_changes_for_one_revision_exactly_one_is_made(engine: Engine) {
    let daemon = builder().engine(engine).start().await.with_chat().await;
    let receiver = Receiver::start().await;
    for path in objects(&daemon, &receiver).await {
        let etag = daemon.api.etag(&path).await;
        let names: Vec<_> = (0..20).map(|number| format!("Editor {number}")).collect();
        let changes = names.iter().map(|name| daemon.api.change(&path, &etag, json!({ "name": name })));
        let answers = join_all(changes).await;
        let mut winners = Vec::new();
        for (name, answer) in names.iter().zip(answers) {
            if answer.status == 200 {
                assert_eq!(answer.json()["name"], name.as_str());
                winners.push(name);
            } else {
                answer.problem(412, "stale");
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(daemon.api.get(&path).await["name"], winners[0].as_str());
    }
}
