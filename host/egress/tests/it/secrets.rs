//! Secrets arrive in clear where they were granted to go, and come back nowhere.

use crate::support::{Server, Setup, get, outcomes, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_core::host_pattern::Section;
use postern_egress::{Audience, Digest, Encoding, ErrorKind, Header, HmacKey, KeyFormat, Secret};
use std::sync::{Arc, Mutex};

const CLEAR: &str = "pa\"ss/w+rd & more";

/// Sends what `request` makes of a placeholder to an echo. Returns what arrived and all that came back.
async fn echo(request: impl Fn(&Server, &str) -> postern_egress::Request) -> (crate::support::Received, String) {
    let server = Server::echo().await;
    let mut setup = Setup::to(&server);
    let sealed = setup.seals.seal(Secret::new(CLEAR));
    let call = setup.call();
    let response = call.send(request(&server, &sealed)).await.unwrap();
    let returned = format!("{:?} {} {:?}", response.headers, String::from_utf8_lossy(&response.body), call.exchanges());
    assert!(!returned.contains(&sealed), "records show no placeholder: {returned}");
    (server.received()[0].clone(), returned)
}

#[tokio::test]
async fn in_a_header() {
    let (received, returned) = echo(|server, sealed| {
        let mut request = get(server.url("/"));
        request.headers.push(Header::new("X-Token", format!("Token {sealed}")));
        request.headers.push(Header::new("Accept-Encoding", "gzip"));
        request
    })
    .await;
    assert_eq!(received.header("accept-encoding"), None, "a compressed echo would hide the secret");
    assert_eq!(received.header("x-token"), Some(format!("Token {CLEAR}").as_str()));
    assert!(!returned.contains("w+rd"), "{returned}");
    assert!(returned.contains("Header { name: \"x-token\", value: \"Token [secret]\" }"), "{returned}");
    assert!(returned.contains("(\"X-Token\", \"Token [secret]\")"), "{returned}");
}

#[tokio::test]
async fn in_basic_credentials() {
    let (received, returned) = echo(|server, sealed| {
        let mut request = get(server.url("/"));
        let credentials = STANDARD.encode(format!("me@example.com:{sealed}"));
        request.headers.push(Header::new("Authorization", format!("Basic {credentials}")));
        request
    })
    .await;
    let encoded = STANDARD.encode(format!("me@example.com:{CLEAR}"));
    assert_eq!(received.header("authorization"), Some(format!("Basic {encoded}").as_str()));
    assert!(!returned.contains(&encoded[24..]), "{returned}");
    assert!(returned.contains("(\"Authorization\", \"Basic [secret]\")"), "{returned}");
    assert!(returned.contains("authorization: Basic [secret]"), "the echo: {returned}");
}

#[tokio::test]
async fn in_the_url() {
    let (received, returned) = echo(|server, sealed| get(server.url(&format!("/bot{sealed}/send?key={sealed}&x=1")))).await;
    assert!(
        received.head.starts_with("GET /botpa%22ss%2Fw+rd%20&%20more/send?key=pa%22ss%2Fw%2Brd%20%26%20more&x=1 "),
        "{}",
        received.head
    );
    assert!(!returned.contains("w+rd") && !returned.contains("w%2Brd"), "{returned}");
    assert!(returned.contains("/bot[secret]/send?key=[secret]&x=1\""), "the record: {returned}");
    assert!(returned.contains("GET /bot[secret]/send?key=[secret]&x=1 HTTP/1.1"), "the echo: {returned}");
}

#[tokio::test]
async fn in_a_json_body() {
    let (received, returned) =
        echo(|server, sealed| post(server.url("/"), "application/json", format!("{{\"a\":\"{sealed}\"}}"))).await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&received.body).unwrap(), serde_json::json!({ "a": CLEAR }));
    assert!(!returned.contains("w+rd"), "{returned}");
    assert!(returned.contains("{\"a\":\"[secret]\"}"), "the echo: {returned}");
}

#[tokio::test]
async fn in_a_form() {
    let (received, returned) =
        echo(|server, sealed| post(server.url("/"), "application/x-www-form-urlencoded", format!("a={sealed}&b=c"))).await;
    assert_eq!(received.body, "a=pa%22ss%2Fw%2Brd+%26+more&b=c");
    assert!(!returned.contains("w%2Brd"), "{returned}");
    assert!(returned.contains("a=[secret]&b=c"), "{returned}");
}

#[tokio::test]
async fn in_any_other_body() {
    let (received, _) = echo(|server, sealed| post(server.url("/"), "text/plain", format!("a: {sealed}"))).await;
    assert_eq!(received.body, format!("a: {CLEAR}"));
}

#[tokio::test]
async fn as_a_whole_url() {
    let server = Server::echo().await;
    let mut setup = Setup::to(&server);
    let sealed = setup.seals.seal_uri(Secret::new(server.url("/services/T0/B0/abcdefghijklmnopqrstuvwx?sig=0123456789")));
    let call = setup.call();
    let response = call.send(post(format!("{sealed}more"), "text/plain", "x")).await.unwrap();
    assert!(server.received()[0].head.starts_with("POST /services/T0/B0/abcdefghijklmnopqrstuvwx/more?sig=0123456789 "));
    let returned = format!("{} {:?}", String::from_utf8_lossy(&response.body), call.exchanges());
    assert!(!returned.contains("abcdefghijkl") && !returned.contains("0123456789"), "{returned}");
    assert_eq!(call.exchanges()[0].url, server.url("/[secret]/more"));
}

