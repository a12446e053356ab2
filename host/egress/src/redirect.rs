//! Following redirects, for a provider that asks for it and may.
//!
//! Each hop is a request like any other: counted, judged by every rule, on record. What the provider meant for one host stays
//! there: credentials, and whatever holds the placeholder of a secret, do not go along to another scheme, host or port. Nor is
//! anything followed whose target holds a secret: the receiver would choose where that goes.

use crate::broker::Call;
use crate::headers::basic_credentials;
use crate::message::{Denial, ErrorKind, Header, Request, Response, SendError};
use crate::record::{Record, is_credential};
use crate::timeouts::Timeouts;
use tokio::time::Instant;
use url::Url;

/// Headers that describe a body.
const OF_BODIES: [&str; 5] = ["content-type", "content-encoding", "content-language", "content-location", "content-disposition"];

impl Call {
    /// Sends a request and follows where the answers lead.
    pub(crate) async fn send_following(&self, mut request: Request, timeouts: Timeouts) -> Result<Response, SendError> {
        let asked = request.redirects.unwrap_or_default();
        if asked == 0 {
            return self.send_counted(request, timeouts).await;
        }
        let provider = &self.settings().provider;
        if !self.settings().grant.follow_redirects {
            let message = format!(
                "{provider} asks to follow redirects, which it may not. To allow it: postern provider grant {provider} \
                 --follow-redirects"
            );
            return Err(Record::begin(self, &request).denied(Denial::denied("redirects", message)));
        }
        let most = asked.min(self.limits().redirects);
        // The time is for the whole exchange, hops included.
        let until = Instant::now() + self.limits().timeout_for(request.timeout_milliseconds).time;
        let timeouts = Timeouts { until: Some(until), ..timeouts };
        let mut answer = self.send_counted(request.clone(), timeouts).await?;
        let mut hops = 0;
        loop {
            let Some(location) = location(&answer) else { return Ok(answer) };
            // The requests before this one were sent, whatever becomes of it.
            let sent = |error: SendError| SendError { sent: true, ..error };
            let stopped = |message: String| SendError { kind: ErrorKind::Redirect, message, sent: true };
            if hops == most {
                let bound = if most == asked { "as many as the provider follows" } else { "egress.limits.redirects" };
                return Err(stopped(format!("There were more than {most} redirects ({bound}).")));
            }
            request = self.follow(request, answer.status, location).map_err(stopped)?;
            self.count(&request).map_err(sent)?;
            answer = self.send_counted(request.clone(), timeouts).await.map_err(sent)?;
            hops += 1;
        }
    }

    /// The request that an answer leads to; or why it leads nowhere.
    fn follow(&self, request: Request, status: u16, location: &str) -> Result<Request, String> {
        let seals = self.seals();
        // It was judged and sent, so it can be read.
        let base = self.target(&request).map_err(|denial| denial.message)?.url;
        let target = base.join(location).map_err(|error| format!("The redirect's target cannot be read: {error}."))?;
        let secret = |text: &str| seals.redact(text) != text || seals.occurs_in(text.as_bytes());
        if secret(location)
            || location.contains(postern_core::manifest::SECRET_MARK)
            || seals.redact(target.as_str()) != target.as_str()
        {
            return Err("The redirect's target holds a secret, so it is not followed.".to_owned());
        }
        let mut request = Request { url: target.into(), ..request };
        let elsewhere = !same_origin(&base, &request.url);
        // RFC 9110, 15.4: 303 means to look elsewhere; 301 and 302 do so for POST, as clients have always read them.
        if request.method != "HEAD" && (status == 303 || request.method == "POST" && matches!(status, 301 | 302)) {
            request.method = "GET".into();
            request.body = None;
            request.headers.retain(|header| !OF_BODIES.iter().any(|name| name.eq_ignore_ascii_case(&header.name)));
        }
        if elsewhere {
            let sealed =
                |text: &[u8]| seals.occurs_in(text) || basic_credentials(text).is_some_and(|text| seals.occurs_in(&text));
            request.headers.retain(|Header { name, value }| !is_credential(name) && !sealed(value.as_bytes()));
            if request.body.as_deref().is_some_and(|body| seals.occurs_in(body)) {
                return Err("The redirect leads to another host, where the secret in the body does not go along.".to_owned());
            }
        }
        Ok(request)
    }
}

/// Where an answer leads, if it is a redirect that says so. 304, 300 and the rest are answers.
fn location(answer: &Response) -> Option<&str> {
    let leads = matches!(answer.status, 301 | 302 | 303 | 307 | 308);
    let mut headers = answer.headers.iter().filter(|header| leads && header.name == "location");
    headers.next().map(|header| header.value.as_str())
}

fn same_origin(base: &Url, target: &str) -> bool {
    Url::parse(target).is_ok_and(|target| target.origin() == base.origin())
}
