//! What is made of GitHub's refusals, and settings that are tried.

use crate::fake::{Github as Fake, refused};
use crate::{config, connection, deliver, delivery, github};
use postern_provider::http::ErrorKind;
use postern_provider::testing::{self, TestDelivery};
use postern_provider::{Failure, Retry};
use postern_provider_github_issues::GithubIssues;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn errors_say_whether_to_try_again_and_what_to_do() {
    let failing = |config: Value, change: fn(&mut Fake)| {
        let (_host, fake) = github();
        change(&mut fake.borrow_mut());
        let failure = deliver(delivery(config)).unwrap_err();
        assert!(fake.borrow().issues.is_empty() && failure.retry == Retry::Never, "{failure}");
        failure.message
    };
    assert_eq!(
        failing(json!({"assignees": ["nobody"]}), |_| {}),
        "making an issue in acme/ops: GitHub answered HTTP 422: Validation Failed: assignees: invalid (each assignee needs access to \
         the repository)"
    );
    assert!(failing(json!({"milestone": "99"}), |_| {}).contains("no such milestone"));
    assert!(
        failing(json!({}), |fake| fake.repository["archived"] = json!(true))
            .contains("archived so is read-only. (the repository is")
    );
    assert!(failing(json!({}), |fake| fake.repository["has_issues"] = json!(false)).contains("HTTP 410"));
    assert!(failing(json!({"repository": "acme/secret"}), |_| {}).contains("HTTP 404: Not Found (it is not there"));

    let (_host, _fake) = github();
    let stranger = TestDelivery::new(config(json!({}))).connection(json!({"token": "other"}));
    assert!(deliver(stranger).unwrap_err().message.contains("HTTP 401: Bad credentials (check the token"));
    assert!(deliver(TestDelivery::new(config(json!({})))).unwrap_err().message.contains("connection"));
}

#[test]
fn a_locked_issue_says_so() {
    let (_host, fake) = github();
    deliver(delivery(json!({})).entity("inc-7", None)).unwrap();
    fake.borrow_mut().issues[0].locked = true;
    let failure = deliver(delivery(json!({})).entity("inc-7", Some("acme/ops#1")).id("2")).unwrap_err();
    assert_eq!(failure.retry, Retry::Never);
    assert!(failure.message.starts_with("commenting on acme/ops#1: GitHub answered HTTP 403: Unable"), "{failure}");
    assert!(failure.message.ends_with("(the issue is locked: unlock it)"), "{failure}");
}

