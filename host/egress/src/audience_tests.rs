use super::*;
use crate::check::Prepared;
use crate::message::{Header, Request};
use crate::{Broker, CallSettings, Options, Seals, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_core::grant::Grant;
use proptest::prelude::*;
use rustls::RootCertStore;
use serde_json::json;
use std::time::Duration;

const CLEAR: &str = "CLEAR-TEXT-SECRET";

fn patterns(texts: &[&str]) -> Arc<[HostPattern]> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn audience(section: Section, hosts: Option<&[&str]>) -> Audience {
    Audience { section, path: "/token".into(), hosts: hosts.map(patterns) }
}

/// A provider that may reach what it asks for; the config leads to `sub.example`, the connection to `base.example:8443`.
fn call(wish: &[&str], seals: Seals) -> Call {
    granted(wish, Grant { hosts: patterns(wish).to_vec(), ..Grant::default() }, seals)
}

/// One with another grant.
fn granted(wish: &[&str], grant: Grant, seals: Seals) -> Call {
    let settings = |value: serde_json::Value| Arc::new(value.as_object().unwrap().clone());
    Broker::with_roots(Options::default(), RootCertStore::empty()).unwrap().call(CallSettings {
        provider: "test.courier".parse().unwrap(),
        wish: patterns(wish),
        grant: Arc::new(grant),
        config: settings(json!({ "url": "https://sub.example/x", "site": "chosen" })),
        connection: Some(settings(json!({ "baseUrl": "https://base.example:8443/api", "site": "acme" }))),
        seals,
        deadline: tokio::time::Instant::now() + Duration::from_secs(30),
    })
}

fn judge(call: &Call, request: &Request) -> Result<Prepared, Denial> {
    let target = call.target(request)?;
    call.permit(&target.url)?;
    let headers = call.check_headers(&request.headers)?;
    call.prepare(target, headers, request.body.clone().unwrap_or_default())
}

/// Puts a placeholder at one of the places that a provider may choose.
fn place(sealed: &str, url: &str, place: usize) -> Request {
    let mut request = Request { method: "POST".into(), url: url.into(), ..Request::default() };
    let header = |name: &str, value: String| vec![Header::new(name, value)];
    match place {
        0 => request.url = format!("{url}/{sealed}"),
        1 => request.url = format!("{url}/?q={sealed}"),
        2 => request.headers = header("authorization", format!("Bearer {sealed}")),
        3 => request.headers = header("authorization", format!("Basic {}", STANDARD.encode(format!("user:{sealed}")))),
        4 => request.headers = header("x-anything", sealed.to_owned()),
        5 => request.body = Some(format!("a {sealed} b").into()),
        6 => {
            request.headers = header("content-type", "application/json".into());
            request.body = Some(json!({ "a": [sealed] }).to_string().into());
        }
        _ => {
            request.headers = header("content-type", "application/x-www-form-urlencoded".into());
            request.body = Some(format!("a={sealed}").into());
        }
    }
    request
}

fn text(prepared: &Prepared) -> String {
    let headers: Vec<_> = prepared.headers.values().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let decoded = prepared.headers.values().filter_map(|value| crate::headers::basic_credentials(value.as_bytes()));
    let decoded: Vec<_> = decoded.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
    format!("{} {headers:?} {decoded:?} {}", prepared.url, String::from_utf8_lossy(&prepared.body))
}

/// What comes of a token with this audience, sent to a URL.
fn outcome(wish: &[&str], audience: Audience, url: &str) -> Result<String, Denial> {
    let mut seals = Seals::new();
    let sealed = seals.seal(Secret::new(CLEAR).with_audience(audience));
    judge(&call(wish, seals), &place(&sealed, url, 2)).map(|prepared| text(&prepared))
}

const WISH: [&str; 4] = ["named.example", "*.below.example", "{connection.baseUrl}", "{config.url}"];

#[test]
fn a_connections_secret_goes_to_hosts_of_the_manifest_and_of_the_connection_only() {
    let send = |url| outcome(&WISH, audience(Section::Connection, None), url);
    for url in ["https://named.example", "https://acme.below.example", "https://base.example:8443"] {
        assert!(send(url).unwrap().contains(CLEAR), "{url}");
    }
    let denial = send("https://sub.example").unwrap_err();
    assert_eq!(
        (denial.code, denial.message.as_str()),
        (
            "secret-host",
            "The secret at connection/token may not go to `https://sub.example`: a connection's secret goes to hosts that the \
             manifest names or takes from the connection (named.example, *.below.example, {connection.baseUrl}), never to one that \
             the subscription's settings choose. To allow it: postern provider grant test.courier --secret-host sub.example"
        )
    );
    let open = outcome(&["any-host"], audience(Section::Connection, None), "https://named.example").unwrap_err();
    assert!(open.message.contains("(none)"), "`any-host` names no host: {}", open.message);
}

#[test]
fn a_subscriptions_secret_goes_to_every_granted_host() {
    for url in ["https://named.example", "https://base.example:8443", "https://sub.example"] {
        assert!(outcome(&WISH, audience(Section::Config, None), url).unwrap().contains(CLEAR), "{url}");
    }
    assert_eq!(outcome(&WISH, audience(Section::Config, None), "https://other.example").unwrap_err().code, "grant");
}

#[test]
fn a_schemas_list_says_which_hosts_and_opens_none_that_is_not_granted() {
    for section in [Section::Config, Section::Connection] {
        let send = |hosts: &[&str], url| outcome(&WISH, audience(section, Some(hosts)), url);
        assert!(send(&["named.example"], "https://named.example").is_ok());
        assert!(send(&["{connection.baseUrl}"], "https://base.example:8443/x").is_ok());
        let denial = send(&["named.example"], "https://base.example:8443").unwrap_err();
        assert_eq!(denial.code, "secret-host");
        assert!(denial.message.contains("its schema's `x-hosts` names named.example."), "{}", denial.message);
        assert_eq!(send(&[], "https://named.example").unwrap_err().code, "secret-host", "for signing only");
        assert_eq!(send(&["other.example"], "https://other.example").unwrap_err().code, "grant");
        let open = outcome(&["any-host"], audience(section, Some(&["any-host"])), "https://a.example");
        assert_eq!(open.is_ok(), section == Section::Config, "no author opens a connection's secret to every host");
    }
}

#[test]
fn an_operator_opens_more_hosts_to_secrets_but_not_to_those_for_signing() {
    let send = |secret_hosts: &[&str], audience: Audience, url: &str| {
        let mut seals = Seals::new();
        let sealed = seals.seal(Secret::new(CLEAR).with_audience(audience));
        let hosts = patterns(&["any-host"]).to_vec();
        let grant = Grant { hosts, secret_hosts: patterns(secret_hosts).to_vec(), ..Grant::default() };
        judge(&granted(&WISH, grant, seals), &place(&sealed, url, 2)).map(|prepared| text(&prepared))
    };
    let opened = ["more.example", "{config.url}"];
    for hosts in [None, Some(&["named.example"][..])] {
        for url in ["https://more.example", "https://sub.example"] {
            assert_eq!(send(&[], audience(Section::Connection, hosts), url).unwrap_err().code, "secret-host", "{url}");
            assert!(send(&opened, audience(Section::Connection, hosts), url).unwrap().contains(CLEAR), "{url}");
        }
        assert_eq!(send(&opened, audience(Section::Connection, hosts), "https://less.example").unwrap_err().code, "secret-host");
    }
    let signing = send(&opened, audience(Section::Connection, Some(&[])), "https://more.example").unwrap_err();
    assert!(signing.message.ends_with("Nothing allows it: the secret is for signing."), "{}", signing.message);
}

#[test]
fn a_connections_secret_goes_to_the_name_with_its_label_and_to_none_with_a_subscriptions() {
    let wish = ["{connection.site}.example.com", "{config.site}.example.com"];
    let send = |url| outcome(&wish, audience(Section::Connection, None), url);
    assert!(send("https://acme.example.com/x").unwrap().contains(CLEAR));
    assert_eq!(send("https://chosen.example.com/x").unwrap_err().code, "secret-host");
    assert_eq!(send("https://other.example.com/x").unwrap_err().code, "grant");
}

#[test]
fn a_secret_url_of_a_connection_goes_to_itself_and_takes_no_other_host_with_it() {
    let mut seals = Seals::new();
    let hook = seals.seal_uri(Secret::new("https://hook.example/abc").with_audience(audience(Section::Connection, None)));
    let token = seals.seal(Secret::new(CLEAR).with_audience(audience(Section::Connection, None)));
    let narrow = audience(Section::Connection, Some(&["named.example"]));
    let narrowed = seals.seal_uri(Secret::new("https://hook.example/def").with_audience(narrow));
    let call = call(&["any-host", "named.example"], seals);
    let code = |request: Request| judge(&call, &request).map(|prepared| prepared.url.to_string()).map_err(|denial| denial.code);
    assert_eq!(code(place(CLEAR, &hook, 5)), Ok("https://hook.example/abc".into()));
    assert_eq!(code(place(&token, hook.trim_end_matches('/'), 0)), Err("secret-host"), "the token is not for the hook's host");
    assert_eq!(code(place(&hook, "https://sub.example", 5)), Err("secret-host"));
    assert_eq!(code(place(CLEAR, &narrowed, 5)), Err("secret-host"));
}

proptest! {
    /// Whatever is asked for, granted and named: a request with a secret in it goes to a host that is for this secret.
    #[test]
    fn a_secret_goes_only_to_hosts_that_are_for_it(
        wish in proptest::sample::subsequence(
            vec!["any-host", "named.example", "*.below.example", "{connection.baseUrl}", "{config.url}", "other.example:*",
                "{config.site}.below.example"], 0..7),
        opened in proptest::sample::subsequence(vec!["other.example", "{config.url}"], 0..3),
        hosts in proptest::option::of(proptest::sample::subsequence(
            vec!["named.example", "*.below.example", "{connection.baseUrl}", "other.example"], 0..4)),
        of_connection in any::<bool>(),
        url in proptest::sample::select(vec![
            "https://named.example", "https://a.below.example", "https://base.example:8443", "https://base.example",
            "https://sub.example", "https://chosen.below.example", "https://other.example", "https://other.example:444", "https://NAMED.example:443",
            "https://named.example.", "https://named.example@sub.example", "https://sub.example#named.example",
        ]),
        places in proptest::collection::vec(0..8_usize, 1..3),
    ) {
        let section = if of_connection { Section::Connection } else { Section::Config };
        for at in places {
            let mut seals = Seals::new();
            let sealed = seals.seal(Secret::new(CLEAR).with_audience(audience(section, hosts.as_deref())));
            let hosts_granted = patterns(&wish).to_vec();
            let grant = Grant { hosts: hosts_granted, secret_hosts: patterns(&opened).to_vec(), ..Grant::default() };
            let call = granted(&wish, grant, seals);
            match judge(&call, &place(&sealed, url, at)) {
                Err(denial) => prop_assert!(!denial.message.contains(CLEAR)),
                Ok(prepared) => {
                    if !text(&prepared).contains(CLEAR) {
                        prop_assert!(url.contains('#') && at < 2, "only what stands in a fragment is not sent");
                        continue;
                    }
                    let host = prepared.url.host_str().unwrap_or_default().to_owned();
                    let origin = origin(&prepared.url);
                    let named = |pattern: &str| match pattern {
                        "named.example" => origin == "https://named.example",
                        "*.below.example" => host.ends_with(".below.example") && prepared.url.port().is_none(),
                        "{connection.baseUrl}" => origin == "https://base.example:8443",
                        "{config.url}" => origin == "https://sub.example",
                        "other.example:*" => host == "other.example",
                        "other.example" => origin == "https://other.example",
                        "any-host" => prepared.url.scheme() == "https",
                        "{config.site}.below.example" => origin == "https://chosen.below.example",
                        _ => false,
                    };
                    prop_assert!(wish.iter().any(|pattern| named(pattern)), "it was granted: {origin}");
                    if opened.iter().any(|pattern| named(pattern)) && hosts.as_ref().is_none_or(|hosts| !hosts.is_empty()) {
                        continue;
                    }
                    match &hosts {
                        Some(hosts) => prop_assert!(hosts.iter().any(|pattern| named(pattern)), "it was named: {origin}"),
                        None if of_connection => {
                            let of_connection = |pattern: &&&str| !matches!(**pattern, "any-host") && !pattern.starts_with("{config.");
                            prop_assert!(wish.iter().filter(of_connection).any(|pattern| named(pattern)), "{origin}");
                        }
                        None => {}
                    }
                }
            }
        }
    }
}
