//! One delivery of the webhook provider: through the sandbox, and the same code called natively.
//!
//! Both sides do all the work: the provider's code, and the broker's check, sending and record of the request. The native
//! side runs the provider's code with a scripted answer and then sends the very request that it made through the same
//! broker, so what is left between them is the sandbox: a fresh instance, copying in and out, and slower code. The provider in
//! JavaScript does the same work and is compared with the same native code, so its row has the language in it too.

mod javascript;
mod native;
mod sandboxed;

use crate::Common;
use crate::receiver::Receiver;
use crate::report::{Goal, Section};
use crate::statistics::{count, mean, median, percentile};
use anyhow::{Result, bail};
use clap::Args;
use postern_core::ProviderId;
use postern_core::grant::Grant;
use postern_egress::{Broker, Call, CallSettings, Seals};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many calls one side makes before it is the other's turn.
const TURN: usize = 50;
/// Calls of each side that are not counted: pages are touched, connections made.
const WARM_UP: usize = 200;
/// The bytes of a payload.
const PAYLOAD: usize = 1024;

/// What the sandbox may add for the provider in Rust, and for the one in JavaScript, in microseconds.
const GOALS: [Goal; 2] = [Goal::AtMost(40.0), Goal::AtMost(1000.0)];

/// What to measure.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Calls of each side in each run; 3000 unless set, 500 with --quick.
    #[arg(long, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    calls: Option<u32>,
}

/// A provider as a component.
struct Guest {
    language: &'static str,
    component: postern_runtime::Component,
    goal: Goal,
    /// How many calls take the time of one in Rust: so many fewer are made.
    weight: usize,
}

/// What both sides deliver.
struct Job {
    config: String,
    payload: String,
    /// Whether a request is made. Without one the provider refuses its config after it has made the whole message.
    sends: bool,
}

impl Job {
    /// The message is made, then the header's name is missing: the same work as for a delivery, but no request.
    fn without_request(url: &str) -> Self {
        Self { config: json!({ "url": url, "authType": "header" }).to_string(), payload: payload(), sends: false }
    }
}

/// What both sides use.
struct Bench {
    broker: Broker,
    settings: Shared,
}

struct Shared {
    provider: ProviderId,
    wish: Arc<[postern_core::host_pattern::HostPattern]>,
    grant: Arc<Grant>,
}

impl Bench {
    fn new(receiver: SocketAddr) -> Result<Self> {
        let broker = Broker::new(postern_egress::Options { allow: vec!["127.0.0.1/32".parse()?], ..Default::default() })?;
        let host: postern_core::host_pattern::HostPattern = format!("http://{receiver}").parse()?;
        let grant = Arc::new(Grant { hosts: vec![host.clone()], ..Grant::default() });
        Ok(Self { broker, settings: Shared { provider: "postern.webhook".parse()?, wish: [host].into(), grant } })
    }

    /// What one delivery's requests go through.
    fn call(&self) -> Arc<Call> {
        let Shared { provider, wish, grant } = &self.settings;
        Arc::new(self.broker.call(CallSettings {
            provider: provider.clone(),
            wish: wish.clone(),
            grant: grant.clone(),
            config: Arc::default(),
            connection: None,
            seals: Seals::default(),
            deadline: tokio::time::Instant::now() + Duration::from_secs(60),
        }))
    }
}

/// Microseconds of each call of one run.
#[derive(Default)]
struct Times {
    sandboxed: Vec<f64>,
    native: Vec<f64>,
}

