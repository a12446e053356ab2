//! Discord's bounds on a message, kept by shortening: <https://docs.discord.com/developers/resources/message#embed-object-embed-limits>.
//!
//! The vendor counts Unicode code points (discord/discord-api-docs#1315).

use postern_provider::text::{Limit, MARK};
use serde_json::{Value, json};

/// A message's own text: <https://docs.discord.com/developers/resources/webhook#execute-webhook>.
pub(crate) const CONTENT: Limit = Limit::characters(2000);

/// Embeds in one message: 10, same page.
pub(crate) const EMBEDS: usize = 10;

/// Fields in one embed.
const FIELDS: usize = 25;

/// All texts of all embeds together, in characters.
const ALTOGETHER: usize = 6000;

const TITLE: usize = 256;
const DESCRIPTION: usize = 4096;
const FIELD_NAME: usize = 256;
const FIELD_VALUE: usize = 1024;
const FOOTER: usize = 2048;
const AUTHOR: usize = 256;

/// How long any text may be when all of them are too long together. With the last, 10 embeds of 53 texts have 4240 characters.
const STEPS: [usize; 16] = [4096, 3072, 2048, 1536, 1024, 768, 512, 384, 256, 192, 128, 96, 64, 32, 16, 8];

/// Shortens what is too long in at most [`EMBEDS`] embeds, the longest texts first where the whole is.
pub(crate) fn fit(embeds: &mut [Value]) {
    for embed in embeds.iter_mut() {
        leave_out_fields(embed);
    }
    for step in STEPS {
        let mut length = 0;
        for embed in embeds.iter_mut() {
            for_each_text(embed, |text, most| {
                let short = Limit::characters(most.min(step)).shorten(text).into_owned();
                length += short.chars().count();
                *text = short;
            });
        }
        if length <= ALTOGETHER {
            break;
        }
    }
}

/// Too many fields end with one that says how many more there are.
fn leave_out_fields(embed: &mut Value) {
    let Some(fields) = embed.get_mut("fields").and_then(Value::as_array_mut) else { return };
    if fields.len() > FIELDS {
        let left_out = fields.len() - (FIELDS - 1);
        fields.truncate(FIELDS - 1);
        fields.push(json!({ "name": "More", "value": format!("{MARK} {left_out} more fields") }));
    }
}

/// Every text that counts, with its own limit. An escape that is cut in two does no harm: a backslash before the mark is not
/// shown.
fn for_each_text(embed: &mut Value, mut visit: impl FnMut(&mut String, usize)) {
    let mut at = |holder: &mut Value, name: &str, most: usize| {
        if let Some(Value::String(text)) = holder.get_mut(name) {
            visit(text, most);
        }
    };
    at(embed, "title", TITLE);
    at(embed, "description", DESCRIPTION);
    for (holder, name, most) in [("author", "name", AUTHOR), ("footer", "text", FOOTER)] {
        if let Some(holder) = embed.get_mut(holder) {
            at(holder, name, most);
        }
    }
    for field in embed.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
        at(field, "name", FIELD_NAME);
        at(field, "value", FIELD_VALUE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(embeds: &mut [Value]) -> usize {
        let mut length = 0;
        for embed in embeds {
            for_each_text(embed, |text, most| {
                let count = text.chars().count();
                assert!((1..=most).contains(&count), "{text}");
                length += count;
            });
        }
        length
    }

    fn embed(fields: usize, long: usize) -> Value {
        let text = "ä".repeat(long);
        let fields: Vec<_> = (0..fields).map(|_| json!({ "name": text, "value": text })).collect();
        json!({ "title": text, "description": text, "author": { "name": text }, "footer": { "text": text }, "fields": fields })
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let mut embeds = vec![embed(2, 200), json!({ "title": 7, "fields": "none" })];
        let before = embeds.clone();
        fit(&mut embeds);
        assert_eq!(embeds, before);
    }

    #[test]
    fn each_text_and_all_together_fit_and_show_the_mark() {
        for (count, fields, long) in [(1, 3, 10_000), (1, 25, 1000), (10, 25, 100), (10, 40, 5000)] {
            let mut embeds = vec![embed(fields, long); count];
            fit(&mut embeds);
            let length = length(&mut embeds);
            assert!(length <= ALTOGETHER, "{length}");
            assert!(embeds[0]["description"].as_str().unwrap().ends_with(MARK));
            assert!(embeds[0]["fields"].as_array().unwrap().len() <= FIELDS);
        }
    }

    #[test]
    fn only_what_is_longest_is_cut_further() {
        let mut embeds =
            vec![json!({ "title": "short", "description": "ä".repeat(4096), "footer": { "text": "b".repeat(2000) } })];
        fit(&mut embeds);
        assert_eq!(embeds[0]["title"], "short");
        assert_eq!(embeds[0]["description"].as_str().unwrap().chars().count(), 3072);
        assert_eq!(embeds[0]["footer"]["text"].as_str().unwrap().len(), 2000);
    }

    #[test]
    fn fields_that_are_left_out_are_counted() {
        let mut embeds = vec![embed(30, 3)];
        fit(&mut embeds);
        assert_eq!(embeds[0]["fields"][24], json!({ "name": "More", "value": "… 6 more fields" }));
    }
}
