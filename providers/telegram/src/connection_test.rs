//! Tries settings without a message: the bot is asked who it is, the chat whether the bot may post there.

use crate::api::{self, Refusal};
use crate::config::Config;
use crate::connection::Connection;
use postern_provider::prelude::*;
use postern_provider::text::one_line;
use serde_json::{Value, json};

pub(crate) fn run(settings: &Settings<Config, Connection>) -> Result<String, Failure> {
    let connection = settings.connection()?;
    let call = |method: &str, body: Value| api::call(connection, method, &body).map_err(Refusal::into_failure);
    // <https://core.telegram.org/bots/api#user>
    let bot = call("getMe", json!({}))?;
    let name = format!("signed in as @{}", text(&bot["username"]));
    let Some(Config { chat_id, .. }) = &settings.config else { return Ok(name) };
    // <https://core.telegram.org/bots/api#chatfullinfo>: a private chat has a first name and no title.
    let chat = call("getChat", json!({ "chat_id": chat_id }))?;
    let title = text(if chat["title"].is_string() { &chat["title"] } else { &chat["first_name"] });
    if chat["type"] != "private" {
        let user = api::number(&bot, "/id")?;
        let member = call("getChatMember", json!({ "chat_id": chat_id, "user_id": user }))?;
        if let Some(trouble) = trouble(&member, chat["type"] == "channel") {
            return Err(Failure::never(format!("the bot cannot post to {title}: {trouble}")));
        }
    }
    Ok(format!("{name}; it can post to {title}"))
}

fn text(value: &Value) -> String {
    one_line(value.as_str().unwrap_or_default())
}

/// Why a member cannot post: <https://core.telegram.org/bots/api#chatmember>.
fn trouble(member: &Value, is_channel: bool) -> Option<&'static str> {
    match member["status"].as_str().unwrap_or_default() {
        "left" | "kicked" => Some("add it to the chat"),
        "restricted" if member["can_send_messages"] == false => Some("its right to send messages was taken away"),
        "creator" => None,
        "administrator" if is_channel && member["can_post_messages"] == false => Some("let it post messages"),
        status if is_channel && status != "administrator" => Some("in a channel it must be an administrator"),
        _ => None,
    }
}
