//! Rules that hold for any bytes: what fuzz targets call. Each function panics where one does not.
//!
//! Nothing is sent, and nothing comes out but a panic, so these are of no use to anybody else.

use crate::address::{AllowRule, Policy, embedded, special};
use crate::check::Prepared;
use crate::headers::basic_credentials;
use crate::message::{Denial, Header, Request};
use crate::seal::Seals;
use crate::secret::Secret;
use crate::{Broker, Call, CallSettings, Options};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_core::grant::Grant;
use postern_core::host_pattern::HostPattern;
use rustls::RootCertStore;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use url::Url;

/// Stands for the placeholder of a text in inputs, and for that of a URL.
const TEXT: u8 = 1;
const URL: u8 = 2;

static BROKER: LazyLock<Broker> = LazyLock::new(|| {
    let broker = Broker::with(Options::default(), RootCertStore::empty(), crate::resolve::system());
    broker.expect("a broker without roots")
});

fn call(hosts: &[&str], seals: Seals) -> Call {
    let hosts: Vec<HostPattern> = hosts.iter().filter_map(|host| host.parse().ok()).collect();
    BROKER.call(CallSettings {
        provider: "test.fuzzed".parse().expect("an id"),
        wish: hosts.clone().into(),
        grant: Arc::new(Grant { hosts, ..Grant::default() }),
        config: Arc::default(),
        connection: None,
        seals,
        deadline: tokio::time::Instant::now() + Duration::from_secs(60),
    })
}

/// Every rule, without sending.
fn judge(call: &Call, request: &Request) -> Result<Prepared, Denial> {
    let target = call.target(request)?;
    call.permit(&target.url)?;
    let headers = call.check_headers(&request.headers)?;
    call.prepare(target, headers, request.body.clone().unwrap_or_default())
}

fn request(url: &str) -> Request {
    Request { method: "POST".into(), url: url.into(), ..Request::default() }
}

/// A URL that a provider asks for goes to a granted host or nowhere, and to no special address whatever is granted.
pub fn url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let narrow = call(&["granted.example", "*.below.example", "http://plain.example:8080"], Seals::new());
    if let Ok(prepared) = judge(&narrow, &request(&text)) {
        let url = prepared.url;
        let host = url.host_str().expect("a host");
        let granted = match url.scheme() {
            "https" => url.port().is_none() && (host == "granted.example" || host.ends_with(".below.example")),
            "http" => url.port() == Some(8080) && host == "plain.example",
            _ => false,
        };
        assert!(granted, "`{text}` goes to {url}");
        assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none(), "{url}");
    }
    if let Ok(prepared) = judge(&call(&["any-host"], Seals::new()), &request(&text)) {
        let host = prepared.url.host_str().expect("a host");
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            assert!(is_public(address), "`{text}` goes to {address}");
        }
        let numbers = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        assert!(!numbers || host.parse::<Ipv4Addr>().is_ok(), "what looks like an address is one: {host}");
    }
}

/// What the standard library calls special is special, without the tables that are put to the test.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let first = v4.octets()[0];
            let local = v4.is_loopback() || v4.is_private() || v4.is_link_local();
            !(local || v4.is_multicast() || v4.is_broadcast() || v4.is_documentation()) && (1..240).contains(&first)
        }
        IpAddr::V6(v6) => {
            let carried = embedded(IpAddr::V6(v6)).is_none_or(is_public);
            carried && !v6.is_loopback() && !v6.is_multicast() && v6.segments()[0] >> 13 == 1
        }
    }
}

/// An address is as special as what it stands for, in every form that it may take; and a rule allows no more than it says.
pub fn address(data: &[u8]) {
    let Some((bytes, rule)) = data.split_first_chunk::<16>() else { return };
    let v6 = Ipv6Addr::from(*bytes);
    let v4 = Ipv4Addr::from([bytes[12], bytes[13], bytes[14], bytes[15]]);
    let closed = Policy::new(Vec::new());
    let allowed = |address: IpAddr| closed.judge(address).is_ok();
    assert!(!allowed(v6.into()) || is_public(v6.into()), "{v6}");
    assert!(!allowed(v4.into()) || is_public(v4.into()), "{v4}");
    assert_eq!(allowed(v4.into()), special(v4.into()).is_none());
    assert_eq!(allowed(v4.to_ipv6_mapped().into()), allowed(v4.into()), "{v4} as a mapped address");
    let [high, low] = [u16::from_be_bytes([bytes[12], bytes[13]]), u16::from_be_bytes([bytes[14], bytes[15]])];
    for carrier in [
        Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, !high, !low),
    ] {
        assert!(!allowed(carrier.into()), "{carrier} is no ordinary address");
        // Whoever allows the carriers has not allowed what they carry.
        let open = Policy::new(
            ["::/96", "64:ff9b::/96", "2002::/16", "2001::/32"].iter().filter_map(|rule| rule.parse().ok()).collect(),
        );
        let own = u32::from(v4) <= 1 && carrier.segments()[..6] == [0; 6];
        assert!(open.judge(carrier.into()).is_err() || allowed(v4.into()) || own, "{carrier} leads to {v4}");
    }
    let Ok(rule) = String::from_utf8_lossy(rule).parse::<AllowRule>() else { return };
    assert_eq!(rule.to_string().parse::<AllowRule>().as_ref(), Ok(&rule), "written and read back");
    let policy = Policy::new(vec![rule.clone()]);
    for address in [IpAddr::from(v4), IpAddr::from(v6)] {
        let named =
            matches!(&rule, AllowRule::Subnet(subnet) if subnet.contains(&address) || subnet.contains(&address.to_canonical()));
        let carried = embedded(address).is_some();
        assert!(policy.judge(address).is_err() || allowed(address) || named || carried, "{rule} allows {address}");
    }
}

