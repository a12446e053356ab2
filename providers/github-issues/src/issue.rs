//! Issues: <https://docs.github.com/en/rest/issues/issues>. Which one an entity has, and what was made by which delivery.
//!
//! An issue is found by the external id, or by its marker: among the newest of the repository, where it stands as soon as it was
//! made, and by GitHub's search, which knows the old ones and is some minutes late.

use crate::api::{self, Refusal};
use crate::config::Config;
use crate::connection::Connection;
use crate::marker;
use postern_provider::prelude::*;
use serde_json::Value;

/// How the newest issues are read: pages of 30, since an issue may have a text of 64 KiB and an answer a megabyte.
const NEWEST: (usize, usize) = (2, 30);

/// An issue by its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// `OWNER/NAME`.
    pub(crate) repository: String,
    pub(crate) number: u64,
}

impl Place {
    /// From an external id. One that is none of ours leads nowhere.
    fn parse(external_id: &str) -> Option<Self> {
        let (repository, number) = external_id.split_once('#')?;
        let number = number.parse().ok().filter(|_| api::is_repository(repository))?;
        Some(Self { repository: repository.to_owned(), number })
    }

    /// The path of what belongs to it: `/comments`.
    pub(crate) fn path(&self, behind: &str) -> String {
        format!("repos/{}/issues/{}{behind}", self.repository, self.number)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.repository, self.number)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Issue {
    pub(crate) place: Place,
    pub(crate) is_open: bool,
    body: String,
}

impl Issue {
    fn read(repository: &str, value: &Value) -> Result<Self, Failure> {
        let place = Place { repository: repository.to_owned(), number: api::number(value)? };
        Ok(Self { place, is_open: value["state"] == "open", body: value["body"].as_str().unwrap_or_default().to_owned() })
    }

    /// Whether an earlier try of this delivery wrote it.
    pub(crate) fn is_made_by(&self, delivery: &str) -> bool {
        self.body.contains(&marker::of_delivery(delivery))
    }
}

/// The issue that a delivery is about, if there is one: that of the external id unless it is closed, else the newest that is
/// open, else any.
pub(crate) fn current(delivery: &Delivery<Config, Connection>) -> Result<Option<Issue>, Failure> {
    let connection = delivery.connection()?;
    let known = match marker::entity(delivery).and_then(|entity| entity.external_id.as_deref()).and_then(Place::parse) {
        Some(place) => get(connection, &place)?,
        None => None,
    };
    if known.as_ref().is_some_and(|issue| issue.is_open) {
        return Ok(known);
    }
    // Without an entity, only an earlier try can have made one.
    let may_be_there = marker::entity(delivery).is_some() || delivery.attempt > 1;
    let mut found = if may_be_there { marked(connection, delivery)? } else { Vec::new() };
    let open = found.iter().position(|issue| issue.is_open);
    Ok(match (open, known) {
        (Some(open), _) => Some(found.swap_remove(open)),
        (None, Some(known)) => Some(known),
        (None, None) => found.into_iter().next(),
    })
}

/// The issues with a delivery's marker, newest first.
fn marked(connection: &Connection, delivery: &Delivery<Config, Connection>) -> Result<Vec<Issue>, Failure> {
    let repository = &delivery.config.repository;
    let word = marker::of_issue(delivery);
    let looking = |refusal: Refusal| refusal.context("looking for an earlier issue");
    let (pages, size) = NEWEST;
    let newest = format!("repos/{repository}/issues?state=all&sort=created&direction=desc&per_page={size}");
    let newest = api::list(connection, &newest, pages).map_err(looking)?;
    let found = with_word(repository, &newest.entries, &word)?;
    if !found.is_empty() || !newest.more {
        return Ok(found);
    }
    // <https://docs.github.com/en/rest/search/search#search-issues-and-pull-requests>
    let question = api::encoded(&format!("{word} in:body is:issue repo:{repository}"));
    match api::get(connection, &format!("search/issues?q={question}&sort=created&order=desc&per_page={size}")) {
        Ok(answer) => with_word(repository, answer["items"].as_array().map(Vec::as_slice).unwrap_or_default(), &word),
        Err(refusal) if refusal.status.is_some() && refusal.failure.retry == Retry::Never => {
            log::warn(format!("issues cannot be searched for by their marker: {}", refusal.failure));
            Ok(Vec::new())
        }
        Err(refusal) => Err(looking(refusal)),
    }
}

/// Lists of issues hold pull requests too, which have a field of that name.
fn with_word(repository: &str, entries: &[Value], word: &str) -> Result<Vec<Issue>, Failure> {
    let issues = entries.iter().filter(|entry| entry["pull_request"].is_null());
    issues
        .filter(|entry| entry["body"].as_str().is_some_and(|body| body.contains(word)))
        .map(|entry| Issue::read(repository, entry))
        .collect()
}

/// One that was deleted answers 410 or 404, and one that was moved to another repository 301.
fn get(connection: &Connection, place: &Place) -> Result<Option<Issue>, Failure> {
    match api::get(connection, &place.path("")) {
        Ok(value) => Ok(Some(Issue::read(&place.repository, &value)?)),
        Err(Refusal { status: Some(301 | 404 | 410), .. }) => {
            log::warn(format!("{place} was deleted or moved, or the token may not see it any more"));
            Ok(None)
        }
        Err(refusal) => Err(refusal.context(format!("reading {place}"))),
    }
}
