use super::*;
use crate::message::{ErrorKind, Header};
use crate::{Broker, CallSettings, Limits, Options, Seals, Secret};
use postern_core::grant::Grant;
use proptest::prelude::*;
use rustls::RootCertStore;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn patterns(texts: &[&str]) -> Vec<HostPattern> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn call_with(options: Options, wish: &[&str], grant: &[&str], config: serde_json::Value, seals: Seals) -> Call {
    Broker::with_roots(options, RootCertStore::empty()).unwrap().call(CallSettings {
        provider: "postern.webhook".parse().unwrap(),
        wish: patterns(wish).into(),
        grant: Arc::new(Grant { hosts: patterns(grant), ..Grant::default() }),
        config: Arc::new(config.as_object().unwrap().clone()),
        connection: None,
        seals,
        deadline: tokio::time::Instant::now() + Duration::from_secs(30),
    })
}

fn call(wish: &[&str], grant: &[&str], seals: Seals) -> Call {
    call_with(Options::default(), wish, grant, json!({}), seals)
}

/// Every rule, without sending.
fn judge(call: &Call, request: &Request) -> Result<Prepared, Denial> {
    let target = call.target(request)?;
    call.permit(&target.url)?;
    let headers = call.check_headers(&request.headers)?;
    call.prepare(target, headers, request.body.clone().unwrap_or_default())
}

fn request(method: &str, url: &str) -> Request {
    Request { method: method.into(), url: url.into(), ..Request::default() }
}

fn code(call: &Call, request: &Request) -> &'static str {
    judge(call, request).err().map_or("", |denial| denial.code)
}

#[test]
fn methods_are_words_in_capitals() {
    let call = call(&["a.example"], &["a.example"], Seals::new());
    for good in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "M-SEARCH", "PROPFIND"] {
        assert_eq!(code(&call, &request(good, "https://a.example")), "", "{good}");
    }
    for bad in ["", "get", "CONNECT", "TRACE", "GE T", "GET\r\nX: y", "É", &"A".repeat(33)] {
        assert_eq!(code(&call, &request(bad, "https://a.example")), "method", "{bad}");
    }
}

