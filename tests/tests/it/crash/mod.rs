//! The daemon is killed and stopped at any moment under load: nothing that was acknowledged is lost, nothing is delivered
//! after its end, and entities keep their order.

mod emitter;
mod replay;
mod scene;
mod settings;
mod stop;
mod tally;

use postern_tests::{Daemon, Engine, on_each_engine};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use scene::{CONCURRENCY, Scene};
use std::env;
use std::time::Duration;

/// So many subscriptions get every event.
const FAN_OUT: usize = 3;

on_each_engine!(acknowledged_deliveries_survive_kills_under_load);

async fn acknowledged_deliveries_survive_kills_under_load(engine: Engine) {
    kill_often(engine, 6, 0x5eed).await;
}

/// The same, for as long as one likes: `make crash`.
mod long {
    use super::{Engine, env, kill_often};

    fn setting(name: &str, default: u64) -> u64 {
        env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is to be a number")))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "takes minutes; make crash"]
    async fn sled() {
        kill_often(Engine::Sled, setting("CRASH_KILLS", 100), setting("CRASH_SEED", 1)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "takes minutes; make crash"]
    async fn redb() {
        kill_often(Engine::Redb, setting("CRASH_KILLS", 100), setting("CRASH_SEED", 1)).await;
    }
}

/// Kills the daemon so many times under load, each time after so many acknowledgements or arrivals as chance wants, and
/// sometimes once more while it starts.
async fn kill_often(engine: Engine, kills: u64, seed: u64) {
    let mut scene = Scene::new(engine, Daemon::builder(), Some(seed)).await;
    let mut chance = StdRng::seed_from_u64(seed);
    let mut at_start = 0;
    for _ in 0..kills {
        scene.emit(25);
        let count = chance.random_range(1..80);
        match chance.random_bool(0.6) {
            true => scene.acknowledged(count).await,
            false => scene.arrived(count).await,
        }
        scene.daemon.kill_9();
        scene.silence().await;
        if chance.random_bool(0.3) {
            at_start += 1;
            scene.daemon.restart_and_kill(Duration::from_micros(chance.random_range(0..300_000))).await;
        }
        scene.daemon.restart().await;
        scene.note_settled().await;
    }
    scene.settle().await;
    let (events, duplicates, arrived) = (scene.events().len(), scene.tally.duplicates(), scene.tally.arrived());
    println!(
        "{engine:?}: {kills} kills and {at_start} during a start; {events} acknowledged events, {arrived} requests, {duplicates} of them duplicates"
    );
    // Only what was in flight at a kill is made again.
    assert!(duplicates as u64 <= (kills + at_start) * CONCURRENCY as u64, "{duplicates} duplicates");
}
