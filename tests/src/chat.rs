//! The provider with a connection, and the chat that it speaks to, which a [`Receiver`] plays.

use crate::platform::{INCIDENT_CREATED, id};
use crate::{Answer, Api, Builder, CONNECTED, Daemon, Receiver, Reply};
use reqwest::Method;
use serde_json::{Value, json};

/// The provider, as it is added.
pub const PROVIDER: &str = "test.connected";

/// What stands in the place of a secret.
pub const MARK: &str = "[secret]";

/// A daemon that lets secrets go to this machine without TLS, because receivers here have none.
pub fn builder() -> Builder {
    Daemon::builder().config("[egress]\nplain-http = [\"127.0.0.1:*\"]")
}

/// What a connection's creation sends.
pub fn connection(receiver: &Receiver, token: &str) -> Value {
    json!({ "name": "The chat", "providerId": PROVIDER, "settings": { "baseUrl": receiver.url(), "token": token } })
}

/// What a subscription's creation sends.
pub fn subscription(connection: &str, room: &str) -> Value {
    json!({
        "name": room, "providerId": PROVIDER, "connectionId": connection, "events": [INCIDENT_CREATED],
        "providerConfig": { "room": room },
    })
}

/// An answer with a JSON body.
pub fn says(body: &Value) -> Reply {
    Reply::Full(200, vec![("Content-Type", "application/json".into())], body.to_string())
}

impl Daemon {
    /// Adds and approves the provider.
    pub async fn add_connected(&self) {
        self.add_provider(PROVIDER, CONNECTED).await;
    }

    /// Registers incidents and adds the provider.
    pub async fn with_chat(self) -> Self {
        self.register_incidents().await;
        self.add_connected().await;
        self
    }

    /// Connects to a receiver; answers with the connection's id.
    pub async fn connect(&self, receiver: &Receiver, token: &str) -> String {
        id(&self.api.post("/api/v1/connections", connection(receiver, token)).await["id"])
    }

    /// Subscribes a room to incidents; answers with the subscription's id.
    pub async fn subscribe_room(&self, connection: &str, room: &str) -> String {
        id(&self.api.post("/api/v1/subscriptions", subscription(connection, room)).await["id"])
    }

    /// Speaks with a new token that is limited to a tenant.
    pub async fn as_tenant(&self, tenant: &str, scopes: &[&str]) -> Api {
        let made = self.api.post("/api/v1/tokens", json!({ "name": tenant, "scopes": scopes, "tenant": tenant })).await;
        self.api.with_token(made["token"].as_str())
    }
}

impl Api {
    /// Changes an object that is to be at the revision that an ETag names.
    pub async fn change(&self, path: &str, etag: &str, change: Value) -> Answer {
        self.call_with(Method::PATCH, path, &[("If-Match", etag)], change).await
    }

    /// An object's present ETag.
    pub async fn etag(&self, path: &str) -> String {
        self.call(Method::GET, path, Value::Null).await.header("etag").to_owned()
    }
}
