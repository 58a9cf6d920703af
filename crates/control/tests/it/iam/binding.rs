//! A change of policies binds the very next request, whatever was compiled before it.

use portcullis_api::iam::{self as api, op};
use proptest::prelude::*;

use super::{group, policy};
use crate::harness::{Client, Server, allow};

/// The two actions that every policy of the test is about.
const ACTIONS: [&str; 2] = ["iam:ListUsers", "iam:ListRoles"];

/// What is attached where, as it should be: an index into [`ACTIONS`] is what a policy allows.
#[derive(Debug, Default)]
struct Model {
    inline_of_user: Option<usize>,
    inline_of_group: Option<usize>,
    attached_to_user: bool,
    attached_to_group: bool,
    is_member: bool,
    bounded: bool,
    managed: usize,
    boundary: usize,
}

impl Model {
    fn allows(&self, action: usize) -> bool {
        let managed = self.attached_to_user.then_some(self.managed);
        let of_group = [
            self.inline_of_group,
            self.attached_to_group.then_some(self.managed),
        ];
        let by_group = self.is_member && of_group.contains(&Some(action));
        let by_user = [self.inline_of_user, managed].contains(&Some(action));
        (by_user || by_group) && (!self.bounded || self.boundary == action)
    }
}

/// One change; those that are there already are undone.
#[derive(Debug, Clone, Copy)]
enum Change {
    InlineOfUser(usize),
    InlineOfGroup(usize),
    AttachToUser,
    AttachToGroup,
    Join,
    Bound,
    ChooseManaged(usize),
    ChooseBoundary(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let action = 0..ACTIONS.len();
    prop_oneof![
        action.clone().prop_map(Change::InlineOfUser),
        action.clone().prop_map(Change::InlineOfGroup),
        Just(Change::AttachToUser),
        Just(Change::AttachToGroup),
        Just(Change::Join),
        Just(Change::Bound),
        action.clone().prop_map(Change::ChooseManaged),
        action.prop_map(Change::ChooseBoundary),
    ]
}

struct Scene {
    server: Server,
    user: Client,
    managed: String,
    boundary: String,
    model: Model,
}

impl Scene {
    async fn new() -> Self {
        let server = Server::start().await;
        let user = server.user("u", "").await;
        group(&server, "g").await;
        let managed = policy(&server, "managed", &allow(ACTIONS[0], "*")).await;
        let boundary = policy(&server, "boundary", &allow(ACTIONS[0], "*")).await;
        for arn in [&managed, &boundary] {
            let second = api::CreatePolicyVersionRequest {
                policy_arn: arn.clone(),
                policy_document: allow(ACTIONS[1], "*"),
                ..Default::default()
            };
            server.root.ok::<op::CreatePolicyVersion>(&second).await;
        }
        Self {
            server,
            user,
            managed,
            boundary,
            model: Model::default(),
        }
    }

    async fn make(&mut self, change: Change) {
        match change {
            Change::InlineOfUser(action) => self.inline_of_user(action).await,
            Change::InlineOfGroup(action) => self.inline_of_group(action).await,
            Change::AttachToUser => self.attach_to_user().await,
            Change::AttachToGroup => self.attach_to_group().await,
            Change::Join => self.join().await,
            Change::Bound => self.bound().await,
            Change::ChooseManaged(action) => {
                self.choose(&self.managed, action).await;
                self.model.managed = action;
            }
            Change::ChooseBoundary(action) => {
                self.choose(&self.boundary, action).await;
                self.model.boundary = action;
            }
        }
    }

    async fn inline_of_user(&mut self, action: usize) {
        let (user_name, policy_name) = ("u".to_owned(), "p".to_owned());
        if self.model.inline_of_user.take() == Some(action) {
            let delete = api::DeleteUserPolicyRequest {
                user_name,
                policy_name,
            };
            self.server.root.ok::<op::DeleteUserPolicy>(&delete).await;
        } else {
            self.server.allow("u", "p", &allow(ACTIONS[action], "*")).await;
            self.model.inline_of_user = Some(action);
        }
    }

