//! A provider reaches only what was granted, and holds no credential.

mod reach;
mod secrets;
