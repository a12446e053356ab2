//! Programs that want too much. Run with `--nocapture` to see what each takes.

use super::*;
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};

fn run(source: &str, input: Json) -> Result<Json, ProgramError> {
    Program::compile(source, Kind::Transform)?.run(&input)
}

/// What a hostile author writes. Each must end, with an error that names a bound or with a value.
const HOSTILE: &[&str] = &[
    "def f: f; f",
    "def f: f | f; f",
    "def f: 1 + f; f",
    "def f: [f]; f",
    "def f: f, f; f",
    "def f: try f catch f; f",
    "def f: (f)?, f; f",
    "def f: 1, f; f",
    "def f: 1, f; last(f)",
    "def f(g): f(g | .); f(.)",
    "def f(g): f(g | g); f(.)",
    "def f(g): if . > 90000 then g else . + 1 | f(g | .) end; 0 | f(.)",
    "def f($x): f($x + 1); f(0)",
    "def f: .a | f; path(f)",
    "path(def f: .a | f; f)",
    "[paths(def f: f; f)]",
    "def f: .a |= f; f",
    "def f: .[0] = (. | f); f",
    "def f: reduce 1 as $x (.; f); f",
    "def f: foreach (1, 2) as $x (.; f; f); f",
    "def f: label $a | f; f",
    "[range(1e9)]",
    "[range(1e18)] | length",
    "range(1e18) | empty",
    "last(range(1e18))",
    "first(range(1e18) | select(. < 0))",
    "isempty(range(1e18) | empty)",
    "skip(1e18; repeat(1))",
    "[limit(1e9; repeat(1))]",
    "nth(1e9; repeat(1))",
    "reduce range(1e9) as $x (0; . + 1)",
    "[foreach range(1e9) as $x (0; . + 1)]",
    "[repeat(\"x\")] | length",
    "until(false; .)",
    "[while(true; .)]",
    "[recurse(.)]",
    "[recurse([.])]",
    "[.,.] | [recurse([., .])]",
    "\"x\" * 1e9",
    "\"x\" * 1e300",
    "\"x\" * infinite",
    "\"\" * 1e18",
    "reduce range(60) as $i (\"x\"; . + .)",
    "reduce range(60) as $i ([1]; . + .)",
    "reduce range(60) as $i ([1]; [., .]) | tojson | length",
    "reduce range(90) as $i ([1]; [., .]) | . == .",
    "reduce range(90) as $i ([1]; [., .]) | [., .] | unique",
    "reduce range(90) as $i ([1]; [., .]) | flatten",
    "reduce range(90) as $i ([1]; [., .]) | [..] | length",
    "reduce range(90) as $i ([1]; [., .]) | [paths] | length",
    "reduce range(90) as $i ([1]; [., .]) | walk(.)",
    "reduce range(90) as $i ([1]; [., .])",
    "reduce range(90) as $i ([1]; [., .]) | error",
    "reduce range(90) as $i ([1]; [., .]) | .a",
    "reduce range(90) as $i ([1]; [., .]) | contains([[1]])",
    "reduce range(1e6) as $i (0; [.])",
    "reduce range(1e6) as $i (null; {a: .})",
    "reduce range(1e6) as $i ({}; .a = .)",
    "reduce range(1e6) as $i ({}; . * {a: .})",
    "reduce range(1e5) as $i ([]; . + [$i])",
    "reduce range(1e5) as $i ({}; .[$i | tostring] = $i)",
    "reduce range(1e5) as $i (\"\"; . + \"x\")",
    ".[1e9] = 1",
    ".[1e300] = 1",
    "[] | .[99999999999] = 1",
    "reduce range(2000) as $i (2; . * .)",
    "pow(10; 300) * pow(10; 300) | tostring",
    "[combinations(50)]",
    "[[range(100)], [range(100)], [range(100)], [range(100)]] | [combinations]",
    "[range(30000)] | sort_by(-.) | group_by(. % 7) | length",
    "[range(3000)] | [.[] as $x | .[] as $y | $x * $y]",
    "[range(20000) | tostring] | . - .",
    "[range(20000) | tostring] as $x | $x | map(select(. as $y | $x | index($y)))",
    "(\"a\" * 100000) | test(\"(a*)*b\")",
    "(\"a\" * 1000000) | [match(\".*[^A-Z]|[A-Z]\"; \"g\")] | length",
    "(\"a\" * 1000000) | [match(\"\"; \"g\")] | length",
    "\"a\" | test(\"a{1000}{1000}{1000}\")",
    "(\"a\" * 300000) | test(\"(\\\\w{1,40}){1,10}b\")",
    "\"a\" | test(\"(\" * 5000 + \")\" * 5000)",
    "[range(1e9) | \"x\" | test(\"(\\\\w{100})\")]",
    "(\"a\" * 1000000) | indices(\"aaaaaaaaaaaaaaa\") | length",
    "(\"a\" * 1000000) | explode | implode | @base64 | @uri | ascii_upcase | length",
    "(\"[\" * 100000) | fromjson",
    "(\"[\" * 120 + \"]\" * 120) | fromjson",
    "\"[\" + (\"1,\" * 1000000) + \"1]\" | fromjson | length",
    "(\"x\" * 300000)",
    "[range(100000)]",
    "[1e1000, -1e1000, nan] | sort | tojson",
    "[range(1000) | if . % 2 == 0 then nan else . end] | sort | length",
    "[limit(30000; repeat([1, 2, 3]))] | transpose | length",
    "{} | .[\"a\" * 1000000] = 1",
    "\"a\" | strftime(\"%9999999d\")",
    "0 | strftime(\"%9999999999Y\" * 1000)",
    "1e300 | todate",
    "[1e300, 1e300, 1, 1, 1, 1] | strftime(\"%Y\")",
    "[2024, 127, 1, 0, 0, 0, 0, 0] | strftime(\"%Y\")",
    "1e18 | jn(. ; 1.0)",
    "lgamma, tgamma, exp10",
    "scalbln(1; 2147483647)",
    "splits(\"a\"; null)",
    "@sh \"\\([range(1e9)])\"",
    "label $out | repeat(1) | if . == 1 then . else break $out end",
    "[range(1e9; 0; -1)]",
    "range(0; 1; 0)",
    "[range(0; 1; 0)]",
    "input_line_number",
    "limit(-1; repeat(1))",
    "getpath([range(100000) | \"a\"])",
    "setpath([range(100000) | \"a\"]; 1)",
    "[range(50000) | [.]] | from_entries",
    "tojson * 1000 | tojson | tojson | tojson | tojson | tojson | tojson",
];

