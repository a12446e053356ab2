use super::*;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn run(source: &str, input: Json) -> Result<Json, ProgramError> {
    Program::compile(source, Kind::Transform)?.run(&input)
}

#[test]
fn the_seeds_transform_works() {
    let source = r#"{
        id: .incidentId, type: "INCIDENT_CREATED", severity: (.severity | ascii_upcase),
        affected_systems: (.systemIds | length), system_ids: .systemIds, title
    }"#;
    let payload = json!({"incidentId": "i-1", "severity": "critical", "systemIds": ["a", "b"], "title": "T", "secret": 1});
    let expected = json!({"id": "i-1", "type": "INCIDENT_CREATED", "severity": "CRITICAL", "affected_systems": 2,
        "system_ids": ["a", "b"], "title": "T"});
    let result = Transform::compile(source).unwrap().apply(&payload).unwrap();
    assert_eq!(result.to_string(), expected.to_string(), "the order is kept too");
}

#[test]
fn what_people_write_gives_what_jq_gives() {
    for (source, input, expected) in [
        (".a.b[1:] | map(. * 2) | add", json!({"a": {"b": [1, 2, 3]}}), json!(10)),
        ("del(.secret)", json!({"a": 1, "secret": 2, "z": 3}), json!({"a": 1, "z": 3})),
        (".a += 1 | .b.c = [] | .d[1] = 2", json!({"a": 1}), json!({"a": 2, "b": {"c": []}, "d": [null, 2]})),
        ("with_entries(.key |= \"x_\" + .)", json!({"a": 1}), json!({"x_a": 1})),
        ("[.[] | select(. > 1)] | sort | reverse", json!([3, 1, 2]), json!([3, 2])),
        (
            "group_by(.k) | map({k: .[0].k, n: length})",
            json!([{"k": 2}, {"k": 1}, {"k": 2}]),
            json!([{"k": 1, "n": 1}, {"k": 2, "n": 2}]),
        ),
        ("\"\\(.n) of \\(.s) \\([1.0, .n])\"", json!({"n": 1, "s": "x"}), json!("1 of x [1,1]")),
        ("@json \"v=\\(.)\"", json!({"a": [1, "b"]}), json!(r#"v={"a":[1,"b"]}"#)),
        ("@base64 \"\\(.)\" | ., @base64d", json!("hé"), Json::Null),
        ("@uri", json!("a b/c"), json!("a%20b%2Fc")),
        ("test(\"^a.c$\")", json!("abc"), json!(true)),
        (
            "[match(\"(?<x>b)(c)?\"; \"g\") | [.offset, .string, .captures[0].name]]",
            json!("äbcb"),
            json!([[1, "bc", "x"], [3, "b", "x"]]),
        ),
        ("sub(\"(?<y>[0-9]+)\"; \"<\\(.y)>\"), gsub(\"[aeiou]\"; \"\")", json!("a12e"), Json::Null),
        ("gsub(\"[aeiou]\"; \"_\")", json!("banana"), json!("b_n_n_")),
        ("split(\", \") | join(\"-\")", json!("a, b"), json!("a-b")),
        ("[splits(\" +\")]", json!("a  b c"), json!(["a", "b", "c"])),
        ("capture(\"(?<n>[0-9]+)\").n | tonumber", json!("id 42"), json!(42)),
        (".[1:3], .[-1:]", json!("héllo"), Json::Null),
        (".[1:3]", json!("héllo"), json!("él")),
        ("to_entries | from_entries", json!({"b": 1, "a": 2}), json!({"b": 1, "a": 2})),
        ("paths | length", json!({"b": 1}), json!(1)),
        ("[paths]", json!({"b": [1]}), json!([["b"], ["b", 0]])),
        ("walk(if type == \"number\" then . + 1 else . end)", json!({"b": [1]}), json!({"b": [2]})),
        (".a // \"none\"", json!({}), json!("none")),
        ("try error(\"x\") catch .", json!({}), json!("x")),
        ("reduce .[] as $x (0; . + $x)", json!([1, 2, 3]), json!(6)),
        ("[limit(3; repeat(1))] + [first(range(10; 20))]", json!(null), json!([1, 1, 1, 10])),
        ("def f($n): if $n == 0 then 1 else $n * f($n - 1) end; f(10)", json!(null), json!(3628800)),
        ("contains({a: [\"x\"]}), has(\"a\")", json!({"a": ["xy"]}), Json::Null),
        ("contains({a: [\"x\"]})", json!({"a": ["xy"]}), json!(true)),
        ("index(\"b\"), indices(1)?", json!("abc"), json!(1)),
        ("1700000000 | todate", json!(null), json!("2023-11-14T22:13:20Z")),
        ("fromdate", json!("2023-11-14T22:13:20Z"), json!(1700000000)),
        (".n, .m | . + 0", json!({"n": 18446744073709551615_u64}), Json::Null),
        (".n", json!({"n": 18446744073709551615_u64}), json!(18446744073709551615_u64)),
        ("[nan, infinite] | map(isnan)", json!(null), json!([true, false])),
        ("nan", json!(null), json!(null)),
        ("6 / 4, 6 / 3 | select(. == 2)", json!(null), json!(2)),
        ("unique, min, max | length", json!([1]), Json::Null),
        ("[unique, min_by(.), max]", json!([2, 1, 2]), json!([[1, 2], 1, 2])),
        ("transpose", json!([[1, 2], [3]]), json!([[1, 3], [2, null]])),
        ("@csv", json!([1, "a\"b", null]), json!("1,\"a\"\"b\",")),
        ("fromjson.a", json!("{\"a\":1}"), json!(1)),
        ("tojson", json!({"a": "\""}), json!("{\"a\":\"\\\"\"}")),
        ("ltrimstr(\"a\") | rtrimstr(\"c\") | trim", json!("a b c"), json!("b")),
        ("explode | implode", json!("hé"), json!("hé")),
        ("* {b: {c: 2}}", json!({"b": {"a": 1}}), Json::Null),
        (". * {b: {c: 2}}", json!({"b": {"a": 1}}), json!({"b": {"a": 1, "c": 2}})),
        (". as [$a, {b: $b}] | $a + $b", json!([1, {"b": 2}]), json!(3)),
        ("getpath([\"a\", \"b\"])", json!({"a": null}), json!(null)),
        ("delpaths([[\"a\"], [\"b\", 0]])", json!({"a": 1, "b": [1, 2]}), json!({"b": [2]})),
        ("[..] | length", json!([[1], 2]), json!(4)),
        ("flatten", json!([1, [2, [3]]]), json!([1, 2, 3])),
        ("any(. > 2), all(. > 0) | select(.)", json!([1, 2]), json!(true)),
    ] {
        if expected.is_null() && source != "nan" && !source.starts_with("getpath") {
            assert!(run(source, input).is_err(), "{source} yields several values or no program");
        } else {
            assert_eq!(run(source, input), Ok(expected), "{source}");
        }
    }
}

#[test]
fn nothing_outside_can_be_reached() {
    for source in [
        "env",
        "$ENV",
        "$ENV.PATH",
        "input",
        "[inputs]",
        "input_line_number",
        "input_filename",
        "now",
        "localtime",
        "halt",
        "halt_error",
        "halt(1)",
        "debug",
        "debug(1)",
        "stderr",
        "$__loc__",
        "$__prog_args",
        "get_search_list",
        "rand",
        "strflocaltime(\"\")",
        "import \"a\" as a; .",
        "include \"a\"; .",
        "import \"/etc/passwd\" as $x; $x",
        "ltrimstr",
        "builtins",
        "getpath",
        "open(\"/\")",
        "debug_empty",
        "stderr_empty",
        "mktime",
        "strptime(\"\")",
    ] {
        let error = Program::compile(source, Kind::Filter).unwrap_err();
        assert!(error.place.is_some(), "{source}: {error}");
    }
}

#[test]
fn errors_name_the_place() {
    let error = Program::compile(".a |\n  nothing(1)", Kind::Filter).unwrap_err();
    assert_eq!(error.to_string(), "filter: there is no function `nothing/1` (line 2, column 3)");
    assert_eq!(Program::compile(".a | $x", Kind::Filter).unwrap_err().place, Some((1, 6)));
    for source in ["{a: }", "(", ".[", "\"\\(", "\"open", ".a |", "if . then 1", "", "1 +", "%%", "reduce . as", "'a'"] {
        let error = Program::compile(source, Kind::Filter).unwrap_err();
        assert!(error.place.is_some(), "{source}: {error}");
    }
    assert!(Program::compile(&" ".repeat(LARGEST_SOURCE + 1), Kind::Filter).unwrap_err().message.contains("at most"));
    assert_eq!(run("empty", json!(1)).unwrap_err().message, "transform: it yields nothing; exactly one value is needed");
    assert!(run("1, 2", json!(1)).unwrap_err().message.contains("several"));
    assert!(run(".a", json!("x")).unwrap_err().message.contains("cannot index"));
    assert!(run("break $x", json!(1)).is_err());
}

#[test]
fn typed_programs_insist_on_their_type() {
    let event = event_input("e", "a.b", "2026-01-02T03:04:05Z", &json!({"severity": "critical", "id": "i-1"}));
    assert_eq!(Filter::compile(".payload.severity == \"critical\" and .type == \"a.b\"").unwrap().passes(&event), Ok(true));
    let error = Filter::compile(".payload.severity").unwrap().passes(&event).unwrap_err();
    assert_eq!(error.message, "filter: it must yield true or false, but yields a string of 8 bytes");
    assert!(Filter::compile(".payload.missing").unwrap().passes(&event).unwrap_err().message.contains("null"));
    let key = |source: &str| EntityKey::compile(source).unwrap().of(&event);
    assert_eq!(key(".payload.id"), Ok(Some("i-1".into())));
    assert_eq!(key(".payload.missing"), Ok(None));
    assert!(key("\"\"").is_err() && key("\"x\" * 257").is_err() && key("1").is_err());
    assert_eq!(key("\"x\" * 256").unwrap().unwrap().len(), 256);
    assert!(Transform::compile("[.]").unwrap().apply(&json!({})).unwrap_err().message.contains("an array of 1"));
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>()
            .prop_filter("1.0 is written as 1", |number| number.is_finite() && number.fract() != 0.0)
            .prop_map(Json::from),
        ".*".prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec((".*", inner), 0..6).prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn identity_changes_nothing(value in any_json()) {
        prop_assert_eq!(run(".", value.clone()).unwrap(), value);
    }

    #[test]
    fn text_made_by_tojson_is_read_back(value in any_json()) {
        prop_assert_eq!(run("tojson | fromjson", value.clone()).unwrap().to_string(), run(".", value).unwrap().to_string());
    }

    #[test]
    fn arbitrary_sources_are_harmless(source in "[-.|,()\\[\\]{}a-c0-9\"$ +*=?/]{0,40}", value in any_json()) {
        if let Ok(program) = Program::compile(&source, Kind::Filter) {
            let _ = program.run(&value);
        }
    }

    #[test]
    fn a_run_is_deterministic(value in any_json()) {
        let program = Program::compile("[.. | scalars] | sort | unique | group_by(type)", Kind::Transform).unwrap();
        prop_assert_eq!(program.run(&value), program.run(&value));
    }
}
