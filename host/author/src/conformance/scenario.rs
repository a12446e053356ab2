//! What targets do.

use crate::script::{Answer, Fault, Script, Scripted, answered_by};
use crate::stage::{Play, Received};
use parking_lot::Mutex;
use postern_egress::scripted::Door;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// What a target asks to wait with 429.
const WAIT: Duration = Duration::from_secs(7);

/// What it asks for by a date. It has whole seconds, so that little of it would be lost.
const LONG_WAIT: Duration = Duration::from_secs(90);

/// One thing that a target does.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// In words.
    pub(super) target: &'static str,
    kind: Kind,
}

enum Kind {
    /// As the script says.
    Good,
    /// The status alone.
    Empty(u16),
    /// A status that says no, with an error that tells back what came.
    Refusal(u16),
    /// 429 with this `Retry-After`.
    Busy(RetryAfter),
    Fault(Fault),
    /// A page where an API was.
    Page,
}

#[derive(Clone, Copy)]
enum RetryAfter {
    Seconds,
    Date,
}

/// What is to become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Delivered,
    /// No retry could help.
    Failed,
    /// Somebody has to mend the credentials, and is told so; or it is tried again.
    Credentials,
    /// After this time.
    After(Duration),
    Again,
    /// Anything but that it was delivered.
    NotDelivered,
    /// Anything that the provider itself decides.
    Decided,
}

const fn scenario(name: &'static str, target: &'static str, kind: Kind) -> Scenario {
    Scenario { name, target, kind }
}

/// All of them that are one answer, to every request.
pub(super) const SCENARIOS: &[Scenario] = &[
    scenario("200", "answers well", Kind::Good),
    scenario("204", "answers 204, without a body", Kind::Empty(204)),
    scenario("400", "answers 400", Kind::Refusal(400)),
    scenario("401", "answers 401", Kind::Refusal(401)),
    scenario("404", "answers 404", Kind::Refusal(404)),
    scenario("410", "answers 410", Kind::Refusal(410)),
    scenario("429-seconds", "answers 429, Retry-After in seconds", Kind::Busy(RetryAfter::Seconds)),
    scenario("429-date", "answers 429, Retry-After as a date", Kind::Busy(RetryAfter::Date)),
    scenario("500", "answers 500", Kind::Refusal(500)),
    scenario("503", "answers 503", Kind::Refusal(503)),
    scenario("timeout", "never answers", Kind::Fault(Fault::Timeout)),
    scenario("refused", "does not listen", Kind::Fault(Fault::Refused)),
    scenario("reset", "closes the connection when the request is there", Kind::Fault(Fault::Reset)),
    scenario("garbage", "answers with what is no HTTP", Kind::Fault(Fault::Garbage)),
    scenario("page", "answers 200 with a page for people", Kind::Page),
    scenario("giant", "answers 200 with 2 MiB", Kind::Fault(Fault::Giant)),
    scenario("giant-headers", "answers with 128 KiB of headers", Kind::Fault(Fault::GiantHeaders)),
];

impl Scenario {
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self.kind, Kind::Fault(Fault::Timeout))
    }

    pub(super) fn is_good(&self) -> bool {
        matches!(self.kind, Kind::Good)
    }

    /// The answer to every request; none: the script's own.
    pub(super) fn answer(&self) -> Option<Answer> {
        Some(match self.kind {
            Kind::Good => return None,
            Kind::Empty(status) => Answer { status: Some(status), ..Answer::default() },
            // What it told back would hold words about credentials, which the provider is to find itself.
            Kind::Refusal(401) => Answer::json(401, json!({ "error": "refused" })),
            Kind::Refusal(status) => refusal(status, BTreeMap::new()),
            Kind::Busy(wait) => {
                let value = match wait {
                    RetryAfter::Seconds => WAIT.as_secs().to_string(),
                    RetryAfter::Date => httpdate::fmt_http_date(SystemTime::now() + LONG_WAIT),
                };
                refusal(429, [("retry-after".to_owned(), value)].into())
            }
            Kind::Fault(fault) => Answer::fault(fault),
            Kind::Page => Answer {
                headers: [("content-type".to_owned(), "text/html".to_owned())].into(),
                body: Some("<!doctype html><title>Maintenance</title><p>We are back soon.</p>".into()),
                ..Answer::default()
            },
        })
    }

    pub(super) fn expected(&self) -> Expected {
        match self.kind {
            Kind::Good | Kind::Empty(_) => Expected::Delivered,
            Kind::Refusal(401) => Expected::Credentials,
            Kind::Refusal(500..) => Expected::Again,
            Kind::Refusal(_) => Expected::Failed,
            Kind::Busy(RetryAfter::Seconds) => Expected::After(WAIT),
            Kind::Busy(RetryAfter::Date) => Expected::After(LONG_WAIT),
            Kind::Fault(Fault::Timeout | Fault::Refused | Fault::Dns | Fault::Reset) => Expected::Again,
            Kind::Fault(Fault::Garbage) => Expected::NotDelivered,
            Kind::Fault(Fault::Giant | Fault::GiantHeaders) | Kind::Page => Expected::Decided,
        }
    }
}

/// Where a refusal tells back what it received.
const TOLD_BACK: &str = "received";

/// An answer that says no. It tells back what came: see [`Plays`].
pub(super) fn refusal(status: u16, headers: BTreeMap<String, String>) -> Answer {
    let body = json!({ "error": "refused", "message": "the conformance says no", TOLD_BACK: null });
    Answer { headers, ..Answer::json(status, body) }
}

/// A target that answers well as the script says, or every request alike.
pub(super) struct Plays {
    good: Vec<Scripted>,
    alike: Option<Answer>,
    problems: Mutex<Vec<String>>,
}

impl Plays {
    pub(super) fn new(script: &Script, alike: Option<Answer>) -> Self {
        Self { good: script.answers.clone(), alike, problems: Mutex::default() }
    }

    /// Requests that the script has no good answer for.
    pub(super) fn problems(&self) -> Vec<String> {
        self.problems.lock().clone()
    }
}

impl Play for Plays {
    fn door(&self, _: &str) -> Door {
        match self.alike.as_ref().and_then(|answer| answer.fault) {
            Some(Fault::Refused) => Door::Closed,
            Some(Fault::Dns) => Door::Unknown,
            _ => Door::Open,
        }
    }

    fn answer(&self, request: &Received) -> Answer {
        if let Some(mut answer) = self.alike.clone() {
            if let Some(place) = answer.json.as_mut().and_then(|body| body.get_mut(TOLD_BACK)) {
                *place = request.to_text().into();
            }
            return answer;
        }
        if self.good.is_empty() {
            return Answer::json(200, json!({}));
        }
        if let Some(answer) = answered_by(&self.good, request) {
            return answer.clone();
        }
        // Its query may hold a secret.
        let path = request.url.split('?').next().unwrap_or_default();
        let host = path.split('/').take(3).collect::<Vec<_>>().join("/");
        let problem = format!("the script has no good answer for {} at {host}: add one to answers", request.method);
        self.problems.lock().push(problem);
        Answer::json(501, json!({ "error": "the script has no answer for this" }))
    }
}
