//! The schemas refuse what could not be delivered, when it is saved.

use postern_provider::testing::{self, assert_described, schemas};
use postern_provider_github_issues::GithubIssues;
use serde_json::{Value, json};

fn valid(schema: &Value, settings: &Value) -> bool {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap().is_valid(settings)
}

fn config(more: Value) -> bool {
    let mut settings = json!({ "repository": "acme/ops" });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    valid(&schemas::<GithubIssues>().0, &settings)
}

#[test]
fn a_connection_is_an_api_and_a_token() {
    let connection = |settings: Value| valid(&schemas::<GithubIssues>().1, &settings);
    assert!(connection(json!({"token": "github_pat_11ABC"})), "github.com is the default");
    assert!(!connection(json!({})));
    for token in ["", "two words", "a\nb"] {
        assert!(!connection(json!({ "token": token })), "{token}");
    }
    let api = |url: &str| connection(json!({"apiUrl": url, "token": "github_pat_11ABC"}));
    for url in [
        "https://api.github.com",
        "https://api.github.com/",
        "https://api.octocorp.ghe.com",
        "https://github.example.com/api/v3",
        "http://10.1.2.3:8080/api/v3/",
    ] {
        assert!(api(url), "{url}");
    }
    for url in [
        "",
        "api.github.com",
        "https://github.com",
        "http://api.github.com",
        "https://api.github.com.evil.example",
        "https://api.github.com@evil.example/api/v3",
        "https://octocorp.ghe.com",
        "https://github.example.com",
        "https://github.example.com/api/v3?x=1",
        "https://github.example.com/api/graphql",
    ] {
        assert!(!api(url), "{url}");
    }
    assert!(!connection(json!({"token": "github_pat_11ABC", "repository": "acme/ops"})));
}

#[test]
fn a_subscription_names_its_repository() {
    let repository = |name: &str| config(json!({ "repository": name }));
    for name in ["acme/ops", "octo_acme/.github", "a-b/c.d-e_f"] {
        assert!(repository(name), "{name}");
    }
    for name in
        ["", "ops", "acme/", "/ops", "acme/ops/x", "acme/..", "acme/.", "ac.me/ops", "acme/a b", "https://github.com/acme/ops"]
    {
        assert!(!repository(name), "{name}");
    }
    assert!(!valid(&schemas::<GithubIssues>().0, &json!({})));
    assert!(config(json!({"labels": ["incident", "kind: bug"], "milestone": "3", "assignees": ["ada", "octo_acme"]})));
    assert!(config(
        json!({"laterEvents": "update", "whenResolved": "notPlanned", "whenReopened": "reopen", "titleTemplate": "x"})
    ));
    for bad in [
        json!({"labels": "incident"}),
        json!({"labels": [""]}),
        json!({"labels": ["x".repeat(51)]}),
        json!({"labels": vec!["x"; 21]}),
        json!({"milestone": "v1"}),
        json!({"milestone": 3}),
        json!({"milestone": "0"}),
        json!({"assignees": ["@ada"]}),
        json!({"assignees": vec!["ada"; 11]}),
        json!({"laterEvents": "shout"}),
        json!({"whenResolved": "not_planned"}),
        json!({"whenReopened": "maybe"}),
        json!({"repo": "acme/ops"}),
    ] {
        assert!(!config(bad.clone()), "{bad}");
    }
}

#[test]
fn the_schemas_say_what_a_form_and_the_host_need() {
    let (config, connection) = schemas::<GithubIssues>();
    for schema in [&config, &connection] {
        assert_described(schema);
    }
    let field = |name: &str| &connection["properties"][name];
    assert_eq!((&field("apiUrl")["default"], &field("apiUrl")["format"]), (&json!("https://api.github.com"), &json!("uri")));
    assert_eq!(field("token")["writeOnly"], true);
    let field = |name: &str| &config["properties"][name];
    assert_eq!(
        (&field("repository")["x-options"], &field("milestone")["x-options"]),
        (&json!("repositories"), &json!("milestones"))
    );
    assert_eq!(field("labels")["items"]["x-options"], "labels");
    assert_eq!(field("assignees")["items"]["x-options"], "assignees");
    for (name, escaping) in [("titleTemplate", "text"), ("bodyTemplate", "markdown"), ("commentTemplate", "markdown")] {
        assert_eq!(field(name)["x-template"], escaping, "{name}");
    }
    assert_eq!(field("laterEvents")["enum"], json!(["comment", "update", "nothing"]));
    assert_eq!((&field("whenResolved")["default"], &field("whenReopened")["default"]), (&json!("completed"), &json!("new")));
}

#[test]
fn the_manifest_asks_for_the_api_and_nothing_more() {
    let description = testing::describe::<GithubIssues>();
    assert_eq!(description.manifest.hosts, ["{connection.apiUrl}"]);
    assert!(description.test_connection && description.list_options && description.reconcile && !description.migrate_config);
    let example: Value = serde_json::from_str(description.manifest.example_payload.unwrap()).unwrap();
    assert!(example["title"] == "Incident created: Disk full" && example["body"].as_str().unwrap().ends_with(" -->"));
}
