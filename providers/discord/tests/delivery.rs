//! What Discord gets, and what the provider makes of its answers.

mod fake;

use fake::{CHANNEL, Discord as Fake, Thread, Trouble, WEBHOOK};
use postern_provider::http::ErrorKind;
use postern_provider::testing::{self, Host, TestDelivery, assert_goldens, json_body, seed_events};
use postern_provider::{Failure, Receipt, Retry};
use postern_provider_discord::Discord;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const FIRST: &str = "334385199974967041";
const SECOND: &str = "334385199974967042";

fn discord() -> (Host, Rc<RefCell<Fake>>) {
    let host = Host::new();
    let fake = host.serve(Fake::new());
    (host, fake)
}

fn connection() -> Value {
    json!({"webhookUrl": WEBHOOK})
}

fn delivery(config: Value) -> TestDelivery {
    TestDelivery::new(config).connection(connection())
}

fn deliver(delivery: TestDelivery) -> Result<Receipt, Failure> {
    testing::deliver::<Discord>(delivery)
}

fn posted(id: &str) -> Result<Receipt, Failure> {
    Ok(Receipt::with_external_id(id))
}

/// The failure that the next request's trouble makes.
fn failing(trouble: Trouble) -> Failure {
    let (_host, fake) = discord();
    fake.borrow_mut().troubles.push(trouble);
    let failure = deliver(delivery(json!({}))).unwrap_err();
    assert!(fake.borrow().messages.is_empty());
    failure
}