    async fn inline_of_group(&mut self, action: usize) {
        let (group_name, policy_name) = ("g".to_owned(), "p".to_owned());
        if self.model.inline_of_group.take() == Some(action) {
            let delete = api::DeleteGroupPolicyRequest {
                group_name,
                policy_name,
            };
            self.server.root.ok::<op::DeleteGroupPolicy>(&delete).await;
        } else {
            let put = api::PutGroupPolicyRequest {
                group_name,
                policy_name,
                policy_document: allow(ACTIONS[action], "*"),
            };
            self.server.root.ok::<op::PutGroupPolicy>(&put).await;
            self.model.inline_of_group = Some(action);
        }
    }

    async fn attach_to_user(&mut self) {
        let (user_name, policy_arn) = ("u".to_owned(), self.managed.clone());
        if self.model.attached_to_user {
            let detach = api::DetachUserPolicyRequest {
                user_name,
                policy_arn,
            };
            self.server.root.ok::<op::DetachUserPolicy>(&detach).await;
        } else {
            let attach = api::AttachUserPolicyRequest {
                user_name,
                policy_arn,
            };
            self.server.root.ok::<op::AttachUserPolicy>(&attach).await;
        }
        self.model.attached_to_user ^= true;
    }

    async fn attach_to_group(&mut self) {
        let (group_name, policy_arn) = ("g".to_owned(), self.managed.clone());
        if self.model.attached_to_group {
            let detach = api::DetachGroupPolicyRequest {
                group_name,
                policy_arn,
            };
            self.server.root.ok::<op::DetachGroupPolicy>(&detach).await;
        } else {
            let attach = api::AttachGroupPolicyRequest {
                group_name,
                policy_arn,
            };
            self.server.root.ok::<op::AttachGroupPolicy>(&attach).await;
        }
        self.model.attached_to_group ^= true;
    }

    async fn join(&mut self) {
        let (group_name, user_name) = ("g".to_owned(), "u".to_owned());
        if self.model.is_member {
            let leave = api::RemoveUserFromGroupRequest {
                group_name,
                user_name,
            };
            self.server.root.ok::<op::RemoveUserFromGroup>(&leave).await;
        } else {
            let join = api::AddUserToGroupRequest {
                group_name,
                user_name,
            };
            self.server.root.ok::<op::AddUserToGroup>(&join).await;
        }
        self.model.is_member ^= true;
    }

    async fn bound(&mut self) {
        let user_name = "u".to_owned();
        if self.model.bounded {
            let free = api::DeleteUserPermissionsBoundaryRequest { user_name };
            self.server
                .root
                .ok::<op::DeleteUserPermissionsBoundary>(&free)
                .await;
        } else {
            let bound = api::PutUserPermissionsBoundaryRequest {
                user_name,
                permissions_boundary: self.boundary.clone(),
            };
            self.server
                .root
                .ok::<op::PutUserPermissionsBoundary>(&bound)
                .await;
        }
        self.model.bounded ^= true;
    }

    async fn choose(&self, policy: &str, action: usize) {
        let choose = api::SetDefaultPolicyVersionRequest {
            policy_arn: policy.to_owned(),
            version_id: format!("v{}", action + 1),
        };
        self.server.root.ok::<op::SetDefaultPolicyVersion>(&choose).await;
    }

    async fn answers(&self) -> [bool; 2] {
        [
            self.user.call::<op::ListUsers>(&Default::default()).await.is_ok(),
            self.user.call::<op::ListRoles>(&Default::default()).await.is_ok(),
        ]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Policies are compiled once and kept; none of the changes that concern a caller may be missed.
    #[test]
    fn r119_r120_r135_every_change_of_policies_binds_the_next_request(
        changes in prop::collection::vec(change(), 1..24)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut scene = Scene::new().await;
            for change in changes {
                scene.make(change).await;
                let expected = [scene.model.allows(0), scene.model.allows(1)];
                prop_assert_eq!(scene.answers().await, expected, "after {:?}: {:?}", change, scene.model);
            }
            Ok(())
        })?;
    }
}
