//! REST services: a service made by hand whose members stand everywhere.

use http::{HeaderMap, Request};
use portcullis_wire::schema::{HttpRoute, List, Location, Member, Range, Schema, Structure};
use portcullis_wire::{
    ClientError, ErrorReply, Operation, OperationMeta, Payload, Protocol, ReadError, Reader, RequestError,
    Service, Shape, Wire, Writer, decode_answer, decode_request, encode_error, encode_reply, encode_request,
    put, route,
};
use proptest::prelude::*;

static KINDS: Schema = Schema::List(List {
    member: &Schema::STRING,
    member_name: "member",
    flattened: false,
    length: Range {
        min: None,
        max: Some(3),
    },
});

static ASK: Structure = Structure {
    name: "Ask",
    members: &[
        Member::required("thingId", &Schema::STRING).at(Location::Label("id")),
        Member::optional("count", &Schema::INTEGER).at(Location::Query("max-count")),
        Member::optional("kinds", &KINDS).at(Location::Query("kind")),
        Member::optional("dry", &Schema::Boolean).at(Location::Query("dry")),
        Member::optional("mark", &Schema::STRING).at(Location::Header("x-amz-mark")),
        Member::optional("note", &Schema::STRING),
    ],
};

static TOLD: Structure = Structure {
    name: "Told",
    members: &[
        Member::optional("status", &Schema::INTEGER).at(Location::Status),
        Member::optional("mark", &Schema::STRING).at(Location::Header("x-amz-mark")),
        Member::optional("note", &Schema::STRING),
    ],
};

