//! Requests that are malformed, or that ask for what there is not.

use super::assert_detail;
use postern_tests::{Answer, Daemon};
use reqwest::Method;
use serde_json::Value;

async fn get(daemon: &Daemon, path: &str) -> Answer {
    daemon.api.call(Method::GET, path, Value::Null).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_are_unknown_or_malformed_are_told_apart() {
    let daemon = Daemon::start().await;
    const NOBODY: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let table = [
        ("subscriptions".to_owned(), NOBODY.to_owned()),
        ("events".to_owned(), NOBODY.to_owned()),
        ("deliveries".to_owned(), format!("{NOBODY}-0")),
        ("providers".to_owned(), "no.such".to_owned()),
    ];
    for (what, unknown) in table {
        let problem = get(&daemon, &format!("/api/v1/{what}/{unknown}")).await.problem(404, "not-found");
        assert_detail(&problem, &[&unknown]);
        for malformed in ["nonsense!", "%20", "%2e%2e%2fetc"] {
            get(&daemon, &format!("/api/v1/{what}/{malformed}")).await.problem(400, "bad-id");
        }
    }
    get(&daemon, &format!("/api/v1/deliveries/{NOBODY}-0/attempts/1")).await.problem(404, "not-found");
    daemon.api.call(Method::DELETE, "/api/v1/tokens/unknown", Value::Null).await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_cannot_be_read_is_a_problem_too() {
    let daemon = Daemon::start().await;
    let answer = get(&daemon, "/api/v1/deliveries/01ARZ3NDEKTSV4RRFFQ69G5FAV-0/attempts/first").await;
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{answer:?}");
    assert_eq!(answer.problem(400, "bad-id")["status"], 400);
    let answer = get(&daemon, "/api/v1/providers/%ff").await;
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{answer:?}");
    answer.problem(400, "bad-id");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_no_json_are_refused() {
    let daemon = Daemon::start().await;
    for (method, path) in [
        (Method::POST, "/api/v1/events"),
        (Method::POST, "/api/v1/subscriptions"),
        (Method::POST, "/api/v1/tokens"),
        (Method::PUT, "/api/v1/plugins/incident/events/created"),
        (Method::POST, "/api/v1/plugins/incident/hooks/created"),
    ] {
        for body in ["", "{", "nonsense", "\u{feff}{}", "{'a': 1}"] {
            let answer = daemon.api.send(method.clone(), path, "application/json", body.into()).await.unwrap();
            assert_detail(&answer.problem(400, "bad-json"), &["no JSON"]);
        }
        let answer = daemon.api.send(method, path, "text/plain", b"{}".to_vec()).await.unwrap();
        answer.problem(415, "unsupported-media-type");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_that_is_nested_without_end_is_refused() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let path = "/api/v1/plugins/incident/hooks/incident.created";
    let answer = daemon.api.send(Method::POST, path, "application/json", deep.into()).await.unwrap();
    assert!(matches!(answer.status, 400 | 422), "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(daemon.api.items("/api/v1/events").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_that_do_not_fit_are_refused() {
    let daemon = Daemon::start().await;
    for query in ["limit=0", "limit=501", "limit=many", "status=lost", "subscription=x", "since=yesterday", "provider=x"] {
        get(&daemon, &format!("/api/v1/deliveries?{query}")).await.problem(400, "bad-query");
    }
    get(&daemon, "/api/v1/deliveries?cursor=nonsense").await.problem(400, "bad-cursor");
    get(&daemon, "/api/v1/event-types?groupBy=colour").await.problem(400, "bad-query");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_listing_takes_a_limit_and_answers_with_a_cursor() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    for what in ["event-types", "events", "providers", "subscriptions", "deliveries", "tokens"] {
        let answer = get(&daemon, &format!("/api/v1/{what}?limit=1")).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text);
        let page = answer.json();
        assert!(page["items"].is_array() && page.as_object().unwrap().contains_key("nextCursor"), "{what}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_no_listing_knows_is_refused_and_not_ignored() {
    let daemon = Daemon::start().await;
    for what in ["events", "deliveries"] {
        let answer = get(&daemon, &format!("/api/v1/{what}?subscribtion=01ARZ3NDEKTSV4RRFFQ69G5FAV")).await;
        answer.problem(400, "bad-query");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_paths_and_wrong_methods_are_problems_too() {
    let daemon = Daemon::start().await;
    for path in ["/", "/api", "/api/v1", "/api/v1/nothing", "/api/v2/events", "/api/v1/events/x/y"] {
        get(&daemon, path).await.problem(404, "no-such-call");
    }
    for (method, path) in [(Method::DELETE, "/api/v1/events"), (Method::PUT, "/api/v1/tokens"), (Method::POST, "/healthz")] {
        let answer = daemon.api.call(method, path, Value::Null).await;
        assert!(answer.headers.contains_key("allow"), "RFC 9110: {path} says which methods it takes: {answer:?}");
        answer.problem(405, "wrong-method");
    }
}
