//! A service made by hand, for the forms of query that no served model uses (flattened lists and maps, names of
//! their own) and for what goes wrong on the way.

use std::collections::BTreeMap;

use portcullis_core::Timestamp;
use portcullis_wire::schema::{List, Map, Member, Pattern, Range, Schema, Structure, Text};
use portcullis_wire::{
    ClientError, ErrorReply, Operation, OperationMeta, Protocol, ReadError, Reader, RequestError, Service,
    Shape, Wire, Writer, decode_reply, decode_request, encode_error, encode_reply, encode_request, limits,
    put,
};
use proptest::prelude::*;
use serde_json::json;

static PATTERN: Pattern = Pattern::new("[a-z]+", "^(?:[a-z]+)$");
static NAME: Schema = Schema::String(Text {
    length: Range {
        min: Some(2),
        max: Some(4),
    },
    pattern: Some(&PATTERN),
    choices: &[],
    sensitive: false,
});
static SECRET: Schema = Schema::String(Text {
    length: Range {
        min: None,
        max: Some(3),
    },
    pattern: None,
    choices: &[],
    sensitive: true,
});
static COLOUR: Schema = Schema::String(Text {
    length: Range::ANY,
    pattern: None,
    choices: &["RED", "BLUE"],
    sensitive: false,
});
static NAMES: Schema = list(&NAME, "member", false);
static FLAT: Schema = list(&Schema::STRING, "item", true);
static ITEMS: Schema = list(&Schema::Structure(&INNER), "Item", false);
static MAP: Schema = map("key", "value", false);
static FLAT_MAP: Schema = map("Name", "Content", true);
static COUNT: Schema = Schema::Integer(Range {
    min: Some(1),
    max: Some(10),
});

const fn list(member: &'static Schema, member_name: &'static str, flattened: bool) -> Schema {
    Schema::List(List {
        member,
        member_name,
        flattened,
        length: Range {
            min: None,
            max: Some(3),
        },
    })
}

const fn map(key_name: &'static str, value_name: &'static str, flattened: bool) -> Schema {
    let (key, value) = (&Schema::STRING, &Schema::LONG);
    Schema::Map(Map {
        key,
        value,
        key_name,
        value_name,
        flattened,
        length: Range::ANY,
    })
}

static INNER: Structure = Structure {
    name: "Inner",
    members: &[
        Member::required("Text", &Schema::STRING),
        Member::optional("Items", &ITEMS),
    ],
};

static OUTER: Structure = Structure {
    name: "Outer",
    members: &[
        Member::optional("Name", &NAME),
        Member::optional("Secret", &SECRET),
        Member::optional("Colour", &COLOUR),
        Member::optional("Names", &NAMES),
        Member::optional("Flat", &FLAT),
        Member::optional("Items", &ITEMS),
        Member::optional("Map", &MAP),
        Member::optional("FlatMap", &FLAT_MAP),
        Member::optional("Count", &COUNT),
        Member::optional("Ratio", &Schema::DOUBLE),
        Member::optional("Flag", &Schema::Boolean),
        Member::optional("When", &Schema::Timestamp),
        Member::optional("Bytes", &Schema::BLOB),
    ],
};

macro_rules! shape {
    ($name:ident, $schema:ident, $($index:literal $field:ident: $type:ty),* $(,)?) => {
        #[derive(Clone, Debug, Default, PartialEq)]
        struct $name { $($field: $type),* }

        impl Shape for $name {
            fn schema() -> &'static Structure {
                &$schema
            }
        }

        impl Wire for $name {
            fn read(reader: Reader<'_>) -> Result<Self, ReadError> {
                let mut shape = Self::default();
                reader.structure(&$schema, &mut |index, value| {
                    match index {
                        $($index => shape.$field = Wire::read(value)?,)*
                        _ => {}
                    }
                    Ok(())
                })?;
                Ok(shape)
            }

            fn write(&self, writer: &mut dyn Writer) {
                writer.begin_structure(&$schema);
                $(put(writer, $index, &self.$field);)*
                writer.end_structure();
            }
        }
    };
}

