//! What a provider says of itself.

use std::time::Duration;

/// What a provider says of itself, apart from its schemas and its functions, which the SDK adds. See the contract,
/// `wit/provider.wit`, for each field's rules.
#[derive(Clone, Debug)]
#[must_use]
#[expect(missing_docs, reason = "the functions of the same names say what each field is")]
pub struct Manifest {
    pub id: &'static str,
    pub version: &'static str,
    pub display_name: &'static str,
    pub description: &'static str,
    pub icon: Option<&'static str>,
    pub supported_events: Option<Vec<&'static str>>,
    pub config_version: u32,
    pub connection_version: u32,
    pub hosts: Vec<&'static str>,
    pub idempotent: bool,
    pub setup_guide: Option<&'static str>,
    pub example_payload: Option<&'static str>,
    pub headers: Vec<(&'static str, &'static str)>,
    pub link: Option<&'static str>,
    pub rate: Option<(u32, Duration)>,
}

impl Manifest {
    /// The id (letters, digits and hyphens, without the plugin's), the provider's own semantic version, and the name that a
    /// person reads.
    pub fn new(id: &'static str, version: &'static str, display_name: &'static str) -> Self {
        Self {
            id,
            version,
            display_name,
            description: "",
            icon: None,
            supported_events: None,
            config_version: 1,
            connection_version: 1,
            hosts: Vec::new(),
            idempotent: false,
            setup_guide: None,
            example_payload: None,
            headers: Vec::new(),
            link: None,
            rate: None,
        }
    }

    /// One or two sentences on what it does.
    pub fn description(mut self, text: &'static str) -> Self {
        self.description = text;
        self
    }

    /// The name of a Lucide icon.
    pub fn icon(mut self, name: &'static str) -> Self {
        self.icon = Some(name);
        self
    }

    /// An event type that it can deliver, exact or with a trailing `.*`. Every one, unless called.
    pub fn supports(mut self, event_type: &'static str) -> Self {
        self.supported_events.get_or_insert_default().push(event_type);
        self
    }

    /// The version of the config's schema, from 1. Raise it when older settings no longer fit, and set
    /// [`MIGRATE_CONFIG`](crate::Provider::MIGRATE_CONFIG).
    pub fn config_version(mut self, version: u32) -> Self {
        self.config_version = version;
        self
    }

    /// The version of the connection's schema, likewise.
    pub fn connection_version(mut self, version: u32) -> Self {
        self.connection_version = version;
        self
    }

    /// A host that it wants to reach: `hooks.slack.com`, `*.atlassian.net`, or the host of a field, `{config.url}`.
    pub fn host(mut self, pattern: &'static str) -> Self {
        self.hosts.push(pattern);
        self
    }

    /// A promise: a second delivery with the same id does no harm.
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Markdown: how to set the external system up.
    pub fn setup_guide(mut self, markdown: &'static str) -> Self {
        self.setup_guide = Some(markdown);
        self
    }

    /// The body that the external system receives, as an example.
    pub fn example_payload(mut self, text: &'static str) -> Self {
        self.example_payload = Some(text);
        self
    }

    /// A header that the external system receives.
    pub fn header(mut self, name: &'static str, description: &'static str) -> Self {
        self.headers.push((name, description));
        self
    }

    /// A page to read further.
    pub fn link(mut self, url: &'static str) -> Self {
        self.link = Some(url);
        self
    }

    /// At most so many calls in so much time.
    pub fn rate(mut self, calls: u32, time: Duration) -> Self {
        self.rate = Some((calls, time));
        self
    }
}

/// The whole manifest: what the author wrote, and what the SDK reads off the types.
#[derive(Clone, Debug)]
pub struct Description {
    /// What the author wrote.
    pub manifest: Manifest,
    /// The config's JSON Schema.
    pub config_schema: String,
    /// The connection's JSON Schema, unless it is [`NoConnection`](crate::NoConnection).
    pub connection_schema: Option<String>,
    /// Whether [`TEST_CONNECTION`](crate::Provider::TEST_CONNECTION) is there.
    pub test_connection: bool,
    /// Whether [`LIST_OPTIONS`](crate::Provider::LIST_OPTIONS) is there.
    pub list_options: bool,
    /// Whether [`MIGRATE_CONFIG`](crate::Provider::MIGRATE_CONFIG) is there.
    pub migrate_config: bool,
    /// Whether [`RECONCILE`](crate::Provider::RECONCILE) is there.
    pub reconcile: bool,
}
