//! Values inside a `TextBlock`, which reads Markdown.
//!
//! Teams on the desktop knows the backslash of CommonMark, with which the host escapes values. Teams on phones shows it, unless it
//! stands behind emphasis, and shows entities as they are (microsoft/AdaptiveCards, `MarkDownBlockParser.cpp` and
//! `MarkDownParser.cpp`; issue 5590). So marks are parted by a character without width, which keeps both from reading them. An
//! asterisk alone is a mark whatever stands beside it: it keeps its backslash.

use postern_provider::text::JOINER;

/// Escapes a character of a value: for [`escaped_anew`](postern_provider::text::escaped_anew).
pub(crate) fn escape(character: char, escaped: &mut String) {
    let line = escaped.rsplit('\n').next().unwrap_or_default();
    let begins_block = match character {
        '-' | '+' | '#' | '>' | '=' => line.trim().is_empty(),
        '.' | ')' => !line.trim().is_empty() && line.trim().bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    // Between letters an underscore is none of emphasis, so it looks as if it stood between letters.
    if begins_block || character == '_' {
        escaped.push(JOINER);
    }
    if character == '*' {
        escaped.push('\\');
    }
    escaped.push(character);
    // Escapes, links, HTML, entities, and `{{DATE(…)}}`
    // (<https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features>).
    if matches!(character, '_' | '\\' | ']' | '<' | '&' | '{') {
        escaped.push(JOINER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_provider::text::{escape_markdown, escaped, escaped_anew};
    use pulldown_cmark::{Event, Parser, Tag};

    /// What a value looks like in a template, behind what stands there.
    fn value(before: &str, text: &str) -> String {
        escaped_anew(&format!("{before}{}", escaped(text, escape_markdown)), escape)
    }

    #[test]
    fn values_of_every_day_show_no_backslash() {
        for text in [
            "db-1 (10:30) is at 97.5 %: \"full\"!",
            "#7, a/b@c?x=1",
            "C:\\temp\\a_b",
            "- a\n1. b\n+ c",
            "[x](https://a.b) <c> &lt;",
        ] {
            let shown = value("", text);
            assert_eq!(shown.replace(JOINER, ""), text);
        }
        assert_eq!(value("**Disk full** on ", "db-1: /var_log"), "**Disk full** on db-1: /var\u{2060}_\u{2060}log");
        assert_eq!(value("", "5 * 3"), "5 \\* 3");
    }

    #[test]
    fn no_value_is_read_as_markdown() {
        for text in [
            "*a* **b** _c_ __d__",
            "\\*a\\* \\_b\\_",
            "[a](https://evil.example) ![b](https://evil.example/x.png) [c]: https://evil.example",
            "- a\n- b",
            "+ a\n+ b",
            "# a\n> b\nc\n===",
            "* a\n* b",
            "1. a\n2) b",
            "&lt;b&gt; &#42;x&#42;",
            "<https://evil.example> <b>",
            "a_b_c _d e_f_",
        ] {
            let escaped = value("", text);
            let mut shown = String::new();
            for event in Parser::new(&escaped) {
                match event {
                    Event::Text(part) => shown.push_str(&part),
                    Event::SoftBreak => shown.push('\n'),
                    Event::Start(Tag::Paragraph) | Event::End(_) => {}
                    other => panic!("{text}: {other:?}"),
                }
            }
            assert_eq!(shown.replace(JOINER, ""), text);
        }
    }

    #[test]
    fn what_the_administrator_wrote_stays_markdown() {
        let text = value("**a** _b_ [c](https://example.com) {{DATE(2026-01-02T03:04:05Z)}}\n- ", "- x_");
        assert_eq!(text, "**a** _b_ [c](https://example.com) {{DATE(2026-01-02T03:04:05Z)}}\n- - x\u{2060}_\u{2060}");
    }
}
