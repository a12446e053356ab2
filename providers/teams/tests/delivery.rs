//! What a workflow gets, and what the provider makes of its answers.

mod fake;

use fake::{Answer, WEBHOOK, Workflow};
use postern_provider::http::ErrorKind;
use postern_provider::testing::{self, Host, TestDelivery, assert_goldens, json_body, seed_events};
use postern_provider::{Failure, Receipt, Retry};
use postern_provider_teams::Teams;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

fn teams() -> (Host, Rc<RefCell<Workflow>>) {
    let host = Host::new();
    let workflow = host.serve(Workflow::new());
    (host, workflow)
}

fn connection() -> Value {
    json!({"webhookUrl": WEBHOOK})
}

fn delivery(config: Value) -> TestDelivery {
    TestDelivery::new(config).connection(connection())
}

fn deliver(delivery: TestDelivery) -> Result<Receipt, Failure> {
    testing::deliver::<Teams>(delivery)
}

/// The one card that a delivery leaves in the channel.
fn posted(delivery: TestDelivery) -> Value {
    let (_host, workflow) = teams();
    assert_eq!(deliver(delivery), Ok(Receipt::none()));
    assert_eq!(workflow.borrow().failed_runs, Vec::<String>::new());
    assert_eq!(workflow.borrow().cards.len(), 1);
    workflow.borrow().cards[0].clone()
}

/// The failure that a workflow's answer means.
fn failing(answer: Answer) -> Failure {
    let (_host, workflow) = teams();
    workflow.borrow_mut().answer = answer;
    deliver(delivery(json!({}))).unwrap_err()
}

/// Every text of a card's `TextRun`s.
fn runs(card: &Value) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) if fields.get("type").is_some_and(|kind| kind == "TextRun") => {
                found.push(fields["text"].as_str().unwrap().to_owned());
            }
            Value::Object(fields) => fields.values().for_each(|value| collect(value, found)),
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(card, &mut found);
    found
}

