//! Every error of ECR with its code and text. Texts that were not found are ours.

use portcullis_blobs::BlobError;
use serde_json::json;
use thiserror::Error;

use crate::gate::error::ServiceError;

/// What an error is about: most texts of ECR name both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The repository's name.
    pub repository: String,
    /// The account.
    pub registry: String,
}

/// Why ECR refuses a call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum EcrError {
    #[error("The repository with name '{}' does not exist in the registry with id '{}'", .0.repository, .0.registry)]
    NoRepository(Place),
    #[error("The repository with name '{}' already exists in the registry with id '{}'", .0.repository, .0.registry)]
    RepositoryExists(Place),
    #[error("The repository with name '{}' in registry with id '{}' cannot be deleted because it still contains images", .0.repository, .0.registry)]
    NotEmpty(Place),
    #[error("Repository policy does not exist for the repository with name '{}' in the registry with id '{}'", .0.repository, .0.registry)]
    NoRepositoryPolicy(Place),
    #[error("Registry policy does not exist in the registry with id '{0}'")]
    NoRegistryPolicy(String),
    #[error("Lifecycle policy does not exist for the repository with name '{}' in the registry with id '{}'", .0.repository, .0.registry)]
    NoLifecyclePolicy(Place),
    #[error("Lifecycle policy preview does not exist for the repository with name '{}' in the registry with id '{}'", .0.repository, .0.registry)]
    NoPreview(Place),
    #[error("The image with imageId {image} does not exist within the repository with name '{}' in the registry with id '{}'", .place.repository, .place.registry)]
    NoImage { image: String, place: Place },
    #[error("Image scan does not exist for the image with '{image}' in the repository with name '{}' in the registry with id '{}'", .place.repository, .place.registry)]
    NoScan { image: String, place: Place },
    #[error("Image with digest '{digest}' and tag '{tag}' already exists in the repository with name '{}' in registry with id '{}'", .place.repository, .place.registry)]
    ImageTagged {
        digest: String,
        tag: String,
        place: Place,
    },
    #[error("Image with digest '{digest}' already exists in the repository with name '{}' in registry with id '{}'", .place.repository, .place.registry)]
    ImageThere { digest: String, place: Place },
    #[error("The image tag '{tag}' already exists in the '{}' repository and cannot be overwritten because the tag is immutable.", .place.repository)]
    TagImmutable { tag: String, place: Place },
    #[error("The digest '{given}' is not that of the manifest, which is '{actual}'")]
    DigestDoesNotMatch { given: String, actual: String },
    #[error("Layers with digests '[{}]' required for pushing image into repository with name '{}' in the registry with id '{}' do not exist", .digests.join(", "), .place.repository, .place.registry)]
    LayersMissing { digests: Vec<String>, place: Place },
    #[error("Images with digests '[{}]' required for pushing image into repository with name '{}' in the registry with id '{}' do not exist", .digests.join(", "), .place.repository, .place.registry)]
    ImagesMissing { digests: Vec<String>, place: Place },
    #[error("The layer with digest '{digest}' does not exist within the repository with name '{}' in the registry with id '{}'", .place.repository, .place.registry)]
    NoLayer { digest: String, place: Place },
    #[error("Layer with digest '{digest}' already exists in the repository with name '{}' in the registry with id '{}'", .place.repository, .place.registry)]
    LayerThere { digest: String, place: Place },
    #[error("Layer digest '{given}' does not match the digest '{actual}' of the bytes that were uploaded")]
    InvalidLayer { given: String, actual: String },
    #[error("The upload with id '{upload}' does not exist for the repository with name '{}' in the registry with id '{}'", .place.repository, .place.registry)]
    NoUpload { upload: String, place: Place },
    #[error("The upload with id '{0}' has no bytes")]
    EmptyUpload(String),
    #[error("Layer parts must be at least 5 MiB in size, but for the last one")]
    PartTooSmall,
    #[error(
        "Layer part with first byte '{first}' and last byte '{last}' does not go on after byte '{received}' of the upload with id '{upload}'"
    )]
    InvalidPart {
        first: i64,
        last: i64,
        received: i64,
        upload: String,
        place: Place,
    },
    #[error("Invalid parameter at '{parameter}' failed to satisfy constraint: '{constraint}'")]
    Parameter {
        parameter: &'static str,
        constraint: String,
    },
    #[error("The next token is not valid")]
    NextToken,
    #[error("Tag keys that start with aws: are reserved, and no key may be given twice.")]
    Tags,
    #[error("A repository can have at most {0} tags.")]
    TooManyTags(usize),
    #[error("{0}")]
    Limit(String),
    #[error(
        "A pull through cache rule with the repository prefix '{prefix}' already exists in the registry with id '{registry}'"
    )]
    RuleExists { prefix: String, registry: String },
    #[error(
        "A pull through cache rule with the repository prefix '{prefix}' does not exist in the registry with id '{registry}'"
    )]
    NoRule { prefix: String, registry: String },
    #[error("The upstream registry '{0}' is not one that pull through cache rules support.")]
    Upstream(String),
    #[error(
        "A repository creation template with prefix '{prefix}' already exists in the registry with id '{registry}'"
    )]
    TemplateExists { prefix: String, registry: String },
    #[error(
        "The repository creation template with prefix '{prefix}' does not exist in the registry with id '{registry}'"
    )]
    NoTemplate { prefix: String, registry: String },
    #[error("{0}")]
    Validation(String),
    #[error(
        "The ARN of the secret specified in the pull through cache rule was not found. Update the pull through cache rule with a valid secret ARN and try again."
    )]
    NoSecret,
    #[error(
        "The secret is accessible but is unable to be decrypted. Verify the resource permissions and try again."
    )]
    SealedSecret,
    #[error("The secret has no texts `username` and `accessToken`.")]
    NoLogin,
    #[error("No room is left for images on this server.")]
    NoSpace,
    #[error("An error occurred on the server side.")]
    Internal,
}