/// The most memory in use since it was last asked, in bytes; 0 where the system does not tell.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap_or(0) * 1024
}

#[test]
fn hostile_programs_end_soon() {
    let mut slowest = (Duration::ZERO, "");
    for source in HOSTILE {
        let start = Instant::now();
        let result = run(source, json!({"a": {"b": [1, 2, 3]}}));
        let took = start.elapsed();
        slowest = slowest.max((took, source));
        let outcome = result.map_or_else(|error| error.to_string(), |value| format!("{} bytes", value.to_string().len()));
        println!("{:>7.1} ms {:>5} MB  {source:.70}  ->  {outcome:.100}", took.as_secs_f64() * 1e3, peak() >> 20);
        assert!(took < Duration::from_secs(20), "{source}");
    }
    println!("slowest: {slowest:?}");
}

#[test]
fn hostile_sources_compile_or_are_refused() {
    let n = LARGEST_SOURCE;
    let sources = [
        "(".repeat(n),
        "[".repeat(n),
        "{a:".repeat(n / 3),
        "-".repeat(n),
        format!("{}1{}", "(".repeat(n / 2 - 1), ")".repeat(n / 2 - 1)),
        format!("{}1{}", "[".repeat(n / 2 - 1), "]".repeat(n / 2 - 1)),
        format!("{}1", "-".repeat(n - 1)),
        format!(".{}", "|.".repeat(n / 2 - 1)),
        format!(".{}", ",.".repeat(n / 2 - 1)),
        format!("1{}", "+1".repeat(n / 2 - 1)),
        format!(".{}", "[.".repeat(n / 2 - 1)),
        format!(".{}", "[0]".repeat(n / 3 - 1)),
        format!(".{}", "?".repeat(n - 1)),
        format!(".{}", "//.".repeat(n / 3 - 1)),
        "\"\\(".repeat(n / 3),
        format!("{}1{}", "\"\\(".repeat(n / 5 - 1), ")\"".repeat(n / 5 - 1)),
        "if ".repeat(n / 3),
        "def f: ".repeat(n / 7),
        format!("{}.", "def f: .; ".repeat(n / 10 - 1)),
        format!("{}.{}", "def f: ".repeat(n / 10 - 1), "; .".repeat(n / 10 - 1)),
        format!("{}.", ". as $x | ".repeat(n / 10 - 1)),
        format!("{}.", ". as [$x] | ".repeat(n / 12 - 1)),
        "reduce . as $x (0; ".repeat(n / 19),
        "try ".repeat(n / 4),
        format!("{}.", "try ".repeat(n / 4 - 1)),
        format!("{}.", "label $x | ".repeat(n / 11 - 1)),
    ];
    for source in &sources {
        let start = Instant::now();
        let program = Program::compile(source, Kind::Filter);
        let compiled = start.elapsed();
        let outcome = match &program {
            Ok(program) => format!("runs: {:.80?}", program.run(&json!({"a": 1})).map(|value| value.to_string().len())),
            Err(error) => format!("{error:.80}"),
        };
        let took = start.elapsed();
        println!(
            "{:>7.1} / {:>7.1} ms {:>5} MB  {source:.20}  ->  {outcome}",
            compiled.as_secs_f64() * 1e3,
            took.as_secs_f64() * 1e3,
            peak() >> 20
        );
        assert!(took < Duration::from_secs(20), "{source:.40}");
    }
}

#[test]
fn what_programs_cost() {
    let event = event_input("e", "a.b", "2026-01-02T03:04:05Z", &json!({"severity": "critical", "systemIds": ["a", "b"]}));
    let source = ".payload.severity == \"critical\" and (.payload.systemIds | length) > 1";
    Filter::compile(source).unwrap();
    peak();
    let before = peak();
    let start = Instant::now();
    let programs: Vec<_> = (0..1000).map(|_| Filter::compile(source).unwrap()).collect();
    let compiled = start.elapsed() / 1000;
    let each = peak().saturating_sub(before) / 1000;
    let start = Instant::now();
    assert!(programs.iter().all(|program| program.passes(&event) == Ok(true)));
    println!("compile {compiled:?}, run {:?}, {each} bytes each", start.elapsed() / 1000);
    let large: Vec<_> = (0..2000).map(|index| json!({"id": index, "name": format!("n{index}")})).collect();
    let program = Transform::compile("{names: [.items[] | select(.id % 2 == 0) | .name]}").unwrap();
    let start = Instant::now();
    assert_eq!(program.apply(&json!({"items": large})).unwrap()["names"].as_array().unwrap().len(), 1000);
    println!("2,000 items: {:?}", start.elapsed());
}
