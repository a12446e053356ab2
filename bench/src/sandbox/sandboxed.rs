//! Providers' components, as the daemon calls them.

use super::{Bench, Job};
use anyhow::{Result, bail};
use postern_runtime::{Component, Delivery, Limits, Options, Runtime};
use std::path::PathBuf;

/// Loads a component, with the daemon's default bounds.
pub(super) async fn load(component: Vec<u8>, cache: Option<PathBuf>) -> Result<Component> {
    let runtime = Runtime::start(Options {
        cache: cache.map(|directory| (directory, u64::MAX)),
        limits: Limits::default(),
        concurrency: 64,
        compiler: None,
    })?;
    Ok(runtime.load(component).await?)
}

/// Delivers once, in a fresh instance.
pub(super) async fn deliver(bench: &Bench, component: &Component, job: &Job) -> Result<()> {
    let delivery = Delivery {
        id: "delivery-1".into(),
        attempt: 1,
        attempted_at: "2026-01-02T03:04:05.678Z".into(),
        test: false,
        event_id: "event-1".into(),
        event_type: "incident.incident.created".into(),
        payload: job.payload.clone(),
        timestamp: "2026-01-02T03:04:05.000Z".into(),
        subscription_id: "subscription-1".into(),
        subscription_name: "Operations".into(),
        config: job.config.clone(),
        connection: None,
        entity: None,
    };
    let report = component.deliver(bench.call(), delivery).await;
    match report.result {
        Ok(Ok(_)) if job.sends => Ok(()),
        Ok(Err(_)) if !job.sends => Ok(()),
        Ok(Ok(_)) => bail!("the sandboxed provider took a config that it should refuse"),
        Ok(Err(failure)) => bail!("the sandboxed provider failed: {}", failure.message),
        Err(error) => Err(error.into()),
    }
}
