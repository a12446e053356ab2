//! What a workflow's errors mean: whether to try again, and what an administrator can do.
//!
//! No page lists the codes. Those that are known here give advice only; the status decides.

use postern_provider::prelude::*;
use postern_provider::text::{Limit, one_line};

/// Codes in an answer of 2xx after which a later try may succeed.
const TEMPORARY: [&str; 6] =
    ["BadGateway", "GatewayTimeout", "InternalServerError", "RequestTimeout", "ServiceUnavailable", "TooManyRequests"];

/// How much of a message is shown, in characters.
const SHOWN: usize = 300;

/// The failure that a status means which was told in an answer of 2xx.
pub(crate) fn by_status(status: u16, detail: &str) -> Failure {
    let advice = match status {
        413 => " (the card is too large: shorten the template)",
        429 => " (too many messages)",
        404 => " (the channel or its webhook is gone)",
        _ => "",
    };
    let message = format!("Teams refused the card with HTTP {status}{advice}: {}", shown(detail));
    if matches!(status, 408 | 425 | 429 | 500..=599) { Failure::backoff(message) } else { Failure::never(message) }
}

/// The failure that a code in an answer of 2xx means.
pub(crate) fn by_code(code: &str, detail: &str) -> Failure {
    let message = format!("the workflow failed: {}", explained(code, detail));
    if TEMPORARY.contains(&code) { Failure::backoff(message) } else { Failure::never(message) }
}

/// A code with what it means for an administrator.
pub(crate) fn explained(code: &str, detail: &str) -> String {
    // Advice comes first: what the workflow says may be long.
    let advice = advice(code).map(|advice| format!(" ({advice})")).unwrap_or_default();
    let separator = if detail.is_empty() { "" } else { ": " };
    format!("{code}{advice}{separator}{}", shown(detail))
}

fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        // https://learn.microsoft.com/power-automate/oauth-authentication
        "DirectApiAuthorizationRequired" => "set the trigger's \"Who can trigger the flow\" to \"Anyone\" and copy its URL again",
        "WorkflowTriggerIsNotEnabled" | "WorkflowDisabled" => "the workflow is off or deleted: turn it on, or make a new one",
        "WorkflowNotFound" | "WorkflowTriggerNotFound" => {
            "the workflow is gone: make a new one and enter its URL in the connection"
        }
        "InvalidAuthorizationSignature" | "AuthorizationFailed" | "MissingApiVersionParameter" => {
            "the URL is not complete: copy it again into the connection, with everything behind the `?`"
        }
        "TriggerInputSchemaMismatch" => "the trigger's schema refuses the card: make the workflow from Teams' own template",
        _ => return None,
    })
}

fn shown(text: &str) -> String {
    // An answer may have a megabyte; what is shown is in its beginning.
    let beginning = &text[..text.floor_char_boundary(16 * SHOWN)];
    Limit::characters(SHOWN).shorten(&one_line(beginning)).into_owned()
}
