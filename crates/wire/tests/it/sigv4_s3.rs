//! S3's rules of signing: the crate `aws-sigv4` as an oracle, and the chunks of AWS's own example.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use http::Request;
use http::request::Parts;
use portcullis_core::{Secret, Timestamp};
use portcullis_wire::sigv4::{
    AuthError, ChunkError, Chunked, PayloadForm, Presented, SigningKey, UntimelyForS3,
};
use proptest::prelude::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const SIGNED_AT: u64 = 1_795_304_278;

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[derive(Clone, Debug)]
struct Case {
    path: String,
    query: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    presigned: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let segment = prop_oneof![
        any::<String>().prop_map(|s| encode(&s)),
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just(String::new()),
        "[a-z0-9._~-]{0,6}",
    ];
    (
        prop::collection::vec(segment, 0..5),
        prop::collection::vec((any::<String>(), any::<String>()), 0..4),
        prop::option::of(prop::collection::vec(any::<u8>(), 0..64)),
        any::<bool>(),
    )
        .prop_map(|(segments, query, body, presigned)| Case {
            path: format!("/bucket/{}", segments.join("/")),
            query: query
                .into_iter()
                .map(|(name, value)| (encode(&name), encode(&value)))
                .collect(),
            body,
            presigned,
        })
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
        let mut request = Request::builder()
            .method("PUT")
            .uri(format!("http://s3.us-west-2.amazonaws.com{}{query}", self.path))
            .header("host", "s3.us-west-2.amazonaws.com")
            .body(())
            .unwrap();
        let identity = Credentials::new("AKIDEXAMPLE", SECRET, None, None, "test").into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        if self.presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(60));
            settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        }
        let params = SigningParams::builder()
            .identity(&identity)
            .region("us-west-2")
            .name("s3")
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
        let body = match &self.body {
            Some(body) if !self.presigned => SignableBody::Bytes(body),
            _ => SignableBody::UnsignedPayload,
        };
        let uri = request.uri().to_string();
        let signable = SignableRequest::new("PUT", uri, headers.into_iter(), body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        request.into_parts().0
    }
}

fn verify(parts: &Parts) -> Result<PayloadForm, AuthError> {
    let presented = Presented::parse(parts)?;
    let scope = &presented.scope;
    let key = SigningKey::derive(&Secret::new(SECRET), &scope.date, &scope.region, &scope.service);
    let (form, claim) = PayloadForm::of(parts, &presented).ok_or(AuthError::MissingToken)?;
    presented.verify_for_s3(&key, parts, &claim)?;
    Ok(form)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_the_sdk_signs_for_s3_verifies(case in case()) {
        let parts = case.signed();
        let form = verify(&parts);
        let is_whole = case.body.is_some() && !case.presigned;
        prop_assert!(
            matches!((&form, is_whole), (Ok(PayloadForm::Whole(_)), true) | (Ok(PayloadForm::Unsigned), false)),
            "{form:?} {parts:?}"
        );
    }

    #[test]
    fn another_path_query_method_or_claim_does_not(case in case()) {
        let mut parts = case.signed();
        parts.method = http::Method::GET;
        prop_assert!(verify(&parts).is_err());

        let mut parts = case.signed();
        let uri = parts.uri.to_string().replacen("/bucket/", "/bucket/x", 1);
        parts.uri = uri.parse().unwrap();
        prop_assert!(verify(&parts).is_err());

        let mut parts = case.signed();
        let join = if parts.uri.query().is_some() { '&' } else { '?' };
        parts.uri = format!("{}{join}added=1", parts.uri).parse().unwrap();
        prop_assert!(verify(&parts).is_err());

        let mut parts = case.signed();
        let claim = if case.body.is_some() { "UNSIGNED-PAYLOAD" } else { "STREAMING-UNSIGNED-PAYLOAD-TRAILER" };
        let was = parts.headers.insert("x-amz-content-sha256", claim.parse().unwrap());
        prop_assert!(was.is_some_and(|was| was == claim) || verify(&parts).is_err());
    }
}

#[test]
fn s3_paths_are_neither_normalised_nor_encoded_again() {
    for path in [
        "/bucket//a",
        "/bucket/a/../b",
        "/bucket/./a",
        "/bucket/a%20b",
        "/bucket/a%2Fb%25",
    ] {
        let case = Case {
            path: path.to_owned(),
            query: Vec::new(),
            body: None,
            presigned: false,
        };
        assert_eq!(verify(&case.signed()), Ok(PayloadForm::Unsigned), "{path}");
    }
}

#[test]
fn requests_to_s3_may_be_fifteen_minutes_off_and_presigned_ones_live_as_long_as_they_say() {
    let at = |seconds: i64| Timestamp::from_seconds(i64::try_from(SIGNED_AT).unwrap() + seconds);
    let case = |presigned| Case {
        path: "/bucket/key".to_owned(),
        query: Vec::new(),
        body: None,
        presigned,
    };
    let header = Presented::parse(&case(false).signed()).unwrap();
    let query = Presented::parse(&case(true).signed()).unwrap();
    let expired = Err(UntimelyForS3::Expired { expires_seconds: 60 });
    for (presented, seconds, expected) in [
        (&header, 900, Ok(())),
        (&header, 901, Err(UntimelyForS3::TooSkewed)),
        (&header, -900, Ok(())),
        (&header, -901, Err(UntimelyForS3::TooSkewed)),
        (&query, 60, Ok(())),
        (&query, 61, expired),
        (&query, -901, Err(UntimelyForS3::TooSkewed)),
    ] {
        assert_eq!(
            presented.check_time_for_s3(at(seconds)),
            expected,
            "{:?} {seconds}",
            presented.form
        );
    }
}

