//! What Jira says of a document: the structure that
//! <https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/> and the pages of its nodes allow, and the limit.

use serde_json::Value;

/// What is wrong with it, if anything.
pub(crate) fn wrong(document: &Value) -> Option<String> {
    if document["type"] != "doc" || document["version"] != 1 || !document["content"].is_array() {
        return Some("Operation value must be an Atlassian Document (see the Atlassian Document Format)".into());
    }
    let blocks = ["paragraph", "heading", "bulletList", "orderedList", "codeBlock", "blockquote", "rule"];
    if !children(document, &blocks) {
        return Some("INVALID_INPUT".into());
    }
    (length(document) > 32_767).then(|| "CONTENT_LIMIT_EXCEEDED".into())
}

fn children(node: &Value, allowed: &[&str]) -> bool {
    let fits = |child: &Value| allowed.iter().any(|name| child["type"] == *name) && good(child);
    node["content"].as_array().is_some_and(|content| content.iter().all(fits))
}

fn good(node: &Value) -> bool {
    let is_empty = node["content"].as_array().is_none_or(Vec::is_empty);
    let inline = ["text", "hardBreak"];
    match node["type"].as_str().unwrap() {
        "paragraph" => children(node, &inline),
        "heading" => (1..=6).contains(&node["attrs"]["level"].as_u64().unwrap_or(0)) && children(node, &inline),
        "bulletList" | "orderedList" => !is_empty && children(node, &["listItem"]),
        "listItem" => {
            let first = &node["content"][0]["type"];
            (first == "paragraph" || first == "codeBlock")
                && children(node, &["paragraph", "bulletList", "orderedList", "codeBlock"])
        }
        "blockquote" => !is_empty && children(node, &["paragraph", "bulletList", "orderedList", "codeBlock"]),
        "codeBlock" => {
            children(node, &["text"]) && node["content"].as_array().unwrap().iter().all(|text| text.get("marks").is_none())
        }
        "text" => !node["text"].as_str().unwrap().is_empty() && marks(node),
        "hardBreak" | "rule" => true,
        _ => false,
    }
}

/// No mark twice, and `code` with a link only.
fn marks(node: &Value) -> bool {
    let names: Vec<_> = node["marks"].as_array().into_iter().flatten().map(|mark| mark["type"].as_str().unwrap()).collect();
    let known = ["strong", "em", "strike", "code", "link"];
    let once = names.iter().enumerate().all(|(index, name)| known.contains(name) && !names[..index].contains(name));
    once && (!names.contains(&"code") || names.iter().all(|name| ["code", "link"].contains(name)))
}

/// The characters of its text, as Java counts them.
pub(crate) fn length(node: &Value) -> usize {
    let own = node["text"].as_str().map_or(0, |text| text.encode_utf16().count());
    own + node["content"].as_array().into_iter().flatten().map(length).sum::<usize>()
}
