//! The drop-downs.

use super::{connection, jira};
use postern_provider::testing;
use postern_provider::{Failure, OptionItem};
use postern_provider_jira::Jira;
use serde_json::{Value, json};

fn list(name: &str, chosen: &Value, query: Option<&str>) -> Result<Vec<OptionItem>, Failure> {
    testing::list_options::<Jira>(name, chosen, Some(&connection()), query)
}

fn values(items: &[OptionItem]) -> Vec<&str> {
    items.iter().map(|item| item.value.as_str()).collect()
}

fn item(value: &str, label: &str, description: &str) -> OptionItem {
    let description = Some(description.to_owned()).filter(|text| !text.is_empty());
    OptionItem { value: value.into(), label: label.into(), description }
}

#[test]
fn projects_come_page_by_page_and_are_searched() {
    let (host, fake) = jira();
    assert_eq!(list("projects", &json!({}), None).unwrap(), [item("OPS", "Operations (OPS)", "")]);
    fake.borrow_mut().projects = 120;
    assert_eq!(list("projects", &json!({}), None).unwrap().len(), 121);
    assert_eq!(host.requests().len(), 1 + 3);
    assert_eq!(values(&list("projects", &json!({}), Some(" Project 119 ")).unwrap()), ["P119"]);
    fake.borrow_mut().projects = 2000;
    let before = host.requests().len();
    assert_eq!(list("projects", &json!({}), None).unwrap().len(), 400);
    assert_eq!(host.requests().len() - before, 8, "a call has eight requests");
    assert!(host.logs().last().unwrap().1.contains("search by name"));
}

#[test]
fn what_depends_on_the_project_asks_for_it_first() {
    let (host, _fake) = jira();
    for (name, chosen, wanted) in [
        ("issueTypes", json!({}), "project"),
        ("priorities", json!({"project": " "}), "project"),
        ("assignees", Value::Null, "project"),
        ("statuses", json!({"project": 7}), "project"),
        ("fields", json!({"project": "OPS"}), "issue type"),
    ] {
        assert_eq!(list(name, &chosen, None).unwrap_err().message, format!("choose the {wanted} first"), "{name}");
    }
    assert!(list("colours", &json!({}), None).is_err());
    assert!(host.requests().is_empty());
    let ops = json!({"project": "OPS"});
    let expected = [item("10004", "Incident", "A Incident."), item("10005", "Task", "A Task.")];
    assert_eq!(list("issueTypes", &ops, None).unwrap(), expected, "a sub-task needs a parent");
    assert_eq!(values(&list("issueTypes", &ops, Some("TASK")).unwrap()), ["10005"]);
    assert_eq!(list("priorities", &ops, None).unwrap(), [item("1", "Highest", ""), item("3", "Medium", "")]);
    assert!(host.requests().pop().unwrap().url.contains("priority/search?projectId=10000"));
}

#[test]
fn assignees_are_searched() {
    let (_host, _fake) = jira();
    let ops = json!({"project": "OPS"});
    assert!(list("assignees", &ops, None).unwrap_err().message.contains("type the beginning"));
    assert_eq!(list("assignees", &ops, Some("Mia")).unwrap(), [item("5b10a", "Mia Krystof", "")]);
    assert_eq!(values(&list("assignees", &ops, Some("r")).unwrap()), ["5b10a", "6c22b"], "nobody who has left");
}

#[test]
fn fields_say_what_they_take() {
    let (_host, fake) = jira();
    let chosen = json!({"project": "OPS", "issueType": "10004"});
    fake.borrow_mut().page = 10;
    let all = list("fields", &chosen, None).unwrap();
    for expected in [
        item("priority", "Priority", "named: Highest, Medium"),
        item("labels", "Labels", "labels"),
        item("environment", "Environment", "paragraph"),
        item("customfield_10012", "Checks", "number"),
        item("customfield_10013", "Tier", "option: Gold, Silver"),
        item("customfield_10017", "Approvers", "users"),
        item("customfield_10018", "Began", "dateTime"),
    ] {
        assert!(all.contains(&expected), "{expected:?} in {all:?}");
    }
    for other in ["summary", "description", "attachment"] {
        assert!(!values(&all).contains(&other), "{other}");
    }
    fake.borrow_mut().screen[12]["required"] = json!(true);
    assert_eq!(
        list("fields", &chosen, Some("customfield_10013")).unwrap(),
        [item("customfield_10013", "Tier", "option, required: Gold, Silver")]
    );
    fake.borrow_mut().permissions.remove("CREATE_ISSUES");
    assert!(list("fields", &chosen, None).unwrap_err().message.contains("HTTP 404"));
}

#[test]
fn transitions_go_to_categories_and_to_the_issue_types_statuses() {
    let (_host, _fake) = jira();
    let chosen = json!({"project": "OPS", "issueType": "10004"});
    let all = list("statuses", &chosen, None).unwrap();
    let expected = ["category:done", "category:indeterminate", "category:new", "To Do", "In Progress", "Done", "Rejected"];
    assert_eq!(values(&all), expected);
    assert_eq!(all[6].description.as_deref(), Some("Done"));
    assert!(values(&list("statuses", &json!({"project": "OPS"}), None).unwrap()).contains(&"Idea"), "of all issue types");
    assert_eq!(values(&list("statuses", &chosen, Some("rej")).unwrap()), ["Rejected"]);
}
