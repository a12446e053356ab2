//! A platform that announces incidents: it registers two hooks, emits one event, and then a batch.
//!
//! ```sh
//! POSTERN_TOKEN=$(cat DATA/admin-token) cargo run -p postern-client --example incidents
//! ```

use postern_client::schemars::{self, JsonSchema};
use postern_client::{Client, Error, Hook, Retry};
use serde::Serialize;
use std::time::{Duration, SystemTime};

/// What happened to whom.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Incident {
    /// The incident's id, which never changes.
    incident_id: String,
    /// The systems that it concerns.
    system_ids: Vec<String>,
    title: String,
    severity: Severity,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Minor,
    Critical,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Resolved {
    incident_id: String,
}

const CREATED: Hook<Incident> = Hook::new("incident", "incident.created", "Incident created")
    .description("Fires when an incident is opened")
    .category("Incidents")
    .example(example);

const RESOLVED: Hook<Resolved> = Hook::new("incident", "incident.resolved", "Incident resolved").category("Incidents");

fn example() -> Incident {
    incident("inc-1", "The checkout is slow", Severity::Minor)
}

fn incident(id: &str, title: &str, severity: Severity) -> Incident {
    Incident { incident_id: id.into(), system_ids: vec!["checkout".into()], title: title.into(), severity }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let server = std::env::var("POSTERN_URL").unwrap_or_else(|_| "http://127.0.0.1:7676".into());
    let client = Client::new(&server, std::env::var("POSTERN_TOKEN").ok())?
        .retry(Retry::default().tries(4).within(Duration::from_secs(20)));
    client.register(&CREATED).await?;
    client.register(&RESOLVED).await?;

    let emitted = client.emit(&CREATED, &incident("inc-7", "The checkout is down", Severity::Critical)).await?;
    println!("{} made {} deliveries", emitted.event, emitted.deliveries);

    // A key of the platform's own makes the same event of the same row, even after a restart.
    let batch = [
        CREATED.emission(&incident("inc-8", "The search is slow", Severity::Minor))?.key("incident-8-created"),
        RESOLVED.emission(&Resolved { incident_id: "inc-7".into() })?.key("incident-7-resolved").at(SystemTime::now()),
    ];
    for emitted in client.emit_all(&batch).await? {
        println!("{} made {} deliveries", emitted.event, emitted.deliveries);
    }
    Ok(())
}
