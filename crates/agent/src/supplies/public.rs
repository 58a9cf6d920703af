//! Images of ECR Public, `public.ecr.aws/ALIAS/NAME`. Nobody's permission is asked for them. Where the control plane was told
//! of a registry that has them, they come from there and from nowhere else; where it was not, they are left to the engine,
//! as on AWS.

use super::CallError;
use crate::plane::ControlPlane;

const REGISTRY: &str = "public.ecr.aws/";
/// Where control planes say whether they have such images: they want a login there if they do.
const ASKED: &str = "/v2/public.ecr.aws/";
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Whether an image is one of them.
pub(crate) fn is_public(image: &str) -> bool {
    image.starts_with(REGISTRY)
}

/// Whether they come from the control plane. AWS has no such way; a control plane that knows nothing of it is none of ours
/// either, and the engine goes where it always goes. One that cannot say so now leaves the image where it is: an operator who
/// has a registry for them wants no other one asked.
pub(super) async fn come_by_the_plane(plane: &ControlPlane) -> Result<bool, CallError> {
    match plane.look(ASKED, ANSWER_BYTES_MAX).await? {
        401 => Ok(true),
        status if status >= 500 => Err(CallError::Unreachable(format!("its registry answers {status}"))),
        _ => Ok(false),
    }
}
