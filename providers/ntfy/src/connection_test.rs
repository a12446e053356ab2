//! Tries settings. Whether a topic may be written to is only known by writing, so it gets a message that says it is a test.

use crate::api;
use crate::config::Config;
use crate::connection::{Authentication, Connection};
use crate::message;
use postern_provider::prelude::*;

pub(crate) fn run(settings: &Settings<Config, Connection>) -> Result<String, Failure> {
    let connection = settings.connection()?;
    let Some(Config { topic, .. }) = &settings.config else {
        api::health(connection)?;
        return Ok(match connection.authentication {
            Authentication::None => "the server answers".into(),
            Authentication::Token | Authentication::Password => "the server answers and takes the credentials".into(),
        });
    };
    api::publish(connection, &message::test(topic))?;
    Ok("ntfy took a test message; it stands in the topic, with the lowest priority".into())
}
