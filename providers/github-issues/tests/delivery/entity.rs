//! Later events of an entity, and tries whose answer was lost.

use crate::{counts, deliver, delivery, find, github, made};
use postern_provider::http::ErrorKind;
use postern_provider::testing::TestDelivery;
use postern_provider::{Receipt, Retry};
use serde_json::{Value, json};

fn event(what: &str, config: Value, number: Option<u64>) -> TestDelivery {
    let id = number.map(|number| format!("acme/ops#{number}"));
    delivery(config).event_type(format!("incident.incident.{what}")).entity("inc-7", id.as_deref()).id(format!("delivery-{what}"))
}

#[test]
fn an_incident_is_made_commented_on_and_closed() {
    let (_host, fake) = github();
    assert_eq!(deliver(event("created", json!({}), None)), made(1));
    assert_eq!(deliver(event("updated", json!({}), Some(1))), made(1));
    assert_eq!(fake.borrow().issues[0].fields["state"], "open");
    assert_eq!(deliver(event("resolved", json!({}), Some(1))), made(1));
    let fake = fake.borrow();
    let issue = &fake.issues[0];
    assert_eq!((&issue.fields["state"], &issue.fields["state_reason"]), (&json!("closed"), &json!("completed")));
    let comments: Vec<_> =
        issue.comments.iter().map(|comment| comment["body"].as_str().unwrap().lines().next().unwrap()).collect();
    assert_eq!(comments, ["**🔵 `Incident updated: Disk full`**", "**✅ `Incident resolved: Disk full`**"]);
}

#[test]
fn settings_decide_how_it_ends() {
    for (how, state, reason) in [("notPlanned", "closed", json!("not_planned")), ("open", "open", Value::Null)] {
        let (_host, fake) = github();
        let config = json!({ "whenResolved": how });
        deliver(event("created", config.clone(), None)).unwrap();
        assert_eq!(deliver(event("resolved", config, Some(1))), made(1));
        let fake = fake.borrow();
        assert_eq!((&fake.issues[0].fields["state"], &fake.issues[0].fields["state_reason"]), (&json!(state), &reason), "{how}");
        assert_eq!(fake.issues[0].comments.len(), 1);
    }
}

#[test]
fn later_events_may_write_the_issue_anew_or_nothing() {
    let (host, fake) = github();
    let update = json!({"laterEvents": "update"});
    deliver(event("created", update.clone(), None)).unwrap();
    deliver(event("resolved", update, Some(1)).payload(json!({"title": "Disk full again"}))).unwrap();
    assert_eq!(host.requests().last().unwrap().method, "PATCH");
    {
        let fake = fake.borrow();
        let fields = &fake.issues[0].fields;
        assert_eq!((&fields["title"], &fields["state"]), (&json!("Incident resolved: Disk full again"), &json!("closed")));
        assert!(fields["body"].as_str().unwrap().ends_with(" -->"), "it keeps its marker");
    }
    let before = host.requests().len();
    assert_eq!(deliver(event("updated", json!({"laterEvents": "nothing"}), Some(1))), made(1));
    assert!(host.requests()[before..].iter().all(|request| request.method == "GET"));
    assert_eq!(counts(&fake), (1, 0));
}

#[test]
fn what_begins_again_has_a_new_issue_or_the_old_one() {
    let (host, fake) = github();
    deliver(event("created", json!({}), None)).unwrap();
    deliver(event("resolved", json!({}), Some(1))).unwrap();
    assert_eq!(deliver(event("created", json!({}), Some(1)).id("again")), made(2));
    assert!(host.logs()[0].1.contains("acme/ops#1 is closed"), "{:?}", host.logs());
    // The external id stays that of the first: what is open now is found by the marker.
    assert_eq!(deliver(event("resolved", json!({}), Some(1)).id("over")), made(2));
    assert_eq!(fake.borrow().issues[1].fields["state"], "closed");

    let (_host, fake) = github();
    let reopen = json!({"whenReopened": "reopen"});
    deliver(event("created", reopen.clone(), None)).unwrap();
    deliver(event("resolved", reopen.clone(), Some(1))).unwrap();
    assert_eq!(deliver(event("created", reopen, Some(1)).id("again")), made(1));
    assert_eq!((counts(&fake), &fake.borrow().issues[0].fields["state"]), ((1, 2), &json!("open")));
}

#[test]
fn what_is_over_without_an_issue_makes_none() {
    let (host, fake) = github();
    assert_eq!(deliver(event("resolved", json!({}), None)), Ok(Receipt::none()));
    assert!(fake.borrow().issues.is_empty() && host.logs()[0].1.contains("no issue"), "{:?}", host.logs());
    assert_eq!(
        deliver(delivery(json!({})).event_type("incident.incident.resolved")),
        made(1),
        "without an entity it is an event of its own"
    );
}

