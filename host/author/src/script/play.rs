//! Playing a script.

use super::{Answer, Fault, Script, Scripted};
use crate::stage::{Play, Received};
use parking_lot::Mutex;
use postern_egress::scripted::Door;
use serde_json::json;

/// What a request is answered with that no script knows: 501 of RFC 9110 says that the server cannot do it.
fn unknown(request: &Received) -> Answer {
    Answer::json(501, json!({ "error": format!("the script has no answer for {} to this URL", request.method) }))
}

/// The answer of the first that fits.
pub(crate) fn answered_by<'a>(answers: &'a [Scripted], request: &Received) -> Option<&'a Answer> {
    answers.iter().find(|one| one.request.differences(request).is_empty()).map(|one| &one.answer)
}

/// The door that a fault shuts.
fn door_of(fault: Option<Fault>) -> Option<Door> {
    match fault {
        Some(Fault::Refused) => Some(Door::Closed),
        Some(Fault::Dns) => Some(Door::Unknown),
        _ => None,
    }
}

/// Answers everything alike.
pub(crate) struct Everything(pub(crate) Answer);

impl Play for Everything {
    fn door(&self, _: &str) -> Door {
        door_of(self.0.fault).unwrap_or(Door::Open)
    }

    fn answer(&self, _: &Received) -> Answer {
        self.0.clone()
    }
}

/// Plays a script and notes what goes otherwise.
pub(crate) struct ScriptPlay {
    exchanges: Vec<Scripted>,
    answers: Vec<Scripted>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The exchange that comes next.
    next: usize,
    /// How many requests came.
    requests: usize,
    problems: Vec<String>,
}

impl ScriptPlay {
    pub(crate) fn new(script: &Script) -> Self {
        let mut answers = script.answers.clone();
        if answers.is_empty() && script.exchanges.is_empty() {
            answers.push(Scripted { answer: Answer::json(200, json!({})), ..Scripted::default() });
        }
        Self { exchanges: script.exchanges.clone(), answers, state: Mutex::default() }
    }

    /// What went otherwise than the script says, now that it is over.
    pub(crate) fn problems(&self) -> Vec<String> {
        let state = self.state.lock();
        let missing = self.exchanges.iter().enumerate().skip(state.next);
        let missing = missing.map(|(index, one)| format!("exchange {} ({}) did not happen", index + 1, one.request.name()));
        state.problems.iter().cloned().chain(missing).collect()
    }
}

impl Play for ScriptPlay {
    fn door(&self, host: &str) -> Door {
        let mut state = self.state.lock();
        if let Some(next) = self.exchanges.get(state.next)
            && let Some(door) = door_of(next.answer.fault)
            && next.request.may_be_at(host)
        {
            state.next += 1;
            state.requests += 1;
            return door;
        }
        let here = |one: &&Scripted| one.request.may_be_at(host);
        let first = self.answers.iter().find(here).filter(|_| state.next >= self.exchanges.len());
        first.and_then(|one| door_of(one.answer.fault)).unwrap_or(Door::Open)
    }

    fn answer(&self, request: &Received) -> Answer {
        let mut state = self.state.lock();
        state.requests += 1;
        let number = state.requests;
        let differences = self.exchanges.get(state.next).map(|next| next.request.differences(request));
        if differences.as_ref().is_some_and(Vec::is_empty) {
            state.next += 1;
            return self.exchanges[state.next - 1].answer.clone();
        }
        if let Some(answer) = answered_by(&self.answers, request) {
            return answer.clone();
        }
        let problem = match differences {
            Some(differences) => {
                let expected = format!("exchange {} ({})", state.next + 1, self.exchanges[state.next].request.name());
                format!("request {number} is not {expected}: {}", differences.join("; "))
            }
            None => format!("request {number} ({}) is one that the script does not know", request.method),
        };
        state.problems.push(problem);
        unknown(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, url: &str) -> Received {
        Received { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    #[test]
    fn exchanges_come_in_their_order_and_other_answers_whenever() {
        let text = r#"
exchanges:
  - { request: { method: POST, url: "https://a.example/*" }, answer: { status: 201 } }
  - { request: { url: "https://b.example/*" }, answer: { fault: refused } }
  - { request: { method: PUT }, answer: { status: 202 } }
answers:
  - { request: { method: GET }, answer: { status: 203 } }
"#;
        let play = ScriptPlay::new(&Script::parse(text, "").unwrap());
        let status = |method: &str, url: &str| play.answer(&request(method, url)).status;
        assert_eq!(play.door("b.example"), Door::Open, "its turn has not come");
        assert_eq!(status("GET", "https://a.example/1"), Some(203));
        assert_eq!(status("DELETE", "https://a.example/1"), Some(501));
        assert_eq!(status("POST", "https://a.example/1"), Some(201));
        assert_eq!((play.door("a.example"), play.door("b.example")), (Door::Open, Door::Closed));
        assert_eq!(
            play.problems(),
            [
                "request 2 is not exchange 1 (POST https://a.example/*): the method is DELETE, not POST",
                "exchange 3 (PUT any URL) did not happen",
            ]
        );
    }

    #[test]
    fn without_a_word_everything_is_answered_well() {
        let play = ScriptPlay::new(&Script::default());
        assert_eq!(play.answer(&request("POST", "https://a.example/")).json, Some(json!({})));
        assert!(play.problems().is_empty());
    }
}
