//! Tokens: made once, shown once, kept as hashes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use postern_core::id::ParseIdError;
use postern_core::{PluginId, TenantId, Timestamp};
use postern_delivery::audit::{self, Difference};
use postern_store::{AuditEntry, Change, Error, Expect, Kind, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What each token begins with, so that one that was published by mistake can be recognised.
const PREFIX: &str = "postern_";
/// How long a token is: 32 bytes in base64 follow the prefix.
const LENGTH: usize = PREFIX.len() + 43;

/// What a token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Admin,
    /// Look at everything.
    Read,
    /// Emit events: of one plugin, or of any.
    Emit(Option<PluginId>),
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "admin" => Ok(Self::Admin),
            None if text == "read" => Ok(Self::Read),
            None if text == "emit" => Ok(Self::Emit(None)),
            Some(("emit", plugin)) => {
                plugin.parse().map(|plugin| Self::Emit(Some(plugin))).map_err(|error: ParseIdError| error.to_string())
            }
            _ => Err(format!("`{text}` is no scope; known are `admin`, `read`, `emit` and `emit:PLUGIN`")),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin => f.write_str("admin"),
            Self::Read => f.write_str("read"),
            Self::Emit(None) => f.write_str("emit"),
            Self::Emit(Some(plugin)) => write!(f, "emit:{plugin}"),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A token as it is kept and listed: never the token itself.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// The first 12 hexadecimal digits of its hash.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The tenant that it is limited to; none: it is for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// When it was made.
    pub created_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    token: Token,
    hash: String,
}

/// The tokens that are valid.
pub struct Tokens {
    store: Arc<dyn Store>,
    /// By hash: looking a hash up tells nothing about the token.
    by_hash: RwLock<BTreeMap<String, Arc<Token>>>,
}

impl Tokens {
    /// Loads the tokens.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open(store: Arc<dyn Store>) -> Result<Self, Error> {
        let mut by_hash = BTreeMap::new();
        for document in store.documents(Kind::Token).await? {
            let stored: Stored = serde_json::from_str(&document.body)
                .map_err(|error| Error::Damaged(format!("the token {} is not understood: {error}", document.id)))?;
            by_hash.insert(stored.hash, Arc::new(stored.token));
        }
        Ok(Self { store, by_hash: RwLock::new(by_hash) })
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.by_hash.read().is_empty()
    }

    /// Makes a token; answers with the text that is shown once, and what is kept.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn create(
        &self,
        name: String,
        scopes: Vec<Scope>,
        tenant: Option<TenantId>,
        now: Timestamp,
    ) -> Result<(String, Arc<Token>), Error> {
        let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
        let hash = hash(&secret);
        let token = Token { id: hash[..12].to_owned(), name, scopes, tenant, created_at: now };
        let body = serde_json::to_string(&Stored { token: token.clone(), hash: hash.clone() })
            .map_err(|error| Error::Failed(error.to_string()))?;
        let entry = record(now, "create", &token, &Value::Null, &json!(token));
        let change = Change { kind: Kind::Token, id: token.id.clone(), expect: Expect::Absent, body: Some(body) };
        self.store.apply_audited(vec![change], vec![entry]).await?;
        let token = Arc::new(token);
        self.by_hash.write().insert(hash, token.clone());
        Ok((secret, token))
    }

    /// Makes a token invalid; whether there was one.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn revoke(&self, id: &str, now: Timestamp) -> Result<bool, Error> {
        let known =
            self.by_hash.read().iter().find(|(_, token)| token.id == id).map(|(hash, token)| (hash.clone(), token.clone()));
        let Some((hash, token)) = known else { return Ok(false) };
        let entry = record(now, "revoke", &token, &json!(*token), &Value::Null);
        let change = Change { kind: Kind::Token, id: id.to_owned(), expect: Expect::Present, body: None };
        match self.store.apply_audited(vec![change], vec![entry]).await {
            Ok(_) => {}
            // Somebody else was quicker, and is the one on record.
            Err(Error::Conflict { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        self.by_hash.write().remove(&hash);
        Ok(true)
    }

    /// Every token.
    pub fn list(&self) -> Vec<Arc<Token>> {
        self.by_hash.read().values().cloned().collect()
    }

    /// The token with this text, if it is valid.
    pub fn check(&self, secret: &str) -> Option<Arc<Token>> {
        // What cannot be one is not worth a hash.
        if secret.len() != LENGTH || !secret.starts_with(PREFIX) {
            return None;
        }
        self.by_hash.read().get(&hash(secret)).cloned()
    }
}

/// The record of a change; the token's own text and its hash are not in it.
fn record(now: Timestamp, verb: &str, token: &Token, before: &Value, after: &Value) -> AuditEntry {
    audit::change(now, verb, Kind::Token, &token.id, token.tenant.clone(), &Difference::between(before, after))
}

fn hash(secret: &str) -> String {
    format!("{:x}", Sha256::digest(secret.as_bytes()))
}
