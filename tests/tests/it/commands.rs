//! Commands, and what they print.

use postern_tests::Daemon;
use postern_tests::daemon::Printed;
use serde_json::Value;

/// What a command that succeeds prints.
pub(crate) async fn ok(daemon: &Daemon, arguments: &[&str]) -> String {
    let printed = daemon.command(arguments).await;
    assert!(printed.success && printed.stderr.is_empty(), "postern {}: {printed:?}", arguments.join(" "));
    printed.stdout.trim_end().to_owned()
}

/// What it prints with `--json`.
pub(crate) async fn json_of(daemon: &Daemon, arguments: &[&str]) -> Value {
    let text = ok(daemon, &[arguments, &["--json"]].concat()).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("no JSON ({error}): {text}"))
}

/// Checks that a command fails with 1 and one message.
#[track_caller]
pub(crate) fn assert_refused(printed: &Printed, texts: &[&str]) {
    assert_eq!(printed.code, Some(1), "{printed:?}");
    assert!(printed.stdout.is_empty() && printed.stderr.starts_with("error: "), "{printed:?}");
    assert!(texts.iter().all(|text| printed.stderr.contains(text)), "{texts:?}: {printed:?}");
}
