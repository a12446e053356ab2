//! What Telegram gets, and what the provider makes of its answers.

mod fake;

use fake::{GROUP, TOKEN, Telegram as Fake};
use postern_provider::http::ErrorKind;
use postern_provider::testing::{self, Host, TestDelivery, assert_goldens, header, json_body, seed_events};
use postern_provider::{Failure, Receipt, Retry};
use postern_provider_telegram::Telegram;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

fn bot() -> Value {
    json!({ "botToken": TOKEN })
}

fn telegram() -> (Host, Rc<RefCell<Fake>>) {
    let host = Host::new();
    let fake = host.serve(Fake::new());
    (host, fake)
}

/// A delivery to the group, unless the config names another chat.
fn delivery(config: Value) -> TestDelivery {
    let mut whole = json!({ "chatId": GROUP.to_string() });
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    TestDelivery::new(whole).connection(bot())
}

fn deliver(delivery: TestDelivery) -> Result<Receipt, Failure> {
    testing::deliver::<Telegram>(delivery)
}

fn posted(id: &str) -> Result<Receipt, Failure> {
    Ok(Receipt::with_external_id(id))
}

#[test]
fn every_seed_event_is_posted_as_its_golden_says() {
    let bodies = seed_events().into_iter().map(|event| {
        let (_host, fake) = telegram();
        let config = json!({ "chatId": GROUP.to_string() });
        assert_eq!(deliver(event.delivery(config).connection(bot())), posted("-1001000000001:101"), "{}", event.name);
        (event.name.to_owned(), fake.borrow().messages[0].body.clone())
    });
    assert_goldens(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"), bodies);
}

#[test]
fn the_request_is_what_the_bot_api_asks_for() {
    let (host, fake) = telegram();
    assert_eq!(deliver(delivery(json!({"topic": 7}))), posted("-1001000000001:101:7"));
    let request = &host.requests()[0];
    assert_eq!(request.url, "https://api.telegram.org/botsealed-token/sendMessage");
    assert_eq!(header(request, "Content-Type"), Some("application/json"));
    let body = json_body(request);
    assert_eq!((&body["chat_id"], &body["message_thread_id"]), (&json!(GROUP), &json!(7)));
    assert_eq!(body["link_preview_options"], json!({"is_disabled": true}));

    assert_eq!(
        deliver(delivery(json!({"chatId": "@acme_news"}))),
        posted("-1001000000002:102"),
        "its number, though it was named"
    );
    assert_eq!(fake.borrow().messages[1].body["chat_id"], "@acme_news");
}

#[test]
fn low_severities_arrive_silently() {
    let silent = |config: Value, severity: &str| {
        let (_host, fake) = telegram();
        deliver(delivery(config).payload(json!({"title": "x", "severity": severity}))).unwrap();
        let body = fake.borrow().messages[0].body.clone();
        body.get("disable_notification") == Some(&json!(true))
    };
    assert_eq!(["info", "minor", "major", "critical"].map(|severity| silent(json!({}), severity)), [true, false, false, false]);
    let critical = json!({"soundFrom": "critical"});
    assert_eq!(["minor", "major", "critical"].map(|severity| silent(critical.clone(), severity)), [true, true, false]);
    assert!(!silent(json!({"soundFrom": "info"}), "info") && silent(json!({"soundFrom": "never"}), "critical"));
}

#[test]
fn later_events_of_an_entity_reply_to_its_first_message() {
    let (_host, fake) = telegram();
    let first = deliver(delivery(json!({"topic": 7})).entity("inc-7", None)).unwrap().external_id.unwrap();
    // The subscription has moved to another chat: what belongs together has not.
    let later = delivery(json!({"chatId": "99"})).event_type("incident.incident.resolved").entity("inc-7", Some(&first));
    assert_eq!(deliver(later), posted("-1001000000001:102:7"));
    let reply = &fake.borrow().messages[1];
    assert_eq!((reply.chat, reply.reply_to, &reply.body["message_thread_id"]), (GROUP, Some(101), &json!(7)));
    assert!(reply.body["text"].as_str().unwrap().starts_with("✅ Incident resolved"));
}

#[test]
fn later_events_may_edit_the_first_message_or_stand_alone() {
    let (host, fake) = telegram();
    let first = deliver(delivery(json!({}))).unwrap().external_id.unwrap();
    let later =
        |how: &str| delivery(json!({"laterEvents": how})).event_type("incident.incident.resolved").entity("inc-7", Some(&first));
    assert_eq!(deliver(later("edit")), posted(&first));
    assert!(host.requests()[1].url.ends_with("/editMessageText"));
    assert!(fake.borrow().messages[0].body["text"].as_str().unwrap().starts_with("✅ Incident resolved"));
    assert_eq!(deliver(later("edit")), posted(&first), "an edit that changes nothing has done what it should");
    assert_eq!(deliver(later("separate")), posted("-1001000000001:102"));
    assert_eq!((fake.borrow().messages.len(), fake.borrow().messages[1].reply_to), (2, None));
}

#[test]
fn a_first_message_that_is_gone_is_replaced_by_a_new_one() {
    for (config, logged) in [
        (json!({"laterEvents": "edit"}), "posting a new message"),
        (json!({"laterEvents": "reply"}), "replies to nothing"),
        (json!({"laterEvents": "reply", "topic": 7}), "posting a new message"),
    ] {
        let (host, fake) = telegram();
        let first = deliver(delivery(config.clone())).unwrap().external_id.unwrap();
        fake.borrow_mut().delete(101);
        assert!(deliver(delivery(config).entity("inc-7", Some(&first))).is_ok());
        let messages = &fake.borrow().messages;
        assert_eq!((messages.len(), messages[0].id, messages[0].reply_to), (1, 102, None));
        assert!(host.logs()[0].1.contains(logged), "{:?}", host.logs());
    }
    let (_host, fake) = telegram();
    fake.borrow_mut().chats.get_mut(&GROUP).unwrap().topics.clear();
    let later = delivery(json!({})).entity("inc-7", Some("-1001000000001:55:7"));
    assert_eq!(deliver(later), posted("-1001000000001:101"), "the topic of the first message is gone");
    for strange in ["OPS-7", "1:2:3:4", "1", ""] {
        assert!(deliver(delivery(json!({})).entity("inc-7", Some(strange))).is_ok(), "{strange}");
        assert_eq!(fake.borrow().messages.last().unwrap().reply_to, None);
    }
}

#[test]
fn a_group_that_became_a_supergroup_is_followed() {
    for how in ["reply", "edit", "separate"] {
        let (host, fake) = telegram();
        let config = json!({"chatId": "-200", "laterEvents": how});
        let first = deliver(delivery(config.clone())).unwrap().external_id.unwrap();
        assert_eq!(first, "-200:101");
        fake.borrow_mut().migrated.insert(-200, GROUP);
        assert_eq!(deliver(delivery(config).entity("inc-7", Some(&first))), posted("-1001000000001:102"), "{how}");
        assert!(host.logs()[0].1.contains("enter -1001000000001"), "{:?}", host.logs());
        assert_eq!(host.requests().len(), 3);
    }
}

#[test]
fn what_is_endless_is_shortened_and_posted() {
    let (_host, fake) = telegram();
    let mut payload =
        json!({"title": "🔥".repeat(1000), "description": "@all *ä* <b>🔥\n".repeat(1000), "url": "https://example.com/?a=1"});
    for number in 0..100 {
        payload[format!("field{number}")] = json!("@ops `x` ".repeat(500));
    }
    assert_eq!(deliver(delivery(json!({})).payload(&payload)), posted("-1001000000001:101"));
    let body = fake.borrow().messages[0].body.clone();
    let text = body["text"].as_str().unwrap();
    assert!(text.contains("🔥…\n\n@\u{2060}all *ä* <b>🔥\n@\u{2060}all"), "{text}");
    assert!(text.contains("\n…\n\nincident.incident.created · 2026-01-02 03:04:05 UTC · Operations\nOpen"), "{text}");
    assert_eq!(body["entities"].as_array().unwrap().last().unwrap()["url"], "https://example.com/?a=1");
}

#[test]
fn no_payload_mentions_anybody() {
    let (_host, fake) = telegram();
    let payload = json!({"title": "@all fail", "description": "ask @ops", "owner": "@ada", "mail": "a@b.example"});
    deliver(delivery(json!({})).payload(&payload)).unwrap();
    deliver(delivery(json!({"messageTemplate": r"**\@all** @oncall"}))).unwrap();
    let messages = &fake.borrow().messages;
    let text = messages[0].body["text"].as_str().unwrap();
    assert!(text.contains("@\u{2060}all") && text.contains("ask @\u{2060}ops"), "{text}");
    // A value stays as it can be copied: it is code.
    let from = text.encode_utf16().collect::<Vec<_>>().windows(4).position(|units| String::from_utf16_lossy(units) == "@ada");
    let code = json!({"type": "code", "offset": from.unwrap(), "length": 4});
    assert!(messages[0].body["entities"].as_array().unwrap().contains(&code), "{}", messages[0].body);
    assert_eq!(messages[1].body["text"], "@\u{2060}all @oncall", "the administrator's own mention stays");
}

#[test]
fn a_template_replaces_the_usual_message() {
    let (_host, fake) = telegram();
    deliver(delivery(json!({"messageTemplate": "**Disk full** on db\\-1. [Open](https://example.com)"}))).unwrap();
    let body = fake.borrow().messages[0].body.clone();
    assert_eq!(body["text"], "Disk full on db-1. Open");
    assert_eq!(body["entities"][0], json!({"type": "bold", "offset": 0, "length": 9}));
    deliver(delivery(json!({"messageTemplate": format!("**{}**", "x".repeat(20_000))}))).unwrap();
    let body = fake.borrow().messages[1].body.clone();
    assert_eq!(body["text"].as_str().unwrap().chars().count(), 4096);
    assert_eq!(body["entities"][0]["length"], 4095);
    for empty in [" ", "\n\n", ""] {
        deliver(delivery(json!({"messageTemplate": empty}))).unwrap();
    }
    assert!(fake.borrow().messages[2].body["text"].as_str().unwrap().contains("Incident created: Disk full"));
}

#[test]
fn errors_are_told_apart_by_their_code_and_their_parameters() {
    let (host, fake) = telegram();
    fake.borrow_mut().flood = Some(17);
    let busy = deliver(delivery(json!({}))).unwrap_err();
    assert_eq!(busy.retry, Retry::After(Duration::from_secs(17)));
    assert_eq!(busy.message, "Telegram answered HTTP 429: Too Many Requests: retry after 17");
    host.answer(429, &[("Retry-After", "3")], r#"{"ok":false,"error_code":429,"description":"Too Many Requests"}"#);
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::After(Duration::from_secs(3)));
    host.answer(500, &[], r#"{"ok":false,"error_code":500,"description":"Internal Server Error"}"#);
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::Backoff);
    host.answer(502, &[], "<html>Bad Gateway</html>");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::Backoff);
    host.answer(200, &[], "<html>");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::Backoff);
    host.answer(200, &[], r#"{"ok":false,"description":"odd"}"#);
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::Never);
    host.fail(ErrorKind::Timeout, "too slow");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::backoff("too slow")));
    host.fail(ErrorKind::Denied, "not granted");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::never("not granted")));
}

