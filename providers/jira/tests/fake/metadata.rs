//! What the project has: its create screen, issue types, priorities, and what its fields take.

use super::document;
use serde_json::{Value, json};

fn field(id: &str, name: &str, schema: Value) -> Value {
    json!({"fieldId": id, "key": id, "name": name, "required": false, "hasDefaultValue": false, "operations": ["set"], "schema": schema})
}

fn custom(number: u32, name: &str, kind: Value, custom: &str) -> Value {
    let mut schema = kind;
    schema["custom"] = json!(format!("com.atlassian.jira.plugin.system.customfieldtypes:{custom}"));
    schema["customId"] = json!(number);
    field(&format!("customfield_{number}"), name, schema)
}

fn with(mut field: Value, more: &[(&str, Value)]) -> Value {
    for (name, value) in more {
        field[*name] = value.clone();
    }
    field
}

pub(crate) fn screen() -> Vec<Value> {
    let options = json!([{"id": "20001", "value": "Gold"}, {"id": "20002", "value": "Silver"}]);
    let nested = json!([{"id": "20010", "value": "EU", "children": [{"id": "20011", "value": "Berlin"}]}]);
    vec![
        with(field("summary", "Summary", json!({"type": "string", "system": "summary"})), &[("required", json!(true))]),
        field("description", "Description", json!({"type": "string", "system": "description"})),
        with(
            field("priority", "Priority", json!({"type": "priority", "system": "priority"})),
            &[("allowedValues", json!(priorities())), ("hasDefaultValue", json!(true))],
        ),
        field("assignee", "Assignee", json!({"type": "user", "system": "assignee"})),
        field("labels", "Labels", json!({"type": "array", "items": "string", "system": "labels"})),
        field("duedate", "Due date", json!({"type": "date", "system": "duedate"})),
        field("environment", "Environment", json!({"type": "string", "system": "environment"})),
        with(
            field("components", "Components", json!({"type": "array", "items": "component", "system": "components"})),
            &[("allowedValues", json!([{"id": "30001", "name": "Database"}, {"id": "30002", "name": "Frontend"}]))],
        ),
        field("attachment", "Attachment", json!({"type": "array", "items": "attachment", "system": "attachment"})),
        custom(10010, "Customer", json!({"type": "string"}), "textfield"),
        custom(10011, "Runbook", json!({"type": "string"}), "textarea"),
        custom(10012, "Checks", json!({"type": "number"}), "float"),
        with(custom(10013, "Tier", json!({"type": "option"}), "select"), &[("allowedValues", options.clone())]),
        with(custom(10014, "Tiers", json!({"type": "array", "items": "option"}), "multiselect"), &[("allowedValues", options)]),
        with(custom(10015, "Place", json!({"type": "option-with-child"}), "cascadingselect"), &[("allowedValues", nested)]),
        custom(10016, "On call", json!({"type": "user"}), "userpicker"),
        custom(10017, "Approvers", json!({"type": "array", "items": "user"}), "multiuserpicker"),
        custom(10018, "Began", json!({"type": "datetime"}), "datetime"),
    ]
}

pub(crate) fn issue_types() -> Vec<Value> {
    let kind = |id: &str, name: &str, subtask: bool| json!({"id": id, "name": name, "description": format!("A {name}."), "subtask": subtask, "hierarchyLevel": -i32::from(subtask)});
    vec![kind("10004", "Incident", false), kind("10005", "Task", false), kind("10006", "Sub-task", true)]
}

pub(crate) fn priorities() -> Vec<Value> {
    [("1", "Highest"), ("3", "Medium")].iter().map(|(id, name)| json!({"id": id, "name": name, "description": ""})).collect()
}

pub(crate) fn statuses(statuses: &[(&str, &str, &str)]) -> Value {
    let status = |(name, key, category): &(&str, &str, &str)| json!({"id": "1", "name": name, "statusCategory": {"id": 1, "key": key, "name": category}});
    let all: Vec<_> = statuses.iter().map(status).collect();
    json!([
        {"id": "10004", "name": "Incident", "subtask": false, "statuses": all},
        {"id": "10005", "name": "Task", "subtask": false, "statuses": [status(&("Idea", "new", "To Do"))]}
    ])
}

/// What Jira says of a value that its field does not take.
pub(crate) fn wrong(field: &Value, value: &Value) -> Option<String> {
    let schema = &field["schema"];
    let text = |name: &str| schema[name].as_str().unwrap_or_default();
    let is_document = text("custom").ends_with(":textarea") || ["description", "environment"].contains(&text("system"));
    let allowed = field["allowedValues"].as_array().cloned().unwrap_or_default();
    let chosen = |value: &Value| {
        allowed
            .iter()
            .find(|allowed| ["id", "value", "name"].iter().any(|name| value[*name].is_string() && allowed[*name] == value[*name]))
    };
    let each = |fits: &dyn Fn(&Value) -> bool| value.as_array().is_some_and(|values| values.iter().all(fits));
    let is_user = |value: &Value| value["accountId"].is_string() || value["id"].is_string();
    let is_line = |value: &Value| value.as_str().is_some_and(|text| text.encode_utf16().count() <= 255 && !text.contains('\n'));
    let good = match (text("type"), text("items")) {
        ("string", _) if is_document => return document::wrong(value),
        ("string", _) if text("system") == "summary" && !is_line(value) => {
            return Some("Summary can't exceed 255 characters.".into());
        }
        ("string", _) => is_line(value),
        ("number", _) => value.is_number(),
        ("date", _) => value.as_str().is_some_and(|text| text.len() == 10),
        ("datetime", _) => value.as_str().is_some_and(|text| text.len() == "2026-01-02T03:04:05.000+0000".len()),
        ("option" | "priority", _) => chosen(value).is_some(),
        ("option-with-child", _) => chosen(value).is_some_and(|parent| {
            let child = &value["child"];
            child.is_null() || parent["children"].as_array().unwrap().iter().any(|other| other["id"] == child["id"])
        }),
        ("user", _) => is_user(value),
        ("array", "string") => {
            let is_label =
                |label: &Value| label.as_str().is_some_and(|text| !text.is_empty() && !text.contains(' ') && text.len() <= 255);
            if !each(&is_label) {
                return Some("The label contains spaces which is invalid.".into());
            }
            true
        }
        ("array", "option" | "component") => each(&|value| chosen(value).is_some()),
        ("array", "user") => each(&is_user),
        other => panic!("nothing is known of {other:?}"),
    };
    (!good).then(|| format!("Specify a valid value for {}", field["name"].as_str().unwrap()))
}
