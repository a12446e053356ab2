//! What Jira refuses, and what an administrator reads.

use super::{config, connection, deliver, delivery, jira};
use postern_provider::http::ErrorKind;
use postern_provider::testing::{self, TestDelivery};
use postern_provider::{Failure, Retry};
use postern_provider_jira::Jira;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn a_field_that_is_not_on_the_screen_is_named() {
    let (_host, fake) = jira();
    fake.borrow_mut().screen.retain(|field| field["fieldId"] != "labels" && field["fieldId"] != "priority");
    let failure = deliver(delivery(json!({"priority": "1"}))).unwrap_err();
    assert_eq!(failure.retry, Retry::Never);
    for expected in [
        "making an issue in OPS: Jira answered HTTP 400: ",
        "Field 'labels' cannot be set. It is not on the appropriate screen, or unknown.",
        "Field 'priority' cannot be set.",
        "create screen or take it out of the settings",
    ] {
        assert!(failure.message.contains(expected), "{failure}");
    }
    assert!(fake.borrow().issues.is_empty());
}

#[test]
fn what_is_required_or_invalid_is_named() {
    let (_host, fake) = jira();
    let tier = fake.borrow().screen.iter().position(|field| field["fieldId"] == "customfield_10013").unwrap();
    fake.borrow_mut().screen[tier]["required"] = json!(true);
    let failure = deliver(delivery(json!({}))).unwrap_err();
    assert!(failure.message.contains("customfield_10013: Tier is required. (map this field in the settings"), "{failure}");
    let failure = deliver(delivery(json!({"issueType": "7"}))).unwrap_err();
    assert!(
        failure.retry == Retry::Never && failure.message.contains("issuetype: The issue type selected is invalid."),
        "{failure}"
    );
    let paragraph = json!([{"field": "customfield_10011", "type": "text", "value": "x"}]);
    let failure = deliver(delivery(json!({"fields": paragraph}))).unwrap_err();
    assert!(failure.message.contains("set its type to `paragraph`"), "{failure}");
}

#[test]
fn permissions_that_are_missing_can_be_read() {
    let (host, fake) = jira();
    let stranger = json!({"siteUrl": connection()["siteUrl"], "email": "mia@example.com", "apiToken": "other"});
    let failure = deliver(TestDelivery::new(config(json!({}))).connection(stranger)).unwrap_err();
    assert!(
        failure.retry == Retry::Never && failure.message.contains("HTTP 401") && failure.message.contains("API token"),
        "{failure}"
    );
    host.answer(401, &[("X-Seraph-LoginReason", "AUTHENTICATION_DENIED")], "");
    assert!(deliver(delivery(json!({}))).unwrap_err().message.contains("CAPTCHA"));
    host.answer(403, &[], r#"{"message": "Current user does not have access."}"#);
    let failure = deliver(delivery(json!({}))).unwrap_err();
    assert!(failure.message.contains("HTTP 403: Current user does not have access. (the account may not do this"), "{failure}");

    deliver(delivery(json!({})).entity("inc-7", None)).unwrap();
    fake.borrow_mut().permissions.remove("ADD_COMMENTS");
    let later = delivery(json!({})).event_type("incident.incident.updated").entity("inc-7", Some("OPS-1"));
    let failure = deliver(later).unwrap_err();
    assert!(
        failure.message.starts_with("commenting on OPS-1: ") && failure.message.contains("give the account this permission"),
        "{failure}"
    );
    fake.borrow_mut().permissions.remove("CREATE_ISSUES");
    let failure = deliver(delivery(json!({}))).unwrap_err();
    assert!(failure.message.contains("without the permission to create issues"), "{failure}");
}

#[test]
fn limits_of_rates_are_waited_for_and_told_apart() {
    let (host, _fake) = jira();
    let limited = |headers: &[(&str, &str)]| {
        let all = [&[("X-RateLimit-Limit", "350"), ("X-RateLimit-Remaining", "0")], headers].concat();
        host.answer(429, &all, "");
        deliver(delivery(json!({}))).unwrap_err()
    };
    let failure = limited(&[("Retry-After", "7"), ("RateLimit-Reason", "jira-burst-based")]);
    assert_eq!(failure.retry, Retry::After(Duration::from_secs(7)));
    assert!(failure.message.ends_with("HTTP 429 (too many requests of one kind in a second; jira-burst-based)"), "{failure}");
    let failure = limited(&[("Retry-After", "2"), ("RateLimit-Reason", "jira-per-issue-on-write")]);
    assert!(failure.message.contains("too many changes of one issue"), "{failure}");
    let failure = limited(&[("X-RateLimit-Reset", "2026-01-02T04:00:00Z"), ("RateLimit-Reason", "jira-quota-tenant-based")]);
    assert!(failure.message.contains("the hour's quota is used up"), "{failure}");
    // From the time of the call, 03:04:05.678.
    assert_eq!(failure.retry, Retry::After(Duration::from_millis((55 * 60 + 54) * 1000 + 322)));
    assert_eq!(limited(&[("X-RateLimit-Reset", "2026-01-02T03:05Z")]).retry, Retry::After(Duration::from_millis(54_322)));
    assert_eq!(limited(&[("X-RateLimit-Reset", "2026-01-02T01:00:00Z")]).retry, Retry::After(Duration::ZERO), "it is past");
    assert_eq!(limited(&[("X-RateLimit-Reset", "soon")]).retry, Retry::Backoff);
    assert!(limited(&[]).message.contains("too many requests"));
}

#[test]
fn temporary_and_permanent_failures_are_told_apart() {
    let (host, fake) = jira();
    let answered = |status: u16, headers: &[(&str, &str)]| {
        host.answer(status, headers, "<html>");
        deliver(delivery(json!({}))).unwrap_err()
    };
    for temporary in [408, 409, 500, 502, 503, 504] {
        assert_eq!(answered(temporary, &[]).retry, Retry::Backoff, "{temporary}");
    }
    assert_eq!(answered(503, &[("Retry-After", "30")]).retry, Retry::After(Duration::from_secs(30)));
    for permanent in [301, 400, 404, 405, 410, 413, 415, 422] {
        assert_eq!(answered(permanent, &[]).retry, Retry::Never, "{permanent}");
    }
    assert_eq!(answered(500, &[]).message, "making an issue in OPS: Jira answered HTTP 500", "a page helps nobody");
    host.answer(201, &[], "<html>");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::Backoff);
    host.fail(ErrorKind::Timeout, "too slow");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::backoff("making an issue in OPS: too slow")));
    host.fail(ErrorKind::Denied, "not granted");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::Never);
    assert_eq!(fake.borrow().made, 0);
    host.answer(400, &[], json!({"errorMessages": ["x".repeat(5000)], "errors": {"a": {"b": 1}}}).to_string());
    assert!(deliver(delivery(json!({}))).unwrap_err().message.len() < 1200);
}

