//! Every bound, with the name by which it is reported.

use crate::support::{Reply, Server, Setup, get, outcomes, post, reply};
use postern_core::delivery::ExchangeResult;
use postern_core::retry::Span;
use postern_egress::{ErrorKind, Header};
use std::time::Duration;

#[tokio::test]
async fn a_call_makes_only_so_many_requests() {
    let server = Server::ok().await;
    let mut setup = Setup::to(&server);
    setup.options.limits.requests_per_call = 2;
    let call = setup.call();
    for _ in 0..2 {
        call.send(get(server.url("/"))).await.unwrap();
    }
    for _ in 0..100 {
        let error = call.send(get(server.url("/"))).await.unwrap_err();
        assert_eq!((error.kind, error.sent), (ErrorKind::TooManyRequests, false));
        assert!(error.message.contains("requests-per-call"), "{}", error.message);
    }
    assert_eq!(outcomes(&call), ["answered 200", "answered 200", "denied request-count"], "records are bounded too");
}

#[tokio::test]
async fn what_is_too_large_is_not_sent() {
    let server = Server::ok().await;
    let mut setup = Setup::to(&server);
    setup.options.limits.url_bytes = 100;
    setup.options.limits.request_body_bytes = 10;
    setup.options.limits.request_header_bytes = 200;
    let call = setup.call();
    let mut long_header = get(server.url("/"));
    long_header.headers.push(Header::new("x", "y".repeat(200)));
    for (request, limit) in [
        (get(server.url(&format!("/{}", "x".repeat(100)))), "url-bytes"),
        (post(server.url("/"), "text/plain", "x".repeat(11)), "request-body-bytes"),
        (long_header, "request-header-bytes"),
    ] {
        let error = call.send(request).await.unwrap_err();
        assert_eq!((error.kind, error.sent), (ErrorKind::RequestTooLarge, false));
        assert!(error.message.contains(limit), "{}", error.message);
    }
    assert_eq!(outcomes(&call), ["denied size", "denied size", "denied size"]);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_header_of_the_host_is_not_sent() {
    let server = Server::ok().await;
    let call = Setup::to(&server).call();
    let mut request = get(server.url("/"));
    request.headers.push(Header::new("Host", "other.example"));
    let error = call.send(request).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (ErrorKind::InvalidRequest, false));
    assert_eq!(outcomes(&call), ["denied header"]);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_long_answer_is_cut() {
    // Also without a length: the server never says that it has finished.
    let endless = || Reply::Raw([b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 100_000]].concat());
    let server = Server::start(
        move |received| {
            if received.head.contains("/endless") { endless() } else { reply("200 OK", "", &[b'x'; 1001]) }
        },
    )
    .await;
    for path in ["/endless", "/"] {
        let mut setup = Setup::to(&server);
        setup.options.limits.response_body_bytes = 1000;
        setup.options.limits.exchange_body_bytes = 10;
        let call = setup.call();
        let response = call.send(get(server.url(path))).await.unwrap();
        assert_eq!((response.body.len(), response.truncated), (1000, true));
        let ExchangeResult::Answered { response_body: Some(body), .. } = &call.exchanges()[0].result else { panic!() };
        assert_eq!((body.text.as_str(), body.size), ("xxxxxxxxxx", 1001), "what was read");
    }
    let mut setup = Setup::to(&server);
    setup.options.limits.response_body_bytes = 1001;
    let response = setup.call().send(get(server.url("/"))).await.unwrap();
    assert_eq!((response.body.len(), response.truncated), (1001, false));
}

#[tokio::test]
async fn an_answer_with_too_many_headers_is_none() {
    let many: String = (0..20).map(|number| format!("x-{number}: y\r\n")).collect();
    let server = Server::start(move |_| reply("200 OK", &many, b"")).await;
    for (headers, bytes) in [(10, 1000), (50, 50)] {
        let mut setup = Setup::to(&server);
        setup.options.limits.response_headers = headers;
        setup.options.limits.response_header_bytes = bytes;
        let error = setup.call().send(get(server.url("/"))).await.unwrap_err();
        assert_eq!((error.kind, error.sent), (ErrorKind::ResponseTooLarge, true), "{}", error.message);
        assert!(error.message.contains("egress.limits.response-headers"), "{}", error.message);
    }
}

#[tokio::test]
async fn a_request_ends_with_its_timeout_with_the_configured_one_or_with_the_call() {
    let server = Server::start(|_| Reply::Silence).await;
    for (asked, configured, whole, bound) in [
        (Some(100), 10_000, 30_000, "within 100 ms (set by the provider)"),
        (None, 100, 30_000, "within 100 ms (egress.limits.timeout)"),
        (Some(60_000), 10_000, 100, "(what was left of the call's time)"),
    ] {
        let mut setup = Setup::to(&server);
        setup.options.limits.timeout = Span(Duration::from_millis(configured));
        setup.time = Duration::from_millis(whole);
        let call = setup.call();
        let error = call.send(postern_egress::Request { timeout_milliseconds: asked, ..get(server.url("/")) }).await.unwrap_err();
        assert_eq!((error.kind, error.sent), (ErrorKind::Timeout, true), "{}", error.message);
        assert!(error.message.contains(bound), "{}", error.message);
        assert_eq!(outcomes(&call), ["failed timeout true"]);
    }
}

#[tokio::test]
async fn an_answer_must_begin_in_time() {
    let server = Server::start(|_| Reply::Silence).await;
    let mut setup = Setup::to(&server);
    setup.options.limits.first_byte_timeout = Span(Duration::from_millis(100));
    let error = setup.call().send(get(server.url("/"))).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (ErrorKind::Timeout, true));
    assert_eq!(error.message, "No answer began within 100 ms (egress.limits.first-byte-timeout).");
}

#[tokio::test]
async fn nothing_is_sent_when_the_call_is_over() {
    let server = Server::ok().await;
    let mut setup = Setup::to(&server);
    setup.time = Duration::ZERO;
    let call = setup.call();
    let error = call.send(get(server.url("/"))).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (ErrorKind::Timeout, false));
    assert_eq!(server.connections(), 0);
}
