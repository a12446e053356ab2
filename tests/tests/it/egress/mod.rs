//! A provider reaches only what was granted, and holds no credential.

mod audience;
mod exchanges;
mod hosts;
mod oauth2;
mod own_listener;
mod reach;
mod redirects;
mod secrets;
mod tls;
