//! A small stage: one account, a few callers, policies as JSON, one question.

use portcullis_core::AccountId;
use portcullis_policy::{
    Context, Document, Explanation, Kind, Outcome, PolicySets, PolicyType, Principal, Request, Source, Value,
    access_denied_message, decide, explain,
};
use serde_json::{Value as Json, json};

pub const ACCOUNT: &str = "111122223333";
pub const OTHER_ACCOUNT: &str = "444455556666";
pub const ROLE: &str = "arn:aws:iam::111122223333:role/app/web";
pub const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/web/s1";
pub const USER: &str = "arn:aws:iam::111122223333:user/richard-roe";
pub const FEDERATED_USER: &str = "arn:aws:sts::111122223333:federated-user/bob";
pub const BUCKET: &str = "arn:aws:s3:::bucket";

pub fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

pub fn root() -> Principal {
    Principal::Root {
        account: account(ACCOUNT),
    }
}

pub fn user() -> Principal {
    Principal::User {
        arn: USER.parse().unwrap(),
        id: "AIDARICHARDROE0000001".to_owned(),
        account: account(ACCOUNT),
    }
}

pub fn role_session() -> Principal {
    Principal::RoleSession {
        session_arn: SESSION.parse().unwrap(),
        role_arn: ROLE.parse().unwrap(),
        role_id: "AROAWEB00000000000001".to_owned(),
        account: account(ACCOUNT),
    }
}

pub fn service_linked_session() -> Principal {
    Principal::RoleSession {
        session_arn: "arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForECS/ecs"
            .parse()
            .unwrap(),
        role_arn: "arn:aws:iam::111122223333:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
            .parse()
            .unwrap(),
        role_id: "AROASLR00000000000001".to_owned(),
        account: account(ACCOUNT),
    }
}

pub fn federated_user() -> Principal {
    Principal::FederatedUser {
        arn: FEDERATED_USER.parse().unwrap(),
        user_arn: USER.parse().unwrap(),
        user_id: "AIDARICHARDROE0000001".to_owned(),
        account: account(ACCOUNT),
    }
}

pub fn service(name: &str) -> Principal {
    Principal::Service(name.to_owned())
}

pub fn parse(document: &Json, kind: Kind) -> Document {
    Document::parse(&document.to_string(), kind).unwrap_or_else(|refused| panic!("{refused}: {document}"))
}

