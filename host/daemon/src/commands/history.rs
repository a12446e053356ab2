//! A delivery with its history as a text for people.

use crate::output::line;
use serde_json::Value;
use std::fmt::Write;

/// The delivery, what it waits for, and each run with its attempts.
pub(super) fn text(delivery: &Value) -> String {
    let mut text = String::new();
    let facts = [
        ("delivery", cell(&delivery["id"])),
        ("status", cell(&delivery["status"])),
        ("error", cell(&delivery["error"])),
        ("reason", reason(&delivery["reason"])),
        ("waits because", cell(&delivery["waitsFor"])),
        ("next attempt", cell(&delivery["nextAttemptAt"])),
        ("external id", cell(&delivery["externalId"])),
        ("event", cell(&delivery["event"])),
        ("event type", cell(&delivery["eventType"])),
        ("entity", cell(&delivery["entity"])),
        ("subscription", cell(&delivery["subscription"])),
        ("provider", cell(&delivery["provider"])),
        ("tenant", cell(&delivery["tenant"])),
        ("accepted", cell(&delivery["createdAt"])),
        ("changed", cell(&delivery["updatedAt"])),
    ];
    for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{name:<15}{value}");
    }
    let mut run = None;
    for step in delivery["history"].as_array().into_iter().flatten() {
        let number = step["run"]["number"].as_u64();
        if number != run {
            run = number;
            let begun = match step["run"]["startedAt"].as_str() {
                Some(begun) => format!(", begun {}", line(begun)),
                None => String::new(),
            };
            let _ = writeln!(text, "\nrun {}{begun}", number.unwrap_or(1));
        }
        tell(&mut text, step);
    }
    if run.is_some() {
        text.push_str("\nHeaders and bodies are in the output of --json.");
    }
    text.trim_end().to_owned()
}

/// The kind of failure and the status of the last answer: `http 500`.
pub(super) fn reason(reason: &Value) -> String {
    match (reason["class"].as_str(), reason["status"].as_u64()) {
        (Some(class), Some(status)) => format!("{class} {status}"),
        (Some(class), None) => class.to_owned(),
        (None, _) => String::new(),
    }
}

/// A step: an attempt with its requests and its log, or what else changed the delivery.
fn tell(text: &mut String, step: &Value) {
    let (attempt, state) = (&step["attempt"], &step["state"]);
    if attempt.is_null() {
        // That a run begins is told above it.
        if state["status"] == "pending" {
            return;
        }
        let error = cell(&state["error"]);
        let separator = if error.is_empty() { "" } else { ": " };
        let _ = writeln!(text, "  {}  {}{separator}{error}", cell(&step["at"]), cell(&state["status"]));
        return;
    }
    let outcome = &attempt["outcome"];
    let asked = if attempt["reconciled"] == true { " (asked for the effect of an earlier one)" } else { "" };
    let said = match (cell(&outcome["message"]), cell(&outcome["externalId"])) {
        (message, _) if !message.is_empty() => format!(": {message}"),
        (_, id) if !id.is_empty() => format!(": {id}"),
        _ => String::new(),
    };
    let unknown = if outcome["ambiguous"] == true { "; whether it had its effect is not known" } else { "" };
    let _ = writeln!(
        text,
        "  attempt {}{asked}  {}  {}  {}{said}{unknown}",
        attempt["number"],
        cell(&attempt["startedAt"]),
        duration(&attempt["durationMicros"]),
        cell(&outcome["result"]),
    );
    for exchange in attempt["exchanges"].as_array().into_iter().flatten() {
        let came = match exchange["decision"].as_str() {
            Some("answered") => format!("{}", exchange["status"]),
            Some("denied") => format!("denied ({}): {}", cell(&exchange["code"]), cell(&exchange["message"])),
            _ => format!("{}: {}", cell(&exchange["kind"]), cell(&exchange["message"])),
        };
        let took = duration(&exchange["durationMicros"]);
        let _ = writeln!(text, "    {} {}  {took}  {came}", cell(&exchange["method"]), cell(&exchange["url"]));
    }
    for entry in attempt["log"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "    log {}: {}", cell(&entry["level"]), cell(&entry["message"]));
    }
}

fn cell(value: &Value) -> String {
    line(value.as_str().unwrap_or_default())
}

/// Microseconds, for people.
fn duration(micros: &Value) -> String {
    match micros.as_u64().unwrap_or_default() {
        micros @ 0..1_000_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        micros => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_delivery_is_told_run_by_run() {
        let attempt = |number: u32, outcome: Value, exchange: Value| {
            json!({
                "number": number, "startedAt": "T", "durationMicros": 6_518, "outcome": outcome,
                "exchanges": [exchange], "log": [{ "level": "info", "message": "two\nlines \u{1b}[31m" }],
            })
        };
        let answered =
            json!({ "method": "POST", "url": "http://h/", "durationMicros": 2_030_000, "decision": "answered", "status": 500 });
        let failed = json!({ "method": "POST", "url": "http://h/", "durationMicros": 100, "decision": "failed", "kind": "timeout", "message": "no answer" });
        let failure = json!({ "result": "failure", "message": "HTTP 500" });
        let unknown = json!({ "result": "failure", "message": "no answer", "ambiguous": true });
        let delivery = json!({
            "id": "E-0", "status": "failed", "error": "cancelled by ops", "reason": { "class": "http", "status": 500 },
            "waitsFor": "the delivery D-0 about the same entity comes before it",
            "history": [
                { "run": { "number": 1 }, "attempt": attempt(1, failure, answered), "state": { "status": "failed" } },
                { "run": { "number": 2, "startedAt": "U" }, "at": "U", "state": { "status": "pending" } },
                { "run": { "number": 2, "startedAt": "U" }, "attempt": attempt(2, unknown, failed), "state": { "status": "retrying" } },
                { "run": { "number": 2, "startedAt": "U" }, "at": "V", "state": { "status": "failed", "error": "cancelled by ops" } },
            ],
        });
        let expected = "\
delivery       E-0
status         failed
error          cancelled by ops
reason         http 500
waits because  the delivery D-0 about the same entity comes before it

run 1
  attempt 1  T  6.5 ms  failure: HTTP 500
    POST http://h/  2.0 s  500
    log info: two lines \u{fffd}[31m

run 2, begun U
  attempt 2  T  6.5 ms  failure: no answer; whether it had its effect is not known
    POST http://h/  0.1 ms  timeout: no answer
    log info: two lines \u{fffd}[31m
  V  failed: cancelled by ops

Headers and bodies are in the output of --json.";
        assert_eq!(text(&delivery), expected);
    }

    #[test]
    fn a_reason_is_its_class_and_the_status() {
        assert_eq!(reason(&json!({ "class": "timeout" })), "timeout");
        assert_eq!(reason(&json!({ "class": "http", "status": 404 })), "http 404");
        assert_eq!(reason(&Value::Null), "");
    }
}
