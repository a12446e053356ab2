//! Those who emit: each on a connection that it keeps, one emission after the other.

use crate::receiver::SEQUENCE;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The bytes of each payload.
pub(crate) const PAYLOAD: usize = 1024;

/// Where emissions go.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) token: String,
}

/// How much is emitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// How many emit at once.
    pub(super) emitters: u32,
    /// Events at most, of all together.
    pub(super) events: u32,
    /// Seconds at most.
    pub(super) seconds: u32,
    /// How many deliveries each acknowledgement must name.
    pub(super) fan_out: u32,
    /// Events a second of all together; none: each emits again as soon as it was answered.
    pub(super) per_second: Option<u32>,
}

/// An emission that the daemon took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acknowledgement {
    /// Its number, which its payload holds.
    pub(super) sequence: u32,
    pub(super) sent: Instant,
    pub(super) acknowledged: Instant,
}

/// What was emitted.
#[derive(Debug)]
pub(super) struct Load {
    /// When the first emission was sent.
    pub(super) began: Instant,
    /// In no order.
    pub(super) acknowledgements: Vec<Acknowledgement>,
}

/// Emits until the plan's events or its time are used up.
///
/// # Errors
/// The daemon is not reached or does not take an emission.
pub(super) async fn emit(target: &Target, plan: Plan) -> Result<Load> {
    let next = Arc::new(AtomicU32::new(0));
    let mut connections = Vec::new();
    for _ in 0..plan.emitters {
        connections.push(connect(target.address).await?);
    }
    let began = Instant::now();
    let mut emitters = JoinSet::new();
    for connection in connections {
        emitters.spawn(emitter(connection, target.clone(), plan, next.clone(), began));
    }
    let mut acknowledgements = Vec::new();
    while let Some(emitter) = emitters.join_next().await {
        acknowledgements.extend(emitter??);
    }
    Ok(Load { began, acknowledgements })
}

/// A connection to whoever takes HTTP there.
///
/// # Errors
/// Nobody does.
pub(crate) async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.context("nobody can be reached there")?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its error is the error of the request that meets it.
    tokio::spawn(connection);
    Ok(sender)
}

async fn emitter(
    mut connection: SendRequest<Full<Bytes>>,
    target: Target,
    plan: Plan,
    next: Arc<AtomicU32>,
    began: Instant,
) -> Result<Vec<Acknowledgement>> {
    let (host, authorization) = (target.address.to_string(), format!("Bearer {}", target.token));
    let expected = format!("\"deliveries\":{}", plan.fan_out);
    let time = Duration::from_secs(plan.seconds.into());
    let mut acknowledgements = Vec::new();
    loop {
        let sequence = next.fetch_add(1, Ordering::Relaxed);
        if sequence >= plan.events || began.elapsed() > time {
            return Ok(acknowledgements);
        }
        if let Some(rate) = plan.per_second {
            // Each at its moment, however long the one before it took.
            let due = began + Duration::from_secs(sequence.into()) / rate;
            tokio::time::sleep_until(due.into()).await;
        }
        let request = Request::post("/api/v1/plugins/bench/hooks/tick")
            .header(header::HOST, &host)
            .header(header::AUTHORIZATION, &authorization)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(payload(sequence, began.elapsed())))?;
        let sent = Instant::now();
        let response = connection.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        acknowledgements.push(Acknowledgement { sequence, sent, acknowledged: Instant::now() });
        if status != StatusCode::ACCEPTED || memchr::memmem::find(&body, expected.as_bytes()).is_none() {
            bail!("an emission was answered with {status}: {}", String::from_utf8_lossy(&body));
        }
    }
}

/// A payload of [`PAYLOAD`] bytes with its number and when it was sent, in microseconds since the first.
fn payload(sequence: u32, sent: Duration) -> String {
    let mut text = format!("{{{SEQUENCE}{sequence},\"sentMicros\":{},\"padding\":\"", sent.as_micros());
    text.extend(std::iter::repeat_n('x', PAYLOAD - 2 - text.len()));
    text.push_str("\"}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_its_size_and_is_json() {
        for sequence in [0, u32::MAX] {
            let text = payload(sequence, Duration::from_secs(3));
            assert_eq!(text.len(), PAYLOAD);
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["sequence"], sequence);
        }
    }
}
