//! The boundaries between the crates, as `cargo metadata` and the sources tell them.

use cargo_metadata::{Dependency, DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Which of the workspace's crates each crate of the host may depend on.
const EDGES: &[(&str, &[&str])] = &[
    ("postern-core", &[]),
    ("postern-events", &["postern-core"]),
    ("postern-store", &["postern-core"]),
    ("postern-egress", &["postern-core"]),
    ("postern-runtime", &["postern-core", "postern-egress"]),
    ("postern-delivery", &["postern-core", "postern-events", "postern-store", "postern-runtime", "postern-egress"]),
    (
        "postern-api",
        &["postern-core", "postern-events", "postern-store", "postern-runtime", "postern-egress", "postern-delivery"],
    ),
    (
        "postern-author",
        &["postern-core", "postern-events", "postern-store", "postern-runtime", "postern-egress", "postern-delivery"],
    ),
    (
        "postern",
        &[
            "postern-core",
            "postern-events",
            "postern-store",
            "postern-runtime",
            "postern-egress",
            "postern-delivery",
            "postern-api",
            "postern-author",
            "postern-bundle",
            // The command line speaks to a daemon as any other program does.
            "postern-client",
        ],
    ),
];

/// Crates that only some of the host's may use. The daemon's reqwest is the command line's client, which speaks to the API,
/// and what carries traces to the operator's collector; no provider's request goes through it.
const RESERVED: &[(&str, &[&str])] = &[
    ("wasmtime", &["postern-runtime"]),
    ("wasmtime-wasi", &["postern-runtime"]),
    ("wasmtime-wasi-http", &["postern-runtime"]),
    ("reqwest", &["postern-egress", "postern"]),
    ("hyper", &["postern-egress"]),
    ("hyper-util", &["postern-egress"]),
    // The author tool's server, which plays targets, speaks TLS; it connects to nothing, as the test below says.
    ("tokio-rustls", &["postern-egress", "postern-author"]),
    ("rustls", &["postern-egress", "postern-author"]),
    ("sled", &["postern-store"]),
    ("redb", &["postern-store"]),
    ("sqlx", &["postern-store"]),
    ("axum", &["postern-api"]),
    ("aide", &["postern-api"]),
    ("tower-http", &["postern-api"]),
    ("jsonschema", &["postern-events"]),
    ("minijinja", &["postern-events"]),
    ("metrics-exporter-prometheus", &["postern-api", "postern"]),
    ("opentelemetry-otlp", &["postern"]),
    ("opentelemetry_sdk", &["postern"]),
];

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml")).no_deps().exec().unwrap()
}

/// The packages whose manifests are in this folder of the workspace.
fn in_folder<'a>(metadata: &'a Metadata, folder: &str) -> Vec<&'a Package> {
    let folder = metadata.workspace_root.join(folder);
    let found: Vec<_> = metadata.packages.iter().filter(|package| package.manifest_path.starts_with(&folder)).collect();
    assert!(!found.is_empty(), "nothing is in {folder}");
    found
}

/// What a package is made of; tests may use more.
fn built_from(package: &Package) -> impl Iterator<Item = &Dependency> {
    package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development)
}

fn own(metadata: &Metadata) -> BTreeSet<String> {
    metadata.packages.iter().map(|package| package.name.to_string()).collect()
}

#[test]
fn crates_of_the_host_depend_on_each_other_only_as_designed() {
    let metadata = metadata();
    let own = own(&metadata);
    let edges: BTreeMap<_, _> = EDGES.iter().copied().collect();
    for package in in_folder(&metadata, "host") {
        let name = package.name.as_str();
        let allowed = edges.get(name).unwrap_or_else(|| panic!("{name} has no place in the design"));
        for dependency in built_from(package).filter(|dependency| own.contains(&dependency.name)) {
            assert!(allowed.contains(&dependency.name.as_str()), "{name} must not depend on {}", dependency.name);
        }
    }
}

#[test]
fn what_opens_sockets_runs_guests_or_holds_data_is_used_in_one_place() {
    let metadata = metadata();
    for package in in_folder(&metadata, "host") {
        for dependency in built_from(package) {
            if let Some((_, users)) = RESERVED.iter().find(|(reserved, _)| *reserved == dependency.name) {
                assert!(users.contains(&package.name.as_str()), "{} must not use {}", package.name, dependency.name);
            }
        }
    }
}

