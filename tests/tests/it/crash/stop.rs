//! SIGTERM and SIGINT under load.

use super::scene::Scene;
use postern_tests::wait::until;
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use serde_json::json;

on_each_engine!(
    a_stop_under_load_loses_nothing_and_repeats_nothing,
    a_stop_that_takes_too_long_hands_back_what_is_in_flight,
    a_second_signal_ends_a_stop_at_once_and_loses_nothing,
);

async fn a_stop_under_load_loses_nothing_and_repeats_nothing(engine: Engine) {
    let mut scene = Scene::new(engine, Daemon::builder(), None).await;
    for count in [1, 20, 40] {
        scene.emit(25);
        scene.acknowledged(count).await;
        let ended = scene.daemon.terminate().await;
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        scene.silence().await;
        scene.daemon.restart().await;
    }
    scene.settle().await;
    assert_eq!(scene.tally.duplicates(), 0);
}

async fn a_stop_that_takes_too_long_hands_back_what_is_in_flight(engine: Engine) {
    let mut daemon = Daemon::builder().engine(engine).config("[delivery]\ndrain = \"50ms\"").start().await;
    let mut receiver = Receiver::that(Reply::Hold).await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url(), "timeout": 60_000 })).await;
    let event = daemon.emit("In flight").await;
    let held = receiver.next().await;
    let ended = daemon.terminate().await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("attempts were cut off; they are made again after the next start"), "{}", ended.stderr);
    receiver.release();

    daemon.restart().await;
    assert_eq!(daemon.settled(&event).await["status"], "success");
    assert_eq!(receiver.next().await.header("x-delivery-id"), held.header("x-delivery-id"));
}

async fn a_second_signal_ends_a_stop_at_once_and_loses_nothing(engine: Engine) {
    for second in ["TERM", "INT"] {
        // It would wait for the receiver for longer than this test may take.
        let mut daemon = Daemon::builder().engine(engine).config("[delivery]\ndrain = \"10m\"").start().await;
        let mut receiver = Receiver::that(Reply::Hold).await;
        daemon.register_incidents().await;
        daemon.subscribe_webhook(json!({ "url": receiver.url(), "timeout": 60_000 })).await;
        let (first, other) = (daemon.emit("In flight").await, daemon.emit("In flight too").await);
        let held = [receiver.next().await, receiver.next().await].map(|received| received.header("x-delivery-id").to_owned());
        daemon.signal_terminate();
        until("the daemon to wait", || async { daemon.stderr().contains("waiting for attempts in flight").then_some(()) }).await;
        daemon.signal(second);
        let ended = daemon.ended().await;
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stderr.contains("error: ended by a second signal"), "{}", ended.stderr);
        receiver.release();

        daemon.restart().await;
        for event in [first, other] {
            assert_eq!(daemon.settled(&event).await["status"], "success");
        }
        let mut again: Vec<_> = receiver.drain().iter().map(|received| received.header("x-delivery-id").to_owned()).collect();
        again.sort();
        assert!(held.iter().all(|delivery| again.contains(delivery)) && again.len() == 2, "{again:?}");
    }
}
