//! Requests that are counted before their bodies are there.
//!
//! A provider may hand over a request's body in pieces. Counting first means that no more bodies are gathered at a time than
//! requests may be made.

use crate::broker::Call;
use crate::message::{Request, Response, SendError};
use crate::timeouts::Timeouts;
use std::sync::Arc;

/// The right to send one request, which was counted already.
pub struct Admission(Arc<Call>);

impl Call {
    /// Counts a request whose body is to follow.
    ///
    /// # Errors
    /// The call made all its requests already. It leaves the record that [`Call::send`] would leave.
    pub fn admit(self: &Arc<Self>, head: &Request) -> Result<Admission, SendError> {
        self.count(head)?;
        Ok(Admission(self.clone()))
    }
}

impl Admission {
    /// Sends the request, body and all, as [`Call::send`] does and by the same rules.
    ///
    /// # Errors
    /// As [`Call::send`].
    pub async fn send(self, request: Request, timeouts: Timeouts) -> Result<Response, SendError> {
        self.0.send_counted(request, timeouts).await
    }
}
