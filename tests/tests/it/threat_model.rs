//! The threat model names tests, and they are there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The names of tests in Rust files below a folder, each with the modules that its file's path names.
fn tests(folder: &Path, found: &mut BTreeMap<String, Vec<String>>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            tests(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let path = entry.to_string_lossy().replace(".rs", "/").replace("_tests/", "/");
            let mut named = |name: &str| found.entry(name.to_owned()).or_default().push(path.clone());
            let lines: Vec<_> = fs::read_to_string(&entry).unwrap().lines().map(str::trim).map(str::to_owned).collect();
            for (at, line) in lines.iter().enumerate() {
                let function = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
                let name = function.and_then(|rest| rest.split(['(', '<']).next());
                let above = &lines[at.saturating_sub(4)..at];
                // An ordinary test, one of a macro that runs each on every engine, or one of the fuzz targets.
                let is_test = above.iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
                if let Some(name) = name.filter(|name| is_test || listed(&lines, name)) {
                    named(name);
                }
                if let Some((name, count)) = line.split_once(": ").filter(|_| path.contains("fuzz/tests"))
                    && count.trim_end_matches(',').replace('_', "").parse::<u64>().is_ok()
                {
                    named(name);
                }
            }
        }
    }
}

/// Whether a macro makes a test of a function: its name stands on a line of its own.
fn listed(lines: &[String], name: &str) -> bool {
    lines.iter().any(|line| line.trim_end_matches([',', ')', ';']).trim_start_matches("on_each_engine!(") == name)
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    let mut found = BTreeMap::new();
    for folder in ["host", "tests/tests", "fuzz/tests"] {
        tests(&root.join(folder), &mut found);
    }
    let mut named = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && line.contains("::")) {
        let (claim, shown) = row.trim_matches(['|', ' ']).rsplit_once(" | ").expect("a claim and its tests");
        for test in shown.split('`').filter(|part| part.contains("::")) {
            let (modules, name) = test.rsplit_once("::").unwrap();
            let files = found.get(name).unwrap_or_else(|| panic!("no test is named `{name}`, for: {claim}"));
            let path = format!("/{}/", modules.replace("::", "/"));
            assert!(files.iter().any(|file| file.contains(&path)), "`{name}` is in {files:?} and not in {modules}, for: {claim}");
            named += 1;
        }
    }
    assert!(named > 50, "the page names {named} tests");
}
