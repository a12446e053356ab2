//! What arrives, and what is kept of it.

use super::{API_KEY, Scene};
use postern_tests::Reply;
use postern_tests::platform::{exchange, id, log};
use serde_json::{Value, json};

/// What languages are known to change on the way: long numbers, numbers that end in a zero, characters that pages of HTML escape,
/// characters beyond sixteen bits, the order of fields, nothing at all.
fn payload() -> Value {
    json!({
        "incidentId": "inc-7", "systemIds": [], "title": "<b>\"Ünïcode\" & \\ / 🔥</b>\n\u{1}", "severity": "critical",
        "zeta": 9_007_199_254_740_993_u64, "alpha": { "one": 1.0, "nothing": null, "empty": {}, "no": false },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_deliver_the_same_bytes_with_the_key_that_none_of_them_sees() {
    let mut scene = Scene::new().await;
    scene.receiver.decide(|request| {
        let id = request.target.trim_start_matches('/');
        Reply::Full(201, Vec::new(), json!({ "id": format!("made-by-{id}"), "you": request.header("authorization") }).to_string())
    });
    scene.subscribe_all(|example| scene.config(example)).await;
    let emitted = scene.daemon.api.post("/api/v1/plugins/incident/hooks/incident.created", payload()).await;
    let deliveries = scene.daemon.all_settled(&id(&emitted["event"])).await;

    let requests = scene.receiver.drain();
    assert_eq!(requests.len(), scene.examples.len());
    for (example, delivery) in scene.each(&deliveries) {
        let provider = &example.provider;
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("success"), &json!(1)), "{delivery:#}");
        assert_eq!(delivery["externalId"], format!("made-by-{provider}"), "{delivery:#}");

        let request = requests.iter().find(|request| request.target == format!("/{provider}")).expect("its request");
        assert_eq!((request.method.as_str(), request.header("content-type")), ("POST", "application/json"), "{provider}");
        assert_eq!(request.header("authorization"), format!("Bearer {API_KEY}"), "{provider}");
        let event = scene.daemon.api.get(&format!("/api/v1/events/{}", id(&emitted["event"]))).await;
        let expected = json!({
            "event_type": "incident.incident.created", "timestamp": event["timestamp"], "delivery_id": delivery["id"],
            "subscription_name": "A test's", "priority": "high", "data": payload(),
        });
        assert_eq!(String::from_utf8_lossy(&request.body), expected.to_string(), "{provider}");

        let log = log(delivery);
        assert!(log.contains("delivering incident.incident.created with {\"apiEndpoint\""), "{provider}: {log}");
        assert!(log.contains("\"apiKey\":\"") && log.contains("\"timeout\":10000"), "the default is filled in: {log}");
        assert_eq!(exchange(delivery)["status"], 201);
        assert!(!delivery.to_string().contains(API_KEY), "{provider}: {delivery:#}");
    }
    assert!(!scene.daemon.stderr().contains(API_KEY));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_integer_arrives_as_one_however_it_was_written() {
    let scene = Scene::new().await;
    scene
        .subscribe_all(|example| {
            let mut config = scene.config(example);
            config["timeout"] = json!(2e4);
            config
        })
        .await;
    let deliveries = scene.daemon.all_settled(&scene.daemon.emit("An integer").await).await;
    for (example, delivery) in scene.each(&deliveries) {
        assert_eq!(delivery["status"], "success", "{}: {delivery:#}", example.provider);
        assert!(log(delivery).contains("\"timeout\":20000"), "{}", log(delivery));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_a_fitting_id_is_a_success_without_one() {
    let scene = Scene::new().await;
    scene.subscribe_all(|example| scene.config(example)).await;
    let answers = [
        String::new(),
        "no JSON".to_owned(),
        "[\"id\"]".to_owned(),
        "{\"id\":7}".to_owned(),
        "{\"id\":\"\"}".to_owned(),
        "{\"not\":{\"id\":\"deep\"}}".to_owned(),
        json!({ "id": "é".repeat(129) }).to_string(),
        "[".repeat(100),
        // Beyond what the host takes.
        json!({ "id": "x".repeat(2 << 20) }).to_string(),
    ];
    for answer in answers {
        scene.receiver.always(Reply::Full(200, Vec::new(), answer.clone()));
        let deliveries = scene.daemon.all_settled(&scene.daemon.emit("An answer").await).await;
        let answer: String = answer.chars().take(40).collect();
        for (example, delivery) in scene.each(&deliveries) {
            assert_eq!(delivery["status"], "success", "{}: {answer}: {delivery:#}", example.provider);
            assert_eq!(delivery["externalId"], Value::Null, "{}: {answer}", example.provider);
        }
    }
    scene.receiver.always(Reply::Full(200, Vec::new(), "{\"id\":\"\\u00e9\\ud83d\\udd25\\n\"}".to_owned()));
    let deliveries = scene.daemon.all_settled(&scene.daemon.emit("An answer").await).await;
    for (example, delivery) in scene.each(&deliveries) {
        assert_eq!(delivery["externalId"], "é🔥\n", "{}", example.provider);
    }
}
