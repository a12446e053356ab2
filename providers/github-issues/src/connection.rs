//! Where the API is, and who we are there.

use postern_provider::prelude::*;

/// The API of github.com, of an enterprise at ghe.com, or of an Enterprise Server:
/// <https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api>,
/// <https://docs.github.com/en/enterprise-server@latest/rest/quickstart>.
const API: &str = r"^(https://api\.github\.com|https://api\.[a-z0-9-]+\.ghe\.com|https?://[^\s/?#{}@\\]+/api/v3)/?$";

/// What fits into a header.
const TOKEN: &str = "^[!-~]+$";

/// The API of github.com.
const PUBLIC: &str = "https://api.github.com";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "Where GitHub's API is, and the account that makes issues there.")]
pub struct Connection {
    /// The API's address: `https://api.github.com`; for GitHub Enterprise Server `https://github.example.com/api/v3`, for an
    /// enterprise at ghe.com `https://api.octocorp.ghe.com`. The token goes there.
    #[serde(default = "public")]
    #[schemars(title = "API", url, regex(pattern = API), length(max = 500))]
    api_url: String,

    /// A personal access token, best a fine-grained one of an account of its own with the permission "Issues: read and write"
    /// for the repositories. Issues and comments appear in its name.
    #[schemars(title = "Token", regex(pattern = TOKEN), length(max = 1024))]
    pub(crate) token: Secret,
}

fn public() -> String {
    PUBLIC.to_owned()
}

impl Connection {
    /// The URL of a resource.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.api_url.trim_end_matches('/'))
    }
}
