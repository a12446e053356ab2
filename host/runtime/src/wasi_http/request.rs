//! From a component's request to the broker's.

use http_body_util::BodyExt as _;
use postern_egress::{Header, Request, Timeouts};
use wasmtime_wasi_http::p2::bindings::http::types::{Method, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{Error, RequestOptions};

/// Everything but the body.
///
/// # Errors
/// A sentence for the provider's author.
pub(super) fn head(request: &HostOutgoingRequest, options: Option<RequestOptions>) -> Result<Request, String> {
    let mut headers = Vec::with_capacity(request.headers.len());
    for (name, value) in request.headers.iter() {
        // It was compared with the body when that was finished, and the broker sets its own.
        if name == http::header::CONTENT_LENGTH {
            continue;
        }
        let value = std::str::from_utf8(value.as_bytes())
            .map_err(|_| format!("The value of the header `{name}` is no UTF-8. The host sends text only."))?;
        headers.push(Header::new(name.as_str(), value));
    }
    let patient = options.is_some_and(|options| options.first_byte_timeout.or(options.between_bytes_timeout).is_some());
    Ok(Request {
        method: method(&request.method).to_owned(),
        url: url(request)?,
        headers,
        body: None,
        // Who bounds the parts of an exchange may take the longest time for the whole, which the broker sees to.
        timeout_milliseconds: patient.then_some(u32::MAX),
        // Stock clients follow redirects themselves.
        redirects: None,
    })
}

/// Without a scheme it is `https`.
fn url(request: &HostOutgoingRequest) -> Result<String, String> {
    let scheme = match &request.scheme {
        None | Some(Scheme::Https) => "https",
        Some(Scheme::Http) => "http",
        Some(Scheme::Other(scheme)) => scheme,
    };
    // What follows would be taken for the host in its place.
    let Some(authority) = request.authority.as_deref().filter(|authority| !authority.is_empty()) else {
        return Err("The request has no authority, which is the host with its port.".to_owned());
    };
    Ok(format!("{scheme}://{authority}{}", request.path_with_query.as_deref().unwrap_or("/")))
}

fn method(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(method) => method,
    }
}

/// The bounds that the component sets to the parts of the exchange.
pub(super) fn timeouts(options: Option<RequestOptions>) -> Timeouts {
    options.map_or_else(Timeouts::default, |options| {
        Timeouts::new(options.connect_timeout, options.first_byte_timeout, options.between_bytes_timeout)
    })
}

/// The whole body; of one that is too large, one byte more than is allowed, which the broker then refuses. What comes after
/// is read and forgotten.
///
/// # Errors
/// A sentence for the provider's author.
pub(super) async fn body(mut body: HyperOutgoingBody, most: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut trailers = false;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error {
            Error::HttpProtocolError => "The request's body was dropped before it was finished.".to_owned(),
            error => format!("The request's body cannot be read: {error}."),
        })?;
        match frame.into_data() {
            Ok(data) => {
                let room = most.saturating_add(1).saturating_sub(bytes.len());
                bytes.extend_from_slice(&data[..data.len().min(room)]);
            }
            Err(_) => trailers = true,
        }
    }
    if trailers {
        return Err("A request's trailers are not supported. Send them as headers.".to_owned());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::Full;
    use std::time::Duration;
    use wasmtime_wasi_http::FieldMap;

    fn request(headers: &[(&'static str, &'static [u8])]) -> HostOutgoingRequest {
        let mut map = FieldMap::new_mutable(10_000);
        for (name, value) in headers {
            map.append_raw(http::HeaderName::from_static(name), http::HeaderValue::from_bytes(value).unwrap()).unwrap();
        }
        HostOutgoingRequest {
            method: Method::Put,
            scheme: None,
            authority: Some("example.com:8443".into()),
            path_with_query: Some("/a%20b?c=d".into()),
            headers: map,
            body: None,
        }
    }

    #[test]
    fn a_head_is_taken_as_it_is_but_for_the_length() {
        let head = head(&request(&[("x-one", b"1"), ("x-one", b"2"), ("content-length", b"7")]), None).unwrap();
        assert_eq!((head.method.as_str(), head.url.as_str()), ("PUT", "https://example.com:8443/a%20b?c=d"));
        assert_eq!(head.headers, [Header::new("x-one", "1"), Header::new("x-one", "2")]);
        assert_eq!(head.timeout_milliseconds, None);
    }

    #[test]
    fn a_url_needs_a_host_and_has_defaults_for_the_rest() {
        let url = |scheme, authority: Option<&str>, path: Option<&str>| {
            let authority = authority.map(str::to_owned);
            url(&HostOutgoingRequest { scheme, authority, path_with_query: path.map(str::to_owned), ..request(&[]) })
        };
        assert_eq!(url(None, Some("a.example"), None).unwrap(), "https://a.example/");
        assert_eq!(url(Some(Scheme::Http), Some("a.example"), Some("?q")).unwrap(), "http://a.example?q");
        assert_eq!(url(Some(Scheme::Other("ftp".into())), Some("a.example"), Some("/")).unwrap(), "ftp://a.example/");
        for nobody in [None, Some("")] {
            assert!(url(None, nobody, Some("/b.example/")).unwrap_err().contains("authority"));
        }
    }

    #[test]
    fn what_is_no_text_is_refused_with_the_headers_name() {
        assert!(head(&request(&[("x-bytes", b"\xff")]), None).unwrap_err().contains("`x-bytes`"));
    }

    #[test]
    fn who_waits_for_the_first_byte_may_take_the_longest_time() {
        let options = RequestOptions { first_byte_timeout: Some(Duration::from_secs(20)), ..RequestOptions::default() };
        assert_eq!(head(&request(&[]), Some(options)).unwrap().timeout_milliseconds, Some(u32::MAX));
        let options = RequestOptions { connect_timeout: Some(Duration::from_secs(1)), ..RequestOptions::default() };
        assert_eq!(head(&request(&[]), Some(options)).unwrap().timeout_milliseconds, None);
    }

    #[tokio::test]
    async fn a_body_is_kept_up_to_one_byte_beyond_its_bound() {
        let whole = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes())).map_err(Error::from).boxed_unsync();
        assert_eq!(body(whole("abc"), 3).await.unwrap(), b"abc");
        assert_eq!(body(whole("abcdef"), 3).await.unwrap(), b"abcd");
        assert_eq!(body(whole(""), 3).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn trailers_are_refused() {
        let trailers = async { Some(Ok::<_, std::convert::Infallible>(http::HeaderMap::new())) };
        let with = Full::new(Bytes::from_static(b"abc")).with_trailers(trailers).map_err(Error::from).boxed_unsync();
        assert!(body(with, 10).await.unwrap_err().contains("trailers"));
    }
}
