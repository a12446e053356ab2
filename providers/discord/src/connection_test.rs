//! Tries settings: a webhook tells about itself, so nothing is posted.

use crate::api::{self, Refusal};
use crate::config::Config;
use crate::connection::Connection;
use postern_provider::prelude::*;
use postern_provider::text::{Limit, one_line};

/// Incoming webhooks: <https://docs.discord.com/developers/resources/webhook#webhook-object-webhook-types>. Only these post with
/// their URL.
const INCOMING: u64 = 1;

/// <https://docs.discord.com/developers/resources/webhook#get-webhook-with-token>. Its token is left where it is.
#[derive(Deserialize)]
struct Webhook {
    #[serde(rename = "type")]
    kind: u64,
    name: Option<String>,
    channel_id: Option<String>,
}

pub(crate) fn run(settings: &Settings<Config, Connection>) -> Result<String, Failure> {
    let url = settings.connection()?.execute("");
    let webhook: Webhook = api::send(http::get(url)).map_err(Refusal::into_failure)?.json()?;
    if webhook.kind != INCOMING {
        return Err(Failure::never("it is no incoming webhook: make one in the channel's settings, under Integrations"));
    }
    let shown = |text: Option<String>| Limit::characters(100).shorten(&one_line(&text.unwrap_or_default())).into_owned();
    Ok(format!("the webhook \"{}\" posts to the channel {}", shown(webhook.name), shown(webhook.channel_id)))
}
