//! What a test says to the provider's host, and asks it afterwards.

use crate::http::{Error, ErrorKind, Request, Response};
use crate::log::Level;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

thread_local! {
    pub(super) static STATE: RefCell<State> = RefCell::default();
}

#[derive(Default)]
pub(super) struct State {
    pub(super) answers: VecDeque<Result<Response, Error>>,
    pub(super) requests: Vec<Request>,
    pub(super) logs: Vec<(Level, String)>,
    pub(super) fatal: Option<String>,
    pub(super) secrets: HashMap<String, String>,
    pub(super) reveal: bool,
}

/// The host of the calls that this thread makes. It answers requests from a script and keeps what it was given.
#[derive(Debug)]
pub struct Host(());

impl Host {
    /// A host that knows nothing yet; what an earlier test of this thread left is gone.
    #[expect(clippy::new_without_default, reason = "it resets the thread's state, which a default should not")]
    pub fn new() -> Self {
        STATE.take();
        Self(())
    }

    /// The answer to the next request that has none yet.
    pub fn answer(&self, status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) {
        let headers = headers.iter().map(|(name, value)| (name.to_lowercase(), (*value).to_owned())).collect();
        let response = Response { status, headers, body: body.into(), truncated: false };
        STATE.with_borrow_mut(|state| state.answers.push_back(Ok(response)));
    }

    /// No answer to the next request, for this reason.
    pub fn fail(&self, kind: ErrorKind, message: &str) {
        let error = Error { kind, message: message.into(), sent: false };
        STATE.with_borrow_mut(|state| state.answers.push_back(Err(error)));
    }

    /// What a placeholder stands for, so that HMACs are the real ones.
    pub fn secret(&self, placeholder: &str, value: &str) {
        STATE.with_borrow_mut(|state| state.secrets.insert(placeholder.into(), value.into()));
    }

    /// Lets the provider read secrets.
    pub fn allow_reveal(&self) {
        STATE.with_borrow_mut(|state| state.reveal = true);
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        STATE.with_borrow(|state| state.requests.clone())
    }

    /// The lines so far.
    pub fn logs(&self) -> Vec<(Level, String)> {
        STATE.with_borrow(|state| state.logs.clone())
    }

    /// What `log::fatal` was given.
    pub fn fatal(&self) -> Option<String> {
        STATE.with_borrow(|state| state.fatal.clone())
    }
}
