//! Listings and counts of a part of what there is.

use postern_tests::platform::{INCIDENT_CREATED, WEBHOOK, id};
use postern_tests::{Daemon, Engine, Receiver, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

const HOOK: &str = "/api/v1/plugins/incident/hooks/incident.created";

on_each_engine!(deliveries_are_listed_by_entity, a_tenants_deliveries_are_counted_alone);

fn about(incident: &str) -> Value {
    json!({ "incidentId": incident, "systemIds": [], "title": "T", "severity": "minor" })
}

async fn deliveries_are_listed_by_entity(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    daemon.register_incidents().await;
    let receiver = Receiver::start().await;
    let subscription = daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    daemon.api.patch(&format!("/api/v1/subscriptions/{subscription}"), json!({ "entityKey": ".payload.incidentId" })).await;
    for incident in ["inc-1", "inc-2", "inc-1", "a b&c"] {
        let emitted = daemon.api.post(HOOK, about(incident)).await;
        daemon.settled(&id(&emitted["event"])).await;
    }
    for (entity, expected) in [("inc-1", 2), ("inc-2", 1), ("inc", 0), ("", 0), ("a%20b%26c", 1)] {
        let found = daemon.api.items(&format!("/api/v1/deliveries?entity={entity}")).await;
        assert_eq!(found.len(), expected, "{entity}: {found:#?}");
    }
    assert_eq!(daemon.api.items("/api/v1/deliveries?entity=inc-1&status=failed").await.len(), 0);
    assert_eq!(daemon.api.items("/api/v1/deliveries?entity=inc-1&limit=1").await.len(), 1);
    let printed = daemon.command(&["delivery", "list", "--entity", "a b&c", "--json"]).await;
    let listed: Vec<Value> = serde_json::from_str(&printed.stdout).unwrap_or_else(|error| panic!("{error}: {printed:?}"));
    assert_eq!(listed.iter().map(|delivery| &delivery["entity"]).collect::<Vec<_>>(), [&json!("a b&c")]);
}

async fn a_tenants_deliveries_are_counted_alone(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    daemon.register_incidents().await;
    let receiver = Receiver::start().await;
    let acme = daemon.as_tenant("acme", &["admin"]).await;
    let config = json!({ "url": receiver.url() });
    let body = json!({ "name": "A", "providerId": WEBHOOK, "events": [INCIDENT_CREATED], "providerConfig": config });
    acme.post("/api/v1/subscriptions", body).await;
    for tenant in ["acme", "acme", "default", "globex"] {
        let emitted = daemon.api.call_with(Method::POST, HOOK, &[("Postern-Tenant", tenant)], about("inc-1")).await.success();
        daemon.all_settled(&id(&emitted["event"])).await;
    }
    for _ in 0..2 {
        let counted = async |token: Option<&str>, query: &str| {
            let stats = daemon.api.with_token(token).get(&format!("/api/v1/stats{query}")).await;
            (stats["events"].clone(), stats["deliveries"]["success"].clone(), stats["byProvider"].as_array().unwrap().len())
        };
        let (admin, tenant) = (daemon.api.token(), acme.token());
        assert_eq!(counted(admin, "").await, (json!(4), json!(2), 1));
        assert_eq!(counted(admin, "?tenant=acme").await, (json!(2), json!(2), 1));
        assert_eq!(counted(admin, "?tenant=globex&hours=1").await, (json!(1), json!(0), 0));
        assert_eq!(counted(admin, "?tenant=nobody").await, (json!(0), json!(0), 0));
        assert_eq!(counted(tenant, "").await, (json!(2), json!(2), 1));
        assert_eq!(counted(tenant, "?tenant=acme").await, (json!(2), json!(2), 1));
        let other = daemon.api.with_token(tenant).call(Method::GET, "/api/v1/stats?tenant=globex", Value::Null).await;
        other.problem(403, "forbidden");
        daemon.kill_9();
        daemon.restart().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_are_listed_by_provider_state_and_event_type() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    daemon.api.put("/api/v1/plugins/audit/events/logged", json!({ "displayName": "Logged", "payloadSchema": {} })).await;
    daemon.add_hostile().await;
    let receiver = Receiver::start().await;
    let webhook = json!({ "url": receiver.url() });
    let exact = daemon.subscribe(WEBHOOK, &[INCIDENT_CREATED], webhook.clone()).await;
    let prefix = daemon.subscribe(WEBHOOK, &["incident.*"], webhook.clone()).await;
    let other = daemon.subscribe(WEBHOOK, &["audit.logged"], webhook).await;
    let hostile = daemon.subscribe_hostile(json!({ "behaviour": "fail-never" })).await;
    for subscription in [&prefix, &hostile] {
        daemon.api.patch(&format!("/api/v1/subscriptions/{subscription}"), json!({ "enabled": false })).await;
    }
    let listed = async |query: &str| -> Vec<String> {
        daemon.api.items(&format!("/api/v1/subscriptions?{query}")).await.iter().map(|found| id(&found["id"])).collect()
    };
    let by_incident = [&exact, &prefix, &hostile].map(Clone::clone);
    assert_eq!(listed(&format!("event={INCIDENT_CREATED}")).await, by_incident);
    assert_eq!(listed("event=audit.logged").await, std::slice::from_ref(&other));
    assert_eq!(listed("event=no.such").await, <[String; 0]>::default());
    assert_eq!(listed("provider=test.hostile").await, std::slice::from_ref(&hostile));
    assert_eq!(listed("enabled=true").await, [exact.clone(), other.clone()]);
    assert_eq!(listed("enabled=false").await, [prefix.clone(), hostile]);
    assert_eq!(listed(&format!("enabled=false&provider={WEBHOOK}&event=incident.x")).await, std::slice::from_ref(&prefix));

    let query = format!("event={INCIDENT_CREATED}&limit=2");
    let page = daemon.api.get(&format!("/api/v1/subscriptions?{query}")).await;
    let cursor = id(&page["nextCursor"]);
    assert_eq!(listed(&format!("{query}&cursor={cursor}")).await, by_incident[2..]);
    for query in ["enabled=maybe", "event=x", "provider=x"] {
        daemon.api.call(Method::GET, &format!("/api/v1/subscriptions?{query}"), Value::Null).await.problem(400, "bad-query");
    }
    let command = ["subscription", "list", "--enabled", "false", "--provider", WEBHOOK, "--event", "incident.x", "--json"];
    let printed = daemon.command(&command).await;
    let printed: Vec<Value> = serde_json::from_str(&printed.stdout).unwrap_or_else(|error| panic!("{error}: {printed:?}"));
    assert_eq!(printed.iter().map(|found| &found["id"]).collect::<Vec<_>>(), [&json!(prefix)]);
}