impl EcrError {
    /// A parameter that is not as it must be.
    pub fn parameter(parameter: &'static str, constraint: impl Into<String>) -> Self {
        Self::Parameter {
            parameter,
            constraint: constraint.into(),
        }
    }

    /// What the blob store could not do, about an upload.
    pub fn of_blobs(error: BlobError, upload: &str, place: &Place) -> Self {
        match error {
            BlobError::NoUpload => Self::NoUpload {
                upload: upload.to_owned(),
                place: place.clone(),
            },
            BlobError::NoSpace => Self::NoSpace,
            error => {
                tracing::error!(%error, "the blob store failed");
                Self::Internal
            }
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoRepository(_) => "RepositoryNotFoundException",
            Self::RepositoryExists(_) => "RepositoryAlreadyExistsException",
            Self::NotEmpty(_) => "RepositoryNotEmptyException",
            Self::NoRepositoryPolicy(_) => "RepositoryPolicyNotFoundException",
            Self::NoRegistryPolicy(_) => "RegistryPolicyNotFoundException",
            Self::NoLifecyclePolicy(_) => "LifecyclePolicyNotFoundException",
            Self::NoPreview(_) => "LifecyclePolicyPreviewNotFoundException",
            Self::NoImage { .. } => "ImageNotFoundException",
            Self::NoScan { .. } => "ScanNotFoundException",
            Self::ImageTagged { .. } | Self::ImageThere { .. } => "ImageAlreadyExistsException",
            Self::TagImmutable { .. } => "ImageTagAlreadyExistsException",
            Self::DigestDoesNotMatch { .. } => "ImageDigestDoesNotMatchException",
            Self::LayersMissing { .. } | Self::NoLayer { .. } => "LayersNotFoundException",
            Self::ImagesMissing { .. } => "ReferencedImagesNotFoundException",
            Self::LayerThere { .. } => "LayerAlreadyExistsException",
            Self::InvalidLayer { .. } => "InvalidLayerException",
            Self::NoUpload { .. } => "UploadNotFoundException",
            Self::EmptyUpload(_) => "EmptyUploadException",
            Self::PartTooSmall => "LayerPartTooSmallException",
            Self::InvalidPart { .. } => "InvalidLayerPartException",
            Self::Parameter { .. } | Self::NextToken => "InvalidParameterException",
            Self::Tags => "InvalidTagParameterException",
            Self::TooManyTags(_) => "TooManyTagsException",
            Self::Limit(_) => "LimitExceededException",
            Self::RuleExists { .. } => "PullThroughCacheRuleAlreadyExistsException",
            Self::NoRule { .. } => "PullThroughCacheRuleNotFoundException",
            Self::Upstream(_) => "UnsupportedUpstreamRegistryException",
            Self::TemplateExists { .. } => "TemplateAlreadyExistsException",
            Self::NoTemplate { .. } => "TemplateNotFoundException",
            Self::NoSecret | Self::SealedSecret | Self::NoLogin => "UnableToGetUpstreamImageException",
            Self::Validation(_) => "ValidationException",
            Self::NoSpace | Self::Internal => "ServerException",
        }
    }
}

impl From<EcrError> for ServiceError {
    fn from(error: EcrError) -> Self {
        let status = match error {
            EcrError::NoSpace | EcrError::Internal => 500,
            _ => 400,
        };
        let reply = Self::new(error.code(), status, error.to_string());
        match error {
            EcrError::InvalidPart {
                received,
                upload,
                place,
                ..
            } => reply
                .with_field("registryId", json!(place.registry))
                .with_field("repositoryName", json!(place.repository))
                .with_field("uploadId", json!(upload))
                .with_field("lastValidByteReceived", json!(received)),
            EcrError::NoSpace => reply.out_of_room(),
            _ => reply,
        }
    }
}