shape!(Inner, INNER, 0 text: String, 1 items: Option<Vec<Inner>>);
shape!(Outer, OUTER,
    0 name: Option<String>, 1 secret: Option<String>, 2 colour: Option<String>, 3 names: Option<Vec<String>>,
    4 flat: Option<Vec<String>>, 5 items: Option<Vec<Inner>>, 6 map: Option<BTreeMap<String, i64>>,
    7 flat_map: Option<BTreeMap<String, i64>>, 8 count: Option<i32>, 9 ratio: Option<f64>, 10 flag: Option<bool>,
    11 when: Option<Timestamp>, 12 bytes: Option<Vec<u8>>);

struct DoQuery;
struct DoJson;

static QUERY: Service = service(Protocol::Query, "https://example.com/doc/");
static JSON: Service = service(Protocol::Json11, "");
static QUERY_META: OperationMeta = meta(&QUERY);
static JSON_META: OperationMeta = meta(&JSON);

const fn service(protocol: Protocol, xml_namespace: &'static str) -> Service {
    Service {
        name: "made",
        signing_name: "made",
        protocol,
        target_prefix: "Made",
        api_version: "2026-01-01",
        xml_namespace,
        validation_code: "ValidationError",
        operations: &["Do"],
        routes: &[],
        served: &[],
    }
}

const fn meta(service: &'static Service) -> OperationMeta {
    OperationMeta {
        name: "Do",
        service,
        input: &OUTER,
        output: &OUTER,
        result_wrapper: Some("DoResult"),
        errors: &[],
        readonly: false,
        idempotent: false,
        unsigned: false,
    }
}

impl Operation for DoQuery {
    type Input = Outer;
    type Output = Outer;
    const META: &'static OperationMeta = &QUERY_META;
}

impl Operation for DoJson {
    type Input = Outer;
    type Output = Outer;
    const META: &'static OperationMeta = &JSON_META;
}

/// Text that XML 1.0 can hold.
fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(
        any::<char>().prop_filter("XML", |c| *c >= ' ' && !('\u{fffe}'..='\u{ffff}').contains(c)),
        0..6,
    )
    .prop_map(String::from_iter)
}

fn inner() -> impl Strategy<Value = Inner> {
    let leaf = text().prop_map(|text| Inner { text, items: None });
    leaf.prop_recursive(3, 8, 3, |inner| {
        (text(), prop::option::of(prop::collection::vec(inner, 0..3)))
            .prop_map(|(text, items)| Inner { text, items })
    })
}

/// Values inside the rules. Empty flattened lists and maps cannot be told from absent ones.
fn outer() -> impl Strategy<Value = Outer> {
    let texts = (
        prop::option::of("[a-z]{2,4}"),
        prop::option::of("[a-z]{0,3}"),
        prop::option::of(prop_oneof![Just("RED".to_owned()), Just("BLUE".to_owned())]),
        prop::option::of(prop::collection::vec("[a-z]{2,4}", 0..3)),
        prop::option::of(prop::collection::vec(text(), 1..4)),
        prop::option::of(prop::collection::vec(inner(), 0..3)),
    );
    let others = (
        prop::option::of(prop::collection::btree_map(text(), any::<i64>(), 0..3)),
        prop::option::of(prop::collection::btree_map(text(), any::<i64>(), 1..3)),
        prop::option::of(1..=10),
        // Eighths, since serde_json's fast reading of longer fractions may be off by the last bit.
        prop::option::of(any::<i32>().prop_map(|eighths| f64::from(eighths) / 8.0)),
        prop::option::of(any::<bool>()),
        prop::option::of((-2_000_000_000_000_i64..4_000_000_000_000).prop_map(Timestamp::from_millis)),
        prop::option::of(prop::collection::vec(any::<u8>(), 0..9)),
    );
    (texts, others).prop_map(|((name, secret, colour, names, flat, items), others)| {
        let (map, flat_map, count, ratio, flag, when, bytes) = others;
        Outer {
            name,
            secret,
            colour,
            names,
            flat,
            items,
            map,
            flat_map,
            count,
            ratio,
            flag,
            when,
            bytes,
        }
    })
}