#[test]
fn every_seed_event_is_posted_as_its_golden_says() {
    let bodies = seed_events().into_iter().map(|event| {
        let (_host, fake) = discord();
        assert_eq!(deliver(event.delivery(json!({})).connection(connection())), posted(FIRST), "{}", event.name);
        (event.name.to_owned(), fake.borrow().messages[0].body.clone())
    });
    assert_goldens(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"), bodies);
}

#[test]
fn every_seed_event_edits_the_entitys_message_to_what_it_would_post() {
    for event in seed_events() {
        let (host, fake) = discord();
        deliver(event.delivery(json!({})).connection(connection())).unwrap();
        let later = event.delivery(json!({})).connection(connection()).entity(event.entity_key, Some(FIRST));
        assert_eq!(deliver(later), posted(FIRST), "{}", event.name);
        let [first, edit] = host.requests().try_into().unwrap();
        let embeds = json_body(&first)["embeds"].clone();
        assert_eq!(json_body(&edit), json!({"content": null, "embeds": embeds, "flags": 0, "allowed_mentions": {"parse": []}}));
        assert_eq!((fake.borrow().messages.len(), fake.borrow().messages[0].edits), (1, 1));
    }
}

#[test]
fn the_request_waits_for_the_message_and_names_its_sender() {
    let (host, fake) = discord();
    let config = json!({"username": "Checkmate", "avatarUrl": "https://example.com/a.png"});
    assert_eq!(deliver(delivery(config)), posted(FIRST));
    let request = &host.requests()[0];
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", format!("{WEBHOOK}?wait=true").as_str()));
    let body = fake.borrow().messages[0].body.clone();
    assert_eq!((&body["username"], &body["avatar_url"]), (&json!("Checkmate"), &json!("https://example.com/a.png")));
    assert_eq!(fake.borrow().messages[0].channel, CHANNEL);
}

#[test]
fn what_stands_for_the_url_is_used_as_the_host_wants_it() {
    let host = Host::new();
    let sealed = json!({"webhookUrl": "https://0123456789abcdef0123456789abcdef.sealed.invalid/"});
    host.answer(200, &[], r#"{"id": "1"}"#);
    host.answer(200, &[], "{}");
    let config = json!({"threadId": "600"});
    assert_eq!(deliver(TestDelivery::new(config.clone()).connection(sealed.clone())), posted("1:600"));
    deliver(TestDelivery::new(config).connection(sealed).entity("inc-7", Some("1:600"))).unwrap();
    let urls: Vec<_> = host.requests().into_iter().map(|request| request.url).collect();
    assert_eq!(
        urls,
        [
            "https://0123456789abcdef0123456789abcdef.sealed.invalid?wait=true&thread_id=600",
            "https://0123456789abcdef0123456789abcdef.sealed.invalid/messages/1?thread_id=600",
        ]
    );
}

#[test]
fn later_events_edit_the_first_message() {
    let (host, fake) = discord();
    let first = deliver(delivery(json!({})).entity("inc-7", None)).unwrap().external_id.unwrap();
    let later = delivery(json!({})).event_type("incident.incident.resolved").entity("inc-7", Some(&first));
    assert_eq!(deliver(later), posted(FIRST));
    assert_eq!((fake.borrow().messages.len(), fake.borrow().messages[0].edits), (1, 1));
    assert_eq!(host.requests()[1].method, "PATCH");
    let body = fake.borrow().messages[0].body.clone();
    assert!(body["embeds"][0]["title"].as_str().unwrap().starts_with("✅ Incident resolved"));
    assert_eq!(body["allowed_mentions"], json!({"parse": []}), "an edit forbids mentions itself");

    let separate = delivery(json!({"laterEvents": "separate"})).entity("inc-7", Some(&first));
    assert_eq!(deliver(separate), posted(SECOND));
}

#[test]
fn an_edit_leaves_nothing_of_the_message_before() {
    let (_host, fake) = discord();
    let first = deliver(delivery(json!({"messageTemplate": "Disk full"}))).unwrap().external_id.unwrap();
    assert_eq!(fake.borrow().messages[0].body["flags"], 4, "no previews of a payload's links");
    deliver(delivery(json!({})).entity("inc-7", Some(&first))).unwrap();
    let body = fake.borrow().messages[0].body.clone();
    assert_eq!((&body["content"], &body["flags"], body["embeds"].as_array().unwrap().len()), (&Value::Null, &json!(0), 1));
    deliver(delivery(json!({"messageTemplate": "Disk fine"})).entity("inc-7", Some(&first))).unwrap();
    let body = fake.borrow().messages[0].body.clone();
    assert_eq!((&body["content"], &body["flags"], &body["embeds"]), (&json!("Disk fine"), &json!(4), &json!([])));
}

#[test]
fn a_thread_is_posted_to_and_its_messages_are_edited_there() {
    let (_host, fake) = discord();
    let first = deliver(delivery(json!({"threadId": "601"}))).unwrap().external_id.unwrap();
    assert_eq!(first, format!("{FIRST}:601"));
    assert_eq!(fake.borrow().messages[0].channel, "601");
    // The subscription has moved to another thread: the message has not.
    let later = delivery(json!({"threadId": "600"})).entity("inc-7", Some(&first));
    assert_eq!(deliver(later), posted(&first));
    assert_eq!(fake.borrow().messages[0].edits, 1);
}

#[test]
fn a_first_message_that_is_gone_is_replaced_by_a_new_one() {
    for gone in ["999", "999:600", "999:999", "999:601", "999:602"] {
        let (host, fake) = discord();
        assert_eq!(deliver(delivery(json!({})).entity("inc-7", Some(gone))), posted(FIRST), "{gone}");
        assert_eq!(host.requests().len(), 2);
        assert_eq!(fake.borrow().messages[0].channel, CHANNEL);
        assert!(host.logs().iter().any(|(_, line)| line.contains("posting a new message")), "{:?}", host.logs());
    }
    for foreign in ["OPS-7", "C02:1767323045.000001", "", "1:", "1?wait=true", "123456789012345678901"] {
        let (host, fake) = discord();
        assert_eq!(deliver(delivery(json!({})).entity("inc-7", Some(foreign))), posted(FIRST), "{foreign}");
        assert_eq!((host.requests().len(), fake.borrow().messages.len()), (1, 1));
    }
}

#[test]
fn a_webhook_that_was_deleted_is_not_called_again() {
    let (host, fake) = discord();
    fake.borrow_mut().deleted = true;
    let failure = deliver(delivery(json!({})).entity("inc-7", Some(FIRST))).unwrap_err();
    assert_eq!((failure.retry, host.requests().len()), (Retry::Never, 1), "no new message either");
    assert!(failure.message.contains("Unknown Webhook (the webhook was deleted: make a new one"), "{failure}");
    let failure = deliver(delivery(json!({}))).unwrap_err();
    assert_eq!((failure.retry, host.requests().len()), (Retry::Never, 2));
}

#[test]
fn an_edit_that_may_succeed_later_posts_nothing_new() {
    for trouble in
        [Trouble::Limited(2.0), Trouble::Error(502, 0, "Bad Gateway"), Trouble::Error(400, 30_046, "Maximum number of edits")]
    {
        let (host, fake) = discord();
        fake.borrow_mut().troubles.push(trouble);
        let failure = deliver(delivery(json!({})).entity("inc-7", Some(FIRST))).unwrap_err();
        assert_ne!(failure.retry, Retry::Never, "{failure}");
        assert_eq!((host.requests().len(), fake.borrow().messages.len()), (1, 0));
    }
}

#[test]
fn what_is_endless_is_shortened_and_posted() {
    let (_host, fake) = discord();
    let mut payload = json!({"title": "*".repeat(1000), "description": "@everyone <@1> [x](https://y) ä🔥\n".repeat(1000), "url": "https://example.com/?a=1&b=2"});
    for number in 0..100 {
        payload[format!("field{number}")] = json!("_🔥_".repeat(500));
    }
    assert_eq!(deliver(delivery(json!({})).payload(&payload)), posted(FIRST));
    let body = fake.borrow().messages[0].body.clone();
    let embed = &body["embeds"][0];
    assert!(embed["title"].as_str().unwrap().ends_with('…'));
    let description = embed["description"].as_str().unwrap();
    assert!(description.starts_with("\\@everyone \\<\\@1\\> \\[x\\]\\(https\\:\\/\\/y\\) ä🔥\n") && description.ends_with('…'));
    assert_eq!(embed["url"], "https://example.com/?a=1&b=2");
    assert_eq!(embed["fields"].as_array().unwrap().len(), 21);
}

#[test]
fn templates_replace_the_usual_message() {
    let (host, fake) = discord();
    deliver(delivery(json!({"messageTemplate": "**Disk full** on db\\-1"}))).unwrap();
    let body = fake.borrow().messages[0].body.clone();
    assert_eq!(body, json!({"content": "**Disk full** on db\\-1", "flags": 4, "allowed_mentions": {"parse": []}}));
    deliver(delivery(json!({"embedsTemplate": "[{\"title\": \"Disk full\"}]", "messageTemplate": " "}))).unwrap();
    assert_eq!(fake.borrow().messages[1].body["embeds"], json!([{"title": "Disk full"}]));
    deliver(delivery(json!({"messageTemplate": "🔥".repeat(5000)}))).unwrap();
    assert_eq!(fake.borrow().messages[2].body["content"].as_str().unwrap().chars().count(), 2000);
    let long = json!(vec![json!({"title": "t".repeat(300), "description": "d".repeat(5000)}); 10]).to_string();
    deliver(delivery(json!({"embedsTemplate": long}))).unwrap();

    let sent = host.requests().len();
    for bad in ["{", "[]", "{\"embeds\": []}", "[1]", &json!(vec![json!({"title": "x"}); 11]).to_string()] {
        let failure = deliver(delivery(json!({"embedsTemplate": bad}))).unwrap_err();
        assert!(failure.retry == Retry::Never && failure.message.contains("embedsTemplate"), "{failure}");
    }
    assert_eq!(host.requests().len(), sent, "nothing of it was sent");
    let refused = deliver(delivery(json!({"embedsTemplate": "[{\"fields\": [{\"name\": \"x\"}]}]"}))).unwrap_err();
    assert_eq!(
        refused,
        Failure::never(
            "the target answered HTTP 400: Invalid Form Body: embeds.0.fields.0.value: This field is required (check the template and \
             the other settings of the subscription)"
        )
    );
}

#[test]
fn a_limit_is_waited_for_as_long_as_discord_says() {
    let wait = |trouble| failing(trouble).retry;
    assert_eq!(wait(Trouble::Limited(64.57)), Retry::After(Duration::from_millis(64_570)));
    assert_eq!(wait(Trouble::Shared(1336.57)), Retry::After(Duration::from_millis(1_336_570)));
    assert_eq!(wait(Trouble::LimitedOld(6457)), Retry::After(Duration::from_millis(6457)), "version 6 counts milliseconds");
    let global = failing(Trouble::Global(0.65));
    assert_eq!(global.retry, Retry::After(Duration::from_millis(650)));
    assert!(global.message.contains("the limit of all requests from this host"), "{global}");
}

#[test]
fn the_limit_that_answers_tell_is_noted_and_then_waited_for() {
    let (host, fake) = discord();
    for _ in 0..5 {
        deliver(delivery(json!({}))).unwrap();
    }
    assert_eq!(fake.borrow().remaining, 0);
    assert_eq!(host.logs().len(), 1, "only of the last: {:?}", host.logs());
    assert!(host.logs()[0].1.contains("used up for 1500 ms"));
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::After(Duration::from_millis(1500)));
    assert_eq!(fake.borrow().messages.len(), 5);
}

#[test]
fn permanent_and_temporary_errors_are_told_apart() {
    for (status, code) in [(401, 50_027), (403, 50_013), (404, 10_015), (404, 10_003), (400, 50_035), (405, 0), (403, 40_333)] {
        assert_eq!(failing(Trouble::Error(status, code, "no")).retry, Retry::Never, "{status} {code}");
    }
    for (status, code) in [(400, 30_046), (403, 40_004), (403, 20_028), (500, 0), (502, 0), (503, 130_000)] {
        assert_eq!(failing(Trouble::Error(status, code, "later")).retry, Retry::Backoff, "{status} {code}");
    }
    let (host, _fake) = discord();
    host.answer(429, &[("Retry-After", "3600"), ("Content-Type", "text/plain")], "error code: 1015");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::After(Duration::from_secs(3600)), "a ban of the address");
}

