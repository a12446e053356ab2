//! Markdown as a document. Each document is one that the fake takes.

use super::{deliver, delivery, jira, plain};
use crate::fake::document;
use serde_json::{Value, json};

/// The content of the description that a template made.
fn written(markdown: &str) -> Value {
    let (_host, fake) = jira();
    deliver(delivery(json!({ "descriptionTemplate": markdown }))).unwrap_or_else(|failure| panic!("{markdown}: {failure}"));
    fake.borrow().issues[0].fields["description"]["content"].clone()
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn marked(text: &str, marks: Value) -> Value {
    json!({"type": "text", "text": text, "marks": marks})
}

fn paragraph(content: Value) -> Value {
    json!({"type": "paragraph", "content": content})
}

fn listed(items: &[Value]) -> Vec<Value> {
    items.iter().map(|item| json!({"type": "listItem", "content": item})).collect()
}

#[test]
fn blocks_become_nodes() {
    let markdown = "## Disk *full*\n\nOne\ntwo\n\n> quoted\n\n---\n\n```sh extra\ndf -h\n\nexit\n```\n\n    indented";
    let expected = json!([
        {"type": "heading", "attrs": {"level": 2}, "content": [text("Disk "), marked("full", json!([{"type": "em"}]))]},
        paragraph(json!([text("One"), {"type": "hardBreak"}, text("two")])),
        {"type": "blockquote", "content": [paragraph(json!([text("quoted")]))]},
        {"type": "rule"},
        {"type": "codeBlock", "attrs": {"language": "sh"}, "content": [text("df -h\n\nexit")]},
        {"type": "codeBlock", "content": [text("indented")]},
    ]);
    assert_eq!(written(markdown), expected);
}

#[test]
fn lists_are_nested_and_numbered() {
    let nested =
        json!({"type": "orderedList", "attrs": {"order": 3}, "content": listed(&[json!([paragraph(json!([text("b")]))])])});
    let expected = json!([{"type": "bulletList", "content": listed(&[
        json!([paragraph(json!([text("a")])), nested]),
        json!([paragraph(json!([text("c")])), paragraph(json!([text("d")]))]),
    ])}]);
    assert_eq!(written("- a\n\n  3. b\n- c\n\n  d"), expected);
    assert_eq!(written("- - x")[0]["content"][0]["content"][0], paragraph(json!([])), "an item begins with a paragraph");
}

#[test]
fn emphasis_code_and_links_become_marks() {
    let (strong, em, strike) = (json!({"type": "strong"}), json!({"type": "em"}), json!({"type": "strike"}));
    let link = |href: &str| json!({"type": "link", "attrs": {"href": href}});
    let content = |markdown: &str| written(markdown)[0]["content"].clone();
    assert_eq!(content("***a*** ~~b~~"), json!([marked("a", json!([strong, em])), text(" "), marked("b", json!([strike]))]));
    assert_eq!(content("**`x`**"), json!([marked("x", json!([{"type": "code"}]))]), "code goes with links only");
    assert_eq!(content("[`x`](https://e.com)"), json!([marked("x", json!([{"type": "code"}, link("https://e.com")]))]));
    assert_eq!(content("<mailto:a@e.com>"), json!([marked("mailto:a@e.com", json!([link("mailto:a@e.com")]))]));
    assert_eq!(content("![a graph](https://e.com/g.png)"), json!([marked("a graph", json!([link("https://e.com/g.png")]))]));
    let itself = marked("https://e.com/g.png", json!([link("https://e.com/g.png")]));
    assert_eq!(content("![](https://e.com/g.png)"), json!([itself]));
    assert_eq!(content("[x](javascript:alert(1))"), json!([text("x")]), "no link that runs");
    assert_eq!(content("a <b>c</b> &amp; \\*d\\*"), json!([text("a <b>c</b> & *d*")]), "HTML is text");
    assert_eq!(written("<div>\nx\n</div>")[0]["content"].as_array().unwrap().len(), 5);
}

#[test]
fn what_jira_does_not_nest_is_made_flat() {
    for markdown in [
        "> # heading\n> ---\n> > deeper\n> - list",
        "- # heading\n- > quote\n- ---\n-\n- ```\n  code\n  ```",
        "1. - 1. - 1. - 1. - 1. - deep",
        &format!("{}deep", ">".repeat(500)),
        &"- ".repeat(400),
        "#\n\n[](x)\n\n****\n\n```\n```",
        "",
    ] {
        let content = written(markdown);
        assert!(content.is_array(), "{markdown}");
    }
    assert_eq!(plain(&json!({"content": written("> # heading\n> > deeper")})), "headingdeeper");
}

#[test]
fn a_document_ends_with_a_mark_where_it_is_full() {
    for markdown in
        ["x".repeat(40_000), "*x*\n\n".repeat(20_000), "- \n".repeat(30_000), "---\n\n".repeat(20_000), "`{`\n".repeat(20_000)]
    {
        let content = json!({"content": written(&markdown)});
        assert!(document::length(&content) <= 32_767);
        assert!(content.to_string().len() < 1_000_000, "a request has a mebibyte");
        assert!(plain(&content).ends_with('…'), "{}", &markdown[..4]);
    }
    let nearly = format!("{}.", "ä".repeat(32_000));
    assert!(plain(&json!({"content": written(&nearly)})).ends_with("ä."), "what fits stays whole");
}
