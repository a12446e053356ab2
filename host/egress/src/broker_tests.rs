//! What needs a certificate of its own, so cannot be tested from outside.

use super::*;
use postern_core::host_pattern::Section;
use postern_core::retry::Span;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(include_bytes!("../tests/data/server.pem")).unwrap()
}

/// Serves one answer over TLS by this protocol; returns its address and what the client offered by ALPN.
async fn serve(protocol: &'static [u8]) -> (SocketAddr, tokio::task::JoinHandle<Vec<Vec<u8>>>) {
    serve_after(protocol, 0).await
}

/// The same, after it refused to look at so many requests, which HTTP/2 can say.
async fn serve_after(protocol: &'static [u8], refusals: usize) -> (SocketAddr, tokio::task::JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../tests/data/server-key.pem")).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate()], key)
        .unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await.unwrap();
        let offered = start.client_hello().alpn().unwrap().map(<[u8]>::to_vec).collect();
        match start.into_stream(Arc::new(config)).await {
            Ok(stream) if protocol == b"h2" => answer_http_2(stream, refusals).await,
            Ok(stream) => answer_http_1(stream).await,
            Err(_) => {}
        }
        offered
    });
    (address, task)
}

async fn answer_http_1(mut stream: TlsStream<TcpStream>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    let _ = stream.shutdown().await;
}

async fn answer_http_2(stream: TlsStream<TcpStream>, refusals: usize) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    for _ in 0..refusals {
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        respond.send_reset(h2::Reason::REFUSED_STREAM);
    }
    let Some(Ok((request, mut respond))) = connection.accept().await else { return };
    assert_eq!((request.version(), request.uri().path()), (http::Version::HTTP_2, "/"));
    let mut body = respond.send_response(http::Response::new(()), false).unwrap();
    body.send_data(bytes::Bytes::from_static(b"ok"), true).unwrap();
    // Drives the connection until the client closes it.
    while connection.accept().await.is_some() {}
}

fn call(address: SocketAddr, roots: RootCertStore) -> Call {
    call_with(address, Options { allow: vec!["localhost".parse().unwrap()], ..Options::default() }, roots)
}

fn call_with(address: SocketAddr, options: Options, roots: RootCertStore) -> Call {
    granted(Broker::with_roots(options, roots).unwrap(), &format!("localhost:{}", address.port()))
}

/// A call of a provider that may reach this host.
fn granted(broker: Broker, host: &str) -> Call {
    let hosts: Vec<HostPattern> = vec![host.parse().unwrap()];
    broker.call(CallSettings {
        provider: "postern.webhook".parse().unwrap(),
        wish: hosts.clone().into(),
        grant: Arc::new(Grant { hosts, ..Grant::default() }),
        config: Arc::default(),
        connection: None,
        seals: Seals::new(),
        deadline: Instant::now() + Duration::from_secs(30),
    })
}

fn get(address: SocketAddr) -> Request {
    Request { method: "GET".into(), url: format!("https://localhost:{}/", address.port()), ..Request::default() }
}

#[tokio::test]
async fn a_trusted_certificate_is_accepted_with_either_version_of_http() {
    for protocol in [&b"http/1.1"[..], b"h2"] {
        let (address, server) = serve(protocol).await;
        let mut roots = RootCertStore::empty();
        roots.add(certificate()).unwrap();
        let call = call(address, roots);
        let response = call.send(get(address)).await.unwrap();
        assert_eq!((response.status, response.body.as_slice()), (200, b"ok".as_slice()));
        let exchange = call.exchanges().remove(0);
        assert_eq!(exchange.address, Some(address.to_string()));
        let version = if protocol == b"h2" { "HTTP/2.0" } else { "HTTP/1.1" };
        assert_eq!(exchange.http_version.as_deref(), Some(version));
        let timings = exchange.timings;
        let parts = [timings.resolve_micros, timings.connect_micros, timings.tls_micros].map(|part| part.expect("it happened"));
        assert!(!timings.reused && parts.iter().sum::<u64>() <= timings.first_byte_micros.unwrap(), "{timings:?}");
        assert!(timings.first_byte_micros.unwrap() <= exchange.duration_micros, "{timings:?}");
        drop(call);
        assert_eq!(server.await.unwrap(), [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }
}

#[tokio::test]
async fn what_a_server_refused_to_look_at_is_sent_again_twice() {
    for (refusals, expected) in [(2, Ok(200)), (3, Err(false))] {
        let (address, server) = serve_after(b"h2", refusals).await;
        let mut roots = RootCertStore::empty();
        roots.add(certificate()).unwrap();
        let call = call(address, roots);
        let request = Request { method: "POST".into(), body: Some(b"once".to_vec()), ..get(address) };
        let answer = call.send(request).await;
        assert_eq!(answer.map(|answer| answer.status).map_err(|error| error.sent), expected, "{refusals} refusals");
        assert_eq!(call.exchanges().len(), 1, "it is one request");
        drop(call);
        server.await.unwrap();
    }
}

#[tokio::test]
async fn the_operators_certificates_are_trusted_and_a_file_without_any_is_refused() {
    let file = |name: &str| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/")).join(name);
    let made = |name: &str| transport::roots(&[file(name)], false);
    let (address, server) = serve(b"http/1.1").await;
    assert_eq!(call(address, made("server.pem").unwrap()).send(get(address)).await.unwrap().status, 200);
    server.await.unwrap();
    for (name, reason) in [("server-key.pem", "it has no certificate in PEM"), ("missing.pem", "")] {
        let refused = made(name).expect_err("it is refused").to_string();
        assert!(refused.starts_with("[egress] roots: ") && refused.contains(name) && refused.contains(reason), "{refused}");
    }
}

/// A look-up that answers with the next of these each time, and with the last from then on; and how often it was asked.
fn answers(of: Vec<Vec<IpAddr>>) -> (LookUp, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let look_up: LookUp = Arc::new(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst) as usize;
        let found = of[number.min(of.len() - 1)].iter().map(|address| SocketAddr::new(*address, 0)).collect();
        Box::pin(std::future::ready(Ok(found)))
    });
    (look_up, asked)
}

