//! Server certificates: kept with their private key for whoever serves TLS.

use std::sync::Arc;

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::{Arn, IamIdKind, Tags, iam_id};
use portcullis_wire::Empty;

use super::checks::{self, one};
use super::credential_errors::CredentialError;
use super::entity::{self, Entity};
use super::errors::IamError;
use super::paging::Paging;
use super::x509::{Certificate, PrivateKey};
use super::{names, quotas, shapes, tags};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Row, read, write};
use crate::world::records::credentials::ServerCertificate;
use crate::world::records::{Record as _, Sealed};
use crate::world::{Snapshot, Tx};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write::<op::UploadServerCertificate>(
            &["iam:UploadServerCertificate", "iam:TagServerCertificate"],
            |ask| {
                let (input, action) = (ask.input, "iam:UploadServerCertificate");
                let name = &input.server_certificate_name;
                let check = checks::on_new::<ServerCertificate>(action, &ask, input.path.as_ref(), name);
                checks::creating(check, "iam:TagServerCertificate", false, input.tags.as_ref())
            },
            upload,
        ),
        read::<op::GetServerCertificate>(
            &["iam:GetServerCertificate"],
            |ask| {
                let name = &ask.input.server_certificate_name;
                one(checks::on::<ServerCertificate>(
                    "iam:GetServerCertificate",
                    &ask,
                    name,
                ))
            },
            get,
        ),
        read::<op::ListServerCertificates>(
            &["iam:ListServerCertificates"],
            |ask| {
                let prefix = ask.input.path_prefix.as_ref();
                let kind = ServerCertificate::ARN_TYPE;
                one(checks::on_list("iam:ListServerCertificates", &ask, kind, prefix))
            },
            list,
        ),
        write::<op::UpdateServerCertificate>(
            &["iam:UpdateServerCertificate"],
            |ask| {
                let (input, action) = (ask.input, "iam:UpdateServerCertificate");
                let name = input.new_server_certificate_name.as_ref();
                let path = input.new_path.as_ref();
                checks::on_move::<ServerCertificate>(action, &ask, &input.server_certificate_name, name, path)
            },
            update,
        ),
        write::<op::DeleteServerCertificate>(
            &["iam:DeleteServerCertificate"],
            |ask| {
                let name = &ask.input.server_certificate_name;
                one(checks::on::<ServerCertificate>(
                    "iam:DeleteServerCertificate",
                    &ask,
                    name,
                ))
            },
            delete,
        ),
    ]
}

impl Entity for ServerCertificate {
    const WORD: &'static str = "server certificate";
    const ARN_TYPE: &'static str = "server-certificate";
    const EXACT_TAG_KEYS: bool = true;

    fn find<'a>(view: &'a Snapshot, name: &str) -> Option<&'a Arc<Self>> {
        view.server_certificates.get(&name.to_ascii_lowercase())
    }
    fn missing(name: &str) -> IamError {
        IamError::NoServerCertificate(name.to_owned())
    }
    fn arn(&self) -> &Arn {
        &self.arn
    }
    fn tags(&self) -> Option<&Tags> {
        Some(&self.tags)
    }
    fn tags_mut(&mut self) -> Option<&mut Tags> {
        Some(&mut self.tags)
    }
}

fn metadata(row: &ServerCertificate) -> api::ServerCertificateMetadata {
    api::ServerCertificateMetadata {
        path: row.path.clone(),
        server_certificate_name: row.name.clone(),
        server_certificate_id: row.id.clone(),
        arn: row.arn.to_string(),
        upload_date: Some(row.uploaded),
        expiration: Some(row.expires),
    }
}

fn malformed(text: impl Into<String>) -> CredentialError {
    CredentialError::MalformedCertificate(text.into())
}

/// The certificate of a request, if it holds today and its key belongs to it.
fn checked(
    input: &api::UploadServerCertificateRequest,
    now: portcullis_core::Timestamp,
) -> Result<Certificate, CredentialError> {
    let certificate = Certificate::of_pem(&input.certificate_body).ok_or_else(|| {
        malformed("Unable to parse certificate. Please ensure the certificate is in PEM format.")
    })?;
    let key = PrivateKey::of_pem(&input.private_key).ok_or_else(|| {
        malformed("Unable to parse private key. Please ensure the private key is in PEM format.")
    })?;
    if !certificate.belongs_to(&key) {
        return Err(CredentialError::KeyPairMismatch);
    }
    if now > certificate.not_after() {
        return Err(malformed(
            "Certificate is no longer valid. The 'Not After' date restriction on the certificate has passed.",
        ));
    }
    if now < certificate.not_before() {
        return Err(malformed(
            "Certificate is not yet valid. The 'Not Before' date restriction on the certificate has not passed.",
        ));
    }
    if let Some(chain) = &input.certificate_chain {
        check_chain(&certificate, chain)?;
    }
    Ok(certificate)
}

