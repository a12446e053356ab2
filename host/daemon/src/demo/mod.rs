//! `postern demo`: one event on its whole way, for real: a fresh store, a sandboxed provider, a receiver of its own.

mod receiver;

use crate::commands::serve::Stop;
use crate::config::Config;
use crate::host::Host;
use crate::output::print;
use crate::telemetry::log_to_stderr;
use anyhow::{Context, Result, bail};
use clap::Args;
use postern_client::Client;
use receiver::{Received, Receiver};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Go on serving afterwards, until a signal ends it.
    #[arg(long)]
    keep: bool,
}

/// 32 bytes in base64, as Standard Webhooks has its secrets.
const SECRET: &str = "whsec_ZGVtbyBzZWNyZXQsIDMyIGJ5dGVzIGxvbmchISEhISE=";

pub(crate) async fn run(options: Options) -> Result<()> {
    let directory = tempfile::Builder::new().prefix("postern-demo-").tempdir().context("no temporary directory can be made")?;
    let receiver = Receiver::start().await?;
    let mut config = Config::default();
    config.store.directory = directory.path().join("data");
    config.server.listen.set_port(0);
    config.egress.allow = vec!["127.0.0.1/32".parse()?];
    // What the demo shows needs no other, and compiling them takes its time.
    config.providers.bundled = vec!["webhook".into()];
    config.log.level = "error".into();
    log_to_stderr(&config)?;
    let mut stop = Stop::new()?;
    let host = Host::start(&config, false).await?;
    let token = std::fs::read_to_string(config.store.directory.join("admin-token"))?.trim().to_owned();
    let server = format!("http://{}", host.address);
    let client = Client::new(&server, Some(token))?;
    let shown = tokio::select! {
        shown = show(&client, receiver, &config) => shown,
        () = stop.asked() => Ok(()),
    };
    if shown.is_ok() && options.keep {
        print(&format!(
            "\nServing on. In another shell:\n\n  export POSTERN_URL={server} POSTERN_TOKEN=$(cat {}/admin-token)\n  postern delivery list\n\nControl-C ends it and removes its data.",
            config.store.directory.display()
        ))?;
        stop.asked().await;
    }
    host.stop().await?;
    shown
}

async fn show(client: &Client, mut receiver: Receiver, config: &Config) -> Result<()> {
    let target = receiver.url();
    title(1, "A fresh store and a receiver")?;
    print(&format!("  store     {} in {}\n  receiver  {target}", config.store.engine, config.store.directory.display()))?;
    print(
        "  allowed   [egress] allow = [\"127.0.0.1/32\"], because the receiver is on this machine; such addresses are refused otherwise",
    )?;

    title(2, "The platform registers an event type")?;
    let registered = client.put("/api/v1/plugins/incident/events/incident.created", event_type()).await?;
    print(&format!("  {}  \"{}\"", text(&registered["id"]), text(&registered["displayName"])))?;

    title(3, "The operator lets the webhook provider reach exactly one host")?;
    let provider = client.get("/api/v1/providers/postern.webhook").await?;
    print(&format!(
        "  provider  postern.webhook {}, WebAssembly, {} bytes, SHA-256 {}…",
        text(&provider["version"]),
        provider["size"],
        &text(&provider["digest"])[..16]
    ))?;
    print(&format!("  asks for  {}", provider["manifest"]["hosts"]))?;
    client.put("/api/v1/providers/postern.webhook/grant", json!({ "hosts": [target] })).await?;
    print(&format!("  granted   [\"{target}\"]"))?;

    title(4, "An administrator subscribes it, with a signing secret that it never sees")?;
    let subscription = client
        .post(
            "/api/v1/subscriptions",
            json!({
                "name": "Incidents to the status page",
                "providerId": "postern.webhook",
                "events": ["incident.*"],
                "providerConfig": {
                    "url": format!("{target}/hooks/incidents?severity={{{{ payload.severity }}}}"),
                    "signingSecret": SECRET,
                },
            }),
        )
        .await?;
    print(&indent(&serde_json::to_string_pretty(&subscription["providerConfig"])?))?;

    title(5, "The platform emits an event; the answer means that it is on the disk")?;
    let started = Instant::now();
    let emitted = client.post("/api/v1/plugins/incident/hooks/incident.created", payload()).await?;
    print(&format!("  202 {emitted} after {:.1} ms", started.elapsed().as_secs_f64() * 1e3))?;

    title(6, "The receiver's view")?;
    let received =
        tokio::time::timeout(Duration::from_secs(30), receiver.next()).await.context("nothing arrived within 30 seconds")??;
    print(&format!("  after {:.1} ms", started.elapsed().as_secs_f64() * 1e3))?;
    print(&indent(&received.show()))?;
    verify(&received)?;
    print("  signature verified by an independent implementation of Standard Webhooks")?;

    title(7, "The delivery, its attempt and its exchange, as the API reports them")?;
    let delivery = settled(client, text(&emitted["event"])).await?;
    print(&indent(&serde_json::to_string_pretty(&delivery)?))?;

    title(8, "The same provider toward a host outside its grant")?;
    client.patch(&format!("/api/v1/subscriptions/{}", text(&subscription["id"])), json!({ "enabled": false })).await?;
    client
        .post(
            "/api/v1/subscriptions",
            json!({
                "name": "Somewhere else",
                "providerId": "postern.webhook",
                "events": ["incident.*"],
                "providerConfig": { "url": "https://collector.example/steal" },
            }),
        )
        .await?;
    let emitted = client.post("/api/v1/plugins/incident/hooks/incident.created", payload()).await?;
    let refused = settled(client, text(&emitted["event"])).await?;
    if refused["status"] != "failed" {
        bail!("the request outside the grant was not refused: {refused}");
    }
    print(&format!(
        "  delivery  {} is {}\n  reason    {}",
        text(&refused["id"]),
        text(&refused["status"]),
        text(&refused["error"])
    ))?;

    title(9, "What to try next")?;
    print(
        "  make demo KEEP=1                    keep this daemon running and talk to it\n  make run                            a daemon of your own, on ./postern-data\n  postern provider show postern.webhook   what the webhook provider can be told\n  postern config show --defaults      all that can be configured\n  README.md                           a provider of your own in 25 lines",
    )
}

