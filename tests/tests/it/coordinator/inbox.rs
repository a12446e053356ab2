//! Failed deliveries are an inbox: what they have in common, and trying one of them again.

use super::{assert_came_to, by_hand, delivery_of, kill, refused_by_hand, runs};
use crate::bad_input::assert_detail;
use postern_tests::platform::{FIXTURE, INCIDENT_CREATED, WEBHOOK, attempts, id, incident};
use postern_tests::receiver::Nobody;
use postern_tests::{Api, Daemon, Engine, Receiver, Reply, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

on_each_engine!(
    failures_are_grouped_by_their_cause,
    a_tenants_token_sees_only_its_own_failures,
    a_retry_is_a_run_of_its_own_with_the_whole_policy,
    a_retry_goes_on_after_a_kill,
);

/// The groups: subscription, class, HTTP status and count, most first.
async fn groups(api: &Api, filter: &str) -> Vec<(String, String, Value, u64)> {
    let inbox = api.get(&format!("/api/v1/failures?{filter}")).await;
    assert_eq!(inbox["cut"], false);
    let group = |group: &Value| {
        let reason = &group["reason"];
        (id(&group["subscription"]), id(&reason["class"]), reason["status"].clone(), group["count"].as_u64().unwrap())
    };
    inbox["items"].as_array().unwrap().iter().map(group).collect()
}

/// Emits, and waits until all is final.
async fn fail(daemon: &Daemon, entity: &str) -> String {
    let event = daemon.emit_about(entity, "Fails").await;
    daemon.all_settled(&event).await;
    event
}

async fn failures_are_grouped_by_their_cause(engine: Engine) {
    let mut daemon = Daemon::builder().engine(engine).config("[delivery]\nretry = []").start().await;
    let (receiver, nobody) = (Receiver::start().await, Nobody::new());
    daemon.register_incidents().await;
    daemon.add_hostile().await;
    let http = daemon.subscribe_with(WEBHOOK, &receiver, json!({ "entityKey": ".payload.incidentId" })).await;
    receiver.script([410, 410, 200, 422, 410].map(Reply::Status));
    let mut events = Vec::new();
    for entity in ["a", "a", "a", "b", "b"] {
        events.push(fail(&daemon, entity).await);
    }
    daemon.api.patch(&format!("/api/v1/subscriptions/{http}"), json!({ "enabled": false })).await;
    let refused = daemon.subscribe_webhook(json!({ "url": nobody.url() })).await;
    let own = daemon.subscribe_hostile(json!({ "behaviour": "fail-never" })).await;
    let late = fail(&daemon, "c").await;

    let gone = (http.clone(), "http".to_owned(), json!(410), 3);
    let unfit = (http.clone(), "http".to_owned(), json!(422), 1);
    let unreachable = (refused.clone(), "connection".to_owned(), Value::Null, 1);
    let by_itself = (own.clone(), "provider".to_owned(), Value::Null, 1);
    let since =
        daemon.api.get(&format!("/api/v1/events/{late}")).await["deliveries"][0]["createdAt"].as_str().unwrap().to_owned();
    for round in 0..2 {
        let all = groups(&daemon.api, "").await;
        assert_eq!((all.len(), &all[0]), (4, &gone), "{all:?}");
        assert!([&unfit, &unreachable, &by_itself].iter().all(|group| all.contains(group)), "{all:?}");
        let table = [
            (format!("subscription={http}"), vec![&gone, &unfit]),
            ("reason=connection".to_owned(), vec![&unreachable]),
            ("httpStatus=422".to_owned(), vec![&unfit]),
            ("reason=http&httpStatus=410".to_owned(), vec![&gone]),
            (format!("provider={FIXTURE}"), vec![&by_itself]),
            (format!("since={since}"), vec![&by_itself, &unreachable]),
            (format!("until={since}"), vec![&gone, &unfit]),
            ("reason=timeout".to_owned(), vec![]),
            ("eventType=incident.other".to_owned(), vec![]),
        ];
        for (filter, expected) in table {
            let mut found = groups(&daemon.api, &filter).await;
            found.sort_by_key(|group| (std::cmp::Reverse(group.3), group.1.clone()));
            let mut expected: Vec<_> = expected.into_iter().cloned().collect();
            expected.sort_by_key(|group| (std::cmp::Reverse(group.3), group.1.clone()));
            assert_eq!(found, expected, "{filter}");
        }
        assert_eq!(groups(&daemon.api, &format!("eventType={INCIDENT_CREATED}")).await.len(), 4);
        let of_entity = groups(&daemon.api, "entity=a").await;
        assert_eq!(of_entity, [(http.clone(), "http".to_owned(), json!(410), 2)]);

        let inbox = daemon.api.get("/api/v1/failures").await;
        let group = &inbox["items"][0];
        let (first, last) = (daemon.settled(&events[0]).await, daemon.settled(&events[4]).await);
        assert_eq!((&group["first"], &group["last"]), (&first["updatedAt"], &last["updatedAt"]), "{group:#}");
        assert_eq!((&group["latest"], &group["subscriptionName"]), (&last["id"], &json!("A test's")), "{group:#}");
        assert_eq!((&group["provider"], &group["tenant"]), (&json!(WEBHOOK), &json!("default")), "{group:#}");
        if round == 0 {
            kill(&mut daemon).await;
            daemon.restart().await;
        }
    }
    let refused = daemon.api.call(Method::GET, "/api/v1/failures?reason=bad-luck", Value::Null).await;
    assert_detail(&refused.problem(400, "bad-query"), &["bad-luck"]);
}

async fn a_tenants_token_sees_only_its_own_failures(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let receiver = Receiver::that(Reply::Status(410)).await;
    daemon.register_incidents().await;
    let mut events = Vec::new();
    for tenant in ["acme", "globex"] {
        let subscription = daemon.subscribe_with(WEBHOOK, &receiver, json!({ "tenant": tenant })).await;
        let headers = [("Postern-Tenant", tenant)];
        let path = "/api/v1/plugins/incident/hooks/incident.created";
        let emitted = daemon.api.call_with(Method::POST, path, &headers, incident("Fails")).await.success();
        events.push((tenant, subscription, id(&emitted["event"])));
        daemon.all_settled(&id(&emitted["event"])).await;
    }
    for (tenant, subscription, _) in &events {
        let api = daemon.as_tenant(tenant, &["admin"]).await;
        let own = [(subscription.clone(), "http".to_owned(), json!(410), 1)];
        assert_eq!(groups(&api, "").await, own);
        assert_eq!(groups(&daemon.api, &format!("tenant={tenant}")).await, own);
        let other = events.iter().find(|(other, ..)| other != tenant).unwrap();
        assert!(groups(&api, &format!("subscription={}", other.1)).await.is_empty());
        api.call(Method::GET, &format!("/api/v1/failures?tenant={}", other.0), Value::Null).await.problem(403, "forbidden");
        let delivery = delivery_of(&daemon, &other.2).await;
        for verb in ["retry", "cancel"] {
            let path = format!("/api/v1/deliveries/{delivery}/{verb}");
            api.call(Method::POST, &path, Value::Null).await.problem(404, "not-found");
        }
        assert_came_to(&daemon.settled(&other.2).await, "failed", 1);
    }
    assert_eq!(groups(&daemon.api, "").await.len(), 2);
    let reader = daemon.as_tenant("acme", &["read"]).await;
    let path = format!("/api/v1/deliveries/{}/retry", delivery_of(&daemon, &events[0].2).await);
    reader.call(Method::POST, &path, Value::Null).await.problem(403, "forbidden");
}

async fn a_retry_is_a_run_of_its_own_with_the_whole_policy(engine: Engine) {
    let daemon = Daemon::builder().engine(engine).config("[delivery]\nretry = [\"10ms\", \"10ms\"]").start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    receiver.script([503, 503, 503].map(Reply::Status));
    let event = daemon.emit("Again").await;
    assert_came_to(&daemon.settled(&event).await, "failed", 3);
    let before = daemon.settled(&event).await;

    receiver.script([503, 503].map(Reply::Status));
    let answer = by_hand(&daemon, &event, "retry").await;
    assert_eq!(answer["id"], before["id"]);
    let after = daemon.with_status(&event, "success").await;
    assert_came_to(&after, "success", 6);
    assert_eq!(runs(&after), [1, 1, 1, 2, 2, 2]);
    let (old, new) = (before["history"].as_array().unwrap(), after["history"].as_array().unwrap());
    assert_eq!(new[..old.len()], old[..], "history is only added to");
    let numbers: Vec<_> = attempts(&after).iter().map(|attempt| attempt["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    assert!(groups(&daemon.api, "").await.is_empty(), "it failed no longer");

    // What succeeded may be wanted again as well.
    by_hand(&daemon, &event, "retry").await;
    let again = daemon.with_status(&event, "success").await;
    assert!(runs(&again).starts_with(&[1, 1, 1, 2, 2, 2]));
    receiver.script([Reply::Hold]);
    let waiting = daemon.emit("Still tried").await;
    assert_detail(&refused_by_hand(&daemon, &waiting, "retry").await, &["still being tried"]);
    receiver.release();
    let unknown = format!("/api/v1/deliveries/{}-7/retry", event);
    daemon.api.call(Method::POST, &unknown, Value::Null).await.problem(404, "not-found");
    let audit = daemon.api.items("/api/v1/audit").await;
    assert!(audit.iter().any(|entry| entry["action"] == "delivery.retry" && entry["object"] == before["id"]), "{audit:#?}");
}

async fn a_retry_goes_on_after_a_kill(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    receiver.script([Reply::Status(410), Reply::Hold]);
    let event = fail(&daemon, "a").await;
    by_hand(&daemon, &event, "retry").await;
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!(first.header("x-delivery-id"), second.header("x-delivery-id"));
    kill(&mut daemon).await;
    daemon.restart().await;
    let delivery = daemon.with_status(&event, "success").await;
    assert_came_to(&delivery, "success", 2);
    assert_eq!(runs(&delivery), [1, 2]);
}