#[test]
fn every_seed_event_is_posted_as_its_golden_says() {
    let bodies = seed_events().into_iter().map(|event| {
        let (host, workflow) = teams();
        assert_eq!(deliver(event.delivery(json!({})).connection(connection())), Ok(Receipt::none()), "{}", event.name);
        assert_eq!((workflow.borrow().failed_runs.clone(), workflow.borrow().cards.len()), (Vec::new(), 1), "{}", event.name);
        (event.name.to_owned(), json_body(&host.requests()[0]))
    });
    assert_goldens(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"), bodies);
}

#[test]
fn the_request_goes_to_the_whole_url_and_nowhere_else() {
    let (host, _workflow) = teams();
    deliver(delivery(json!({})).entity("inc-7", Some("something of another provider"))).unwrap();
    let requests = host.requests();
    assert_eq!((requests.len(), requests[0].url.as_str()), (1, WEBHOOK));
}

#[test]
fn nothing_of_a_payload_stands_where_markdown_is_read() {
    let payload = json!({
        "title": "**Bold** <at>everyone</at>",
        "description": "[click](https://evil.example)\n\n- one\r\n_two_",
        "link": "https://status.example.com/inc-7?a=1&b=2",
        "[label](x)": "~value~"
    });
    let card = posted(delivery(json!({})).payload(&payload));
    let text = card.to_string();
    assert!(!text.contains("\"TextBlock\"") && !text.contains("FactSet") && !text.contains("entities"), "{text}");
    let runs = runs(&card);
    assert_eq!(runs[0], "🔵 Incident created: **Bold** <at>everyone</at>", "as it is");
    assert_eq!(runs[1..4], ["[click](https://evil.example)", "- one", "_two_"]);
    assert_eq!(
        card["actions"],
        json!([{"type": "Action.OpenUrl", "title": "Open", "url": "https://status.example.com/inc-7?a=1&b=2"}])
    );
}

#[test]
fn severity_and_phase_colour_the_headline() {
    let style = |event_type: &str, severity: &str| {
        let payload = json!({"title": "Disk full", "severity": severity});
        posted(delivery(json!({})).event_type(event_type).payload(payload))["body"][0]["style"].clone()
    };
    let created = "incident.incident.created";
    assert_eq!(style(created, "critical"), "attention");
    assert_eq!(style(created, "major"), "attention");
    assert_eq!(style(created, "minor"), "warning");
    assert_eq!(style(created, "low"), "accent");
    assert_eq!(style("incident.incident.resolved", "critical"), "good");
}

#[test]
fn what_is_endless_is_shortened_until_it_fits() {
    for text in ["x", "ä", "漢", "🔥", "\"\\", "\u{1}a"] {
        let long = |times: usize| text.repeat(times);
        let mut payload = json!({"title": long(1000), "description": format!("{}\n", long(50)).repeat(200)});
        for number in 0..100 {
            payload[format!("field{number}")] = json!(long(500));
        }
        let card = posted(delivery(json!({})).payload(&payload));
        let runs = runs(&card);
        assert!(runs[0].ends_with('…'), "{}", runs[0]);
        assert!(runs.iter().filter(|run| run.ends_with('…')).count() > 20, "{text}");
    }
    let lines = json!({"title": "x", "description": "line\n".repeat(100)});
    let card = posted(delivery(json!({})).payload(&lines));
    assert_eq!(runs(&card)[1..32].iter().filter(|run| *run == "line").count(), 30);
    assert_eq!(runs(&card)[31], "…", "the lines that are left out");
}

#[test]
fn templates_replace_the_usual_card() {
    let card = posted(delivery(json!({"messageTemplate": "**Disk full** on db\\-1", "cardTemplate": " "})));
    assert_eq!(card["body"], json!([{"type": "TextBlock", "text": "**Disk full** on db-1", "wrap": true}]));
    let card = posted(delivery(json!({"messageTemplate": "漢".repeat(50_000)})));
    assert!(card["body"][0]["text"].as_str().unwrap().ends_with('…'));

    let own = json!({"type": "AdaptiveCard", "version": "1.5", "body": [
        {"type": "TextBlock", "text": "x".repeat(100_000)},
        {"type": "FactSet", "facts": [{"title": "Systems", "value": "y".repeat(50_000)}]}
    ], "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": "https://example.com/a"}]});
    let card = posted(delivery(json!({"cardTemplate": own.to_string()})));
    assert!(card["body"][0]["text"].as_str().unwrap().ends_with('…'));
    assert!(card["body"][1]["facts"][0]["value"].as_str().unwrap().ends_with('…'));
    assert_eq!(card["actions"], own["actions"]);

    let (host, _workflow) = teams();
    let endless = json!({"type": "AdaptiveCard", "body": vec![json!({"type": "TextBlock", "text": "x"}); 2000]}).to_string();
    for bad in ["{", "[]", "7", "{\"type\": \"message\", \"attachments\": []}", &endless] {
        let failure = deliver(delivery(json!({"cardTemplate": bad}))).unwrap_err();
        assert!(failure.retry == Retry::Never && failure.message.contains("cardTemplate made"), "{failure}");
    }
    assert_eq!(host.requests().len(), 0, "nothing of it was sent");
}

#[test]
fn an_answer_of_2xx_is_a_success_with_or_without_a_body() {
    for body in ["", "1", "OK", "{\"status\": \"posted\"}", "{\"error\": null}", "\u{feff}<html>"] {
        let (_host, workflow) = teams();
        workflow.borrow_mut().answer = Answer::Own(200, body);
        assert_eq!(deliver(delivery(json!({}))), Ok(Receipt::none()), "{body}");
    }
}