/// The request of AWS's example of a signed stream: 66,560 letters in chunks of 65,536.
fn example(form: &str, signature: &str) -> (Parts, SigningKey) {
    let trailer = if form.ends_with("TRAILER") {
        ";x-amz-trailer"
    } else {
        ""
    };
    let signed = format!(
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
         x-amz-storage-class{trailer}"
    );
    let mut builder = Request::builder()
        .method("PUT")
        .uri("/examplebucket/chunkObject.txt")
        .header("host", "s3.amazonaws.com")
        .header("x-amz-date", "20130524T000000Z")
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
        .header("x-amz-content-sha256", form)
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "66560")
        .header("content-length", "66824");
    if !trailer.is_empty() {
        builder = builder.header("x-amz-trailer", "x-amz-checksum-crc32c");
    }
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed},\
         Signature={signature}"
    );
    let parts = builder
        .header("authorization", authorization)
        .body(())
        .unwrap()
        .into_parts()
        .0;
    let key = SigningKey::derive(&Secret::new(SECRET), "20130524", "us-east-1", "s3");
    (parts, key)
}

/// Data and trailers.
type Unpacked = (Vec<u8>, Vec<(String, String)>);

fn read(chunked: Chunked, body: &[u8], piece: usize) -> Result<Unpacked, ChunkError> {
    let mut chunked = chunked;
    let mut data = Vec::new();
    for part in body.chunks(piece) {
        chunked.push(part, &mut |bytes| data.extend_from_slice(bytes))?;
    }
    Ok((data, chunked.finish()?))
}

const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";

fn signed_body() -> Vec<u8> {
    let mut body = Vec::new();
    for (size, signature) in [
        (
            65_536,
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        ),
        (
            1_024,
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        ),
        (
            0,
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ),
    ] {
        body.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
        body.extend(std::iter::repeat_n(b'a', size));
        body.extend_from_slice(b"\r\n");
    }
    body
}

#[test]
fn the_chunks_of_awss_example_verify_in_pieces_of_any_size() {
    let (parts, key) = example("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SEED);
    let presented = Presented::parse(&parts).unwrap();
    let (form, claim) = PayloadForm::of(&parts, &presented).unwrap();
    assert_eq!(
        form,
        PayloadForm::Chunks {
            signed: true,
            trailer: false
        }
    );
    assert_eq!(presented.verify_for_s3(&key, &parts, &claim), Ok(()));
    for piece in [1, 7, 1_000, 65_537, 100_000] {
        let chunked = Chunked::new(Some(presented.chunks(key.clone())), false);
        let (data, trailers) = read(chunked, &signed_body(), piece).unwrap();
        assert_eq!((data.len(), trailers.len()), (66_560, 0), "{piece}");
    }
}

#[test]
fn a_chunk_that_is_changed_cut_or_left_out_is_refused() {
    let (parts, key) = example("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SEED);
    let presented = Presented::parse(&parts).unwrap();
    let try_body = |body: &[u8]| {
        read(
            Chunked::new(Some(presented.chunks(key.clone())), false),
            body,
            4_096,
        )
        .map(|_| ())
    };
    let good = signed_body();
    for at in [100, 65_000, 66_000, good.len() - 30] {
        let mut body = good.clone();
        body[at] = if body[at] == b'b' { b'c' } else { b'b' };
        assert_eq!(try_body(&body), Err(ChunkError::Mismatch), "{at}");
    }
    assert_eq!(try_body(&good[..good.len() - 2]), Err(ChunkError::Incomplete));
    assert_eq!(try_body(&good[..70_000 - 4_000]), Err(ChunkError::Incomplete));
    let second = good.windows(4).position(|part| part == b"400;").unwrap();
    assert_eq!(try_body(&good[second..]), Err(ChunkError::Mismatch));
}

#[test]
fn unsigned_chunks_bring_headers_after_the_last() {
    let body = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
    for piece in 1..body.len() {
        let (data, trailers) = read(Chunked::new(None, true), body, piece).unwrap();
        assert_eq!(data, b"hello world");
        assert_eq!(
            trailers,
            [("x-amz-checksum-crc32".to_owned(), "DUoRhQ==".to_owned())]
        );
    }
    let none = read(Chunked::new(None, false), b"0\r\n\r\n", 1).unwrap();
    assert!(none.0.is_empty() && none.1.is_empty());
}

proptest! {
    #[test]
    fn no_bytes_break_the_reader(body in prop::collection::vec(any::<u8>(), 0..400), piece in 1_usize..50) {
        let _ = read(Chunked::new(None, true), &body, piece);
    }

    #[test]
    fn chunks_of_any_sizes_come_out_whole(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 0..6),
        piece in 1_usize..50,
    ) {
        let mut body = Vec::new();
        for chunk in &chunks {
            body.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            body.extend_from_slice(chunk);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\n\r\n");
        let (data, _) = read(Chunked::new(None, false), &body, piece).unwrap();
        prop_assert_eq!(data, chunks.concat());
    }
}

#[test]
fn sizes_that_are_none_and_lines_without_end_are_refused() {
    let long = [b'1'; 5_000];
    for body in [
        b"g\r\n".as_slice(),
        b"-1\r\n",
        b"+5\r\nhello\r\n",
        b"\r\n",
        b"ffffffffffffffffff\r\n",
        b"5\r\nhelloX\r\n",
        &long,
    ] {
        assert_eq!(
            read(Chunked::new(None, false), body, 9).map(|_| ()),
            Err(ChunkError::Malformed)
        );
    }
}
