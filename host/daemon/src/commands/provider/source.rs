//! Where a component comes from: a file, or a URL that this command fetches.
//!
//! The daemon fetches nothing that a caller names: it would be a way into its network. Whoever runs the command is where
//! they are, sees what they get, and the daemon has one way in, the upload.

use anyhow::{Context, Result, bail};
use reqwest::{Response, StatusCode, Url, header};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The largest component that is fetched, as the API takes it: 64 MiB.
const LARGEST: usize = 64 << 20;
/// The largest signature, as the daemon takes it: 4 KiB.
const LARGEST_SIGNATURE: usize = 4 << 10;
/// How long a fetch may take: 2 minutes.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How many redirects are followed: release pages have one or two.
const REDIRECTS: usize = 5;

/// A component to offer.
pub(super) struct Offered {
    pub(super) component: Vec<u8>,
    pub(super) signature: Option<String>,
}

/// Reads a component, with the signature beside it if there is one.
pub(super) async fn read(source: &str, digest: Option<&str>, signature: Option<&Path>) -> Result<Offered> {
    let url = Url::parse(source).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    let (component, beside) = match &url {
        Some(url) => {
            let component = fetch(url, LARGEST, digest.is_some()).await?.with_context(|| format!("there is nothing at {url}"))?;
            let beside = if signature.is_none() { fetch(&beside(url), LARGEST_SIGNATURE, true).await? } else { None };
            (component, beside)
        }
        None => {
            let beside = PathBuf::from(format!("{source}.minisig"));
            let beside = if signature.is_none() && beside.is_file() { Some(file(&beside)?) } else { None };
            (file(Path::new(source))?, beside)
        }
    };
    if let Some(wanted) = digest {
        let found = postern_runtime::digest(&component);
        if !found.eq_ignore_ascii_case(wanted.trim()) {
            bail!("the SHA-256 of {source} is {found}, not {wanted}; nothing was added");
        }
    }
    let signature = match signature {
        Some(path) => Some(file(path)?),
        None => beside,
    };
    let signature = signature.map(String::from_utf8).transpose().context("the signature is no text")?;
    Ok(Offered { component, signature })
}

fn file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Where a component's signature is.
fn beside(url: &Url) -> Url {
    let mut beside = url.clone();
    beside.set_path(&format!("{}.minisig", url.path()));
    beside
}

/// What is at a URL; none if there is nothing. `verified`: what comes is checked by other means than TLS.
async fn fetch(url: &Url, most: usize, verified: bool) -> Result<Option<Vec<u8>>> {
    let client = postern_egress::own_client(TIMEOUT)?;
    let mut url = url.clone();
    for _ in 0..=REDIRECTS {
        if url.scheme() != "https" && !verified && !is_local(&url) {
            bail!(
                "{url} has no TLS, so anybody on the way could change the component; use https, or say with --digest what it is"
            );
        }
        let response = client.get(url.clone()).send().await.with_context(|| format!("{url} cannot be fetched"))?;
        match response.status() {
            StatusCode::OK => return body(response, most).await.with_context(|| format!("{url} cannot be fetched")).map(Some),
            StatusCode::NOT_FOUND => return Ok(None),
            status if status.is_redirection() => {
                let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
                let to = to.and_then(|to| url.join(to).ok()).filter(|to| ["http", "https"].contains(&to.scheme()));
                url = to.with_context(|| format!("{url} answered {status} and leads nowhere"))?;
            }
            status => bail!("{url} answered {status}"),
        }
    }
    bail!("{url} is behind more than {REDIRECTS} redirects")
}

async fn body(mut response: Response, most: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > most {
            bail!("it has more than {most} bytes");
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Whether nobody is on the way.
fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_beside_the_path_and_this_machine_needs_no_tls() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert_eq!(beside(&url("https://a.example/x.wasm?v=1")).as_str(), "https://a.example/x.wasm.minisig?v=1");
        assert!(["http://127.0.0.1:8/x", "http://[::1]/x", "http://localhost/x"].iter().all(|text| is_local(&url(text))));
        assert!(!is_local(&url("http://127.0.0.1.example/x")));
    }

    #[tokio::test]
    async fn what_comes_without_tls_must_be_known() {
        let refused = fetch(&Url::parse("http://192.0.2.1/x.wasm").unwrap(), 1, false).await.unwrap_err();
        assert!(refused.to_string().contains("--digest"), "{refused}");
    }
}
