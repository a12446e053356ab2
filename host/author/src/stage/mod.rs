//! The server that plays targets: on one port of this machine, with TLS for who begins with it, under every name.
//!
//! Each connection carries one request, so that each request meets its own door ([`Door`]).

mod certificates;
mod request;

pub(crate) use request::Received;

use crate::Error;
use crate::script::{Answer, Fault};
use certificates::Certificates;
use parking_lot::Mutex;
use postern_egress::scripted::{self, Door};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// How long a connection lasts at most: longer than any call of a provider may take.
const LONGEST: Duration = Duration::from_secs(11 * 60);

/// The first byte of a TLS handshake (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// The body of an answer that is larger than any broker reads by default: twice as large.
const GIANT_BODY: usize = 2 << 20;

/// Headers that are larger than any broker takes by default.
const GIANT_HEADERS: usize = 128 << 10;

/// What targets do.
pub(crate) trait Play: Send + Sync {
    /// What meets who looks for a host.
    fn door(&self, _host: &str) -> Door {
        Door::Open
    }

    /// What a request is answered with.
    fn answer(&self, request: &Received) -> Answer;
}

/// A server that plays targets. It ends when this is dropped.
pub(crate) struct Stage {
    address: SocketAddr,
    authority: Vec<u8>,
    scene: Arc<Scene>,
    task: JoinHandle<()>,
}

struct Scene {
    play: Mutex<Arc<dyn Play>>,
    received: Mutex<Vec<Received>>,
    tls: TlsAcceptor,
}

impl Stage {
    pub(crate) async fn open(play: Arc<dyn Play>) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::machine("the server that plays the targets cannot listen", error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let certificates = Certificates::new()?;
        let authority = certificates.authority();
        let scene = Arc::new(Scene { play: Mutex::new(play), received: Mutex::default(), tls: certificates.acceptor()? });
        let task = tokio::spawn({
            let scene = scene.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let scene = scene.clone();
                    // Whoever breaks off has what it wanted; the broker tells what it saw.
                    tokio::spawn(async move { tokio::time::timeout(LONGEST, scene.meet(stream)).await });
                }
            }
        });
        Ok(Self { address, authority, scene, task })
    }

    /// What a broker needs to know of it.
    pub(crate) fn for_broker(&self) -> scripted::Stage {
        let scene = self.scene.clone();
        let door = Arc::new(move |host: &str| {
            let play = scene.play.lock().clone();
            play.door(host)
        });
        scripted::Stage { server: self.address, authority: self.authority.clone(), door }
    }

    /// Plays something else from now on, and forgets what was received.
    pub(crate) fn play(&self, play: Arc<dyn Play>) {
        *self.scene.play.lock() = play;
        self.scene.received.lock().clear();
    }

    /// What was received since the present play began.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.scene.received.lock().clone()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scene {
    async fn meet(&self, stream: TcpStream) -> io::Result<()> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Ok(());
        }
        if first[0] == TLS_HANDSHAKE {
            let stream = self.tls.accept(stream).await?;
            self.serve("https", stream, |stream| stream.get_ref().0).await
        } else {
            self.serve("http", stream, |stream| stream).await
        }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        scheme: &str,
        mut stream: S,
        socket: impl Fn(&S) -> &TcpStream,
    ) -> io::Result<()> {
        let Some(request) = Received::read(scheme, &mut stream).await? else { return Ok(()) };
        let play = self.play.lock().clone();
        self.received.lock().push(request.clone());
        let answer = play.answer(&request);
        match answer.fault {
            None => stream.write_all(&answer.to_bytes()).await?,
            Some(Fault::Timeout) => {
                // Until whoever waits gives up.
                stream.read_to_end(&mut Vec::new()).await?;
                return Ok(());
            }
            Some(Fault::Reset | Fault::Refused | Fault::Dns) => return socket(&stream).set_zero_linger(),
            Some(Fault::Garbage) => stream.write_all(b"\x00\x01 this is no HTTP \xff\xfe\r\n\r\n").await?,
            Some(Fault::Giant) => {
                let answer = Answer { body: Some("x".repeat(GIANT_BODY)), fault: None, ..answer };
                stream.write_all(&answer.to_bytes()).await?;
            }
            Some(Fault::GiantHeaders) => {
                let long = ("x-long".to_owned(), "x".repeat(1_000));
                let headers = std::iter::repeat_n(long, GIANT_HEADERS / 1_000).enumerate();
                let headers = headers.map(|(number, (name, value))| (format!("{name}-{number}"), value)).collect();
                stream.write_all(&Answer { headers, fault: None, ..answer }.to_bytes()).await?;
            }
        }
        stream.shutdown().await
    }
}
