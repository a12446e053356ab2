//! `wasi:http` for components whose HTTP client is a stock one: `fetch` in JavaScript, `wstd` in Rust.
//!
//! The host's side of `wasi:http` only gathers what a component says and hands the whole request to the broker, as `http.send`
//! of the contract does; nothing here can open a connection. So the same grants, address rules, secrets, bounds and records
//! hold, and they hold in one place.
//!
//! - Bodies are buffered up to the broker's bounds: a request leaves when its body is finished, and an answer is there when
//!   all of it came. What is cut at its bound ends with the error `HTTP-response-body-size`.
//! - Requests that are under way at the same time count like others. What a component left under way ends with its call.
//! - Not offered: trailers, interim answers (1xx), upgrades, and `incoming-handler`.
//! - A failure is one of `wasi:http`'s codes. These carry no text, so the broker's sentence also goes into the call's log.
//!
//! | module | holds |
//! |---|---|
//! | `link` | what components are linked with |
//! | `request` | from a component's request to the broker's |
//! | `answer` | from the broker's answer to a component's |
//! | `error` | which code stands for which failure |

mod answer;
mod error;
mod link;
mod request;

pub(crate) use link::add_to_linker;

use crate::limits::Limits;
use crate::log::Log;
use postern_core::delivery::Level;
use postern_egress::{Call, SendError};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::mpsc;
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpCtx, WasiHttpHooks};

/// How much of a request's body one write may hand over. Two such pieces wait for each body at most.
const PIECE_BYTES: usize = 16 << 10;

/// What the host keeps of a call for `wasi:http`.
pub(crate) struct Outgoing {
    pub(crate) context: WasiHttpCtx,
    pub(crate) hooks: Hooks,
    sender: Sender,
}

/// Ends once no request of a call is under way any more.
pub(crate) struct Ended(mpsc::Receiver<Infallible>);

impl Outgoing {
    /// Without a broker's call, every request is refused.
    pub(crate) fn new(call: Option<Arc<Call>>, log: Log, limits: &Limits) -> (Self, Ended) {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(limits.header_bytes);
        let (alive, ended) = mpsc::channel(1);
        (Self { context, hooks: Hooks, sender: Sender { call, log, _alive: alive } }, Ended(ended))
    }
}

impl Ended {
    /// To be waited for when the store is gone, which aborts what is under way: only then are its records complete.
    pub(crate) async fn wait(mut self) {
        // Nothing is ever sent: it answers when the last sender is dropped.
        let _ = self.0.recv().await;
    }
}

/// What `wasi:http` asks its embedder.
pub(crate) struct Hooks;

impl WasiHttpHooks for Hooks {
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        PIECE_BYTES
    }

    /// Nothing calls it, since requests go the way of `link`; and what would call it would be refused.
    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<()>> + Send>,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<()>> + Send>)>> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}

/// Sends a call's requests.
#[derive(Clone)]
struct Sender {
    call: Option<Arc<Call>>,
    log: Log,
    /// See [`Ended`].
    _alive: mpsc::Sender<Infallible>,
}

impl Sender {
    /// Counts the request at once, so that no more bodies are gathered than requests may be made, and does the rest when it is
    /// awaited.
    fn send(
        self,
        mut request: HostOutgoingRequest,
        options: Option<RequestOptions>,
    ) -> impl Future<Output = Result<http::Response<WasiBody>>> + Send + use<> {
        let body = request.body.take();
        let admitted = self.admit(&request, options);
        async move {
            let most = match &admitted {
                Ok((_, call, _)) => call.limits().request_body_bytes,
                Err(_) => 0,
            };
            // The body of a refused request is read too: a client that cannot finish its body reports that in place of the refusal.
            let body = match body {
                Some(body) => request::body(body, most).await,
                None => Ok(Vec::new()),
            };
            let (mut request, call, admission) = admitted?;
            let body = body.map_err(|refusal| self.refused(refusal))?;
            request.body = Some(body);
            let brief = error::Brief::of(&request, call.limits());
            let answer = match admission.send(request, request::timeouts(options)).await {
                Ok(answer) => answer,
                Err(error) => return Err(self.failed(&error, &brief)),
            };
            if answer.truncated {
                let most = call.limits().response_body_bytes;
                let text = format!(
                    "The answer's body was cut at {most} bytes. The operator may raise egress.limits.response-body-bytes."
                );
                self.log.note(Level::Warn, &text);
            }
            answer::from_broker(answer).map_err(|refusal| self.refused(refusal))
        }
    }

    fn admit(
        &self,
        request: &HostOutgoingRequest,
        options: Option<RequestOptions>,
    ) -> Result<(postern_egress::Request, Arc<Call>, postern_egress::Admission)> {
        let Some(call) = self.call.clone() else {
            self.log.note(Level::Error, "This call may make no requests.");
            return Err(Error::HttpRequestDenied);
        };
        let head = request::head(request, options).map_err(|refusal| self.refused(refusal))?;
        let brief = error::Brief::of(&head, call.limits());
        let admission = call.admit(&head).map_err(|error| self.failed(&error, &brief))?;
        Ok((head, call, admission))
    }

    /// What this adapter itself does not take.
    fn refused(&self, text: String) -> Error {
        self.log.note(Level::Error, &text);
        Error::InternalError(Some(text))
    }

    /// What the broker refused, or what went wrong on the way.
    fn failed(&self, error: &SendError, brief: &error::Brief) -> Error {
        self.log.note(Level::Error, &error.message);
        error::code(error, brief)
    }
}
