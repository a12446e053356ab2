//! What the Alert API gets, and what the provider makes of its answers.

mod fake;

use fake::{KEY, Opsgenie as Fake};
use postern_provider::http::ErrorKind;
use postern_provider::testing::{self, Host, TestDelivery, assert_goldens, seed_events};
use postern_provider::{Failure, Receipt, Retry};
use postern_provider_opsgenie::Opsgenie;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const CREATED: &str = "incident.incident.created";
const UPDATED: &str = "incident.incident.updated";
const ACKNOWLEDGED: &str = "incident.incident.acknowledged";
const RESOLVED: &str = "incident.incident.resolved";

/// The first alert of the fake, and its first request.
const ALERT: &str = "alert:8743a1b2-11da-480e-8493-000000000001";
const REQUEST: &str = "request:43a29c5c-3dbf-4fa4-9c26-000000000001";

fn opsgenie() -> (Host, Rc<RefCell<Fake>>) {
    let host = Host::new();
    let fake = host.serve(Fake::new());
    (host, fake)
}

fn connection(service: &str) -> Value {
    json!({"service": service, "apiKey": KEY})
}

fn delivery(config: Value) -> TestDelivery {
    TestDelivery::new(config).connection(json!({ "apiKey": KEY }))
}

fn of_incident(event_type: &str) -> TestDelivery {
    delivery(json!({})).event_type(event_type).entity("inc-7", None)
}

fn deliver(delivery: TestDelivery) -> Result<Receipt, Failure> {
    testing::deliver::<Opsgenie>(delivery)
}

fn find(delivery: TestDelivery) -> Result<Option<Receipt>, Failure> {
    testing::reconcile::<Opsgenie>(delivery)
}

fn id(id: &str) -> Result<Receipt, Failure> {
    Ok(Receipt::with_external_id(id))
}

