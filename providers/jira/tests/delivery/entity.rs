//! Later events of an entity, and tries whose answer was lost.

use super::{config, connection, deliver, delivery, jira, made, plain};
use crate::fake::Jira as Fake;
use postern_provider::http::ErrorKind;
use postern_provider::testing::{self, Host, TestDelivery, assert_goldens, json_body, seed_events};
use postern_provider::{Failure, Receipt, Retry};
use postern_provider_jira::Jira;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

fn find(delivery: TestDelivery) -> Result<Option<Receipt>, Failure> {
    testing::reconcile::<Jira>(delivery)
}

/// A site where the entity `inc-7` has the issue OPS-1.
fn with_issue() -> (Host, Rc<RefCell<Fake>>) {
    let (host, fake) = jira();
    assert_eq!(deliver(delivery(json!({})).id("delivery-0").entity("inc-7", None)), made("OPS-1"));
    (host, fake)
}

fn later(more: Value, word: &str) -> TestDelivery {
    delivery(more).event_type(format!("incident.incident.{word}")).entity("inc-7", Some("OPS-1"))
}

#[test]
fn every_seed_event_becomes_the_comment_that_its_golden_says() {
    let bodies = seed_events().into_iter().map(|event| {
        let (host, fake) = with_issue();
        let delivery = event.delivery(config(json!({}))).connection(connection()).entity(event.entity_key, Some("OPS-1"));
        assert_eq!(deliver(delivery), made("OPS-1"), "{}", event.name);
        assert_eq!((fake.borrow().issues.len(), fake.borrow().issues[0].comments.len()), (1, 1));
        (event.name.to_owned(), json_body(&host.requests().pop().unwrap()))
    });
    assert_goldens(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/comments"), bodies);
}

#[test]
fn a_later_event_may_update_the_issue_or_leave_its_text() {
    let (host, fake) = with_issue();
    fake.borrow_mut().issues[0].fields["labels"].as_array_mut().unwrap().push(json!("of-people"));
    let more = json!({"laterEvents": "update", "fields": [{"field": "labels", "value": "more"}, {"field": "customfield_10012", "type": "number", "value": "4"}]});
    assert_eq!(deliver(later(more, "updated")), made("OPS-1"));
    let request = host.requests().pop().unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("PUT", "https://acme.atlassian.net/rest/api/3/issue/OPS-1"));
    let issue = fake.borrow().issues[0].clone();
    assert_eq!(
        (&issue.fields["summary"], &issue.fields["customfield_10012"]),
        (&json!("Incident updated: Disk full"), &json!(4))
    );
    let labels = issue.fields["labels"].as_array().unwrap();
    assert!(
        labels[0].as_str().unwrap().starts_with("postern-") && labels[1..] == [json!("of-people"), json!("more")],
        "{labels:?}"
    );
    assert!(issue.comments.is_empty());

    assert_eq!(deliver(later(json!({"laterEvents": "nothing"}), "updated")), made("OPS-1"));
    assert_eq!(host.requests().pop().unwrap().method, "GET", "nothing was changed");
}

#[test]
fn an_issue_moves_by_names_and_by_categories() {
    for (to, status) in [
        ("category:done", "Rejected"),
        ("resolve issue", "Done"),
        ("Done", "Done"),
        (" in progress ", "In Progress"),
        ("category:In Progress", "In Progress"),
    ] {
        let (_host, fake) = with_issue();
        deliver(later(json!({"whenResolved": to}), "resolved")).unwrap();
        let issue = fake.borrow().issues[0].clone();
        assert_eq!((issue.status, issue.comments.len()), (status, 1), "{to}");
    }
    let (_host, fake) = with_issue();
    let moves = || json!({"whenChanged": "category:indeterminate", "whenResolved": "category:done"});
    deliver(later(moves(), "updated")).unwrap();
    assert_eq!(fake.borrow().issues[0].status, "In Progress");
    deliver(later(moves(), "updated").id("delivery-2")).unwrap();
    assert_eq!(fake.borrow().issues[0].status, "In Progress", "it is there already");
    deliver(later(moves(), "resolved").id("delivery-3")).unwrap();
    assert_eq!(fake.borrow().issues[0].status, "Done", "by another id than from To Do");
    deliver(later(moves(), "updated").id("delivery-4")).unwrap();
    assert_eq!((fake.borrow().issues[0].status, fake.borrow().issues[0].comments.len()), ("Done", 4), "what is done stays so");
}

