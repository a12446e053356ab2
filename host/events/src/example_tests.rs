use super::*;
use proptest::prelude::*;

#[test]
fn what_the_schema_offers_is_taken() {
    let schema = json!({"type": "object", "properties": {
        "a": {"const": 1}, "b": {"examples": ["x"]}, "c": {"example": "y"}, "d": {"default": "z"}, "e": {"enum": ["v", "w"]},
        "f": {"type": "array", "items": {"type": "string"}},
        "g": {"oneOf": [{"type": "integer", "minimum": 7}, {"type": "string"}]},
        "h": {"type": ["null", "boolean"]},
    }});
    let expected = json!({"a": 1, "b": "x", "c": "y", "d": "z", "e": "v", "f": ["text"], "g": 7, "h": true});
    assert_eq!(of(&schema), (expected, true));
}

#[test]
fn ordinary_schemas_get_samples_that_fit() {
    for schema in [
        json!({}),
        json!({"type": "string", "minLength": 10, "maxLength": 12}),
        json!({"type": "string", "maxLength": 2}),
        json!({"type": "integer", "exclusiveMinimum": 5, "maximum": 6}),
        json!({"type": "number", "minimum": 0.1, "maximum": 0.2}),
        json!({"type": "integer", "multipleOf": 7, "minimum": 10}),
        json!({"type": "integer", "maximum": -5}),
        json!({"type": "array", "minItems": 3, "uniqueItems": true, "items": {"type": "integer"}}),
        json!({"type": "array", "maxItems": 0, "items": {"type": "integer"}}),
        json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false}),
        json!({"allOf": [{"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}},
            {"required": ["b"], "properties": {"a": {"minLength": 6}, "b": {"type": "integer", "minimum": 3}}}]}),
        json!({"$defs": {"node": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "format": "uuid"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}}, "$ref": "#/$defs/node"}),
        json!({"required": ["x"], "additionalProperties": {"type": "integer"}}),
        json!({"type": "object", "minProperties": 2}),
        json!({"properties": {"never": false}}),
    ] {
        let (sample, fits) = of(&schema);
        assert!(fits, "{schema} gave {sample}");
    }
    for format in
        ["date-time", "date", "time", "duration", "uri", "email", "hostname", "ipv4", "ipv6", "uuid", "json-pointer", "regex"]
    {
        let schema = json!({"type": "string", "format": format});
        assert!(of(&schema).1, "{format}");
    }
}

#[test]
fn what_cannot_be_made_is_said_and_nothing_runs_away() {
    assert!(!of(&json!({"type": "string", "pattern": "^[0-9]{9}$"})).1);
    assert!(!of(&json!({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}})).1);
    of(&json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}));
    of(&json!({"type": "array", "minItems": 1e15, "items": {"type": "array", "minItems": 1e15, "items": {}}}));
    of(&json!({"type": "string", "minLength": 1e15}));
    of(&json!({"minProperties": 1e15}));
}

fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!({"type": "boolean"})),
        Just(json!({"type": "null"})),
        (-1000..1000_i64, 0..1000_i64).prop_map(|(low, span)| json!({"type": "integer", "minimum": low, "maximum": low + span})),
        (-1e6..1e6_f64, 0.1..1e3_f64).prop_map(|(low, span)| json!({"type": "number", "minimum": low, "maximum": low + span})),
        (0..30_u64, 0..30_u64).prop_map(|(least, more)| json!({"type": "string", "minLength": least, "maxLength": least + more})),
        prop::sample::select(vec!["date-time", "uri", "email", "uuid", "ipv4"])
            .prop_map(|format| json!({"type": "string", "format": format})),
        prop::collection::vec("[a-z]{1,5}", 1..4).prop_map(|values| json!({"enum": values})),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            (inner.clone(), 0..4_u64).prop_map(|(item, least)| json!({"type": "array", "items": item, "minItems": least})),
            prop::collection::btree_map("[a-z]{1,6}", (inner.clone(), any::<bool>()), 0..5).prop_map(|properties| {
                let required: Vec<_> = properties.iter().filter(|(_, (_, required))| *required).map(|(name, _)| name).collect();
                let listed: Map<String, Value> =
                    properties.iter().map(|(name, (schema, _))| (name.clone(), schema.clone())).collect();
                json!({"type": "object", "properties": listed, "required": required, "additionalProperties": false})
            }),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|branches| json!({"anyOf": branches})),
            inner.prop_map(|schema| json!({"allOf": [schema]})),
        ]
    })
}

proptest! {
    #[test]
    fn samples_fit_their_schemas(schema in any_schema()) {
        let (sample, fits) = of(&schema);
        prop_assert!(fits, "{schema} gave {sample}");
        prop_assert_eq!(of(&schema).0, sample);
    }
}
