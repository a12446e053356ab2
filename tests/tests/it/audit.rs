//! Who changed what.

use postern_tests::chat::{MARK, PROVIDER, builder, connection, subscription};
use postern_tests::platform::{INCIDENT_CREATED, WEBHOOK, id, incident, incident_type};
use postern_tests::wait::until;
use postern_tests::{Api, CONNECTED, Daemon, Engine, Receiver, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

const AUDIT: &str = "/api/v1/audit?limit=500";
const HOOK: &str = "/api/v1/plugins/incident/events/incident.created";

on_each_engine!(
    each_change_leaves_one_record_with_its_actor,
    what_changed_is_named_and_no_secret_is_told,
    a_refused_change_leaves_no_record,
    a_tenants_token_sees_the_records_of_its_tenant,
);

/// Records, oldest first.
async fn records(api: &Api) -> Vec<Value> {
    let mut records = api.items(AUDIT).await;
    records.reverse();
    records
}

/// The only record that was added since there were so many.
async fn added(daemon: &Daemon, before: usize) -> Value {
    let records = records(&daemon.api).await;
    assert_eq!(records.len(), before + 1, "{records:#?}");
    records[before].clone()
}

/// Another administrator: the access, and the token's id.
async fn ann(daemon: &Daemon) -> (Api, String) {
    let made = daemon.api.post("/api/v1/tokens", json!({ "name": "Ann", "scopes": ["admin"] })).await;
    (daemon.api.with_token(made["token"].as_str()), id(&made["id"]))
}

async fn each_change_leaves_one_record_with_its_actor(engine: Engine) {
    let mut daemon = builder().engine(engine).start().await;
    let receiver = Receiver::start().await;
    let first = records(&daemon.api).await;
    assert_eq!(first.len(), 1, "{first:#?}");
    assert_eq!((&first[0]["actor"], &first[0]["action"]), (&json!("postern"), &json!("token.create")));
    assert!(first[0].get("token").is_none() && first[0].get("address").is_none(), "{first:?}");

    let (ann, token) = ann(&daemon).await;
    let mut count = 2;
    let mut expect = async |action: &str, kind: &str, object: &str, tenant: Value| {
        let record = added(&daemon, count).await;
        count += 1;
        let [found_action, found_kind, found_object] = ["action", "kind", "object"].map(|field| record[field].clone());
        assert_eq!((found_action, found_kind, found_object), (json!(action), json!(kind), json!(object)), "{record:#}");
        assert_eq!((&record["actor"], &record["token"]), (&json!("Ann"), &json!(token)), "{record:#}");
        assert_eq!((&record["address"], &record["tenant"]), (&json!("127.0.0.1"), &tenant), "{record:#}");
    };
    let nobodys = Value::Null;
    for _ in 0..2 {
        ann.put(HOOK, incident_type()).await;
        expect("event-type.register", "eventType", INCIDENT_CREATED, nobodys.clone()).await;
    }
    let add = ann.send(Method::POST, "/api/v1/providers?plugin=test", "application/wasm", CONNECTED.to_vec());
    add.await.unwrap().success();
    expect("provider.add", "provider", PROVIDER, nobodys.clone()).await;
    ann.post(&format!("/api/v1/providers/{PROVIDER}/approve"), Value::Null).await;
    expect("provider.approve", "provider", PROVIDER, nobodys.clone()).await;
    let grant = ann.get(&format!("/api/v1/providers/{PROVIDER}/grant")).await;
    ann.put(&format!("/api/v1/providers/{PROVIDER}/grant"), grant).await;
    expect("provider.grant", "provider", PROVIDER, nobodys.clone()).await;

    let made = id(&ann.post("/api/v1/connections", connection(&receiver, "t0ken-of-the-chat")).await["id"]);
    expect("connection.create", "connection", &made, json!("default")).await;
    let path = format!("/api/v1/connections/{made}");
    ann.patch(&path, json!({ "name": "B" })).await;
    expect("connection.update", "connection", &made, json!("default")).await;
    let subscribed = id(&ann.post("/api/v1/subscriptions", subscription(&made, "ops")).await["id"]);
    expect("subscription.create", "subscription", &subscribed, json!("default")).await;
    ann.patch(&format!("/api/v1/subscriptions/{subscribed}"), json!({ "enabled": false })).await;
    expect("subscription.update", "subscription", &subscribed, json!("default")).await;
    ann.delete(&format!("/api/v1/subscriptions/{subscribed}")).await;
    expect("subscription.delete", "subscription", &subscribed, json!("default")).await;
    ann.delete(&path).await;
    expect("connection.delete", "connection", &made, json!("default")).await;
    ann.delete(&format!("/api/v1/providers/{PROVIDER}")).await;
    expect("provider.remove", "provider", PROVIDER, nobodys.clone()).await;
    ann.delete(&format!("/api/v1/event-types/{INCIDENT_CREATED}")).await;
    expect("event-type.delete", "eventType", INCIDENT_CREATED, nobodys.clone()).await;
    let other = ann.post("/api/v1/tokens", json!({ "name": "Ben", "scopes": ["read"], "tenant": "acme" })).await;
    expect("token.create", "token", &id(&other["id"]), json!("acme")).await;
    ann.delete(&format!("/api/v1/tokens/{}", id(&other["id"]))).await;
    expect("token.revoke", "token", &id(&other["id"]), json!("acme")).await;

    let before = records(&daemon.api).await;
    assert!(before.is_sorted_by_key(|record| id(&record["at"])));
    daemon.kill_9();
    daemon.restart().await;
    assert_eq!(records(&daemon.api).await, before);
}

async fn what_changed_is_named_and_no_secret_is_told(engine: Engine) {
    let daemon = builder().engine(engine).start().await.with_chat().await;
    let receiver = Receiver::start().await;
    let secrets = ["f1rst-s3cret", "sec0nd-s3cret"];
    let connection_id = id(&daemon.api.post("/api/v1/connections", connection(&receiver, secrets[0])).await["id"]);
    let made = daemon.api.post("/api/v1/subscriptions", subscription(&connection_id, "ops")).await;
    let path = format!("/api/v1/connections/{connection_id}");
    let mut count = records(&daemon.api).await.len();
    let mut changed = async |path: &str, change: Value| {
        daemon.api.patch(path, change).await;
        let record = added(&daemon, count).await;
        count += 1;
        (record["changed"].clone(), record["values"].clone())
    };
    let (nothing, settings) = (json!([]), json!(["settings"]));
    assert_eq!(changed(&path, json!({ "settings": { "token": MARK } })).await, (nothing.clone(), Value::Null), "kept");
    assert_eq!(changed(&path, json!({ "settings": { "token": secrets[0] } })).await, (nothing.clone(), Value::Null), "the same");
    assert_eq!(changed(&path, json!({ "settings": { "token": secrets[1] } })).await, (settings, Value::Null), "another");
    let values = json!({ "name": { "from": "The chat", "to": "Chat" } });
    let both = json!({ "name": "Chat", "description": "What is s3cret stays so" });
    assert_eq!(changed(&path, both).await, (json!(["name", "description"]), values));

    let path = format!("/api/v1/subscriptions/{}", id(&made["id"]));
    let change = json!({ "filter": ".payload.key == \"s3cret\"", "enabled": false, "providerConfig": { "room": "s3cret" } });
    let values = json!({ "enabled": { "from": true, "to": false } });
    let (names, told) = changed(&path, change).await;
    let mut names: Vec<String> = serde_json::from_value(names).unwrap();
    names.sort();
    assert_eq!((names, told), (["enabled", "filter", "providerConfig"].map(str::to_owned).to_vec(), values));

    let token = daemon.api.post("/api/v1/tokens", json!({ "name": "Ann", "scopes": ["emit:incident"] })).await;
    let record = added(&daemon, count).await;
    assert_eq!(record["values"], json!({ "name": { "to": "Ann" }, "scopes": { "to": ["emit:incident"] } }));
    let all = Value::from(records(&daemon.api).await).to_string();
    let admin = daemon.api.token().unwrap();
    for secret in ["s3cret", &receiver.url(), "\"hash\"", admin, token["token"].as_str().unwrap()] {
        assert!(!all.contains(secret), "`{secret}` is in {all}");
    }
}

async fn a_refused_change_leaves_no_record(engine: Engine) {
    let daemon = builder().engine(engine).start().await.with_chat().await;
    let receiver = Receiver::start().await;
    let connection_id = daemon.connect(&receiver, "t0ken-of-the-chat").await;
    let subscribed = daemon.subscribe_room(&connection_id, "ops").await;
    let reader = daemon.api.post("/api/v1/tokens", json!({ "name": "R", "scopes": ["read"] })).await;
    let reader = daemon.api.with_token(reader["token"].as_str());
    let tenant = daemon.as_tenant("acme", &["admin"]).await;
    let before = records(&daemon.api).await;

    let path = format!("/api/v1/subscriptions/{subscribed}");
    for (api, method, path, body, status) in [
        (&daemon.api, Method::POST, "/api/v1/subscriptions", json!({}), 422),
        (&daemon.api, Method::PATCH, &path, json!({ "events": [] }), 422),
        (&daemon.api, Method::PATCH, &path, json!({ "filter": "[" }), 422),
        (&daemon.api, Method::PUT, HOOK, json!({ "displayName": "", "payloadSchema": {} }), 422),
        (&daemon.api, Method::POST, "/api/v1/tokens", json!({ "name": "", "scopes": [] }), 422),
        (&daemon.api, Method::DELETE, &format!("/api/v1/connections/{connection_id}"), Value::Null, 409),
        (&daemon.api, Method::DELETE, &format!("/api/v1/providers/{PROVIDER}"), Value::Null, 409),
        (&daemon.api, Method::DELETE, &format!("/api/v1/providers/{WEBHOOK}"), Value::Null, 409),
        (&daemon.api, Method::DELETE, "/api/v1/event-types/no.such", Value::Null, 404),
        (&daemon.api, Method::DELETE, "/api/v1/tokens/0123456789ab", Value::Null, 404),
        (&daemon.api, Method::POST, "/api/v1/providers/no.such/approve", Value::Null, 404),
        (&reader, Method::DELETE, &path, Value::Null, 403),
        (&tenant, Method::DELETE, &path, Value::Null, 404),
        (&tenant, Method::PUT, HOOK, incident_type(), 403),
        (&daemon.api.with_token(None), Method::DELETE, &path, Value::Null, 401),
        (&daemon.api.with_token(Some("postern_wrong")), Method::DELETE, &path, Value::Null, 401),
    ] {
        let answer = api.call(method.clone(), path, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
    }
    daemon.api.change(&path, "\"7\"", json!({ "name": "Late" })).await.problem(412, "stale");
    let component = daemon.api.send(Method::POST, "/api/v1/providers?plugin=test", "application/wasm", b"none".to_vec());
    component.await.unwrap().problem(422, "invalid-component");
    // Neither is what changes no object.
    daemon.api.post("/api/v1/plugins/incident/hooks/incident.created", incident("Emitted")).await;
    daemon.api.get(&path).await;
    daemon.api.post(&format!("{path}/preview"), json!({})).await;
    assert_eq!(records(&daemon.api).await, before);
}

async fn a_tenants_token_sees_the_records_of_its_tenant(engine: Engine) {
    let daemon = builder().engine(engine).start().await.with_chat().await;
    let receiver = Receiver::start().await;
    let (acme, globex) = (daemon.as_tenant("acme", &["admin"]).await, daemon.as_tenant("globex", &["admin"]).await);
    let own = id(&acme.post("/api/v1/connections", connection(&receiver, "t0ken-of-the-chat")).await["id"]);
    globex.post("/api/v1/connections", connection(&receiver, "t0ken-of-the-chat")).await;
    daemon.connect(&receiver, "t0ken-of-the-chat").await;
    daemon.api.patch(&format!("/api/v1/connections/{own}"), json!({ "name": "By somebody else" })).await;

    let told = |records: &[Value]| -> Vec<(String, String)> {
        records.iter().map(|record| (id(&record["actor"]), id(&record["action"]))).collect()
    };
    let seen = records(&acme).await;
    assert!(seen.iter().all(|record| record["tenant"] == "acme"), "{seen:#?}");
    let pair = |actor: &str, action: &str| (actor.to_owned(), action.to_owned());
    let expected =
        [pair("first admin", "token.create"), pair("acme", "connection.create"), pair("first admin", "connection.update")];
    assert_eq!(told(&seen), expected);
    assert_eq!(daemon.api.items("/api/v1/audit?tenant=acme").await.len(), 3);
    assert!(records(&daemon.api).await.len() > 6);
    acme.call(Method::GET, "/api/v1/audit?tenant=globex", Value::Null).await.problem(403, "forbidden");
    let reader = daemon.as_tenant("acme", &["read", "emit"]).await;
    reader.call(Method::GET, AUDIT, Value::Null).await.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_found_by_actor_object_and_time_and_come_in_pages() {
    let daemon = Daemon::start().await;
    let (ann, token) = ann(&daemon).await;
    daemon.register_incidents().await;
    let receiver = Receiver::start().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        let config = json!({ "url": receiver.url() });
        let body = json!({ "name": "A", "providerId": WEBHOOK, "events": [INCIDENT_CREATED], "providerConfig": config });
        made.push(id(&ann.post("/api/v1/subscriptions", body).await["id"]));
    }
    daemon.api.patch(&format!("/api/v1/subscriptions/{}", made[0]), json!({ "name": "B" })).await;
    let all = daemon.api.items(AUDIT).await;
    assert_eq!(all.len(), 7);
    let found = async |query: String| daemon.api.items(&format!("/api/v1/audit?{query}")).await;
    assert_eq!(found("actor=Ann".to_owned()).await, all[1..4]);
    assert_eq!(found(format!("actor={token}")).await, all[1..4]);
    assert_eq!(found("actor=postern".to_owned()).await, all[6..]);
    assert_eq!(found(format!("object={}", made[0])).await, [all[0].clone(), all[3].clone()]);
    assert_eq!(found(format!("object={}&actor=Ann", made[0])).await, all[3..4]);
    let at = |index: usize| id(&all[index]["at"]);
    let since: Vec<_> = all.iter().filter(|record| id(&record["at"]) >= at(2)).cloned().collect();
    assert_eq!(found(format!("since={}", at(2))).await, since);
    assert_eq!(found(format!("until={}", at(2))).await, all[since.len()..]);

    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = daemon.api.get(&format!("/api/v1/audit?limit=2{cursor}")).await;
        paged.extend(page["items"].as_array().unwrap().clone());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, all);
    for (query, code) in
        [("limit=0", "bad-query"), ("since=soon", "bad-query"), ("cursor=x", "bad-cursor"), ("who=me", "bad-query")]
    {
        daemon.api.call(Method::GET, &format!("/api/v1/audit?{query}"), Value::Null).await.problem(400, code);
    }

    let printed = daemon.command(&["audit", "list", "--actor", "Ann", "--json"]).await;
    assert!(printed.success, "{}", printed.stderr);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&printed.stdout).unwrap(), all[1..4]);
    let printed = daemon.command(&["audit", "list", "--limit", "1"]).await;
    let lines: Vec<_> = printed.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", printed.stdout);
    assert!(
        ["first admin", "127.0.0.1", "subscription.update", "name"].iter().all(|text| lines[1].contains(text)),
        "{}",
        lines[1]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_go_when_they_are_too_old() {
    let mut daemon = Daemon::builder().config("[retention]\naudit = \"0s\"").start().await;
    daemon.register_incidents().await;
    daemon.kill_9();
    // What is too old is looked for at each start.
    daemon.restart().await;
    until("the audit to be empty", async || daemon.api.items(AUDIT).await.is_empty().then_some(())).await;
}