/// A server without TLS that answers every request of every connection, and how many connections there were.
async fn plain() -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicU32::new(0)));
    let connections = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut request = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    request.push(byte);
                    if request.ends_with(b"\r\n\r\n") {
                        let close = if request.starts_with(b"GET /close") { "connection: close\r\n" } else { "" };
                        let answer = format!("HTTP/1.1 200 OK\r\n{close}content-length: 0\r\n\r\n");
                        stream.write_all(answer.as_bytes()).await.unwrap();
                        request.clear();
                    }
                }
            });
        }
    });
    (address, count)
}

/// A call that may speak to `rebound.example`, a name that this look-up knows, at a port; `127.0.0.1` is allowed, the name not.
fn rebound(look_up: LookUp, port: u16, limits: Limits) -> Call {
    let options = Options { allow: vec!["127.0.0.1".parse().unwrap()], limits, ..Options::default() };
    granted(Broker::with(options, RootCertStore::empty(), look_up).unwrap(), &format!("http://rebound.example:{port}"))
}

/// The trick is called DNS rebinding: a name that leads to a good address when it is judged, and to another when it is used.
#[tokio::test]
async fn a_name_is_resolved_once_and_what_was_judged_is_connected_to() {
    let (address, connections) = plain().await;
    let (good, bad) = (vec![address.ip()], vec![IpAddr::from([169, 254, 169, 254])]);
    let (look_up, asked) = answers(vec![good.clone(), bad.clone()]);
    let call = rebound(look_up, address.port(), Limits::default());
    let request = |path: &str| {
        let url = format!("http://rebound.example:{}{path}", address.port());
        Request { method: "GET".into(), url, ..Request::default() }
    };
    call.send(request("/")).await.unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), connections.load(Ordering::SeqCst)), (1, 1), "one look-up for judging and using");
    // The connection that is kept leads to what was judged, whatever the name has become.
    call.send(request("/close")).await.unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), connections.load(Ordering::SeqCst)), (1, 1));
    assert!(call.exchanges().iter().all(|exchange| exchange.address.as_deref() == Some(&*address.to_string())));
    let error = call.send(request("/")).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (ErrorKind::Denied, false));
    assert!(
        error.message.contains("`rebound.example` resolves to 169.254.169.254, a cloud metadata address"),
        "{}",
        error.message
    );

    // All answers are judged, not only the first.
    let (look_up, _) = answers(vec![[good, bad].concat()]);
    assert_eq!(rebound(look_up, address.port(), Limits::default()).send(request("/")).await.unwrap_err().kind, ErrorKind::Denied);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_name_server_that_is_silent_ends_at_its_bound() {
    let limits = Limits { dns_timeout: Span(Duration::from_millis(50)), ..Limits::default() };
    let call = rebound(Arc::new(|_| Box::pin(std::future::pending())), 80, limits);
    let request = Request { method: "GET".into(), url: "http://rebound.example".into(), ..Request::default() };
    let error = call.send(request).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (ErrorKind::Dns, false));
    assert!(error.message.contains("was not resolved within 50 ms (egress.limits.dns-timeout)"), "{}", error.message);
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_a_timeout_before_anything_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let call = call(address, RootCertStore::empty());
    let error = call.send(Request { timeout_milliseconds: Some(100), ..get(address) }).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (ErrorKind::Timeout, false), "{}", error.message);
    assert!(error.message.contains("no connection within 100 ms (set by the provider)"), "{}", error.message);

    let limits = Limits { connect_timeout: Span(Duration::from_millis(50)), ..Limits::default() };
    let options = Options { allow: vec!["localhost".parse().unwrap()], limits, ..Options::default() };
    let call = call_with(address, options, RootCertStore::empty());
    let error = call.send(get(address)).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (ErrorKind::Timeout, false), "{}", error.message);
    assert!(error.message.contains("no connection within 50 ms (egress.limits.connect-timeout)"), "{}", error.message);
}

