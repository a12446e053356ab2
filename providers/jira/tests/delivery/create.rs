//! New issues.

use super::{config, connection, deliver, delivery, jira, made, plain};
use postern_provider::testing::{TestDelivery, assert_goldens, header, json_body, seed_events};
use postern_provider::{Receipt, Retry};
use serde_json::{Value, json};

#[test]
fn every_seed_event_becomes_the_issue_that_its_golden_says() {
    let bodies = seed_events().into_iter().map(|event| {
        let (host, _fake) = jira();
        let delivery = event.delivery(config(json!({}))).connection(connection()).entity(event.entity_key, None);
        // What ends an entity that has no issue makes none; without an entity it does.
        let delivery = if event.name.contains("resolved") || event.name.ends_with("healthy") || event.name.ends_with("closed") {
            event.delivery(config(json!({}))).connection(connection())
        } else {
            delivery
        };
        assert_eq!(deliver(delivery), made("OPS-1"), "{}", event.name);
        let request = host.requests().pop().unwrap();
        assert!(request.url.ends_with("/rest/api/3/issue"));
        (event.name.to_owned(), json_body(&request))
    });
    assert_goldens(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"), bodies);
}

#[test]
fn the_request_is_what_the_api_asks_for() {
    let (host, fake) = jira();
    let more = json!({"priority": "1", "assignee": "5b10a"});
    assert_eq!(deliver(delivery(more)), made("OPS-1"));
    let [request] = host.requests().try_into().unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://acme.atlassian.net/rest/api/3/issue"));
    assert_eq!(header(&request, "Authorization"), Some("Basic bWlhQGV4YW1wbGUuY29tOnNlYWxlZC10b2tlbg=="));
    assert_eq!(header(&request, "Content-Type"), Some("application/json"));
    let issue = fake.borrow().issues[0].clone();
    assert_eq!((&issue.fields["project"], &issue.fields["issuetype"]), (&json!({"key": "OPS"}), &json!({"id": "10004"})));
    assert_eq!((&issue.fields["priority"], &issue.fields["assignee"]), (&json!({"id": "1"}), &json!({"accountId": "5b10a"})));
    assert_eq!(issue.properties, json!({"postern.delivery": {"id": "delivery-1"}}));
}

#[test]
fn a_site_may_be_written_with_a_slash_and_lie_behind_the_gateway() {
    let (host, _fake) = jira();
    let at = |site: &str| {
        host.answer(201, &[], r#"{"id": "1", "key": "OPS-1"}"#);
        let connection = json!({"siteUrl": site, "email": "mia@example.com", "apiToken": "sealed-token"});
        deliver(TestDelivery::new(config(json!({"project": "10000"}))).connection(connection)).unwrap();
        host.requests().pop().unwrap()
    };
    assert_eq!(at("https://acme.atlassian.net/").url, "https://acme.atlassian.net/rest/api/3/issue");
    let request = at("https://api.atlassian.com/ex/jira/11223344-a1b2-3b33-c444-def123456789");
    assert_eq!(request.url, "https://api.atlassian.com/ex/jira/11223344-a1b2-3b33-c444-def123456789/rest/api/3/issue");
    assert_eq!(json_body(&request)["fields"]["project"], json!({"id": "10000"}), "a project by its number");
}

#[test]
fn templates_replace_the_usual_texts() {
    let (_host, fake) = jira();
    let more =
        json!({"summaryTemplate": "Disk\nfull", "descriptionTemplate": "# Disk full\n\nSee **db-1**.", "commentTemplate": " "});
    deliver(delivery(more)).unwrap();
    let issue = fake.borrow().issues[0].clone();
    assert_eq!(issue.fields["summary"], "Disk full", "on one line");
    let content = &issue.fields["description"]["content"];
    assert_eq!((&content[0]["type"], &content[0]["attrs"]), (&json!("heading"), &json!({"level": 1})));
    assert_eq!(content[1]["content"][1], json!({"type": "text", "text": "db-1", "marks": [{"type": "strong"}]}));
}

#[test]
fn what_is_endless_is_shortened_and_made() {
    let (_host, fake) = jira();
    let mut payload =
        json!({"title": "ä".repeat(1000), "description": "[~mia] *🔥*\n".repeat(2000), "url": "https://example.com/?a=1&b=2"});
    for number in 0..100 {
        payload[format!("field{number}")] = json!("{panel}".repeat(500));
    }
    assert_eq!(deliver(delivery(json!({})).payload(&payload)), made("OPS-1"));
    let usual = fake.borrow().issues[0].clone();
    assert!(usual.fields["summary"].as_str().unwrap().ends_with('…'));
    let link = usual.fields["description"]["content"].as_array().unwrap().last().unwrap()["content"][1].clone();
    assert_eq!(link["marks"][1]["attrs"]["href"], "https://example.com/?a=1&b=2");

    let templates = json!({"summaryTemplate": "🔥".repeat(300), "descriptionTemplate": "- *ä🔥*, `x`\n".repeat(10_000)});
    assert_eq!(deliver(delivery(templates)), made("OPS-2"));
    let issue = fake.borrow().issues[1].clone();
    assert_eq!(issue.fields["summary"].as_str().unwrap(), format!("{}…", "🔥".repeat(127)), "255 as Java counts them");
    assert!(plain(&issue.fields["description"]).ends_with('…'));
}

#[test]
fn nothing_in_a_payload_is_more_than_text() {
    let (_host, fake) = jira();
    let payload = json!({"title": "[~accountid:5b10a]", "description": "[x](https://evil.example) **b** @mia", "url": "javascript:alert(1)"});
    deliver(delivery(json!({})).payload(&payload)).unwrap();
    let description = fake.borrow().issues[0].fields["description"].clone();
    assert_eq!(description["content"][0]["content"], json!([{"type": "text", "text": "[x](https://evil.example) **b** @mia"}]));
    assert!(!description.to_string().contains("\"link\""), "{description}");
}

#[test]
fn mapped_fields_have_the_types_of_the_create_screen() {
    let (host, fake) = jira();
    let mapping = |field: &str, value: &str| json!({"field": field, "value": value});
    let fields = json!([
        mapping("priority", "highest"),
        mapping("labels", "on call, db"),
        mapping("duedate", "2026-01-02T03:04:05.000Z"),
        mapping("environment", "*eu-1*"),
        mapping("components", "database,30002"),
        mapping("customfield_10010", "ACME"),
        mapping("customfield_10011", "- first\n- second"),
        mapping("customfield_10012", "3"),
        mapping("customfield_10013", "gold"),
        mapping("customfield_10014", "[\"Gold\", \"Silver\"]"),
        mapping("customfield_10015", "EU > Berlin"),
        mapping("customfield_10016", "5b10a"),
        mapping("customfield_10017", "5b10a, 6c22b"),
        mapping("customfield_10018", "2026-01-02T03:04:05Z"),
        mapping("assignee", " "),
    ]);
    // A map of two pages.
    fake.borrow_mut().page = 10;
    assert_eq!(deliver(delivery(json!({"fields": fields, "priority": "3"}))), made("OPS-1"));
    assert_eq!(host.requests().len(), 3);
    let made = fake.borrow().issues[0].fields.clone();
    let expected = json!({
        "priority": {"id": "1"},
        "duedate": "2026-01-02",
        "components": [{"id": "30001"}, {"id": "30002"}],
        "customfield_10010": "ACME",
        "customfield_10012": 3,
        "customfield_10013": {"id": "20001"},
        "customfield_10014": [{"id": "20001"}, {"id": "20002"}],
        "customfield_10015": {"id": "20010", "child": {"id": "20011"}},
        "customfield_10016": {"accountId": "5b10a"},
        "customfield_10017": [{"accountId": "5b10a"}, {"accountId": "6c22b"}],
        "customfield_10018": "2026-01-02T03:04:05.000+0000",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&made[field], value, "{field}");
    }
    assert_eq!(made["customfield_10011"]["content"][0]["type"], "bulletList");
    assert_eq!(made["labels"].as_array().unwrap()[..2], [json!("on_call"), json!("db")]);
    assert!(made["labels"][2].as_str().unwrap().starts_with("postern-"));
    assert!(!made.contains_key("assignee"), "an empty value leaves the field out");
}

#[test]
fn a_field_that_says_its_type_costs_no_request() {
    let (host, fake) = jira();
    let fields = json!([{"field": "customfield_10012", "type": "number", "value": "2.5"}, {"field": "customfield_10013", "type": "option", "value": "Gold"}]);
    deliver(delivery(json!({"fields": fields}))).unwrap();
    assert_eq!(host.requests().len(), 1);
    assert_eq!(fake.borrow().issues[0].fields["customfield_10013"], json!({"value": "Gold"}));
}

#[test]
fn a_value_that_does_not_fit_is_told_before_anything_is_made() {
    let (_host, fake) = jira();
    let failing = |fields: Value| deliver(delivery(json!({"fields": fields}))).unwrap_err();
    for (fields, expected) in [
        (json!([{"field": "customfield_10012", "value": "many"}]), "`customfield_10012`: it wants a number, and got `many`"),
        (json!([{"field": "customfield_10013", "value": "Bronze"}]), "it wants one of Gold, Silver, and got `Bronze`"),
        (json!([{"field": "customfield_10099", "value": "x"}]), "not on the create screen of this issue type in OPS"),
        (json!([{"field": "attachment", "value": "x"}]), "Attachment cannot be set from here"),
        (json!([{"field": "duedate", "value": "1"}, {"field": "duedate", "value": "2"}]), "mapped twice"),
    ] {
        let failure = failing(fields);
        assert!(failure.retry == Retry::Never && failure.message.contains(expected), "{failure}");
    }
    assert_eq!(fake.borrow().made, 0, "a failed create would use up a number");
}

#[test]
fn a_trial_is_marked_and_leaves_the_entity_alone() {
    let (_host, fake) = jira();
    deliver(delivery(json!({})).entity("inc-7", None)).unwrap();
    let trial = |more| delivery(more).id("delivery-2").test(true).entity("inc-7", Some("OPS-1"));
    assert_eq!(deliver(trial(json!({"summaryTemplate": "Disk full"}))), Ok(Receipt::none()), "the entity's issue stays OPS-1");
    let issues = fake.borrow().issues.clone();
    assert_eq!(issues[1].fields["summary"], "[Test] Disk full");
    assert!(issues[0].comments.is_empty());
    assert_ne!(issues[0].fields["labels"], issues[1].fields["labels"]);
    assert_eq!(deliver(trial(json!({})).attempt(2)), Ok(Receipt::none()), "one that came through late likewise");
    assert_eq!(fake.borrow().issues.len(), 2);
    deliver(trial(json!({})).id("delivery-3")).unwrap();
    assert_eq!(fake.borrow().issues[2].fields["summary"], "[Test] Incident created: Disk full");
}
