//! The trace of an attempt: one span, without anything that an event or a provider says.

use postern_core::delivery::State;
use postern_store::Claim;
use tracing::Span;
use tracing::field::Empty;

/// The target of the spans of attempts, by which whoever exports or drops them knows them.
pub const SPAN_TARGET: &str = "postern::attempt";

/// The span of the next attempt of a claimed delivery. What it came to is added by [`end`].
pub(super) fn begin(claim: &Claim) -> Span {
    tracing::info_span!(
        target: SPAN_TARGET,
        "attempt",
        delivery = %claim.id,
        event = %claim.event.id,
        event_type = %claim.event.event_type,
        subscription = %claim.route.subscription,
        provider = %claim.route.provider,
        tenant = %claim.event.tenant,
        attempt = claim.attempts + 1,
        outcome = Empty,
        class = Empty,
        // Whoever shows traces knows failures by it: https://opentelemetry.io/docs/concepts/signals/traces/#span-status
        otel.status_code = Empty,
    )
}

/// Notes what the delivery became: `success`, `retrying`, `failed`; or `withdrawn` if no attempt was to be made.
pub(super) fn end(span: &Span, state: &State, attempted: bool) {
    let (outcome, reason) = match state {
        State::Pending | State::Success { .. } => ("success", None),
        State::Retrying { reason, .. } => ("retrying", *reason),
        State::Failed { reason, .. } => (if attempted { "failed" } else { "withdrawn" }, *reason),
    };
    span.record("outcome", outcome);
    if let Some(reason) = reason {
        span.record("class", reason.class.as_str());
        span.record("otel.status_code", "ERROR");
    }
}