#[test]
fn a_call_may_be_used_from_any_thread() {
    fn is_send<T: Send + Sync>() {}
    fn is_send_future<T: Send>(_: impl FnOnce(Call) -> T) {}
    is_send::<Call>();
    is_send_future(|call| async move { call.send(Request::default()).await });
}

#[tokio::test]
async fn an_untrusted_certificate_ends_it_before_anything_is_sent() {
    let (address, server) = serve(b"http/1.1").await;
    let error = call(address, RootCertStore::empty()).send(get(address)).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (ErrorKind::Tls, false), "{}", error.message);
    server.await.unwrap();
}

#[tokio::test]
async fn the_record_of_a_failure_tells_how_far_it_came() {
    let (address, server) = serve(b"http/1.1").await;
    let call = call(address, RootCertStore::empty());
    call.send(get(address)).await.unwrap_err();
    let exchange = call.exchanges().remove(0);
    let timings = exchange.timings;
    assert!(timings.resolve_micros.is_some() && timings.connect_micros.is_some(), "{timings:?}");
    assert_eq!((timings.tls_micros, timings.first_byte_micros, timings.reused), (None, None, false), "the handshake did not end");
    assert_eq!(exchange.http_version, None);
    server.await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read(&mut [0; 1024]).await;
    });
    let error = call(address, RootCertStore::empty()).send(get(address)).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (ErrorKind::Tls, false), "{}", error.message);
}

/// A server that asks every client for a certificate, and how many each connection showed.
async fn asking() -> (SocketAddr, Arc<Mutex<Vec<usize>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shown) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut clients = RootCertStore::empty();
    clients.add(CertificateDer::from_pem_slice(include_bytes!("../tests/data/client.pem")).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider.clone());
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../tests/data/server-key.pem")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
        .with_single_cert(vec![certificate()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let seen = shown.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = acceptor.accept(stream).await.unwrap();
            seen.lock().push(stream.get_ref().1.peer_certificates().map_or(0, <[_]>::len));
            tokio::spawn(async move {
                let mut request = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    request.push(byte);
                    if request.ends_with(b"\r\n\r\n") {
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                        stream.flush().await.unwrap();
                        request.clear();
                    }
                }
            });
        }
    });
    (address, shown)
}

#[tokio::test]
async fn a_certificate_is_shown_to_hosts_that_it_is_for_over_connections_of_its_own() {
    let (address, shown) = asking().await;
    let mut roots = RootCertStore::empty();
    roots.add(certificate()).unwrap();
    let options = Options { allow: vec!["localhost".parse().unwrap()], ..Options::default() };
    let broker = Broker::with_roots(options, roots).unwrap();
    let pem = concat!(include_str!("../tests/data/client.pem"), include_str!("../tests/data/client-key.pem"));
    let own = format!("localhost:{}", address.port());
    let send = async |provider: &str, hosts: Option<Option<&[&str]>>| {
        let mut seals = Seals::new();
        if let Some(hosts) = hosts {
            let hosts = hosts.map(|hosts| hosts.iter().map(|host| host.parse().unwrap()).collect());
            let audience = Audience { section: Section::Connection, path: "/certificate".into(), hosts };
            seals.show(ClientCertificate::from_pem(pem).unwrap().with_audience(audience));
        }
        let hosts: Vec<HostPattern> = vec![own.parse().unwrap()];
        let call = broker.call(CallSettings {
            provider: provider.parse().unwrap(),
            wish: hosts.clone().into(),
            grant: Arc::new(Grant { hosts, ..Grant::default() }),
            config: Arc::default(),
            connection: None,
            seals,
            deadline: Instant::now() + Duration::from_secs(30),
        });
        assert_eq!(call.send(get(address)).await.unwrap().status, 200);
        shown.lock().clone()
    };
    assert_eq!(send("test.one", None).await, [0], "none is there to be shown");
    assert_eq!(send("test.one", Some(Some(&["elsewhere.example"]))).await, [0], "not for this host, so the same connection does");
    assert_eq!(send("test.one", Some(Some(&[&own]))).await, [0, 1]);
    assert_eq!(send("test.one", Some(None)).await, [0, 1], "a host that the manifest names; the connection is there already");
    assert_eq!(send("test.one", None).await, [0, 1], "the connection without a certificate is there too");
    assert_eq!(send("test.two", Some(None)).await, [0, 1, 1], "another provider shares nothing");
    broker.forget(&"test.one".parse().unwrap());
    assert_eq!(send("test.one", Some(None)).await, [0, 1, 1, 1]);
}
