//! Jira Cloud as its documentation describes it: one project (`OPS`, 10000) with two workflows, its fields, and its search,
//! which is late.
//!
//! - <https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/>: statuses, `errorMessages` and `errors`, pages.
//! - <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/>: create, edit, transitions, create metadata.
//! - <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-search/> and
//!   <https://developer.atlassian.com/cloud/jira/platform/search-and-reconcile/>: `search/jql`.
//! - <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-comments/>: the list of an issue's comments has
//!   no properties; `comment/list` has.
//! - <https://developer.atlassian.com/cloud/jira/platform/rate-limiting/>: HTTP 429 and its headers.
//! - <https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/>: what a document may hold ([`document`]).

pub(crate) mod document;
mod metadata;

use postern_provider::http::{Error, Request, Response};
use postern_provider::testing::{self, Server, header, json_body, json_response, query_fields, url_path};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

pub(crate) const SITE: &str = "https://acme.atlassian.net";

/// Basic credentials of `mia@example.com` with the token `sealed-token`.
const CREDENTIALS: &str = "Basic bWlhQGV4YW1wbGUuY29tOnNlYWxlZC10b2tlbg==";

/// The statuses: name, category's key and name.
const STATUSES: [(&str, &str, &str); 4] = [
    ("To Do", "new", "To Do"),
    ("In Progress", "indeterminate", "In Progress"),
    ("Done", "done", "Done"),
    ("Rejected", "done", "Done"),
];

/// The transitions: id, name, from, to.
const TRANSITIONS: [(&str, &str, &str, &str); 5] = [
    ("11", "Start work", "To Do", "In Progress"),
    ("21", "Reject", "To Do", "Rejected"),
    ("31", "Resolve issue", "To Do", "Done"),
    ("32", "Resolve issue", "In Progress", "Done"),
    ("41", "Reopen", "Done", "To Do"),
];

#[derive(Clone, Debug)]
pub(crate) struct Issue {
    pub(crate) key: String,
    pub(crate) fields: Map<String, Value>,
    pub(crate) properties: Value,
    pub(crate) status: &'static str,
    pub(crate) comments: Vec<Value>,
    /// Whether the search's index has it.
    pub(crate) indexed: bool,
}

pub(crate) struct Jira {
    pub(crate) issues: Vec<Issue>,
    /// The fields on the create screen.
    pub(crate) screen: Vec<Value>,
    pub(crate) permissions: BTreeSet<&'static str>,
    /// Whether a new issue is in the search's index at once.
    pub(crate) indexes_at_once: bool,
    /// Whether the screen of transitions to `Done` wants a resolution.
    pub(crate) wants_resolution: bool,
    /// Entries in a page at most, whatever is asked for.
    pub(crate) page: usize,
    /// How many projects there are besides OPS.
    pub(crate) projects: usize,
    pub(crate) made: usize,
}

impl Jira {
    pub(crate) fn new() -> Self {
        Self {
            issues: Vec::new(),
            screen: metadata::screen(),
            permissions: [
                "BROWSE_PROJECTS",
                "CREATE_ISSUES",
                "ADD_COMMENTS",
                "EDIT_ISSUES",
                "TRANSITION_ISSUES",
                "ASSIGN_ISSUES",
            ]
            .into(),
            indexes_at_once: true,
            wants_resolution: false,
            page: 200,
            projects: 0,
            made: 0,
        }
    }

    fn may(&self, permission: &str) -> bool {
        self.permissions.contains(permission)
    }

