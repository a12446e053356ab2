//! What a test says to the provider's host, and asks it afterwards.

use super::fake::Server;
use crate::http::{Error, ErrorKind, Request, Response};
use crate::log::Level;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

thread_local! {
    pub(super) static STATE: RefCell<State> = RefCell::default();
}

#[derive(Default)]
pub(super) struct State {
    pub(super) answers: VecDeque<Result<Response, Error>>,
    pub(super) server: Option<Rc<RefCell<dyn Server>>>,
    pub(super) requests: Vec<Request>,
    pub(super) logs: Vec<(Level, String)>,
    pub(super) fatal: Option<String>,
    pub(super) secrets: HashMap<String, String>,
    pub(super) reveal: bool,
}

/// The host of the calls that this thread makes. It answers requests from a script, or by a fake of the target, and keeps
/// what it was given.
#[derive(Debug)]
pub struct Host(());

impl Host {
    /// A host that knows nothing yet; what an earlier test of this thread left is gone.
    #[expect(clippy::new_without_default, reason = "it resets the thread's state, which a default should not")]
    pub fn new() -> Self {
        STATE.take();
        Self(())
    }

    /// Answers all requests by a fake of the target, which is returned to be looked at. What [`answer`](Self::answer) and
    /// [`fail`](Self::fail) put down comes first, so that a fault can be put in front of a fake.
    ///
    /// ```
    /// # use postern_provider::http::{self, Request};
    /// # use postern_provider::testing::{self, Host};
    /// let host = Host::new();
    /// host.serve(|request: &Request| Ok(testing::response(if request.url.ends_with("/ok") { 204 } else { 404 }, &[], "")));
    /// assert_eq!(http::get("https://example.com/ok").send().unwrap().status, 204);
    /// ```
    pub fn serve<S: Server + 'static>(&self, server: S) -> Rc<RefCell<S>> {
        let server = Rc::new(RefCell::new(server));
        STATE.with_borrow_mut(|state| state.server = Some(server.clone()));
        server
    }

    /// The answer to the next request that has none yet.
    pub fn answer(&self, status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) {
        let response = super::response(status, headers, body);
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
