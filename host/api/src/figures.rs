//! The figures of the process, for whoever collects them: in the text format of Prometheus, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//!
//! What happens is counted where it happens, in the recorder that the process installed. What merely is, the length of the
//! queue say, is looked up when somebody asks.

use metrics::{Gauge, Unit, describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusHandle;
use postern_core::Timestamp;
use postern_delivery::coordinator::Handle;
use postern_store::Store;

/// The figures of the process.
pub struct Figures {
    recorder: PrometheusHandle,
    open: bool,
    unfinished: Gauge,
    claimed: Gauge,
    behind: Gauge,
    oldest_due: Gauge,
    in_flight: Gauge,
    slow_in_flight: Gauge,
    in_turn: Gauge,
    asleep: Gauge,
    waiting: Gauge,
    closed_breakers: Gauge,
    open_breakers: Gauge,
    probing_breakers: Gauge,
    process: Process,
}

impl Figures {
    /// Those that `recorder` keeps, which must be installed already. `open`: they are shown without a token.
    pub fn new(recorder: PrometheusHandle, open: bool) -> Self {
        describe_gauge!("postern_build_info", "1; the label says which version runs.");
        gauge!("postern_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
        let subscriptions = "postern_subscriptions_waiting";
        describe_gauge!(subscriptions, "Subscriptions with something due, by what they wait for.");
        let waiting = |what: &'static str| gauge!(subscriptions, "for" => what);
        let breakers = "postern_breakers";
        describe_gauge!(breakers, "Destinations that anything is known of, by the state of their breakers.");
        let breaker = |state: &'static str| gauge!(breakers, "state" => state);
        Self {
            recorder,
            open,
            unfinished: described("postern_deliveries_unfinished", "Deliveries that are not final: the queue's depth."),
            claimed: described("postern_deliveries_claimed", "Deliveries that are being attempted, or are about to be."),
            behind: described("postern_deliveries_behind", "Deliveries that wait behind another one about the same entity."),
            oldest_due: seconds(
                "postern_oldest_due_seconds",
                "How long the oldest delivery has been due that waits; 0: none is due.",
            ),
            in_flight: described("postern_attempts_in_flight", "Attempts on their way."),
            slow_in_flight: described("postern_attempts_in_flight_slow", "Those of them that go to slow destinations."),
            in_turn: waiting("turn"),
            asleep: waiting("time"),
            waiting: waiting("place"),
            closed_breakers: breaker("closed"),
            open_breakers: breaker("open"),
            probing_breakers: breaker("probing"),
            process: Process::new(),
        }
    }

    /// Whether they are shown without a token.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// All of them as text, as they are now.
    pub fn render(&self, store: &dyn Store, schedule: &Handle) -> String {
        let backlog = store.backlog();
        count(&self.unfinished, backlog.unfinished);
        count(&self.claimed, backlog.claimed);
        count(&self.behind, backlog.behind);
        // A moment in the future leaves nothing.
        let age = backlog.oldest_due.map(|since| Timestamp::now().since(since)).unwrap_or_default();
        self.oldest_due.set(age);
        let view = schedule.view();
        count(&self.in_flight, view.in_flight);
        count(&self.slow_in_flight, view.slow_in_flight);
        count(&self.in_turn, view.in_turn);
        count(&self.asleep, view.asleep);
        count(&self.waiting, view.behind);
        count(&self.closed_breakers, view.closed_breakers);
        count(&self.open_breakers, view.open_breakers);
        count(&self.probing_breakers, view.probing_breakers);
        self.process.look();
        self.recorder.render()
    }
}

fn described(name: &'static str, help: &'static str) -> Gauge {
    describe_gauge!(name, help);
    gauge!(name)
}

fn seconds(name: &'static str, help: &'static str) -> Gauge {
    describe_gauge!(name, Unit::Seconds, help);
    gauge!(name)
}

fn count(gauge: &Gauge, count: usize) {
    gauge.set(count as f64);
}

/// What the system says of the process, under the names that Prometheus has for it
/// (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>).
struct Process {
    memory: Gauge,
    /// The recorder's counters are whole numbers, and this has a fraction.
    processor: Gauge,
}

impl Process {
    fn new() -> Self {
        Self {
            memory: described("process_resident_memory_bytes", "Memory of the process that is in use; 0 where it is not known."),
            processor: seconds("process_cpu_seconds_total", "Time that the processors spent on the process."),
        }
    }

    fn look(&self) {
        self.memory.set(resident_bytes().unwrap_or_default() as f64);
        let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        self.processor.set(spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9);
    }
}

/// The second number of `/proc/self/statm`, in pages: <https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html>. Other
/// systems than Linux have no such file.
fn resident_bytes() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size())
}
