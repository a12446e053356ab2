//! However often, by whichever calls, and around whatever end of the process a key is emitted, it makes one event, and each
//! emission gets the same answer.

use crate::generated::values;
use futures::stream::{FuturesUnordered, StreamExt};
use postern_tests::platform::{INCIDENT_CREATED, id, incident};
use postern_tests::wait::within;
use postern_tests::{Answer, Api, Daemon, Engine, Receiver, on_each_engine};
use proptest::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HOOK: &str = "/api/v1/plugins/incident/hooks/incident.created";
const EVENTS: &str = "/api/v1/events";
const TENANTS: [&str; 3] = ["default", "acme", "globex"];

/// How many schedules are tried, one after the other on the same daemon.
const CASES: usize = 4;

on_each_engine!(every_key_makes_one_event_whatever_the_schedule);

/// What makes emissions the same: keys of different tenants, or of different kinds, never are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    case: usize,
    tenant: &'static str,
    kind: Kind,
    number: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// An idempotency key.
    Own,
    /// A CloudEvent's source and id.
    Cloud,
}

/// One call, which emits one key or, as a batch, several.
#[derive(Clone, Debug)]
struct Request {
    keys: Vec<Key>,
    way: Way,
}

/// Some calls take one kind of key only: the other kind is then emitted by the call that is nearest.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The call of a hook; of a CloudEvent in the binary mode.
    Bare,
    /// The call for events of all types; of a CloudEvent in the structured mode.
    Whole,
    /// Likewise, with the key in a header; of a CloudEvent in the structured mode.
    Header,
    /// A list.
    Batch,
}

/// Calls at once, and what becomes of the process then.
#[derive(Clone, Debug)]
struct Phase {
    requests: Vec<Request>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    None,
    /// Killed when so many calls are answered, with the others and deliveries under way.
    KilledAmid(usize),
    /// Killed when every delivery is made.
    KilledIdle,
    /// Asked to end.
    Terminated,
}

impl Key {
    fn text(&self) -> String {
        format!("{}-{}", self.case, self.number)
    }

    fn payload(&self) -> Value {
        incident(&format!("{self:?}"))
    }

    /// As an element of a batch, or a body of its own.
    fn body(&self, with_key: bool) -> Value {
        let (tenant, payload) = (self.tenant, self.payload());
        match self.kind {
            Kind::Own if with_key => {
                json!({ "type": INCIDENT_CREATED, "tenant": tenant, "payload": payload, "idempotencyKey": self.text() })
            }
            Kind::Own => json!({ "type": INCIDENT_CREATED, "tenant": tenant, "payload": payload }),
            Kind::Cloud => json!({
                "specversion": "1.0", "source": "/property", "id": self.text(), "type": INCIDENT_CREATED, "tenant": tenant,
                "data": payload,
            }),
        }
    }
}

impl Request {
    /// Makes the call. The answers are in the order of the keys.
    async fn send(self, api: Api) -> (Self, Result<Answer, reqwest::Error>) {
        let key = &self.keys[0];
        let text = key.text();
        let (path, headers, body) = match (self.way, key.kind) {
            (Way::Bare, Kind::Own) => {
                (HOOK, vec![("Idempotency-Key", text.as_str()), ("Postern-Tenant", key.tenant)], key.payload())
            }
            (Way::Bare, Kind::Cloud) => {
                let own = [("ce-specversion", "1.0"), ("ce-source", "/property"), ("ce-type", INCIDENT_CREATED)];
                let headers = own.into_iter().chain([("ce-id", text.as_str()), ("ce-tenant", key.tenant)]);
                (EVENTS, headers.collect(), key.payload())
            }
            (Way::Whole, Kind::Own) => (EVENTS, vec![], key.body(true)),
            (Way::Header, Kind::Own) => (EVENTS, vec![("Idempotency-Key", text.as_str())], key.body(false)),
            (Way::Whole | Way::Header, Kind::Cloud) => {
                (EVENTS, vec![("Content-Type", "application/cloudevents+json")], key.body(true))
            }
            (Way::Batch, kind) => {
                let list = self.keys.iter().map(|key| key.body(true)).collect();
                let headers = match kind {
                    Kind::Own => vec![],
                    Kind::Cloud => vec![("Content-Type", "application/cloudevents-batch+json")],
                };
                (EVENTS, headers, list)
            }
        };
        let answer = api.try_call_with(Method::POST, path, &headers, body).await;
        (self, answer)
    }

    /// What each of its keys was answered.
    fn read(&self, answer: Answer) -> Vec<(Key, Value)> {
        let answers = match answer.success() {
            Value::Array(answers) => answers,
            one => vec![one],
        };
        assert_eq!(answers.len(), self.keys.len(), "{self:?}: {answers:?}");
        self.keys.iter().cloned().zip(answers).collect()
    }
}

/// The cases' number is put in afterwards.
fn key(kind: Kind) -> impl Strategy<Value = Key> {
    (prop::sample::select(&TENANTS[..]), 0..3_u8).prop_map(move |(tenant, number)| Key { case: 0, tenant, kind, number })
}

