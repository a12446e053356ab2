//! What Discord's error codes mean: whether to try again, and what an administrator can do.
//!
//! The codes: <https://docs.discord.com/developers/topics/opcodes-and-status-codes#json>. What they do not decide, the status does.

/// The channel or thread is gone.
pub(crate) const UNKNOWN_CHANNEL: u64 = 10_003;

/// The webhook was deleted. It must not be called again: <https://docs.discord.com/developers/topics/rate-limits>, last section.
pub(crate) const UNKNOWN_WEBHOOK: u64 = 10_015;

/// A thread that takes no change any more: archived, locked.
pub(crate) const THREAD_ARCHIVED: u64 = 50_083;
pub(crate) const THREAD_LOCKED: u64 = 160_005;

/// Codes after which a later try may succeed, whatever the status: limits of a channel or server, edits of old messages, parts
/// that are switched off or overloaded for the moment.
const TEMPORARY: [u64; 9] = [20_016, 20_022, 20_028, 20_029, 30_046, 40_004, 40_006, 40_062, 130_000];

pub(crate) fn is_temporary(code: u64) -> bool {
    TEMPORARY.contains(&code)
}

pub(crate) fn advice(code: u64) -> Option<&'static str> {
    Some(match code {
        UNKNOWN_WEBHOOK => "the webhook was deleted: make a new one and enter its URL in the connection",
        50_027 => "the webhook's URL is not complete: copy it again into the connection",
        UNKNOWN_CHANNEL => "the channel or thread is gone: check the subscription's thread",
        THREAD_ARCHIVED | THREAD_LOCKED => "the thread is closed: open it, or choose another in the subscription",
        220_001 | 40_058 => "the channel is a forum: set the subscription's thread to one of its posts",
        50_006 => "the template made an empty message",
        50_035 | 50_109 => "check the template and the other settings of the subscription",
        200_000 | 200_001 => "a rule of the server's AutoMod blocks it",
        240_000 => "the server's filter of harmful links blocks it",
        30_046 => "messages older than an hour may be edited only so often",
        40_333 => "Discord's protection blocks this host's address",
        _ => return None,
    })
}