#[test]
fn settings_are_tried_without_making_anything() {
    let (host, fake) = jira();
    let try_out = |more: Value| testing::test_connection::<Jira>(&config(more), Some(&connection()));
    assert_eq!(try_out(json!({})).unwrap(), "signed in as Mia Krystof; OPS takes issues of this type");
    let good = json!([{"field": "customfield_10012", "value": "x"}, {"field": "duedate", "type": "date", "value": "x"}]);
    assert!(try_out(json!({"fields": good, "whenResolved": "Done", "assignee": "5b10a", "laterEvents": "update"})).is_ok());

    let failing = |more: Value| try_out(more).unwrap_err().message;
    let bad = json!([
        {"field": "customfield_10012", "type": "text", "value": "x"},
        {"field": "customfield_10099", "value": "x"},
        {"field": "attachment", "value": "x"},
    ]);
    let message = failing(json!({ "fields": bad }));
    for expected in [
        "`customfield_10012` is of the type `number`, not `text`",
        "`customfield_10099`: it is not on the create screen",
        "`attachment` cannot be set",
    ] {
        assert!(message.contains(expected), "{message}");
    }
    fake.borrow_mut().screen.retain(|field| field["fieldId"] != "labels");
    assert!(failing(json!({})).contains("Label issues"), "{}", failing(json!({})));
    assert!(try_out(json!({"labelIssues": false})).is_ok());
    fake.borrow_mut().screen[5]["required"] = json!(true);
    let name = fake.borrow().screen[5]["name"].as_str().unwrap().to_owned();
    assert!(failing(json!({"labelIssues": false})).contains(&format!("{name} (`")), "{}", failing(json!({"labelIssues": false})));

    for permission in ["ADD_COMMENTS", "TRANSITION_ISSUES", "CREATE_ISSUES"] {
        fake.borrow_mut().permissions.remove(permission);
    }
    let message = failing(json!({"whenResolved": "Done"}));
    assert!(message.contains("lacks these permissions in OPS: Add Comments, Create Issues, Transition Issues;"), "{message}");
    assert!(fake.borrow().issues.is_empty() && host.requests().iter().all(|request| request.method == "GET"));
    let stranger = json!({"siteUrl": connection()["siteUrl"], "email": "mia@example.com", "apiToken": "other"});
    assert!(testing::test_connection::<Jira>(&config(json!({})), Some(&stranger)).unwrap_err().message.contains("HTTP 401"));
}
