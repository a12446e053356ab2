//! Events reach those who asked for them: what arrives, what is tried again, and who gets what.

pub(crate) mod arrival;
mod retries;
mod schedules;
mod subscriptions;
mod templates;
