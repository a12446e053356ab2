//! The channels of a workspace: <https://docs.slack.dev/reference/methods/conversations.list>.

use crate::api::{self, Refusal};
use crate::connection::{Connection, Method};
use postern_provider::prelude::*;
use postern_provider::text::{Limit, one_line};

/// The name in the schemas.
const NAME: &str = "channels";

/// The contract's bound on a drop-down.
const MOST: usize = 1000;

/// How many pages are read, so that a call stays within its eight requests.
const PAGES: usize = 6;

/// Channels in a page: the method's greatest.
const PAGE: &str = "1000";

/// With the scope `channels:read` alone, private channels must not be asked for.
const KINDS: [&str; 2] = ["public_channel,private_channel", "public_channel"];

#[derive(Deserialize)]
struct Page {
    channels: Vec<Channel>,
    #[serde(default)]
    response_metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    next_cursor: String,
}

#[derive(Deserialize)]
struct Channel {
    id: String,
    name: String,
    #[serde(default)]
    is_private: bool,
    #[serde(default)]
    purpose: Purpose,
}

#[derive(Default, Deserialize)]
struct Purpose {
    #[serde(default)]
    value: String,
}

pub(crate) fn list(request: &OptionsRequest) -> Result<Vec<OptionItem>, Failure> {
    if request.name != NAME {
        return Err(Failure::never(format!("there are no options `{}`", request.name)));
    }
    let connection: Connection = request.connection()?;
    if connection.method == Method::Webhook {
        return Err(Failure::never(
            "an incoming webhook posts to the channel that it was made for; only a bot token can list channels",
        ));
    }
    let query = request.query.as_deref().unwrap_or_default().trim().trim_start_matches('#').to_lowercase();
    match matching(&connection, KINDS[0], &query) {
        Err(refusal) if refusal.is(&["missing_scope"]) => matching(&connection, KINDS[1], &query),
        found => found,
    }
    .map_err(Refusal::into_failure)
}

fn matching(connection: &Connection, kinds: &str, query: &str) -> Result<Vec<OptionItem>, Refusal> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for _ in 0..PAGES {
        let mut arguments = vec![("types", kinds), ("exclude_archived", "true"), ("limit", PAGE)];
        if !cursor.is_empty() {
            arguments.push(("cursor", &cursor));
        }
        let page: Page = api::read(connection, "conversations.list", &arguments)?;
        let fits = |channel: &Channel| channel.name.to_lowercase().contains(query) || channel.id.eq_ignore_ascii_case(query);
        found.extend(page.channels.into_iter().filter(fits).map(Channel::into_option));
        cursor = page.response_metadata.next_cursor;
        if cursor.is_empty() || found.len() >= MOST {
            break;
        }
    }
    if !cursor.is_empty() {
        log::info("the workspace has more channels than were read: search by name, or enter the channel's ID");
    }
    found.truncate(MOST);
    Ok(found)
}

impl Channel {
    fn into_option(self) -> OptionItem {
        let kind = if self.is_private { "private" } else { "" };
        let purpose = one_line(&self.purpose.value);
        let parts: Vec<_> = [kind, &purpose].into_iter().filter(|part| !part.is_empty()).collect();
        let description = Limit::characters(120).shorten(&parts.join(" · ")).into_owned();
        OptionItem {
            value: self.id,
            label: format!("#{}", self.name),
            description: Some(description).filter(|text| !text.is_empty()),
        }
    }
}
