//! The providers that the daemon carries with it, as components.
//!
//! The build script builds them; here they are only included, so that one binary is the whole product.

/// A provider that comes with the daemon.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// The plugin that it is registered under: `postern`.
    pub plugin: &'static str,
    /// Its own id, without the plugin's: `webhook`.
    pub name: &'static str,
    /// The component.
    pub component: &'static [u8],
}

/// A provider of this folder, by its name.
macro_rules! bundled {
    ($name:literal) => {
        Bundled {
            plugin: "postern",
            name: $name,
            component: include_bytes!(concat!(env!("OUT_DIR"), "/postern-provider-", $name, ".wasm")),
        }
    };
}

/// All of them: one line each, as in `build.rs`.
#[rustfmt::skip]
pub static PROVIDERS: &[Bundled] = &[
    bundled!("discord"),
    bundled!("github-issues"),
    bundled!("jira"),
    bundled!("mattermost"),
    bundled!("ntfy"),
    bundled!("opsgenie"),
    bundled!("pagerduty"),
    bundled!("slack"),
    bundled!("teams"),
    bundled!("telegram"),
    bundled!("webex"),
    bundled!("webhook"),
];

/// The component of the one with this name, its own part of its id: `webhook`.
pub fn component(name: &str) -> Option<&'static [u8]> {
    PROVIDERS.iter().find(|provider| provider.name == name).map(|provider| provider.component)
}

#[cfg(test)]
mod tests {
    use super::PROVIDERS;

    #[test]
    fn each_is_a_component_of_a_sensible_size() {
        for provider in PROVIDERS {
            // A component's header: the magic number, version 13, layer 1.
            assert_eq!(provider.component[..8], *b"\0asm\x0d\0\x01\0", "{}", provider.name);
            assert!(provider.component.len() < 896 * 1024, "{} has {} bytes", provider.name, provider.component.len());
        }
    }
}