#[test]
fn every_seed_event_is_sent_as_its_golden_says() {
    let bodies = seed_events().into_iter().map(|event| {
        let (host, fake) = opsgenie();
        let of_entity = |config| event.delivery(config).connection(json!({ "apiKey": KEY })).entity(event.entity_key, None);
        // What later events change has to be there.
        deliver(of_entity(json!({})).event_type(CREATED).payload(json!({"title": "Disk full"}))).unwrap();
        assert_eq!(deliver(of_entity(json!({"teams": ["Payments"]}))), id(ALERT), "{}", event.name);
        let path = host.requests().into_iter().rfind(|request| request.method == "POST").unwrap().url;
        let path = path.strip_prefix("https://api.opsgenie.com/v2/alerts").unwrap().to_owned();
        (event.name.to_owned(), json!({ "path": path, "body": fake.borrow().accepted[1] }))
    });
    assert_goldens(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"), bodies);
}

#[test]
fn an_incident_is_one_alert_from_its_beginning_to_its_end() {
    let (host, fake) = opsgenie();
    for event_type in [CREATED, UPDATED, ACKNOWLEDGED, RESOLVED] {
        assert_eq!(deliver(of_incident(event_type)), id(ALERT), "{event_type}");
    }
    let alert = fake.borrow().alerts[0].clone();
    assert_eq!((alert.alias.as_str(), alert.open, alert.acknowledged, alert.notes.len()), ("inc-7", false, true, 3));
    assert!(alert.notes[0].as_str().unwrap().starts_with("Incident updated: Disk full\n\n"), "{:?}", alert.notes);
    assert!(host.logs().is_empty(), "{:?}", host.logs());
    deliver(of_incident(CREATED)).unwrap();
    assert_eq!(fake.borrow().alerts.len(), 2, "it is back");
}

#[test]
fn a_second_delivery_of_an_event_creates_no_second_alert() {
    for entity in [Some("inc-7"), None] {
        let (_host, fake) = opsgenie();
        for attempt in [1, 2] {
            let mut create = delivery(json!({})).attempt(attempt);
            if let Some(entity) = entity {
                create = create.entity(entity, None);
            }
            assert_eq!(deliver(create), id(ALERT));
        }
        assert_eq!((fake.borrow().alerts.len(), fake.borrow().alerts[0].count), (1, 2));
    }
}

#[test]
fn each_service_has_its_host() {
    let (host, _fake) = opsgenie();
    for (service, base) in [
        ("opsgenie", "https://api.opsgenie.com"),
        ("opsgenie-eu", "https://api.eu.opsgenie.com"),
        ("jira-service-management", "https://api.atlassian.com/jsm/ops/integration"),
    ] {
        let first = host.requests().len();
        for event_type in [CREATED, RESOLVED] {
            deliver(of_incident(event_type).connection(connection(service))).unwrap();
        }
        let urls: Vec<_> = host.requests()[first..].iter().map(|request| request.url.clone()).collect();
        assert_eq!(urls[0], format!("{base}/v2/alerts"));
        assert!(urls[1].starts_with(&format!("{base}/v2/alerts/requests/")), "{urls:?}");
        assert_eq!(urls[2], format!("{base}/v2/alerts/inc-7/close?identifierType=alias"));
    }
}

#[test]
fn actions_are_chosen_by_event_type() {
    let (host, fake) = opsgenie();
    let config = json!({"actions": [
        {"eventType": UPDATED, "action": "acknowledge"},
        {"eventType": "maintenance.*", "action": "ignore"},
        {"eventType": RESOLVED, "action": "note"},
        {"eventType": "incident.*", "action": "create"},
    ]});
    let send = |event_type| deliver(delivery(config.clone()).event_type(event_type).entity("inc-7", None));
    assert_eq!(send("maintenance.maintenance.created"), Ok(Receipt::none()));
    assert!(host.requests().is_empty() && host.logs()[0].1.contains("ignored"), "{:?}", host.logs());
    for event_type in [CREATED, UPDATED, RESOLVED] {
        send(event_type).unwrap();
    }
    let alert = fake.borrow().alerts[0].clone();
    assert_eq!((alert.open, alert.acknowledged, alert.notes.len()), (true, true, 2));
}

#[test]
fn without_an_entity_an_alert_is_created_but_none_is_changed() {
    let (host, fake) = opsgenie();
    assert_eq!(deliver(delivery(json!({}))), id(ALERT));
    assert_eq!(fake.borrow().alerts[0].alias, "delivery-1");
    let sent = host.requests().len();
    for event_type in [UPDATED, ACKNOWLEDGED, RESOLVED] {
        let failure = deliver(delivery(json!({})).event_type(event_type)).unwrap_err();
        assert!(failure.retry == Retry::Never && failure.message.contains("entity key"), "{failure}");
    }
    assert_eq!(host.requests().len(), sent);
}

#[test]
fn a_key_that_is_long_or_odd_is_replaced_by_its_digest() {
    let (_host, fake) = opsgenie();
    let longest = "k".repeat(512);
    for key in [longest.as_str(), "inc-7", "a.b_c~d:e@f", "a/b", "a b", "..", "50%", "ä", &"k".repeat(513)] {
        for event_type in [CREATED, RESOLVED] {
            deliver(delivery(json!({})).event_type(event_type).entity(key, None)).unwrap();
        }
    }
    let fake = fake.borrow();
    let aliases: Vec<_> = fake.alerts.iter().map(|alert| alert.alias.as_str()).collect();
    assert_eq!(aliases[..3], [longest.as_str(), "inc-7", "a.b_c~d:e@f"]);
    assert!(
        aliases[3..].iter().all(|alias| alias.len() == 64 && alias.bytes().all(|byte| byte.is_ascii_hexdigit())),
        "{aliases:?}"
    );
    assert_eq!(aliases.len(), 9);
    assert!(fake.alerts.iter().all(|alert| !alert.open), "each was found again");
}

#[test]
fn responders_tags_and_priorities_are_as_the_subscription_says() {
    let (_host, fake) = opsgenie();
    let uuid = "4513b7ea-3b91-438f-b7e4-e3e54af9147c";
    let config = json!({
        "teams": ["Payments", uuid], "users": ["ada@example.com", "5b10a2844c20165700ede21g"],
        "schedules": ["Nights"], "escalations": [uuid],
        "tags": ["eu-1", " ", "eu-1", "x".repeat(60)],
        "priorities": {"info": "P4"},
    });
    deliver(delivery(config)).unwrap();
    let body = fake.borrow().accepted[0].clone();
    assert_eq!(
        body["responders"],
        json!([
            {"type": "team", "name": "Payments"}, {"type": "team", "id": uuid},
            {"type": "user", "username": "ada@example.com"}, {"type": "user", "id": "5b10a2844c20165700ede21g"},
            {"type": "schedule", "name": "Nights"}, {"type": "escalation", "id": uuid}
        ])
    );
    assert_eq!(body["tags"], json!(["eu-1", format!("{}…", "x".repeat(49))]));
    assert_eq!(body["priority"], "P4");
    let priority = |word: &str| {
        let (_host, fake) = opsgenie();
        deliver(delivery(json!({})).payload(json!({"title": "Disk full", "severity": word}))).unwrap();
        fake.borrow().accepted[0]["priority"].clone()
    };
    for (word, expected) in [("critical", "P1"), ("major", "P2"), ("minor", "P3"), ("low", "P5"), ("odd", "P5")] {
        assert_eq!(priority(word), expected, "{word}");
    }

    let (host, fake) = opsgenie();
    let many: Vec<_> = (0..40).map(|number| format!("Team {number}")).collect();
    deliver(delivery(json!({"teams": many, "schedules": many}))).unwrap();
    assert_eq!(fake.borrow().accepted[0]["responders"].as_array().unwrap().len(), 50);
    assert!(host.logs()[0].1.contains("first 50 of 80"), "{:?}", host.logs());
}

#[test]
fn templates_replace_what_stands_in_an_alert() {
    let (host, fake) = opsgenie();
    let config = json!({
        "messageTemplate": "Disk\nfull ", "descriptionTemplate": "On db-1.\nCall Ada.", "noteTemplate": "Still full.", "entityTemplate": "db-1",
        "detailsTemplate": "{\"runbook\": \"page 7\", \"usage\": {\"percent\": 99}, \"empty\": \"\"}",
    });
    deliver(delivery(config.clone()).entity("inc-7", None)).unwrap();
    let body = fake.borrow().accepted[0].clone();
    assert_eq!(
        (&body["message"], &body["description"], &body["entity"]),
        (&json!("Disk full"), &json!("On db-1.\nCall Ada."), &json!("db-1"))
    );
    assert_eq!(body["details"], json!({"Postern delivery": "delivery-1", "runbook": "page 7", "usage": "{\"percent\":99}"}));
    deliver(delivery(config).event_type(UPDATED).entity("inc-7", None)).unwrap();
    assert_eq!(fake.borrow().alerts[0].notes, ["Still full.\n\nPostern delivery: delivery-1"]);
    let sent = host.requests().len();
    for bad in ["{", "[]", "7"] {
        let failure = deliver(delivery(json!({ "detailsTemplate": bad }))).unwrap_err();
        assert!(failure.retry == Retry::Never && failure.message.contains("detailsTemplate"), "{failure}");
    }
    assert_eq!(host.requests().len(), sent, "nothing of it was sent");
}

#[test]
fn what_is_endless_is_shortened_and_sent() {
    let (host, fake) = opsgenie();
    let mut payload = json!({"title": "🔥".repeat(1000), "description": "🔥\n".repeat(9000), "host": "h".repeat(1000), "url": format!("https://example.com/{}", "x".repeat(2000))});
    for number in 0..100 {
        payload[format!("{}{number}", "field".repeat(20))] = json!("🔥".repeat(500));
    }
    deliver(delivery(json!({})).payload(&payload).entity("inc-7", None)).unwrap();
    let long = "🔥".repeat(20_000);
    let config = json!({
        "messageTemplate": long, "descriptionTemplate": long, "entityTemplate": long, "noteTemplate": long, "tags": [long],
        "detailsTemplate": json!({"first": long, "second": "x"}).to_string(),
    });
    deliver(delivery(config.clone())).unwrap();
    deliver(delivery(config).event_type(UPDATED).entity("inc-7", None)).unwrap();
    let fake = fake.borrow();
    for body in &fake.accepted[..2] {
        for field in ["message", "description"] {
            assert!(body[field].as_str().unwrap().ends_with('…'), "{field}");
        }
        assert_eq!(body["details"]["…"], "more");
    }
    let note = fake.alerts[0].notes[0].as_str().unwrap();
    assert!(note.ends_with("…\n\nPostern delivery: delivery-1"));
    assert!(host.logs()[0].1.contains("left out"), "{:?}", host.logs());
}

#[test]
fn nothing_in_a_payload_becomes_html() {
    let (_host, fake) = opsgenie();
    let payload = json!({"title": "<b>Disk</b>", "description": "<a href='x'>", "host": "<i>", "<u>": "<s>"});
    deliver(delivery(json!({})).payload(&payload).entity("inc-7", None)).unwrap();
    deliver(delivery(json!({})).payload(&payload).event_type(UPDATED).entity("inc-7", None)).unwrap();
    let fake = fake.borrow();
    assert_eq!(fake.accepted[0]["message"], "Incident created: ‹b›Disk‹/b›");
    assert!(fake.accepted[1]["note"].as_str().unwrap().contains("‹a href='x'›"));
    for body in &fake.accepted {
        assert!(!body.to_string().contains(['<', '>']), "{body}");
    }
}

#[test]
fn what_was_accepted_may_be_worked_on_later() {
    let (host, fake) = opsgenie();
    fake.borrow_mut().questions = 1;
    assert_eq!(deliver(of_incident(CREATED)), id(ALERT), "the second question is answered");
    fake.borrow_mut().questions = 100;
    let (slow, fake) = (host, fake);
    assert_eq!(deliver(delivery(json!({}))), id("request:43a29c5c-3dbf-4fa4-9c26-000000000002"));
    assert_eq!(fake.borrow().alerts.len(), 2);
    assert!(slow.logs()[0].1.contains("not worked on yet"), "{:?}", slow.logs());

    let (host, fake) = opsgenie();
    fake.borrow_mut().rights.remove("read");
    assert_eq!(deliver(of_incident(CREATED)), id(REQUEST));
    assert!(host.logs()[0].1.contains("cannot be asked for"), "{:?}", host.logs());
    assert_eq!(host.requests().len(), 2, "it is not asked again");
    host.answer(202, &[], "<html>");
    assert_eq!(deliver(of_incident(CREATED)), Ok(Receipt::none()), "accepted, whatever the answer says");
    host.answer(202, &[], r#"{"requestId": "../../teams"}"#);
    assert_eq!(deliver(of_incident(CREATED)), Ok(Receipt::none()), "no path of the answer's is followed");
    assert_eq!(host.requests().len(), 4);
}

#[test]
fn an_alert_that_was_accepted_but_not_created_is_a_failure() {
    let (_host, fake) = opsgenie();
    fake.borrow_mut().rule = Some("Alert message cannot be empty");
    let failure = deliver(of_incident(CREATED)).unwrap_err();
    assert_eq!(failure.retry, Retry::Never);
    assert_eq!(
        failure.message,
        "Opsgenie accepted the alert but did not create it: Alert message cannot be empty; check the integration's rules"
    );
}

#[test]
fn a_note_for_no_alert_creates_one() {
    let (host, fake) = opsgenie();
    assert_eq!(deliver(of_incident(UPDATED)), id(ALERT), "it was never there");
    assert!(host.logs()[0].1.contains("creating an alert"), "{:?}", host.logs());
    assert_eq!(fake.borrow().alerts[0].body["message"], "Incident updated: Disk full");

    // The first delivery's answer came before the rule's refusal.
    let (host, fake) = opsgenie();
    fake.borrow_mut().rule = Some("refused");
    fake.borrow_mut().questions = 2;
    assert_eq!(deliver(of_incident(CREATED)), id(REQUEST));
    fake.borrow_mut().rule = None;
    fake.borrow_mut().questions = 0;
    let later = |event_type| delivery(json!({})).event_type(event_type).entity("inc-7", Some(REQUEST));
    assert_eq!(deliver(later(UPDATED)), id(ALERT));
    assert!(host.logs().last().unwrap().1.contains("not created: refused"), "{:?}", host.logs());
    assert_eq!(fake.borrow().alerts[0].notes.len(), 0);

    let (host, fake) = opsgenie();
    host.answer(404, &[], r#"{"message": "Alert does not exist"}"#);
    assert_eq!(deliver(of_incident(UPDATED)), id(ALERT), "refused at once");
    assert_eq!(fake.borrow().alerts.len(), 1);
    fake.borrow_mut().questions = 100;
    assert!(deliver(later(UPDATED)).is_ok());
    assert_eq!(host.requests().len(), 7, "with all the questions");
}

#[test]
fn what_is_not_open_needs_no_closing() {
    let (host, fake) = opsgenie();
    for event_type in [RESOLVED, ACKNOWLEDGED] {
        assert_eq!(deliver(of_incident(event_type)), Ok(Receipt::none()));
    }
    deliver(of_incident(CREATED)).unwrap();
    deliver(of_incident(RESOLVED)).unwrap();
    assert_eq!(deliver(of_incident(RESOLVED)), Ok(Receipt::none()));
    assert_eq!(fake.borrow().alerts.len(), 1);
    let lines: Vec<_> = host.logs().into_iter().map(|(_, line)| line).collect();
    assert_eq!(
        lines,
        [
            "nothing was changed: Alert does not exist",
            "nothing was changed: Alert does not exist",
            "nothing was changed: There is no open alert with alias [inc-7]."
        ]
    );
}

#[test]
fn an_administrator_is_told_what_to_do() {
    let (host, fake) = opsgenie();
    let stranger = deliver(TestDelivery::new(json!({})).connection(json!({"apiKey": "other"}))).unwrap_err();
    assert_eq!(stranger.retry, Retry::Never);
    assert!(stranger.message.contains("Could not authenticate; the key is unknown"), "{stranger}");
    fake.borrow_mut().rights.remove("write");
    let forbidden = deliver(delivery(json!({}))).unwrap_err();
    assert!(forbidden.retry == Retry::Never && forbidden.message.contains("integration of the type \"API\""), "{forbidden}");
    host.answer(402, &[], r#"{"message": "Your plan does not allow this"}"#);
    assert!(deliver(delivery(json!({}))).unwrap_err().message.contains("the account's plan"));
    host.answer(422, &[], r#"{"message": "Request body is not processable. Please check the errors.", "errors": {"priority": "should be one of [ P1, P2 ]", "tags": [1]}}"#);
    assert_eq!(
        deliver(delivery(json!({}))),
        Err(Failure::never("the target answered HTTP 422: priority: should be one of [ P1, P2 ]; tags: [1]"))
    );
    let alone = deliver(TestDelivery::new(json!({}))).unwrap_err();
    assert!(alone.message.contains("no connection"), "{alone}");
}

#[test]
fn what_may_go_better_later_is_tried_again() {
    let (host, fake) = opsgenie();
    fake.borrow_mut().left = 0;
    let busy = deliver(delivery(json!({}))).unwrap_err();
    assert_eq!(busy.retry, Retry::After(Duration::from_secs(60)));
    assert!(busy.message.contains("You are making too many requests!"), "{busy}");
    host.answer(429, &[("X-RateLimit-Period-In-Sec", "soon")], "");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::Backoff);
    host.answer(429, &[("X-RateLimit-Period-In-Sec", "1"), ("Retry-After", "5")], "");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::After(Duration::from_secs(5)));
    host.answer(503, &[("X-RateLimit-Period-In-Sec", "60")], "");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::Backoff);
    host.fail(ErrorKind::Timeout, "too slow");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::backoff("too slow")));
    host.fail(ErrorKind::Denied, "not granted");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::never("not granted")));
    fake.borrow_mut().left = 1;
    assert_eq!(deliver(delivery(json!({}))), id(REQUEST), "no trouble in asking fails what was accepted");
    assert_eq!(fake.borrow().alerts.len(), 1);
}

