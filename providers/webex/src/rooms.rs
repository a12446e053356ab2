//! The spaces that the bot is in: <https://developer.webex.com/docs/api/v1/rooms/list-rooms>.

use crate::api::{self, Refusal};
use crate::connection::Connection;
use postern_provider::prelude::*;
use postern_provider::text::one_line;

/// The name in the schemas.
const NAME: &str = "rooms";

/// The contract's bound on a drop-down.
const MOST: usize = 1000;

/// How many pages are read, so that a call stays within its eight requests.
const PAGES: usize = 7;

/// Those with activity lately come first; rooms in a page: the method's greatest.
const FIRST_PAGE: &str = "/rooms?sortBy=lastactivity&max=1000";

#[derive(Deserialize)]
struct Page {
    items: Vec<Room>,
}

#[derive(Deserialize)]
struct Room {
    id: String,
    #[serde(default)]
    title: String,
    /// `direct` or `group`.
    #[serde(rename = "type")]
    kind: String,
}

pub(crate) fn list(request: &OptionsRequest) -> Result<Vec<OptionItem>, Failure> {
    if request.name != NAME {
        return Err(Failure::never(format!("there are no options `{}`", request.name)));
    }
    let connection: Connection = request.connection()?;
    let query = request.query.as_deref().unwrap_or_default().trim().to_lowercase();
    let mut found = Vec::new();
    let mut next = Some(api::url(&connection, FIRST_PAGE));
    for _ in 0..PAGES {
        let Some(url) = next.take_if(|_| found.len() < MOST) else { break };
        let response = api::send(&connection, http::get(url)).map_err(Refusal::into_failure)?;
        let page: Page = response.json()?;
        found.extend(page.items.into_iter().filter(|room| room.title.to_lowercase().contains(&query)).map(Room::into_option));
        next = response.link("next").filter(|url| api::is_ours(&connection, url)).map(str::to_owned);
    }
    if next.is_some() {
        log::info("the bot is in more spaces than were read: search by name, or enter the space's id");
    }
    found.truncate(MOST);
    Ok(found)
}

impl Room {
    fn into_option(self) -> OptionItem {
        let title = one_line(&self.title);
        let description = (self.kind == "direct").then(|| "one person".to_owned());
        OptionItem { label: if title.is_empty() { self.id.clone() } else { title }, value: self.id, description }
    }
}
