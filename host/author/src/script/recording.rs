//! Recordings: what the record of an attempt says, played again.
//!
//! An attempt is what a run writes with `--record`, and what the daemon keeps of each delivery.

use super::{Answer, Fault, Pattern, Script, Scripted};
use crate::Error;
use postern_core::delivery::{Exchange, ExchangeResult};
use postern_core::manifest::SECRET_MARK;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Headers that belong to a connection and not to an answer, and what the body that was recorded no longer is.
const OF_THE_WIRE: [&str; 6] = ["connection", "content-length", "content-encoding", "transfer-encoding", "keep-alive", "upgrade"];

/// Adds to a script what a recording says: the exchanges of an attempt, or of the last attempt of a delivery, as JSON.
///
/// # Errors
/// The file cannot be read, holds no exchanges, or an answer in it was not recorded whole.
pub fn recording(script: Script, file: &Path) -> Result<Script, Error> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::File { file: file.into(), what: "read", error })?;
    let wrong = |reason: String| Error::Input { origin: file.display().to_string(), reason };
    let value: Value = serde_json::from_str(&text).map_err(|error| wrong(format!("it is no JSON: {error}")))?;
    let found = exchanges(&value).ok_or_else(|| {
        wrong(
            "it holds no exchanges: a recording is an attempt as `postern delivery show` prints it, or as --record writes it"
                .into(),
        )
    })?;
    let exchanges: Vec<Exchange> =
        Deserialize::deserialize(found).map_err(|error: serde_json::Error| wrong(format!("its exchanges are none: {error}")))?;
    let exchanges = exchanges.into_iter().enumerate().filter_map(|(index, exchange)| {
        scripted(exchange).map_err(|reason| wrong(format!("exchange {}: {reason}", index + 1))).transpose()
    });
    Ok(Script { exchanges: exchanges.collect::<Result<_, _>>()?, ..script })
}

fn exchanges(value: &Value) -> Option<&Value> {
    let of_attempt = |attempt: &'_ Value| attempt.get("exchanges").is_some_and(Value::is_array);
    let last =
        || value.get("history")?.as_array()?.iter().rev().find_map(|step| step.get("attempt").filter(|one| of_attempt(one)));
    let attempt = if of_attempt(value) { Some(value) } else { value.get("attempt").filter(|one| of_attempt(one)).or_else(last) };
    attempt?.get("exchanges")
}

/// None for a request that never left: it will not be seen again.
fn scripted(exchange: Exchange) -> Result<Option<Scripted>, String> {
    let answer = match exchange.result {
        ExchangeResult::Denied { .. } => return Ok(None),
        ExchangeResult::Failed { kind, .. } => Answer::fault(match kind.as_str() {
            "timeout" => Fault::Timeout,
            "refused" => Fault::Refused,
            "dns" => Fault::Dns,
            "reset" => Fault::Reset,
            "protocol" | "tls" => Fault::Garbage,
            "response-too-large" => Fault::GiantHeaders,
            _ => return Ok(None),
        }),
        ExchangeResult::Answered { status, response_headers, response_body } => {
            let body = response_body.map(|body| if body.text.len() as u64 == body.size { Ok(body.text) } else { Err(body.size) });
            let body = body.transpose().map_err(|size| {
                format!("only the beginning of its answer of {size} bytes was recorded; record it anew with --record")
            })?;
            let kept = |(name, _): &(String, String)| !OF_THE_WIRE.iter().any(|other| name.eq_ignore_ascii_case(other));
            let headers: BTreeMap<_, _> = response_headers.into_iter().filter(kept).collect();
            Answer { status: Some(status), headers, body, ..Answer::default() }
        }
    };
    let url = exchange.url.replace(SECRET_MARK, "*");
    let request = Pattern { method: Some(exchange.method), url: Some(url), ..Pattern::default() };
    Ok(Some(Scripted { request, answer }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Result<Script, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), value.to_string()).unwrap();
        recording(Script::default(), file.path())
    }

    fn attempt(size: u64) -> Value {
        let exchange = |result: Value| {
            let mut exchange = json!({
                "method": "POST", "url": "https://a.example/[secret]?x=1", "requestHeaders": [],
                "startedAt": "2026-01-02T03:04:05.000Z", "durationMicros": 1,
            });
            exchange.as_object_mut().unwrap().extend(result.as_object().unwrap().clone());
            exchange
        };
        json!({ "exchanges": [
            exchange(json!({ "decision": "denied", "code": "grant", "message": "no" })),
            exchange(json!({
                "decision": "answered", "status": 201,
                "responseHeaders": [["content-length", "2"], ["x-a", "b"]], "responseBody": { "text": "ok", "size": size },
            })),
            exchange(json!({ "decision": "failed", "kind": "reset", "message": "gone", "sent": true })),
        ]})
    }

    #[test]
    fn an_attempt_and_a_delivery_are_played_again() {
        for value in [attempt(2), json!({ "history": [{ "attempt": attempt(2) }, { "state": "failed" }] })] {
            let script = read(&value).unwrap();
            let [answered, reset] = script.exchanges.as_slice() else { panic!("{script:?}") };
            assert_eq!(answered.request.url.as_deref(), Some("https://a.example/*?x=1"));
            assert_eq!((answered.answer.status, answered.answer.body.as_deref()), (Some(201), Some("ok")));
            assert_eq!(answered.answer.headers, BTreeMap::from([("x-a".to_owned(), "b".to_owned())]));
            assert_eq!(reset.answer.fault, Some(Fault::Reset));
        }
    }

    #[test]
    fn what_is_none_or_not_whole_is_refused() {
        assert!(read(&json!({ "id": 1 })).unwrap_err().to_string().contains("it holds no exchanges"));
        assert!(read(&attempt(5_000)).unwrap_err().to_string().contains("exchange 2: only the beginning"));
    }
}
