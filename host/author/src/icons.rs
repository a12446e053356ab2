//! The names of Lucide's icons: <https://lucide.dev/icons>, version 1.62.0.

/// One on each line, in the order of the alphabet.
const NAMES: &str = include_str!("lucide.txt");

/// How much a name must be like another to be taken for it misspelt.
const ALIKE: f64 = 0.8;

/// Whether there is such an icon, written `message-square` or `MessageSquare`; or else the name that is most like it, if one is.
pub(crate) fn look_up(name: &str) -> Result<(), Option<&'static str>> {
    let wanted = bare(name);
    if NAMES.lines().any(|known| bare(known) == wanted) {
        return Ok(());
    }
    let scored = NAMES.lines().map(|known| (strsim::jaro_winkler(&bare(known), &wanted), known));
    let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other));
    Err(best.filter(|(score, _)| *score >= ALIKE).map(|(_, known)| known))
}

/// Without what differs between the spellings.
fn bare(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn icons_are_known_in_both_spellings_and_others_are_guessed() {
        for name in ["message-square", "MessageSquare", "Webhook", "a-arrow-down"] {
            assert_eq!(look_up(name), Ok(()), "{name}");
        }
        assert_eq!(look_up("webhok"), Err(Some("webhook")));
        assert_eq!(look_up("!!"), Err(None));
    }
}
