//! Fakes of targets: what they are asked, and what they answer.

use crate::http::{Error, Request, Response};
use serde_json::Value;

/// A target inside the test. Write it from the vendor's documentation, with the state that matters there (what exists, what was
/// posted, how many calls are left), not from the provider's code.
///
/// A closure is one too.
pub trait Server {
    /// Answers a request, or fails as a network does.
    ///
    /// # Errors
    /// There is no answer.
    fn answer(&mut self, request: &Request) -> Result<Response, Error>;
}

impl<F: FnMut(&Request) -> Result<Response, Error>> Server for F {
    fn answer(&mut self, request: &Request) -> Result<Response, Error> {
        self(request)
    }
}

/// An answer.
pub fn response(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Response {
    let headers = headers.iter().map(|(name, value)| (name.to_lowercase(), (*value).to_owned())).collect();
    Response { status, headers, body: body.into(), truncated: false }
}

/// An answer in JSON, with its content type.
pub fn json_response(status: u16, headers: &[(&str, &str)], body: &Value) -> Response {
    response(status, &[headers, &[("content-type", "application/json")]].concat(), body.to_string())
}

/// A request's header, however its name is written.
pub fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// A request's body as JSON; null if it has none.
///
/// # Panics
/// When it is no JSON.
pub fn json_body(request: &Request) -> Value {
    request.body.as_deref().map_or(Value::Null, |body| serde_json::from_slice(body).expect("the body is JSON"))
}

/// A request's form fields, in order.
pub fn form_fields(request: &Request) -> Vec<(String, String)> {
    pairs(request.body.as_deref().unwrap_or_default())
}

/// The fields of a request's query, in order.
pub fn query_fields(request: &Request) -> Vec<(String, String)> {
    pairs(request.url.split_once('?').map_or("", |(_, query)| query).as_bytes())
}

/// The path of a request's URL, without the query.
pub fn url_path(request: &Request) -> &str {
    let url = request.url.split(['?', '#']).next().unwrap_or_default();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("/", |start| &rest[start..])
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;
    use crate::http::ErrorKind;
    use crate::testing::Host;

    #[derive(Default)]
    struct Counter(u32);

    impl Server for Counter {
        fn answer(&mut self, request: &Request) -> Result<Response, Error> {
            self.0 += 1;
            Ok(json_response(200, &[("X-Left", "1")], &json_body(request)))
        }
    }

    #[test]
    fn a_fake_answers_behind_the_script_and_keeps_its_state() {
        let host = Host::new();
        let counter = host.serve(Counter::default());
        host.fail(ErrorKind::Reset, "gone");
        let send = || http::post("https://example.com/a/b?x=1&y=%20").json(&[7]).send();
        assert_eq!(send().unwrap_err().kind, ErrorKind::Reset);
        let response = send().unwrap();
        assert_eq!((response.header("x-left"), response.text().as_ref()), (Some("1"), "[7]"));
        assert_eq!(counter.borrow().0, 1);
        let request = &host.requests()[1];
        assert_eq!((url_path(request), header(request, "content-type")), ("/a/b", Some("application/json")));
        assert_eq!(query_fields(request)[1], ("y".to_owned(), " ".to_owned()));
        assert_eq!(form_fields(&http::post("https://x").form([("a", "ä b")])), [("a".to_owned(), "ä b".to_owned())]);
        assert_eq!(url_path(&http::get("https://x?y=/z")), "/");
    }
}
