//! Redirects: none unless asked for and granted, each hop judged anew, and what is for one host stays there.

use crate::support::{Received, Reply, Server, Setup, get, outcomes, post, reply};
use postern_egress::{Call, ErrorKind, Header, Request, Secret};

/// A server that sends on to this place.
async fn leading(status: &'static str, location: String) -> Server {
    Server::start(move |_| reply(status, &format!("location: {location}\r\n"), b"")).await
}

/// A call that may follow redirects among these servers.
fn among(servers: &[&Server]) -> Setup {
    let hosts: Vec<_> = servers.iter().map(|server| server.url("")).collect();
    let mut setup = Setup::new(&hosts.iter().map(String::as_str).collect::<Vec<_>>());
    setup.grant.follow_redirects = true;
    setup
}

fn following(request: Request, most: u32) -> Request {
    Request { redirects: Some(most), ..request }
}

fn line(received: &Received) -> &str {
    received.head.lines().next().unwrap()
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let target = Server::ok().await;
    let server = leading("302 Found", target.url("/next")).await;
    let call = among(&[&server, &target]).call();
    for request in [get(server.url("/")), following(get(server.url("/")), 0)] {
        let response = call.send(request).await.unwrap();
        assert_eq!(response.status, 302);
        assert!(response.headers.contains(&Header::new("location", target.url("/next"))));
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn who_asks_without_a_grant_is_told_before_anything_is_sent() {
    let server = Server::ok().await;
    let call = Setup::to(&server).call();
    let error = call.send(following(get(server.url("/")), 1)).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (ErrorKind::Denied, false));
    assert!(error.message.ends_with("postern provider grant postern.webhook --follow-redirects"), "{}", error.message);
    assert_eq!(outcomes(&call), ["denied redirects"]);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn each_hop_is_a_request_of_its_own_with_the_method_that_its_status_says() {
    for (status, method, carried) in [
        ("301 Moved Permanently", "POST", "GET"),
        ("302 Found", "POST", "GET"),
        ("303 See Other", "PUT", "GET"),
        ("303 See Other", "HEAD", "HEAD"),
        ("302 Found", "PUT", "PUT"),
        ("307 Temporary Redirect", "POST", "POST"),
        ("308 Permanent Redirect", "POST", "POST"),
    ] {
        let target = Server::ok().await;
        let server = leading(status, target.url("/a?b=c")).await;
        let call = among(&[&server, &target]).call();
        let mut request = following(post(server.url("/"), "text/plain", "the body"), 1);
        request.method = method.into();
        assert_eq!(call.send(request).await.unwrap().status, 200, "{status}");
        let arrived = &target.received()[0];
        assert_eq!(line(arrived), format!("{carried} /a?b=c HTTP/1.1"), "{status}");
        let has_body = !matches!(carried, "GET");
        assert_eq!((arrived.body.is_empty(), arrived.header("content-type").is_none()), (!has_body, !has_body), "{status}");
        assert_eq!(outcomes(&call), [format!("answered {}", &status[..3]), "answered 200".into()]);
        assert_eq!(call.exchanges()[1].url, target.url("/a?b=c"));
    }
}

#[tokio::test]
async fn a_relative_target_keeps_its_host() {
    let server = Server::start(|received| match line(received) {
        "GET /a/b HTTP/1.1" => reply("302 Found", "location: c?d\r\n", b""),
        "GET /a/c?d HTTP/1.1" => reply("302 Found", "location: /e\r\n", b""),
        "GET /e HTTP/1.1" => reply("200 OK", "", b"there"),
        other => panic!("{other}"),
    })
    .await;
    let answer = among(&[&server]).call().send(following(get(server.url("/a/b")), 2)).await.unwrap();
    assert_eq!(answer.body, b"there");
}

#[tokio::test]
async fn each_hop_is_judged_anew() {
    let other = Server::ok().await;
    for (location, code) in [
        (other.url("/"), "denied grant"),
        ("http://169.254.169.254/latest/meta-data/".into(), "denied address"),
        ("http://10.0.0.1/".into(), "denied address"),
        ("ftp://granted.example/".into(), "denied scheme"),
        ("http://user:password@10.0.0.1/".into(), "denied url"),
    ] {
        let server = leading("307 Temporary Redirect", location.clone()).await;
        let mut setup = among(&[&server]);
        setup.grant.hosts.extend(["http://169.254.169.254", "http://10.0.0.1"].map(|host| host.parse().unwrap()));
        let call = setup.call();
        let error = call.send(following(get(server.url("/")), 3)).await.unwrap_err();
        let kind = if code == "denied url" { ErrorKind::InvalidRequest } else { ErrorKind::Denied };
        assert_eq!((error.kind, error.sent), (kind, true), "{location}: the first request was sent: {}", error.message);
        assert_eq!(outcomes(&call), ["answered 307", code], "{location}");
    }
    assert_eq!(other.connections(), 0);
}

/// With credentials of every kind.
fn with_credentials(url: String, sealed: &str) -> Request {
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("user:{sealed}"));
    let headers = [
        ("Authorization", format!("Basic {basic}")),
        ("Cookie", "session=1".into()),
        ("X-API-Key", "not a secret of the settings".into()),
        ("X-Own", format!("Token {sealed}")),
        ("X-Plain", "goes along".into()),
    ];
    let headers = headers.map(|(name, value)| Header::new(name, value));
    Request { headers: headers.into(), redirects: Some(2), ..get(url) }
}

#[tokio::test]
async fn credentials_stay_with_their_host() {
    let credentials = ["authorization", "cookie", "x-api-key", "x-own"];
    let target = Server::ok().await;
    let server = leading("302 Found", target.url("/")).await;
    let mut setup = among(&[&server, &target]);
    let sealed = setup.seals.seal(Secret::new("hunter2-hunter2"));
    setup.call().send(with_credentials(server.url("/"), &sealed)).await.unwrap();
    for name in credentials {
        assert!(server.received()[0].header(name).is_some() && target.received()[0].header(name).is_none(), "{name}");
    }
    assert_eq!(target.received()[0].header("x-plain"), Some("goes along"));
    assert!(!target.received()[0].head.contains("hunter2"));

    let same = Server::start(|received| match line(received) {
        "GET / HTTP/1.1" => reply("302 Found", "location: /next\r\n", b""),
        _ => reply("200 OK", "", b""),
    })
    .await;
    let mut setup = among(&[&same]);
    let sealed = setup.seals.seal(Secret::new("hunter2-hunter2"));
    setup.call().send(with_credentials(same.url("/"), &sealed)).await.unwrap();
    for name in credentials {
        assert_eq!(same.received()[0].header(name), same.received()[1].header(name), "{name}");
    }
    assert_eq!(same.received()[1].header("x-own"), Some("Token hunter2-hunter2"));
}

#[tokio::test]
async fn a_secret_in_the_body_or_in_the_target_goes_nowhere_else() {
    let target = Server::ok().await;
    let refused = async |call: Call, request: Request| {
        let error = call.send(request).await.unwrap_err();
        assert_eq!((error.kind, error.sent), (ErrorKind::Redirect, true), "{}", error.message);
        assert!(error.message.contains("secret") && !error.message.contains("hunter2"), "{}", error.message);
        assert_eq!(call.exchanges().len(), 1);
    };
    // The body would be sent once more.
    let server = leading("307 Temporary Redirect", target.url("/")).await;
    let mut setup = among(&[&server, &target]);
    let sealed = setup.seals.seal(Secret::new("hunter2-hunter2"));
    refused(setup.call(), following(post(server.url("/"), "text/plain", sealed), 1)).await;
    // The receiver puts what it was told where it sends on to, in clear or otherwise.
    for told in ["hunter2-hunter2", "68756e746572322d68756e74657232", "aHVudGVyMi1odW50ZXIy"] {
        let server = leading("302 Found", target.url(&format!("/?told={told}"))).await;
        let mut setup = among(&[&server, &target]);
        setup.seals.seal(Secret::new("hunter2-hunter2"));
        refused(setup.call(), following(get(server.url("/")), 1)).await;
    }
    // Behind a secret URL, a relative target holds most of it.
    let server = leading("302 Found", "next".into()).await;
    let mut setup = among(&[&server]);
    let sealed = setup.seals.seal_uri(Secret::new(server.url("/services/hunter2-hunter2-hunter2/x")));
    refused(setup.call(), following(get(sealed), 1)).await;
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn redirects_are_bounded_in_number_and_time() {
    let server = leading("302 Found", "/again".into()).await;
    for (asked, sent, bound) in
        [(2, 3, "more than 2 redirects (as many as the provider follows)"), (100, 6, "(egress.limits.redirects)")]
    {
        let call = among(&[&server]).call();
        let error = call.send(following(get(server.url("/")), asked)).await.unwrap_err();
        assert_eq!((error.kind, error.sent), (ErrorKind::Redirect, true));
        assert!(error.message.contains(bound), "{}", error.message);
        assert_eq!(call.exchanges().len(), sent);
    }
    let mut setup = among(&[&server]);
    setup.options.limits.requests_per_call = 2;
    let error = setup.call().send(following(get(server.url("/")), 5)).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (ErrorKind::TooManyRequests, true), "each counts: {}", error.message);

    let slow = Server::start(|received| match line(received) {
        "GET / HTTP/1.1" => reply("302 Found", "location: /silent\r\n", b""),
        _ => Reply::Silence,
    })
    .await;
    let request = Request { timeout_milliseconds: Some(200), ..following(get(slow.url("/")), 1) };
    let error = among(&[&slow]).call().send(request).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (ErrorKind::Timeout, true), "{}", error.message);
}