#[tokio::test]
async fn not_at_a_host_that_is_not_granted() {
    let (granted, other) = (Server::ok().await, Server::ok().await);
    let mut setup = Setup::to(&granted);
    let sealed = setup.seals.seal(Secret::new(CLEAR));
    let call = setup.call();
    let mut request = post(other.url(&format!("/{sealed}")), "text/plain", sealed.clone());
    request.headers.push(Header::new("X-Token", &sealed));
    call.send(request).await.unwrap_err();
    assert_eq!(other.connections(), 0);
    assert_eq!(outcomes(&call), ["denied grant"]);
    let recorded = format!("{:?}", call.exchanges());
    assert!(!recorded.contains("w+rd") && !recorded.contains(&sealed), "{recorded}");
}

#[tokio::test]
async fn not_without_tls_unless_the_operator_allows_it() {
    let server = Server::ok().await;
    let mut setup = Setup::to(&server);
    setup.options.plain_http.clear();
    let sealed = setup.seals.seal(Secret::new(CLEAR));
    let call = setup.call();
    let error = call.send(post(server.url("/"), "text/plain", sealed)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.message.contains(&format!("[egress] plain-http = [\"{}\"]", server.address)), "{}", error.message);
    assert_eq!(outcomes(&call), ["denied plain-http"]);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn no_part_of_a_secret_stays_at_the_cut_of_an_answer() {
    let server =
        Server::start(|received| crate::support::reply("200 OK", "", format!("0123456789{}tail", received.body).as_bytes()))
            .await;
    for most in 11..34 {
        let mut setup = Setup::to(&server);
        setup.options.limits.response_body_bytes = most;
        let sealed = setup.seals.seal(Secret::new("hunter2-hunter3"));
        let response = setup.call().send(post(server.url("/"), "text/plain", sealed)).await.unwrap();
        let body = String::from_utf8(response.body).unwrap();
        assert!(!body.contains('h') && body.len() <= most, "{most}: {body}");
        assert_eq!(response.truncated, most < 29, "{most}");
    }
}

#[tokio::test]
async fn not_in_the_name_of_a_header_of_the_answer() {
    let server = Server::start(|_| crate::support::reply("200 OK", "X-Hunter2-Hunter3: told\r\nX-Other: y\r\n", b"")).await;
    let mut setup = Setup::to(&server);
    setup.seals.seal(Secret::new("Hunter2-Hunter3"));
    let call = setup.call();
    let names: Vec<_> = call.send(get(server.url("/"))).await.unwrap().headers.into_iter().map(|header| header.name).collect();
    assert_eq!(names, ["x-other", "content-length"]);
    assert!(!format!("{:?}", call.exchanges()).contains("hunter2"));
}

#[tokio::test]
async fn in_clear_only_by_a_grant_of_its_own() {
    let mut setup = Setup::new(&[]);
    let sealed = setup.seals.seal(Secret::new(CLEAR));
    let call = setup.call();
    assert!(call.reveal(&sealed).await.unwrap_err().contains("postern provider grant postern.webhook --reveal-secrets"));
    let key = HmacKey { sealed, format: KeyFormat::Text, prefix: String::new(), derivation: Vec::new() };
    assert_eq!(call.hmac(&key, Digest::Sha256, b"message", Encoding::Hex).unwrap().len(), 64);

    let mut setup = Setup::new(&[]);
    setup.grant.reveal_secrets = true;
    let audience = Audience { section: Section::Connection, path: "/token".into(), hosts: None };
    let sealed = setup.seals.seal(Secret::new(CLEAR).with_audience(audience));
    let told = Arc::new(Mutex::new(Vec::new()));
    let witness = told.clone();
    let call = setup.call().with_witness(Box::new(move |place| {
        witness.lock().unwrap().push(place);
        Box::pin(std::future::ready(Ok(())))
    }));
    assert!(call.reveal("sealed-0").await.is_err());
    for _ in 0..3 {
        assert_eq!(call.reveal(&sealed).await.unwrap(), CLEAR);
    }
    assert_eq!(*told.lock().unwrap(), ["connection/token"], "once for each secret of a call");
    assert_eq!(call.redact(&format!("a {CLEAR} b")), "a [secret] b");
}

#[tokio::test]
async fn not_in_clear_when_that_cannot_be_put_on_record() {
    let mut setup = Setup::new(&[]);
    setup.grant.reveal_secrets = true;
    let sealed = setup.seals.seal(Secret::new(CLEAR));
    let call = setup.call().with_witness(Box::new(|_| Box::pin(std::future::ready(Err("the disk is full".to_owned())))));
    for _ in 0..2 {
        assert_eq!(call.reveal(&sealed).await, Err("the disk is full".to_owned()));
    }
}
