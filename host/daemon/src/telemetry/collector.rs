//! The collector that traces are exported to.

use anyhow::{Context, Result};
use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response, ResponseBodyTooLarge};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use reqwest::Url;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a collector may take to answer. The default of OTLP: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer that is read, in bytes; a collector says next to nothing.
const LONGEST_ANSWER: usize = 64 << 10;

/// Speaks HTTP to the collector. The exporter works on a thread of its own, so requests are made on the program's runtime.
#[derive(Debug)]
pub(super) struct Collector {
    http: reqwest::Client,
    runtime: Handle,
    /// Where it is, for the log.
    place: String,
    /// Whether the last export failed, so that a collector that is away is told of once.
    fails: Arc<AtomicBool>,
}

impl Collector {
    /// Exports to the collector at this URL, below which traces have the path that OTLP says.
    pub(super) fn exporter(mut url: Url) -> Result<SpanExporter> {
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let collector = Self {
            http: postern_egress::own_client(TIMEOUT)?,
            runtime: Handle::current(),
            place: url.to_string(),
            fails: Arc::default(),
        };
        SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_endpoint(url.as_str())
            .with_timeout(TIMEOUT)
            .build()
            .context("traces cannot be exported")
    }

    fn tell(&self, result: &Result<Response<Bytes>, HttpError>) {
        let problem = match result {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answered {}", response.status())),
            Err(error) => Some(error.to_string()),
        };
        match (&problem, self.fails.swap(problem.is_some(), Ordering::Relaxed)) {
            (Some(problem), false) => {
                tracing::warn!(collector = %self.place, problem, "traces do not reach the collector; those of meanwhile are lost");
            }
            (None, true) => tracing::info!(collector = %self.place, "traces reach the collector again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let result = match self.runtime.spawn(send(self.http.clone(), request)).await {
            Ok(result) => result,
            Err(error) => Err(error.into()),
        };
        self.tell(&result);
        result
    }
}

async fn send(http: reqwest::Client, request: reqwest::Request) -> Result<Response<Bytes>, HttpError> {
    let mut answer = http.execute(request).await.map_err(reqwest::Error::without_url)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(ResponseBodyTooLarge::new().into());
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    Ok(response)
}
