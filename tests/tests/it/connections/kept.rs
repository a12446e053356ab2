//! Making, showing, changing and removing connections.

use crate::bad_input::{assert_detail, everything, places};
use postern_tests::chat::{MARK, PROVIDER, builder, connection};
use postern_tests::platform::id;
use postern_tests::{Engine, Receiver, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/connections";
const TOKEN: &str = "t0ken-of-the-chat";

on_each_engine!(
    a_connection_is_made_listed_shown_changed_and_removed,
    the_mark_keeps_the_stored_secret_and_deliveries_still_carry_it,
    a_restart_keeps_connections_with_their_secrets_and_revisions,
);

async fn a_connection_is_made_listed_shown_changed_and_removed(engine: Engine) {
    let daemon = builder().engine(engine).start().await.with_chat().await;
    let receiver = Receiver::start().await;
    let made = daemon.api.call(Method::POST, PATH, connection(&receiver, TOKEN)).await;
    assert_eq!((made.status, made.header("etag")), (201, "\"1\""));
    let made = made.json();
    let path = format!("{PATH}/{}", id(&made["id"]));
    assert_eq!(made["settings"], json!({ "baseUrl": receiver.url(), "token": MARK }));
    assert_eq!((&made["name"], &made["tenant"], &made["providerId"]), (&json!("The chat"), &json!("default"), &json!(PROVIDER)));
    assert_eq!(made["settingsVersion"], 1);
    assert!(id(&made["createdAt"]) <= id(&made["updatedAt"]), "{made}");

    assert_eq!(daemon.api.items(PATH).await, std::slice::from_ref(&made));
    assert_eq!(daemon.api.items(&format!("{PATH}?provider={PROVIDER}")).await.len(), 1);
    assert!(daemon.api.items(&format!("{PATH}?provider=postern.webhook")).await.is_empty());
    let shown = daemon.api.get(&path).await;
    assert_eq!((&shown["settings"], &shown["usedBy"]), (&made["settings"], &json!([])));

    let change = json!({ "name": "Another name", "description": "For operations", "settings": { "token": "another-t0ken" } });
    let changed = daemon.api.patch(&path, change).await;
    assert_eq!((&changed["name"], &changed["description"]), (&json!("Another name"), &json!("For operations")));
    assert_eq!((&changed["settings"], &changed["createdAt"]), (&made["settings"], &made["createdAt"]));
    assert!(daemon.api.patch(&path, json!({ "description": null })).await.get("description").is_none());

    daemon.api.delete(&path).await;
    daemon.api.call(Method::GET, &path, Value::Null).await.problem(404, "not-found");
    daemon.api.call(Method::DELETE, &path, Value::Null).await.problem(404, "not-found");
    assert!(daemon.api.items(PATH).await.is_empty());
    assert!(receiver.is_untouched(), "saving asks nobody");
}

async fn the_mark_keeps_the_stored_secret_and_deliveries_still_carry_it(engine: Engine) {
    let daemon = builder().engine(engine).start().await.with_chat().await;
    let mut receiver = Receiver::start().await;
    let connection = daemon.connect(&receiver, TOKEN).await;
    let path = format!("{PATH}/{connection}");
    daemon.subscribe_room(&connection, "ops").await;
    // What a form shows and sends back.
    let mut form = daemon.api.get(&path).await;
    form["settings"]["baseUrl"] = json!(receiver.url() + "/moved");
    let changed = daemon.api.patch(&path, json!({ "name": "Moved", "settings": form["settings"] })).await;
    assert_eq!(changed["settings"], json!({ "baseUrl": receiver.url() + "/moved", "token": MARK }));
    daemon.emit("With the kept secret").await;
    let received = receiver.next().await;
    assert_eq!((received.target.as_str(), received.header("authorization")), ("/moved/rooms/ops", "Bearer t0ken-of-the-chat"));
    assert_eq!(received.json(), json!({ "message": "incident.incident.created happened" }));

    daemon.api.patch(&path, json!({ "settings": { "token": "another-t0ken" } })).await;
    daemon.emit("With another secret").await;
    assert_eq!(receiver.next().await.header("authorization"), "Bearer another-t0ken");
}

async fn a_restart_keeps_connections_with_their_secrets_and_revisions(engine: Engine) {
    let mut daemon = builder().engine(engine).start().await.with_chat().await;
    let mut receiver = Receiver::start().await;
    let connection = daemon.connect(&receiver, TOKEN).await;
    let path = format!("{PATH}/{connection}");
    daemon.subscribe_room(&connection, "ops").await;
    daemon.api.patch(&path, json!({ "description": "Changed once" })).await;
    let (before, etag) = (daemon.api.get(&path).await, daemon.api.etag(&path).await);
    for killed in [true, false] {
        if killed {
            daemon.kill_9();
        } else {
            assert!(daemon.terminate().await.status.success());
        }
        daemon.restart().await;
        assert_eq!((daemon.api.get(&path).await, daemon.api.etag(&path).await), (before.clone(), etag.clone()));
        daemon.emit("After a restart").await;
        assert_eq!(receiver.next().await.header("authorization"), format!("Bearer {TOKEN}"));
    }
    daemon.api.change(&path, &etag, json!({ "name": "Still mine" })).await.success();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_refused_with_its_places_and_without_the_secret() {
    let daemon = builder().start().await.with_chat().await;
    let receiver = Receiver::start().await;
    let kept = daemon.connect(&receiver, TOKEN).await;
    let before = everything(&daemon).await;
    let url = "https://chat.example";
    let table = [
        (json!({ "settings": { "baseUrl": url } }), "/settings", "token"),
        (json!({ "settings": { "token": TOKEN } }), "/settings", "baseUrl"),
        (json!({ "settings": { "baseUrl": url, "token": TOKEN, "colour": "red" } }), "/settings", "colour"),
        (json!({ "settings": { "baseUrl": url, "token": "s3cret" } }), "/settings/token", "8"),
        (json!({ "settings": { "baseUrl": url, "token": ["s3cret"] } }), "/settings/token", "string"),
        (json!({ "settings": { "baseUrl": "chat", "token": TOKEN } }), "/settings/baseUrl", ""),
        (json!({ "settings": { "baseUrl": url, "token": MARK } }), "/settings/token", "none is stored"),
        (json!({ "settings": "s3cret" }), "/settings", "object"),
        (json!({ "name": "" }), "/name", ""),
        (json!({ "description": "x".repeat(1001) }), "/description", ""),
        (json!({ "providerId": "test.nobody" }), "/providerId", "test.nobody"),
        (json!({ "providerId": "postern.webhook" }), "/providerId", "takes no connection"),
        (json!({ "colour": "red" }), "", "colour"),
    ];
    for (changes, place, text) in table {
        let mut body = connection(&receiver, TOKEN);
        for (key, value) in changes.as_object().unwrap() {
            body[key] = value.clone();
        }
        let answer = daemon.api.call(Method::POST, PATH, body).await;
        assert!(!answer.text.contains("s3cret") && !answer.text.contains(TOKEN), "{}", answer.text);
        let problem = answer.problem(422, "invalid");
        let fits = |error: &Value| {
            error["path"].as_str().unwrap().starts_with(place) && error["message"].as_str().unwrap().contains(text)
        };
        assert!(problem["errors"].as_array().is_some_and(|errors| errors.iter().any(fits)), "{changes}: {problem}");
    }
    let changes = [
        (json!({ "tenant": "acme" }), "/tenant"),
        (json!({ "providerId": "postern.webhook" }), "/providerId"),
        (json!({ "settings": { "token": null } }), "/settings"),
        (json!({ "settings": null }), ""),
        (json!({ "settings": { "token": "short" } }), "/settings/token"),
    ];
    for (change, place) in changes {
        let refused = daemon.api.call(Method::PATCH, &format!("{PATH}/{kept}"), change.clone()).await;
        let problem = refused.problem(422, "invalid");
        assert_eq!(places(&problem), [place], "{change}: {problem}");
    }
    daemon.api.call(Method::PATCH, &format!("{PATH}/{kept}"), json!(["name"])).await.problem(422, "invalid");
    assert_eq!(everything(&daemon).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_listed_page_by_page() {
    let daemon = builder().start().await.with_chat().await;
    let receiver = Receiver::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(daemon.connect(&receiver, TOKEN).await);
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = daemon.api.get(&format!("{PATH}?limit=2{cursor}")).await;
        found.extend(page["items"].as_array().unwrap().iter().map(|item| id(&item["id"])));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    made.sort_unstable();
    assert_eq!(found, made);
    let refused = daemon.api.call(Method::GET, &format!("{PATH}?colour=red"), Value::Null).await.problem(400, "bad-query");
    assert_detail(&refused, &["colour"]);
}
