//! What GitHub gets, and what the provider makes of its answers.

#[path = "../fake/mod.rs"]
mod fake;

mod create;
mod entity;
mod errors;
mod options;

use fake::{Github as Fake, REPOSITORY};
use postern_provider::testing::{self, Host, TestDelivery};
use postern_provider::{Failure, Receipt};
use postern_provider_github_issues::GithubIssues;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

fn connection() -> Value {
    json!({ "token": "sealed-token" })
}

fn github() -> (Host, Rc<RefCell<Fake>>) {
    let host = Host::new();
    let fake = host.serve(Fake::new());
    (host, fake)
}

/// The config that is needed, with more.
fn config(more: Value) -> Value {
    let mut config = json!({ "repository": REPOSITORY });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

fn delivery(more: Value) -> TestDelivery {
    TestDelivery::new(config(more)).connection(connection())
}

fn deliver(delivery: TestDelivery) -> Result<Receipt, Failure> {
    testing::deliver::<GithubIssues>(delivery)
}

fn find(delivery: TestDelivery) -> Result<Option<Receipt>, Failure> {
    testing::reconcile::<GithubIssues>(delivery.attempt(2))
}

fn made(number: u64) -> Result<Receipt, Failure> {
    Ok(Receipt::with_external_id(format!("{REPOSITORY}#{number}")))
}

/// How many issues have been made, and how many comments the first has.
fn counts(fake: &RefCell<Fake>) -> (usize, usize) {
    let fake = fake.borrow();
    (fake.issues.len(), fake.issues.first().map_or(0, |issue| issue.comments.len()))
}
