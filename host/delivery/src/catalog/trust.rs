//! Which components are taken: any, those whose digests the operator names, or those that are signed with a key that the
//! operator names.
//!
//! Signatures are minisign's (<https://jedisct1.github.io/minisign/#signature-format>): Ed25519 over the component, or over its
//! BLAKE2b-512. What comes with the program is part of it and is not judged.

use minisign_verify::{PublicKey, Signature};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The longest signature that is read, in bytes: 4 KiB. Those of minisign have 300, and what their comments hold.
pub const LONGEST_SIGNATURE: usize = 4096;

/// Which components are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Any.
    #[default]
    Any,
    /// Those whose digests the operator names.
    Pinned,
    /// Those that are signed with a key that the operator names.
    Signed,
}

/// What an operator trusts.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    rule: Rule,
    digests: BTreeSet<String>,
    keys: BTreeMap<String, PublicKey>,
}

impl Trust {
    /// Reads digests (SHA-256, 64 hexadecimal digits) and minisign's public keys by name (the second line of a `.pub` file).
    ///
    /// # Errors
    /// One of them is none; or the rule is such that nothing could be taken.
    pub fn new(rule: Rule, digests: &[String], keys: &BTreeMap<String, String>) -> Result<Self, String> {
        let digest = |text: &String| {
            let text = text.trim().to_ascii_lowercase();
            let valid = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            if valid { Ok(text) } else { Err(format!("`{text}` in digests is no SHA-256: 64 hexadecimal digits are needed")) }
        };
        let key = |(name, text): (&String, &String)| match PublicKey::from_base64(text.trim()) {
            Ok(key) => Ok((name.clone(), key)),
            Err(error) => {
                Err(format!("the key `{name}` is no public key of minisign ({error}); it is the second line of its .pub file"))
            }
        };
        let trust = Self {
            rule,
            digests: digests.iter().map(digest).collect::<Result<_, _>>()?,
            keys: keys.iter().map(key).collect::<Result<_, _>>()?,
        };
        match rule {
            Rule::Signed if trust.keys.is_empty() => {
                Err("trust is \"signed\", and no key is named; name some in [providers.keys]".into())
            }
            _ => Ok(trust),
        }
    }

    /// Judges a component and gives it back. Both take as long as hashing it does, which disturbs nobody.
    pub(super) async fn judged(
        self: &Arc<Self>,
        component: Vec<u8>,
        signature: Option<String>,
    ) -> (Vec<u8>, Result<Option<String>, String>) {
        let trust = self.clone();
        let judge = move || {
            let judged = trust.judge(&postern_runtime::digest(&component), &component, signature.as_deref());
            (component, judged)
        };
        let ended = tokio::task::spawn_blocking(judge).await;
        ended.unwrap_or_else(|error| (Vec::new(), Err(format!("its signature was not verified: {error}"))))
    }

    /// Whether a component is taken; the name of the key that it is signed with, if that is known.
    ///
    /// # Errors
    /// Why it is not, and what to do. A signature that is wrong is refused under every rule.
    fn judge(&self, digest: &str, component: &[u8], signature: Option<&str>) -> Result<Option<String>, String> {
        let signer = signature.map(|signature| self.signer(component, signature)).transpose()?.flatten();
        match self.rule {
            Rule::Pinned if !self.digests.contains(digest) => Err(format!(
                "its digest is not among those that this server takes ([providers] trust = \"pinned\"); to take it, add \
                 \"{digest}\" to [providers] digests"
            )),
            Rule::Signed if signer.is_none() => {
                let names: Vec<_> = self.keys.keys().map(String::as_str).collect();
                let problem =
                    if signature.is_some() { "it is signed with a key that is not known here" } else { "it is not signed" };
                Err(format!(
                    "{problem}, and this server takes only what is signed with one of its keys ({}; [providers] trust = \
                     \"signed\"); sign it: minisign -S -m FILE, and keep FILE.minisig beside it",
                    names.join(", ")
                ))
            }
            _ => Ok(signer),
        }
    }

    /// Whose signature it is; none: of a key that is not known.
    fn signer(&self, component: &[u8], text: &str) -> Result<Option<String>, String> {
        if text.len() > LONGEST_SIGNATURE {
            return Err(format!("its signature has {} bytes; at most {LONGEST_SIGNATURE} are allowed", text.len()));
        }
        let signature = Signature::decode(text).map_err(|error| format!("its signature is none of minisign: {error}"))?;
        for (name, key) in &self.keys {
            // Both forms of minisign: of the content, as before 2020, and of its hash.
            match key.verify(component, &signature, true) {
                Ok(()) => return Ok(Some(name.clone())),
                Err(minisign_verify::Error::UnexpectedKeyId) => {}
                Err(error) => {
                    return Err(format!(
                        "its signature is not of this content, though it names the key `{name}` ({error}); get the component and \
                         its signature anew"
                    ));
                }
            }
        }
        Ok(None)
    }
}
