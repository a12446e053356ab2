//! What the receiver calls the thing that it made.

use serde::Deserialize;
use serde_json::Value;

/// The longest external id that the contract allows, in bytes.
const LONGEST: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    id: Option<Value>,
    external_id: Option<Value>,
    message_id: Option<Value>,
}

/// The first of `id`, `externalId` and `messageId` that is a short string.
///
/// The receiver decides what stands here, and administrators read it. So anything else, from a list to a text with control
/// characters in it, is as if it were not there.
pub(crate) fn find(body: &[u8]) -> Option<String> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    [answer.id, answer.external_id, answer.message_id].into_iter().flatten().find_map(|value| match value {
        Value::String(text) if is_fit(&text) => Some(text),
        _ => None,
    })
}

fn is_fit(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn only_a_short_string_is_an_external_id() {
        let find = |text: &str| find(text.as_bytes());
        assert_eq!(find(r#"{"id":"a"}"#).as_deref(), Some("a"));
        assert_eq!(find(r#"{"messageId":"c","externalId":"b"}"#).as_deref(), Some("b"));
        assert_eq!(find(r#"{"id":7,"externalId":null,"messageId":"c"}"#).as_deref(), Some("c"));
        for other in ["", "ok", "[]", r#"{"id":7}"#, r#"{"id":{"x":1}}"#, r#"{"id":" "}"#, r#"{"id":"a\nb"}"#] {
            assert_eq!(find(other), None, "{other}");
        }
        assert_eq!(find(&format!(r#"{{"id":"{}"}}"#, "x".repeat(256))).map(|id| id.len()), Some(256));
        assert_eq!(find(&format!(r#"{{"id":"{}"}}"#, "x".repeat(257))), None);
    }
}
