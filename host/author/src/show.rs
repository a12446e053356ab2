//! Texts for people. What a provider or its target wrote must not steer the terminal, so control characters are replaced.

use crate::check::{Checked, Inspected};
use crate::conformance::Conformance;
use crate::trial::{Delivered, Ran};
use postern_core::delivery::{Body, Exchange, ExchangeResult, Level, State};
use postern_core::manifest::Capabilities;
use postern_runtime::Anatomy;
use postern_runtime::anatomy::Kind;
use std::fmt::{self, Display, Formatter, Write as _};

/// How much of a body is shown, in characters.
const SHOWN: usize = 2_000;

/// A text without what would steer a terminal; lines stay lines.
fn plain(text: &str) -> String {
    let safe = |character: char| if character.is_control() && character != '\n' { '\u{fffd}' } else { character };
    text.chars().map(safe).collect()
}

/// Each line with something in front of it.
fn indented(text: &str, with: &str) -> String {
    plain(text).lines().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "{with}{line}");
        all
    })
}

fn list(f: &mut Formatter<'_>, title: &str, items: &[String]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}")?;
    items.iter().try_for_each(|item| f.write_str(&indented(item, "  ").replacen("  ", "  - ", 1)))
}

impl Display for Checked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = self.manifest.as_ref().map(|manifest| format!("{} {}, ", manifest.id, manifest.version));
        let verdict = if self.accepted { "a daemon takes it" } else { "a daemon refuses it" };
        writeln!(f, "{}{verdict}", name.unwrap_or_default())?;
        list(f, "problems", &self.problems)?;
        list(f, "warnings", &self.warnings)?;
        list(f, "an operator is asked and told", &self.asks)?;
        writeln!(f, "size    {}, and a component may have {}", bytes(self.file.size), bytes(self.largest))?;
        match self.memory {
            Some(memory) => {
                writeln!(f, "memory  {} to describe itself, and a call may take {}", bytes(memory), bytes(self.most_memory))
            }
            None => Ok(()),
        }
    }
}

impl Display for Inspected {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Anatomy { kind, digest, size, contract, imports, exports, modules, languages, tools, sections, broken } = &self.file;
        let kind = match kind {
            Kind::Component => "a component",
            Kind::Module => "a core module, which a daemon makes a component of",
            Kind::Foreign => "no WebAssembly",
        };
        let joined = |names: &mut dyn Iterator<Item = &String>| names.map(|name| plain(name)).collect::<Vec<_>>().join(", ");
        writeln!(f, "kind       {kind}")?;
        writeln!(f, "size       {}, of {modules} core module(s)", bytes(*size))?;
        writeln!(f, "digest     {digest}")?;
        writeln!(f, "contract   {}", contract.as_deref().unwrap_or("none: it exports no provider"))?;
        writeln!(f, "languages  {}", joined(&mut languages.iter()))?;
        writeln!(f, "tools      {}", joined(&mut tools.iter()))?;
        list(f, "imports", imports)?;
        list(f, "exports", exports)?;
        let sections: Vec<_> = sections.iter().map(|(name, size)| format!("{name}: {}", bytes(*size))).collect();
        list(f, "sections", &sections)?;
        if let Some(broken) = broken {
            writeln!(f, "broken     {}", plain(broken))?;
        }
        list(f, "problems", &self.problems)?;
        if let Some(manifest) = &self.manifest {
            let Capabilities { test_connection, list_options, migrate_config, reconcile, idempotent } = manifest.implements;
            let claims = [
                ("test-connection", test_connection),
                ("list-options", list_options),
                ("migrate-config", migrate_config),
                ("reconcile", reconcile),
                ("idempotent", idempotent),
            ];
            let claims: Vec<_> = claims.into_iter().filter(|(_, claimed)| *claimed).map(|(name, _)| name).collect();
            let hosts: Vec<_> = manifest.hosts.iter().map(ToString::to_string).collect();
            writeln!(f, "provider   {} {}, {}", manifest.id, manifest.version, plain(&manifest.display_name))?;
            writeln!(f, "describes  {}", plain(&manifest.description))?;
            writeln!(f, "hosts      {}", hosts.join(", "))?;
            writeln!(f, "claims     {}", claims.join(", "))?;
            writeln!(f, "settings   config, version {}", manifest.config.version)?;
            if let Some(connection) = &manifest.connection {
                writeln!(f, "           connection, version {}", connection.version)?;
            }
        }
        Ok(())
    }
}

