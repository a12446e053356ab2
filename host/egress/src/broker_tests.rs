//! What needs a certificate of its own, so cannot be tested from outside.

use super::*;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(include_bytes!("../tests/data/server.pem")).unwrap()
}

/// Serves one answer over TLS by this protocol; returns its address and what the client offered by ALPN.
async fn serve(protocol: &'static [u8]) -> (SocketAddr, tokio::task::JoinHandle<Vec<Vec<u8>>>) {
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
            Ok(stream) if protocol == b"h2" => answer_http_2(stream).await,
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

async fn answer_http_2(stream: TlsStream<TcpStream>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let (request, mut respond) = connection.accept().await.unwrap().unwrap();
    assert_eq!((request.version(), request.uri().path()), (http::Version::HTTP_2, "/"));
    let mut body = respond.send_response(http::Response::new(()), false).unwrap();
    body.send_data(bytes::Bytes::from_static(b"ok"), true).unwrap();
    // Drives the connection until the client closes it.
    while connection.accept().await.is_some() {}
}

fn call(address: SocketAddr, roots: RootCertStore) -> Call {
    let options = Options { allow: vec!["localhost".parse().unwrap()], ..Options::default() };
    let hosts: Vec<HostPattern> = vec![format!("localhost:{}", address.port()).parse().unwrap()];
    Broker::with_roots(options, roots).unwrap().call(CallSettings {
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
async fn a_handshake_that_takes_too_long_is_a_timeout_before_anything_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let call = call(address, RootCertStore::empty());
    let error = call.send(Request { timeout_milliseconds: Some(100), ..get(address) }).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (ErrorKind::Timeout, false), "{}", error.message);
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
