//! Tries settings without a message: the bot is asked who it is, and whether it sees the space.

use crate::api::{self, Refusal};
use crate::config::Config;
use crate::connection::Connection;
use postern_provider::prelude::*;

/// <https://developer.webex.com/docs/api/v1/people/get-my-own-details>
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    display_name: String,
    #[serde(default)]
    emails: Vec<String>,
}

/// <https://developer.webex.com/docs/api/v1/rooms/get-room-details>
#[derive(Deserialize)]
struct Room {
    title: String,
}

pub(crate) fn run(settings: &Settings<Config, Connection>) -> Result<String, Failure> {
    let connection = settings.connection()?;
    let read = |path: &str| api::send(connection, http::get(api::url(connection, path))).map_err(Refusal::into_failure);
    let person: Person = read("/people/me")?.json()?;
    let email = person.emails.first().map(|email| format!(" ({email})")).unwrap_or_default();
    let name = format!("signed in as {}{email}", person.display_name);
    let Some(config) = &settings.config else { return Ok(name) };
    let room: Room = read(&format!("/rooms/{}", config.room_id))?.json()?;
    Ok(format!("{name}; it is in {}", room.title))
}
