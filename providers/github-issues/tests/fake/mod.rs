//! GitHub as its documentation describes it: the repository `acme/ops`, and a search that is late.
//!
//! - <https://docs.github.com/en/rest/issues/issues>: create, get, list, update; lists hold pull requests, too; what the account may
//!   not set is left out; one that was moved answers 301, one that was deleted 410.
//! - <https://docs.github.com/en/rest/issues/comments>, <https://docs.github.com/en/rest/issues/labels>,
//!   <https://docs.github.com/en/rest/issues/milestones>, <https://docs.github.com/en/rest/issues/assignees>.
//! - <https://docs.github.com/en/rest/search/search#search-issues-and-pull-requests>: by words in the text.
//! - <https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api>: the header `Link`.
//! - <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api>: `message` and `errors`; what may not be seen
//!   is not there.

use postern_provider::http::{Error, Request, Response};
use postern_provider::testing::{self, Server, header, json_body, json_response, query_fields, url_path};
use serde_json::{Value, json};

pub(crate) const API: &str = "https://api.github.com";
pub(crate) const REPOSITORY: &str = "acme/ops";

#[derive(Clone, Debug)]
pub(crate) struct Issue {
    pub(crate) number: u64,
    pub(crate) fields: Value,
    pub(crate) comments: Vec<Value>,
    pub(crate) locked: bool,
    /// Whether it was deleted (410) or moved to another repository (301).
    pub(crate) gone: Option<u16>,
    /// Whether the search's index has it.
    indexed: bool,
}

pub(crate) struct Github {
    pub(crate) issues: Vec<Issue>,
    /// Whether the account has the role "Triage".
    pub(crate) triage: bool,
    /// Whether the token is one of an app's installation.
    pub(crate) is_app: bool,
    pub(crate) repository: Value,
    /// How many labels, milestones and other repositories there are.
    pub(crate) many: usize,
    /// Entries in a page at most, whatever is asked for.
    pub(crate) page: usize,
    /// Whether the search knows new issues at once.
    pub(crate) indexes_at_once: bool,
}

impl Github {
    pub(crate) fn new() -> Self {
        Self {
            issues: Vec::new(),
            triage: true,
            is_app: false,
            repository: json!({"full_name": REPOSITORY, "description": "Operations", "has_issues": true, "archived": false}),
            many: 3,
            page: 100,
            indexes_at_once: true,
        }
    }

    /// Issues or pull requests of others, which are newer than what is there.
    pub(crate) fn add_others(&mut self, count: usize, is_pull_request: bool) {
        for _ in 0..count {
            let mut fields = json!({"title": "Something else", "body": Value::Null, "state": "open"});
            if is_pull_request {
                fields["pull_request"] = json!({"url": "https://api.github.com/repos/acme/ops/pulls/1"});
            }
            self.add(fields);
        }
    }

    fn add(&mut self, mut fields: Value) -> Value {
        let number = self.issues.len() as u64 + 1;
        fields["number"] = json!(number);
        let indexed = self.indexes_at_once;
        self.issues.push(Issue { number, fields: fields.clone(), comments: Vec::new(), locked: false, gone: None, indexed });
        fields
    }