impl Display for Ran {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.grant.hosts.iter().map(ToString::to_string).collect();
        let short = &self.digest[..self.digest.len().min(12)];
        writeln!(f, "{}, SHA-256 {short}…, may reach {}", self.provider, hosts.join(", "))?;
        self.deliveries.iter().try_for_each(|delivered| delivered.fmt(f))?;
        list(f, "\nnot as the script says", &self.problems)
    }
}

impl Display for Delivered {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", self.event_type)?;
        for (index, exchange) in self.attempt.exchanges.iter().enumerate() {
            f.write_str(&shown(index + 1, exchange))?;
        }
        for line in &self.attempt.log {
            let level = match line.level {
                Level::Debug => "debug",
                Level::Info => "info ",
                Level::Warn => "warn ",
                Level::Error => "error",
            };
            f.write_str(&indented(&line.message, &format!("  {level}  ")))?;
        }
        let result = match &self.state {
            State::Success { external_id: Some(id) } => format!("delivered, external id {id}"),
            State::Success { external_id: None } => "delivered".to_owned(),
            State::Failed { error, .. } => format!("failed for good: {error}"),
            State::Retrying { error, .. } => {
                format!("tried again after {} s: {error}", self.again_after_milliseconds.unwrap_or_default() as f64 / 1_000.0)
            }
            State::Pending => "pending".to_owned(),
        };
        let took = self.attempt.duration_micros as f64 / 1_000.0;
        f.write_str(&indented(&format!("{result} ({took:.0} ms)"), "  = "))
    }
}

fn shown(number: usize, exchange: &Exchange) -> String {
    let took = exchange.duration_micros as f64 / 1_000.0;
    let outcome = match &exchange.result {
        ExchangeResult::Answered { status, .. } => format!("{status} in {took:.0} ms"),
        ExchangeResult::Failed { kind, message, .. } => format!("{kind}: {message}"),
        ExchangeResult::Denied { code, message } => format!("denied ({code}): {message}"),
    };
    let mut text = indented(&format!("{number}. {} {} → {outcome}", exchange.method, exchange.url), "  ");
    let mut part = |mark: &str, headers: &[(String, String)], body: Option<&Body>| {
        for (name, value) in headers {
            text += &indented(&format!("{name}: {value}"), mark);
        }
        if let Some(body) = body {
            let beginning: String = body.text.chars().take(SHOWN).collect();
            let cut =
                if (beginning.len() as u64) < body.size { format!("… ({})", bytes(body.size as usize)) } else { String::new() };
            text += &indented(&(beginning + &cut), mark);
        }
    };
    part("     > ", &exchange.request_headers, exchange.request_body.as_ref());
    if let ExchangeResult::Answered { response_headers, response_body, .. } = &exchange.result {
        part("     < ", response_headers, response_body.as_ref());
    }
    text
}

impl Display for Conformance {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, SHA-256 {}…", self.provider, &self.digest[..self.digest.len().min(12)])?;
        for check in &self.checks {
            let mark = match (check.problems.is_empty(), &check.skipped) {
                (false, _) => "FAIL",
                (true, Some(_)) => "–   ",
                (true, None) => "ok  ",
            };
            writeln!(f, "{mark}  {:<14} {:<52} {}", check.scenario, check.target, plain(&check.outcome))?;
            if let Some(message) = &check.message {
                f.write_str(&indented(message, "        "))?;
            }
            if let Some(reason) = &check.skipped {
                f.write_str(&indented(reason, "        "))?;
            }
            if let Some(reason) = &check.deviation {
                f.write_str(&indented(&format!("deviates: {reason}"), "        "))?;
            }
            for problem in &check.problems {
                f.write_str(&indented(problem, "      ! "))?;
            }
        }
        let failed = self.checks.iter().filter(|check| !check.problems.is_empty()).count();
        match failed {
            0 => writeln!(f, "conforms"),
            failed => writeln!(f, "{failed} of {} failed", self.checks.len()),
        }
    }
}

/// `123 bytes`, `1.2 KiB`, `3.4 MiB`.
fn bytes(count: usize) -> String {
    match count {
        0..1_024 => format!("{count} bytes"),
        1_024..1_048_576 => format!("{:.1} KiB", count as f64 / 1_024.0),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_others_wrote_steers_the_terminal() {
        assert_eq!(indented("a\u{1b}[31mb\r\nc", "  "), "  a\u{fffd}[31mb\u{fffd}\n  c\n");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!([0, 1_023, 1_024, 3_565_158].map(bytes), ["0 bytes", "1023 bytes", "1.0 KiB", "3.4 MiB"]);
    }
}
