//! What Slack gets, and what the provider makes of its answers.

mod fake;

use fake::{Slack as Fake, TOKEN, WEBHOOK};
use postern_provider::http::ErrorKind;
use postern_provider::testing::{self, Host, TestDelivery, assert_goldens, header, json_body, seed_events};
use postern_provider::{Failure, Receipt, Retry};
use postern_provider_slack::Slack;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

fn bot() -> Value {
    json!({"method": "bot", "botToken": TOKEN, "channel": "C02"})
}

fn webhook() -> Value {
    json!({"method": "webhook", "webhookUrl": WEBHOOK})
}

fn slack() -> (Host, Rc<RefCell<Fake>>) {
    let host = Host::new();
    let fake = host.serve(Fake::new());
    (host, fake)
}

fn delivery(config: Value) -> TestDelivery {
    TestDelivery::new(config).connection(bot())
}

fn deliver(delivery: TestDelivery) -> Result<Receipt, Failure> {
    testing::deliver::<Slack>(delivery)
}

fn posted(id: &str) -> Result<Receipt, Failure> {
    Ok(Receipt::with_external_id(id))
}

#[test]
fn every_seed_event_is_posted_as_its_golden_says() {
    let bodies = seed_events().into_iter().map(|event| {
        let (_host, fake) = slack();
        assert_eq!(deliver(event.delivery(json!({})).connection(bot())), posted("C02:1767323045.000001"), "{}", event.name);
        (event.name.to_owned(), fake.borrow().messages[0].body.clone())
    });
    assert_goldens(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"), bodies);
}

#[test]
fn a_webhook_gets_the_same_message_and_has_no_external_id() {
    for event in seed_events() {
        let (_host, fake) = slack();
        deliver(event.delivery(json!({})).connection(bot())).unwrap();
        let config = json!({"channel": "#ops", "username": "Checkmate", "iconEmoji": ":robot_face:"});
        assert_eq!(deliver(event.delivery(config).connection(webhook())), Ok(Receipt::none()));
        let [by_bot, by_webhook] =
            fake.borrow().messages.iter().map(|message| message.body.clone()).collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((&by_bot["text"], &by_bot["blocks"]), (&by_webhook["text"], &by_webhook["blocks"]));
        assert_eq!(by_webhook["channel"], "#ops");
        assert_eq!((&by_webhook["username"], &by_webhook["icon_emoji"]), (&json!("Checkmate"), &json!(":robot_face:")));
        assert!(by_webhook.get("metadata").is_none() && by_webhook.get("thread_ts").is_none());
    }
}

#[test]
fn the_request_is_what_the_web_api_asks_for() {
    let (host, _fake) = slack();
    let config = json!({"channel": "#general", "username": "Checkmate", "iconEmoji": ":robot_face:"});
    assert_eq!(deliver(delivery(config)), posted("C01:1767323045.000001"), "the channel's ID, though it was named");
    let request = &host.requests()[0];
    assert_eq!(request.url, "https://slack.com/api/chat.postMessage");
    assert_eq!(header(request, "Authorization"), Some("Bearer sealed-token"));
    assert_eq!(header(request, "Content-Type"), Some("application/json; charset=utf-8"));
    let body = json_body(request);
    assert_eq!((&body["username"], &body["icon_emoji"]), (&json!("Checkmate"), &json!(":robot_face:")));
    assert_eq!(body["metadata"]["event_payload"]["delivery"], "delivery-1");

    let mut government = bot();
    government["government"] = json!(true);
    deliver(TestDelivery::new(json!({})).connection(government)).unwrap();
    assert_eq!(host.requests()[1].url, "https://slack-gov.com/api/chat.postMessage");
}

#[test]
fn later_events_of_an_entity_reply_to_its_first_message() {
    let (_host, fake) = slack();
    let first = deliver(delivery(json!({})).entity("inc-7", None)).unwrap().external_id.unwrap();
    // The subscription has moved to another channel: the thread has not.
    let later = delivery(json!({"channel": "C01"})).event_type("incident.incident.resolved").entity("inc-7", Some(&first));
    assert_eq!(deliver(later), posted("C02:1767323045.000002"));
    let reply = &fake.borrow().messages[1];
    assert_eq!((reply.channel.as_str(), reply.thread.as_deref()), ("C02", Some("1767323045.000001")));
    assert!(reply.body["blocks"][0]["text"]["text"].as_str().unwrap().starts_with("✅ Incident resolved"));
}

#[test]
fn later_events_may_update_the_first_message_or_stand_alone() {
    let (host, fake) = slack();
    let first = deliver(delivery(json!({}))).unwrap().external_id.unwrap();
    let later =
        |how: &str| delivery(json!({"laterEvents": how})).event_type("incident.incident.resolved").entity("inc-7", Some(&first));
    assert_eq!(deliver(later("update")), posted(&first));
    assert!(host.requests()[1].url.ends_with("/chat.update"));
    assert!(fake.borrow().messages[0].body["text"].as_str().unwrap().starts_with("Incident resolved"));
    assert_eq!(deliver(later("separate")), posted("C02:1767323045.000002"));
    assert_eq!((fake.borrow().messages.len(), fake.borrow().messages[1].thread.clone()), (2, None));
}

#[test]
fn a_first_message_that_is_gone_is_replaced_by_a_new_one() {
    for (how, trouble) in
        [("update", None), ("update", Some("edit_window_closed")), ("thread", Some("restricted_action_thread_locked"))]
    {
        let (host, fake) = slack();
        fake.borrow_mut().troubles.extend(trouble);
        let later = delivery(json!({"laterEvents": how})).entity("inc-7", Some("C02:1500000000.000001"));
        assert_eq!(deliver(later), posted("C02:1767323045.000001"), "{how}");
        assert_eq!(fake.borrow().messages[0].thread, None);
        assert!(host.logs()[0].1.contains("posting a new message"), "{:?}", host.logs());
    }
    let (_host, fake) = slack();
    assert!(deliver(delivery(json!({})).entity("inc-7", Some("OPS-7"))).is_ok(), "an external id of something else");
    assert_eq!(fake.borrow().messages[0].thread, None);
}

#[test]
fn what_is_endless_is_shortened_and_posted() {
    let (_host, fake) = slack();
    let mut payload =
        json!({"title": "&".repeat(1000), "description": "<!channel> ä🔥\n".repeat(1000), "url": "https://example.com/?a=1&b=2"});
    for number in 0..100 {
        payload[format!("field{number}")] = json!("<&>".repeat(500));
    }
    assert_eq!(deliver(delivery(json!({})).payload(&payload)), posted("C02:1767323045.000001"));
    let body = fake.borrow().messages[0].body.clone();
    assert!(body["blocks"][0]["text"]["text"].as_str().unwrap().ends_with('…'));
    let description = body["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(description.starts_with("&lt;!channel&gt; ä🔥\n") && description.ends_with('…'), "{description}");
    let context = body["blocks"].as_array().unwrap().last().unwrap();
    assert_eq!(context["elements"][1]["text"], "<https://example.com/?a=1&amp;b=2|Open>");
}

#[test]
fn templates_replace_the_usual_message() {
    let (host, fake) = slack();
    deliver(delivery(json!({"messageTemplate": "**Disk full** on db\\-1"}))).unwrap();
    let body = fake.borrow().messages[0].body.clone();
    assert_eq!(body["blocks"], json!([{"type": "markdown", "text": "**Disk full** on db\\-1"}]));
    assert_eq!(body["text"], "Incident created: Disk full", "for notifications");
    deliver(delivery(json!({"blocksTemplate": "[{\"type\": \"divider\"}]", "messageTemplate": " "}))).unwrap();
    assert_eq!(fake.borrow().messages[1].body["blocks"], json!([{"type": "divider"}]));
    deliver(delivery(json!({"messageTemplate": "x".repeat(20_000)}))).unwrap();
    let sent = host.requests().len();
    for bad in ["{", "[]", "{\"blocks\": []}", &json!(vec![json!({"type": "divider"}); 51]).to_string()] {
        let failure = deliver(delivery(json!({"blocksTemplate": bad}))).unwrap_err();
        assert!(failure.retry == Retry::Never && failure.message.contains("blocksTemplate"), "{failure}");
    }
    assert_eq!(host.requests().len(), sent, "nothing of it was sent");
    let refused = deliver(delivery(json!({"blocksTemplate": "[{\"type\": \"odd\"}]"}))).unwrap_err();
    assert_eq!(refused, Failure::never("Slack refused it: invalid_blocks (check the blocks template)"));
}

#[test]
fn errors_in_an_answer_of_200_are_errors() {
    let failing = |trouble| {
        let (_host, fake) = slack();
        fake.borrow_mut().troubles.push(trouble);
        deliver(delivery(json!({}))).unwrap_err()
    };
    for temporary in
        ["internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org", "rate_limited"]
    {
        assert_eq!(failing(temporary).retry, Retry::Backoff, "{temporary}");
    }
    for permanent in ["is_archived", "token_revoked", "restricted_action_read_only_channel", "msg_too_long", "never_heard_of"] {
        assert_eq!(failing(permanent).retry, Retry::Never, "{permanent}");
    }
    assert_eq!(failing("ratelimited").retry, Retry::After(Duration::from_secs(30)), "HTTP 429 with Retry-After");
    assert!(failing("ratelimited").message.contains("HTTP 429 (too many requests): ratelimited"));
}

#[test]
fn an_administrator_is_told_what_to_do() {
    let (_host, fake) = slack();
    let message = |config| deliver(delivery(config)).unwrap_err().message;
    assert!(message(json!({"channel": "C03"})).contains("/invite"));
    assert!(message(json!({"channel": "C99"})).contains("check the channel"));
    fake.borrow_mut().scopes.remove("chat:write");
    assert!(message(json!({})).contains("missing_scope: chat:write (add the scope"));
    let stranger = json!({"method": "bot", "botToken": "other", "channel": "C02"});
    let failure = deliver(TestDelivery::new(json!({})).connection(stranger)).unwrap_err();
    assert!(failure.message.contains("invalid_auth (install the app again"), "{failure}");
    let silent = deliver(TestDelivery::new(json!({})).connection(json!({"method": "bot"}))).unwrap_err();
    assert!(silent.retry == Retry::Never && silent.message.contains("channel"), "{silent}");
}

#[test]
fn errors_of_webhooks_are_told_apart_by_their_status() {
    let failing = |trouble| {
        let (_host, fake) = slack();
        fake.borrow_mut().troubles.push(trouble);
        deliver(TestDelivery::new(json!({})).connection(webhook())).unwrap_err()
    };
    for permanent in ["invalid_payload", "user_not_found", "channel_not_found", "no_service", "channel_is_archived"] {
        assert_eq!(failing(permanent).retry, Retry::Never, "{permanent}");
    }
    assert_eq!(failing("rollup_error").retry, Retry::Backoff);
    assert_eq!(failing("rate_limited").retry, Retry::After(Duration::from_secs(1)));
    assert!(failing("no_service").message.contains("make a new one"));
    assert!(!failing("no_service").message.contains("services/T0"), "the URL is a secret");
    let (_host, fake) = slack();
    let stranger = json!({"method": "webhook", "webhookUrl": "https://hooks.slack.com/services/T0/B0/other"});
    assert!(deliver(TestDelivery::new(json!({})).connection(stranger)).unwrap_err().message.contains("invalid_token"));
    assert!(fake.borrow().messages.is_empty());
}

#[test]
fn no_answer_or_one_that_is_no_json_is_tried_again() {
    let (host, _fake) = slack();
    host.fail(ErrorKind::Timeout, "too slow");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::backoff("too slow")));
    host.answer(200, &[], "<html>");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::Backoff);
    host.answer(503, &[("Retry-After", "5")], "");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::After(Duration::from_secs(5)));
    host.fail(ErrorKind::Denied, "not granted");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::never("not granted")));
}

