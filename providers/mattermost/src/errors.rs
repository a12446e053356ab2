//! What Mattermost's errors mean. Their ids are those of its open server (mattermost/mattermost, `app/webhook.go`,
//! `HandleIncomingWebhook`); their statuses say whether to try again, but for the ones below.

/// Errors with a status of 5xx that last until an administrator changes something.
pub(crate) const PERMANENT: [&str; 1] = ["web.incoming_webhook.disabled.app_error"];

/// What an administrator can do about an error.
pub(crate) fn advice(id: &str) -> Option<&'static str> {
    Some(match id {
        "web.incoming_webhook.disabled.app_error" => {
            "switch on incoming webhooks in the System Console under Integrations, Integration Management"
        }
        "web.incoming_webhook.invalid.app_error" => "the webhook is gone: make a new one and enter its URL in the connection",
        "web.incoming_webhook.channel.app_error" | "app.channel.get.existing.app_error" => {
            "check the channel: its name stands in its URL, and it must be in the webhook's team"
        }
        "web.incoming_webhook.channel_locked.app_error" => {
            "the webhook is locked to its channel: unlock it there, or leave the subscription's channel empty"
        }
        "web.incoming_webhook.permissions.app_error" => "who made the webhook must be a member of the channel",
        "web.incoming_webhook.user.app_error" => {
            "check the user: the one that the channel names, or the one who made the webhook"
        }
        _ => return None,
    })
}
