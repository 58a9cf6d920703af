//! Whose certificates count when a provider's keys are fetched.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_control::federation::{Authorities, Federation, Rejected, Unverified};
use portcullis_control::server;
use portcullis_control::world::records::federation::OidcProvider;
use portcullis_core::{Tags, Timestamp};
use serde_json::json;

use super::AUDIENCE;
use super::provider::Provider;
use crate::harness::{ACCOUNT, BEGINNING};

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../data/federation-tls/", $name))
    };
}

const AUTHORITY: &[u8] = file!("authority.pem");
/// Signed by the authority, which follows it.
const PROVIDER: (&[u8], &[u8]) = (file!("provider.pem"), file!("provider.key.der"));
/// Signed itself.
const ALONE: (&[u8], &[u8]) = (file!("alone.pem"), file!("alone.key.der"));

/// Signed itself, and ran out in 2020.
const EXPIRED: (&[u8], &[u8]) = (file!("expired.pem"), file!("alone.key.der"));

const OF_AUTHORITY: &str = "1B3E0681D9A7BDBEC154777C66B2C643F44722C7";
const OF_PROVIDER: &str = "3aa80b78d42f9b7665dd247ef086437aa53da008";
const OF_ALONE: &str = "9b8600e1d3b86fb170cd7a8239c4f721d4ea25d2";
const OF_EXPIRED: &str = "9685c7d3db4a770b44422a12f49873ee2ec9830c";

/// A private key in PEM form.
fn pem(key: &[u8]) -> Vec<u8> {
    let label = "PRIVATE KEY";
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(key)
    )
    .into_bytes()
}

/// Whether a token of a provider with this chain is verified.
async fn verified(
    authorities: Authorities,
    chain: &[u8],
    key: &[u8],
    host: &str,
    thumbprints: &[&str],
) -> Result<(), Rejected> {
    let provider = Provider::start_tls(host, server::tls(chain, &pem(key)).unwrap()).await;
    let now: Timestamp = BEGINNING.parse().unwrap();
    let registered = OidcProvider {
        arn: format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{}", provider.name())
            .parse()
            .unwrap(),
        url: provider.url.clone(),
        client_ids: vec![AUDIENCE.to_owned()],
        thumbprints: thumbprints.iter().map(|&print| print.to_owned()).collect(),
        created: now,
        tags: Tags::new(),
    };
    let seconds = now.as_seconds();
    let claims =
        json!({ "iss": provider.url, "aud": AUDIENCE, "sub": "s", "iat": seconds, "exp": seconds + 60 });
    let token = provider.token(&claims);
    let token = Unverified::parse(&token).unwrap();
    let federation = Federation::new(authorities);
    federation.verify(&registered, &token, now).await.map(|_| ())
}

/// What is known, a provider's chain and key, the name it is called by, and what is pinned.
type Case = (
    &'static str,
    Authorities,
    (Vec<u8>, &'static [u8]),
    &'static str,
    Vec<&'static str>,
);

fn known() -> Authorities {
    Authorities::from_pem(AUTHORITY).unwrap()
}

fn pair((chain, key): (&[u8], &'static [u8])) -> (Vec<u8>, &'static [u8]) {
    (chain.to_vec(), key)
}

const NAME: &str = "localhost";
const OTHER_NAME: &str = "127.0.0.1";

#[tokio::test]
async fn known_authorities_and_pinned_certificates_are_trusted() {
    let none = Authorities::default;
    let cases: [Case; 5] = [
        ("a known authority", known(), pair(PROVIDER), NAME, vec![]),
        (
            "its authority pinned",
            none(),
            pair(PROVIDER),
            NAME,
            vec![OF_ALONE, OF_AUTHORITY],
        ),
        ("pinned itself", none(), pair(PROVIDER), NAME, vec![OF_PROVIDER]),
        ("signed itself", none(), pair(ALONE), NAME, vec![OF_ALONE]),
        (
            "signed itself, others known",
            known(),
            pair(ALONE),
            NAME,
            vec![OF_ALONE],
        ),
    ];
    for (case, authorities, (chain, key), host, thumbprints) in cases {
        let outcome = verified(authorities, &chain, key, host, &thumbprints).await;
        assert_eq!(outcome, Ok(()), "{case}");
    }
    assert!(Authorities::from_pem(b"nothing").is_err());
}

#[tokio::test]
async fn nobody_else_is() {
    let none = Authorities::default;
    // A pinned authority in the chain of somebody it never signed.
    let borrowed = ([ALONE.0, AUTHORITY].concat(), ALONE.1);
    let cases: [Case; 8] = [
        ("nothing known", none(), pair(PROVIDER), NAME, vec![]),
        ("another pinned", none(), pair(PROVIDER), NAME, vec![OF_ALONE]),
        ("signed itself", known(), pair(ALONE), NAME, vec![OF_AUTHORITY]),
        ("another name", known(), pair(PROVIDER), OTHER_NAME, vec![]),
        (
            "another name, pinned",
            none(),
            pair(PROVIDER),
            OTHER_NAME,
            vec![OF_PROVIDER],
        ),
        (
            "another name, signed itself",
            none(),
            pair(ALONE),
            OTHER_NAME,
            vec![OF_ALONE],
        ),
        (
            "out of time, pinned",
            none(),
            pair(EXPIRED),
            NAME,
            vec![OF_EXPIRED],
        ),
        ("borrowed", none(), borrowed, NAME, vec![OF_AUTHORITY]),
    ];
    for (case, authorities, (chain, key), host, thumbprints) in cases {
        let outcome = verified(authorities, &chain, key, host, &thumbprints).await;
        assert_eq!(outcome, Err(Rejected::Unreachable), "{case}");
    }
}
