//! Signing certificates of users and of the root user.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_wire::Empty;
use sha1::{Digest as _, Sha1};

use super::base32;
use super::checks::{self, Whose};
use super::credential_errors::CredentialError;
use super::entity;
use super::errors::IamError;
use super::paging::Paging;
use super::status;
use super::x509::Certificate;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Row, read, write};
use crate::world::records::Record as _;
use crate::world::records::credentials::SigningCertificate;
use crate::world::records::iam::User;
use crate::world::{Snapshot, Tx};

/// Certificates a user, or the root user, may have.
pub(super) const PER_USER: usize = 2;

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write::<op::UploadSigningCertificate>(
            &["iam:UploadSigningCertificate"],
            |ask| checks::on_own("iam:UploadSigningCertificate", &ask, ask.input.user_name.as_ref()),
            upload,
        ),
        read::<op::ListSigningCertificates>(
            &["iam:ListSigningCertificates"],
            |ask| checks::on_own("iam:ListSigningCertificates", &ask, ask.input.user_name.as_ref()),
            list,
        ),
        write::<op::UpdateSigningCertificate>(
            &["iam:UpdateSigningCertificate"],
            |ask| checks::on_own("iam:UpdateSigningCertificate", &ask, ask.input.user_name.as_ref()),
            update,
        ),
        write::<op::DeleteSigningCertificate>(
            &["iam:DeleteSigningCertificate"],
            |ask| checks::on_own("iam:DeleteSigningCertificate", &ask, ask.input.user_name.as_ref()),
            delete,
        ),
    ]
}

/// Whose certificates are meant.
struct Owner {
    /// The user's unique id; of the root user the account's.
    id: String,
    /// The user's name; of the root user nothing.
    name: String,
}

fn owner(view: &Snapshot, call: &Call, named: Option<&String>) -> Result<Owner, IamError> {
    match Whose::of(call, named)? {
        Whose::Root => Ok(Owner {
            id: call.account.to_string(),
            name: String::new(),
        }),
        Whose::User(name) => {
            let user = entity::get::<User>(view, &name)?;
            Ok(Owner {
                id: user.id.clone(),
                name: user.name.clone(),
            })
        }
    }
}

/// The certificates of a user, or of the root user by the account's id.
pub(super) fn of<'v>(view: &'v Snapshot, owner: &str) -> Vec<&'v SigningCertificate> {
    entity::owned(&view.signing_certificates, owner)
}

fn find(view: &Snapshot, owner: &Owner, id: &str) -> Result<SigningCertificate, CredentialError> {
    let row = view.signing_certificates.get(&format!("{}/{id}", owner.id));
    row.map(|row| SigningCertificate::clone(row))
        .ok_or_else(|| CredentialError::NoSigningCertificate(id.to_owned()))
}

fn shown(owner: &Owner, row: &SigningCertificate) -> api::SigningCertificate {
    api::SigningCertificate {
        user_name: owner.name.clone(),
        certificate_id: row.id.clone(),
        certificate_body: row.body.clone(),
        status: status::shown(row.active),
        upload_date: Some(row.uploaded),
    }
}

/// A certificate that is there already is answered as if it were new, and stays as it is.
fn upload(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UploadSigningCertificate>,
) -> Result<api::UploadSigningCertificateResponse, ServiceError> {
    let input = auth.input();
    let owner = owner(tx.view(), auth.call(), input.user_name.as_ref())?;
    let body = &input.certificate_body;
    let valid =
        |certificate: &Certificate| certificate.not_before() <= tx.now && tx.now <= certificate.not_after();
    let malformed = || CredentialError::MalformedCertificate(format!("Certificate {body} is malformed."));
    let certificate = Certificate::of_pem(body).filter(valid).ok_or_else(malformed)?;
    let id = base32::encode(&Sha1::digest(certificate.der()));
    if let Ok(known) = find(tx.view(), &owner, &id) {
        let certificate = shown(
            &owner,
            &SigningCertificate {
                active: true,
                ..known
            },
        );
        return Ok(api::UploadSigningCertificateResponse { certificate });
    }
    if tx.view().signing_certificates.iter().any(|(_, row)| row.id == id) {
        return Err(CredentialError::DuplicateCertificate.into());
    }
    if of(tx.view(), &owner.id).len() >= PER_USER {
        return Err(IamError::Quota("CertificatesPerUser", PER_USER).into());
    }
    let row = SigningCertificate {
        id,
        owner: owner.id.clone(),
        body: body.clone(),
        active: true,
        uploaded: tx.now,
    };
    let certificate = shown(&owner, &row);
    tx.put(row);
    Ok(api::UploadSigningCertificateResponse { certificate })
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListSigningCertificates>,
) -> Result<api::ListSigningCertificatesResponse, ServiceError> {
    let input = auth.input();
    let owner = owner(view, auth.call(), input.user_name.as_ref())?;
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let rows = of(view, &owner.id)
        .into_iter()
        .map(|row| (row.id.clone(), shown(&owner, row)));
    let page = paging.sorted(rows);
    Ok(api::ListSigningCertificatesResponse {
        is_truncated: page.is_truncated(),
        certificates: page.items,
        marker: page.marker,
    })
}

fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UpdateSigningCertificate>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let active = status::accept(&input.status)?;
    let owner = owner(tx.view(), auth.call(), input.user_name.as_ref())?;
    let row = find(tx.view(), &owner, &input.certificate_id)?;
    tx.put(SigningCertificate { active, ..row });
    Ok(Empty {})
}

fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteSigningCertificate>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let owner = owner(tx.view(), auth.call(), input.user_name.as_ref())?;
    let row = find(tx.view(), &owner, &input.certificate_id)?;
    tx.delete::<SigningCertificate>(&row.key());
    Ok(Empty {})
}