    fn route(&mut self, request: &Request) -> Response {
        if header(request, "Authorization") != Some("Bearer sealed-token") {
            return refused(401, "Bad credentials");
        }
        assert_eq!(header(request, "Accept"), Some("application/vnd.github+json"));
        assert_eq!(header(request, "X-GitHub-Api-Version"), Some("2022-11-28"));
        let path = url_path(request).to_owned();
        let parts: Vec<_> = path.split('/').skip(1).collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["user"]) if self.is_app => refused(403, "Resource not accessible by integration"),
            ("GET", ["user"]) => ok(&json!({"login": "postern-bot", "id": 1})),
            ("GET", ["user", "repos"]) => self.paged(request, self.repositories()),
            ("GET", ["search", "issues"]) => self.search(request),
            (method, ["repos", "acme", "ops", rest @ ..]) => self.of_repository(method, rest, request),
            _ => refused(404, "Not Found"),
        }
    }

    fn of_repository(&mut self, method: &str, path: &[&str], request: &Request) -> Response {
        match (method, path) {
            ("GET", []) => {
                let mut repository = self.repository.clone();
                repository["permissions"] = json!({"pull": true, "triage": self.triage, "push": false});
                ok(&repository)
            }
            ("GET", ["labels"]) => {
                self.paged(request, numbered(self.many, |n| json!({"name": format!("label {n}"), "description": Value::Null})))
            }
            ("GET", ["milestones"]) => self
                .paged(request, numbered(self.many, |n| json!({"number": n, "title": format!("v{n}"), "description": "soon"}))),
            ("GET", ["milestones", number]) if number.parse::<usize>().is_ok_and(|number| number <= self.many) => ok(&json!({})),
            ("GET", ["assignees"]) => self.paged(request, ["ada", "octocat"].map(|login| json!({"login": login})).to_vec()),
            ("GET", ["assignees", "ada" | "octocat"]) => testing::response(204, &[], ""),
            ("GET", ["issues"]) => self.newest(request),
            ("POST", ["issues"]) => self.create(&json_body(request)),
            (method, ["issues", number, rest @ ..]) => {
                let Some(index) = self.issues.iter().position(|issue| issue.number.to_string() == *number) else {
                    return refused(404, "Not Found");
                };
                match self.issues[index].gone {
                    Some(301) => {
                        let location = [("Location", "https://api.github.com/repositories/7/issues/1")];
                        return json_response(301, &location, &json!({"message": "Moved Permanently"}));
                    }
                    Some(status) => return refused(status, "This issue was deleted"),
                    None => {}
                }
                match (method, rest) {
                    ("GET", []) => ok(&self.issues[index].fields),
                    ("PATCH", []) => self.update(index, &json_body(request)),
                    ("GET", ["comments"]) => self.paged(request, self.issues[index].comments.clone()),
                    ("POST", ["comments"]) => self.comment(index, &json_body(request)),
                    _ => refused(404, "Not Found"),
                }
            }
            _ => refused(404, "Not Found"),
        }
    }

    fn create(&mut self, body: &Value) -> Response {
        if self.repository["archived"] == true {
            return refused(403, "Repository was archived so is read-only.");
        }
        if self.repository["has_issues"] == false {
            return refused(410, "Issues has been disabled in this repository.");
        }
        check(body);
        let mut fields = json!({"title": body["title"], "body": body["body"], "state": "open", "state_reason": Value::Null});
        let named = |list: &str, name: &str| -> Vec<Value> {
            body[list].as_array().into_iter().flatten().map(|value| json!({ name: value })).collect()
        };
        let (labels, assignees) = (named("labels", "name"), named("assignees", "login"));
        if self.triage && assignees.iter().any(|user| !matches!(user["login"].as_str(), Some("ada" | "octocat"))) {
            return invalid(&json!([{"value": "nobody", "resource": "Issue", "field": "assignees", "code": "invalid"}]));
        }
        if self.triage && body["milestone"].as_u64().is_some_and(|number| number as usize > self.many) {
            return invalid(&json!([{"value": 99, "resource": "Issue", "field": "milestone", "code": "invalid"}]));
        }
        fields["labels"] = json!(if self.triage { labels } else { Vec::new() });
        fields["assignees"] = json!(if self.triage { assignees } else { Vec::new() });
        fields["milestone"] = if self.triage { body["milestone"].clone() } else { Value::Null };
        json_response(201, &[], &self.add(fields))
    }

    fn update(&mut self, index: usize, body: &Value) -> Response {
        check(body);
        assert!(body.get("state").is_none_or(|state| state == "open" || state == "closed"));
        assert!(body.get("state_reason").is_none_or(|reason| reason == "completed" || reason == "not_planned"));
        for (name, value) in body.as_object().unwrap() {
            self.issues[index].fields[name] = value.clone();
        }
        ok(&self.issues[index].fields)
    }

    fn comment(&mut self, index: usize, body: &Value) -> Response {
        if self.issues[index].locked {
            return refused(403, "Unable to create comment because issue is locked.");
        }
        check(body);
        self.issues[index].comments.push(body.clone());
        json_response(201, &[], body)
    }

    fn newest(&self, request: &Request) -> Response {
        let field = |name: &str| query_fields(request).into_iter().find(|(other, _)| other == name).map(|(_, value)| value);
        assert_eq!((field("state").as_deref(), field("sort").as_deref()), (Some("all"), Some("created")));
        assert_eq!(field("direction").as_deref(), Some("desc"));
        let there = self.issues.iter().rev().filter(|issue| issue.gone.is_none());
        self.paged(request, there.map(|issue| issue.fields.clone()).collect())
    }

    fn search(&self, request: &Request) -> Response {
        let question = query_fields(request).into_iter().find(|(name, _)| name == "q").unwrap().1;
        let (word, rest) = question.split_once(' ').unwrap();
        assert_eq!(rest, "in:body is:issue repo:acme/ops");
        let fits = |issue: &&Issue| issue.indexed && issue.fields["body"].as_str().is_some_and(|body| body.contains(word));
        let items: Vec<_> = self.issues.iter().rev().filter(fits).map(|issue| issue.fields.clone()).collect();
        ok(&json!({"total_count": items.len(), "incomplete_results": false, "items": items}))
    }

    fn repositories(&self) -> Vec<Value> {
        let others = |n| json!({"full_name": format!("acme/app-{n}"), "has_issues": n != 1, "archived": n == 2});
        [self.repository.clone()].into_iter().chain(numbered(self.many, others)).collect()
    }

    fn paged(&self, request: &Request, entries: Vec<Value>) -> Response {
        let fields = query_fields(request);
        let field =
            |name: &str| fields.iter().find(|(other, _)| other == name).and_then(|(_, value)| value.parse::<usize>().ok());
        let size = field("per_page").unwrap_or(30);
        assert!(size <= 100);
        let (page, size) = (field("page").unwrap_or(1), size.min(self.page));
        let shown: Vec<_> = entries.iter().skip((page - 1) * size).take(size).cloned().collect();
        let kept: Vec<_> =
            fields.iter().filter(|(name, _)| name != "page").map(|(name, value)| format!("{name}={value}")).collect();
        let next =
            format!("<{API}{}?{}&page={}>; rel=\"next\", <{API}/x>; rel=\"last\"", url_path(request), kept.join("&"), page + 1);
        let headers = [("Link", next.as_str())];
        json_response(200, if page * size < entries.len() { &headers } else { &[] }, &json!(shown))
    }
}

