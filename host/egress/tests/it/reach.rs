//! What can be reached, and what cannot.

use crate::support::{Server, Setup, get, outcomes, post, reply};
use postern_core::delivery::ExchangeResult;
use postern_egress::{Broker, ErrorKind, Header};

#[tokio::test]
async fn an_allowed_request_arrives_and_its_answer_comes_back() {
    let server = crate::support::Server::start(|_| reply("201 Created", "X-Id: 7\r\n", b"made")).await;
    let call = Setup::to(&server).call();
    let mut request = post(server.url("/a?b=c"), "text/plain", "hello");
    request.headers.push(Header::new("X-Twice", "1"));
    request.headers.push(Header::new("X-Twice", "2"));
    let response = call.send(request).await.unwrap();
    assert_eq!((response.status, response.body.as_slice(), response.truncated), (201, b"made".as_slice(), false));
    assert!(response.headers.contains(&Header::new("x-id", "7")));

    let received = &server.received()[0];
    assert!(received.head.starts_with("POST /a?b=c HTTP/1.1"), "{}", received.head);
    assert_eq!(received.body, "hello");
    assert_eq!(received.header("user-agent"), Some("Postern/0.1.0"));
    assert_eq!(received.header("accept-encoding"), None);
    assert_eq!(received.head.matches("x-twice").count(), 2);

    let exchange = &call.exchanges()[0];
    assert_eq!((exchange.method.as_str(), exchange.url.as_str()), ("POST", server.url("/a?b=c").as_str()));
    assert_eq!(exchange.address.as_deref(), Some(server.address.to_string().as_str()));
    assert_eq!(exchange.request_body.as_ref().unwrap().text, "hello");
    assert!(exchange.duration_micros > 0);
    let ExchangeResult::Answered { status: 201, response_headers, response_body: Some(body) } = &exchange.result else {
        panic!("{exchange:?}")
    };
    assert!(response_headers.contains(&("x-id".to_owned(), "7".to_owned())));
    assert_eq!((body.text.as_str(), body.size), ("made", 4));
}

#[tokio::test]
async fn a_post_without_a_body_says_so() {
    let server = Server::ok().await;
    let mut request = get(server.url("/"));
    request.method = "POST".into();
    request.headers.push(Header::new("User-Agent", "mine"));
    Setup::to(&server).call().send(request).await.unwrap();
    assert_eq!(server.received()[0].header("content-length"), Some("0"));
    assert_eq!(server.received()[0].header("user-agent"), Some("mine"));
}

#[tokio::test]
async fn special_addresses_are_denied_by_number_and_by_name() {
    let server = Server::ok().await;
    let port = server.address.port();
    for host in ["127.0.0.1", "0x7f.1", "2130706433", "127.1", "[::ffff:127.0.0.1]", "localhost"] {
        let url = format!("http://{host}:{port}/");
        let mut setup = Setup::new(&[&url[..url.len() - 1]]);
        setup.options.allow.clear();
        let call = setup.call();
        let error = call.send(get(&url)).await.unwrap_err();
        assert_eq!((error.kind, error.sent), (ErrorKind::Denied, false), "{url}: {}", error.message);
        assert!(
            error.message.contains("a loopback address") && error.message.contains("[egress] allow = ["),
            "{}",
            error.message
        );
        if host == "localhost" {
            assert!(error.message.starts_with("`localhost` resolves to "), "{}", error.message);
        }
        assert_eq!(outcomes(&call), ["denied address"], "{url}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_rule_for_the_name_or_for_the_addresses_allows_a_name() {
    let server = Server::ok().await;
    let host = format!("http://localhost:{}", server.address.port());
    for rules in [&["localhost"][..], &["127.0.0.0/8", "::1"]] {
        let mut setup = Setup::new(&[&host]);
        setup.options.allow = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        assert_eq!(setup.call().send(get(&host)).await.unwrap().status, 200);
    }
    let mut setup = Setup::new(&[&server.url("")]);
    setup.options.allow = vec!["localhost".parse().unwrap()];
    assert_eq!(setup.call().send(get(server.url("/"))).await.unwrap_err().kind, ErrorKind::Denied, "a name is no address");
}

#[tokio::test]
async fn what_is_not_granted_is_not_reached_and_a_grant_may_be_wider_than_the_wish() {
    let server = Server::ok().await;
    let mut setup = Setup::to(&server);
    setup.grant.hosts = vec!["hooks.slack.com".parse().unwrap()];
    let call = setup.call();
    let error = call.send(get(server.url("/path"))).await.unwrap_err();
    assert!(error.message.contains("(granted: hooks.slack.com)"), "{}", error.message);
    assert!(
        error.message.ends_with(&format!("postern provider grant postern.webhook --host {}", server.url(""))),
        "{}",
        error.message
    );
    assert_eq!(outcomes(&call), ["denied grant"]);
    let mut setup = Setup::to(&server);
    setup.wish.clear();
    assert_eq!(server.connections(), 0);
    assert_eq!(
        setup.call().send(get(server.url("/"))).await.unwrap().status,
        200,
        "the operator granted more than was asked for"
    );
}

#[tokio::test]
async fn cookies_are_not_kept_and_connections_are_reused_within_a_provider_only() {
    let server = Server::start(|_| reply("200 OK", "set-cookie: a=b\r\n", b"")).await;
    let broker = Broker::new(Setup::to(&server).options).unwrap();
    let mut known = 0;
    for (provider, connections) in [("postern.webhook", 1), ("postern.webhook", 1), ("postern.slack", 2), ("postern.webhook", 2)]
    {
        let mut setup = Setup::to(&server);
        setup.provider = provider;
        let call = setup.call_of(&broker);
        call.send(get(server.url("/"))).await.unwrap();
        assert_eq!(server.connections(), connections, "{provider}");
        let exchange = call.exchanges().remove(0);
        let timings = exchange.timings;
        let reused = std::mem::replace(&mut known, connections) == connections;
        assert_eq!((timings.reused, timings.connect_micros.is_none()), (reused, reused), "{provider}: {timings:?}");
        assert!(timings.first_byte_micros.is_some());
        let ExchangeResult::Answered { response_headers, .. } = &exchange.result else { panic!() };
        assert!(response_headers.contains(&("set-cookie".to_owned(), "[secret]".to_owned())), "a cookie is a credential");
    }
    assert!(server.received().iter().all(|received| received.header("cookie").is_none()));
    broker.forget(&"postern.webhook".parse().unwrap());
    Setup::to(&server).call_of(&broker).send(get(server.url("/"))).await.unwrap();
    assert_eq!(server.connections(), 3);
}

/// Runs itself with proxies in the environment that nobody listens on.
#[test]
fn proxies_of_the_environment_are_ignored() {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "reach::a_post_without_a_body_says_so"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, "http://127.0.0.1:9");
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy");
    let output = child.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}
