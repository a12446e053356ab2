//! Fuzz targets: functions that take any bytes, and panic where a rule does not hold.
//!
//! They stand for whoever is not trusted: the author of a component and of its manifest, the provider that makes requests, the
//! administrator who fills in settings. Each target is run in two ways:
//! - as an ordinary test on the stable toolchain: over its corpus and over random mutations of it (`tests/targets.rs`);
//! - by cargo-fuzz, which looks for new paths (`libfuzzer/`, see `run.sh`). What it finds is added to the corpus, so that the test
//!   runs it from then on.
//!
//! | target | what is read | what must hold |
//! |---|---|---|
//! | [`hosts::host_pattern`] | a pattern, a URL, a field's text | it reads back as it is written, and fits no other host |
//! | [`manifest::manifest`] | a manifest with its schemas | no secret of a connection is open to a host that a subscription chooses |
//! | [`postern_egress::fuzzing::url`] | a URL | it goes to a granted host, never to a special address |
//! | [`postern_egress::fuzzing::address`] | an IP address, a rule for addresses | an address is as special as the one that it carries |
//! | [`postern_egress::fuzzing::substitution`] | a secret, texts with placeholders | a secret changes nothing but its own place, and goes nowhere else |
//! | [`postern_egress::fuzzing::redaction`] | a secret, what comes back | nothing of it is left |
//! | `component::component` | a component | it is loaded or refused with a reason |

#[cfg(feature = "component")]
pub mod component;
pub mod hosts;
pub mod manifest;

/// What a fuzzer calls.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its folder in `corpus/` and of its binary in `libfuzzer/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("host_pattern", hosts::host_pattern),
    ("manifest", manifest::manifest),
    ("url", postern_egress::fuzzing::url),
    ("address", postern_egress::fuzzing::address),
    ("substitution", postern_egress::fuzzing::substitution),
    ("redaction", postern_egress::fuzzing::redaction),
    #[cfg(feature = "component")]
    ("component", component::component),
];

/// The lines of an input, the last with whatever is left.
fn lines<const N: usize>(data: &[u8]) -> [String; N] {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(N, '\n');
    [(); N].map(|()| lines.next().unwrap_or_default().to_owned())
}