#[test]
fn urls_are_absolute_http_without_credentials() {
    let call = call(&["any-host", "http://a.example"], &["any-host", "http://a.example"], Seals::new());
    for (url, expected) in [
        ("https://a.example/x?y#z", ""),
        ("http://a.example", ""),
        ("a.example", "url"),
        ("", "url"),
        ("https://", "url"),
        ("https://./", "url"),
        ("https://../x", "url"),
        ("https://8.8.8../x", "url"),
        ("https://a..example/x", "url"),
        ("https://user@a.example", "url"),
        ("https://:pw@a.example", "url"),
        ("ftp://a.example", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("data:text/plain,x", "scheme"),
    ] {
        assert_eq!(code(&call, &request("GET", url)), expected, "{url}");
    }
    assert_eq!(code(&call, &request("GET", &format!("https://a.example/{}", "x".repeat(8192)))), "size");
    let prepared = judge(&call, &request("GET", "https://a.example/x?y#z")).unwrap();
    assert_eq!(prepared.url.as_str(), "https://a.example/x?y", "the fragment stays here");
}

#[test]
fn the_grant_decides_and_may_be_narrower_or_wider_than_what_the_manifest_asks_for() {
    let call = call(&["a.example", "b.example"], &["b.example", "c.example"], Seals::new());
    for granted in ["https://b.example", "https://c.example"] {
        assert_eq!(code(&call, &request("GET", granted)), "");
    }
    let denial = |url| judge(&call, &request("GET", url)).err().unwrap();
    let grant = denial("https://a.example/path?secret");
    assert_eq!((grant.code, grant.kind), ("grant", ErrorKind::Denied));
    assert_eq!(
        grant.message,
        "`https://a.example` is not among the hosts granted to postern.webhook (granted: b.example, c.example). To allow it: \
         postern provider grant postern.webhook --host a.example"
    );
    let neither = denial("https://c.example:8443");
    assert_eq!(
        neither.message,
        "`https://c.example:8443` is not among the hosts granted to postern.webhook (granted: b.example, c.example; its manifest \
         does not ask for it either, only for: a.example, b.example). To allow it: postern provider grant postern.webhook --host \
         c.example:8443"
    );
    assert_eq!(denial("http://b.example").code, "grant", "a pattern without a scheme is for https");
    let literal = denial("https://[2606:4700::1]:8443/");
    assert!(literal.message.ends_with("--host '[2606:4700::1]:8443'"), "a shell keeps its hands off it: {}", literal.message);
}

#[test]
fn the_operators_list_stands_above_grants() {
    let open = &["any-host", "http://c.example"];
    let options = Options { hosts: patterns(&["a.example", "*.b.example", "http://c.example"]), ..Options::default() };
    let call = call_with(options, open, open, json!({}), Seals::new());
    for listed in ["https://a.example/x", "https://x.b.example", "http://c.example"] {
        assert_eq!(code(&call, &request("GET", listed)), "", "{listed}");
    }
    let denial = judge(&call, &request("GET", "https://d.example:8443/x")).err().unwrap();
    assert_eq!(denial.code, "hosts");
    assert!(
        denial.message.ends_with("[egress] hosts = [\"a.example\", \"*.b.example\", \"http://c.example\", \"d.example:8443\"]"),
        "{}",
        denial.message
    );
}

#[test]
fn a_field_of_the_settings_stands_for_its_host() {
    let config = json!({ "url": "https://hooks.example:8443/abc" });
    let call = call_with(Options::default(), &["{config.url}"], &["{config.url}"], config, Seals::new());
    assert_eq!(code(&call, &request("POST", "https://hooks.example:8443/other")), "");
    assert_eq!(code(&call, &request("POST", "https://hooks.example/abc")), "grant");
}

#[test]
fn addresses_are_judged_in_every_spelling() {
    let open = &["any-host"];
    let closed = call(open, open, Seals::new());
    for host in ["127.0.0.1", "0x7f.1", "2130706433", "017700000001", "127.1", "[::ffff:127.0.0.1]", "[::1]", "[64:ff9b::7f00:1]"]
    {
        assert_eq!(code(&closed, &request("GET", &format!("https://{host}/"))), "address", "{host}");
    }
    let denial = judge(&closed, &request("GET", "https://0x7f.1/")).err().unwrap();
    assert_eq!(
        denial.message,
        "127.0.0.1 is a loopback address. To allow it set in postern.toml: [egress] allow = [\"127.0.0.1/32\"]"
    );
    let options = Options { allow: vec!["127.0.0.1".parse().unwrap()], ..Options::default() };
    let opened = call_with(options, open, open, json!({}), Seals::new());
    assert_eq!(code(&opened, &request("GET", "https://127.1/")), "");
    assert_eq!(code(&opened, &request("GET", "https://[::ffff:127.0.0.1]/")), "");
    assert_eq!(code(&opened, &request("GET", "https://127.0.0.2/")), "address");
}

#[test]
fn headers_of_the_host_malformed_ones_and_too_many_are_refused() {
    let call = call(&["a.example"], &["a.example"], Seals::new());
    let with = |name: &str, value: &str| {
        let mut request = request("GET", "https://a.example");
        request.headers.push(Header::new(name, value));
        code(&call, &request)
    };
    for name in
        ["Host", "content-length", "Transfer-Encoding", "Connection", "Proxy-Authorization", "TE", "Upgrade", "a b", "", "é"]
    {
        assert_eq!(with(name, "x"), "header", "{name}");
    }
    for value in ["a\r\nb", "a\nb", "\u{0}", "\u{7f}"] {
        assert_eq!(with("x-a", value), "header", "{value:?}");
    }
    assert_eq!(with("x-a", "tab\tand é"), "");
    assert_eq!(with("x-a", &"x".repeat(16 * 1024)), "size");
    let mut many = request("GET", "https://a.example");
    many.headers = (0..64).map(|number| Header::new(format!("x-{number}"), "x")).collect();
    assert_eq!(code(&call, &many), "");
    many.headers.push(Header::new("x-a", "x"));
    assert_eq!(code(&call, &many), "size");
}

#[test]
fn bodies_are_bounded_with_their_secrets() {
    let mut seals = Seals::new();
    let sealed = seals.seal(Secret::new("x".repeat(100)));
    let limits = Limits { request_body_bytes: 120, ..Limits::default() };
    let call = call_with(Options { limits, ..Options::default() }, &["a.example"], &["a.example"], json!({}), seals);
    let with = |body: String| {
        let mut request = request("POST", "https://a.example");
        request.body = Some(body.into());
        judge(&call, &request).map(|prepared| prepared.body.len()).map_err(|denial| denial.message)
    };
    assert_eq!(with("y".repeat(120)), Ok(120));
    assert!(with("y".repeat(121)).unwrap_err().contains("egress.limits.request-body-bytes"));
    assert_eq!(with(sealed.clone()), Ok(100));
    assert!(with(format!("{sealed}{sealed}")).is_err());
}

#[test]
fn a_sealed_url_is_opened_and_extended() {
    let secret = "https://hooks.example:8443/a/b/?k=v";
    let mut seals = Seals::new();
    let sealed = seals.seal_uri(Secret::new(secret));
    let token = seals.seal(Secret::new("t/1"));
    let call = call(&["hooks.example:8443"], &["hooks.example:8443"], seals);
    let url =
        |url: String| judge(&call, &request("POST", &url)).map(|prepared| prepared.url.to_string()).map_err(|denial| denial.code);
    assert_eq!(url(sealed.clone()).unwrap(), secret);
    assert_eq!(url(sealed.trim_end_matches('/').to_owned()).unwrap(), secret);
    assert_eq!(url(format!("{sealed}c/d?x=1")).unwrap(), "https://hooks.example:8443/a/b/c/d?k=v&x=1");
    assert_eq!(url(format!("{sealed}{token}?x={token}")).unwrap(), "https://hooks.example:8443/a/b/t%2F1?k=v&x=t%2F1");
    let host = sealed.trim_start_matches("https://").trim_end_matches('/');
    assert_eq!(url(format!("http://{host}/")), Err("secret"));
    assert_eq!(url(format!("https://{host}:444/")), Err("secret"));
    assert_eq!(url(format!("https://x.{host}/")), Err("grant"), "not a placeholder");
    let shown = call.target(&request("POST", &format!("{sealed}c?x={token}"))).ok().unwrap().shown;
    assert_eq!(shown, "https://hooks.example:8443/[secret]/c?x=[secret]");
}

#[test]
fn a_secret_url_obeys_the_same_rules() {
    for (secret, expected) in [
        ("https://other.example/x", "grant"),
        ("not a url", "url"),
        ("hunter2:x", "scheme"),
        ("https://u:p@hooks.example/", "url"),
    ] {
        let mut seals = Seals::new();
        let sealed = seals.seal_uri(Secret::new(secret));
        let denial = judge(&call(&["hooks.example"], &["hooks.example"], seals), &request("POST", &sealed)).err().unwrap();
        assert_eq!(denial.code, expected, "{secret}");
        assert!(!denial.message.contains("hunter2"), "{}", denial.message);
    }
}

#[test]
fn a_secret_with_control_characters_stays_out_of_headers() {
    let mut seals = Seals::new();
    let sealed = seals.seal(Secret::new("a\r\nX-Injected: b"));
    let call = call(&["a.example"], &["a.example"], seals);
    let mut request = request("GET", "https://a.example");
    request.headers.push(Header::new("x-token", &sealed));
    let denial = judge(&call, &request).err().unwrap();
    assert_eq!(denial.code, "secret");
    assert!(denial.message.contains("`x-token`") && !denial.message.contains("Injected"), "{}", denial.message);
}

#[test]
fn a_secret_needs_tls_unless_the_operator_says_otherwise() {
    let hosts = &["http://a.example:8080"];
    let sealed_call = |plain_http: &[&str]| {
        let mut seals = Seals::new();
        let sealed = seals.seal(Secret::new("hunter2"));
        let options = Options { plain_http: patterns(plain_http), ..Options::default() };
        (call_with(options, hosts, hosts, json!({}), seals), sealed)
    };
    let (call, sealed) = sealed_call(&[]);
    let url = "http://a.example:8080/";
    assert_eq!(code(&call, &request("GET", url)), "", "without a secret plain HTTP is the grant's matter alone");
    let denial = judge(&call, &request("GET", &format!("{url}?k={sealed}"))).err().unwrap();
    assert_eq!(denial.code, "plain-http");
    assert!(denial.message.contains("[egress] plain-http = [\"a.example:8080\"]"), "{}", denial.message);
    let (call, sealed) = sealed_call(&["a.example:8080"]);
    assert_eq!(
        judge(&call, &request("GET", &format!("{url}?k={sealed}"))).ok().unwrap().url.as_str(),
        "http://a.example:8080/?k=hunter2"
    );
}

proptest! {
    /// However a request is put together: what is prepared goes to the granted host, and a denial holds no secret.
    #[test]
    fn no_secret_is_put_in_for_a_host_that_is_not_granted(
        host in prop_oneof![
            Just("granted.example".to_owned()),
            Just("granted.example.".to_owned()),
            Just("granted.example:8443".to_owned()),
            Just("evil.example".to_owned()),
            Just("granted.example@evil.example".to_owned()),
            Just("evil.example#granted.example".to_owned()),
            Just("evil.example\\@granted.example".to_owned()),
            Just("10.0.0.1".to_owned()),
            "[a-z0-9.:@/\\\\#?%\\[\\]-]{1,30}",
        ],
        scheme in prop_oneof![Just("https://"), Just("http://"), Just("https:/"), Just("HTTPS:\\\\"), Just("//")],
        path in "[ -~]{0,20}",
        places in proptest::collection::vec(0..5_usize, 1..4),
    ) {
        let mut seals = Seals::new();
        let sealed = seals.seal(Secret::new("CLEAR-TEXT-SECRET"));
        let call = call(&["granted.example", "wished.example"], &["granted.example"], seals);
        let mut request = request("POST", &format!("{scheme}{host}/{path}"));
        for place in places {
            match place {
                0 => request.url.push_str(&sealed),
                1 => request.url = format!("{}?x={sealed}", request.url),
                2 => request.headers.push(Header::new("authorization", format!("Bearer {sealed}"))),
                3 => request.body = Some(sealed.clone().into_bytes()),
                _ => request.url = request.url.replacen("://", &format!("://{sealed}."), 1),
            }
        }
        match judge(&call, &request) {
            Ok(prepared) => {
                prop_assert_eq!(prepared.url.scheme(), "https");
                prop_assert_eq!(prepared.url.host_str(), Some("granted.example"));
                prop_assert_eq!(prepared.url.port(), None);
            }
            Err(denial) => prop_assert!(!denial.message.contains("CLEAR-TEXT-SECRET")),
        }
    }
}