#[test]
fn a_message_whose_confirmation_was_lost_is_found_again() {
    let (host, fake) = slack();
    let find = |delivery| testing::reconcile::<Slack>(delivery);
    assert_eq!(find(delivery(json!({}))), Ok(None), "nothing was posted yet");
    deliver(delivery(json!({}))).unwrap();
    deliver(delivery(json!({})).id("delivery-2").entity("inc-7", Some("C02:1767323045.000001"))).unwrap();
    assert_eq!(find(delivery(json!({}))), Ok(Some(Receipt::with_external_id("C02:1767323045.000001"))));
    let reply = |config| delivery(config).id("delivery-2").entity("inc-7", Some("C02:1767323045.000001"));
    assert_eq!(find(reply(json!({}))), Ok(Some(Receipt::with_external_id("C02:1767323045.000002"))));
    assert_eq!(find(delivery(json!({})).id("delivery-3")), Ok(None));
    let asked = host.requests().len();
    assert_eq!(find(reply(json!({"laterEvents": "update"}))), Ok(None), "a second update does no harm");
    assert_eq!(find(delivery(json!({"channel": "#ops"}))), Ok(None), "history wants an ID");
    assert_eq!(find(TestDelivery::new(json!({})).connection(webhook())), Ok(None));
    assert_eq!(host.requests().len(), asked);
    fake.borrow_mut().scopes.remove("channels:history");
    assert_eq!(find(delivery(json!({}))), Ok(None));
    assert!(host.logs()[0].1.contains("channels:history"), "{:?}", host.logs());
    fake.borrow_mut().troubles.push("internal_error");
    assert_eq!(find(delivery(json!({}))).unwrap_err().retry, Retry::Backoff);
}

