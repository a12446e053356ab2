//! What Jira gets, and what the provider makes of its answers.

#[path = "../fake/mod.rs"]
mod fake;

mod create;
mod entity;
mod errors;
mod options;
mod text;

use fake::{Jira as Fake, SITE};
use postern_provider::testing::{self, Host, TestDelivery};
use postern_provider::{Failure, Receipt};
use postern_provider_jira::Jira;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

fn connection() -> Value {
    json!({"siteUrl": SITE, "email": "mia@example.com", "apiToken": "sealed-token"})
}

fn jira() -> (Host, Rc<RefCell<Fake>>) {
    let host = Host::new();
    let fake = host.serve(Fake::new());
    (host, fake)
}

/// The config that is needed, with more.
fn config(more: Value) -> Value {
    let mut config = json!({"project": "OPS", "issueType": "10004"});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

fn delivery(more: Value) -> TestDelivery {
    TestDelivery::new(config(more)).connection(connection())
}

fn deliver(delivery: TestDelivery) -> Result<Receipt, Failure> {
    testing::deliver::<Jira>(delivery)
}

fn made(key: &str) -> Result<Receipt, Failure> {
    Ok(Receipt::with_external_id(key))
}

/// The text of a document, without its structure.
fn plain(document: &Value) -> String {
    let own = document["text"].as_str().unwrap_or_default().to_owned();
    document["content"].as_array().into_iter().flatten().fold(own, |text, node| text + &plain(node))
}
