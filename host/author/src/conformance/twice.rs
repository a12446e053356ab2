//! The same delivery twice, and one whose answer was lost.

use super::scenario::Plays;
use super::{Check, Run, judge, millis, secrecy};
use crate::Error;
use crate::script::{Answer, Ending, Fault, Place};
use crate::stage::{Play, Received};
use crate::workbench::{Claimed, Tried};
use parking_lot::Mutex;
use postern_core::delivery::Run as DeliveryRun;
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

impl Run<'_> {
    /// A second call with the same delivery, where the manifest says that it does no harm.
    pub(super) async fn twice(&self) -> Result<Check, Error> {
        let (name, target) = ("twice", "answers well, and gets the same delivery again");
        if !self.bench.manifest().implements.idempotent {
            return Ok(Check::skipped(name, target, "the manifest does not claim idempotent"));
        }
        let began = Instant::now();
        let claimed = Claimed::new();
        let (first, sent_first, mut problems) = self.well(&claimed).await?;
        let (second, sent_second, more) = self.well(&Claimed { attempts: 1, ..claimed.clone() }).await?;
        problems.extend(more);
        if first.external_id() != second.external_id() {
            problems.push("the second call answers with another external id than the first".into());
        }
        problems.extend(repeated(&claimed.id.to_string(), self.script.same_delivery.as_ref(), &sent_first, &sent_second));
        Ok(self.check(name, target, &second, problems, began))
    }

    /// The request arrives, the answer is lost, and the daemon tries again, after asking for the effect where it can.
    pub(super) async fn lost(&self) -> Result<Check, Error> {
        let (name, target) = ("lost-answer", "does what it is asked, but the answer is lost; then it is tried again");
        let began = Instant::now();
        let claimed = Claimed::new();
        let lossy = Arc::new(Lossy { well: Plays::new(self.script, None), lost: Mutex::new(false) });
        self.stage.play(lossy.clone());
        let first = self.bench.attempt(self.event, claimed.clone()).await?;
        let lost = self.stage.received();
        let mut problems = judge::failure(&first);
        problems.extend(self.leaks(&first));
        if first.ending() == Ending::Failed && !self.script.deviations.contains_key(name) {
            problems.push("the first try ends as `failed`, though a later one may succeed".into());
        }
        let run = DeliveryRun { retries: 1, ..first.decision.run };
        let (second, sent, more) = self.well(&Claimed { attempts: 1, run, ..claimed.clone() }).await?;
        problems.extend(more);
        if self.bench.manifest().implements.idempotent {
            problems.extend(repeated(&claimed.id.to_string(), self.script.same_delivery.as_ref(), &lost, &sent));
        }
        Ok(self.check(name, target, &second, problems, began))
    }

    /// An attempt that is answered well; what was sent, and what is wrong.
    async fn well(&self, claimed: &Claimed) -> Result<(Tried, Vec<Received>, Vec<String>), Error> {
        let play = Arc::new(Plays::new(self.script, None));
        self.stage.play(play.clone());
        let tried = self.bench.attempt(self.event, claimed.clone()).await?;
        let mut problems = play.problems();
        problems.extend(judge::failure(&tried));
        if tried.ending() != Ending::Delivered {
            problems.push(format!("attempt {} ends as `{}`, though it is answered well", claimed.attempts + 1, tried.ending()));
        }
        problems.extend(self.secrecy.in_record(&(&tried.attempt, &tried.decision.state)));
        let received = self.stage.received();
        problems.extend(secrecy::placeholders(&received));
        Ok((tried, received, problems))
    }

    fn check(&self, scenario: &'static str, target: &'static str, last: &Tried, problems: Vec<String>, began: Instant) -> Check {
        Check {
            scenario,
            target,
            outcome: judge::outcome(last),
            message: last.message().map(str::to_owned),
            problems,
            deviation: self.script.deviations.get(scenario).map(|deviation| deviation.reason.clone()),
            skipped: None,
            milliseconds: millis(began),
        }
    }
}

/// Takes every request and answers well, but for the first that changes something: that answer is lost.
struct Lossy {
    well: Plays,
    lost: Mutex<bool>,
}

impl Play for Lossy {
    fn answer(&self, request: &Received) -> Answer {
        let mut lost = self.lost.lock();
        if !*lost && changes(request) {
            *lost = true;
            return Answer::fault(Fault::Reset);
        }
        self.well.answer(request)
    }
}

/// Whether a request may change something (RFC 9110, 9.2.1).
fn changes(request: &Received) -> bool {
    !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS")
}

/// Requests of the second call that the target cannot know for those of the first.
fn repeated(delivery: &str, place: Option<&Place>, first: &[Received], second: &[Received]) -> Vec<String> {
    let known = |request: &Received| {
        let same = |other: &&Received| match place {
            Some(place) => at(place, request).is_some_and(|key| at(place, other).as_ref() == Some(&key)),
            // The same state put in the same place, or a request that says whose it is.
            None if matches!(request.method.as_str(), "PUT" | "DELETE") => {
                (&request.method, &request.url, &request.body) == (&other.method, &other.url, &other.body)
            }
            None => request.to_text().contains(delivery) && other.to_text().contains(delivery),
        };
        first.iter().any(|other| other.method == request.method && same(&other))
    };
    let unknown = second.iter().filter(|request| changes(request) && !known(request));
    let told = |request: &Received| match place {
        Some(_) => format!("a second {} has another key, or none, at the place that sameDelivery names", request.method),
        None => format!(
            "a second {} does not say that it is about the same delivery: send the delivery's id, or name with sameDelivery where its key stands",
            request.method
        ),
    };
    unknown.map(told).collect()
}

/// What stands at a place.
fn at(place: &Place, request: &Received) -> Option<String> {
    match place {
        Place::Header(name) => request.header(&name.to_ascii_lowercase()).map(str::to_owned),
        Place::Json(pointer) => {
            let body: Value = serde_json::from_slice(&request.body).ok()?;
            body.pointer(pointer).filter(|value| !value.is_null()).map(Value::to_string)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, body: &str) -> Received {
        Received { method: method.into(), url: "https://a.example/".into(), headers: Vec::new(), body: body.into() }
    }

    #[test]
    fn a_second_request_must_say_that_it_is_the_first_again() {
        let post = |body: &str| request("POST", body);
        let delivery = |first: &str, second: &str| repeated("d-1", None, &[post(first)], &[post(second)]).len();
        assert_eq!(delivery("d-1 a", "d-1 b"), 0);
        assert_eq!(delivery("a", "a"), 1, "the same text again may be another event");
        let json = Place::Json("/key".into());
        let key = |first: &str, second: &str| repeated("d-1", Some(&json), &[post(first)], &[post(second)]).len();
        assert_eq!(key(r#"{"key":"k","n":1}"#, r#"{"key":"k","n":2}"#), 0);
        assert_eq!(key(r#"{"key":"k"}"#, r#"{"key":"l"}"#), 1);
        assert_eq!(key("{}", "{}"), 1, "no key is none that is the same");
        assert!(repeated("d-1", None, &[request("PUT", "a")], &[request("PUT", "a"), request("GET", "")]).is_empty());
        assert_eq!(repeated("d-1", None, &[request("PUT", "a")], &[request("PUT", "b")]).len(), 1);
    }
}