#[test]
fn errors_in_an_answer_of_200_are_errors() {
    let told = |body| failing(Answer::Own(200, body));
    let limited = told(
        "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId tcid=0,server=PSA.",
    );
    assert_eq!(limited.retry, Retry::Backoff);
    assert!(limited.message.contains("too many messages") && limited.message.contains("tcid=0"), "{limited}");
    assert_eq!(told("Microsoft Teams endpoint returned HTTP error 503").retry, Retry::Backoff);
    let large =
        told("Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413 with ContextId x");
    assert!(large.retry == Retry::Never && large.message.contains("too large"), "{large}");
    assert_eq!(
        told("Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 400").retry,
        Retry::Never
    );
    assert_eq!(told(r#"{"error": {"code": "TooManyRequests", "message": "Slow down"}}"#).retry, Retry::Backoff);
    assert_eq!(told(r#"{"error": {"code": 502, "message": "Bad gateway"}}"#).retry, Retry::Backoff);
    let odd = told(r#"{"error": {"code": "BotNotInConversationRoster", "message": "The bot is\nnot there"}}"#);
    assert_eq!(odd, Failure::never("the workflow failed: BotNotInConversationRoster: The bot is not there"));

    let host = Host::new();
    host.answer(200, &[("Retry-After", "7")], "Microsoft Teams endpoint returned HTTP error 429");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::After(Duration::from_secs(7)));
}

#[test]
fn too_many_requests_are_tried_again_when_the_workflow_says() {
    let failure = failing(Answer::Throttled(Some("30")));
    assert_eq!(failure.retry, Retry::After(Duration::from_secs(30)));
    assert!(failure.message.contains("TooManyRequests: Rate limit is exceeded."), "{failure}");
    assert_eq!(failing(Answer::Throttled(None)).retry, Retry::Backoff);
}

#[test]
fn an_administrator_is_told_what_to_do() {
    let (_host, workflow) = teams();
    let failure = |url: &str| deliver(TestDelivery::new(json!({})).connection(json!({"webhookUrl": url}))).unwrap_err();
    let permanent = |url: &str| {
        let failure = failure(url);
        assert_eq!(failure.retry, Retry::Never, "{failure}");
        assert!(!failure.message.contains("sealed-signature"), "the URL is a secret: {failure}");
        failure.message
    };
    assert!(permanent(WEBHOOK.split("&sig=").next().unwrap()).contains("\"Anyone\""));
    assert!(permanent(&WEBHOOK.replace("sealed-signature", "other")).contains("copy it again into the connection"));
    assert!(permanent(WEBHOOK.split('?').next().unwrap()).contains("everything behind the `?`"));
    workflow.borrow_mut().enabled = false;
    assert!(permanent(WEBHOOK).contains("the workflow is off or deleted"));
    workflow.borrow_mut().anyone = false;
    assert!(permanent(WEBHOOK).contains("Who can trigger the flow"));
    assert!(workflow.borrow().cards.is_empty());
    assert_eq!(deliver(TestDelivery::new(json!({}))).unwrap_err().retry, Retry::Never, "no connection");
}

#[test]
fn permanent_and_temporary_statuses_are_told_apart() {
    for status in [301, 400, 401, 403, 404, 410, 413] {
        assert_eq!(failing(Answer::Own(status, "")).retry, Retry::Never, "{status}");
    }
    for status in [408, 429, 500, 502, 503, 504] {
        assert_eq!(failing(Answer::Own(status, "<html>")).retry, Retry::Backoff, "{status}");
    }
    let (host, _workflow) = teams();
    host.fail(ErrorKind::Timeout, "too slow");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::backoff("too slow")));
    host.fail(ErrorKind::Denied, "not granted");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::never("not granted")));
}

#[test]
fn a_trial_is_marked() {
    let card = posted(delivery(json!({})).test(true));
    assert_eq!(runs(&card)[0], "🔵 [Test] Incident created: Disk full");
}

#[test]
fn settings_are_tried_with_a_card_that_says_so() {
    let (_host, workflow) = teams();
    let try_out = || testing::test_connection::<Teams>(&json!({}), Some(&connection()));
    assert!(try_out().unwrap().contains("look whether it stands in the channel"));
    assert_eq!(workflow.borrow().failed_runs, Vec::<String>::new());
    assert!(runs(&workflow.borrow().cards[0])[0].starts_with("Test:"));
    workflow.borrow_mut().enabled = false;
    assert!(try_out().unwrap_err().message.contains("WorkflowTriggerIsNotEnabled"));
}
