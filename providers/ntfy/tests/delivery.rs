//! What ntfy gets, and what the provider makes of its answers.

mod fake;

use fake::{Ntfy as Fake, SERVER, refused};
use postern_provider::http::ErrorKind;
use postern_provider::testing::{self, Host, TestDelivery, assert_goldens, header, json_body, seed_events};
use postern_provider::{Failure, Receipt, Retry};
use postern_provider_ntfy::Ntfy;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

fn server() -> Value {
    json!({ "serverUrl": SERVER })
}

fn with_token() -> Value {
    json!({"serverUrl": SERVER, "authentication": "token", "token": "sealed-token"})
}

fn ntfy() -> (Host, Rc<RefCell<Fake>>) {
    let host = Host::new();
    let fake = host.serve(Fake::new());
    (host, fake)
}

/// The config that is needed, with more.
fn config(more: Value) -> Value {
    let mut config = json!({ "topic": "ops" });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

fn delivery(more: Value) -> TestDelivery {
    TestDelivery::new(config(more)).connection(server())
}

fn deliver(delivery: TestDelivery) -> Result<Receipt, Failure> {
    testing::deliver::<Ntfy>(delivery)
}

/// The body of a delivery that succeeds.
fn body(delivery: TestDelivery) -> Value {
    let (host, _fake) = ntfy();
    deliver(delivery).unwrap();
    json_body(&host.requests()[0])
}

#[test]
fn every_seed_event_is_published_as_its_golden_says() {
    let bodies = seed_events().into_iter().map(|event| {
        let delivery = event.delivery(config(json!({}))).connection(server()).entity(event.entity_key, None);
        (event.name.to_owned(), body(delivery))
    });
    assert_goldens(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"), bodies);
}

#[test]
fn credentials_go_along_as_the_connection_says() {
    let (host, fake) = ntfy();
    let password = json!({"serverUrl": format!("{SERVER}/"), "authentication": "password", "username": "mia", "password": "sealed-password"});
    for connection in [server(), with_token(), password] {
        deliver(TestDelivery::new(config(json!({}))).connection(connection)).unwrap();
    }
    let sent: Vec<_> = host.requests().iter().map(|request| header(request, "Authorization").map(str::to_owned)).collect();
    let expected = [None, Some("Bearer sealed-token"), Some("Basic bWlhOnNlYWxlZC1wYXNzd29yZA==")];
    assert_eq!(sent, expected.map(|text| text.map(str::to_owned)));
    assert!(host.requests().iter().all(|request| request.url == format!("{SERVER}/")), "the root, since the body is JSON");
    assert_eq!(fake.borrow().messages.len(), 3);
}

#[test]
fn later_events_replace_the_notification_of_their_entity() {
    let (_host, fake) = ntfy();
    let event = |event_type: &str, key: &str| delivery(json!({})).event_type(event_type).entity(key, None);
    let first = deliver(event("incident.incident.created", "inc-7").id("1")).unwrap().external_id.unwrap();
    deliver(event("incident.incident.created", "inc-8").id("2")).unwrap();
    let later = event("incident.incident.resolved", "inc-7").id("3");
    assert_eq!(deliver(later), Ok(Receipt::with_external_id(&first)));
    let fake = fake.borrow();
    let titles: Vec<_> = fake.shown("ops").iter().map(|message| message["title"].as_str().unwrap().to_owned()).collect();
    assert_eq!(titles, ["🔵 Incident created: Disk full", "✅ Incident resolved: Disk full"]);
}

#[test]
fn events_stand_alone_where_the_settings_or_the_delivery_say_so() {
    let (_host, fake) = ntfy();
    let separate = json!({"laterEvents": "separate"});
    for id in ["1", "2"] {
        deliver(delivery(separate.clone()).id(id).entity("inc-7", None)).unwrap();
        deliver(delivery(json!({})).id(id)).unwrap();
        deliver(delivery(json!({})).id(format!("test-{id}")).test(true).entity("inc-7", None)).unwrap();
    }
    assert_eq!(fake.borrow().shown("ops").len(), 4, "no entity and no replacement are the same to ntfy: one for each delivery");
}

#[test]
fn a_second_try_replaces_the_first() {
    let (_host, fake) = ntfy();
    deliver(delivery(json!({}))).unwrap();
    deliver(delivery(json!({})).attempt(2)).unwrap();
    assert_eq!((fake.borrow().messages.len(), fake.borrow().shown("ops").len()), (2, 1));
}

#[test]
fn an_older_server_publishes_anew_and_the_log_says_so() {
    let (host, fake) = ntfy();
    fake.borrow_mut().knows_sequences = false;
    deliver(delivery(json!({})).entity("inc-7", None)).unwrap();
    deliver(delivery(json!({})).entity("inc-7", None)).unwrap();
    assert_eq!(fake.borrow().shown("ops").len(), 2);
    assert!(host.logs()[0].1.contains("ntfy 2.16"), "{:?}", host.logs());
}

#[test]
fn what_an_earlier_try_published_is_found() {
    let (host, fake) = ntfy();
    let lost = || delivery(json!({})).entity("inc-7", None);
    let find = |delivery: TestDelivery| testing::reconcile::<Ntfy>(delivery.attempt(2));
    assert_eq!(find(lost()), Ok(None));
    let receipt = deliver(lost()).unwrap();
    assert_eq!(find(lost()), Ok(Some(receipt)));
    assert!(host.requests()[0].url.starts_with(&format!("{SERVER}/ops/json?poll=1&since=all&title=%F0%9F%94%B5%20Incident")));
    assert_eq!(find(lost().event_type("incident.incident.updated")), Ok(None), "another event of the entity");
    assert_eq!(find(delivery(json!({})).id("2")), Ok(None), "another delivery with the same text");
    assert_eq!(fake.borrow().messages.len(), 1);

    host.answer(429, &[("Retry-After", "3")], refused(429, 42901, "limit reached: too many requests").body);
    assert_eq!(find(lost()).unwrap_err().retry, Retry::After(Duration::from_secs(3)));
}

#[test]
fn who_may_not_read_the_topic_finds_nothing() {
    let (host, fake) = ntfy();
    fake.borrow_mut().readable = false;
    let lost = || TestDelivery::new(json!({"topic": "protected"})).connection(with_token());
    deliver(lost()).unwrap();
    assert_eq!(testing::reconcile::<Ntfy>(lost().attempt(2)), Ok(None));
    assert!(host.logs()[0].1.contains("cannot be looked for"), "{:?}", host.logs());
}

#[test]
fn the_priority_follows_the_severity_unless_it_is_fixed() {
    let priority = |config: Value, event_type: &str, severity: &str| {
        body(delivery(config).event_type(event_type).payload(json!({"title": "x", "severity": severity})))["priority"].clone()
    };
    assert_eq!(["critical", "major", "minor", "low"].map(|severity| priority(json!({}), "a.created", severity)), [5, 4, 3, 2]);
    assert_eq!(priority(json!({}), "a.resolved", "critical"), 3);
    let fixed = ["min", "low", "default", "high", "max"];
    assert_eq!(fixed.map(|name| priority(json!({ "priority": name }), "a.resolved", "critical")), [1, 2, 3, 4, 5]);
}

#[test]
fn templates_tags_and_pictures_go_along() {
    let sent = body(delivery(json!({
        "titleTemplate": "Disk\nfull", "messageTemplate": "  on <db-1> *now*\n", "clickTemplate": "https://status.example.com/i/7",
        "tags": ["computer", "db-1"], "iconUrl": "https://example.com/a.png"
    })));
    assert_eq!((&sent["title"], &sent["message"]), (&json!("Disk full"), &json!("on <db-1> *now*")));
    assert_eq!((&sent["click"], &sent["icon"]), (&json!("https://status.example.com/i/7"), &json!("https://example.com/a.png")));
    assert_eq!(sent["tags"], json!(["computer", "db-1"]));

    let plain = body(
        delivery(json!({"titleTemplate": " ", "messageTemplate": "\n"}))
            .payload(json!({"title": "x", "url": "https://example.com/7"})),
    );
    assert_eq!((&plain["title"], &plain["click"]), (&json!("🔵 Incident created: x"), &json!("https://example.com/7")));
    assert!(plain["message"].as_str().unwrap().contains("incident.incident.created"));
    assert!(plain.get("tags").is_none() && plain.get("icon").is_none());
}

#[test]
fn what_is_endless_is_shortened_and_keeps_its_source() {
    let mut payload = json!({"title": "🔥".repeat(1000), "description": "ä\n".repeat(10_000)});
    for number in 0..100 {
        payload[format!("field{number}")] = json!("ü".repeat(1000));
    }
    let sent = body(delivery(json!({})).payload(payload));
    let message = sent["message"].as_str().unwrap();
    assert!(sent["title"].as_str().unwrap().ends_with('…') && message.len() > 4000);
    assert!(message.contains("…\n\nincident.incident.created · 2026-01-02 03:04:05 UTC · Operations"), "{message}");
    let long = body(delivery(json!({"titleTemplate": "ä".repeat(2000), "messageTemplate": "ä".repeat(5000)})));
    assert!(long["title"].as_str().unwrap().ends_with("ä…") && long["message"].as_str().unwrap().ends_with("ä…"));
    assert!(body(delivery(json!({})).payload(json!({})))["message"].as_str().unwrap().starts_with("incident.incident.created"));
}

#[test]
fn errors_say_whether_to_try_again_and_what_to_do() {
    let (_host, fake) = ntfy();
    let refused = |topic: &str, connection: Value| {
        let failure = deliver(TestDelivery::new(json!({ "topic": topic })).connection(connection)).unwrap_err();
        assert_eq!(failure.retry, Retry::Never, "{failure}");
        failure.message
    };
    assert_eq!(
        refused("protected", server()),
        "ntfy answered HTTP 403: forbidden (the topic is protected: enter the credentials of a user who may write to it in the \
         connection)"
    );
    let stranger = json!({"serverUrl": SERVER, "authentication": "token", "token": "other"});
    assert!(refused("ops", stranger).contains("HTTP 401: unauthorized (check the credentials"));
    assert!(refused("docs", server()).contains("choose another topic"));
    assert!(deliver(TestDelivery::new(config(json!({})))).unwrap_err().message.contains("connection"));
    assert!(fake.borrow().messages.is_empty());
    assert!(deliver(TestDelivery::new(json!({"topic": "protected"})).connection(with_token())).is_ok());
}

#[test]
fn what_may_pass_is_tried_again() {
    let (host, fake) = ntfy();
    let failing = |status: u16, headers: &[(&str, &str)], body: Vec<u8>| {
        host.answer(status, headers, body);
        deliver(delivery(json!({}))).unwrap_err()
    };
    let limited = |code: u32, headers: &[(&str, &str)]| failing(429, headers, refused(429, code, "limit reached: x").body);
    assert_eq!(limited(42901, &[("Retry-After", "7")]).retry, Retry::After(Duration::from_secs(7)));
    assert_eq!(limited(42901, &[]).retry, Retry::Backoff);
    let quota = limited(42908, &[]);
    assert_eq!(quota.retry, Retry::After(Duration::from_secs(3600)));
    assert!(quota.message.contains("limit reached: x (an account with a higher limit"), "{quota}");
    assert_eq!(failing(500, &[], refused(500, 50001, "internal server error").body).retry, Retry::Backoff);
    let unified = failing(507, &[], refused(507, 50701, "cannot publish to UnifiedPush topic").body);
    assert_eq!(unified.retry, Retry::Never);
    assert_eq!(failing(502, &[], b"<html>".to_vec()).retry, Retry::Backoff);
    let page = failing(200, &[], b"<html>Sign in</html>".to_vec());
    assert!(page.retry == Retry::Backoff && page.message.contains("that of an ntfy server?"), "{page}");
    assert_eq!(failing(301, &[("Location", "https://x.example/")], Vec::new()).retry, Retry::Never);
    host.fail(ErrorKind::Timeout, "too slow");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::backoff("too slow")));
    host.fail(ErrorKind::Denied, "not granted");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::never("not granted")));
    assert!(fake.borrow().messages.is_empty());
}

#[test]
fn a_trial_is_marked() {
    assert_eq!(body(delivery(json!({})).test(true))["title"], "🔵 [Test] Incident created: Disk full");
    assert_eq!(body(delivery(json!({"titleTemplate": "Disk full"})).test(true))["title"], "[Test] Disk full");
}

#[test]
fn settings_are_tried_with_a_message_that_says_so() {
    let (_host, fake) = ntfy();
    let try_out =
        |topic: &str, connection: &Value| testing::test_connection::<Ntfy>(&json!({ "topic": topic }), Some(connection));
    assert!(try_out("ops", &server()).unwrap().contains("test message"));
    assert!(try_out("ops", &server()).is_ok());
    {
        let fake = fake.borrow();
        let shown = fake.shown("ops");
        assert_eq!((shown.len(), &shown[0]["title"], &shown[0]["priority"]), (1, &json!("Test"), &json!(1)));
    }
    assert!(try_out("protected", &server()).unwrap_err().message.contains("protected"));
    assert!(try_out("protected", &with_token()).is_ok());
}
