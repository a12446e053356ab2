//! Markdown (CommonMark, with `~~strike~~`) as a document. Lines stay lines, images become links, and HTML is text.

use crate::document::{Block, Document, LIMIT, Style, link};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// How much of a text is read, in bytes: what stands behind it can hardly fit.
const LONGEST: usize = 4 * LIMIT;

/// Appends what a Markdown text says.
pub(crate) fn write(markdown: &str, document: &mut Document) {
    let markdown = &markdown[..markdown.floor_char_boundary(LONGEST)];
    let mut writer = Writer { document, strong: 0, emphasis: 0, strike: 0, links: Vec::new() };
    for event in Parser::new_ext(markdown, Options::ENABLE_STRIKETHROUGH) {
        writer.event(event);
    }
}

struct Writer<'a> {
    document: &'a mut Document,
    strong: usize,
    emphasis: usize,
    strike: usize,
    links: Vec<Link>,
}

struct Link {
    target: Option<String>,
    url: String,
    /// The document's room when it began: whether it has got a text.
    room: usize,
}

impl Writer<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.document.lines(&text, &self.style()),
            Event::Code(code) => self.document.text(&code, &Style { code: true, ..self.style() }),
            Event::Html(html) | Event::InlineHtml(html) => self.document.lines(&html, &self.style()),
            Event::SoftBreak | Event::HardBreak => self.document.line_break(),
            Event::Rule => self.document.rule(),
            // Not asked for by the parser's options.
            Event::InlineMath(_) | Event::DisplayMath(_) | Event::FootnoteReference(_) | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.document.open(Block::Paragraph),
            Tag::Heading { level, .. } => self.document.open(Block::Heading(level as u8)),
            Tag::BlockQuote(_) => self.document.open(Block::Quote),
            Tag::CodeBlock(kind) => self.document.open(Block::Code(language(&kind))),
            Tag::List(None) => self.document.open(Block::BulletList),
            Tag::List(Some(first)) => self.document.open(Block::OrderedList(first)),
            Tag::Item => self.document.open(Block::Item),
            Tag::Emphasis => self.emphasis += 1,
            Tag::Strong => self.strong += 1,
            Tag::Strikethrough => self.strike += 1,
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                let room = self.document.room();
                self.links.push(Link { target: link(&dest_url), url: dest_url.into_string(), room });
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph
            | TagEnd::HtmlBlock
            | TagEnd::Heading(_)
            | TagEnd::BlockQuote(_)
            | TagEnd::CodeBlock
            | TagEnd::List(_)
            | TagEnd::Item => self.document.close(),
            TagEnd::Emphasis => self.emphasis -= 1,
            TagEnd::Strong => self.strong -= 1,
            TagEnd::Strikethrough => self.strike -= 1,
            TagEnd::Link | TagEnd::Image => {
                let style = self.style();
                if let Some(link) = self.links.pop()
                    && link.room == self.document.room()
                {
                    self.document.text(&link.url, &style);
                }
            }
            _ => {}
        }
    }

    fn style(&self) -> Style {
        Style {
            strong: self.strong > 0,
            emphasis: self.emphasis > 0,
            strike: self.strike > 0,
            code: false,
            link: self.links.iter().rev().find_map(|link| link.target.clone()),
        }
    }
}

/// The first word behind the fence, if it can name a language.
fn language(kind: &CodeBlockKind<'_>) -> Option<String> {
    let CodeBlockKind::Fenced(information) = kind else { return None };
    let word = information.split_whitespace().next()?;
    let good = word.len() <= 32 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-#._".contains(&byte));
    good.then(|| word.to_owned())
}
