//! From Markdown to a styled text. Telegram's own MarkdownV2 is another language, which refuses a message for one unescaped full
//! stop; administrators write the Markdown that every other provider takes.

use crate::styled::{Style, Styled};
use postern_provider::text::{escape_markdown_and_mention, escaped_anew};
use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd};

/// Schemes that a link may have. Telegram drops other links.
const SCHEMES: [&str; 3] = ["https://", "http://", "tg://"];

/// A template that the host rendered. What it escaped, the payload's values, mentions nobody.
pub(crate) fn styled(markdown: &str) -> Styled {
    let markdown = escaped_anew(markdown, escape_markdown_and_mention);
    let mut writer = Writer::default();
    Parser::new_ext(&markdown, Options::ENABLE_STRIKETHROUGH).for_each(|event| writer.event(event));
    writer.done.trimmed()
}

#[derive(Default)]
struct Writer {
    done: Styled,
    /// What is open: its style, if it has one, and where it began.
    open: Vec<(Option<Style>, usize)>,
    /// The lists around: the next number of each, if it has numbers.
    lists: Vec<Option<u64>>,
    /// Whether a quote or an item has just begun, so that the block in it needs no new line.
    fresh: bool,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(text) => {
                self.fresh = false;
                self.done.push_styled(Style::Code, &text);
            }
            Event::SoftBreak | Event::HardBreak => self.done.push("\n"),
            Event::Rule => {
                self.block();
                self.text("———");
            }
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        let style = match tag {
            Tag::Paragraph | Tag::HtmlBlock => return self.block(),
            Tag::List(first) => {
                if self.lists.is_empty() {
                    self.block();
                }
                return self.lists.push(first);
            }
            Tag::Item => return self.item(),
            Tag::Heading { .. } => {
                self.block();
                Some(Style::Bold)
            }
            Tag::BlockQuote(_) => {
                self.block();
                self.fresh = true;
                Some(Style::Blockquote)
            }
            Tag::CodeBlock(kind) => {
                self.block();
                Some(Style::Pre(language(&kind)))
            }
            Tag::Emphasis => Some(Style::Italic),
            Tag::Strong => Some(Style::Bold),
            Tag::Strikethrough => Some(Style::Strikethrough),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => link(&dest_url),
            _ => None,
        };
        self.open.push((style, self.done.length()));
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock | TagEnd::Item => {}
            TagEnd::List(_) => {
                self.lists.pop();
            }
            _ => {
                if let Some((Some(style), from)) = self.open.pop() {
                    self.done.style(style, from);
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.fresh = false;
        self.done.push(text);
    }

    /// A block begins: a blank line before it, or in a list a new one.
    fn block(&mut self) {
        if !self.fresh && !self.done.text.is_empty() {
            self.lines(if self.lists.is_empty() { 2 } else { 1 });
        }
        self.fresh = false;
    }

    fn item(&mut self) {
        if !self.done.text.is_empty() {
            self.lines(1);
        }
        let depth = self.lists.len().saturating_sub(1);
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{}. ", *number - 1)
            }
            _ => "• ".to_owned(),
        };
        self.text(&format!("{}{mark}", "  ".repeat(depth)));
        self.fresh = true;
    }

    /// Ends the text with at least so many line breaks.
    fn lines(&mut self, wanted: usize) {
        let there = self.done.text.len() - self.done.text.trim_end_matches('\n').len();
        (there..wanted).for_each(|_| self.done.push("\n"));
    }
}

fn language(kind: &CodeBlockKind<'_>) -> String {
    match kind {
        CodeBlockKind::Fenced(info) => info.split_whitespace().next().unwrap_or_default().to_owned(),
        CodeBlockKind::Indented => String::new(),
    }
}

fn link(url: &CowStr<'_>) -> Option<Style> {
    SCHEMES.iter().any(|scheme| url.starts_with(scheme)).then(|| Style::Link(url.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn styles_become_entities_and_marks_go() {
        let styled = styled("**Disk full.** See [the *run*book](https://example.com/a) or `df -h` ~~now~~ [x](javascript:y)");
        assert_eq!(styled.text, "Disk full. See the runbook or df -h now x");
        assert_eq!(
            styled.entities(),
            json!([
                {"type": "bold", "offset": 0, "length": 10},
                {"type": "italic", "offset": 19, "length": 3},
                {"type": "text_link", "url": "https://example.com/a", "offset": 15, "length": 11},
                {"type": "code", "offset": 30, "length": 5},
                {"type": "strikethrough", "offset": 36, "length": 3},
            ])
        );
    }

    #[test]
    fn blocks_keep_their_distance() {
        let styled =
            styled("# Title\nOne\ntwo\n\n- a\n- b\n  1. c\n  2. d\n\n> quoted\n> text\n\n```sh\nls\n```\n\n---\n<b>end</b>\n");
        assert_eq!(styled.text, "Title\n\nOne\ntwo\n\n• a\n• b\n  1. c\n  2. d\n\nquoted\ntext\n\nls\n\n———\n\n<b>end</b>");
        let all = styled.entities();
        assert_eq!(all[0], json!({"type": "bold", "offset": 0, "length": 5}));
        assert_eq!((&all[1]["type"], &all[1]["length"]), (&json!("blockquote"), &json!(11)));
        assert_eq!((&all[2]["type"], &all[2]["language"]), (&json!("pre"), &json!("sh")));
    }

    #[test]
    fn what_the_host_escaped_is_text_and_mentions_nobody() {
        let styled = styled(r"@oncall: \*\*\@all\*\* \[x\]\(https\:\/\/evil\.example\) a\@b\.c");
        assert_eq!(styled.text, "@oncall: **@\u{2060}all** [x](https://evil.example) a@b.c");
        assert_eq!(styled.entities(), Value::Array(Vec::new()));
        assert_eq!(super::styled(" \n").text, "");
    }
}
