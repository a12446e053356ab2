//! A document in the Atlassian Document Format, put together within a limit:
//! <https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/>.
//!
//! Whatever is asked for, what comes out is what Jira's nodes allow: list items and quotes hold paragraphs, lists and code,
//! headings are bold paragraphs in them, and nothing is nested deeper than [`DEEPEST`].

use postern_provider::text::MARK;
use serde_json::{Map, Value, json};

/// Descriptions and comments: 32,767 characters (`CONTENT_LIMIT_EXCEEDED`, JRACLOUD-78553).
///
/// What Jira counts is not documented, so this is the careful side: punctuation counts twice, as if it were escaped, and
/// blocks and marks count too.
pub(crate) const LIMIT: usize = 32_767;

/// What a block or a mark counts.
const STRUCTURE: usize = 4;

/// Lists and quotes in one another. No message for people is deeper.
const DEEPEST: usize = 6;

/// The longest link, in bytes.
const LONGEST_LINK: usize = 2048;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Document,
    Paragraph,
    Heading(u8),
    BulletList,
    OrderedList(u64),
    Item,
    Quote,
    Code(Option<String>),
    /// Not a node of its own: its content goes to the node around it.
    Through,
}

/// How a text looks. `code` goes with a link only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) strong: bool,
    pub(crate) emphasis: bool,
    pub(crate) strike: bool,
    pub(crate) code: bool,
    pub(crate) link: Option<String>,
}

impl Style {
    pub(crate) fn strong() -> Self {
        Self { strong: true, ..Self::default() }
    }

    pub(crate) fn emphasis() -> Self {
        Self { emphasis: true, ..Self::default() }
    }

    fn marks(&self) -> Vec<Value> {
        let plain = [("strong", self.strong), ("em", self.emphasis), ("strike", self.strike)];
        let mut marks: Vec<_> = match self.code {
            true => vec![json!({ "type": "code" })],
            false => plain.into_iter().filter(|(_, set)| *set).map(|(name, _)| json!({ "type": name })).collect(),
        };
        if let Some(link) = &self.link {
            marks.push(json!({ "type": "link", "attrs": { "href": link } }));
        }
        marks
    }
}

struct Node {
    block: Block,
    /// Whether it stands for a heading where there can be none.
    bold: bool,
    /// Whether it was opened for a text that had no paragraph.
    implied: bool,
    content: Vec<Value>,
}

pub(crate) struct Document {
    open: Vec<Node>,
    left: usize,
    /// Whether something did not fit: nothing is added any more.
    full: bool,
    marked: bool,
    /// Blocks that were opened since.
    ignored: usize,
}

impl Document {
    pub(crate) fn new() -> Self {
        let root = Node { block: Block::Document, bold: false, implied: false, content: Vec::new() };
        // Room for the mark.
        Self { open: vec![root], left: LIMIT - 4 * STRUCTURE, full: false, marked: false, ignored: 0 }
    }

    /// Opens a block, or what can stand for it here.
    pub(crate) fn open(&mut self, block: Block) {
        self.end_implied();
        if !self.spend() {
            self.ignored += 1;
            return;
        }
        let around = self.around();
        let inside = matches!(around, Block::Item | Block::Quote);
        let deep = self.open.iter().filter(|node| matches!(node.block, Block::Item | Block::Quote)).count() >= DEEPEST;
        let is_list = matches!(around, Block::BulletList | Block::OrderedList(_));
        let (block, bold) = match block {
            Block::Heading(_) if inside => (Block::Paragraph, true),
            Block::Quote if inside || deep => (Block::Through, false),
            Block::BulletList | Block::OrderedList(_) if deep => (Block::Through, false),
            Block::Item if !is_list => (Block::Through, false),
            block => (block, false),
        };
        self.open.push(Node { block, bold, implied: false, content: Vec::new() });
    }

    /// Closes the block that was opened last.
    pub(crate) fn close(&mut self) {
        if self.ignored > 0 {
            self.ignored -= 1;
            return;
        }
        self.end_implied();
        self.pop();
    }

    /// A block with one text.
    pub(crate) fn paragraph(&mut self, text: &str, style: &Style) {
        self.open(Block::Paragraph);
        self.lines(text, style);
        self.close();
    }