/// The parts of an input: what comes before the first, the second and the third line's end.
fn parts(data: &[u8]) -> [&[u8]; 4] {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    [(); 4].map(|()| lines.next().unwrap_or_default())
}

/// A secret (first line) is put in the places of its placeholders in a URL's rest (second), a header (third) and a body: for a
/// granted host only, and in such a way that a reader finds it in that place and nothing else changed.
pub fn substitution(data: &[u8]) {
    let [secret, rest, header, body] = parts(data);
    let secret = String::from_utf8_lossy(secret).into_owned();
    let mut seals = Seals::new();
    let text = seals.seal(Secret::new(secret.as_str()));
    let address = seals.seal_uri(Secret::new(format!("https://granted.example/{}", hexadecimal(&secret))));
    let fill = |part: &[u8]| {
        let pieces = part.iter().map(|byte| match *byte {
            TEXT => text.clone().into_bytes(),
            URL => address.clone().into_bytes(),
            byte => vec![byte],
        });
        pieces.flatten().collect::<Vec<_>>()
    };
    let [rest, header, body] = [rest, header, body].map(fill);
    let (rest, header) = (String::from_utf8_lossy(&rest).into_owned(), String::from_utf8_lossy(&header).into_owned());
    let call = call(&["granted.example"], seals);
    let kinds = ["application/json", "application/x-www-form-urlencoded", "text/plain"];
    for (host, kind) in [("granted.example", kinds[0]), ("granted.example", kinds[1]), ("evil.example", kinds[2])] {
        let mut request = request(&format!("https://{host}/{rest}"));
        let basic = STANDARD.encode(format!("user:{header}"));
        request.headers = [("content-type", kind), ("x-told", &header), ("authorization", &format!("Basic {basic}"))]
            .map(|(name, value)| Header::new(name, value))
            .into();
        request.body = Some(body.clone());
        match judge(&call, &request) {
            Ok(prepared) => {
                assert_eq!(
                    (prepared.url.scheme(), prepared.url.host_str(), prepared.url.port()),
                    ("https", Some("granted.example"), None)
                );
                same_url(&request.url, &prepared.url, &text, &secret);
                let value = |name| prepared.headers.get(name).map(|value| value.as_bytes());
                let told = header.replace(&text, &secret);
                if !header.contains("sealed.invalid") {
                    assert_eq!(value("x-told"), Some(told.as_bytes()));
                    let credentials = value("authorization").and_then(basic_credentials).expect("credentials");
                    assert_eq!(String::from_utf8_lossy(&credentials), format!("user:{told}"));
                }
                if memchr::memmem::find(&body, b"sealed.invalid").is_none() {
                    same_body(kind, &body, &prepared.body, &text, &secret);
                }
            }
            Err(denial) => {
                // As every denial is told; what is short is not looked for.
                let message = call.redact(&denial.message);
                assert!(secret.len() < 8 || !message.contains(&secret), "{message}");
            }
        }
        assert!(host == "granted.example" || judge(&call, &request).is_err(), "nothing goes to {host}");
    }
}

