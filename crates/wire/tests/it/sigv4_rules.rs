//! What a server refuses beyond a wrong signature, with AWS's codes and texts.

use http::request::Parts;
use portcullis_core::{Secret, Timestamp};
use portcullis_wire::Protocol;
use portcullis_wire::sigv4::{AuthError, Form, Presented, SignError, Signer, SigningKey};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn now() -> Timestamp {
    "2026-11-21T23:37:58Z".parse().unwrap()
}

fn request(uri: &str, headers: &[(&'static str, &str)]) -> Parts {
    let mut builder = http::Request::builder().method("POST").uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn sign(parts: &mut Parts, body: &[u8], token: Option<&str>) {
    let token = token.map(Secret::new);
    let secret = Secret::new(SECRET);
    let signer = Signer {
        access_key_id: "AKIDEXAMPLE",
        secret_access_key: &secret,
        session_token: token.as_ref(),
        region: "us-west-2",
        service: "ecs",
    };
    signer.sign(parts, body, now()).unwrap();
}

fn signed(body: &[u8]) -> Parts {
    let mut parts = request("http://127.0.0.1:4566/", &[("x-amz-target", "X.ListClusters")]);
    sign(&mut parts, body, None);
    parts
}

fn verify(parts: &Parts, body: &[u8]) -> Result<(), AuthError> {
    let presented = Presented::parse(parts)?;
    presented.check("ecs", now())?;
    let scope = &presented.scope;
    presented.verify(
        &SigningKey::derive(&Secret::new(SECRET), &scope.date, &scope.region, &scope.service),
        parts,
        body,
    )
}

fn text(error: Result<(), AuthError>) -> String {
    error.unwrap_err().to_string()
}

#[test]
fn what_we_sign_we_verify() {
    let parts = signed(b"{}");
    assert_eq!(verify(&parts, b"{}"), Ok(()));
    assert_eq!(verify(&parts, b"{ }"), Err(AuthError::Mismatch));
}

#[test]
fn websocket_upgrades_are_signed_over_the_empty_body_and_a_plus_in_the_query_is_a_space() {
    let uri = "http://127.0.0.1:4566/ws?clusterArn=probe&dockerVersion=DockerVersion%3A+20.10.24%2Bdfsg1";
    let mut parts = request(uri, &[]);
    parts.method = http::Method::GET;
    sign(&mut parts, b"", Some("token"));
    assert_eq!(verify(&parts, b""), Ok(()));

    let spaced = uri.replace('+', "%20");
    parts.uri = spaced.parse().unwrap();
    assert_eq!(verify(&parts, b""), Ok(()), "`+` and `%20` are the same space");
    parts.uri = uri.replace('+', "%2B").parse().unwrap();
    assert_eq!(
        verify(&parts, b""),
        Err(AuthError::Mismatch),
        "a plus that is meant is another text"
    );
}

#[test]
fn a_request_without_a_signature_misses_its_token() {
    assert_eq!(
        verify(&request("/", &[("host", "h")]), b""),
        Err(AuthError::MissingToken)
    );
    assert_eq!(
        verify(&request("/?Action=GetCallerIdentity", &[("host", "h")]), b""),
        Err(AuthError::MissingToken)
    );
}

#[test]
fn half_a_signature_is_incomplete() {
    let cases = [
        ("Basic Zm9vOmJhcg==", "Unsupported AWS 'algorithm': 'Basic'. "),
        (
            "AWS4-HMAC-SHA256 Credential",
            "'Credential' not a valid key=value pair (missing equal-sign)",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=A/20261121/r/ecs/aws4_request",
            "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' \
             parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        ),
    ];
    for (header, wanted) in cases {
        let error = verify(&request("/", &[("host", "h"), ("authorization", header)]), b"");
        assert!(matches!(error, Err(AuthError::Incomplete(_))), "{header}");
        assert!(text(error).starts_with(wanted), "{header}");
    }
    let with = |credential: &str, date: &str| {
        let header =
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, Signature=00");
        verify(
            &request(
                "/",
                &[("host", "h"), ("x-amz-date", date), ("authorization", &header)],
            ),
            b"",
        )
    };
    assert_eq!(
        text(with("A/20261121/r/ecs", "20261121T233758Z")),
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
         'A/20261121/r/ecs'"
    );
    assert_eq!(
        text(with(
            "A/20261121/r/ecs/aws4_request",
            "Sat, 21 Nov 2026 23:37:58 GMT"
        )),
        "Date must be in ISO-8601 'basic format'. Got 'Sat, 21 Nov 2026 23:37:58 GMT'. See \
         http://en.wikipedia.org/wiki/ISO_8601"
    );
    assert_eq!(
        text(with("A/20261122/r/ecs/aws4_request", "20261121T233758Z")),
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20261122' != \
         '20261121', from '20261121T233758Z'."
    );
    assert_eq!(
        text(with("A/20261121/r/ecs/aws5", "20261121T233758Z")),
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5'."
    );
}

#[test]
fn duplicates_of_guarded_headers_are_refused_and_of_others_are_not() {
    for name in [
        "authorization",
        "host",
        "x-amz-date",
        "x-amz-target",
        "x-amz-security-token",
    ] {
        let mut parts = request("http://127.0.0.1:4566/", &[("x-amz-target", "X.ListClusters")]);
        sign(&mut parts, b"", Some("token"));
        let again = parts.headers.get(name).unwrap().clone();
        parts.headers.append(name, again);
        assert_eq!(
            text(verify(&parts, b"")),
            format!("Header '{name}' is given more than once.")
        );
    }
    let mut parts = signed(b"");
    parts.headers.append("accept", "a".parse().unwrap());
    parts.headers.append("accept", "b".parse().unwrap());
    assert_eq!(verify(&parts, b""), Ok(()));
}

#[test]
fn header_and_query_authentication_together_are_refused() {
    let mut parts = signed(b"");
    parts.uri = "http://127.0.0.1:4566/?X-Amz-Signature=00".parse().unwrap();
    assert!(matches!(verify(&parts, b""), Err(AuthError::Incomplete(_))));
}

#[test]
fn host_and_every_amz_header_must_be_signed() {
    for (name, value) in [
        ("x-amz-security-token", "added on the way"),
        ("x-amz-anything", "too"),
    ] {
        let mut parts = signed(b"");
        parts.headers.insert(name, value.parse().unwrap());
        assert_eq!(
            text(verify(&parts, b"")),
            format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.")
        );
    }
    let mut parts = signed(b"");
    let header = parts.headers["authorization"]
        .to_str()
        .unwrap()
        .replace("SignedHeaders=host;", "SignedHeaders=");
    parts.headers.insert("authorization", header.parse().unwrap());
    assert_eq!(
        text(verify(&parts, b"")),
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    );
}

#[test]
fn a_claimed_payload_hash_must_be_the_bodys() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (claimed, holds) in [
        (empty, true),
        ("UNSIGNED-PAYLOAD", false),
        (&empty.to_uppercase(), false),
    ] {
        let mut parts = request("http://127.0.0.1:4566/", &[("x-amz-content-sha256", claimed)]);
        sign(&mut parts, b"", None);
        assert_eq!(verify(&parts, b"").is_ok(), holds, "{claimed}");
    }
}

#[test]
fn skew_is_five_minutes_to_either_side() {
    let presented = Presented::parse(&signed(b"")).unwrap();
    for seconds in [-300, 0, 300] {
        assert_eq!(presented.check("ecs", now().plus_seconds(seconds)), Ok(()));
    }
    assert_eq!(
        text(presented.check("ecs", now().plus_seconds(301))),
        "Signature expired: 20261121T233758Z is now earlier than 20261121T233759Z (20261121T234259Z - 5 min.)"
    );
    assert_eq!(
        text(presented.check("ecs", now().plus_seconds(-301))),
        "Signature not yet current: 20261121T233758Z is still later than 20261121T233757Z (20261121T233257Z + 5 min.)"
    );
}

#[test]
fn the_scope_must_be_of_the_service() {
    let presented = Presented::parse(&signed(b"")).unwrap();
    assert_eq!(
        text(presented.check("iam", now())),
        "Credential should be scoped to correct service: 'iam'. "
    );
}

#[test]
fn presigned_requests_live_as_long_as_they_say_but_seven_days_at_most() {
    let uri = |expires: &str| {
        format!(
            "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20261121%2Fus-west-2%2Fecs%2Faws4_request\
             &X-Amz-Date=20261121T233758Z&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host&X-Amz-Signature={}",
            "00".repeat(32)
        )
    };
    for expires in ["0", "604801", "-1", "soon", ""] {
        let refused = Presented::parse(&request(&uri(expires), &[("host", "h")]));
        assert!(matches!(refused, Err(AuthError::Incomplete(_))), "{expires}");
    }
    let presented = Presented::parse(&request(&uri("60"), &[("host", "h")])).unwrap();
    assert_eq!(presented.form, Form::Presigned { expires_seconds: 60 });
    assert_eq!(presented.check("ecs", now().plus_seconds(60)), Ok(()));
    assert!(
        text(presented.check("ecs", now().plus_seconds(61)))
            .starts_with("Signature expired: 20261121T233758Z")
    );
    let twice = format!("{}&x-amz-expires=600000", uri("60"));
    assert!(matches!(
        Presented::parse(&request(&twice, &[("host", "h")])),
        Err(AuthError::Incomplete(_))
    ));
}

#[test]
fn codes_and_statuses_are_those_of_the_protocol() {
    let table: Vec<String> = [
        AuthError::MissingToken,
        AuthError::Incomplete(String::new()),
        AuthError::Invalid(String::new()),
        AuthError::Mismatch,
        AuthError::UnknownKey,
        AuthError::ExpiredToken,
    ]
    .iter()
    .map(|error| {
        let (json, query) = (error.reply(Protocol::Json11), error.reply(Protocol::Query));
        format!("{} {} / {} {}", json.status, json.code, query.status, query.code)
    })
    .collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    400 MissingAuthenticationTokenException / 403 MissingAuthenticationToken
    400 IncompleteSignatureException / 400 IncompleteSignature
    400 InvalidSignatureException / 403 SignatureDoesNotMatch
    400 InvalidSignatureException / 403 SignatureDoesNotMatch
    400 UnrecognizedClientException / 403 InvalidClientTokenId
    400 ExpiredTokenException / 403 ExpiredToken
    ");
}

#[test]
fn secrets_of_any_length_work() {
    for length in [0, 1, 59, 60, 61, 500] {
        let secret = Secret::new("s".repeat(length));
        let signer = Signer {
            access_key_id: "A",
            secret_access_key: &secret,
            session_token: None,
            region: "r",
            service: "ecs",
        };
        let mut parts = request("http://h/", &[]);
        signer.sign(&mut parts, b"", now()).unwrap();
        let key = SigningKey::derive(&secret, "20261121", "r", "ecs");
        assert_eq!(
            Presented::parse(&parts).unwrap().verify(&key, &parts, b""),
            Ok(())
        );
    }
}

#[test]
fn requests_that_cannot_be_signed_say_why() {
    let secret = Secret::new(SECRET);
    let token = Secret::new("two\nlines");
    let signer = Signer {
        access_key_id: "A",
        secret_access_key: &secret,
        session_token: Some(&token),
        region: "r",
        service: "ecs",
    };
    assert_eq!(
        signer.sign(&mut request("/", &[]), b"", now()),
        Err(SignError::NoHost)
    );
    assert_eq!(
        signer.sign(&mut request("http://h/", &[]), b"", now()),
        Err(SignError::BadCredentials)
    );
}

#[test]
fn nothing_secret_is_shown() {
    let mut parts = request("http://h/", &[]);
    sign(&mut parts, b"", Some("very-secret-token"));
    let shown = format!("{:?} {parts:?}", Presented::parse(&parts).unwrap());
    assert!(!shown.contains("very-secret-token"), "{shown}");
}
