//! The provider that makes events issues on GitHub, by its REST API, and comments on and closes them when more happens.
//!
//! Invariants:
//! - The token goes to the connection's API only.
//! - Nothing in a payload mentions anybody, refers to an issue or becomes markup: in the usual texts it is code, and in templates a
//!   character without width parts `@` and `#` from what follows.
//! - A text that is too long for GitHub is shortened with a visible mark; it fails no delivery.
//! - A try whose answer was lost is looked for before anything is made again: issues and comments have a marker that nobody sees.
//! - An external id is `OWNER/REPOSITORY#NUMBER` of the entity's first issue.
//!
//! | module | holds |
//! |---|---|
//! | `connection`, `config` | the settings and their schemas |
//! | `message`, `markdown` | what issues and comments say |
//! | `marker` | what issues and comments are known by |
//! | `deliver` | makes an issue, or changes the entity's |
//! | `issue`, `comments` | finds and changes issues, adds and finds comments |
//! | `api`, `errors` | requests, pages, and what refusals mean |
//! | `options` | the drop-downs |
//! | `connection_test` | tries settings |

mod api;
mod comments;
mod config;
mod connection;
mod connection_test;
mod deliver;
mod errors;
mod issue;
mod markdown;
mod marker;
mod message;
mod options;

use config::Config;
use connection::Connection;
use postern_provider::prelude::*;
use std::time::Duration;

/// The provider `postern.github-issues`.
#[derive(Debug)]
pub struct GithubIssues;

impl Provider for GithubIssues {
    type Config = Config;
    type Connection = Connection;
    const TEST_CONNECTION: Option<TestConnection<Self>> = Some(connection_test::run);
    const LIST_OPTIONS: Option<ListOptions> = Some(options::list);
    const RECONCILE: Option<Reconcile<Self>> = Some(deliver::find);

    fn manifest() -> Manifest {
        Manifest::new("github-issues", env!("CARGO_PKG_VERSION"), "GitHub Issues")
            .description("Makes events issues on GitHub; later events of the same entity comment on its issue and close it.")
            .icon("CircleDot")
            .host("{connection.apiUrl}")
            .setup_guide(include_str!("../setup-guide.md"))
            .example_payload(include_str!("../example-payload.json"))
            .header("Authorization", "Bearer, with the token")
            .header("X-GitHub-Api-Version", "The version of the API that this provider is written for")
            .link("https://docs.github.com/en/rest/issues/issues")
            // At most 80 issues and comments a minute and 500 an hour, a second between changes, of which a delivery makes two,
            // and 30 searches a minute, of which it makes one. The answers' headers say the rest.
            // https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
            // https://docs.github.com/en/rest/search/search#rate-limit
            .rate(1, Duration::from_secs(2))
    }

    fn deliver(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
        deliver::run(delivery)
    }
}

postern_provider::export!(GithubIssues);
