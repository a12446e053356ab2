//! The example provider in five ways (`providers/examples`), side by side on one daemon, as a stranger would add them.
//!
//! What `providers/examples/build.sh` left out, for want of tools, is left out here too, unless POSTERN_EXAMPLES=required.

mod conforming;
mod crashing;
mod delivering;
mod failing;
mod tried;

use postern_tests::launch::build_directory;
use postern_tests::platform::{INCIDENT_CREATED, id};
use postern_tests::{Daemon, Receiver};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Where the components are below `target/examples`, and whether they send by `http.send` of the contract.
const EXAMPLES: [(&str, bool); 5] = [
    ("javascript/example-javascript.wasm", true),
    ("javascript/example-javascript-fetch.wasm", false),
    ("python/example-python.wasm", true),
    ("go/example-go.wasm", true),
    ("c/example-c.wasm", true),
];

/// How long compiling one with an interpreter in it may take, on a machine that is busy with other tests.
const COMPILING: Duration = Duration::from_secs(600);

/// The key goes over plain HTTP; and the one destination of them all is not left alone for what five of them try.
const CONFIG: &str = "[egress]\nplain-http = [\"127.0.0.1:*\"]\n[delivery.breaker]\nfailures = 1000";

const API_KEY: &str = "k3y/of+the=service";

/// One example on a daemon.
struct Example {
    /// Its id there: `test.example-c`.
    provider: String,
    /// Whether the host tells it what went wrong, as `http.send` does and `fetch` does not.
    is_told: bool,
}

/// A daemon with all examples that could be built, and the receiver that they deliver to.
struct Scene {
    daemon: Daemon,
    receiver: Receiver,
    examples: Vec<Example>,
}

impl Scene {
    async fn new() -> Self {
        static COMPILED: OnceCell<()> = OnceCell::const_new();
        // The first daemon alone compiles what all others find in the cache.
        COMPILED.get_or_init(|| async { drop(Self::with_all().await) }).await;
        Self::with_all().await
    }

    async fn with_all() -> Self {
        let daemon = Daemon::builder().config(CONFIG).start().await;
        daemon.register_incidents().await;
        let mut examples = Vec::new();
        for (path, is_told) in EXAMPLES {
            if let Some(component) = built(path) {
                examples.push(Example { provider: add(&daemon, component).await, is_told });
            }
        }
        Self { daemon, receiver: Receiver::start().await, examples }
    }

    /// Settings that lead an example to a path of its own at the receiver.
    fn config(&self, example: &Example) -> Value {
        self.config_to(&format!("{}/{}", self.receiver.url(), example.provider))
    }

    fn config_to(&self, url: &str) -> Value {
        json!({ "apiEndpoint": url, "apiKey": API_KEY, "priority": "high" })
    }

    /// Subscribes each example, with the settings that this makes for it.
    async fn subscribe_all(&self, config: impl Fn(&Example) -> Value) {
        for example in &self.examples {
            self.daemon.subscribe(&example.provider, &[INCIDENT_CREATED], config(example)).await;
        }
    }

    /// The delivery of an event by each example, in their order.
    fn each<'a>(&'a self, deliveries: &'a [Value]) -> impl Iterator<Item = (&'a Example, &'a Value)> {
        assert_eq!(deliveries.len(), self.examples.len(), "{deliveries:#?}");
        self.examples.iter().map(|example| {
            let own = deliveries.iter().find(|delivery| delivery["provider"] == example.provider.as_str());
            (example, own.unwrap_or_else(|| panic!("no delivery by {}", example.provider)))
        })
    }
}

/// A component, unless it was left out.
fn built(path: &str) -> Option<Vec<u8>> {
    let file: PathBuf = build_directory().join("../examples").join(path);
    match std::fs::read(&file) {
        Ok(component) => Some(component),
        Err(error) if std::env::var("POSTERN_EXAMPLES").is_ok_and(|value| value == "required") => {
            panic!("cannot read {}: {error}; providers/examples/build.sh makes it", file.display())
        }
        Err(_) => {
            eprintln!("left out: {} is not there; providers/examples/build.sh makes it", file.display());
            None
        }
    }
}

/// Adds and approves a provider; answers with its id.
async fn add(daemon: &Daemon, component: Vec<u8>) -> String {
    let api = daemon.api.within(COMPILING);
    let added = api.send(Method::POST, "/api/v1/providers?plugin=test", "application/wasm", component).await;
    let added = added.expect("an answer").success();
    assert_eq!(added["state"], "awaiting-approval", "{added:#}");
    let provider = id(&added["id"]);
    let approved = api.post(&format!("/api/v1/providers/{provider}/approve"), Value::Null).await;
    assert_eq!(approved["state"], "active", "{approved:#}");
    provider
}
