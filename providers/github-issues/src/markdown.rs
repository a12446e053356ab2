//! Texts inside GitHub's Markdown: <https://github.github.com/gfm/>.
//!
//! A backslash keeps GitHub from reading markup, but not from reading mentions and references, which it looks for in what was
//! rendered (github/markup issue 1168, github/cmark-gfm issue 181). In code it looks for none.

use postern_provider::text::{JOINER, escape_markdown_and_mention, one_line};

/// A text as code in a line.
pub(crate) fn code(text: &str) -> String {
    let text = one_line(text);
    let fence = "`".repeat(longest_run(&text) + 1);
    // A backtick at the end would belong to the fence. One space at each end is not shown.
    let space = if text.contains('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// A text of several lines as code.
pub(crate) fn code_block(text: &str) -> String {
    let fence = "`".repeat((longest_run(text) + 1).max(3));
    format!("{fence}text\n{text}\n{fence}")
}

/// Escapes a value: nothing in it is markup, a mention or a reference (`#7`, `acme/ops#7`, `GH-7`).
pub(crate) fn escape(character: char, escaped: &mut String) {
    let refers = character == '#' || (character == '-' && ends_with_gh(escaped));
    escape_markdown_and_mention(character, escaped);
    if refers {
        escaped.push(JOINER);
    }
}

fn ends_with_gh(text: &str) -> bool {
    text.len().checked_sub(2).and_then(|start| text.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case("gh"))
}

fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_provider::text::escaped;

    #[test]
    fn code_ends_where_its_text_ends() {
        assert_eq!(code("@ada #7"), "`@ada #7`");
        assert_eq!(code("a\n`b``"), "``` a `b`` ```");
        assert_eq!(code(""), "`  `");
        assert_eq!(code_block("a\n```\nb"), "````text\na\n```\nb\n````");
        assert_eq!(code_block("a"), "```text\na\n```");
    }

    #[test]
    fn a_value_mentions_nobody_and_refers_to_nothing() {
        let escape = |text| escaped(text, escape);
        assert_eq!(escape("@ada a@b.c"), "\\@\u{2060}ada a\\@b\\.c");
        assert_eq!(escape("#7 acme/ops#7"), "\\#\u{2060}7 acme\\/ops\\#\u{2060}7");
        assert_eq!(escape("GH-7 gh-7 x-7"), "GH\\-\u{2060}7 gh\\-\u{2060}7 x\\-7");
        assert_eq!(escape("äh-7 -"), "äh\\-7 \\-");
    }
}