static UPLOAD: Structure = Structure {
    name: "Upload",
    members: &[
        Member::required("path", &Schema::STRING).at(Location::Label("path")),
        Member::optional("content", &Schema::BLOB).at(Location::Payload),
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

shape!(Ask, ASK, 0 id: String, 1 count: Option<i32>, 2 kinds: Option<Vec<String>>, 3 dry: Option<bool>,
    4 mark: Option<String>, 5 note: Option<String>);
shape!(Told, TOLD, 0 status: Option<i32>, 1 mark: Option<String>, 2 note: Option<String>);
shape!(Upload, UPLOAD, 0 path: String, 1 content: Option<Vec<u8>>);

macro_rules! operation {
    ($name:ident, $meta:ident, $input:ident, $input_schema:ident, $output:ident, $output_schema:ident) => {
        struct $name;

        impl Operation for $name {
            type Input = $input;
            type Output = $output;
            const META: &'static OperationMeta = &$meta;
        }

        static $meta: OperationMeta = OperationMeta {
            name: stringify!($name),
            service: &REST,
            input: &$input_schema,
            output: &$output_schema,
            result_wrapper: None,
            errors: &[],
            readonly: false,
            idempotent: false,
            unsigned: false,
        };
    };
}

operation!(AskThing, ASK_THING, Ask, ASK, Told, TOLD);
operation!(PutThing, PUT_THING, Upload, UPLOAD, Upload, UPLOAD);

static REST: Service = service(
    "made",
    &[
        way("AskThing", "POST", "/things/{id}", 202),
        way("ListThings", "GET", "/things/all", 200),
        way("GetThing", "GET", "/things/{id}", 200),
        way("PutThing", "PUT", "/files/{path+}", 200),
    ],
);
static OTHER: Service = service("other", &[way("GetOther", "GET", "/things/{id}", 200)]);

const fn way(operation: &'static str, method: &'static str, path: &'static str, status: u16) -> HttpRoute {
    HttpRoute {
        operation,
        method,
        path,
        status,
    }
}

const fn service(signing_name: &'static str, routes: &'static [HttpRoute]) -> Service {
    Service {
        name: "made-rest",
        signing_name,
        protocol: Protocol::RestJson,
        target_prefix: "",
        api_version: "2026-01-01",
        xml_namespace: "",
        validation_code: "ValidationException",
        operations: &[],
        routes,
        served: &[],
    }
}

/// The request of an input, as the server gets it.
fn sent<O: Operation>(input: &O::Input) -> Request<Vec<u8>> {
    let request = encode_request::<O>(input);
    let mut builder = Request::builder().method(request.method).uri(&request.path);
    for (name, value) in request.headers {
        builder = builder.header(name, value);
    }
    builder.body(request.body).unwrap()
}

fn read<O: Operation>(request: Request<Vec<u8>>) -> Result<O::Input, RequestError> {
    let (parts, body) = request.into_parts();
    decode_request::<O>(Payload {
        body: &body,
        parts: Some(&parts),
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    let parts = (
        // A dot segment cannot be a label: clients and signatures take it out of the path.
        "\\PC{1,8}".prop_filter("dots", |id| id != "." && id != ".."),
        prop::option::of(any::<i32>()),
        prop::option::of(prop::collection::vec("\\PC{0,5}", 1..4)),
        prop::option::of(any::<bool>()),
        prop::option::of("[!-~]{1,6}"),
        prop::option::of("\\PC{0,8}"),
    );
    parts.prop_map(|(id, count, kinds, dry, mark, note)| Ask {
        id,
        count,
        kinds,
        dry,
        mark,
        note,
    })
}

proptest! {
    #[test]
    fn members_come_back_from_wherever_they_stand(input in ask()) {
        prop_assert_eq!(read::<AskThing>(sent::<AskThing>(&input)), Ok(input));
    }

    #[test]
    fn nothing_a_stranger_sends_breaks_the_reader(path in "/[a-z%/.{}+]{0,20}", query in "[a-z=&%+]{0,30}", body in any::<Vec<u8>>()) {
        if let Ok(request) = Request::post(format!("{path}?{query}")).body(body) {
            let _ = read::<AskThing>(request);
        }
    }

    #[test]
    fn a_blob_can_be_the_whole_body(path in "[a-z]{1,3}(/[a-z ]{1,3}){0,3}", content in any::<Vec<u8>>()) {
        let input = Upload { path, content: Some(content).filter(|content| !content.is_empty()) };
        prop_assert_eq!(read::<PutThing>(sent::<PutThing>(&input)), Ok(input));
    }
}

#[test]
fn a_request_as_clients_send_it() {
    let input = Ask {
        id: "a b/c".to_owned(),
        count: Some(7),
        kinds: Some(vec!["x&y".to_owned(), "z".to_owned()]),
        dry: Some(true),
        mark: Some("m".to_owned()),
        note: Some("n".to_owned()),
    };
    let request = encode_request::<AskThing>(&input);
    assert_eq!(request.method, "POST");
    assert_eq!(
        request.path,
        "/things/a%20b%2Fc?max-count=7&kind=x%26y&kind=z&dry=true"
    );
    assert_eq!(
        request.headers,
        [
            ("x-amz-mark", "m".to_owned()),
            ("content-type", "application/json".to_owned())
        ]
    );
    assert_eq!(request.body, br#"{"note":"n"}"#);
}

#[test]
fn answers_put_status_and_headers_where_they_belong() {
    let output = Told {
        status: Some(207),
        mark: Some("m".to_owned()),
        note: Some("n".to_owned()),
    };
    let reply = encode_reply::<AskThing>(&output, "id");
    assert_eq!(
        (reply.status, reply.body.as_slice()),
        (207, br#"{"note":"n"}"#.as_slice())
    );
    let headers = http::Response::<Vec<u8>>::from(reply.clone())
        .into_parts()
        .0
        .headers;
    assert_eq!(headers.get("x-amz-mark").unwrap(), "m");
    assert_eq!(headers.get("x-amzn-requestid").unwrap(), "id");
    assert_eq!(
        decode_answer::<AskThing>(reply.status, &headers, &reply.body),
        Ok(output)
    );
    let plain = encode_reply::<AskThing>(&Told::default(), "id");
    assert_eq!((plain.status, plain.body.as_slice()), (202, b"{}".as_slice()));
}

#[test]
fn errors_name_their_code_in_a_header() {
    let error = ErrorReply::sender("AccessDeniedException", 403, "No.");
    let reply = encode_error(&REST, &error, "id");
    assert_eq!(
        (reply.status, reply.body.as_slice()),
        (403, br#"{"message":"No."}"#.as_slice())
    );
    let mut headers = http::Response::<Vec<u8>>::from(reply.clone())
        .into_parts()
        .0
        .headers;
    assert_eq!(headers.get("x-amzn-errortype").unwrap(), "AccessDeniedException");
    let told = |headers: &HeaderMap| decode_answer::<AskThing>(403, headers, &reply.body).unwrap_err();
    let expected = ClientError::Service {
        status: 403,
        code: "AccessDeniedException".to_owned(),
        message: "No.".to_owned(),
    };
    assert_eq!(told(&headers), expected);
    headers.insert(
        "x-amzn-errortype",
        "AccessDeniedException:http://internal/".parse().unwrap(),
    );
    assert_eq!(told(&headers), expected);
}

#[test]
fn paths_name_operations_and_literals_go_first() {
    let services: &[&'static Service] = &[&REST, &OTHER];
    let found = |method: &str, path: &str, signed_for: Option<&str>| {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(name) = signed_for {
            let value = format!(
                "AWS4-HMAC-SHA256 Credential=AKIA/20261122/us-east-1/{name}/aws4_request, SignedHeaders=host, Signature=00"
            );
            request = request.header("authorization", value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let route = route(services, &parts, b"");
        route
            .map(|route| route.operation)
            .map_err(|error| error.error().code.clone())
    };
    assert_eq!(found("GET", "/things/1", None), Ok("GetThing"));
    assert_eq!(found("GET", "/things/all", None), Ok("ListThings"));
    assert_eq!(found("POST", "/things/all", None), Ok("AskThing"));
    assert_eq!(found("PUT", "/files/a/b/c", None), Ok("PutThing"));
    assert_eq!(found("GET", "/things/1", Some("other")), Ok("GetOther"));
    assert_eq!(found("GET", "/things/all", Some("other")), Ok("GetOther"));
    let presigned = "/things/1?X-Amz-Credential=AKIA%2F20261122%2Fus-east-1%2Fother%2Faws4_request";
    assert_eq!(found("GET", presigned, None), Ok("GetOther"));
    for (method, path, signed_for) in [
        ("DELETE", "/things/1", None),
        ("GET", "/things/1", Some("iam")),
        ("GET", "/things/", None),
        ("GET", "/things/./1", None),
        ("GET", "/x/../things/1", None),
        ("GET", "/", None),
    ] {
        assert_eq!(
            found(method, path, signed_for),
            Err("MissingAction".to_owned()),
            "{method} {path}"
        );
    }
}

#[test]
fn what_is_wrong_is_told() {
    let wrong = |path: &str, body: &str| {
        let request = Request::post(path).body(body.as_bytes().to_vec()).unwrap();
        read::<AskThing>(request).map_err(|error| {
            let reply = error.reply(&REST);
            (reply.code, reply.message)
        })
    };
    let cases = [
        wrong("/things/1?max-count=many", ""),
        wrong("/things/1?max-count=1&max-count=2", ""),
        wrong("/things/1?dry=perhaps", ""),
        wrong("/things/1?kind=a&kind=b&kind=c&kind=d", ""),
        wrong("/things/1", "{"),
        wrong("/things/1", "[]"),
        wrong("/things/1", r#"{"note":1}"#),
        wrong("/things/1?max-count=%ff", ""),
    ];
    insta::assert_debug_snapshot!(cases);
}

#[test]
fn the_body_cannot_stand_in_for_path_query_or_headers() {
    let body = br#"{"thingId":"other","id":"other","count":1,"mark":"m","note":"n"}"#;
    let request = Request::post("/things/1").body(body.to_vec()).unwrap();
    let expected = Ask {
        id: "1".to_owned(),
        note: Some("n".to_owned()),
        ..Ask::default()
    };
    assert_eq!(read::<AskThing>(request), Ok(expected));
}