fn hexadecimal(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// A URL's query has the same fields, with the secret in the places of its placeholder.
fn same_url(asked: &str, sent: &Url, text: &str, secret: &str) {
    let Ok(asked) = Url::parse(asked) else { return };
    if asked.as_str().contains("sealed.invalid") {
        return;
    }
    let query = |url: &Url| url.query().unwrap_or_default().to_owned();
    same_fields(query(&asked).as_bytes(), query(sent).as_bytes(), text, secret);
    let segments = |url: &Url| url.path_segments().map_or(0, Iterator::count);
    // A secret that is a dot, or two, stands for a folder's name, which URLs do without.
    if !matches!(secret, "" | "." | "..") {
        assert_eq!(segments(sent), segments(&asked), "{asked}");
    }
}

/// A form has the same fields, with the secret in the places of its placeholder. A field without name and value is none: it is what
/// an empty secret may leave.
fn same_fields(asked: &[u8], sent: &[u8], text: &str, secret: &str) {
    let fields = |form: &[u8]| {
        let fields = url::form_urlencoded::parse(form);
        fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect::<Vec<_>>()
    };
    let expected = fields(asked).into_iter().map(|(name, value)| (name.replace(text, secret), value.replace(text, secret)));
    let some = |(name, value): &(String, String)| !(name.is_empty() && value.is_empty());
    let sent: Vec<_> = fields(sent).into_iter().filter(some).collect();
    assert_eq!(sent, expected.filter(some).collect::<Vec<_>>(), "{}", String::from_utf8_lossy(asked));
}

/// A reader finds the same in the body, with the secret in the places of its placeholder.
fn same_body(kind: &str, asked: &[u8], sent: &[u8], text: &str, secret: &str) {
    if kind == "application/x-www-form-urlencoded" {
        same_fields(asked, sent, text, secret);
    } else if let Ok(asked) = serde_json::from_slice::<Value>(asked) {
        let sent: Value = serde_json::from_slice(sent).expect("what was JSON is JSON");
        assert_eq!(sent, replace(asked, text, secret));
    }
}

fn replace(value: Value, text: &str, secret: &str) -> Value {
    match value {
        Value::String(found) => Value::String(found.replace(text, secret)),
        Value::Array(items) => items.into_iter().map(|item| replace(item, text, secret)).collect(),
        Value::Object(map) => {
            map.into_iter().map(|(key, value)| (key.replace(text, secret), replace(value, text, secret))).collect()
        }
        other => other,
    }
}

/// A secret (first line) is taken out of what comes back (the rest, where it stands in the places of the marks): nothing of it is
/// left there in its usual forms, wherever the text is cut.
pub fn redaction(data: &[u8]) {
    let [secret, rest] = {
        let mut lines = data.splitn(2, |byte| *byte == b'\n');
        [(); 2].map(|()| lines.next().unwrap_or_default())
    };
    let secret = String::from_utf8_lossy(secret).into_owned();
    // What is short, or a part of the mark itself, is found anywhere.
    if secret.len() < 8 || secret.trim().len() < 8 || "[secret][secret]".contains(secret.trim()) {
        return;
    }
    let mut seals = Seals::new();
    let placeholder = seals.seal(Secret::new(secret.as_str()));
    let mut forms: Vec<(u8, Vec<u8>)> = vec![
        (1, secret.clone().into_bytes()),
        (2, STANDARD.encode(&secret).into_bytes()),
        (3, hexadecimal(&secret).into_bytes()),
        (4, url::form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>().into_bytes()),
        (5, crate::substitute::json_escaped(&secret).into_bytes()),
    ];
    forms.push((6, placeholder.clone().into_bytes()));
    let told: Vec<u8> = rest
        .iter()
        .flat_map(|byte| forms.iter().find(|(mark, _)| mark == byte).map_or_else(|| vec![*byte], |(_, form)| form.clone()))
        .collect();
    let clean = seals.redact_bytes(&told);
    let masked = seals.mask(&told);
    let holds = |text: &[u8], form: &[u8]| {
        // Texts on both sides of a mark may happen to make the secret together with it; they are looked at apart.
        let marks = memchr::memmem::find_iter(text, b"[secret]");
        let mut from = 0;
        let mut pieces: Vec<&[u8]> = Vec::new();
        for at in marks {
            pieces.push(&text[from..at]);
            from = at + "[secret]".len();
        }
        pieces.push(&text[from..]);
        pieces.iter().any(|piece| memchr::memmem::find(piece, form).is_some())
    };
    for (mark, form) in &forms[..5] {
        assert!(!holds(&clean, form), "form {mark} is left");
        assert!(!holds(&masked, form), "form {mark} is left in a record");
    }
    assert!(!holds(&masked, placeholder.as_bytes()), "a record shows no placeholder");
    for most in [0, 1, told.len() / 3, told.len() / 2, told.len().saturating_sub(1), told.len()] {
        let beginning = seals.redact_beginning(&told, most);
        let beginning = &beginning[..beginning.len().min(most)];
        assert!(!holds(beginning, secret.as_bytes()), "cut at {most}");
        // Nor does its beginning stay there, unless something else begins like it.
        let part = &secret.as_bytes()[..6];
        assert!(memchr::memmem::find(&clean, part).is_some() || memchr::memmem::find(beginning, part).is_none(), "cut at {most}");
    }
}