#[test]
fn an_effect_whose_answer_was_lost_is_found() {
    let (host, fake) = opsgenie();
    assert_eq!(find(of_incident(CREATED)), Ok(None), "nothing was created yet");
    deliver(of_incident(CREATED)).unwrap();
    assert_eq!(find(of_incident(CREATED)), Ok(Some(Receipt::with_external_id(ALERT))));
    assert_eq!(find(of_incident(CREATED).id("delivery-2")), Ok(None), "another event of the same alert");
    assert_eq!(find(of_incident(UPDATED).id("delivery-2")), Ok(None));
    deliver(of_incident(UPDATED).id("delivery-2")).unwrap();
    assert_eq!(find(of_incident(UPDATED).id("delivery-2")), Ok(Some(Receipt::none())));
    assert_eq!(find(of_incident(UPDATED).id("delivery-")), Ok(None), "the whole id counts");
    let sent = host.requests().len();
    assert_eq!(find(of_incident(RESOLVED)), Ok(None), "closing twice does no harm");
    assert_eq!(find(of_incident(CREATED).connection(connection("jira-service-management"))), Ok(None));
    assert_eq!(host.requests().len(), sent);

    fake.borrow_mut().rights.remove("read");
    assert_eq!(find(of_incident(CREATED)), Ok(None));
    assert!(host.logs().last().unwrap().1.contains("cannot be looked for"), "{:?}", host.logs());
    host.answer(500, &[], "");
    assert_eq!(find(of_incident(CREATED)).unwrap_err().retry, Retry::Backoff);
}