/// Measures both kinds of delivery.
pub(crate) async fn run(options: &Options, common: &Common) -> Result<Section> {
    let calls = options.calls.map_or(if common.quick { 500 } else { 3000 }, |calls| calls as usize);
    let receiver = Receiver::start(1)?;
    let address = receiver.addresses[0];
    let bench = Bench::new(address)?;
    let (guests, mut notes) = guests().await?;
    let url = format!("http://{address}/hook");
    let jobs = [
        ("no request made", Job::without_request(&url)),
        ("delivered over loopback HTTP", Job { config: json!({ "url": url }).to_string(), payload: payload(), sends: true }),
    ];
    let mut rows = Vec::new();
    let mut data = Vec::new();
    for (guest, (name, job)) in guests.iter().flat_map(|guest| jobs.iter().map(move |job| (guest, job))) {
        let calls = calls / guest.weight;
        eprintln!("sandbox: {}, {name}", guest.language);
        measure(&bench, &guest.component, job, WARM_UP / guest.weight).await?;
        receiver.take();
        let mut runs = Vec::new();
        for _ in 0..common.runs {
            let mut times = measure(&bench, &guest.component, job, calls).await?;
            if job.sends && receiver.take().len() < 2 * calls {
                bail!("not every request of `{name}` arrived");
            }
            runs.push([
                percentile(&mut times.native, 0.5),
                mean(&times.native),
                percentile(&mut times.sandboxed, 0.5),
                mean(&times.sandboxed),
            ]);
        }
        let figures: [f64; 4] = std::array::from_fn(|index| median(runs.iter().map(|run| run[index])));
        let [native_p50, native_mean, sandboxed_p50, sandboxed_mean] = figures;
        let adds = [sandboxed_p50 - native_p50, sandboxed_mean - native_mean];
        let shown = |micros: f64| format!("{micros:.1}");
        let mut row = vec![format!("{}, {name}", guest.language)];
        row.extend(figures.map(shown));
        row.extend([guest.goal.beside(adds[0], &shown(adds[0])), shown(adds[1])]);
        rows.push(row);
        data.push(json!({
            "guest": guest.language, "delivery": name, "calls": calls,
            "nativeMicros": { "p50": native_p50, "mean": native_mean },
            "sandboxedMicros": { "p50": sandboxed_p50, "mean": sandboxed_mean },
            "addedMicros": { "p50": adds[0], "mean": adds[1], "goal": guest.goal },
        }));
    }
    notes.extend([
        "Native is the Rust provider's code compiled into the benchmark with a scripted answer; where a request is made, it then sends that very request through the same broker to the same receiver, so the difference is the sandbox alone, and for JavaScript also the language.".to_owned(),
        format!("{calls} calls of each side in each run, a tenth of it for JavaScript, in turns of {TURN}; a fresh instance for each sandboxed call."),
    ]);
    Ok(Section {
        name: "sandbox",
        title: format!("One delivery of the webhook provider, one at a time, payload {PAYLOAD} bytes, µs of wall time"),
        columns: vec!["delivery", "native p50", "mean", "sandboxed p50", "mean", "sandbox adds p50", "mean"],
        rows,
        notes,
        data: data.into(),
    })
}

/// The providers that can be measured here, and what is to be said of others.
async fn guests() -> Result<(Vec<Guest>, Vec<String>)> {
    let [rust, javascript] = GOALS;
    let component = sandboxed::load(crate::webhook()?, None).await?;
    let mut guests = vec![Guest { language: "Rust", component, goal: rust, weight: 1 }];
    let Some(file) = javascript::component()? else {
        return Ok((guests, vec!["JavaScript was left out: there is no npm to build its provider with.".to_owned()]));
    };
    let component = sandboxed::load(std::fs::read(file)?, Some(javascript::folder()?.join("cache"))).await?;
    guests.push(Guest { language: "JavaScript", component, goal: javascript, weight: 10 });
    Ok((guests, Vec::new()))
}

/// Calls of the webhook provider that make no request.
pub(crate) struct Calls {
    bench: Bench,
    component: postern_runtime::Component,
    job: Job,
}

impl Calls {
    /// Loads the provider. The receiver is not asked for anything.
    ///
    /// # Errors
    /// It does not load.
    pub(crate) async fn prepare(receiver: SocketAddr) -> Result<Self> {
        let job = Job::without_request(&format!("http://{receiver}/hook"));
        Ok(Self { bench: Bench::new(receiver)?, component: sandboxed::load(crate::webhook()?, None).await?, job })
    }

    /// Makes so many, one after the other, each in a fresh instance.
    ///
    /// # Errors
    /// One fails otherwise than it should.
    pub(crate) async fn make(&self, times: usize) -> Result<()> {
        for _ in 0..times {
            sandboxed::deliver(&self.bench, &self.component, &self.job).await?;
        }
        Ok(())
    }
}

fn payload() -> String {
    json!({ "sequence": 1, "padding": "x".repeat(PAYLOAD - 28) }).to_string()
}

async fn measure(bench: &Bench, component: &postern_runtime::Component, job: &Job, calls: usize) -> Result<Times> {
    let mut times = Times::default();
    let mut left = calls;
    while left > 0 {
        let turn = left.min(TURN);
        for _ in 0..turn {
            let began = Instant::now();
            sandboxed::deliver(bench, component, job).await?;
            times.sandboxed.push(micros(began));
        }
        for _ in 0..turn {
            let began = Instant::now();
            native::deliver(bench, job).await?;
            times.native.push(micros(began));
        }
        left -= turn;
    }
    Ok(times)
}

fn micros(began: Instant) -> f64 {
    count(usize::try_from(began.elapsed().as_nanos()).unwrap_or(usize::MAX)) / 1e3
}
