//! New issues: what they say and have.

use crate::{config, connection, deliver, delivery, github, made};
use postern_provider::testing::{assert_goldens, json_body, seed_events};
use postern_provider::{Receipt, text};
use serde_json::{Value, json};

/// The body of the request that makes an issue.
fn body(delivery: postern_provider::testing::TestDelivery) -> Value {
    let (host, _fake) = github();
    deliver(delivery).unwrap();
    json_body(host.requests().last().unwrap())
}

#[test]
fn every_seed_event_is_an_issue_and_a_comment_as_its_goldens_say() {
    let issues = seed_events()
        .into_iter()
        .map(|event| (event.name.to_owned(), body(event.delivery(config(json!({}))).connection(connection()))));
    assert_goldens(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/issues"), issues);
    let comments = seed_events().into_iter().map(|event| {
        let (host, fake) = github();
        fake.borrow_mut().add_others(1, false);
        let later = event.delivery(config(json!({}))).connection(connection()).entity(event.entity_key, Some("acme/ops#1"));
        assert_eq!(deliver(later), made(1), "{}", event.name);
        (event.name.to_owned(), json_body(host.requests().last().unwrap()))
    });
    assert_goldens(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/comments"), comments);
}

#[test]
fn labels_milestone_and_assignees_are_set() {
    let (host, fake) = github();
    let config = json!({"labels": ["incident", "a, b"], "milestone": "3", "assignees": ["ada", "octocat"]});
    assert_eq!(deliver(delivery(config)), made(1));
    let sent = json_body(&host.requests()[0]);
    assert_eq!(
        (&sent["labels"], &sent["milestone"], &sent["assignees"]),
        (&json!(["incident", "a, b"]), &json!(3), &json!(["ada", "octocat"]))
    );
    assert!(host.logs().is_empty());
    fake.borrow_mut().triage = false;
    let config = json!({"labels": ["incident"], "milestone": "3", "assignees": ["ada"]});
    assert_eq!(deliver(delivery(config).id("2")), made(2));
    assert!(host.logs()[0].1.contains("left labels and the milestone and assignees out"), "{:?}", host.logs());
    let plain = body(delivery(json!({})));
    assert!(["labels", "milestone", "assignees"].iter().all(|name| plain.get(name).is_none()), "{plain}");
}

#[test]
fn no_payload_mentions_anybody_or_becomes_markup() {
    let payload = json!({
        "title": "@ada **x** #7", "description": "@octocat fixes #7\n```\n<!-- @all", "owner": "`@ada` ``", "@@": "GH-7",
        "url": "https://example.com/?a=(1)"
    });
    let text = body(delivery(json!({})).payload(payload))["body"].as_str().unwrap().to_owned();
    let expected = "````text\n@octocat fixes #7\n```\n<!-- @all\n````\n\n- **Owner:** ``` `@ada` `` ```\n- **\\@\u{2060}\\@\u{2060}:** `GH-7`\n\
                    - **URL:** `https://example.com/?a=(1)`\n\n`incident.incident.created` · 2026-01-02 03:04:05 UTC · `Operations` · \
                    [Open](<https://example.com/?a=(1)>)\n\n<!-- postern";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn templates_replace_what_is_said_and_values_in_them_mention_nobody() {
    let (host, fake) = github();
    let template = r"**\@ada**: see \#7, acme\/ops\#7 and GH\-7, cc @acme/ops";
    let config = json!({"titleTemplate": "Disk\nfull", "bodyTemplate": template, "commentTemplate": r"now \@ada"});
    deliver(delivery(config.clone()).entity("inc-7", None)).unwrap();
    let sent = json_body(host.requests().last().unwrap());
    assert_eq!(sent["title"], "Disk full");
    let text = sent["body"].as_str().unwrap();
    let expected =
        "**\\@\u{2060}ada**: see \\#\u{2060}7, acme\\/ops\\#\u{2060}7 and GH\\-\u{2060}7, cc @acme/ops\n\n<!-- postern";
    assert!(text.starts_with(expected), "{text}");
    deliver(delivery(config).entity("inc-7", Some("acme/ops#1")).id("2")).unwrap();
    assert!(fake.borrow().issues[0].comments[0]["body"].as_str().unwrap().starts_with("now \\@\u{2060}ada\n\n<!-- postern"));
    let empty = body(delivery(json!({"titleTemplate": " ", "bodyTemplate": "\n"})));
    assert!(empty["title"] == "Incident created: Disk full" && empty["body"].as_str().unwrap().starts_with("`incident"));
}

#[test]
fn what_is_endless_is_shortened_and_keeps_its_marker() {
    let mut payload = json!({"title": "ä".repeat(1000), "description": "`@".repeat(10_000)});
    for number in 0..100 {
        payload[format!("field{number}")] = json!("`x` ".repeat(1000));
    }
    let sent = body(delivery(json!({})).payload(payload));
    assert!(sent["title"].as_str().unwrap().ends_with('…') && sent["body"].as_str().unwrap().contains("more fields"));
    let long = body(delivery(json!({"titleTemplate": "ä".repeat(300), "bodyTemplate": "ä".repeat(70_000)})));
    assert_eq!(long["title"].as_str().unwrap().chars().count(), 256);
    let text = long["body"].as_str().unwrap();
    assert!(text.chars().count() == 65_536 && text.contains("ä…\n\n<!-- postern") && text.ends_with(" -->"));
}

#[test]
fn a_marker_holds_no_key_as_it_is() {
    let key = "inc-7 --> @all";
    let text = body(delivery(json!({})).entity(key, None))["body"].as_str().unwrap().to_owned();
    let (_, marker) = text.split_once("<!-- ").unwrap();
    let words: Vec<_> = marker.split_whitespace().collect();
    assert_eq!(words.len(), 3, "{marker}");
    assert!(words[..2].iter().all(|word| word.len() == 39 && word.starts_with("postern")) && words[2] == "-->");
    let expected = text::digest(&format!("entity\0subscription-1\0{key}"));
    assert_eq!(words[0], format!("postern{}", &expected[..32]));
}

#[test]
fn a_trial_is_marked_and_is_no_entitys_issue() {
    let (host, fake) = github();
    let trial = || delivery(json!({"titleTemplate": "Disk full"})).test(true).entity("inc-7", None);
    assert_eq!(deliver(trial()), Ok(Receipt::none()));
    assert_eq!(fake.borrow().issues[0].fields["title"], "[Test] Disk full");
    assert!(host.logs()[0].1.contains("made acme/ops#1"), "{:?}", host.logs());
    assert_eq!(deliver(trial().attempt(2)), Ok(Receipt::none()));
    assert_eq!(fake.borrow().issues.len(), 1, "a trial that came through late is found, too");
    assert_eq!(
        deliver(trial().event_type("incident.incident.resolved").entity("inc-7", Some("acme/ops#1")).id("2")),
        Ok(Receipt::none())
    );
    assert_eq!((fake.borrow().issues.len(), &fake.borrow().issues[0].fields["state"]), (2, &json!("open")));
}