    fn route(&mut self, request: &Request) -> Response {
        let path = url_path(request).strip_prefix("/rest/api/3/").expect("the API's version 3").to_owned();
        let parts: Vec<_> = path.split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["myself"]) => ok(&json!({"accountId": "5b10a", "displayName": "Mia Krystof", "active": true})),
            ("GET", ["mypermissions"]) => self.my_permissions(request),
            ("GET", ["project", "search"]) => self.project_search(request),
            ("GET", ["project", key @ ("OPS" | "10000")]) => {
                assert!(!key.is_empty());
                ok(&json!({"id": "10000", "key": "OPS", "name": "Operations"}))
            }
            ("GET", ["project", "OPS", "statuses"]) => ok(&metadata::statuses(&STATUSES)),
            ("GET", ["priority", "search"]) => self.page(request, "values", &metadata::priorities(), 50),
            ("GET", ["user", "assignable", "search"]) => self.assignable(request),
            ("GET", ["issue", "createmeta", "OPS", "issuetypes"]) => {
                self.page(request, "issueTypes", &metadata::issue_types(), 200)
            }
            ("GET", ["issue", "createmeta", "OPS", "issuetypes", "10004"]) if self.may("CREATE_ISSUES") => {
                self.page(request, "fields", &self.screen, 200)
            }
            ("POST", ["issue"]) => self.create(&json_body(request)),
            ("POST", ["search", "jql"]) => self.search(&json_body(request)),
            ("POST", ["comment", "list"]) => self.comments_by_id(request),
            (method, ["issue", key, rest @ ..]) => {
                let Some(index) = self.issues.iter().position(|issue| issue.key == *key) else { return gone() };
                match (method, rest) {
                    ("GET", []) => ok(&shown(&self.issues[index], &query_fields(request))),
                    ("PUT", []) => self.edit(index, &json_body(request)),
                    ("GET", ["transitions"]) => {
                        ok(&json!({"expand": "transitions", "transitions": self.transitions(index, request)}))
                    }
                    ("POST", ["transitions"]) => self.transition(index, &json_body(request)),
                    ("GET", ["comment"]) => ok(&self.comments(index, request)),
                    ("POST", ["comment"]) => self.comment(index, &json_body(request)),
                    _ => gone(),
                }
            }
            _ => refused(404, &[], &[]),
        }
    }

    fn my_permissions(&self, request: &Request) -> Response {
        let fields = query_fields(request);
        assert_eq!(fields[0], ("projectKey".to_owned(), "OPS".to_owned()));
        let asked = fields[1].1.split(',').map(|key| {
            let name =
                key.split('_').map(|word| format!("{}{}", &word[..1], word[1..].to_lowercase())).collect::<Vec<_>>().join(" ");
            (key.to_owned(), json!({"id": "1", "key": key, "name": name, "type": "PROJECT", "havePermission": self.may(key)}))
        });
        ok(&json!({"permissions": asked.collect::<Map<_, _>>()}))
    }

    /// A page as the list's resource writes it: with `isLast` in `values`, without it under other names.
    fn page(&self, request: &Request, name: &str, entries: &[Value], most: usize) -> Response {
        let fields = query_fields(request);
        let number = |name: &str, usual: usize| {
            fields.iter().find(|(field, _)| field == name).map_or(usual, |(_, value)| value.parse().unwrap())
        };
        let (start, asked) = (number("startAt", 0), number("maxResults", 50));
        if asked > most {
            return refused(400, &[&format!("Parameter 'maxResults' must not exceed the limit '{most}'")], &[]);
        }
        let shown: Vec<_> = entries.iter().skip(start).take(asked.min(self.page)).collect();
        let mut page = json!({"startAt": start, "maxResults": asked, "total": entries.len()});
        if name == "values" {
            page["isLast"] = json!(start + shown.len() >= entries.len());
        }
        page[name] = json!(shown);
        ok(&page)
    }

    fn project_search(&self, request: &Request) -> Response {
        let fields = query_fields(request);
        let query = fields.iter().find(|(name, _)| name == "query").map_or("", |(_, value)| value).to_lowercase();
        assert!(fields.contains(&("action".to_owned(), "create".to_owned())));
        let more = (0..self.projects).map(|number| (format!("P{number}"), format!("Project {number}")));
        let projects: Vec<_> = std::iter::once(("OPS".to_owned(), "Operations".to_owned()))
            .chain(more)
            .filter(|(key, name)| key.to_lowercase().contains(&query) || name.to_lowercase().contains(&query))
            .map(|(key, name)| json!({"id": "1", "key": key, "name": name}))
            .collect();
        self.page(request, "values", &projects, 50)
    }

    /// A bare list of those that Jira looked at, a thousand at most.
    fn assignable(&self, request: &Request) -> Response {
        let fields = query_fields(request);
        let field = |name: &str| fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.as_str());
        assert_eq!(field("project"), "OPS");
        if field("query").is_empty() {
            return refused(400, &["The query parameter is missing"], &[]);
        }
        let users = [("5b10a", "Mia Krystof", true), ("6c22b", "Emma Richards", true), ("7d33c", "Former user", false)];
        assert!(field("maxResults").parse::<usize>().unwrap() <= 1000);
        let found: Vec<_> = users
            .iter()
            .filter(|(_, name, _)| name.to_lowercase().contains(field("query")))
            .map(|(id, name, active)| json!({"accountId": id, "displayName": name, "active": active, "accountType": "atlassian"}))
            .collect();
        ok(&json!(found))
    }

    fn create(&mut self, body: &Value) -> Response {
        // A failed create uses up a number: JRACLOUD-78553.
        self.made += 1;
        let fields = body["fields"].as_object().unwrap().clone();
        let is_set = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
        let mut errors = Vec::new();
        for (name, _) in fields.iter().filter(|(name, _)| !["project", "issuetype"].contains(&name.as_str())) {
            if !self.may("CREATE_ISSUES") || !self.screen.iter().any(|field| field["fieldId"] == name.as_str()) {
                errors.push((
                    name.clone(),
                    format!("Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."),
                ));
            }
        }
        for field in self.screen.iter().filter(|field| field["required"] == true) {
            let name = field["fieldId"].as_str().unwrap();
            if !is_set(name) {
                errors.push((name.to_owned(), format!("{} is required.", field["name"].as_str().unwrap())));
            }
        }
        if fields["issuetype"]["id"] != "10004" {
            errors.push(("issuetype".into(), "The issue type selected is invalid.".into()));
        }
        errors.extend(self.wrong_values(&fields));
        if !errors.is_empty() {
            return refused(400, &[], &errors);
        }
        let key = format!("OPS-{}", self.made);
        let properties = body["properties"].as_array().into_iter().flatten();
        let properties = properties.map(|property| (property["key"].as_str().unwrap().to_owned(), property["value"].clone()));
        self.issues.push(Issue {
            key: key.clone(),
            fields,
            properties: properties.collect::<Map<_, _>>().into(),
            status: "To Do",
            comments: Vec::new(),
            indexed: self.indexes_at_once,
        });
        json_response(201, &[], &json!({"id": "10042", "key": key, "self": format!("{SITE}/rest/api/3/issue/10042")}))
    }

    /// What is wrong with values, by their fields' schemas.
    fn wrong_values(&self, fields: &Map<String, Value>) -> Vec<(String, String)> {
        let wrong = |name: &str, value: &Value| {
            let field = self.screen.iter().find(|field| field["fieldId"] == name)?;
            metadata::wrong(field, value).map(|text| (name.to_owned(), text))
        };
        fields.iter().filter_map(|(name, value)| wrong(name, value)).collect()
    }

    /// Editing checks no screen, but the permission.
    fn edit(&mut self, index: usize, body: &Value) -> Response {
        let fields = body["fields"].as_object().unwrap().clone();
        if !self.may("EDIT_ISSUES") {
            let text = |name: &String| {
                (name.clone(), format!("Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."))
            };
            return refused(400, &[], &fields.keys().map(text).collect::<Vec<_>>());
        }
        let errors = self.wrong_values(&fields);
        if !errors.is_empty() {
            return refused(400, &[], &errors);
        }
        let issue = &mut self.issues[index];
        issue.fields.extend(fields);
        for operation in body["update"]["labels"].as_array().into_iter().flatten() {
            let labels = issue.fields.entry("labels").or_insert(json!([])).as_array_mut().unwrap();
            if !labels.contains(&operation["add"]) {
                labels.push(operation["add"].clone());
            }
        }
        testing::response(204, &[], "")
    }

    fn search(&self, body: &Value) -> Response {
        let jql = body["jql"].as_str().unwrap();
        let label = jql.strip_prefix("labels = \"").and_then(|rest| rest.split_once('"')).expect("a bounded query").0;
        assert!(jql.ends_with(" ORDER BY created DESC"));
        if !self.may("BROWSE_PROJECTS") {
            return ok(&json!({"issues": [], "isLast": true}));
        }
        let asked: Vec<_> = body["properties"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| ("properties".to_owned(), key.as_str().unwrap().to_owned()))
            .collect();
        let fits = |issue: &&Issue| {
            issue.indexed && issue.fields.get("labels").is_some_and(|labels| labels.as_array().unwrap().contains(&json!(label)))
        };
        let issues: Vec<_> = self.issues.iter().rev().filter(fits).map(|issue| shown(issue, &asked)).collect();
        ok(&json!({"issues": issues, "isLast": true}))
    }

    /// Without the permission, the list is empty.
    fn transitions(&self, index: usize, request: &Request) -> Vec<Value> {
        let expanded = query_fields(request).contains(&("expand".to_owned(), "transitions.fields".to_owned()));
        let from = self.issues[index].status;
        let shown = |(id, name, _, to): &(&str, &str, &str, &str)| {
            let mut transition = json!({"id": id, "name": name, "to": status(to), "isAvailable": true, "hasScreen": false});
            if expanded && self.wants_resolution && *to == "Done" {
                transition["fields"] = json!({"resolution": {"required": true, "name": "Resolution", "key": "resolution"}});
            }
            transition
        };
        TRANSITIONS.iter().filter(|(_, _, start, _)| *start == from && self.may("TRANSITION_ISSUES")).map(shown).collect()
    }

    fn transition(&mut self, index: usize, body: &Value) -> Response {
        let id = body["transition"]["id"].as_str().unwrap();
        let from = self.issues[index].status;
        let Some((_, _, _, to)) = TRANSITIONS.iter().find(|(other, _, start, _)| *other == id && *start == from) else {
            return refused(400, &[&format!("Transition id '{id}' is not valid for this issue.")], &[]);
        };
        let resolution = &body["fields"]["resolution"];
        if *to == "Done" && self.wants_resolution && resolution.is_null() {
            return refused(400, &[], &[("resolution".into(), "Resolution is required.".into())]);
        }
        if !resolution.is_null() {
            if !self.wants_resolution || *to != "Done" {
                let text = "Field 'resolution' cannot be set. It is not on the appropriate screen, or unknown.";
                return refused(400, &[], &[("resolution".into(), text.into())]);
            }
            self.issues[index].fields.insert("resolution".into(), resolution.clone());
        }
        self.issues[index].status = to;
        testing::response(204, &[], "")
    }

    fn comments(&self, index: usize, request: &Request) -> Value {
        let fields = query_fields(request);
        assert!(fields.contains(&("orderBy".to_owned(), "-created".to_owned())));
        let comments = self.issues[index].comments.iter().rev().map(|comment| {
            let mut shown = comment.clone();
            shown.as_object_mut().unwrap().remove("properties");
            shown
        });
        json!({"startAt": 0, "maxResults": 100, "total": self.issues[index].comments.len(), "comments": comments.collect::<Vec<_>>()})
    }

    fn comments_by_id(&self, request: &Request) -> Response {
        let body = json_body(request);
        let ids: Vec<_> = body["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap().to_string()).collect();
        assert!(!ids.is_empty() && ids.len() <= 1000);
        assert!(query_fields(request).contains(&("expand".to_owned(), "properties".to_owned())));
        let all = self.issues.iter().flat_map(|issue| &issue.comments);
        let found: Vec<_> = all.filter(|comment| ids.iter().any(|id| comment["id"] == id.as_str())).collect();
        ok(&json!({"values": found, "isLast": true, "total": found.len(), "startAt": 0, "maxResults": 1000}))
    }

    fn comment(&mut self, index: usize, body: &Value) -> Response {
        if !self.may("ADD_COMMENTS") {
            return refused(400, &["You do not have the permission to comment on this issue."], &[]);
        }
        if let Some(wrong) = document::wrong(&body["body"]) {
            return refused(400, &[], &[("comment".into(), wrong)]);
        }
        let id = (10_000 + self.issues.iter().map(|issue| issue.comments.len()).sum::<usize>()).to_string();
        let comment = json!({"id": id, "body": body["body"], "properties": body["properties"]});
        self.issues[index].comments.push(comment.clone());
        json_response(201, &[], &comment)
    }
}