/// "… is too long", "… can't be blank".
fn check(body: &Value) {
    if let Some(title) = body["title"].as_str() {
        assert!((1..=256).contains(&title.chars().count()) && !title.contains('\n'));
    }
    if let Some(text) = body["body"].as_str() {
        assert!((1..=65_536).contains(&text.chars().count()));
    }
    assert!(body["assignees"].as_array().is_none_or(|list| list.len() <= 10));
}

fn numbered(count: usize, entry: impl Fn(usize) -> Value) -> Vec<Value> {
    (1..=count).map(entry).collect()
}

fn ok(body: &Value) -> Response {
    json_response(200, &[("X-RateLimit-Limit", "5000"), ("X-RateLimit-Remaining", "4999")], body)
}

fn invalid(errors: &Value) -> Response {
    json_response(
        422,
        &[],
        &json!({"message": "Validation Failed", "errors": errors, "documentation_url": "https://docs.github.com/"}),
    )
}

pub(crate) fn refused(status: u16, message: &str) -> Response {
    let body = json!({"message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string()});
    json_response(status, &[("X-RateLimit-Limit", "5000"), ("X-RateLimit-Remaining", "4998")], &body)
}

impl Server for Github {
    fn answer(&mut self, request: &Request) -> Result<Response, Error> {
        assert!(request.url.starts_with(API), "{}", request.url);
        Ok(self.route(request))
    }
}
