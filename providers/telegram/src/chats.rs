//! The chats that a bot has heard of lately: a bot cannot list those that it is in, only what was sent to it in the last 24
//! hours and received by nobody yet (<https://core.telegram.org/bots/api#getupdates>).
//!
//! Without an offset nothing is marked as received, so that asking changes nothing. That leaves one page, the oldest 100.

use crate::api::{self, Refusal};
use crate::connection::Connection;
use postern_provider::prelude::*;
use postern_provider::text::one_line;
use serde_json::{Value, json};

/// The name in the schemas.
const NAME: &str = "chats";

/// Updates in a page: the method's greatest.
const PAGE: usize = 100;

pub(crate) fn list(request: &OptionsRequest) -> Result<Vec<OptionItem>, Failure> {
    if request.name != NAME {
        return Err(Failure::never(format!("there are no options `{}`", request.name)));
    }
    let connection: Connection = request.connection()?;
    let query = request.query.as_deref().unwrap_or_default().trim().to_lowercase();
    let result = api::call(&connection, "getUpdates", &json!({ "limit": PAGE, "timeout": 0 })).map_err(Refusal::into_failure)?;
    let updates = result.as_array().map(Vec::as_slice).unwrap_or_default();
    if updates.len() == PAGE {
        log::info("the bot has received more than was read: if the chat is missing, enter its number");
    }
    // The latest update has the chat's present name.
    let mut found: Vec<OptionItem> = Vec::new();
    for item in updates.iter().rev().filter_map(option_of) {
        let fits = [&item.label, &item.value].iter().any(|text| text.to_lowercase().contains(&query));
        if fits && !found.iter().any(|other| other.value == item.value) {
            found.push(item);
        }
    }
    Ok(found)
}

/// The chat (<https://core.telegram.org/bots/api#chat>) of an update, whichever kind of it: a message, a channel's post, a change
/// of the bot's membership.
fn option_of(update: &Value) -> Option<OptionItem> {
    let chat = update.as_object()?.values().find_map(|content| content.get("chat"))?;
    let text = |name: &str| chat[name].as_str().map(one_line).filter(|text| !text.is_empty());
    let name = || [text("first_name"), text("last_name")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let kind = text("type").unwrap_or_default();
    let username = text("username").map(|name| format!(" · @{name}")).unwrap_or_default();
    Some(OptionItem {
        value: chat["id"].as_i64()?.to_string(),
        label: text("title").unwrap_or_else(name),
        description: Some(format!("{kind}{username}")),
    })
}