/// Each certificate of a chain certifies the one before it. AWS counts from the second; a wrong first one is -1.
fn check_chain(leaf: &Certificate, chain: &str) -> Result<(), CredentialError> {
    // AWS's reply has no text here; its clients print this one then.
    let chain = Certificate::all_of_pem(chain).filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| malformed("Unknown"))?;
    let mut certified = leaf;
    for (index, certifier) in chain.iter().enumerate() {
        if !certifier.signed(certified) {
            let shown = if index == 0 {
                "-1".to_owned()
            } else {
                index.to_string()
            };
            return Err(malformed(format!(
                "Unable to validate certificate chain. The certificate chain must start with the immediate signing \
                 certificate, followed by any intermediaries in order. The index within the chain of the invalid \
                 certificate is: {shown}"
            )));
        }
        certified = certifier;
    }
    Ok(())
}

fn upload(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UploadServerCertificate>,
) -> Result<api::UploadServerCertificateResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let name = &input.server_certificate_name;
    if ServerCertificate::find(tx.view(), name).is_some() {
        return Err(CredentialError::ServerCertificateExists(name.clone()).into());
    }
    let certificate = checked(input, tx.now)?;
    quotas::SERVER_CERTIFICATES.room(tx.view(), tx.view().server_certificates.len())?;
    let path = names::path(input.path.as_ref())?;
    let id = iam_id(IamIdKind::ServerCertificate, &call.account, tx.random);
    let sealed = tx
        .vault
        .seal(
            ServerCertificate::PURPOSE,
            id.as_bytes(),
            input.private_key.as_bytes(),
        )
        .map_err(|error| {
            tracing::error!(%error, "the key of a server certificate could not be sealed");
            IamError::Internal
        })?;
    let row = ServerCertificate {
        id,
        arn: checks::arn(call, ServerCertificate::ARN_TYPE, &path, name),
        name: name.clone(),
        path,
        body: input.certificate_body.trim().to_owned(),
        chain: input
            .certificate_chain
            .as_ref()
            .map(|chain| chain.trim().to_owned()),
        key: Sealed::new(sealed),
        uploaded: tx.now,
        expires: certificate.not_after(),
        tags: tags::accept_exact(input.tags.as_ref())?,
    };
    let reply = api::UploadServerCertificateResponse {
        server_certificate_metadata: Some(metadata(&row)),
        tags: shapes::tags(&row.tags),
    };
    tx.put(row);
    Ok(reply)
}

/// The private key is not shown to anybody.
fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetServerCertificate>,
) -> Result<api::GetServerCertificateResponse, ServiceError> {
    let row = entity::get::<ServerCertificate>(view, &auth.input().server_certificate_name)?;
    Ok(api::GetServerCertificateResponse {
        server_certificate: api::ServerCertificate {
            server_certificate_metadata: metadata(row),
            certificate_body: row.body.clone(),
            certificate_chain: row.chain.clone(),
            tags: Some(shapes::tag_list(&row.tags)),
        },
    })
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListServerCertificates>,
) -> Result<api::ListServerCertificatesResponse, ServiceError> {
    let input = auth.input();
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let rows = view.server_certificates.after("", paging.after());
    let rows = rows.filter(|(_, row)| row.path.starts_with(prefix));
    let page = paging.rows(rows.map(|(key, row)| (key, metadata(row))));
    Ok(api::ListServerCertificatesResponse {
        is_truncated: page.is_truncated(),
        server_certificate_metadata_list: page.items,
        marker: page.marker,
    })
}

fn update(tx: &mut Tx<'_>, auth: Authorized<'_, op::UpdateServerCertificate>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let before = entity::get::<ServerCertificate>(tx.view(), &input.server_certificate_name)?;
    let before = ServerCertificate::clone(before);
    let name = input
        .new_server_certificate_name
        .as_ref()
        .unwrap_or(&before.name)
        .clone();
    let other = ServerCertificate::find(tx.view(), &name).filter(|found| found.id != before.id);
    if other.is_some() {
        return Err(CredentialError::ServerCertificateExists(name).into());
    }
    let path = match &input.new_path {
        Some(path) => names::path(Some(path))?,
        None => before.path.clone(),
    };
    tx.delete::<ServerCertificate>(&before.key());
    tx.put(ServerCertificate {
        arn: checks::arn(auth.call(), ServerCertificate::ARN_TYPE, &path, &name),
        name,
        path,
        ..before
    });
    Ok(Empty {})
}

fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, op::DeleteServerCertificate>) -> Result<Empty, ServiceError> {
    let row = entity::get::<ServerCertificate>(tx.view(), &auth.input().server_certificate_name)?;
    let key = row.key();
    tx.delete::<ServerCertificate>(&key);
    Ok(Empty {})
}