impl Server for Jira {
    fn answer(&mut self, request: &Request) -> Result<Response, Error> {
        assert!(request.url.starts_with(&format!("{SITE}/")), "{}", request.url);
        if header(request, "Authorization") != Some(CREDENTIALS) {
            return Ok(refused(401, &["You do not have permission to create issues in this project."], &[]));
        }
        Ok(self.route(request))
    }
}

fn ok(body: &Value) -> Response {
    json_response(200, &[], body)
}

fn gone() -> Response {
    refused(404, &["Issue does not exist or you do not have permission to see it."], &[])
}

pub(crate) fn refused(status: u16, messages: &[&str], errors: &[(String, String)]) -> Response {
    let errors: Map<_, _> = errors.iter().map(|(field, text)| (field.clone(), json!(text))).collect();
    json_response(status, &[], &json!({"errorMessages": messages, "errors": errors}))
}

fn status(name: &str) -> Value {
    let (_, key, category) = STATUSES.iter().find(|(other, _, _)| *other == name).unwrap();
    json!({"id": "1", "name": name, "statusCategory": {"id": 1, "key": key, "name": category}})
}

/// An issue with the fields and properties that were asked for.
fn shown(issue: &Issue, asked: &[(String, String)]) -> Value {
    let mut shown = json!({"id": "10042", "key": issue.key, "fields": {"status": status(issue.status)}});
    if let Some((_, key)) = asked.iter().find(|(name, _)| name == "properties") {
        let value = issue.properties.get(key).cloned();
        shown["properties"] = value.map_or(json!({}), |value| json!({key.as_str(): value}));
    }
    shown
}