#[test]
fn sdks_and_providers_know_nothing_of_the_host() {
    let metadata = metadata();
    let own = own(&metadata);
    let sdks: BTreeSet<_> = in_folder(&metadata, "sdk").iter().map(|package| package.name.to_string()).collect();
    for package in in_folder(&metadata, "sdk") {
        for dependency in built_from(package) {
            assert!(!own.contains(&dependency.name), "{} must not depend on {}", package.name, dependency.name);
        }
    }
    // The builder and the bundle are tools of the build; no provider is made of them.
    let tools = ["postern-bundle", "postern-guest-builder"];
    let fixtures = in_folder(&metadata, "tests/fixtures");
    for package in in_folder(&metadata, "providers").into_iter().chain(fixtures) {
        for dependency in built_from(package).filter(|dependency| own.contains(&dependency.name)) {
            let allowed = sdks.contains(&dependency.name)
                || (tools.contains(&package.name.as_str()) && tools.contains(&dependency.name.as_str()));
            assert!(allowed, "{} must not depend on {}", package.name, dependency.name);
        }
    }
}

/// Every Rust file below a folder.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn what_offers_http_to_components_has_no_way_out_of_its_own() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).other_options(["--locked".to_owned()]).exec().unwrap();
    let nodes: BTreeMap<_, _> = metadata.resolve.as_ref().unwrap().nodes.iter().map(|node| (&node.id, node)).collect();
    let name = |id| metadata[id].name.as_str();
    let root = *nodes.values().find(|node| name(&node.id) == "wasmtime-wasi-http").unwrap();
    // Its own sender of requests is behind this feature, which another crate of the workspace might bring in.
    assert!(root.features.iter().all(|feature| !["default", "default-send-request"].contains(&feature.as_str())));

    let (mut reached, mut open) = (BTreeSet::new(), vec![&root.id]);
    while let Some(id) = open.pop() {
        let built =
            |dependency: &&cargo_metadata::NodeDep| dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
        if reached.insert(name(id)) {
            open.extend(nodes[id].deps.iter().filter(built).map(|dependency| &dependency.pkg));
        }
    }
    assert!(reached.contains("hyper"), "the closure was walked");
    for connector in ["hyper-util", "hyper-rustls", "rustls", "tokio-rustls", "webpki-roots", "native-tls", "reqwest"] {
        assert!(!reached.contains(connector), "wasmtime-wasi-http brings {connector}");
    }
}

#[test]
fn only_egress_connects_to_anything() {
    let root = metadata().workspace_root;
    let mut found = Vec::new();
    sources(root.join("host").as_std_path(), &mut found);
    let connects = |text: &str| {
        let ways = ["TcpStream::connect", "TcpSocket", "UdpSocket", "UnixStream::connect", "UnixDatagram", "lookup_host"];
        ways.iter().chain(&["ToSocketAddrs", "to_socket_addrs", "hyper::client"]).any(|way| text.contains(way))
    };
    let users: BTreeSet<_> = found
        .iter()
        .filter(|(_, text)| connects(text))
        .filter_map(|(path, _)| path.trim_start_matches(root.as_str()).split('/').nth(2))
        .collect();
    assert_eq!(users, BTreeSet::from(["egress"]));
}

#[test]
fn only_the_cache_of_compiled_code_and_a_timer_of_the_compiling_process_need_unsafe() {
    let root = metadata().workspace_root;
    let mut found = Vec::new();
    sources(root.join("host").as_std_path(), &mut found);
    assert!(found.len() > 50);
    let is_unsafe = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        ["unsafe {", "unsafe fn", "unsafe impl", "unsafe_code"].iter().any(|form| code.contains(form))
    };
    let users: Vec<_> = found
        .iter()
        .filter(|(_, text)| text.lines().any(is_unsafe))
        .map(|(path, _)| path.trim_start_matches(root.as_str()))
        .collect();
    // The timer is never set in the daemon's own process.
    assert_eq!(users, ["/host/runtime/src/cache.rs", "/host/runtime/src/compile/turns.rs"]);
}

#[test]
fn every_crate_takes_the_workspaces_lints() {
    for package in metadata().packages {
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} has lints of its own, or none", package.name);
    }
}
