//! What Telegram's errors mean. Its answers have HTTP's codes, which say whether to try again, and a description, which is meant
//! for people and is the only thing that tells errors of one code apart:
//! <https://core.telegram.org/bots/api#making-requests>. The descriptions are those that its open server
//! (tdlib/telegram-bot-api, `Client.cpp`) sends.

/// Descriptions that say that the first message cannot be edited or answered any more, while the chat may take others.
pub(crate) const FIRST_IS_GONE: [&str; 9] = [
    "message to be replied not found",
    "replied message not found",
    "reply message not found",
    "message to edit not found",
    "message can't be edited",
    "message_id_invalid",
    "message thread not found",
    "topic_deleted",
    "topic_closed",
];

/// An edit that changes nothing has done what it should.
pub(crate) const NOT_MODIFIED: &str = "message is not modified";

/// A description with what an administrator can do.
pub(crate) fn explained(description: &str) -> String {
    match advice(&description.to_lowercase()) {
        Some(advice) => format!("{description} ({advice})"),
        None => description.to_owned(),
    }
}

fn advice(description: &str) -> Option<&'static str> {
    let has = |parts: &[&str]| parts.iter().any(|part| description.contains(part));
    Some(if description == "unauthorized" || description == "not found" {
        "enter the token that @BotFather gave in the connection"
    } else if has(&["chat not found"]) {
        "check the chat; the bot must be in the group or channel, and a person must have sent it a message first"
    } else if has(&["bot was kicked", "not a member"]) {
        "add the bot to the chat again"
    } else if has(&["bot was blocked", "user is deactivated", "can't initiate conversation"]) {
        "the person must open the bot and start it"
    } else if has(&["not enough rights", "have no rights", "administrator rights", "chat_write_forbidden"]) {
        "let the bot post there; in a channel it must be an administrator"
    } else if has(&["message thread not found", "topic_closed", "topic_deleted"]) {
        "the topic is closed or gone: check it in the subscription"
    } else if has(&["upgraded to a supergroup"]) {
        "the group has a new number: enter it in the subscription"
    } else if has(&["webhook is active", "terminated by other"]) {
        "another program receives the bot's messages, so that the chats cannot be listed: enter the chat's number"
    } else {
        return None;
    })
}