#[test]
fn an_administrator_is_told_what_to_do() {
    let failing = |config: Value, member: &str| {
        let (_host, fake) = telegram();
        fake.borrow_mut().chats.values_mut().for_each(|chat| chat.member["status"] = json!(member));
        let failure = deliver(delivery(config)).unwrap_err();
        assert_eq!(failure.retry, Retry::Never, "{failure}");
        failure.message
    };
    assert!(failing(json!({"chatId": "-1"}), "member").contains("chat not found (check the chat;"));
    assert!(failing(json!({}), "kicked").contains("HTTP 403: Forbidden: bot was kicked from the supergroup chat (add the bot"));
    assert!(failing(json!({}), "left").contains("add the bot to the chat again"));
    assert!(failing(json!({"chatId": "99"}), "kicked").contains("open the bot and start it"));
    assert!(failing(json!({"chatId": "@acme_news"}), "member").contains("in a channel it must be an administrator"));
    assert!(failing(json!({}), "restricted").contains("let the bot post there"));
    assert!(failing(json!({"topic": 8}), "member").contains("check it in the subscription"));

    let (_host, fake) = telegram();
    let chat = json!({"chatId": "99"});
    let stranger = deliver(TestDelivery::new(chat.clone()).connection(json!({"botToken": "other"}))).unwrap_err();
    assert!(stranger.message.contains("401: Unauthorized (enter the token"), "{stranger}");
    assert!(!stranger.message.contains("other"), "the token is a secret");
    assert!(deliver(TestDelivery::new(chat)).unwrap_err().message.contains("connection"));
    assert!(fake.borrow().messages.is_empty());
}

