//! Names made readable: of event types (`incident.incident.created`) and of fields (`systemIds`).

/// Words that are written in capitals.
const ACRONYMS: [&str; 22] = [
    "api", "cpu", "db", "dns", "http", "https", "id", "ids", "io", "ip", "json", "os", "ram", "sla", "slo", "sql", "ssl", "tcp",
    "tls", "ui", "url", "vm",
];

/// The words of a name, in lower case: split at everything that is no letter or digit, and where small letters become capitals
/// (`systemIds`, `HTTPStatus`).
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut characters = name.chars().peekable();
    let mut before = None;
    while let Some(character) = characters.next() {
        let next_is_small = characters.peek().is_some_and(|next| next.is_lowercase());
        let begins = character.is_uppercase()
            && before.is_some_and(|before: char| !before.is_uppercase() || (before.is_uppercase() && next_is_small));
        if (begins || !character.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if character.is_alphanumeric() {
            word.extend(character.to_lowercase());
        }
        before = Some(character);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// A name without case and separators, to compare by: `previous_status` and `previousStatus` are one.
pub(super) fn key(name: &str) -> String {
    words(name).concat()
}

/// Words as the beginning of a sentence.
pub(super) fn sentence(words: &[String]) -> String {
    let mut text = String::new();
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        if word == "ids" {
            text.push_str("IDs");
        } else if ACRONYMS.contains(&word.as_str()) {
            text.push_str(&word.to_uppercase());
        } else if index == 0 {
            let mut characters = word.chars();
            text.extend(characters.next().into_iter().flat_map(char::to_uppercase));
            text.push_str(characters.as_str());
        } else {
            text.push_str(word);
        }
    }
    text
}

/// The kind of an event: `incident.incident.created` is `Incident created`. A part that only repeats the one before is left
/// out.
pub(super) fn event_kind(event_type: &str) -> String {
    let mut parts: Vec<&str> = event_type.split('.').collect();
    parts.dedup();
    let kind = sentence(&words(&parts.join(".")));
    if kind.is_empty() { "Event".to_owned() } else { kind }
}

/// The last word of an event type.
pub(super) fn last_word(event_type: &str) -> String {
    words(event_type).pop().unwrap_or_default()
}

/// A field's label: `systemIds` is `Systems`, `incidentId` is `Incident`, `createdAt` is `Created`, `newStatus` is `New status`.
pub(super) fn label(name: &str) -> String {
    let mut words = words(name);
    let last = words.pop();
    match (last.as_deref(), words.last_mut()) {
        (Some("id" | "name" | "at"), Some(_)) => sentence(&words),
        (Some("ids" | "names"), Some(stem)) => {
            *stem = plural(stem);
            sentence(&words)
        }
        _ => {
            words.extend(last);
            if words.is_empty() { name.to_owned() } else { sentence(&words) }
        }
    }
}

/// A field's label with nothing left out, for one whose short label another field has: `System ID`.
pub(super) fn whole_label(name: &str) -> String {
    sentence(&words(name))
}

fn plural(word: &str) -> String {
    match word.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if word.ends_with(['s', 'x', 'z']) || word.ends_with("ch") || word.ends_with("sh") => format!("{word}es"),
        _ => format!("{word}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_words() {
        for (name, expected) in [
            ("systemIds", "system ids"),
            ("previous_status", "previous status"),
            ("healthcheck-http.state.changed", "healthcheck http state changed"),
            ("HTTPStatus", "http status"),
            ("p95Latency", "p95 latency"),
            ("INCIDENT_CREATED", "incident created"),
            ("größeÄndern", "größe ändern"),
            ("", ""),
        ] {
            assert_eq!(words(name).join(" "), expected, "{name}");
        }
    }

    #[test]
    fn labels_say_what_a_person_would() {
        for (name, expected) in [
            ("systemIds", "Systems"),
            ("categoryIds", "Categories"),
            ("incidentId", "Incident"),
            ("systemName", "System"),
            ("createdAt", "Created"),
            ("startAt", "Start"),
            ("healthyChecks", "Healthy checks"),
            ("id", "ID"),
            ("affected_systems", "Affected systems"),
            ("cpuLoad", "CPU load"),
            ("…", "…"),
        ] {
            assert_eq!(label(name), expected, "{name}");
        }
        assert_eq!(whole_label("systemId"), "System ID");
    }

    #[test]
    fn a_kind_is_a_short_sentence() {
        for (id, expected) in [
            ("incident.incident.created", "Incident created"),
            ("healthcheck.healthcheck.system.degraded", "Healthcheck system degraded"),
            ("maintenance.started", "Maintenance started"),
            ("healthcheck-http.state.changed", "Healthcheck HTTP state changed"),
            ("postern.subscription.failing", "Postern subscription failing"),
            ("", "Event"),
        ] {
            assert_eq!(event_kind(id), expected, "{id}");
        }
    }
}