#[test]
fn a_resolution_goes_to_the_screens_that_ask_for_it() {
    let (_host, fake) = with_issue();
    fake.borrow_mut().wants_resolution = true;
    let failure = deliver(later(json!({"whenResolved": "Done"}), "resolved")).unwrap_err();
    assert!(
        failure.message.contains("the transition `Resolve issue` of OPS-1") && failure.message.contains("Resolution is required"),
        "{failure}"
    );
    let more = json!({"whenChanged": "In Progress", "whenResolved": "Done", "resolution": "Fixed"});
    deliver(later(more.clone(), "updated")).unwrap();
    deliver(later(more, "resolved").id("delivery-2")).unwrap();
    assert_eq!(fake.borrow().issues[0].fields["resolution"], json!({"name": "Fixed"}));
}

#[test]
fn a_transition_that_is_not_there_is_told_and_the_comment_is_made_once() {
    let (host, fake) = with_issue();
    let more = || json!({"whenResolved": "Archived"});
    let failure = deliver(later(more(), "resolved")).unwrap_err();
    let expected = "no transition leads OPS-1 from To Do to `Archived`; there are Start work (to In Progress), Reject (to Rejected), Resolve issue (to Done)";
    assert_eq!(failure, Failure::never(expected));
    assert_eq!(deliver(later(more(), "resolved").attempt(2)), made("OPS-1"), "by hand");
    assert_eq!(fake.borrow().issues[0].comments.len(), 1);
    assert_eq!(deliver(later(json!({"whenChanged": "Archived"}), "updated").id("delivery-2")), made("OPS-1"));
    assert!(host.logs().iter().any(|(_, line)| line.contains("no transition leads OPS-1")), "{:?}", host.logs());
    fake.borrow_mut().permissions.remove("TRANSITION_ISSUES");
    let failure = deliver(later(more(), "resolved").id("delivery-3")).unwrap_err();
    assert!(failure.message.contains("permission to transition issues"), "{failure}");
}

#[test]
fn what_begins_again_gets_a_new_issue_or_its_old_one_back() {
    let (_host, fake) = with_issue();
    fake.borrow_mut().issues[0].status = "Done";
    assert_eq!(deliver(later(json!({}), "created")), made("OPS-2"));
    assert_eq!(fake.borrow().issues[0].fields["labels"], fake.borrow().issues[1].fields["labels"]);
    // The host still knows the first by its key.
    assert_eq!(deliver(later(json!({}), "updated").id("delivery-2")), made("OPS-2"));
    assert_eq!(deliver(later(json!({"whenResolved": "category:done"}), "resolved").id("delivery-3")), made("OPS-2"));
    assert_eq!(deliver(later(json!({}), "resolved").id("delivery-4")), made("OPS-1"), "all are done");

    let (_host, fake) = with_issue();
    fake.borrow_mut().issues[0].status = "Done";
    assert_eq!(deliver(later(json!({"whenReopened": "category:new"}), "created")), made("OPS-1"));
    let issue = fake.borrow().issues[0].clone();
    assert_eq!((fake.borrow().issues.len(), issue.status, issue.comments.len()), (1, "To Do", 1));
}

#[test]
fn an_entity_without_an_issue_gets_one_unless_it_is_over() {
    let (host, fake) = jira();
    let event = |word: &str| delivery(json!({})).event_type(format!("incident.incident.{word}"));
    assert_eq!(deliver(event("resolved").entity("inc-7", None)), Ok(Receipt::none()));
    assert!(fake.borrow().issues.is_empty() && host.logs().last().unwrap().1.contains("no issue"));
    assert_eq!(deliver(event("updated").entity("inc-7", None)), made("OPS-1"));
    assert_eq!(deliver(event("resolved")), made("OPS-2"), "without an entity, each event has its own");
}

#[test]
fn an_issue_that_is_gone_is_replaced() {
    for key in ["OPS-99", "C02:1767323045.000001", "../../myself"] {
        let (host, fake) = jira();
        let event = delivery(json!({})).event_type("incident.incident.updated").entity("inc-7", Some(key));
        assert_eq!(deliver(event), made("OPS-1"), "{key}");
        assert_eq!(fake.borrow().issues.len(), 1);
        let is_key = key == "OPS-99";
        assert_eq!(host.logs().iter().any(|(_, line)| line.contains("is gone")), is_key, "{:?}", host.logs());
        assert!(host.requests().iter().all(|request| !request.url.contains("myself")));
    }
}

#[test]
fn an_issue_whose_confirmation_was_lost_is_found_again() {
    for entity in [None, Some("inc-7")] {
        let (_host, fake) = jira();
        let event = || match entity {
            Some(key) => delivery(json!({})).entity(key, None),
            None => delivery(json!({})),
        };
        assert_eq!(find(event()), Ok(None), "nothing was made yet");
        deliver(event()).unwrap();
        assert_eq!(find(event()), Ok(Some(Receipt::with_external_id("OPS-1"))));
        assert_eq!(deliver(event().attempt(2)), made("OPS-1"));
        let issues = fake.borrow().issues.clone();
        assert_eq!((issues.len(), issues[0].comments.len()), (1, 0), "and nothing was added to it");
        assert_eq!(find(event().id("delivery-2")), Ok(None), "another delivery's issue");
    }
}

