//! More settings than are brought forward at once.

use super::{connect, subscribe, unmigrated, upgrade, with_first};
use futures::StreamExt as _;
use postern_tests::migrating::RENAMED;
use postern_tests::wait::until;
use postern_tests::{Engine, Receiver};

/// More than the host brings forward before it puts a build in force.
const MANY: usize = 1_040;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_subscriptions_are_brought_forward_in_steps_while_the_api_answers() {
    let daemon = with_first(Engine::Sled).await;
    let receiver = Receiver::start().await;
    let connection = connect(&daemon, &receiver, "").await;
    let rooms = futures::stream::iter(0..MANY).map(|number| {
        let (daemon, connection) = (&daemon, &connection);
        async move { subscribe(daemon, connection, &format!("room-{number}")).await }
    });
    let made: Vec<_> = rooms.buffer_unordered(16).collect().await;
    upgrade(&daemon, RENAMED).await;
    // A change waits for one step at most, not for all of them.
    daemon.api.patch(&made[MANY / 2], serde_json::json!({ "name": "Changed meanwhile" })).await;
    until("all of them to be brought forward", || async { (unmigrated(&daemon).await == 0).then_some(()) }).await;
    for path in [&made[0], &made[MANY / 2], &made[MANY - 1]] {
        let shown = daemon.api.get(path).await;
        assert_eq!((&shown["configVersion"], &shown["providerConfig"]["volume"]), (&2.into(), &3.into()), "{shown}");
    }
    assert_eq!(daemon.api.get(&made[MANY / 2]).await["name"], "Changed meanwhile");
    assert!(daemon.stderr().contains("settings brought forward"), "{}", daemon.stderr());
    assert!(receiver.is_untouched());
}