#[test]
fn an_administrator_is_told_what_to_do() {
    let message = |status, code, text| failing(Trouble::Error(status, code, text)).message;
    assert!(message(401, 50_027, "Invalid Webhook Token").contains("copy it again into the connection"));
    assert!(message(400, 200_000, "Message was blocked by automatic moderation").contains("AutoMod"));
    let (_host, fake) = discord();
    let failing = |config| deliver(delivery(config)).unwrap_err().message;
    assert!(failing(json!({"threadId": "999"})).contains("check the subscription's thread"));
    assert!(failing(json!({"threadId": "602"})).contains("open it, or choose another"));
    fake.borrow_mut().forum = true;
    assert!(failing(json!({})).contains("the channel is a forum"));
    assert_eq!(fake.borrow().threads["602"], Thread::Locked);
    let stranger = TestDelivery::new(json!({})).connection(json!({"webhookUrl": format!("{WEBHOOK}x")}));
    let failure = deliver(stranger).unwrap_err();
    assert!(!failure.message.contains("sealed-token"), "the URL is a secret: {failure}");
    assert_eq!(deliver(TestDelivery::new(json!({}))).unwrap_err().retry, Retry::Never, "no connection");
}

#[test]
fn no_answer_or_one_that_is_no_message_is_tried_again() {
    let (host, fake) = discord();
    host.fail(ErrorKind::Timeout, "too slow");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::backoff("too slow")));
    host.answer(200, &[], "<html>");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::Backoff);
    host.answer(503, &[("Retry-After", "5")], "");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::After(Duration::from_secs(5)));
    host.fail(ErrorKind::Denied, "not granted");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::never("not granted")));
    host.answer(204, &[], "");
    assert_eq!(deliver(delivery(json!({}))), Ok(Receipt::none()), "a success without a message");
    host.answer(200, &[], r#"{"id": "../../x"}"#);
    assert_eq!(deliver(delivery(json!({}))), Ok(Receipt::none()), "an ID that is none");
    assert!(fake.borrow().messages.is_empty());
}

#[test]
fn a_trial_is_marked() {
    let (_host, fake) = discord();
    deliver(delivery(json!({})).test(true)).unwrap();
    assert_eq!(fake.borrow().messages[0].body["embeds"][0]["title"], "🔵 \\[Test\\] Incident created: Disk full");
}

#[test]
fn settings_are_tried_without_a_message() {
    let (_host, fake) = discord();
    let try_out = || testing::test_connection::<Discord>(&json!({}), Some(&connection()));
    assert_eq!(try_out().unwrap(), format!("the webhook \"Alerts of Postern\" posts to the channel {CHANNEL}"));
    fake.borrow_mut().kind = 3;
    assert!(try_out().unwrap_err().message.contains("no incoming webhook"));
    fake.borrow_mut().deleted = true;
    assert!(try_out().unwrap_err().message.contains("the webhook was deleted"));
    assert!(fake.borrow().messages.is_empty());
}