/// A document of version 2012-10-17 with these statements (one, or an array).
pub fn policy(statements: Json) -> Json {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// One question with everything that bears on it. Starts as a user asking for an object, with no policies.
#[derive(Debug)]
pub struct Scene {
    pub principal: Principal,
    pub action: String,
    pub resource: String,
    pub resource_account: Option<AccountId>,
    pub context: Context,
    pub identity: Vec<Document>,
    pub boundary: Option<Document>,
    pub session: Option<Vec<Document>>,
    pub resource_policy: Option<Document>,
    pub scps: Vec<Vec<Document>>,
    pub rcps: Vec<Vec<Document>>,
    pub endpoint: Option<Document>,
}

impl Scene {
    pub fn new(principal: Principal) -> Self {
        Self {
            principal,
            action: "s3:GetObject".to_owned(),
            resource: BUCKET.to_owned(),
            resource_account: None,
            context: Context::new(),
            identity: Vec::new(),
            boundary: None,
            session: None,
            resource_policy: None,
            scps: Vec::new(),
            rcps: Vec::new(),
            endpoint: None,
        }
    }

    pub fn asks(mut self, action: &str, resource: &str) -> Self {
        self.action = action.to_owned();
        self.resource = resource.to_owned();
        self
    }

    pub fn of_account(mut self, owner: &str) -> Self {
        self.resource_account = Some(account(owner));
        self
    }

    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.context.insert(key, value);
        self
    }

    pub fn identity(mut self, statements: Json) -> Self {
        self.identity.push(parse(&policy(statements), Kind::Identity));
        self
    }

    pub fn boundary(mut self, statements: Json) -> Self {
        self.boundary = Some(parse(&policy(statements), Kind::Boundary));
        self
    }

    pub fn session(mut self, statements: Json) -> Self {
        self.session
            .get_or_insert_default()
            .push(parse(&policy(statements), Kind::Session));
        self
    }

    pub fn resource_policy(mut self, statements: Json) -> Self {
        self.resource_policy = Some(parse(&policy(statements), Kind::Resource));
        self
    }

    pub fn trust(mut self, statements: Json) -> Self {
        self.resource_policy = Some(parse(&policy(statements), Kind::Trust));
        self.asks("sts:AssumeRole", "arn:aws:iam::111122223333:role/target")
    }

    pub fn scp(mut self, statements: Json) -> Self {
        self.scps
            .push(vec![parse(&policy(statements), Kind::ServiceControl)]);
        self
    }

    pub fn rcp(mut self, statements: Json) -> Self {
        self.rcps
            .push(vec![parse(&policy(statements), Kind::ResourceControl)]);
        self
    }

    pub fn endpoint(mut self, statements: Json) -> Self {
        self.endpoint = Some(parse(&policy(statements), Kind::Endpoint));
        self
    }

    /// Calls `ask` with the request and the sets; they borrow from each other.
    pub fn run<T>(&self, ask: impl FnOnce(&Request<'_>, &PolicySets<'_>) -> T) -> T {
        let request = Request {
            principal: &self.principal,
            action: &self.action,
            resource: &self.resource,
            resource_account: self.resource_account.as_ref(),
            context: &self.context,
        };
        let identity: Vec<_> = self
            .identity
            .iter()
            .map(|document| source("inline", document))
            .collect();
        let session: Option<Vec<_>> = self
            .session
            .as_ref()
            .map(|all| all.iter().map(|document| source("session", document)).collect());
        let (scps, rcps) = (levels("scp", &self.scps), levels("rcp", &self.rcps));
        let scps: Vec<&[Source<'_>]> = scps.iter().map(Vec::as_slice).collect();
        let rcps: Vec<&[Source<'_>]> = rcps.iter().map(Vec::as_slice).collect();
        let sets = PolicySets {
            identity: &identity,
            boundary: self
                .boundary
                .as_ref()
                .map(|document| source("boundary", document)),
            session: session.as_deref(),
            resource: self
                .resource_policy
                .as_ref()
                .map(|document| source("resource-policy", document)),
            scps: &scps,
            rcps: &rcps,
            endpoint: self
                .endpoint
                .as_ref()
                .map(|document| source("endpoint", document)),
        };
        ask(&request, &sets)
    }

    /// The decision; the explanation must agree with it.
    pub fn decide(&self) -> (Outcome, Option<PolicyType>) {
        self.run(|request, sets| {
            let decision = decide(request, sets);
            let explanation = explain(request, sets);
            let answer = (decision.outcome, decision.by);
            assert_eq!(
                answer,
                (explanation.outcome, explanation.stopped_by),
                "decide and explain differ"
            );
            let compiled = crate::compiled::verdict(request, sets);
            assert_eq!(answer, compiled, "decide and authorize differ");
            answer
        })
    }

    pub fn allowed(&self) -> bool {
        self.decide().0 == Outcome::Allow
    }

    pub fn explain(&self) -> Explanation {
        self.run(explain)
    }

    pub fn message(&self) -> String {
        self.run(|request, sets| {
            let decision = decide(request, sets);
            access_denied_message(
                &request.principal.name(),
                request.action,
                request.resource,
                &decision,
            )
        })
    }
}

pub fn source<'a>(name: &'a str, document: &'a Document) -> Source<'a> {
    Source {
        name,
        arn: None,
        attached_to: None,
        document,
    }
}

fn levels<'a>(name: &'a str, levels: &'a [Vec<Document>]) -> Vec<Vec<Source<'a>>> {
    levels
        .iter()
        .map(|level| level.iter().map(|document| source(name, document)).collect())
        .collect()
}

pub const ALLOWED: (Outcome, Option<PolicyType>) = (Outcome::Allow, None);

pub fn silent(by: PolicyType) -> (Outcome, Option<PolicyType>) {
    (Outcome::ImplicitDeny, Some(by))
}

pub fn denied(by: PolicyType) -> (Outcome, Option<PolicyType>) {
    (Outcome::ExplicitDeny, Some(by))
}

/// Grants everything.
pub fn allow_all() -> Json {
    json!({"Effect": "Allow", "Action": "*", "Resource": "*"})
}

/// Grants something else than the scene asks for.
pub fn allow_nothing() -> Json {
    json!({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"})
}

pub fn deny_all() -> Json {
    json!({"Effect": "Deny", "Action": "*", "Resource": "*"})
}

/// A resource policy's statement about everything, for this principal.
pub fn allow_to(principal: Json) -> Json {
    json!({"Effect": "Allow", "Principal": principal, "Action": "*", "Resource": "*"})
}
