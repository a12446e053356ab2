//! What Mattermost gets, and what the provider makes of its answers.

mod fake;

use fake::{Mattermost as Fake, WEBHOOK};
use postern_provider::http::ErrorKind;
use postern_provider::testing::{self, Host, TestDelivery, assert_goldens, seed_events};
use postern_provider::{Failure, Receipt, Retry};
use postern_provider_mattermost::Mattermost;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

fn webhook() -> Value {
    json!({ "webhookUrl": WEBHOOK })
}

fn mattermost() -> (Host, Rc<RefCell<Fake>>) {
    let host = Host::new();
    let fake = host.serve(Fake::new());
    (host, fake)
}

fn delivery(config: Value) -> TestDelivery {
    TestDelivery::new(config).connection(webhook())
}

fn deliver(delivery: TestDelivery) -> Result<Receipt, Failure> {
    testing::deliver::<Mattermost>(delivery)
}

/// The body of a delivery that succeeds.
fn body(delivery: TestDelivery) -> Value {
    let (_host, fake) = mattermost();
    assert_eq!(deliver(delivery), Ok(Receipt::none()));
    fake.borrow().posts[0].1.clone()
}

#[test]
fn every_seed_event_is_posted_as_its_golden_says() {
    let bodies =
        seed_events().into_iter().map(|event| (event.name.to_owned(), body(event.delivery(json!({})).connection(webhook()))));
    assert_goldens(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"), bodies);
}

#[test]
fn channel_name_and_icon_replace_those_of_the_webhook() {
    let (host, fake) = mattermost();
    let config = json!({"channel": "#town-square", "username": "Checkmate", "iconUrl": "https://example.com/a.png", "iconEmoji": ":robot_face:"});
    deliver(delivery(config)).unwrap();
    let (channel, body) = fake.borrow().posts[0].clone();
    assert_eq!(channel, "town-square");
    assert_eq!((&body["username"], &body["icon_emoji"]), (&json!("Checkmate"), &json!(":robot_face:")));
    assert_eq!(body["icon_url"], "https://example.com/a.png");
    assert_eq!(host.requests()[0].url, WEBHOOK);
    deliver(delivery(json!({}))).unwrap();
    let (channel, body) = fake.borrow().posts[1].clone();
    assert_eq!(channel, "ops");
    for name in ["channel", "username", "icon_url", "icon_emoji", "priority"] {
        assert!(body.get(name).is_none(), "{name}");
    }
    assert_eq!(body["props"]["postern_delivery"], "delivery-1");
}

#[test]
fn a_priority_follows_the_severity_until_it_is_over() {
    let priority = |event_type: &str, severity: &str| {
        let config = json!({"priority": "severity", "requestAcknowledgement": true});
        body(delivery(config).event_type(event_type).payload(json!({"title": "x", "severity": severity})))
            .get("priority")
            .cloned()
    };
    assert_eq!(priority("a.created", "critical"), Some(json!({"priority": "urgent", "requested_ack": true})));
    assert_eq!(priority("a.created", "major"), Some(json!({"priority": "important", "requested_ack": true})));
    assert_eq!(priority("a.created", "minor"), None);
    assert_eq!(priority("a.resolved", "critical"), None);
    assert_eq!(body(delivery(json!({"priority": "urgent"})))["priority"], json!({"priority": "urgent"}));
}

#[test]
fn colours_tell_severities_apart() {
    let colour = |event_type: &str, severity: &str| {
        body(delivery(json!({})).event_type(event_type).payload(json!({"severity": severity})))["attachments"][0]["color"].clone()
    };
    let mut colours = ["critical", "major", "minor", "low"].map(|severity| colour("a.created", severity).to_string()).to_vec();
    colours.push(colour("a.resolved", "critical").to_string());
    colours.sort();
    colours.dedup();
    assert_eq!(colours.len(), 5);
}

#[test]
fn no_payload_mentions_anybody_or_becomes_markup() {
    let payload = json!({
        "title": "@all **x**", "description": "<!channel> @here\n    code\n[x](https://evil.example)", "owner": "@ada", "mail": "a@b.example",
        "url": "https://example.com/?a=(1)"
    });
    let sent = body(delivery(json!({})).payload(payload));
    let attachment = &sent["attachments"][0];
    assert_eq!(
        attachment["text"],
        "**🔵 Incident created&#58; @\u{2060}all &#42;&#42;x&#42;&#42;**\n\n&#60;!channel&#62; @\u{2060}here\ncode\n\
         &#91;x&#93;(https&#58;//evil.example)\n\n[Open](https://example.com/?a=%281%29)"
    );
    assert_eq!(attachment["fallback"], "Incident created: @\u{2060}all **x**");
    assert_eq!(
        (&attachment["fields"][0]["value"], &attachment["fields"][1]["value"]),
        (&json!("@\u{2060}ada"), &json!("a@b.example"))
    );
}

#[test]
fn what_is_endless_is_shortened_and_posted() {
    let mut payload = json!({"title": "*".repeat(1000), "description": "@".repeat(10_000)});
    for number in 0..100 {
        payload[format!("field{number}")] = json!("@all _x_ ".repeat(100));
    }
    let sent = body(delivery(json!({})).payload(payload));
    let attachment = &sent["attachments"][0];
    assert!(attachment["text"].as_str().unwrap().ends_with('…') && attachment["fields"].as_array().unwrap().len() == 21);
    assert_eq!((&attachment["fields"][0]["short"], &attachment["fields"][20]["short"]), (&json!(false), &json!(true)));
}

#[test]
fn a_template_replaces_the_usual_message() {
    let sent = body(delivery(json!({"messageTemplate": r"@channel **Disk full** on db\-1: \@all"})));
    assert_eq!(sent["text"], "@channel **Disk full** on db-1: @\u{2060}all");
    assert!(sent.get("attachments").is_none());
    let long = body(delivery(json!({"messageTemplate": "ä".repeat(20_000)})));
    assert_eq!(long["text"].as_str().unwrap().chars().count(), 16_383);
    assert!(body(delivery(json!({"messageTemplate": "\n"}))).get("attachments").is_some());
}

#[test]
fn errors_say_whether_to_try_again_and_what_to_do() {
    let failing = |config: Value, change: fn(&mut Fake)| {
        let (_host, fake) = mattermost();
        change(&mut fake.borrow_mut());
        let failure = deliver(delivery(config)).unwrap_err();
        assert!(fake.borrow().posts.is_empty() && failure.retry == Retry::Never, "{failure}");
        failure.message
    };
    let town = || json!({"channel": "town-square"});
    assert!(failing(json!({}), |fake| fake.enabled = false).contains("HTTP 501: Incoming webhooks have been disabled"));
    assert!(failing(town(), |fake| fake.locked = true).contains("locked to its channel"));
    assert!(failing(json!({"channel": "Town Square"}), |_| {}).contains("its name stands in its URL"));
    assert!(failing(json!({"channel": "secret"}), |fake| fake.member = false).contains("must be a member"));
    assert!(failing(json!({"channel": "@nobody"}), |_| {}).contains("check the user"));

    let (_host, _fake) = mattermost();
    let stranger = TestDelivery::new(json!({})).connection(json!({"webhookUrl": "https://chat.example.com/hooks/other"}));
    let failure = deliver(stranger).unwrap_err();
    assert_eq!(
        failure,
        Failure::never(
            "Mattermost answered HTTP 400: Invalid webhook. (the webhook is gone: make a new one and enter its URL in the connection) \
             [request hoan6o9ws7rp5xj7wu9rmysrte]"
        )
    );
    assert!(deliver(TestDelivery::new(json!({}))).unwrap_err().message.contains("connection"));
}

#[test]
fn what_may_pass_is_tried_again() {
    let (host, fake) = mattermost();
    let failing = |status, headers: &[(&str, &str)], text: &str| {
        host.answer(status, headers, text);
        deliver(delivery(json!({}))).unwrap_err()
    };
    let limited = [("X-Ratelimit-Limit", "10"), ("X-Ratelimit-Remaining", "0"), ("Retry-After", "2")];
    let busy = failing(429, &limited, "limit exceeded");
    assert_eq!(busy.retry, Retry::After(Duration::from_secs(2)));
    assert_eq!(busy.message, "the target answered HTTP 429 (too many requests): limit exceeded");
    let broken = r#"{"id": "app.channel.get.find.app_error", "message": "Unable to find the channel.", "status_code": 500}"#;
    assert_eq!(failing(500, &[], broken), Failure::backoff("Mattermost answered HTTP 500: Unable to find the channel."));
    assert_eq!(failing(502, &[], "<html>").retry, Retry::Backoff);
    let page = failing(200, &[], "<html>Sign in</html>");
    assert!(page.retry == Retry::Backoff && page.message.contains("without Mattermost's `ok`"), "{page}");
    assert_eq!(failing(301, &[("Location", "https://chat.example.com/")], "").retry, Retry::Never);
    host.fail(ErrorKind::Timeout, "too slow");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::backoff("too slow")));
    host.fail(ErrorKind::Denied, "not granted");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::never("not granted")));
    assert!(fake.borrow().posts.is_empty());
}

#[test]
fn a_trial_is_marked() {
    let sent = body(delivery(json!({})).test(true));
    assert_eq!(sent["attachments"][0]["fallback"], "[Test] Incident created: Disk full");
    assert!(sent["attachments"][0]["text"].as_str().unwrap().contains("&#91;Test&#93;"));
}

#[test]
fn settings_are_tried_with_a_message_that_says_so() {
    let (_host, fake) = mattermost();
    let try_out = |config: Value| testing::test_connection::<Mattermost>(&config, Some(&webhook()));
    assert!(try_out(json!({"channel": "town-square", "username": "Checkmate"})).unwrap().contains("test message"));
    let (channel, body) = fake.borrow().posts[0].clone();
    assert_eq!((channel.as_str(), &body["username"]), ("town-square", &json!("Checkmate")));
    assert!(body["text"].as_str().unwrap().starts_with("Test:"));
    assert!(try_out(json!({"channel": "nowhere"})).unwrap_err().message.contains("check the channel"));
}
