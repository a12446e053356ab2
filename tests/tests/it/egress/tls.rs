//! TLS to receivers: whose certificates are trusted, and which certificate is shown to them.

use postern_tests::platform::{exchange, id};
use postern_tests::{COURIER, Daemon};
use reqwest::Method;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const PROVIDER: &str = "test.courier";
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../host/egress/tests/data/server.pem");
const CERTIFICATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../host/egress/tests/data/client.pem"));
const KEY: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../host/egress/tests/data/client-key.pem"));

/// A receiver that speaks TLS, answers every request with 200 and asks who calls.
struct Receiver {
    port: u16,
    /// For each connection, how many certificates were shown.
    shown: Arc<Mutex<Vec<usize>>>,
}

impl Receiver {
    async fn start() -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut clients = RootCertStore::empty();
        clients.add(CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider.clone());
        let certificate = CertificateDer::from_pem_file(ROOT).unwrap();
        let key = PrivateKeyDer::from_pem_file(ROOT.replace("server.pem", "server-key.pem")).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self { port: listener.local_addr().unwrap().port(), shown: Arc::default() };
        let shown = receiver.shown.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Who does not trust this server hangs up in the handshake.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                shown.lock().unwrap().push(stream.get_ref().1.peer_certificates().map_or(0, <[_]>::len));
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while let Ok(byte) = stream.read_u8().await {
                        head.push(byte);
                        if head.ends_with(b"\r\n\r\n") {
                            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                            stream.write_all(answer).await.unwrap();
                            let _ = stream.shutdown().await;
                            return;
                        }
                    }
                });
            }
        });
        receiver
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    fn shown(&self) -> Vec<usize> {
        std::mem::take(&mut self.shown.lock().unwrap())
    }
}

async fn with_courier(config: &str) -> Daemon {
    let daemon = Daemon::builder().config("[delivery]\nretry = []").config(config).start().await;
    daemon.register_incidents().await;
    daemon.add_provider(PROVIDER, COURIER).await;
    daemon
}

/// Delivers to the connection's host, or to that of the subscription's own `url`.
async fn deliver(daemon: &Daemon, settings: Value, url: &str, to: &str) -> Value {
    let connection = json!({ "name": "C", "providerId": PROVIDER, "settings": settings });
    let connection = id(&daemon.api.post("/api/v1/connections", connection).await["id"]);
    let subscription = json!({
        "name": "Carries", "providerId": PROVIDER, "connectionId": connection, "events": ["incident.*"],
        "providerConfig": { "url": url, "to": to, "carry": "own", "own": "of-the-subscription" },
    });
    let subscription = id(&daemon.api.post("/api/v1/subscriptions", subscription).await["id"]);
    let delivery = daemon.settled(&daemon.emit("Over TLS").await).await;
    daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;
    delivery
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_the_operators_own_are_trusted_and_unknown_ones_are_not() {
    let receiver = Receiver::start().await;
    let settings = json!({ "baseUrl": receiver.url(), "token": "t0ken" });
    let daemon = with_courier("").await;
    let delivery = deliver(&daemon, settings.clone(), &receiver.url(), "connection").await;
    assert_eq!((&exchange(&delivery)["kind"], &exchange(&delivery)["sent"]), (&json!("tls"), &json!(false)), "{delivery:#}");

    let daemon = with_courier(&format!("[egress]\nroots = [\"{ROOT}\"]")).await;
    let delivery = deliver(&daemon, settings, &receiver.url(), "connection").await;
    assert_eq!(delivery["status"], "success", "{delivery:#}");
    assert!(exchange(&delivery)["timings"]["tlsMicros"].as_u64().is_some(), "{delivery:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connections_certificate_is_shown_to_its_host_and_to_none_that_a_subscription_chooses() {
    let (receiver, chosen) = (Receiver::start().await, Receiver::start().await);
    let daemon = with_courier(&format!("[egress]\nroots = [\"{ROOT}\"]")).await;
    let with = |certificate: &str| json!({ "baseUrl": receiver.url(), "token": "t0ken", "certificate": certificate });

    // What is no certificate with its key is refused when it is offered, and not repeated.
    for (given, reason) in [("hunter2-hunter2", "no certificate"), (CERTIFICATE, "no private key"), (KEY, "no certificate")] {
        let body = json!({ "name": "C", "providerId": PROVIDER, "settings": with(given) });
        let refused = daemon.api.call(Method::POST, "/api/v1/connections", body).await;
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(refused.text.contains("/settings/certificate") && refused.text.contains(reason), "{refused:?}");
        assert!(!refused.text.contains("hunter2") && !refused.text.contains(KEY.lines().nth(1).unwrap()), "{refused:?}");
    }

    let whole = format!("{CERTIFICATE}{KEY}");
    let delivery = deliver(&daemon, with(&whole), &chosen.url(), "connection").await;
    assert_eq!((&delivery["status"], receiver.shown()), (&json!("success"), vec![1]), "{delivery:#}");
    let delivery = deliver(&daemon, with(&whole), &chosen.url(), "config").await;
    assert_eq!((&delivery["status"], chosen.shown()), (&json!("success"), vec![0]), "{delivery:#}");
    let delivery = deliver(&daemon, json!({ "baseUrl": receiver.url(), "token": "t0ken" }), &chosen.url(), "connection").await;
    assert_eq!((&delivery["status"], receiver.shown()), (&json!("success"), vec![0]), "{delivery:#}");

    // It outlives a restart, sealed like any secret.
    for connection in daemon.api.items("/api/v1/connections").await {
        assert!(!connection.to_string().contains("PRIVATE KEY"), "{connection:#}");
    }
    let mut daemon = daemon;
    assert!(daemon.terminate().await.status.success());
    daemon.restart().await;
    let delivery = deliver(&daemon, with(&whole), &chosen.url(), "connection").await;
    assert_eq!((&delivery["status"], receiver.shown()), (&json!("success"), vec![1]), "{delivery:#}");
}
