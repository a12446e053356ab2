//! What Slack's error codes mean: whether to try again, and what an administrator can do.
//!
//! The codes of the Web API come with HTTP 200 and are listed on each method's page
//! (<https://docs.slack.dev/reference/methods/chat.postMessage>); those of incoming webhooks are the text of an answer with an
//! error's status (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>, "Handling errors").

use postern_provider::prelude::*;

/// Codes after which a later try may succeed: Slack is busy, broken for the moment, or moves a workspace.
const TEMPORARY: [&str; 10] = [
    "external_channel_migrating",
    "fatal_error",
    "internal_error",
    "org_login_required",
    "rate_limited",
    "ratelimited",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
    "update_failed",
];

/// The failure that a code of the Web API means. `detail` is what else Slack said.
pub(crate) fn failure(code: &str, detail: &str) -> Failure {
    let message = format!("Slack refused it: {}", explained(code, detail));
    if TEMPORARY.contains(&code) { Failure::backoff(message) } else { Failure::never(message) }
}

/// A code with what it means for an administrator.
pub(crate) fn explained(code: &str, detail: &str) -> String {
    let separator = if detail.is_empty() { "" } else { ": " };
    match advice(code) {
        Some(advice) => format!("{code}{separator}{detail} ({advice})"),
        None => format!("{code}{separator}{detail}"),
    }
}

fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "not_in_channel" => "invite the app to the channel with /invite, or give it the scope chat:write.public",
        "channel_not_found" => "check the channel; a private one must have the app as a member",
        "is_archived" | "channel_is_archived" => "the channel is archived: choose another",
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            "install the app again and enter the new bot token in the connection"
        }
        "missing_scope" | "no_permission" => "add the scope to the app under OAuth & Permissions, and install it again",
        "not_allowed_token_type" => "enter the token that starts with xoxb-",
        "invalid_blocks" | "invalid_blocks_format" | "msg_blocks_too_long" => "check the blocks template",
        "invalid_token" | "no_service" | "no_team" | "no_active_hooks" => {
            "the webhook is gone or disabled: make a new one and enter its URL in the connection"
        }
        "user_not_found" | "action_prohibited" | "posting_to_general_channel_denied" => {
            "check the channel and the workspace's rules"
        }
        _ if code.starts_with("restricted_action") => "a rule of the workspace or channel forbids it",
        _ => return None,
    })
}
