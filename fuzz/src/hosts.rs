//! Patterns of hosts.

use crate::lines;
use postern_core::host_pattern::{HostPattern, host_of};
use url::Url;

/// Reads a pattern (first line), and asks whether a URL fits (second line), whose host may depend on a field's text (third).
pub fn host_pattern(data: &[u8]) {
    let [pattern, url, field] = lines(data);
    let _ = host_of(&field);
    let Ok(read) = pattern.parse::<HostPattern>() else { return };
    let written = read.to_string();
    assert_eq!(written.parse::<HostPattern>().as_ref(), Ok(&read), "`{pattern}` is written `{written}`");
    let Ok(url) = Url::parse(&url) else { return };
    if !read.allows(&url, |_| Some(&field)) {
        return;
    }
    let host = url.host_str().expect("what fits has a host");
    assert!(matches!(url.scheme(), "https" | "http"), "{written} fits {url}");
    if read.is_any_host() {
        return;
    }
    let Some(_) = read.field() else {
        let name = written.trim_start_matches("http://").trim_start_matches("https://");
        let name = name.rfind(':').filter(|at| !name[*at..].contains(']')).map_or(name, |at| &name[..at]);
        let fits = match name.strip_prefix('*') {
            Some(behind) => host.ends_with(behind) && host.len() > behind.len(),
            None => host == name,
        };
        assert!(fits, "{written} fits {url}");
        return;
    };
    assert!(!read.allows(&url, |_| None), "{written} fits {url} without its field");
    match written.find("}.") {
        // One label, and nothing of what else a field might hold.
        Some(at) => {
            let behind = written[at + 1..].split(':').next().expect("a name");
            let label = host.strip_suffix(behind).expect("what stands behind the field");
            assert!(label.eq_ignore_ascii_case(&field) && !label.contains(['.', '/', '@', ':']), "{written} fits {url}");
        }
        None => {
            let wanted = Url::parse(&field).expect("a field alone holds a URL");
            assert_eq!((wanted.scheme(), wanted.host_str()), (url.scheme(), url.host_str()), "{field} and {url}");
            assert_eq!(wanted.port_or_known_default(), url.port_or_known_default(), "{field} and {url}");
        }
    }
}