#[test]
fn an_issue_that_is_gone_is_replaced_by_a_new_one() {
    for status in [301, 410] {
        let (host, fake) = github();
        deliver(event("created", json!({}), None)).unwrap();
        fake.borrow_mut().issues[0].gone = Some(status);
        assert_eq!(deliver(event("updated", json!({}), Some(1))), made(2), "{status}");
        assert!(host.logs()[0].1.contains("acme/ops#1 was deleted or moved"), "{:?}", host.logs());
    }
    let (host, _fake) = github();
    assert_eq!(deliver(event("updated", json!({}), Some(77))), made(1));
    for (count, strange) in
        ["OPS-7", "acme/ops", "acme/ops#x", "acme/..#1", "../..#1", "acme/ops/x#1", "#1", ""].iter().enumerate()
    {
        let later = delivery(json!({})).entity(format!("strange-{count}"), Some(strange)).id(format!("strange-{count}"));
        assert_eq!(deliver(later), made(count as u64 + 2), "{strange}");
    }
    assert!(host.requests().iter().all(|request| !request.url.contains("..")));
}

#[test]
fn what_belongs_together_stays_in_its_repository() {
    let (host, fake) = github();
    deliver(event("created", json!({}), None)).unwrap();
    let moved = event("updated", json!({"repository": "acme/elsewhere"}), Some(1));
    assert_eq!(deliver(moved), made(1));
    assert_eq!(counts(&fake), (1, 1));
    assert!(host.requests().iter().all(|request| !request.url.contains("elsewhere")));
}

#[test]
fn a_lost_answer_makes_no_second_issue() {
    let (host, fake) = github();
    fake.borrow_mut().indexes_at_once = false;
    let lost = |attempt| event("created", json!({}), None).attempt(attempt);
    assert_eq!(find(lost(1)), Ok(None));
    deliver(lost(1)).unwrap();
    fake.borrow_mut().add_others(29, true);
    fake.borrow_mut().add_others(10, false);
    assert_eq!(find(lost(2)), made(1).map(Some), "the list of issues knows it, though the search does not yet");
    assert_eq!(deliver(lost(2)), made(1));
    assert_eq!(counts(&fake), (40, 0));
    assert!(host.logs().iter().any(|(_, line)| line.contains("an earlier try has come through")), "{:?}", host.logs());

    let (_host, fake) = github();
    let single = |attempt| delivery(json!({})).attempt(attempt);
    deliver(single(1)).unwrap();
    assert_eq!(deliver(single(2)), made(1), "without an entity likewise");
    assert_eq!(deliver(single(1).id("another")), made(2));
    assert_eq!(fake.borrow().issues.len(), 2);
}

#[test]
fn an_old_issue_of_an_entity_is_found_by_the_search() {
    let (host, fake) = github();
    deliver(event("created", json!({}), None)).unwrap();
    fake.borrow_mut().add_others(70, false);
    assert_eq!(deliver(event("updated", json!({}), None)), made(1));
    assert_eq!(counts(&fake), (71, 1));
    assert!(host.requests().iter().any(|request| request.url.starts_with("https://api.github.com/search/issues?q=postern")));
    let other = delivery(json!({})).entity("inc-8", None).id("other");
    assert_eq!(deliver(other), made(72), "another entity");

    // Without the right to search, it goes on.
    let (host, fake) = github();
    fake.borrow_mut().add_others(70, false);
    let page = json!([{"number": 70, "state": "open", "body": null}]).to_string();
    let more =
        [("Link", "<https://api.github.com/repos/acme/ops/issues?state=all&sort=created&direction=desc&page=2>; rel=\"next\"")];
    host.answer(200, &more, page.clone());
    host.answer(200, &more, page);
    host.answer(
        422,
        &[],
        json!({"message": "Validation Failed", "errors": [{"message": "The listed users and repositories cannot be searched"}]})
            .to_string(),
    );
    assert_eq!(deliver(event("created", json!({}), None)), made(71));
    assert!(host.logs()[0].1.contains("cannot be searched for"), "{:?}", host.logs());
}

#[test]
fn a_lost_comment_is_made_once() {
    let (host, fake) = github();
    deliver(event("created", json!({}), None)).unwrap();
    let lost = |attempt| event("resolved", json!({}), Some(1)).attempt(attempt);
    assert_eq!(find(lost(2)), Ok(None), "the issue is that of another delivery");
    deliver(lost(1)).unwrap();
    assert_eq!(find(lost(2)), made(1).map(Some));
    assert_eq!(deliver(lost(2)), made(1));
    assert_eq!(counts(&fake), (1, 1));
    let asked = host.requests().iter().rev().find(|request| request.url.contains("/comments?")).unwrap().url.clone();
    assert!(asked.contains("since=2025%2D12%2D31T03%3A04%3A05%2E678Z"), "{asked}");
}

#[test]
fn comments_are_looked_for_on_several_pages() {
    let (_host, fake) = github();
    deliver(event("created", json!({}), None)).unwrap();
    fake.borrow_mut().issues[0].comments = vec![json!({"body": "x"}); 150];
    deliver(event("updated", json!({}), Some(1))).unwrap();
    assert_eq!(find(event("updated", json!({}), Some(1))), made(1).map(Some));
}

#[test]
fn what_cannot_be_looked_for_is_delivered_again() {
    let (host, _fake) = github();
    host.answer(404, &[], json!({"message": "Not Found"}).to_string());
    assert_eq!(find(event("created", json!({}), None)), Ok(None));
    assert!(host.logs()[0].1.contains("cannot be looked for"), "{:?}", host.logs());
    host.fail(ErrorKind::Timeout, "too slow");
    let failure = find(event("created", json!({}), None)).unwrap_err();
    assert_eq!((failure.retry, failure.message.as_str()), (Retry::Backoff, "looking for an earlier issue: too slow"));
}