#[test]
fn the_issue_of_a_delivery_that_failed_in_the_end_is_the_entitys() {
    let (_host, fake) = jira();
    deliver(delivery(json!({})).entity("inc-7", None)).unwrap();
    // The host never learned its key.
    let event = || delivery(json!({})).id("delivery-2").event_type("incident.incident.updated").entity("inc-7", None);
    assert_eq!(deliver(event()), made("OPS-1"));
    assert_eq!(find(event()), Ok(Some(Receipt::with_external_id("OPS-1"))), "by the comment");
    assert_eq!(deliver(event().attempt(2)), made("OPS-1"));
    let issues = fake.borrow().issues.clone();
    assert_eq!((issues.len(), issues[0].comments.len()), (1, 1));
}

#[test]
fn a_comment_whose_confirmation_was_lost_is_found_again() {
    let (host, fake) = with_issue();
    let event = || later(json!({}), "updated");
    assert_eq!(find(event()), Ok(None));
    deliver(event()).unwrap();
    assert_eq!(find(event()), Ok(Some(Receipt::with_external_id("OPS-1"))));
    assert_eq!(deliver(event().attempt(2)), made("OPS-1"));
    assert_eq!(fake.borrow().issues[0].comments.len(), 1);
    let before = host.requests().len();
    assert_eq!(find(later(json!({"laterEvents": "update"}), "updated")), Ok(None), "a second update does no harm");
    assert_eq!(host.requests().len(), before + 1);
}

#[test]
fn a_call_stays_within_its_eight_requests() {
    let (host, fake) = with_issue();
    fake.borrow_mut().page = 10;
    fake.borrow_mut().issues[0].status = "Done";
    let mapping = json!([{"field": "customfield_10012", "value": "3"}]);
    for how in ["comment", "update"] {
        let before = host.requests().len();
        let more = json!({"laterEvents": how, "whenReopened": "To Do", "fields": mapping});
        deliver(later(more, "created").attempt(2).id(format!("delivery-{how}"))).unwrap();
        fake.borrow_mut().issues[0].status = "Done";
        assert!(host.requests().len() - before <= 8, "{how}: {}", host.requests().len() - before);
    }
}

#[test]
fn what_the_search_does_not_show_yet_is_made_again() {
    let (_host, fake) = jira();
    fake.borrow_mut().indexes_at_once = false;
    deliver(delivery(json!({})).entity("inc-7", None)).unwrap();
    assert_eq!(find(delivery(json!({})).entity("inc-7", None)), Ok(None), "as the guide says");
    fake.borrow_mut().issues[0].indexed = true;
    assert_eq!(find(delivery(json!({})).entity("inc-7", None)), Ok(Some(Receipt::with_external_id("OPS-1"))));
}

#[test]
fn labels_are_the_subscriptions_and_can_be_left_out() {
    let (host, fake) = jira();
    let key = "ä \" \\ ".repeat(500);
    deliver(delivery(json!({})).entity(&key, None)).unwrap();
    deliver(delivery(json!({})).entity("inc-7", None)).unwrap();
    let label = |index: usize| fake.borrow().issues[index].fields["labels"][0].as_str().unwrap().to_owned();
    assert!(label(0) != label(1) && label(0).len() == "postern-".len() + 32, "{}", label(0));
    let before = host.requests().len();
    let without = || delivery(json!({"labelIssues": false})).entity("inc-8", None);
    deliver(without()).unwrap();
    assert_eq!(find(without()), Ok(None));
    assert_eq!(host.requests().len(), before + 1, "there is nothing to look for");
    assert!(!fake.borrow().issues[2].fields.contains_key("labels"));
}

#[test]
fn a_search_that_is_refused_is_told_and_one_that_fails_is_tried_again() {
    let (host, fake) = jira();
    let event = || delivery(json!({})).entity("inc-7", None);
    host.answer(400, &[], r#"{"errorMessages": ["Error in the JQL Query"], "errors": {}}"#);
    assert_eq!(deliver(event()), made("OPS-1"));
    assert!(
        host.logs()[0].1.contains("cannot be looked for by their label: Jira answered HTTP 400: Error in the JQL Query"),
        "{:?}",
        host.logs()
    );
    host.fail(ErrorKind::Timeout, "too slow");
    assert_eq!(deliver(event()), Err(Failure::backoff("looking for an earlier issue: too slow")));
    host.fail(ErrorKind::Denied, "not granted");
    assert_eq!(deliver(event()).unwrap_err().retry, Retry::Never);
    assert_eq!(
        plain(&fake.borrow().issues[0].fields["description"]),
        "incident.incident.created · 2026-01-02 03:04:05 UTC · Operations"
    );
}
