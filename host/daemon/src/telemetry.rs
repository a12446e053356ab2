//! What the process tells of itself: its log, its figures, and the traces of attempts.

use crate::config::{Config, Format};
use anyhow::{Context, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use postern_delivery::coordinator::SPAN_TARGET;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

mod collector;

use collector::Collector;

/// How long spans that wait may take to leave at a stop.
const FLUSH: Duration = Duration::from_secs(5);

/// How often measured values are put into their buckets. Until then each takes 8 bytes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Traces, while they are exported.
#[must_use = "spans that wait are lost without a stop"]
pub(crate) struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Hands what waits to the collector, and ends.
    pub(crate) async fn stop(self) {
        let Some(provider) = self.0 else { return };
        let stopped = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH)).await;
        if !matches!(stopped, Ok(Ok(()))) {
            tracing::warn!("the last traces did not reach the collector of [telemetry] otlp");
        }
    }
}

/// Begins to write the log to stderr, and to export traces if a collector is configured.
pub(crate) fn start(config: &Config) -> Result<Traces> {
    let Some(url) = config.telemetry.collector()? else {
        log_to_stderr(config)?;
        return Ok(Traces(None));
    };
    let exporter = Collector::exporter(url)?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::TraceIdRatioBased(config.telemetry.sampling))
        .with_resource(
            Resource::builder()
                .with_service_name("postern")
                .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
                .build(),
        )
        .build();
    let traces = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("postern"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        // Only the spans themselves: no line of the log becomes a part of them.
        .with_filter(Targets::new().with_target(SPAN_TARGET, LevelFilter::INFO));
    tracing_subscriber::registry().with(log(config).with_filter(filter(config)?)).with(traces).init();
    Ok(Traces(Some(provider)))
}

/// Begins to write the log to stderr.
pub(crate) fn log_to_stderr(config: &Config) -> Result<()> {
    // As the filter of all, so that a span that nobody exports costs nothing.
    tracing_subscriber::registry().with(log(config)).with(filter(config)?).init();
    Ok(())
}

fn filter(config: &Config) -> Result<EnvFilter> {
    let filter =
        EnvFilter::try_new(&config.log.level).with_context(|| format!("[log] level `{}` is not understood", config.log.level))?;
    // The coordinator has a line of its own for each attempt.
    Ok(filter.add_directive(format!("{SPAN_TARGET}=off").parse()?))
}

fn log(config: &Config) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    match config.log.format {
        Format::Text => layer.with_target(false).boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    }
}

/// Begins to keep figures. Whatever counts must be made afterwards.
pub(crate) fn figures() -> Result<PrometheusHandle> {
    const SECONDS: [f64; 18] =
        [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
    /// A delivery may wait for long.
    const QUEUE: [f64; 16] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0, 900.0, 3600.0];
    const COUNTS: [f64; 12] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0];
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Full("postern_queue_seconds".into()), &QUEUE)?
        .set_buckets_for_metric(Matcher::Prefix("postern_store_commit_".into()), &COUNTS)?
        .set_buckets_for_metric(Matcher::Full("postern_store_commit_seconds".into()), &SECONDS)?
        .install_recorder()
        .context("the figures cannot be kept")
}

/// Keeps the memory of figures bounded also while nobody collects them.
pub(crate) async fn keep_figures(figures: PrometheusHandle, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
        figures.run_upkeep();
    }
}
