//! The provider's code compiled into this program.

use super::{Bench, Job};
use anyhow::{Result, bail};
use postern_egress::{Header, Request};
use postern_provider::testing::{self, Host, TestDelivery};
use postern_provider_webhook::Webhook;
use serde_json::Value;

/// Delivers once, with the provider's code on this thread.
pub(super) async fn deliver(bench: &Bench, job: &Job) -> Result<()> {
    let host = Host::new();
    if job.sends {
        host.answer(200, &[], Vec::new());
    }
    let delivery = TestDelivery::new(Value::Null).config_text(job.config.clone()).payload(&job.payload);
    let result = testing::deliver::<Webhook>(delivery);
    if !job.sends {
        return if result.is_err() { Ok(()) } else { bail!("the native provider took a config that it should refuse") };
    }
    result.map_err(|failure| anyhow::anyhow!("the native provider failed: {}", failure.message))?;
    for request in host.requests() {
        let request = Request {
            method: request.method,
            url: request.url,
            headers: request.headers.into_iter().map(|(name, value)| Header { name, value }).collect(),
            body: request.body,
            timeout_milliseconds: request.timeout.and_then(|timeout| u32::try_from(timeout.as_millis()).ok()),
            redirects: (request.redirects > 0).then_some(request.redirects),
        };
        let call = bench.call();
        let response = call.send(request).await.map_err(|error| anyhow::anyhow!("the broker failed: {}", error.message))?;
        // A report of a call has its exchanges too.
        if response.status != 200 || call.exchanges().len() != 1 {
            bail!("the receiver answered {}", response.status);
        }
    }
    Ok(())
}
