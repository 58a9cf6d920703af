//! The crate `aws-sigv4` as an oracle: what it signs verifies, and not with one byte changed.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use http::Request;
use http::request::Parts;
use portcullis_core::{Secret, Timestamp};
use portcullis_wire::sigv4::{AuthError, Presented, SigningKey};
use proptest::prelude::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SIGNED_AT: u64 = 1_795_304_278;

#[derive(Clone, Debug)]
struct Case {
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    token: Option<String>,
    presigned: bool,
    with_hash_header: bool,
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn case() -> impl Strategy<Value = Case> {
    let segment = prop_oneof![
        any::<String>().prop_map(|s| encode(&s)),
        Just("..".to_owned()),
        "[a-z0-9._~-]{0,6}"
    ];
    let header = ("[a-z][a-z0-9-]{0,8}", "[ -~]{0,20}");
    (
        prop::collection::vec(segment, 0..4),
        prop::collection::vec((any::<String>(), any::<String>()), 0..4),
        prop::collection::vec(header, 0..4),
        prop::collection::vec(any::<u8>(), 0..64),
        prop::option::of("[A-Za-z0-9/+=]{1,60}"),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(segments, query, headers, body, token, presigned, with_hash_header)| Case {
                path: format!("/{}", segments.join("/")),
                query: query
                    .into_iter()
                    .map(|(name, value)| (encode(&name), encode(&value)))
                    .collect(),
                headers: headers
                    .into_iter()
                    .map(|(name, value)| (format!("h-{name}"), value))
                    .collect(),
                body,
                token,
                presigned,
                with_hash_header,
            },
        )
}

impl Case {
    fn signed(&self) -> Parts {
        let query: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let query = if query.is_empty() {
            String::new()
        } else {
            format!("?{}", query.join("&"))
        };
        let mut builder = Request::builder()
            .method("POST")
            .uri(format!("http://ecs.us-west-2.amazonaws.com{}{query}", self.path))
            .header("host", "ecs.us-west-2.amazonaws.com");
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        let mut request = builder.body(()).unwrap();
        let identity = Credentials::new("AKIDEXAMPLE", SECRET, self.token.clone(), None, "test").into();
        let mut settings = SigningSettings::default();
        if self.presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(60));
        } else if self.with_hash_header {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let params = SigningParams::builder()
            .identity(&identity)
            .region("us-west-2")
            .name("ecs")
            .time(UNIX_EPOCH + Duration::from_secs(SIGNED_AT))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let headers: Vec<(&str, &str)> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let uri = request.uri().to_string();
        let signable =
            SignableRequest::new("POST", uri, headers.into_iter(), SignableBody::Bytes(&self.body)).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        request.into_parts().0
    }
}

fn verify(parts: &Parts, body: &[u8]) -> Result<(), AuthError> {
    let presented = Presented::parse(parts)?;
    presented.check("ecs", Timestamp::from_seconds(i64::try_from(SIGNED_AT).unwrap()))?;
    let scope = &presented.scope;
    let key = SigningKey::derive(&Secret::new(SECRET), &scope.date, &scope.region, &scope.service);
    presented.verify(&key, parts, body)
}

/// Changes one byte of the text into another that keeps a URI or header valid.
fn flip(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let at = at % bytes.len();
    bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
    String::from_utf8(bytes).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_the_sdk_signs_verifies(case in case()) {
        prop_assert_eq!(verify(&case.signed(), &case.body), Ok(()), "{:?}", case.signed());
    }

    #[test]
    fn a_changed_body_does_not(case in case(), at in any::<usize>(), bit in 0_u8..8) {
        let parts = case.signed();
        let mut body = case.body.clone();
        if body.is_empty() {
            body.push(0);
        } else {
            let at = at % body.len();
            body[at] ^= 1 << bit;
        }
        prop_assert!(verify(&parts, &body).is_err());
    }

    #[test]
    fn a_changed_signature_key_date_or_token_does_not(case in case(), at in any::<usize>()) {
        let mut parts = case.signed();
        if case.presigned {
            let uri = parts.uri.to_string();
            // Behind this the query holds nothing but what signing added.
            let start = uri.find("X-Amz-Credential=").unwrap() + "X-Amz-Credential=".len();
            let (kept, signed) = uri.split_at(start);
            let changed = format!("{kept}{}", flip(signed, at));
            let Ok(changed) = changed.parse() else { return Ok(()) };
            parts.uri = changed;
        } else {
            for name in ["authorization", "x-amz-date", "x-amz-security-token", "host"] {
                let mut parts = parts.clone();
                let Some(value) = parts.headers.get(name) else { continue };
                let changed = flip(value.to_str().unwrap(), at);
                let was_id = name == "authorization" && changed.contains("Credential=")
                    && changed.split_once('/').map(|(id, _)| id) != value.to_str().unwrap().split_once('/').map(|(id, _)| id);
                parts.headers.insert(name, changed.parse().unwrap());
                // The access key's id is not signed: it selects the secret, which would not be found.
                prop_assert!(was_id || verify(&parts, &case.body).is_err(), "{name}: {changed}");
            }
            return Ok(());
        }
        let id_kept = Presented::parse(&parts).map(|p| p.access_key_id == "AKIDEXAMPLE").unwrap_or(true);
        prop_assert!(!id_kept || verify(&parts, &case.body).is_err(), "{}", parts.uri);
    }

    #[test]
    fn a_changed_method_path_or_query_does_not(case in case()) {
        let mut parts = case.signed();
        parts.method = http::Method::PUT;
        prop_assert!(verify(&parts, &case.body).is_err());

        let mut parts = case.signed();
        let join = if parts.uri.query().is_some() { '&' } else { '?' };
        parts.uri = format!("{}{join}added=1", parts.uri).parse().unwrap();
        prop_assert!(verify(&parts, &case.body).is_err());
    }
}
