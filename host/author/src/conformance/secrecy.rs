//! Whether a secret is in what is kept, or a placeholder in what was sent.

use crate::stage::Received;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use regex::bytes::Regex;
use serde::Serialize;
use std::collections::BTreeSet;

/// Shorter texts are in anything.
const SHORTEST: usize = 6;

/// What stands for a secret: a text, and the host of a URL. See `postern_egress::seal`.
const PLACEHOLDER: &str = r"sealed-[0-9a-f]{32}|[0-9a-f]{32}\.sealed\.invalid";

/// Secrets in the forms in which they may be found.
pub(super) struct Secrecy(Vec<String>);

impl Secrecy {
    pub(super) fn new(secrets: &BTreeSet<String>) -> Self {
        let mut forms = BTreeSet::new();
        for secret in secrets {
            let mut texts = vec![secret.clone()];
            // What matters of a URL is behind its host.
            if let Some(at) = secret.find("://").and_then(|at| Some(at + 3 + secret.get(at + 3..)?.find('/')?)) {
                texts.push(secret[at..].to_owned());
            }
            for text in texts {
                forms.insert(utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string());
                forms.insert(BASE64_STANDARD_NO_PAD.encode(&text));
                forms.insert(BASE64_URL_SAFE_NO_PAD.encode(&text));
                // As it stands within JSON.
                forms.insert(serde_json::Value::from(text.as_str()).to_string().trim_matches('"').to_owned());
                forms.insert(text);
            }
        }
        Self(forms.into_iter().filter(|form| form.len() >= SHORTEST).collect())
    }

    /// Secrets in what the daemon would keep and show. Which one is not told.
    pub(super) fn in_record(&self, kept: &impl Serialize) -> Option<String> {
        let text = serde_json::to_string(kept).unwrap_or_default();
        let found = self.0.iter().any(|form| text.contains(form));
        found.then(|| "a secret is in what is kept of the attempt: its exchanges, its log or its result".into())
    }
}

/// Placeholders that reached a target: the secret is not there then. It happens to one that was changed on the way, encoded say.
pub(super) fn placeholders(received: &[Received]) -> Vec<String> {
    let placeholder = Regex::new(PLACEHOLDER).expect("a constant that parses");
    let has = |request: &&Received| placeholder.is_match(request.to_text().as_bytes());
    let number = received.iter().filter(has).count();
    let problem = "{} request(s) arrived with the placeholder of a secret in place of the secret: hand it on as it is";
    if number == 0 { Vec::new() } else { vec![problem.replace("{}", &number.to_string())] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_found_in_every_form() {
        let secrecy =
            Secrecy::new(&["hunt\"er/2 x".to_owned(), "https://a.example/hooks/T0/B0".to_owned(), "ab".to_owned()].into());
        for text in ["hunt\"er/2 x", "/hooks/T0/B0", "hunt%22er%2F2%20x", "aHVudCJlci8yIHg", "a L2hvb2tzL1QwL0Iw b"] {
            assert!(secrecy.in_record(&json!({ "log": [format!("it is {text}")] })).is_some(), "{text}");
        }
        assert_eq!(secrecy.in_record(&json!({ "log": ["ab", "[secret]", "https://a.example/"] })), None);
    }

    #[test]
    fn a_placeholder_that_arrives_is_found() {
        let request = |value: &str| Received {
            method: "POST".into(),
            url: "https://a.example/".into(),
            headers: vec![("x-key".into(), value.into())],
            body: Vec::new(),
        };
        assert!(placeholders(&[request("the secret")]).is_empty());
        let sealed = format!("Bearer sealed-{}", "0".repeat(32));
        assert_eq!(placeholders(&[request("a"), request(&sealed)]).len(), 1);
        assert_eq!(placeholders(&[request(&format!("https://{}.sealed.invalid/", "a".repeat(32)))]).len(), 1);
    }
}