proptest! {
    #[test]
    fn forms_and_xml_carry_every_value(value in outer()) {
        let request = encode_request::<DoQuery>(&value);
        prop_assert_eq!(decode_request::<DoQuery>(&request.body), Ok(value.clone()));
        let reply = encode_reply::<DoQuery>(&value, "id");
        prop_assert_eq!(decode_reply::<DoQuery>(200, &reply.body), Ok(value));
    }

    #[test]
    fn json_carries_every_value(value in outer()) {
        let request = encode_request::<DoJson>(&value);
        prop_assert_eq!(decode_request::<DoJson>(&request.body), Ok(value.clone()));
        let reply = encode_reply::<DoJson>(&value, "id");
        prop_assert_eq!(decode_reply::<DoJson>(200, &reply.body), Ok(value));
    }

    #[test]
    fn no_bytes_whatever_break_the_decoders(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_request::<DoJson>(&bytes);
        let _ = decode_request::<DoQuery>(&bytes);
        let _ = decode_reply::<DoJson>(200, &bytes);
        let _ = decode_reply::<DoQuery>(200, &bytes);
        let _ = decode_reply::<DoQuery>(400, &bytes);
    }

    #[test]
    fn no_xml_whatever_breaks_the_client(text in "(<[a-z/!?&]{0,6}>?|&[a-z#x0-9]{0,4};?|[a-z]{0,3}|-->|]]>){0,30}") {
        let _ = decode_reply::<DoQuery>(200, text.as_bytes());
    }
}

fn query_error(form: &str) -> String {
    match decode_request::<DoQuery>(form.as_bytes()) {
        Ok(input) => panic!("{form} is accepted: {input:?}"),
        Err(error) => {
            let reply = error.reply(&QUERY);
            format!("{} {}: {}", reply.status, reply.code, reply.message)
        }
    }
}

#[test]
fn violations_are_worded_as_aws_words_them() {
    let cases = [
        "Name=A",
        "Name=abcde",
        "Secret=abcd",
        "Colour=GREEN",
        "Names.member.1=ab&Names.member.2=A",
        "Flat.1=a&Flat.2=b&Flat.3=c&Flat.4=d",
        "Items.Item.1.Text=a&Items.Item.2.Items.Item.1.Other=b",
        "Count=0",
        "Count=11&Colour=",
    ];
    insta::assert_snapshot!(cases.map(query_error).join("\n"));
}

#[test]
fn broken_forms_are_malformed() {
    let cases = [
        "Count=many",
        "Count=2147483648",
        "Flag=perhaps",
        "When=soon",
        "Bytes=%2A",
        "Name=%ff",
        "Map.entry.1.value=1",
        "Name=ab&Name=cd",
    ];
    insta::assert_snapshot!(cases.map(query_error).join("\n"));
}

#[test]
fn broken_json_is_refused_with_a_serialization_exception() {
    let deep = "[".repeat(limits::MAX_DEPTH + 1);
    let cases = [
        "",
        "{",
        "[]",
        "null",
        "{\"Name\":1}",
        "{\"Name\":{}}",
        "{\"Names\":\"a\"}",
        "{\"Names\":[null]}",
        "{\"Count\":\"1\"}",
        "{\"Count\":1.5}",
        "{\"Count\":3e9}",
        "{\"Flag\":\"true\"}",
        "{\"When\":true}",
        "{\"Bytes\":\"*\"}",
        "{\"Map\":[]}",
        &deep,
    ];
    let answers = cases.map(|text| match decode_request::<DoJson>(text.as_bytes()) {
        Ok(input) => format!("{text:30} accepted: {}", json!(input == Outer::default())),
        Err(error) => {
            let reply = error.reply(&JSON);
            format!(
                "{:30} {} {}: {}",
                text.get(..30).unwrap_or(text),
                reply.status,
                reply.code,
                reply.message
            )
        }
    });
    insta::assert_snapshot!(answers.join("\n"));
}

