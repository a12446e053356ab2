//! The drop-downs.

use crate::{connection, github};
use postern_provider::testing;
use postern_provider::{Failure, OptionItem};
use postern_provider_github_issues::GithubIssues;
use serde_json::{Value, json};

fn list(name: &str, config: &Value, query: Option<&str>) -> Result<Vec<OptionItem>, Failure> {
    testing::list_options::<GithubIssues>(name, config, Some(&connection()), query)
}

fn values(items: &[OptionItem]) -> Vec<&str> {
    items.iter().map(|item| item.value.as_str()).collect()
}

#[test]
fn each_is_filled_from_what_github_has() {
    let (_host, _fake) = github();
    let chosen = json!({"repository": "acme/ops"});
    let repositories = list("repositories", &json!({}), None).unwrap();
    assert_eq!(values(&repositories), ["acme/ops", "acme/app-3"], "those that take issues");
    assert_eq!(repositories[0].description.as_deref(), Some("Operations"));
    assert_eq!(values(&list("labels", &chosen, None).unwrap()), ["label 1", "label 2", "label 3"]);
    let milestones = list("milestones", &chosen, None).unwrap();
    assert_eq!((milestones[2].value.as_str(), milestones[2].label.as_str()), ("3", "v3"));
    assert_eq!(values(&list("assignees", &chosen, Some("OCTO")).unwrap()), ["octocat"]);
    assert_eq!(values(&list("milestones", &chosen, Some("2")).unwrap()), ["2"]);
    assert!(list("moods", &chosen, None).unwrap_err().message.contains("no options `moods`"));
}

#[test]
fn pages_are_followed_to_their_bound() {
    let (host, fake) = github();
    fake.borrow_mut().many = 450;
    assert_eq!(list("labels", &json!({"repository": "acme/ops"}), None).unwrap().len(), 450);
    assert_eq!((host.requests().len(), host.logs().len()), (5, 0));
    fake.borrow_mut().many = 5000;
    for name in ["labels", "milestones", "repositories"] {
        let before = host.requests().len();
        let found = list(name, &json!({"repository": "acme/ops"}), None).unwrap();
        assert!((350..=1000).contains(&found.len()), "{name}: {}", found.len());
        assert_eq!(host.requests().len() - before, 8, "{name}");
        assert!(host.logs().last().unwrap().1.contains("enter"), "{:?}", host.logs());
    }
}

#[test]
fn the_repository_comes_first() {
    let (host, _fake) = github();
    for config in [
        json!({}),
        json!({"repository": " "}),
        json!({"repository": "acme/../.."}),
        json!({"repository": "acme/.."}),
        json!({"repository": "a?b/c"}),
    ] {
        for name in ["labels", "milestones", "assignees"] {
            assert_eq!(list(name, &config, None), Err(Failure::never("choose the repository first")), "{config}");
        }
    }
    assert!(host.requests().is_empty());
    assert!(testing::list_options::<GithubIssues>("labels", &json!({}), None, None).unwrap_err().message.contains("connection"));
}
