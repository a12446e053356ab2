//! Every target over its corpus and over mutations of it, the same ones each time. `FUZZ_ROUNDS=100` runs a hundred times as many,
//! from other seeds.

use postern_fuzz::{TARGETS, Target};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The longest input.
const LONGEST: usize = 8 << 10;

/// Words that are worth trying wherever they come to stand.
const WORDS: &[&[u8]] = &[
    b"https://",
    b"http://",
    b"://",
    b"@",
    b"#",
    b"?",
    b"\\",
    b"..",
    b"%2e",
    b"%",
    b"%4",
    b"\\u00",
    b"\"",
    b"&",
    b"=",
    b"+",
    b"[::ffff:",
    b"[::1]",
    b"127.0.0.1",
    b"0x7f.1",
    b"169.254.169.254",
    b"64:ff9b::",
    b"2002:7f00:1::",
    b"localhost",
    b".",
    b":443",
    b"*.",
    b"any-host",
    b"{config.url}",
    b"{connection.site}.",
    b"granted.example",
    b"evil.example",
    b"\"writeOnly\":true",
    b"\"x-hosts\":[\"any-host\"]",
    b"\"x-oauth2\":{}",
    b"\"x-client-certificate\":true",
    b"\n",
    b"\r\n",
    b"\0",
    b"\x01",
    b"\x02",
    b"\xff\xff\xff\xff",
    b"\0asm",
    b"\x0d\0\x01\0",
    b"\x01\0\0\0",
];

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        // Components are kept as people write them.
        let bytes =
            if path.extension().is_some_and(|end| end == "wat") { wat::parse_bytes(&bytes).unwrap().into() } else { bytes };
        (path, bytes)
    };
    files.into_iter().map(read).collect()
}

fn mutate(random: &mut StdRng, seeds: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
    let mut data = seeds[random.random_range(0..seeds.len())].1.clone();
    for _ in 0..random.random_range(1..=6) {
        let at = random.random_range(0..=data.len());
        let end = (at + random.random_range(0..=8)).min(data.len());
        match random.random_range(0..7) {
            0 if at < data.len() => data[at] ^= 1 << random.random_range(0..8),
            1 if at < data.len() => data[at] = random.random(),
            2 => drop(data.drain(at..end)),
            3 => {
                let piece = data[at..end].to_vec();
                let to = random.random_range(0..=data.len());
                data.splice(to..to, piece);
            }
            4 => {
                // The end of another seed.
                let other = &seeds[random.random_range(0..seeds.len())].1;
                data.truncate(at);
                data.extend_from_slice(&other[random.random_range(0..=other.len())..]);
            }
            _ => {
                let word = WORDS[random.random_range(0..WORDS.len())];
                data.splice(at..end, word.iter().copied());
            }
        }
    }
    data.truncate(LONGEST);
    data
}

fn run(name: &str, target: Target, input: &[u8], origin: &str) {
    if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
        let hexadecimal = input.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        panic!(
            "{name} failed on {origin}: {:?}\nTo keep it: printf %s {hexadecimal} | xxd -r -p > fuzz/corpus/{name}/NAME",
            String::from_utf8_lossy(input)
        );
    }
}

fn try_out(name: &str, mutations: u64) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    let seeds = corpus(name);
    for (path, input) in &seeds {
        run(name, *target, input, &path.display().to_string());
    }
    let rounds: u64 = std::env::var("FUZZ_ROUNDS").map_or(1, |rounds| rounds.parse().expect("FUZZ_ROUNDS is a number"));
    for number in 0..mutations * rounds {
        let input = mutate(&mut StdRng::seed_from_u64(number), &seeds);
        run(name, *target, &input, &format!("mutation {number}"));
    }
}

/// A test for each target, and how many mutations of its corpus it tries.
macro_rules! targets {
    ($($name:ident: $mutations:expr),* $(,)?) => {
        $(#[test]
        fn $name() {
            try_out(stringify!($name), $mutations);
        })*

        #[test]
        fn every_target_is_tried_here_and_by_the_fuzzer() {
            let tried = [$(stringify!($name)),*];
            assert!(TARGETS.iter().all(|(name, _)| tried.contains(name)) && tried.len() == TARGETS.len());
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("libfuzzer");
            let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            for (name, _) in TARGETS {
                assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} has no binary");
                let binary = std::fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs"))).unwrap();
                assert!(binary.contains(&format!("{name}(data)")), "{name} calls another target");
            }
        }
    };
}

targets! {
    host_pattern: 30_000,
    manifest: 2_000,
    url: 20_000,
    address: 30_000,
    substitution: 5_000,
    redaction: 3_000,
    component: 1_500,
}
