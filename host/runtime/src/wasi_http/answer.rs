//! From the broker's answer to a component's.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use postern_egress::Response;
use std::future::ready;
use wasmtime_wasi_http::{Error, WasiBody};

/// The answer, its body served from memory. A body that was cut ends with an error, so that nobody takes a part for the whole.
///
/// # Errors
/// A sentence for the provider's author.
pub(super) fn from_broker(answer: Response) -> Result<http::Response<WasiBody>, String> {
    let size = answer.body.len();
    let mut response = http::Response::new(body(answer.body, answer.truncated));
    *response.status_mut() = http::StatusCode::from_u16(answer.status)
        .map_err(|_| format!("The answer has the status {}, which is none.", answer.status))?;
    for header in answer.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(header.value.as_bytes())) else {
            return Err("The answer has a header that cannot be written as HTTP.".to_owned());
        };
        response.headers_mut().append(name, value);
    }
    // Taking a secret out changes a body's length. An empty one may be the answer to HEAD, whose length is another's.
    if size > 0 && !answer.truncated && response.headers().contains_key(CONTENT_LENGTH) {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(size));
    }
    Ok(response)
}

fn body(bytes: Vec<u8>, truncated: bool) -> WasiBody {
    let size = bytes.len() as u64;
    let end = truncated.then_some(Err(Error::HttpResponseBodySize(Some(size))));
    Full::new(Bytes::from(bytes)).map_err(Error::from).with_trailers(ready(end)).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_egress::Header;

    fn answer(body: &str, truncated: bool) -> Response {
        let headers = vec![Header::new("content-length", "99"), Header::new("x-a", "1"), Header::new("x-a", "é")];
        Response { status: 201, headers, body: body.into(), truncated }
    }

    #[tokio::test]
    async fn a_body_is_served_whole_with_its_own_length() {
        let response = from_broker(answer("[secret]", false)).unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["content-length"], "8");
        assert_eq!(response.headers().get_all("x-a").iter().count(), 2);
        let collected = response.into_body().collect().await.unwrap();
        assert!(collected.trailers().is_none());
        assert_eq!(collected.to_bytes(), "[secret]");
    }

    #[tokio::test]
    async fn a_body_that_was_cut_ends_with_an_error() {
        let response = from_broker(answer("abc", true)).unwrap();
        assert_eq!(response.headers()["content-length"], "99", "its true length, as the receiver told it");
        let mut body = response.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
        assert!(matches!(body.frame().await, Some(Err(Error::HttpResponseBodySize(Some(3))))));
    }
}
