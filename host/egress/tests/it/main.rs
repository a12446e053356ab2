//! The broker against real servers on the loopback interface.

mod failures;
mod limits;
mod oauth2;
mod reach;
mod redirects;
mod secrets;
mod support;
