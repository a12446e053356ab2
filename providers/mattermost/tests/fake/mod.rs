//! A Mattermost server's incoming webhook.
//!
//! - <https://developers.mattermost.com/integrate/webhooks/incoming/>: the fields, `ok` as text, the limit of a post.
//! - <https://developers.mattermost.com/integrate/reference/message-attachments/>,
//!   <https://docs.mattermost.com/developers/integrate/reference/message-priority>: their fields.
//! - Errors are the open server's `AppError`: `{id, message, detailed_error, request_id, status_code}`; their ids and statuses are
//!   those of its `HandleIncomingWebhook` (mattermost/mattermost, `server/channels/app/webhook.go`).

use postern_provider::http::{Error, Request, Response};
use postern_provider::testing::{self, Server, header, json_body, json_response};
use serde_json::{Value, json};

pub(crate) const WEBHOOK: &str = "https://chat.example.com/hooks/sealed";

/// "Posts up to 16383 characters are supported."
const LONGEST: usize = 16_383;

pub(crate) struct Mattermost {
    /// Where each post went, and what it was.
    pub(crate) posts: Vec<(String, Value)>,
    pub(crate) enabled: bool,
    /// Whether the webhook takes no other channel.
    pub(crate) locked: bool,
    /// Whether who made the webhook is a member of the private channel.
    pub(crate) member: bool,
}

impl Mattermost {
    pub(crate) fn new() -> Self {
        Self { posts: Vec::new(), enabled: true, locked: false, member: true }
    }

    fn post(&mut self, url: &str, body: Value) -> Response {
        if !self.enabled {
            return refused(
                501,
                "web.incoming_webhook.disabled.app_error",
                "Incoming webhooks have been disabled by the system admin.",
            );
        }
        let attachments = body["attachments"].as_array();
        let text = body["text"].as_str().unwrap_or_default();
        if text.is_empty() && attachments.is_none() {
            return refused(400, "web.incoming_webhook.text.app_error", "No text specified.");
        }
        if url != WEBHOOK {
            return refused(400, "web.incoming_webhook.invalid.app_error", "Invalid webhook.");
        }
        check(text, attachments.map(Vec::as_slice).unwrap_or_default(), &body);
        let channel = match body["channel"].as_str().map(|name| name.trim_start_matches('#')) {
            None => "ops",
            Some(name @ ("ops" | "town-square" | "secret")) => name,
            Some("@ada") => "@ada",
            Some(name) if name.starts_with('@') => {
                return refused(400, "web.incoming_webhook.user.app_error", "Couldn't find the user.");
            }
            Some(_) => return refused(404, "web.incoming_webhook.channel.app_error", "Couldn't find the channel."),
        };
        if self.locked && channel != "ops" {
            return refused(
                403,
                "web.incoming_webhook.channel_locked.app_error",
                "This webhook is not permitted to post to the requested channel.",
            );
        }
        if channel == "secret" && !self.member {
            return refused(403, "web.incoming_webhook.permissions.app_error", "Inappropriate channel permissions.");
        }
        self.posts.push((channel.to_owned(), body));
        testing::response(200, &[("Content-Type", "text/plain")], "ok")
    }
}

/// What the documentation says of the fields.
fn check(text: &str, attachments: &[Value], body: &Value) {
    assert!(text.chars().count() <= LONGEST, "it would become several posts");
    for attachment in attachments {
        assert!(!attachment["fallback"].as_str().unwrap().is_empty(), "a required plain-text summary");
        let colour = attachment["color"].as_str().unwrap();
        assert!(colour.len() == 7 && u32::from_str_radix(&colour[1..], 16).is_ok(), "a hex color code");
        assert!(attachment["text"].as_str().unwrap().chars().count() <= LONGEST);
        assert!(attachment["footer"].as_str().unwrap().chars().count() <= 300, "it would be truncated");
        for field in attachment["fields"].as_array().unwrap() {
            assert!(field["title"].is_string() && field["value"].is_string() && field["short"].is_boolean());
        }
    }
    if let Some(priority) = body.get("priority") {
        assert!(matches!(priority["priority"].as_str(), Some("important" | "urgent")));
    }
    let reserved = [
        "from_webhook",
        "override_username",
        "override_icon_url",
        "override_icon_emoji",
        "webhook_display_name",
        "card",
        "attachments",
    ];
    assert!(reserved.iter().all(|name| body["props"].get(name).is_none()));
}

impl Server for Mattermost {
    fn answer(&mut self, request: &Request) -> Result<Response, Error> {
        assert_eq!((request.method.as_str(), header(request, "Content-Type")), ("POST", Some("application/json")));
        Ok(self.post(&request.url, json_body(request)))
    }
}

fn refused(status: u16, id: &str, message: &str) -> Response {
    let body = json!({"id": id, "message": message, "detailed_error": "", "request_id": "hoan6o9ws7rp5xj7wu9rmysrte", "status_code": status});
    json_response(status, &[("X-Request-Id", "hoan6o9ws7rp5xj7wu9rmysrte")], &body)
}