#[test]
fn a_trial_is_marked() {
    let (_host, fake) = slack();
    deliver(delivery(json!({})).test(true)).unwrap();
    let body = fake.borrow().messages[0].body.clone();
    assert_eq!(body["text"], "[Test] Incident created: Disk full");
    assert!(body["blocks"][0]["text"]["text"].as_str().unwrap().contains("[Test]"));
}

#[test]
fn settings_are_tried() {
    let (_host, fake) = slack();
    let try_out = |connection: Value| testing::test_connection::<Slack>(&json!({}), Some(&connection));
    assert_eq!(try_out(bot()).unwrap(), "signed in to Acme as postern");
    assert!(fake.borrow().messages.is_empty(), "a token is tried without a message");
    assert!(try_out(json!({"botToken": "other", "channel": "C01"})).unwrap_err().message.contains("invalid_auth"));
    assert!(try_out(webhook()).unwrap().contains("test message"));
    assert!(fake.borrow().messages[0].body["text"].as_str().unwrap().starts_with("Test:"));
    fake.borrow_mut().troubles.push("no_service");
    assert!(try_out(webhook()).unwrap_err().message.contains("no_service"));
}

#[test]
fn channels_fill_a_drop_down_page_by_page() {
    let (host, fake) = slack();
    let list = |query| testing::list_options::<Slack>("channels", &json!({}), Some(&bot()), query);
    let all = list(None).unwrap();
    assert_eq!((all[1].value.as_str(), all[1].label.as_str(), all[1].description.as_deref()), ("C02", "#ops", Some("About ops")));
    assert_eq!(all[2].description.as_deref(), Some("private · About secret-plans"));
    assert_eq!(list(Some("#PLAN")).unwrap().len(), 1);
    assert_eq!(list(Some("c02")).unwrap()[0].label, "#ops", "by its ID");

    fake.borrow_mut().scopes.remove("groups:read");
    assert_eq!(list(None).unwrap().len(), 3, "with public channels alone");
    fake.borrow_mut().channels.extend((0..2000).map(|number| (format!("C1{number:04}"), (format!("team-{number}"), true))));
    fake.borrow_mut().page = 300;
    assert_eq!(list(None).unwrap().len(), 1000);
    let before = host.requests().len();
    assert_eq!(list(Some("team-1")).unwrap().len(), 908, "what six pages of 300 hold");
    assert!(host.requests().len() - before <= 8, "a call may make eight requests");
    assert!(host.logs().last().unwrap().1.contains("search by name"));

    fake.borrow_mut().scopes.remove("channels:read");
    assert!(list(None).unwrap_err().message.contains("channels:read"));
    assert!(testing::list_options::<Slack>("rooms", &json!({}), Some(&bot()), None).is_err());
    assert!(
        testing::list_options::<Slack>("channels", &json!({}), Some(&webhook()), None).unwrap_err().message.contains("webhook")
    );
}
