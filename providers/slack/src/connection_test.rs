//! Tries settings: a token is asked who it is; a webhook, which can only post, gets a message that says it is a test.

use crate::api::{self, Refusal};
use crate::config::Config;
use crate::connection::{Connection, Method};
use crate::message::Message;
use crate::webhook;
use postern_provider::prelude::*;

/// <https://docs.slack.dev/reference/methods/auth.test>
#[derive(Deserialize)]
struct Identity {
    team: String,
    user: String,
}

pub(crate) fn run(settings: &Settings<Config, Connection>) -> Result<String, Failure> {
    let connection = settings.connection()?;
    match connection.method {
        Method::Bot => {
            let Identity { team, user } = api::read(connection, "auth.test", &[]).map_err(Refusal::into_failure)?;
            Ok(format!("signed in to {team} as {user}"))
        }
        Method::Webhook => {
            webhook::post(connection, &Message::test(), &[])?;
            Ok("Slack took a test message; it stands in the webhook's channel".into())
        }
    }
}
