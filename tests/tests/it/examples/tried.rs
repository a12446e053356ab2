//! Settings that are tried before they are saved, and what the forms are made of.

use super::{API_KEY, Scene};
use postern_tests::Reply;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_tried_where_the_service_says_how_it_is() {
    let mut scene = Scene::new().await;
    scene.receiver.decide(|request| match (request.method.as_str(), request.target.ends_with("/health")) {
        ("GET", true) if request.header("authorization") == format!("Bearer {API_KEY}") => Reply::Status(200),
        ("GET", true) => Reply::Full(401, Vec::new(), "who are you?".into()),
        _ => Reply::Status(404),
    });
    for example in &scene.examples {
        let path = format!("/api/v1/providers/{}/test-connection", example.provider);
        let mut config = scene.config(example);
        let tried = scene.daemon.api.post(&path, json!({ "config": config })).await;
        assert_eq!((&tried["success"], &tried["message"]), (&json!(true), &json!("the service answers")), "{tried:#}");
        config["apiKey"] = "another".into();
        let tried = scene.daemon.api.post(&path, json!({ "config": config })).await;
        assert_eq!(tried["success"], false, "{tried:#}");
        assert_eq!(tried["message"], "the service answered HTTP 401: who are you?", "{tried:#}");
    }
    assert_eq!(scene.receiver.drain().len(), 2 * scene.examples.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_say_the_same_of_themselves_and_refuse_the_same_settings() {
    let scene = Scene::new().await;
    let mut schemas: Vec<Value> = Vec::new();
    for example in &scene.examples {
        let mut provider = scene.daemon.api.get(&format!("/api/v1/providers/{}", example.provider)).await;
        let schema = provider["manifest"]["config"]["schema"].take();
        for (name, field) in schema["properties"].as_object().expect("a schema") {
            let said = |key: &str| field[key].as_str().is_some_and(|text| !text.is_empty());
            assert!(said("title") && said("description"), "{}: {name}: {field}", example.provider);
        }
        assert_eq!(schema["properties"]["apiKey"]["writeOnly"], true);
        schemas.push(schema);
        for (field, value) in [("timeout", json!(999)), ("priority", json!("urgent")), ("apiEndpoint", json!("nowhere"))] {
            let mut config = scene.config(example);
            config[field] = value;
            let body = json!({
                "name": "Wrong", "providerId": example.provider, "events": ["incident.*"], "providerConfig": config,
            });
            let refused = scene.daemon.api.call(reqwest::Method::POST, "/api/v1/subscriptions", body).await;
            assert!(refused.status == 422 || refused.status == 400, "{}: {field}: {refused:?}", example.provider);
            assert!(refused.text.contains(field), "{}: {refused:?}", example.provider);
        }
    }
    assert!(schemas.windows(2).all(|pair| pair[0] == pair[1]), "{schemas:#?}");
}
