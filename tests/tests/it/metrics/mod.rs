//! `GET /metrics`: what it counts, and what it keeps to itself.

mod access;
mod counts;
mod labels;
mod traces;

use postern_tests::{Api, Daemon};
use reqwest::Method;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A scrape: each line by its name and labels, as they are written.
pub(crate) struct Figures(BTreeMap<String, f64>);

impl Figures {
    pub(crate) async fn of(daemon: &Daemon) -> Self {
        Self::parse(&scrape(&daemon.api).await)
    }

    fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let parsed = samples.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            (name.to_owned(), value.parse().expect("a number"))
        });
        Self(parsed.collect())
    }

    /// What stands in the line with exactly this name and these labels.
    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("no {name} in {:#?}", self.0))
    }

    /// The sum of the lines whose names and labels begin so.
    fn sum(&self, prefix: &str) -> f64 {
        self.0.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, value)| value).sum()
    }

    /// The names of all lines.
    fn lines(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

async fn scrape(api: &Api) -> String {
    let answer = api.call(Method::GET, "/metrics", Value::Null).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    answer.text
}