#[test]
fn a_note_that_became_an_alert_is_found_too() {
    let (_host, _fake) = opsgenie();
    deliver(of_incident(UPDATED)).unwrap();
    assert_eq!(find(of_incident(UPDATED)), Ok(Some(Receipt::with_external_id(ALERT))));
}

#[test]
fn a_trial_is_marked_and_changes_no_real_alert() {
    let (_host, fake) = opsgenie();
    deliver(of_incident(CREATED)).unwrap();
    deliver(of_incident(RESOLVED).test(true)).unwrap();
    assert!(fake.borrow().alerts[0].open);
    deliver(delivery(json!({})).test(true)).unwrap();
    deliver(delivery(json!({})).event_type(RESOLVED).test(true)).unwrap();
    deliver(delivery(json!({"messageTemplate": "Disk full"})).test(true)).unwrap();
    let fake = fake.borrow();
    let alerts: Vec<_> = fake.alerts[1..]
        .iter()
        .map(|alert| (alert.alias.as_str(), alert.body["message"].as_str().unwrap(), alert.open))
        .collect();
    assert_eq!(
        alerts,
        [("test-delivery-1", "[Test] Incident created: Disk full", false), ("test-delivery-1", "[Test] Disk full", true)]
    );
}

#[test]
fn settings_are_tried_without_an_alert() {
    let (host, fake) = opsgenie();
    let try_out = |connection: Value| testing::test_connection::<Opsgenie>(&json!({}), Some(&connection));
    assert!(try_out(connection("opsgenie")).unwrap().starts_with("Opsgenie takes changes of alerts with this key"));
    assert!(try_out(connection("jira-service-management")).unwrap().starts_with("Jira Service Management takes"));
    assert!(fake.borrow().alerts.is_empty());
    host.answer(404, &[], "{}");
    assert!(try_out(connection("opsgenie-eu")).is_ok());
    assert!(try_out(json!({"apiKey": "other"})).unwrap_err().message.contains("check the key"));
    fake.borrow_mut().rights.remove("write");
    assert!(try_out(connection("opsgenie")).unwrap_err().message.contains("not allowed"));
}

