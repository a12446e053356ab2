//! What a provider sends, kept in files: a change of a message is then seen as a change of a file.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::Path;

/// The environment variable that has the files written anew when it is `1`: `POSTERN_REWRITE_GOLDENS=1 cargo test`. Where `CI` is set
/// nothing is written.
pub const REWRITE: &str = "POSTERN_REWRITE_GOLDENS";

/// Compares values with the files `{folder}/{name}.json`, as JSON: for every value a file, and no file besides.
///
/// `folder` is the whole path: `concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")`. Take one folder for each set.
///
/// # Panics
/// When a file is missing, left over, or says something else; with all the differences.
pub fn assert_goldens(folder: &str, values: impl IntoIterator<Item = (String, Value)>) {
    let values: BTreeMap<_, _> = values.into_iter().collect();
    let folder = Path::new(folder);
    if env::var_os(REWRITE).is_some_and(|value| value == "1") {
        assert!(
            env::var_os("CI").is_none(),
            "{REWRITE} is set together with CI: goldens are written by people, who look at them"
        );
        rewrite(folder, &values);
    }
    let problems = differences(folder, &values);
    assert!(problems.is_empty(), "{}\n\nTo accept: {REWRITE}=1 cargo test, then look at the changes.", problems.join("\n\n"));
}

fn differences(folder: &Path, values: &BTreeMap<String, Value>) -> Vec<String> {
    let known: BTreeSet<_> = values.keys().cloned().collect();
    let left_over = files(folder).difference(&known).map(|name| format!("{name}.json: nothing makes this any more")).collect();
    values.iter().fold(left_over, |mut problems: Vec<_>, (name, value)| {
        match fs::read_to_string(folder.join(name).with_extension("json")).map(|text| serde_json::from_str::<Value>(&text)) {
            Ok(Ok(expected)) if expected == *value => {}
            Ok(Ok(expected)) => problems.push(format!("{name}.json says\n{expected:#}\nbut this is\n{value:#}")),
            Ok(Err(error)) => problems.push(format!("{name}.json is no JSON: {error}")),
            Err(error) => problems.push(format!("{name}.json: {error}; it would be\n{value:#}")),
        }
        problems
    })
}

fn rewrite(folder: &Path, values: &BTreeMap<String, Value>) {
    fs::create_dir_all(folder).expect("the folder can be made");
    for name in files(folder).iter().filter(|name| !values.contains_key(*name)) {
        fs::remove_file(folder.join(name).with_extension("json")).expect("the file can be removed");
    }
    for (name, value) in values {
        let path = folder.join(name).with_extension("json");
        // A file that says the same stays untouched, however it is laid out.
        let same =
            fs::read_to_string(&path).is_ok_and(|text| serde_json::from_str::<Value>(&text).is_ok_and(|old| old == *value));
        if !same {
            fs::write(path, format!("{value:#}\n")).expect("the file can be written");
        }
    }
}

/// The names of the JSON files in a folder; none if it is not there.
fn files(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json").map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_told_and_a_rewrite_mends_it() {
        let folder = env::temp_dir().join(format!("postern-goldens-{}", std::process::id()));
        let values =
            |entries: &[(&str, Value)]| entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let first = values(&[("a", json!({"x": 1})), ("b", json!([]))]);
        assert_eq!(differences(&folder, &first).len(), 2, "missing files");
        assert!(!folder.exists(), "comparing makes none");
        rewrite(&folder, &first);
        assert!(differences(&folder, &first).is_empty());
        let second = values(&[("a", json!({"x": 2}))]);
        let problems = differences(&folder, &second).join("\n");
        assert!(problems.contains("b.json: nothing makes this") && problems.contains("a.json says"), "{problems}");
        rewrite(&folder, &second);
        assert!(differences(&folder, &second).is_empty() && !folder.join("b.json").exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
