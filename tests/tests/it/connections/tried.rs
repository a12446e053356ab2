//! Trying connections out before and after they are saved, and filling drop-downs through them.

use crate::bad_input::{assert_detail, places};
use postern_tests::chat::{PROVIDER, builder, says};
use postern_tests::{Receiver, Reply};
use reqwest::Method;
use serde_json::{Value, json};

const TEST: &str = "/api/v1/providers/test.connected/test-connection";
const OPTIONS: &str = "/api/v1/providers/test.connected/options";
const TOKEN: &str = "t0ken-of-the-chat";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_tried_before_they_are_saved_and_nothing_is_kept() {
    let daemon = builder().start().await.with_chat().await;
    let mut receiver = Receiver::that(says(&json!({ "name": "Ada" }))).await;
    let settings = json!({ "baseUrl": receiver.url(), "token": TOKEN });
    let answer = daemon.api.call(Method::POST, TEST, json!({ "connection": settings })).await;
    assert!(!answer.text.contains(TOKEN), "{}", answer.text);
    let tested = answer.success();
    assert_eq!((&tested["success"], &tested["message"]), (&json!(true), &json!("signed in as Ada")));
    assert_eq!(tested["exchanges"].as_array().unwrap().len(), 1);
    let received = receiver.next().await;
    assert_eq!((received.method.as_str(), received.target.as_str()), ("GET", "/me"));
    assert_eq!(received.header("authorization"), format!("Bearer {TOKEN}"));

    let with_config = json!({ "connection": settings, "config": { "room": "ops" } });
    assert_eq!(daemon.api.post(TEST, with_config).await["message"], "signed in as Ada for ops");
    assert!(daemon.api.items("/api/v1/connections").await.is_empty());
    assert!(!daemon.stderr().contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saved_connection_is_tried_by_its_id_alone() {
    let daemon = builder().start().await.with_chat().await;
    let mut receiver = Receiver::that(says(&json!({ "name": "Ada" }))).await;
    let connection = daemon.connect(&receiver, TOKEN).await;
    for (path, body) in
        [(format!("/api/v1/connections/{connection}/test"), json!({})), (TEST.to_owned(), json!({ "connectionId": connection }))]
    {
        let answer = daemon.api.call(Method::POST, &path, body).await;
        assert!(!answer.text.contains(TOKEN), "{}", answer.text);
        assert_eq!(answer.success()["message"], "signed in as Ada", "{path}");
        assert_eq!(receiver.next().await.header("authorization"), format!("Bearer {TOKEN}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_that_fails_says_why_and_hides_an_echoed_secret() {
    let daemon = builder().start().await.with_chat().await;
    let receiver = Receiver::that(Reply::Full(401, vec![("X-Token", TOKEN.into())], format!("who is {TOKEN}?"))).await;
    let connection = daemon.connect(&receiver, TOKEN).await;
    let answer = daemon.api.call(Method::POST, &format!("/api/v1/connections/{connection}/test"), json!({})).await;
    assert!(!answer.text.contains(TOKEN), "{}", answer.text);
    let tested = answer.success();
    assert_eq!(tested["success"], false);
    let message = tested["message"].as_str().unwrap();
    assert!(message.contains("401") && message.contains("who is [secret]?"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_of_settings_that_do_not_fit_is_refused_with_its_places() {
    let daemon = builder().start().await.with_chat().await;
    let receiver = Receiver::start().await;
    let connection = daemon.connect(&receiver, TOKEN).await;
    let url = receiver.url();
    for (body, place) in [
        (json!({ "connection": { "baseUrl": url } }), "/connection"),
        (json!({ "connection": { "baseUrl": url, "token": "short" } }), "/connection/token"),
        (json!({ "connection": { "baseUrl": url, "token": TOKEN }, "config": { "room": 7 } }), "/config/room"),
    ] {
        let problem = daemon.api.call(Method::POST, TEST, body).await.problem(422, "invalid");
        assert_eq!(places(&problem), [place], "{problem}");
    }
    daemon.api.call(Method::POST, TEST, json!({ "colour": "red" })).await.problem(422, "invalid");
    let other = "/api/v1/providers/postern.webhook/test-connection";
    let problem = daemon.api.call(Method::POST, other, json!({ "connectionId": connection })).await.problem(409, "conflict");
    assert_detail(&problem, &[&connection, PROVIDER, "postern.webhook"]);
    let nobody = json!({ "connectionId": "01ARZ3NDEKTSV4RRFFQ69G5FAV" });
    daemon.api.call(Method::POST, TEST, nobody).await.problem(404, "not-found");
    assert!(receiver.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_down_is_filled_through_the_connection() {
    let daemon = builder().start().await.with_chat().await;
    let rooms = json!([{ "id": "r1", "name": "Operations" }, { "id": "r2", "name": "Sales" }]);
    let mut receiver = Receiver::that(says(&rooms)).await;
    let connection = daemon.connect(&receiver, TOKEN).await;
    let ask = |more: Value| {
        let mut question = json!({ "name": "rooms", "connectionId": connection });
        question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        daemon.api.call(Method::POST, OPTIONS, question)
    };
    let all = ask(json!({ "config": { "room": 7 } })).await;
    assert!(!all.text.contains(TOKEN), "{}", all.text);
    let all = all.success()["items"].take();
    assert_eq!((all[0]["value"].as_str(), all[0]["label"].as_str()), (Some("r1"), Some("Operations")));
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(receiver.next().await.header("authorization"), format!("Bearer {TOKEN}"));
    assert_eq!(ask(json!({ "query": "Sal" })).await.success()["items"][0]["value"], "r2");

    let problem = ask(json!({ "name": "colours" })).await.problem(502, "provider-failed");
    assert_detail(&problem, &["colours"]);
    let without = daemon.api.call(Method::POST, OPTIONS, json!({ "name": "rooms" })).await.problem(502, "provider-failed");
    assert_detail(&without, &["connection"]);
    receiver.always(Reply::Full(403, Vec::new(), format!("not you, {TOKEN}")));
    let refused = ask(json!({})).await;
    assert!(!refused.text.contains(TOKEN), "{}", refused.text);
    assert_detail(&refused.problem(502, "provider-failed"), &["403"]);
    let other = "/api/v1/providers/postern.webhook/options";
    daemon.api.call(Method::POST, other, json!({ "name": "rooms" })).await.problem(409, "conflict");
}
