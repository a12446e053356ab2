//! The schemas refuse what could not be delivered, when it is saved.

use postern_provider::testing::{self, assert_described, schemas};
use postern_provider_jira::Jira;
use serde_json::{Value, json};

fn valid(schema: &Value, settings: &Value) -> bool {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap().is_valid(settings)
}

fn config(more: Value) -> bool {
    let mut settings = json!({"project": "OPS", "issueType": "10004"});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    valid(&schemas::<Jira>().0, &settings)
}

fn connection(site: &str, more: Value) -> bool {
    let mut settings = json!({"siteUrl": site, "email": "mia@example.com", "apiToken": "token"});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    valid(&schemas::<Jira>().1, &settings)
}

#[test]
fn a_site_is_atlassians_unless_the_connection_says_otherwise() {
    for site in [
        "https://acme.atlassian.net",
        "https://acme.atlassian.net/",
        "https://a-1.atlassian.net",
        "https://api.atlassian.com/ex/jira/11223344-a1b2-3b33-c444-def123456789",
    ] {
        assert!(connection(site, json!({})), "{site}");
    }
    for site in [
        "http://acme.atlassian.net",
        "https://acme.atlassian.net.evil.example",
        "https://acme.atlassian.net@evil.example",
        "https://evil.example/acme.atlassian.net",
        "https://a.b.atlassian.net",
        "https://acme.atlassian.net/jira",
        "https://api.atlassian.com",
        "https://acme.atlassian.net:8443",
        "acme.atlassian.net",
        "",
    ] {
        assert!(!connection(site, json!({})), "{site}");
    }
    assert!(connection("https://jira.internal.example:8443/proxy", json!({"otherAddress": true})));
    assert!(!connection("https://jira.internal.example", json!({"otherAddress": false})));
    for site in ["https://user@jira.example", "https://jira.example?x", "ftp://jira.example"] {
        assert!(!connection(site, json!({"otherAddress": true})), "{site}");
    }
}

#[test]
fn a_connection_has_an_account_and_its_token() {
    let site = "https://acme.atlassian.net";
    assert!(!valid(&schemas::<Jira>().1, &json!({"siteUrl": site, "email": "mia@example.com"})));
    assert!(!valid(&schemas::<Jira>().1, &json!({"siteUrl": site, "apiToken": "token"})));
    assert!(!connection(site, json!({"email": "mia"})));
    assert!(!connection(site, json!({"apiToken": ""})));
    assert!(!connection(site, json!({"token": "token"})));
}

#[test]
fn a_subscription_needs_a_project_and_an_issue_type() {
    assert!(config(json!({})));
    assert!(config(json!({"project": "10000"})));
    assert!(!valid(&schemas::<Jira>().0, &json!({"project": "OPS"})));
    assert!(!valid(&schemas::<Jira>().0, &json!({"issueType": "10004"})));
    for bad in [
        json!({"project": "ops"}),
        json!({"project": "OPS/../x"}),
        json!({"issueType": "Bug"}),
        json!({"priority": "High"}),
        json!({"assignee": "mia@example.com"}),
        json!({"laterEvents": "shout"}),
        json!({"whenResolved": ""}),
        json!({"proyect": "OPS"}),
    ] {
        assert!(!config(bad.clone()), "{bad}");
    }
    assert!(config(
        json!({"priority": "3", "assignee": "712020:5b10a-x", "laterEvents": "update", "whenResolved": "category:done"})
    ));
}

#[test]
fn a_mapping_names_a_field_that_no_other_setting_sets() {
    let mapping = |field: &str| json!({"fields": [{"field": field, "value": "x"}]});
    assert!(config(mapping("customfield_10010")) && config(mapping("duedate")));
    for field in ["project", "issuetype", "summary", "description", "", "customfield 10010", "a/b"] {
        assert!(!config(mapping(field)), "{field}");
    }
    assert!(!config(json!({"fields": [{"field": "duedate"}]})));
    assert!(!config(json!({"fields": [{"field": "duedate", "type": "colour", "value": "x"}]})));
    assert!(!config(json!({"fields": vec![json!({"field": "duedate", "value": "x"}); 51]})));
}

#[test]
fn the_schemas_say_what_a_form_and_the_host_need() {
    let (config, connection) = schemas::<Jira>();
    let mapping = &config["properties"]["fields"]["items"];
    for schema in [&config, &connection, mapping] {
        assert_described(schema);
    }
    let field = |name: &str| &connection["properties"][name];
    assert_eq!((&field("siteUrl")["format"], &field("email")["format"]), (&json!("uri"), &json!("email")));
    assert_eq!(field("apiToken")["writeOnly"], true);
    let field = |name: &str| &config["properties"][name];
    for (name, options) in [
        ("project", "projects"),
        ("issueType", "issueTypes"),
        ("priority", "priorities"),
        ("assignee", "assignees"),
        ("whenChanged", "statuses"),
        ("whenResolved", "statuses"),
        ("whenReopened", "statuses"),
    ] {
        assert_eq!(field(name)["x-options"], options, "{name}");
    }
    assert_eq!(mapping["properties"]["field"]["x-options"], "fields");
    assert_eq!(mapping["properties"]["value"]["x-template"], "text");
    assert_eq!(mapping["properties"]["type"]["enum"].as_array().unwrap().len(), 17);
    for (name, escaping) in [("summaryTemplate", "text"), ("descriptionTemplate", "markdown"), ("commentTemplate", "markdown")] {
        assert_eq!(field(name)["x-template"], escaping, "{name}");
    }
    assert_eq!((&field("laterEvents")["default"], &field("labelIssues")["default"]), (&json!("comment"), &json!(true)));
}

#[test]
fn the_manifest_asks_for_the_site_and_nothing_more() {
    let description = testing::describe::<Jira>();
    assert_eq!(description.manifest.hosts, ["{connection.siteUrl}"]);
    assert!(description.test_connection && description.list_options && description.reconcile && !description.migrate_config);
    let example: Value = serde_json::from_str(description.manifest.example_payload.unwrap()).unwrap();
    assert_eq!(example["fields"]["description"]["type"], "doc");
}
