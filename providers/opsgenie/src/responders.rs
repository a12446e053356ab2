//! Who is alerted: <https://docs.opsgenie.com/docs/alert-api>, "Create Alert", `responders`.

use crate::config::Config;
use postern_provider::prelude::*;
use serde_json::{Value, json};

/// 50 teams, users, escalations and schedules in all.
const MOST: usize = 50;

pub(crate) fn of(config: &Config) -> Vec<Value> {
    let teams = config.teams.iter().map(|team| named("team", "name", &team.0));
    let users = config.users.iter().map(|user| named("user", "username", &user.0));
    let schedules = config.schedules.iter().map(|schedule| named("schedule", "name", &schedule.0));
    let escalations = config.escalations.iter().map(|escalation| named("escalation", "name", &escalation.0));
    let mut all: Vec<_> = teams.chain(users).chain(schedules).chain(escalations).collect();
    if all.len() > MOST {
        log::warn(format!("only the first {MOST} of {} responders are alerted: an alert takes no more", all.len()));
        all.truncate(MOST);
    }
    all
}

/// By ID where it is one, else by name. A user's name is an email address, and everything else an ID.
fn named(kind: &str, name_field: &str, value: &str) -> Value {
    let is_id = if kind == "user" { !value.contains('@') } else { is_uuid(value) };
    json!({ "type": kind, if is_id { "id" } else { name_field }: value })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