#[test]
fn responders_fill_drop_downs() {
    let (host, fake) = opsgenie();
    let list = |name: &str, query| testing::list_options::<Opsgenie>(name, &json!({}), Some(&json!({ "apiKey": KEY })), query);
    let teams = list("teams", None).unwrap();
    assert_eq!((teams[0].value.as_str(), teams[0].label.as_str()), ("90098alp-f0e3-41d3-a060-0ea895027630", "Payments"));
    assert_eq!((teams[0].description.as_deref(), teams[1].description.as_deref()), (Some("Money"), None));
    assert_eq!(list("teams", Some("NET")).unwrap().len(), 1);
    assert_eq!(list("schedules", None).unwrap()[0].label, "Payments_schedule");
    assert_eq!(list("escalations", None).unwrap()[0].description.as_deref(), Some("Wakes everybody"));
    let users = list("users", Some("user 1")).unwrap();
    assert_eq!((users[0].value.as_str(), users[0].label.as_str(), users.len()), ("user1@example.com", "User 1", 1));

    fake.borrow_mut().users = 250;
    assert_eq!(list("users", None).unwrap().len(), 250);
    fake.borrow_mut().users = 2000;
    let before = host.requests().len();
    assert_eq!(list("users", None).unwrap().len(), 800);
    assert_eq!(host.requests().len() - before, 8, "a call may make eight requests");
    assert!(host.logs().last().unwrap().1.contains("more users"), "{:?}", host.logs());

    fake.borrow_mut().rights.remove("configuration");
    assert!(list("teams", None).unwrap_err().message.contains("access to configurations"));
    assert!(list("channels", None).is_err());
    let successor = connection("jira-service-management");
    let failure = testing::list_options::<Opsgenie>("teams", &json!({}), Some(&successor), None).unwrap_err();
    assert!(failure.message.contains("enter their IDs"), "{failure}");
}
