//! What issues and comments say.

use crate::config::Config;
use crate::connection::Connection;
use crate::markdown::{code, code_block, escape};
use crate::marker;
use postern_provider::prelude::*;
use postern_provider::text::{Limit, escaped, escaped_anew, one_line};

/// "title is too long (maximum is 256 characters)", as GitHub answers.
const TITLE: Limit = Limit::characters(256);

/// "body is too long (maximum is 65536 characters)", as GitHub answers; of comments too. The usual texts stay far below it by
/// their parts' limits.
const BODY: usize = 65_536;

/// A template that is not empty.
fn filled<T>(template: &Option<Template<T>>) -> Option<&str> {
    template.as_deref().filter(|text| !text.trim().is_empty())
}

/// The issue's title. One that only tries the subscription out says so, whatever the template.
pub(crate) fn title(delivery: &Delivery<Config, Connection>) -> String {
    let notice = delivery.notice();
    let text = match filled(&delivery.config.title_template) {
        Some(text) if notice.test => one_line(&format!("[Test] {text}")),
        Some(text) => one_line(text),
        None => notice.title,
    };
    TITLE.shorten(&text).into_owned()
}

/// The issue's text, with its marker.
pub(crate) fn body(delivery: &Delivery<Config, Connection>) -> String {
    written(filled(&delivery.config.body_template), || told(delivery), &marker::for_issue(delivery))
}

/// A comment on what happened since, with its marker.
pub(crate) fn comment(delivery: &Delivery<Config, Connection>) -> String {
    let usual = || {
        let notice = delivery.notice();
        format!("**{} {}**\n\n{}", notice.sign(), code(&notice.summary), told(delivery))
    };
    written(filled(&delivery.config.comment_template), usual, &marker::for_comment(delivery))
}

fn written(template: Option<&str>, usual: impl FnOnce() -> String, marker: &str) -> String {
    let text = template.map_or_else(usual, |template| escaped_anew(template, escape));
    let room = Limit::characters(BODY - marker.len() - 2);
    format!("{}\n\n{marker}", room.shorten(&text))
}

/// What the payload says: in its own words, then field by field, then where it comes from. All of it is code, so nothing in a
/// payload mentions anybody or looks like something else.
fn told(delivery: &Delivery<Config, Connection>) -> String {
    let notice = delivery.notice();
    let facts: Vec<_> =
        notice.facts.iter().map(|fact| format!("- **{}:** {}", escaped(&fact.label, escape), code(&fact.value))).collect();
    let mut source = format!("{} · {} · {}", code(&delivery.event.event_id), notice.time, code(&delivery.subscription.name));
    if let Some(link) = &notice.link {
        source.push_str(&format!(" · [Open](<{link}>)"));
    }
    let description = notice.description.as_deref().map(code_block);
    let parts: Vec<_> =
        description.into_iter().chain(Some(facts.join("\n")).filter(|facts| !facts.is_empty())).chain([source]).collect();
    parts.join("\n\n")
}