#[test]
fn limits_are_waited_for() {
    let (host, fake) = github();
    let failing = |status: u16, headers: &[(&str, &str)], message: &str| {
        host.answer(status, headers, refused(status, message).body);
        deliver(delivery(json!({}))).unwrap_err()
    };
    let secondary = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    let after = |seconds| Retry::After(Duration::from_secs(seconds));
    for status in [403, 429] {
        assert_eq!(failing(status, &[("Retry-After", "30"), ("X-RateLimit-Remaining", "4000")], secondary).retry, after(30));
        // The test's clock stands at 1,767,323,045.678.
        let used_up = [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1767323105")];
        assert_eq!(failing(status, &used_up, "API rate limit exceeded for user ID 1.").retry, after(61));
        let past = [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1767323000")];
        assert_eq!(failing(status, &past, "API rate limit exceeded for user ID 1.").retry, after(1));
        assert_eq!(failing(status, &[], secondary).retry, after(60));
        assert_eq!(failing(status, &[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "soon")], "x").retry, after(60));
    }
    let told = failing(403, &[("Retry-After", "30")], secondary);
    assert!(told.message.contains("HTTP 403: You have exceeded a secondary") && told.message.contains("80 a minute"), "{told}");
    assert!(fake.borrow().issues.is_empty());
}

#[test]
fn a_missing_permission_is_named() {
    let (host, _fake) = github();
    let failing = |headers: &[(&str, &str)], message: &str| {
        host.answer(403, headers, refused(403, message).body);
        let failure = deliver(delivery(json!({}))).unwrap_err();
        assert_eq!(failure.retry, Retry::Never, "{failure}");
        failure.message
    };
    let left = ("X-RateLimit-Remaining", "4000");
    let needed = [left, ("X-Accepted-GitHub-Permissions", "issues=write; pull_requests=write")];
    let message = failing(&needed, "Resource not accessible by personal access token");
    assert!(message.ends_with("(give the token the permission issues=write; pull_requests=write)"), "{message}");
    let sso = [left, ("X-GitHub-SSO", "required; url=https://github.com/orgs/acme/sso")];
    assert!(failing(&sso, "Resource protected by organization SAML enforcement.").contains("single sign-on"));
    assert!(failing(&[left], "Must have admin rights to Repository.").contains("may not do this"));
}

#[test]
fn what_may_pass_is_tried_again() {
    let (host, fake) = github();
    let failing = |status: u16, headers: &[(&str, &str)], body: &str| {
        host.answer(status, headers, body);
        deliver(delivery(json!({}))).unwrap_err()
    };
    assert_eq!(
        failing(502, &[], r#"{"message": "Server Error"}"#).message,
        "making an issue in acme/ops: GitHub answered HTTP 502: Server Error"
    );
    assert_eq!(failing(503, &[("Retry-After", "7")], "").retry, Retry::After(Duration::from_secs(7)));
    assert_eq!(failing(200, &[], "<html>Sign in</html>").retry, Retry::Backoff);
    let moved =
        failing(301, &[("Location", "https://api.github.com/repositories/7/issues")], r#"{"message": "Moved Permanently"}"#);
    assert!(moved.retry == Retry::Never && moved.message.contains("enter its new name"), "{moved}");
    host.fail(ErrorKind::Timeout, "too slow");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::backoff("making an issue in acme/ops: too slow")));
    host.fail(ErrorKind::Denied, "not granted");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::Never);
    assert!(fake.borrow().issues.is_empty());
}

#[test]
fn settings_are_tried_without_a_change() {
    let try_out = |config: Option<Value>, change: fn(&mut Fake)| {
        let (host, fake) = github();
        change(&mut fake.borrow_mut());
        let answer = testing::test_connection::<GithubIssues>(&config.unwrap_or_default(), Some(&connection()));
        assert!(host.requests().iter().all(|request| request.method == "GET") && host.requests().len() <= 8);
        answer.map_err(|failure| failure.message)
    };
    let whole = || Some(config(json!({"labels": ["x"], "milestone": "3", "assignees": ["ada", "octocat"]})));
    assert_eq!(try_out(whole(), |_| {}).unwrap(), "signed in as postern-bot; acme/ops takes issues");
    assert!(try_out(whole(), |fake| fake.is_app = true).unwrap().starts_with("signed in as an app"));
    assert!(try_out(whole(), |fake| fake.triage = false).unwrap_err().contains("role \"Triage\" in acme/ops"));
    assert!(try_out(Some(config(json!({}))), |fake| fake.triage = false).is_ok(), "nothing that needs it is set");
    let refused = |more: Value| try_out(Some(config(more)), |_| {}).unwrap_err();
    assert!(refused(json!({"milestone": "99"})).contains("no milestone 99"));
    assert!(refused(json!({"assignees": ["nobody"]})).contains("cannot be assigned to nobody"));
    assert!(
        refused(json!({"repository": "acme/secret"}))
            .contains("signed in as postern-bot, but reading acme/secret failed: GitHub")
    );
    assert!(try_out(whole(), |fake| fake.repository["archived"] = json!(true)).unwrap_err().contains("is archived"));
    assert!(try_out(whole(), |fake| fake.repository["has_issues"] = json!(false)).unwrap_err().contains("switched off"));
}