#[test]
fn a_trial_is_marked() {
    let (_host, fake) = telegram();
    deliver(delivery(json!({})).test(true)).unwrap();
    assert!(fake.borrow().messages[0].body["text"].as_str().unwrap().starts_with("🔵 [Test] Incident created: Disk full"));
}

#[test]
fn settings_are_tried_without_a_message() {
    let (_host, fake) = telegram();
    let try_out = |chat: &str| testing::test_connection::<Telegram>(&json!({ "chatId": chat }), Some(&bot()));
    assert_eq!(try_out(&GROUP.to_string()).unwrap(), "signed in as @postern_bot; it can post to Operations");
    assert_eq!(try_out("99").unwrap(), "signed in as @postern_bot; it can post to Ada");
    assert_eq!(try_out("@acme_news").unwrap(), "signed in as @postern_bot; it can post to News");
    assert!(try_out("@nobody").unwrap_err().message.contains("chat not found"));
    let set = |id: i64, member: Value| fake.borrow_mut().chats.get_mut(&id).unwrap().member = member;
    set(GROUP, json!({"status": "left"}));
    assert!(try_out(&GROUP.to_string()).unwrap_err().message.contains("Operations: add it to the chat"));
    set(GROUP, json!({"status": "restricted", "can_send_messages": false}));
    assert!(try_out(&GROUP.to_string()).unwrap_err().message.contains("taken away"));
    set(-1_001_000_000_002, json!({"status": "member"}));
    assert!(try_out("@acme_news").unwrap_err().message.contains("must be an administrator"));
    set(-1_001_000_000_002, json!({"status": "administrator", "can_post_messages": false}));
    assert!(try_out("@acme_news").unwrap_err().message.contains("let it post"));
    assert!(fake.borrow().messages.is_empty());
    let stranger = testing::test_connection::<Telegram>(&json!({"chatId": "99"}), Some(&json!({"botToken": "other"})));
    assert!(stranger.unwrap_err().message.contains("Unauthorized"));
}