fn request() -> impl Strategy<Value = Request> {
    prop::sample::select(vec![Kind::Own, Kind::Cloud]).prop_flat_map(|kind| {
        let one = (key(kind), prop::sample::select(vec![Way::Bare, Way::Whole, Way::Header]));
        prop_oneof![
            3 => one.prop_map(|(key, way)| Request { keys: vec![key], way }),
            1 => prop::collection::vec(key(kind), 1..6).prop_map(|keys| Request { keys, way: Way::Batch }),
        ]
    })
}

fn schedule() -> impl Strategy<Value = Vec<Phase>> {
    let end = prop_oneof![
        1 => Just(End::None),
        2 => (1..30_usize).prop_map(End::KilledAmid),
        1 => Just(End::KilledIdle),
        1 => Just(End::Terminated),
    ];
    let phase = (prop::collection::vec(request(), 10..40), end).prop_map(|(requests, end)| Phase { requests, end });
    prop::collection::vec(phase, 2..=3)
}

/// What the emissions of each key were answered.
#[derive(Default)]
struct Known(BTreeMap<Key, Value>);

impl Known {
    fn learn(&mut self, answers: Vec<(Key, Value)>) {
        for (key, answer) in answers {
            assert_eq!(answer["deliveries"], 1, "{key:?}: {answer}");
            let first = self.0.entry(key.clone()).or_insert_with(|| answer.clone());
            assert_eq!(*first, answer, "{key:?} got another answer");
        }
    }

    async fn all_delivered(&self, daemon: &Daemon) {
        for (key, answer) in &self.0 {
            let delivery = daemon.settled(answer["event"].as_str().unwrap()).await;
            assert_eq!(delivery["status"], "success", "{key:?}: {delivery:#}");
        }
    }
}

/// Makes the calls of a phase at once, and brings the phase's end about. The daemon serves again afterwards.
async fn run(daemon: &mut Daemon, phase: Phase, known: &mut Known) {
    let Phase { requests, end } = phase;
    let mut calls: FuturesUnordered<_> = requests.into_iter().map(|request| request.send(daemon.api.clone())).collect();
    let (mut answered, mut killed) = (0, false);
    while let Some((request, answer)) = within("the emissions to end", calls.next()).await {
        match answer {
            Ok(answer) => {
                known.learn(request.read(answer));
                answered += 1;
            }
            // Those that the kill cut off have no answer; they may or may not have been made.
            Err(error) => assert!(killed, "{request:?}: {error:?}"),
        }
        if matches!(end, End::KilledAmid(after) if answered >= after) && !killed {
            daemon.kill_9();
            killed = true;
        }
    }
    match end {
        End::None => return,
        End::KilledAmid(_) if killed => {}
        End::KilledAmid(_) => daemon.kill_9(),
        End::KilledIdle => {
            known.all_delivered(daemon).await;
            daemon.kill_9();
        }
        End::Terminated => assert!(daemon.terminate().await.status.success()),
    }
    daemon.restart().await;
}

async fn every_key_makes_one_event_whatever_the_schedule(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    crate::emitting::subscribed(&daemon, &receiver, &TENANTS).await;
    let mut known = Known::default();
    let mut arrivals: BTreeMap<String, usize> = BTreeMap::new();
    for (case, mut phases) in values(&schedule(), CASES).into_iter().enumerate() {
        phases
            .iter_mut()
            .flat_map(|phase| &mut phase.requests)
            .flat_map(|request| &mut request.keys)
            .for_each(|key| key.case = case);
        let kills = phases.iter().filter(|phase| matches!(phase.end, End::KilledAmid(_))).count();
        let requests: Vec<_> = phases.iter().flat_map(|phase| phase.requests.clone()).collect();
        for phase in phases {
            run(&mut daemon, phase, &mut known).await;
        }
        // Once more each: what the kills cut off is emitted now, if it was not then.
        let again = Phase { requests, end: End::None };
        run(&mut daemon, again, &mut known).await;

        known.all_delivered(&daemon).await;
        let events = daemon.api.items(&format!("{EVENTS}?limit=500")).await;
        assert_eq!(events.len(), known.0.len(), "one event for each key");
        let before = arrivals.clone();
        for received in receiver.drain() {
            *arrivals.entry(received.header("x-delivery-id").to_owned()).or_default() += 1;
        }
        assert_eq!(arrivals.len(), events.len(), "one delivery for each event");
        for (key, answer) in &known.0 {
            let event = events.iter().find(|event| event["id"] == answer["event"]).expect("it is listed");
            assert_eq!((&event["tenant"], &event["payload"]), (&json!(key.tenant), &key.payload()), "{key:?}");
            let delivery = id(&event["deliveries"][0]["id"]);
            let times = arrivals[&delivery];
            if key.case == case {
                // An attempt that a kill cuts off is made again.
                assert!((1..=1 + kills).contains(&times), "{key:?} arrived {times} times, around {kills} kills");
            } else {
                assert_eq!(times, before[&delivery], "{key:?}, which was delivered before, arrived again");
            }
        }
    }
}
