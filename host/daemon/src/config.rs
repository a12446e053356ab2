//! The configuration: defaults, then a file, then the environment, then flags.

use anyhow::{Context, Result, anyhow, bail};
use postern_api::client::Subnet;
use postern_api::throttle;
use postern_core::host_pattern::HostPattern;
use postern_core::retry::{Policy, Schedule, Span};
use postern_delivery::catalog::trust::{Rule, Trust};
use postern_delivery::catalog::{KEPT_BUILDS, LONGEST_BACKLOG, ProviderLimits};
use postern_delivery::coordinator::Options;
use postern_delivery::schedule::{BreakerOptions, Limits};
use postern_egress::{AllowRule, RecordBodies};
use postern_store::Engine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Every key with its default and its meaning; `postern config show --defaults` prints it.
pub(crate) const DEFAULTS: &str = include_str!("../postern.toml");

/// All that can be configured. `postern.toml` beside this crate says what each key means.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) store: Store,
    pub(crate) secrets: Secrets,
    pub(crate) egress: Egress,
    pub(crate) delivery: Delivery,
    pub(crate) providers: Providers,
    pub(crate) sandbox: postern_runtime::Limits,
    pub(crate) retention: Retention,
    pub(crate) telemetry: Telemetry,
    pub(crate) log: Log,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    pub(crate) trusted_proxies: Vec<Subnet>,
    pub(crate) failed_logins_per_minute: u32,
    pub(crate) open_metrics: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7676)),
            trusted_proxies: Vec::new(),
            failed_logins_per_minute: throttle::DEFAULT_LIMIT,
            open_metrics: false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Store {
    pub(crate) engine: Engine,
    pub(crate) directory: PathBuf,
    pub(crate) cache_mib: u64,
    pub(crate) reserve_mib: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self { engine: Engine::Sled, directory: "postern-data".into(), cache_mib: 64, reserve_mib: 64 }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Secrets {
    /// Empty: `master-key` in the data directory.
    pub(crate) master_key_file: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Egress {
    pub(crate) allow: Vec<AllowRule>,
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) plain_http: Vec<HostPattern>,
    pub(crate) roots: Vec<PathBuf>,
    pub(crate) platform_roots: bool,
    pub(crate) record_bodies: RecordBodies,
    pub(crate) limits: postern_egress::Limits,
}

impl Default for Egress {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            hosts: Vec::new(),
            plain_http: Vec::new(),
            roots: Vec::new(),
            platform_roots: true,
            record_bodies: RecordBodies::default(),
            limits: postern_egress::Limits::default(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Delivery {
    pub(crate) retry: Schedule,
    pub(crate) jitter: f64,
    pub(crate) concurrency: u32,
    pub(crate) per_subscription: usize,
    pub(crate) per_destination: usize,
    pub(crate) per_provider: usize,
    pub(crate) provider_memory_mib: usize,
    pub(crate) backlog: usize,
    pub(crate) disable_after: Span,
    pub(crate) quarantine_after: u32,
    pub(crate) drain: Span,
    pub(crate) breaker: Breaker,
}

impl Default for Delivery {
    fn default() -> Self {
        let (policy, limits, provider_limits) = (Policy::default(), Limits::default(), ProviderLimits::default());
        let options = Options::default();
        Self {
            retry: policy.schedule,
            jitter: policy.jitter,
            concurrency: 512,
            per_subscription: limits.per_subscription,
            per_destination: limits.per_destination,
            per_provider: provider_limits.calls,
            provider_memory_mib: provider_limits.memory >> 20,
            backlog: LONGEST_BACKLOG,
            disable_after: Span(options.disable_after),
            quarantine_after: limits.traps,
            drain: Span(options.drain),
            breaker: Breaker::default(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Breaker {
    pub(crate) failures: u32,
    pub(crate) pause: Span,
    pub(crate) longest: Span,
}

impl Default for Breaker {
    fn default() -> Self {
        let BreakerOptions { failures, pause, longest } = BreakerOptions::default();
        Self { failures, pause: Span(pause), longest: Span(longest) }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Providers {
    /// Those of the providers that come with the program which are loaded, by their names; `*` is all of them.
    pub(crate) bundled: Vec<String>,
    pub(crate) watch: Vec<PathBuf>,
    pub(crate) trust: Rule,
    pub(crate) digests: Vec<String>,
    pub(crate) keep_builds: usize,
    /// Empty: `cache` in the data directory.
    pub(crate) compile_cache: PathBuf,
    pub(crate) compile_cache_mib: u64,
    /// By name, in base64.
    pub(crate) keys: BTreeMap<String, String>,
}

impl Default for Providers {
    fn default() -> Self {
        Self {
            bundled: vec!["*".to_owned()],
            watch: Vec::new(),
            trust: Rule::Any,
            digests: Vec::new(),
            keep_builds: KEPT_BUILDS,
            compile_cache: PathBuf::new(),
            compile_cache_mib: 2048,
            keys: BTreeMap::new(),
        }
    }
}

impl Providers {
    /// Whether a provider that comes with the program is to be loaded.
    pub(crate) fn loads(&self, name: &str) -> bool {
        self.bundled.iter().any(|wanted| wanted == "*" || wanted == name)
    }

    /// Which components are taken.
    pub(crate) fn trust(&self) -> Result<Trust> {
        Trust::new(self.trust, &self.digests, &self.keys).map_err(|problem| anyhow!("[providers] {problem}"))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Retention {
    pub(crate) deliveries: Span,
    pub(crate) failed: Span,
    pub(crate) audit: Span,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        // As `1y` is read: 365.25 days.
        const YEAR: u64 = 365 * DAY + DAY / 4;
        let [deliveries, failed, audit] = [30 * DAY, 90 * DAY, YEAR].map(|seconds| Span(Duration::from_secs(seconds)));
        Self { deliveries, failed, audit }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Telemetry {
    /// Empty: nothing is traced.
    pub(crate) otlp: String,
    pub(crate) sampling: f64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { otlp: String::new(), sampling: 1.0 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Log {
    pub(crate) level: String,
    pub(crate) format: Format,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: Format::Text }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Text,
    Json,
}

impl Telemetry {
    /// Where traces go, if anywhere.
    pub(crate) fn collector(&self) -> Result<Option<reqwest::Url>> {
        if self.otlp.is_empty() {
            return Ok(None);
        }
        // What is wrong is not repeated: it may hold a password.
        let url: reqwest::Url =
            self.otlp.parse().context("[telemetry] otlp is no URL; it looks like \"http://collector:4318\"")?;
        if !["http", "https"].contains(&url.scheme()) || url.query().is_some() || url.fragment().is_some() {
            bail!("[telemetry] otlp must be the http or https URL of a collector, \"http://collector:4318\", without a query");
        }
        if !url.username().is_empty() || url.password().is_some() {
            bail!("[telemetry] otlp must hold no credentials; set OTEL_EXPORTER_OTLP_HEADERS=\"authorization=…\" instead");
        }
        Ok(Some(url))
    }
}

impl Config {
    /// What a file and the environment say.
    pub(crate) fn load(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let config = match file {
            None => Self::default(),
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("the configuration {} cannot be read", file.display()))?;
                toml::from_str(&text).with_context(|| format!("the configuration {} is not understood", file.display()))?
            }
        };
        let config = config.overridden(environment)?;
        config.check()?;
        Ok(config)
    }

    /// Sets each key that has a variable: `[egress] plain-http` is `POSTERN_EGRESS_PLAIN_HTTP`.
    fn overridden(self, environment: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let mut table = toml::Table::try_from(&self).context("the configuration cannot be written down")?;
        let mut changed = false;
        for (name, text) in environment.filter(|(name, _)| name.starts_with("POSTERN_")) {
            if let Some(value) = find(&mut table, "POSTERN", &name) {
                *value = read(value, &text).with_context(|| format!("the environment variable {name} is not understood"))?;
                changed = true;
            }
        }
        if changed { table.try_into().context("the configuration from the environment is not understood") } else { Ok(self) }
    }

    fn check(&self) -> Result<()> {
        if !(1..=1_000_000).contains(&self.server.failed_logins_per_minute) {
            bail!("[server] failed-logins-per-minute is {}; it must be from 1 to 1000000", self.server.failed_logins_per_minute);
        }
        if !(0.0..=1.0).contains(&self.telemetry.sampling) {
            bail!("[telemetry] sampling is {}; it must be from 0 to 1", self.telemetry.sampling);
        }
        self.telemetry.collector()?;
        self.providers.trust()?;
        if !(1..=100).contains(&self.providers.keep_builds) {
            bail!("[providers] keep-builds is {}; it must be from 1 to 100", self.providers.keep_builds);
        }
        let fields = |patterns: &[HostPattern]| patterns.iter().find(|pattern| pattern.field().is_some()).cloned();
        if let Some(field) = fields(&self.egress.hosts).or_else(|| fields(&self.egress.plain_http)) {
            bail!("[egress] hosts and plain-http name hosts; `{field}` is for manifests and grants");
        }
        if !(0.0..=1.0).contains(&self.delivery.jitter) {
            bail!("[delivery] jitter is {}; it must be from 0 to 1", self.delivery.jitter);
        }
        if !(1..=10_000).contains(&self.delivery.concurrency) {
            bail!("[delivery] concurrency is {}; it must be from 1 to 10000", self.delivery.concurrency);
        }
        let names: Vec<_> = postern_bundle::PROVIDERS.iter().map(|bundled| bundled.name).collect();
        if let Some(unknown) = self.providers.bundled.iter().find(|name| *name != "*" && !names.contains(&name.as_str())) {
            bail!(
                "[providers] bundled names `{unknown}`, which does not come with the program; * and these do: {}",
                names.join(", ")
            );
        }
        if !(1..=1_000_000_000).contains(&self.providers.compile_cache_mib) {
            bail!("[providers] compile-cache-mib is {}; it must be from 1 to 1000000000", self.providers.compile_cache_mib);
        }
        self.sandbox.check().context("[sandbox]")?;
        let delivery = &self.delivery;
        for (name, value) in [
            ("per-subscription", delivery.per_subscription),
            ("per-destination", delivery.per_destination),
            ("per-provider", delivery.per_provider),
            ("provider-memory-mib", delivery.provider_memory_mib),
            ("backlog", delivery.backlog),
            ("quarantine-after", usize::try_from(delivery.quarantine_after)?),
            ("breaker failures", usize::try_from(delivery.breaker.failures)?),
        ] {
            if !(1..=1_000_000_000).contains(&value) {
                bail!("[delivery] {name} is {value}; it must be from 1 to 1000000000");
            }
        }
        if delivery.breaker.pause.0.is_zero() || delivery.breaker.longest < delivery.breaker.pause {
            bail!("[delivery.breaker] pause must be more than zero, and longest at least as long");
        }
        Ok(())
    }

    /// When failed deliveries are tried again.
    pub(crate) fn retry(&self) -> Policy {
        Policy { schedule: self.delivery.retry.clone(), jitter: self.delivery.jitter }
    }

    /// A path of the data directory, unless the configuration names another.
    pub(crate) fn path(&self, configured: &Path, name: &str) -> PathBuf {
        if configured.as_os_str().is_empty() { self.store.directory.join(name) } else { configured.to_owned() }
    }
}

fn find<'a>(table: &'a mut toml::Table, prefix: &str, wanted: &str) -> Option<&'a mut toml::Value> {
    for (key, value) in table.iter_mut() {
        let name = format!("{prefix}_{}", key.to_uppercase().replace('-', "_"));
        match value {
            // A schedule of retries may be a table.
            value if name == wanted && prefix != "POSTERN" => return Some(value),
            toml::Value::Table(inner) => {
                if let Some(found) = find(inner, &name, wanted) {
                    return Some(found);
                }
            }
            _ => {}
        }
    }
    None
}

/// Reads a text as what the present value is: a text stands as it is, a list may be separated by commas. In place of a list
/// may stand a table, and the other way round, where the key takes both.
fn read(present: &toml::Value, text: &str) -> Result<toml::Value> {
    match present {
        toml::Value::String(_) => Ok(toml::Value::String(text.to_owned())),
        toml::Value::Array(_) | toml::Value::Table(_) if !text.trim_start().starts_with(['[', '{']) => Ok(toml::Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| toml::Value::String(item.to_owned()))
                .collect(),
        )),
        _ => {
            let mut table: toml::Table = format!("value = {text}").parse()?;
            table.remove("value").context("no value")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn load(environment: &[(&str, &str)]) -> Result<Config> {
        Config::load(None, environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        assert_eq!(toml::from_str::<Config>(DEFAULTS).unwrap(), Config::default());
    }

    #[test]
    fn every_key_is_documented() {
        fn keys(table: &toml::Table, path: &str, found: &mut Vec<String>) {
            for (key, value) in table {
                match value {
                    toml::Value::Table(inner) => keys(inner, &format!("{path}{key}."), found),
                    _ => found.push(format!("{path}{key}")),
                }
            }
        }
        let (mut real, mut documented) = (Vec::new(), Vec::new());
        keys(&toml::Table::try_from(Config::default()).unwrap(), "", &mut real);
        keys(&DEFAULTS.parse().unwrap(), "", &mut documented);
        real.sort();
        documented.sort();
        assert_eq!(real, documented);
    }

    #[test]
    fn the_environment_overrides() {
        let config = load(&[
            ("POSTERN_SERVER_LISTEN", "0.0.0.0:80"),
            ("POSTERN_EGRESS_ALLOW", "127.0.0.1, 10.0.0.0/8"),
            ("POSTERN_DELIVERY_CONCURRENCY", "7"),
            ("POSTERN_DELIVERY_RETRY", "1s,2s"),
            ("POSTERN_TOKEN", "x"),
        ])
        .unwrap();
        assert_eq!(config.server.listen.to_string(), "0.0.0.0:80");
        assert_eq!(config.egress.allow.len(), 2);
        assert_eq!(config.delivery.concurrency, 7);
        assert_eq!(config.retry().schedule, Schedule::Delays([1, 2].map(Duration::from_secs).to_vec()));
    }

    #[test]
    fn the_schedule_of_retries_takes_the_spellings_that_a_subscription_takes() {
        let growing = r#"{ initial = "30s", factor = 2.0, max = "1h", horizon = "3d" }"#;
        let same = [
            ("[]".to_owned(), json!([])),
            (r#"["1m", "5m"]"#.to_owned(), json!(["1m", "5m"])),
            (growing.to_owned(), json!({ "initial": "30s", "factor": 2.0, "max": "1h", "horizon": "3d" })),
            (
                r#"{ initial = "1s", max = "1m", horizon = "1d", jitter = 0.5 }"#.to_owned(),
                json!({ "initial": "1s", "max": "1m", "horizon": "1d", "jitter": 0.5 }),
            ),
        ];
        for (toml, json) in same {
            let of_subscription: Schedule = serde_json::from_value(json).unwrap();
            let config: Config = toml::from_str(&format!("[delivery]\nretry = {toml}")).unwrap();
            assert_eq!(config.delivery.retry, of_subscription);
            assert_eq!(load(&[("POSTERN_DELIVERY_RETRY", &toml)]).unwrap().delivery.retry, of_subscription, "{toml}");
            let again = config.overridden([("POSTERN_DELIVERY_RETRY".to_owned(), "1s,2s".to_owned())].into_iter()).unwrap();
            assert_eq!(again.delivery.retry, Schedule::Delays([1, 2].map(Duration::from_secs).to_vec()));
        }
        let default: Schedule = serde_json::from_value(json!(["1m", "5m", "15m"])).unwrap();
        assert_eq!(Config::default().delivery.retry, default);
        for bad in [r#"["25h"]"#, r#"{ initial = "30s" }"#, r#"{ initial = "1s", max = "1m", horizon = "31d" }"#, "\"1m\""] {
            assert!(toml::from_str::<Config>(&format!("[delivery]\nretry = {bad}")).is_err(), "{bad}");
        }
        assert!(load(&[("POSTERN_LOG", "debug")]).is_ok(), "a section is no key");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| format!("{:#}", toml::from_str::<Config>(text).unwrap_err());
        assert!(error("[egress]\nalow = []").contains("alow"));
        assert!(error("[sandbox]\nmemory = 1").contains("memory"));
        assert!(error("[store]\nengine = \"mysql\"").contains("mysql"));
        assert!(error("[delivery]\nretry = [\"soon\"]").contains("soon"));
        assert!(error("[egress]\nhosts = [\"*\"]").contains("any-host"));
        assert!(error("[egress]\nrecord-bodies = \"some\"").contains("some"));
        for key in ["HOSTS", "PLAIN_HTTP"] {
            let error = load(&[(&format!("POSTERN_EGRESS_{key}"), "[\"{config.url}\"]")]).unwrap_err().to_string();
            assert!(error.contains("`{config.url}`"), "{error}");
        }
        let unknown = load(&[("POSTERN_PROVIDERS_BUNDLED", "webhook, carrier-pigeon")]).unwrap_err().to_string();
        assert!(unknown.contains("`carrier-pigeon`") && unknown.contains("webhook"), "{unknown}");
        assert!(load(&[("POSTERN_DELIVERY_CONCURRENCY", "many")]).is_err());
        assert!(load(&[("POSTERN_DELIVERY_JITTER", "2.0")]).unwrap_err().to_string().contains("jitter"));
        assert!(load(&[("POSTERN_SERVER_FAILED_LOGINS_PER_MINUTE", "0")]).unwrap_err().to_string().contains("failed-logins"));
        for (name, value, word) in
            [("OTLP", "collector:4318", "otlp"), ("OTLP", "http://me:pw@collector", "OTEL_"), ("SAMPLING", "2.0", "sampling")]
        {
            let error = load(&[(&format!("POSTERN_TELEMETRY_{name}"), value)]).unwrap_err().to_string();
            assert!(error.contains(word) && !error.contains("pw"), "{error}");
        }
        let stackless = load(&[("POSTERN_SANDBOX_STACK_BYTES", "0")]).unwrap_err();
        assert_eq!(format!("{stackless:#}"), "[sandbox]: stack-bytes is 0; it must be from 65536 to 16777216");
        assert!(error("[server]\ntrusted-proxies = [\"everybody\"]").contains("trusted-proxies"));
    }
}
