//! What Webex gets, and what the provider makes of its answers.

mod fake;

use fake::{NEWS, OPS, TOKEN, Webex as Fake};
use postern_provider::http::ErrorKind;
use postern_provider::testing::{self, Host, TestDelivery, assert_goldens, header, json_body, seed_events};
use postern_provider::{Failure, Receipt, Retry};
use postern_provider_webex::Webex;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

fn bot() -> Value {
    json!({ "botToken": TOKEN })
}

fn webex() -> (Host, Rc<RefCell<Fake>>) {
    let host = Host::new();
    let fake = host.serve(Fake::new());
    (host, fake)
}

/// A delivery to the space "Operations", unless the config names another.
fn delivery(config: Value) -> TestDelivery {
    let mut whole = json!({ "roomId": OPS });
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    TestDelivery::new(whole).connection(bot())
}

fn deliver(delivery: TestDelivery) -> Result<Receipt, Failure> {
    testing::deliver::<Webex>(delivery)
}

fn posted(message: &str) -> Result<Receipt, Failure> {
    Ok(Receipt::with_external_id(format!("{OPS}:{message}")))
}

#[test]
fn every_seed_event_is_posted_as_its_golden_says() {
    let bodies = seed_events().into_iter().map(|event| {
        let (_host, fake) = webex();
        assert_eq!(deliver(event.delivery(json!({ "roomId": OPS })).connection(bot())), posted("TVNH0001"), "{}", event.name);
        (event.name.to_owned(), fake.borrow().messages[0].body.clone())
    });
    assert_goldens(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"), bodies);
}

#[test]
fn the_request_is_what_the_api_asks_for() {
    let (host, fake) = webex();
    deliver(delivery(json!({}))).unwrap();
    let request = &host.requests()[0];
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://webexapis.com/v1/messages"));
    assert_eq!(header(request, "Authorization"), Some("Bearer sealed-token"));
    assert_eq!(json_body(request)["text"], "Incident created: Disk full");

    fake.borrow_mut().origin = "https://api-usgov.webex.com/v1";
    let government = json!({"botToken": TOKEN, "government": true});
    deliver(TestDelivery::new(json!({ "roomId": OPS })).connection(government)).unwrap();
}

#[test]
fn later_events_of_an_entity_reply_in_its_thread() {
    let (_host, fake) = webex();
    let first = deliver(delivery(json!({})).entity("inc-7", None)).unwrap().external_id.unwrap();
    assert!(first.len() <= 256);
    // The subscription has moved to another space: the thread has not.
    let later = delivery(json!({ "roomId": NEWS })).event_type("incident.incident.resolved").entity("inc-7", Some(&first));
    assert_eq!(deliver(later), posted("TVNH0002"));
    let reply = fake.borrow().messages[1].clone();
    assert_eq!((reply.parent(), &reply.body["roomId"]), (Some("TVNH0001"), &json!(OPS)));
    assert!(reply.body["markdown"].as_str().unwrap().starts_with("**✅ Incident resolved"));
}

#[test]
fn later_events_may_edit_the_first_message_or_stand_alone() {
    let (host, fake) = webex();
    let first = deliver(delivery(json!({}))).unwrap().external_id.unwrap();
    let later =
        |how: &str| delivery(json!({"laterEvents": how})).event_type("incident.incident.resolved").entity("inc-7", Some(&first));
    assert_eq!(deliver(later("edit")), posted("TVNH0001"));
    assert_eq!(
        (host.requests()[1].method.as_str(), host.requests()[1].url.as_str()),
        ("PUT", "https://webexapis.com/v1/messages/TVNH0001")
    );
    assert!(fake.borrow().messages[0].body["text"].as_str().unwrap().starts_with("Incident resolved"));
    assert_eq!(deliver(later("separate")), posted("TVNH0002"));
    assert_eq!(fake.borrow().messages[1].parent(), None);
    fake.borrow_mut().messages[0].edits = 10;
    assert_eq!(deliver(later("edit")), posted("TVNH0003"));
    assert_eq!(fake.borrow().messages[2].parent(), Some("TVNH0001"), "what cannot be an edit any more replies");
    assert!(host.logs()[0].1.contains("maximum number of edits"), "{:?}", host.logs());
}

#[test]
fn a_first_message_that_is_gone_is_replaced_by_a_new_one() {
    for (how, orphan) in [("edit", 404), ("thread", 404), ("thread", 400)] {
        let (host, fake) = webex();
        fake.borrow_mut().orphan = orphan;
        let first = deliver(delivery(json!({}))).unwrap().external_id.unwrap();
        fake.borrow_mut().delete(0);
        assert_eq!(deliver(delivery(json!({"laterEvents": how})).entity("inc-7", Some(&first))), posted("TVNH0002"), "{how}");
        assert_eq!(fake.borrow().messages[0].parent(), None);
        assert!(host.logs().last().unwrap().1.contains("posting a new message"), "{:?}", host.logs());
        assert!(host.requests().len() <= 4);
    }
    for strange in ["OPS-7", "a/../b:c", ":", "x:"] {
        let (_host, fake) = webex();
        assert_eq!(deliver(delivery(json!({})).entity("inc-7", Some(strange))), posted("TVNH0001"), "{strange}");
        assert_eq!(fake.borrow().messages[0].parent(), None);
    }
}

#[test]
fn only_what_may_be_the_first_messages_fault_is_tried_in_another_way() {
    let (host, fake) = webex();
    let first = deliver(delivery(json!({}))).unwrap().external_id.unwrap();
    let later = |how: &str| delivery(json!({"laterEvents": how})).entity("inc-7", Some(&first));
    for how in ["edit", "thread"] {
        host.answer(429, &[("Retry-After", "9")], "");
        assert_eq!(deliver(later(how)).unwrap_err().retry, Retry::After(Duration::from_secs(9)), "{how}");
        host.fail(ErrorKind::Timeout, "too slow");
        assert_eq!(deliver(later(how)), Err(Failure::backoff("too slow")));
    }
    assert_eq!(fake.borrow().messages.len(), 1);
    fake.borrow_mut().rooms.clear();
    let failure = deliver(later("thread")).unwrap_err();
    assert!(failure.retry == Retry::Never && failure.message.contains("Could not find a room"), "{failure}");
}

#[test]
fn what_is_endless_is_shortened_and_posted() {
    let (_host, fake) = webex();
    let mut payload = json!({"title": "*".repeat(1000), "description": "<@all> ä🔥 & *x*\n    code\n".repeat(1000), "url": "https://example.com/?a=(1)"});
    for number in 0..100 {
        payload[format!("field{number}")] = json!("<@all> _x_ ".repeat(100));
    }
    assert_eq!(deliver(delivery(json!({})).payload(&payload)), posted("TVNH0001"));
    let body = fake.borrow().messages[0].body.clone();
    let markdown = body["markdown"].as_str().unwrap();
    assert!(!markdown.contains('<') && markdown.contains("&#60;@all&#62; ä🔥 &#38; &#42;x&#42;  \ncode  \n"), "{markdown}");
    assert!(markdown.contains("…\n- …\n\n_incident.incident.created"), "{markdown}");
    assert!(markdown.ends_with(" · [Open](https://example.com/?a=%281%29)"), "{markdown}");
    let long = format!("https://example.com/{}", "(".repeat(2000));
    deliver(delivery(json!({})).payload(json!({"title": "x", "url": long}))).unwrap();
    assert!(!fake.borrow().messages[1].body["markdown"].as_str().unwrap().contains("[Open]"));
}

#[test]
fn a_template_replaces_the_usual_message_and_its_values_mention_nobody() {
    let (_host, fake) = webex();
    deliver(delivery(json!({"messageTemplate": r"<@all> **Disk full** on db\-1: \<\@all\> \& \*"}))).unwrap();
    let body = fake.borrow().messages[0].body.clone();
    assert_eq!(body["markdown"], "<@all> **Disk full** on db-1: &#60;@all&#62; &#38; &#42;");
    assert_eq!(body["text"], "Incident created: Disk full");
    deliver(delivery(json!({"messageTemplate": "ä".repeat(20_000)}))).unwrap();
    let body = fake.borrow().messages[1].body.clone();
    assert!(
        (7436..=7439).contains(&body["markdown"].as_str().unwrap().len()) && body["markdown"].as_str().unwrap().ends_with('…')
    );
    deliver(delivery(json!({"messageTemplate": " "}))).unwrap();
    assert!(fake.borrow().messages[2].body["markdown"].as_str().unwrap().contains("Disk full"));
}

#[test]
fn errors_are_told_apart_by_their_status() {
    let (host, _fake) = webex();
    let failing = |status, headers: &[(&str, &str)], body: &str| {
        host.answer(status, headers, body);
        deliver(delivery(json!({}))).unwrap_err()
    };
    for status in [423, 429, 500, 502, 503, 504] {
        assert_eq!(failing(status, &[], "").retry, Retry::Backoff, "{status}");
        assert_eq!(failing(status, &[("Retry-After", "60")], "").retry, Retry::After(Duration::from_secs(60)), "{status}");
    }
    for status in [400, 401, 403, 404, 405, 409, 410, 415] {
        assert_eq!(failing(status, &[("Retry-After", "60")], "").retry, Retry::Never, "{status}");
    }
    let body = r#"{"message": "m", "errors": [{"description": "Text\nis bad"}], "trackingId": "ROUTER_7"}"#;
    assert_eq!(failing(400, &[], body).message, "Webex answered HTTP 400: Text is bad [ROUTER_7]");
    assert_eq!(failing(400, &[], r#"{"message": "m"}"#).message, "Webex answered HTTP 400: m");
    assert!(failing(502, &[], "<html>bad gateway</html>").message.contains("bad gateway"));
    assert!(failing(403, &[], "").message.contains("is it in the space"));
    assert_eq!(failing(200, &[], "<html>").retry, Retry::Backoff);
    host.fail(ErrorKind::Denied, "not granted");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::never("not granted")));
}

#[test]
fn an_administrator_is_told_what_to_do() {
    let (_host, fake) = webex();
    let elsewhere = deliver(delivery(json!({"roomId": "Y2lzY29zcGFyazovL3VzL1JPT00veA"}))).unwrap_err();
    assert!(
        elsewhere.message.contains("HTTP 404: Could not find a room with provided ID. [ROUTER_1]; check the space"),
        "{elsewhere}"
    );
    let stranger = TestDelivery::new(json!({ "roomId": OPS })).connection(json!({"botToken": "other"}));
    let failure = deliver(stranger).unwrap_err();
    assert!(failure.retry == Retry::Never && failure.message.contains("enter the bot's token anew"), "{failure}");
    assert!(deliver(TestDelivery::new(json!({ "roomId": OPS }))).unwrap_err().message.contains("connection"));
    assert!(fake.borrow().messages.is_empty());
}

#[test]
fn a_trial_is_marked() {
    let (_host, fake) = webex();
    deliver(delivery(json!({})).test(true)).unwrap();
    let body = fake.borrow().messages[0].body.clone();
    assert_eq!(body["text"], "[Test] Incident created: Disk full");
    assert!(body["markdown"].as_str().unwrap().starts_with("**🔵 &#91;Test&#93; Incident created&#58; Disk full**"));
}

#[test]
fn settings_are_tried_without_a_message() {
    let (_host, fake) = webex();
    let try_out = |room: &str, token: &str| {
        testing::test_connection::<Webex>(&json!({ "roomId": room }), Some(&json!({ "botToken": token })))
    };
    assert_eq!(try_out(OPS, TOKEN).unwrap(), "signed in as Postern (postern@webex.bot); it is in Operations");
    assert!(try_out("Y2lzY29zcGFyazovL3VzL1JPT00veA", TOKEN).unwrap_err().message.contains("check the space"));
    assert!(try_out(OPS, "other").unwrap_err().message.contains("token"));
    assert!(fake.borrow().messages.is_empty());
}

#[test]
fn spaces_fill_a_drop_down_page_by_page() {
    let (host, fake) = webex();
    let list = |query| testing::list_options::<Webex>("rooms", &json!({}), Some(&bot()), query);
    let all = list(None).unwrap();
    assert_eq!((all.len(), all[0].value.as_str(), all[0].label.as_str()), (3, OPS, "Operations"));
    assert_eq!(all[2].description.as_deref(), Some("one person"));
    assert_eq!(list(Some("NEW")).unwrap().len(), 1);
    fake.borrow_mut().page = 2;
    assert_eq!(list(None).unwrap().len(), 3, "over two pages");

    fake.borrow_mut().rooms.extend((0..3000).map(|number| (format!("Y2lz{number:08}"), format!("team {number}"), "group")));
    fake.borrow_mut().page = 300;
    assert_eq!(list(None).unwrap().len(), 1000);
    let before = host.requests().len();
    assert_eq!(list(Some("team 20")).unwrap().len(), 108, "what seven pages of 300 hold");
    assert!(host.requests().len() - before <= 8, "a call may make eight requests");
    assert!(host.logs().last().unwrap().1.contains("search by name"));

    host.answer(200, &[("Link", "<https://evil.example/v1/rooms>; rel=\"next\"")], r#"{"items": []}"#);
    assert!(list(None).unwrap().is_empty(), "a next page elsewhere is not read");
    assert!(testing::list_options::<Webex>("people", &json!({}), Some(&bot()), None).is_err());
    let stranger = testing::list_options::<Webex>("rooms", &json!({}), Some(&json!({"botToken": "other"})), None);
    assert!(stranger.unwrap_err().message.contains("401"));
}