fn title(number: u32, text: &str) -> Result<()> {
    print(&format!("\n{number}. {text}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn verify(received: &Received) -> Result<()> {
    let mut headers = http_headers(received)?;
    let webhook = standardwebhooks::Webhook::new(SECRET).context("the demo's secret is malformed")?;
    webhook.verify(&received.body, &headers).context("the signature does not verify")?;
    // A verification that could not fail would show nothing.
    headers.insert("webhook-id", "another".parse()?);
    if webhook.verify(&received.body, &headers).is_ok() {
        bail!("the signature verifies for another id");
    }
    Ok(())
}

fn http_headers(received: &Received) -> Result<reqwest::header::HeaderMap> {
    let mut headers = reqwest::header::HeaderMap::new();
    for (name, value) in &received.headers {
        headers.insert(reqwest::header::HeaderName::from_bytes(name.as_bytes())?, value.parse()?);
    }
    Ok(headers)
}

/// Waits until an event's only delivery is final, and shows it whole.
async fn settled(client: &Client, event: &str) -> Result<Value> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let found = client.list("/api/v1/deliveries", &[("event", event.to_owned())], 1).await?;
        if let Some(delivery) =
            found.first().filter(|delivery| matches!(text(&delivery["status"]), "success" | "failed" | "retrying"))
        {
            return Ok(client.get(&format!("/api/v1/deliveries/{}", text(&delivery["id"]))).await?);
        }
        if Instant::now() > deadline {
            bail!("the delivery of {event} did not end within 30 seconds");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The seed document's first event, with the payload that the original system registers for it.
fn event_type() -> Value {
    json!({
        "displayName": "Incident Created",
        "description": "Fires when a new incident is created",
        "category": "Incidents",
        "payloadSchema": {
            "type": "object",
            "required": ["incidentId", "systemIds", "title", "severity"],
            "properties": {
                "incidentId": { "type": "string", "description": "The incident's id" },
                "systemIds": { "type": "array", "items": { "type": "string" }, "description": "The systems that are affected" },
                "title": { "type": "string", "description": "What a person reads first" },
                "description": { "type": "string" },
                "severity": { "type": "string", "enum": ["minor", "major", "critical"] },
                "status": { "type": "string" },
                "createdAt": { "type": "string", "format": "date-time" },
            },
        },
    })
}

fn payload() -> Value {
    json!({
        "incidentId": "inc-2041",
        "systemIds": ["checkout", "payments-db"],
        "title": "Checkout answers with errors",
        "description": "Error rate of /checkout is 34 %, last deployment 12 minutes ago",
        "severity": "critical",
        "status": "investigating",
        "createdAt": "2026-01-02T03:04:05Z",
    })
}
