//! Builds the providers that the daemon carries with it.

use postern_guest_builder::{Guest, Result, build};

/// A provider of this folder, by its name.
macro_rules! guest {
    ($name:literal) => {
        Guest { package: concat!("postern-provider-", $name), folder: concat!("providers/", $name), features: &[] }
    };
}

/// All of them: one line each, as in `src/lib.rs`.
#[rustfmt::skip]
const PROVIDERS: &[Guest] = &[
    guest!("discord"),
    guest!("github-issues"),
    guest!("jira"),
    guest!("mattermost"),
    guest!("ntfy"),
    guest!("opsgenie"),
    guest!("pagerduty"),
    guest!("slack"),
    guest!("teams"),
    guest!("telegram"),
    guest!("webex"),
    guest!("webhook"),
];

fn main() -> Result<()> {
    build(PROVIDERS)?;
    Ok(())
}