#[test]
fn chats_that_the_bot_heard_of_fill_a_drop_down() {
    let (host, fake) = telegram();
    let list = |query| testing::list_options::<Telegram>("chats", &json!({}), Some(&bot()), query);
    assert!(list(None).unwrap().is_empty());
    let group = |title: &str| json!({"id": GROUP, "type": "supergroup", "title": title});
    let ada = json!({"id": 99, "type": "private", "first_name": "Ada", "last_name": "Byron", "username": "ada"});
    fake.borrow_mut().updates = vec![
        json!({"update_id": 1, "message": {"message_id": 1, "chat": group("Ops"), "text": "hello"}}),
        json!({"update_id": 2, "message": {"message_id": 2, "chat": ada, "text": "/start"}}),
        json!({"update_id": 3, "my_chat_member": {"chat": group("Operations"), "date": 1, "new_chat_member": {"status": "member"}}}),
        json!({"update_id": 4, "poll": {"id": "1"}}),
    ];
    let all = list(None).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].value.as_str(), all[0].label.as_str()), ("-1001000000001", "Operations"), "its present name");
    assert_eq!((all[1].label.as_str(), all[1].description.as_deref()), ("Ada Byron", Some("private · @ada")));
    assert_eq!(list(Some("BYRON")).unwrap().len(), 1);
    let update = fake.borrow().updates[0].clone();
    fake.borrow_mut().updates = vec![update; 150];
    assert_eq!(list(None).unwrap().len(), 1);
    assert!(host.logs()[0].1.contains("enter its number"));
    fake.borrow_mut().webhook = true;
    assert!(list(None).unwrap_err().message.contains("another program"));
    assert!(testing::list_options::<Telegram>("rooms", &json!({}), Some(&bot()), None).is_err());
}
