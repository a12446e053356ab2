//! Where an answer leads: the header `Link`, RFC 8288 section 3.

/// The target of the first link with this relation. A header that is written wrongly leads nowhere.
pub(super) fn find<'a>(header: &'a str, relation: &str) -> Option<&'a str> {
    let mut rest = header;
    while let Some((_, link)) = rest.split_once('<') {
        let (target, behind) = link.split_once('>')?;
        // A comma may stand in a URL, so a link ends where the next one begins.
        let (parameters, next) = behind.split_at(behind.find('<').unwrap_or(behind.len()));
        if parameters.split(';').any(|parameter| is_relation(parameter, relation)) {
            return Some(target.trim());
        }
        rest = next;
    }
    None
}

/// Whether it is `rel` with this name among its values.
fn is_relation(parameter: &str, relation: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let value = value.trim_matches(|c: char| c.is_whitespace() || c == ',' || c == '"');
    name.trim().eq_ignore_ascii_case("rel") && value.split_whitespace().any(|one| one.eq_ignore_ascii_case(relation))
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn the_next_page_is_found_among_others() {
        let header = r#"<https://a.example/x?page=1,2>; rel="prev", <https://a.example/x?page=3>; title="3"; rel="next last""#;
        assert_eq!(find(header, "next"), Some("https://a.example/x?page=3"));
        assert_eq!(find(header, "last"), Some("https://a.example/x?page=3"));
        assert_eq!(find(header, "prev"), Some("https://a.example/x?page=1,2"));
        assert_eq!(find(header, "first"), None);
        assert_eq!(find("<https://a.example/>;REL=Next", "next"), Some("https://a.example/"));
    }

    #[test]
    fn what_is_no_link_leads_nowhere() {
        for header in
            ["", "next", "<https://a.example/", "<https://a.example/>", "<https://a.example/>; rel", r#"<x>; title="next""#]
        {
            assert_eq!(find(header, "next"), None, "{header}");
        }
    }
}
