//! Packs what a new project brings along, since the SDK stands in no registry: its sources, the contract, and the versions of
//! other crates that both were tested with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};
use toml::{Table, Value};

/// The SDK, as the workspace calls it.
const SDK: &str = "postern-provider";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for path in ["Cargo.toml", "Cargo.lock", "wit", "sdk/rust/Cargo.toml", "sdk/rust/src", "sdk/rust/README.md"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }

    let workspace: Table = fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
    let manifest: Table = fs::read_to_string(root.join("sdk/rust/Cargo.toml"))?.parse()?;
    let lock: Table = fs::read_to_string(root.join("Cargo.lock"))?.parse()?;
    fs::write(out.join("sdk-manifest.toml"), toml::to_string(&alone(manifest, &workspace)?)?)?;
    fs::write(out.join("sdk.lock"), toml::to_string(&closure(&lock)?)?)?;

    let mut files = BTreeMap::from([
        ("sdk/rust/Cargo.toml".to_owned(), out.join("sdk-manifest.toml")),
        ("sdk/rust/README.md".to_owned(), root.join("sdk/rust/README.md")),
        ("wit/provider.wit".to_owned(), root.join("wit/provider.wit")),
    ]);
    collect(&root.join("sdk/rust/src"), "sdk/rust/src", &mut files)?;
    let mut code = String::from("[");
    for (name, path) in files {
        write!(code, "({name:?}, include_str!({:?})),", fs::canonicalize(path)?.display().to_string())?;
    }
    Ok(fs::write(out.join("vendored.rs"), code + "]")?)
}

fn collect(folder: &Path, name: &str, files: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            collect(&path, &name, files)?;
        } else {
            files.insert(name, path);
        }
    }
    Ok(())
}

/// The SDK's manifest without what it takes from the workspace.
fn alone(mut manifest: Table, workspace: &Table) -> Result<Table, String> {
    manifest.remove("lints");
    let shared = |section: &str, key: &str| {
        let found = workspace.get("workspace").and_then(|workspace| workspace.get(section)?.get(key));
        found.cloned().ok_or(format!("the workspace has no {section}.{key}"))
    };
    if let Some(Value::Table(package)) = manifest.get_mut("package") {
        for (key, value) in package.iter_mut() {
            if value.get("workspace").is_some() {
                *value = shared("package", key)?;
            }
        }
    }
    resolve(manifest.get_mut("dependencies"), &shared)?;
    if let Some(Value::Table(targets)) = manifest.get_mut("target") {
        for target in targets.iter_mut().map(|(_, target)| target) {
            resolve(target.get_mut("dependencies"), &shared)?;
        }
    }
    Ok(manifest)
}

fn resolve(dependencies: Option<&mut Value>, shared: &dyn Fn(&str, &str) -> Result<Value, String>) -> Result<(), String> {
    let Some(Value::Table(dependencies)) = dependencies else { return Ok(()) };
    for (name, value) in dependencies.iter_mut().filter(|(_, value)| value.get("workspace").is_some()) {
        let own = value.get("features").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut whole = match shared("dependencies", name)? {
            Value::Table(table) => table,
            version => Table::from_iter([("version".to_owned(), version)]),
        };
        let mut features = whole.get("features").and_then(Value::as_array).cloned().unwrap_or_default();
        features.extend(own);
        if !features.is_empty() {
            whole.insert("features".to_owned(), Value::Array(features));
        }
        if let Some(optional) = value.get("optional") {
            whole.insert("optional".to_owned(), optional.clone());
        }
        *value = Value::Table(whole);
    }
    Ok(())
}

/// The part of the lock that the SDK needs.
fn closure(lock: &Table) -> Result<Table, String> {
    let packages = lock.get("package").and_then(Value::as_array).ok_or("the lock has no packages")?;
    let text = |package: &Value, key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut kept = BTreeSet::new();
    let mut open = vec![SDK.to_owned()];
    while let Some(wanted) = open.pop() {
        // `name`, or `name version` where there are several.
        let (name, version) =
            wanted.split_once(' ').map_or((wanted.as_str(), None), |(name, rest)| (name, rest.split(' ').next()));
        let fits =
            |package: &Value| text(package, "name") == name && version.is_none_or(|version| text(package, "version") == version);
        let index = packages.iter().position(fits).ok_or(format!("the lock has no {wanted}"))?;
        if kept.insert(index) {
            let dependencies = packages[index].get("dependencies").and_then(Value::as_array);
            open.extend(dependencies.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
        }
    }
    let kept: Vec<_> =
        packages.iter().enumerate().filter(|(index, _)| kept.contains(index)).map(|(_, one)| one.clone()).collect();
    let version = lock.get("version").cloned().ok_or("the lock has no version")?;
    Ok(Table::from_iter([("version".to_owned(), version), ("package".to_owned(), Value::Array(kept))]))
}