#[test]
fn oversized_requests_are_refused_before_they_are_parsed() {
    let body = vec![b' '; limits::MAX_BODY_BYTES + 1];
    for error in [decode_request::<DoJson>(&body), decode_request::<DoQuery>(&body)] {
        assert_eq!(error, Err(RequestError::Excess(limits::Excess::Body)));
    }
    assert_eq!(
        RequestError::Excess(limits::Excess::Body).reply(&JSON).status,
        413
    );
    let many = "a=b&".repeat(limits::MAX_PARAMETERS);
    assert_eq!(
        decode_request::<DoQuery>(many.as_bytes()),
        Err(RequestError::Excess(limits::Excess::Count))
    );
    let deep = format!("{}=1", ["a"; limits::MAX_DEPTH + 1].join("."));
    assert_eq!(
        decode_request::<DoQuery>(deep.as_bytes()),
        Err(RequestError::Excess(limits::Excess::Depth))
    );
}

#[test]
fn xml_answers_are_escaped_and_wrapped() {
    let value = Outer {
        name: Some("<&>\"'\r\n\t\u{1}".to_owned()),
        names: Some(vec![]),
        flat: Some(vec!["a".to_owned(), "b".to_owned()]),
        items: Some(vec![Inner {
            text: "x".to_owned(),
            items: None,
        }]),
        map: Some(BTreeMap::from([("k".to_owned(), 1)])),
        flat_map: Some(BTreeMap::from([("k".to_owned(), 2)])),
        when: Some(Timestamp::from_millis(1_795_304_278_737)),
        ..Outer::default()
    };
    let reply = encode_reply::<DoQuery>(&value, "00000000-0000-0000-0000-000000000000");
    insta::assert_snapshot!(String::from_utf8(reply.body).unwrap().replace("><", ">\n<"));
}

#[test]
fn errors_stand_in_their_protocols_envelope() {
    let error =
        ErrorReply::sender("ConflictException", 400, "a < b").with_field("resourceIds", json!(["arn:1"]));
    let server = ErrorReply {
        sender_fault: false,
        status: 500,
        ..ErrorReply::sender("ServiceFailure", 500, "x")
    };
    let shown = [(&JSON, &error), (&QUERY, &error), (&QUERY, &server)].map(|(service, error)| {
        let reply = encode_error(service, error, "the-id");
        format!(
            "{} {:?}\n{}",
            reply.status,
            reply.headers,
            String::from_utf8(reply.body).unwrap()
        )
    });
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn clients_read_the_errors_of_both_protocols() {
    let error = ErrorReply::sender("AccessDenied", 403, "not <you>");
    for (service, read) in [
        (
            &JSON,
            decode_reply::<DoJson> as fn(u16, &[u8]) -> Result<Outer, ClientError>,
        ),
        (&QUERY, decode_reply::<DoQuery>),
    ] {
        let reply = encode_error(service, &error, "id");
        let found = read(reply.status, &reply.body).unwrap_err();
        assert_eq!(
            (found.status(), found.code(), found.to_string().as_str()),
            (403, "AccessDenied", "AccessDenied: not <you>")
        );
        let found = read(502, b"<html>bad gateway</html>").unwrap_err();
        assert_eq!((found.status(), found.code()), (502, ""));
    }
    let namespaced =
        br#"{"__type":"com.amazon.coral.service#ThrottlingException","Message":"Rate exceeded"}"#;
    assert_eq!(
        decode_reply::<DoJson>(400, namespaced).unwrap_err().to_string(),
        "ThrottlingException: Rate exceeded"
    );
}