    /// A text whose lines stay lines.
    pub(crate) fn lines(&mut self, text: &str, style: &Style) {
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                self.line_break();
            }
            self.text(line.trim_end_matches('\r'), style);
        }
    }

    /// A text of plain paragraphs, with blank lines between them.
    pub(crate) fn paragraphs(&mut self, text: &str) {
        let mut lines = text.lines().peekable();
        while lines.peek().is_some() {
            let paragraph: Vec<_> = lines.by_ref().take_while(|line| !line.trim().is_empty()).collect();
            if !paragraph.is_empty() {
                self.paragraph(&paragraph.join("\n"), &Style::default());
            }
        }
    }

    /// Text inside the block; what does not fit is cut, with a mark.
    pub(crate) fn text(&mut self, text: &str, style: &Style) {
        if self.full || text.is_empty() {
            return;
        }
        let in_code = matches!(self.top().block, Block::Code(_));
        if !in_code {
            self.imply_paragraph();
        }
        let style = if in_code { Style::default() } else { Style { strong: style.strong || self.top().bold, ..style.clone() } };
        let marks = style.marks();
        let extra = marks.len() * STRUCTURE + style.link.as_deref().map_or(0, str::len);
        let room = self.left.saturating_sub(extra);
        let mut used = 0;
        let end = text.char_indices().find_map(|(at, character)| {
            used += cost(character);
            (used > room).then_some(at)
        });
        let shown = match end {
            None => text.to_owned(),
            Some(end) => {
                (self.full, self.marked) = (true, true);
                format!("{}{MARK}", &text[..end])
            }
        };
        self.left = room.saturating_sub(used);
        let mut node = json!({ "type": "text", "text": shown });
        if !marks.is_empty() {
            node["marks"] = marks.into();
        }
        let content = &mut self.top_mut().content;
        match content.last_mut() {
            Some(last) if last["type"] == "text" && last.get("marks") == node.get("marks") => {
                if let Some(Value::String(before)) = last.get_mut("text") {
                    before.push_str(&shown);
                }
            }
            _ => content.push(node),
        }
    }

    pub(crate) fn line_break(&mut self) {
        if matches!(self.top().block, Block::Code(_)) {
            self.text("\n", &Style::default());
        } else if !self.top().content.is_empty() && self.spend() {
            self.imply_paragraph();
            self.top_mut().content.push(json!({ "type": "hardBreak" }));
        }
    }

    /// A line across. Lists and quotes have none.
    pub(crate) fn rule(&mut self) {
        self.end_implied();
        if *self.around() == Block::Document && self.spend() {
            self.top_mut().content.push(json!({ "type": "rule" }));
        }
    }

    /// How much can still be written.
    pub(crate) fn room(&self) -> usize {
        self.left
    }

    pub(crate) fn finish(mut self) -> Value {
        while self.open.len() > 1 {
            self.pop();
        }
        let mut content = self.open.pop().map(|root| root.content).unwrap_or_default();
        if self.full && !self.marked {
            content.push(json!({ "type": "paragraph", "content": [{ "type": "text", "text": MARK.to_string() }] }));
        }
        json!({ "type": "doc", "version": 1, "content": content })
    }

    /// Whether there is room for one more node. Without, the document is full.
    fn spend(&mut self) -> bool {
        self.full |= self.left < STRUCTURE;
        self.left = self.left.saturating_sub(STRUCTURE);
        !self.full
    }

    fn top(&self) -> &Node {
        self.open.last().unwrap_or_else(|| unreachable!("the document itself stays open"))
    }

    fn top_mut(&mut self) -> &mut Node {
        self.open.last_mut().unwrap_or_else(|| unreachable!("the document itself stays open"))
    }

    /// The innermost node that will be one.
    fn around(&self) -> &Block {
        self.open.iter().rev().map(|node| &node.block).find(|block| **block != Block::Through).unwrap_or(&Block::Document)
    }

    fn imply_paragraph(&mut self) {
        if !matches!(self.top().block, Block::Paragraph | Block::Heading(_)) {
            self.open.push(Node { block: Block::Paragraph, bold: false, implied: true, content: Vec::new() });
        }
    }

    fn end_implied(&mut self) {
        if self.top().implied {
            self.pop();
        }
    }

    /// Puts the innermost node into the one around it.
    fn pop(&mut self) {
        if self.open.len() < 2 {
            return;
        }
        let Some(Node { block, mut content, .. }) = self.open.pop() else { return };
        while content.last().is_some_and(|last| last["type"] == "hardBreak") {
            content.pop();
        }
        if let (Block::Code(_), [Value::Object(text)]) = (&block, content.as_mut_slice()) {
            // Its last line's end.
            let trimmed = text["text"].as_str().unwrap_or_default().trim_end_matches('\n').to_owned();
            text.insert("text".into(), trimmed.into());
        }
        content.retain(|node| node["text"] != "");
        let empty_paragraph = || json!({ "type": "paragraph", "content": [] });
        let (kind, attributes) = match block {
            Block::Through | Block::Document => return self.top_mut().content.extend(content),
            Block::Paragraph => ("paragraph", None),
            Block::Heading(level) => ("heading", Some(json!({ "level": level }))),
            Block::BulletList => ("bulletList", None),
            Block::OrderedList(first) => ("orderedList", Some(json!({ "order": first }))),
            Block::Quote => ("blockquote", None),
            Block::Code(language) => ("codeBlock", language.map(|language| json!({ "language": language }))),
            Block::Item => {
                if content.first().is_none_or(|first| first["type"] != "paragraph" && first["type"] != "codeBlock") {
                    content.insert(0, empty_paragraph());
                }
                ("listItem", None)
            }
        };
        if content.is_empty() {
            return;
        }
        let mut node = Map::new();
        node.insert("type".into(), kind.into());
        node.extend(attributes.map(|attributes| ("attrs".to_owned(), attributes)));
        node.insert("content".into(), content.into());
        self.top_mut().content.push(node.into());
    }
}

/// What a character counts.
fn cost(character: char) -> usize {
    character.len_utf16() + usize::from(character.is_ascii_punctuation())
}

/// A link that may be followed: the web's and mail's.
pub(crate) fn link(url: &str) -> Option<String> {
    let scheme = url.split_once(':')?.0.to_ascii_lowercase();
    let good = matches!(scheme.as_str(), "http" | "https" | "mailto") && url.len() <= LONGEST_LINK;
    (good && !url.contains(|c: char| c.is_whitespace() || c.is_control())).then(|| url.to_owned())
}
