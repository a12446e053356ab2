//! What the parts of a delivery cost by themselves: the floor under the daemon's processor time.
//!
//! A delivery of an event with one subscription is a server's part of one HTTP exchange (the emission) and a client's part of another,
//! one call of a fresh instance, and a share of a write that waits for the disk. Here is each of them alone, as bare as it can be.

use crate::Common;
use crate::receiver::Receiver;
use crate::report::Section;
use crate::sandbox::Calls;
use crate::statistics::{count, median};
use crate::throughput::emitters::{PAYLOAD, connect};
use crate::throughput::usage::own_seconds;
use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, header};
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use tokio::task::JoinSet;

/// How often each part is done in a run; a fourth with --quick.
const TIMES: usize = 8_000;
/// Connections of the exchanges: as many as emitters where the daemon's processor time is judged.
const CONNECTIONS: usize = 16;
/// Deliveries that share a write, and what is written for each: about what the daemon does with so many emitters.
const BATCH: usize = 10;
const WRITTEN: usize = 3_200;

/// Measures each part, all in turns.
pub(crate) async fn run(common: &Common, directory: &Path) -> Result<Section> {
    let times = if common.quick { TIMES / 4 } else { TIMES };
    let receiver = Receiver::start(1)?;
    let address = receiver.addresses[0];
    let calls = Calls::prepare(address).await?;
    exchange(address, CONNECTIONS).await?;
    calls.make(times / 8).await?;
    let mut runs = Vec::new();
    for number in 1..=common.runs {
        eprintln!("floor: run {number} of {}", common.runs);
        let began = own_seconds();
        exchange(address, times).await?;
        let exchanged = own_seconds();
        calls.make(times).await?;
        let called = own_seconds();
        let mut log = Log::begin(directory)?;
        (0..times / BATCH).try_for_each(|_| log.append())?;
        let logged = own_seconds();
        mixed(address, &calls, directory, times).await?;
        let seconds = [exchanged - began, called - exchanged, logged - called, logged - began, own_seconds() - logged];
        runs.push(seconds.map(|seconds| seconds / (count(times) / 1e3)));
        receiver.take();
    }
    let parts: [f64; 5] = std::array::from_fn(|part| median(runs.iter().map(|run| run[part])));
    let names = [
        "an HTTP exchange, both ends: bare hyper",
        "a call of the webhook provider in a fresh instance, no request made",
        "a share of an append to a file that waits for the disk",
        "together, each many times in a row",
        "together, one of each in turn",
    ];
    Ok(Section {
        name: "floor",
        title: format!("The parts of a delivery by themselves, payload {PAYLOAD} bytes, processor time in seconds for 1,000"),
        columns: vec!["part", "CPU-s/1,000"],
        rows: names.iter().zip(parts).map(|(name, seconds)| vec![(*name).to_owned(), format!("{seconds:.3}")]).collect(),
        notes: vec![format!(
            "For an event with one delivery. {CONNECTIONS} connections; {BATCH} deliveries of {WRITTEN} bytes share an append. In a row, each part finds its code and data in the caches, and one wake-up serves several exchanges; in turn, neither. The daemon is between the two, and does the rest of its work besides: API, validation, matching, judging and recording requests, the queue, a store that can be searched and recovered."
        )],
        data: json!({ "exchange": parts[0], "call": parts[1], "append": parts[2], "inRows": parts[3], "inTurn": parts[4], "times": times }),
    })
}

/// Requests with a payload, answered at once.
async fn exchange(address: SocketAddr, times: usize) -> Result<()> {
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut connection = connect(address).await?;
        connections.spawn(async move {
            for _ in 0..times / CONNECTIONS {
                post(&mut connection, address).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = connections.join_next().await {
        ended??;
    }
    Ok(())
}

async fn post(connection: &mut SendRequest<Full<Bytes>>, address: SocketAddr) -> Result<()> {
    let body = Full::from(Bytes::from(vec![b'x'; PAYLOAD]));
    let request = Request::post("/hook").header(header::HOST, address.to_string()).body(body)?;
    connection.send_request(request).await?.into_body().collect().await?;
    Ok(())
}

/// One exchange, one call, one exchange, one call, and so on, with an append for each batch: the code of each part, and its data, drive
/// those of the others out of the processor's caches, and nothing of the kernel's work is shared by several exchanges.
async fn mixed(address: SocketAddr, calls: &Calls, directory: &Path, times: usize) -> Result<()> {
    let mut connection = connect(address).await?;
    let mut log = Log::begin(directory)?;
    for number in 1..=times {
        post(&mut connection, address).await?;
        calls.make(1).await?;
        if number % BATCH == 0 {
            log.append()?;
        }
    }
    Ok(())
}

/// A file that only grows.
struct Log(File);

impl Log {
    fn begin(directory: &Path) -> Result<Self> {
        Ok(Self(tempfile::tempfile_in(directory)?))
    }

    /// What is written of a batch is durable when this returns.
    fn append(&mut self) -> Result<()> {
        self.0.write_all(&[0x5a; BATCH * WRITTEN])?;
        Ok(self.0.sync_data()?)
    }
}
