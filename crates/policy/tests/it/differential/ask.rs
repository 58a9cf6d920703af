//! One question to everybody who can answer it.

use portcullis_policy::{
    Document, PolicySets, Prepared, Program, Programs, Request, Source, authorize, decide, explain,
};
use serde_json::Value as Json;

use crate::naive::{self, Answer, Policies, Question};

/// The policies of a world as text, as documents of the engine, and as the JSON the naive evaluator reads.
pub struct Asked {
    documents: Policies<Document>,
    programs: Compiled,
    json: Policies<Json>,
}

/// The documents as programs, set by set.
struct Compiled {
    identity: Program,
    boundary: Option<Program>,
    session: Option<Vec<Program>>,
    resource: Option<Program>,
    scps: Vec<Program>,
    rcps: Vec<Program>,
    endpoint: Option<Program>,
}

impl Compiled {
    fn new(documents: &Policies<Document>) -> Self {
        let levels = |levels: &[Vec<Document>]| levels.iter().map(Program::compile).collect();
        Self {
            identity: Program::compile(&documents.identity),
            boundary: documents
                .boundary
                .as_ref()
                .map(|document| Program::compile([document])),
            session: documents.session.as_ref().map(|parts| {
                let part = |document| Program::compile([document]);
                parts.iter().map(part).collect()
            }),
            resource: documents
                .resource
                .as_ref()
                .map(|document| Program::compile([document])),
            scps: levels(&documents.scps),
            rcps: levels(&documents.rcps),
            endpoint: documents
                .endpoint
                .as_ref()
                .map(|document| Program::compile([document])),
        }
    }

    fn authorize(&self, request: &Request<'_>) -> Answer {
        let (scps, rcps): (Vec<_>, Vec<_>) = (self.scps.iter().collect(), self.rcps.iter().collect());
        let session: Option<Vec<_>> = self.session.as_ref().map(|parts| parts.iter().collect());
        let verdict = authorize(
            &Prepared::new(request),
            &Programs {
                identity: Some(&self.identity),
                boundary: self.boundary.as_ref(),
                session: session.as_deref(),
                resource: self.resource.as_ref(),
                scps: &scps,
                rcps: &rcps,
                endpoint: self.endpoint.as_ref(),
            },
        );
        (verdict.outcome, verdict.by)
    }
}

impl Asked {
    /// Reads the policies; `None` if one of them is refused.
    pub fn read(policies: &Policies<Json>) -> Option<Self> {
        let texts = policies.map(|policy, _| policy.to_string());
        let mut all_are_taken = true;
        texts.map(|text, kind| all_are_taken &= Document::parse(text, kind).is_ok());
        all_are_taken.then(|| {
            let documents = texts.map(|text, kind| Document::parse(text, kind).expect("it was taken before"));
            Self {
                programs: Compiled::new(&documents),
                documents,
                json: texts.map(|text, _| serde_json::from_str(text).expect("JSON")),
            }
        })
    }

    /// What the naive evaluator says.
    pub fn naively(&self, question: &Question) -> Answer {
        naive::decide(question, &self.json)
    }

    /// What the engine says, by every door.
    pub fn engine(&self, question: &Question) -> [(&'static str, Answer); 3] {
        [
            ("decide", self.decided(question)),
            ("explain", self.explained(question)),
            ("authorize", self.authorized(question)),
        ]
    }

    /// What `decide` says.
    pub fn decided(&self, question: &Question) -> Answer {
        with_sets(&self.documents, |sets| {
            let decision = decide(&request(question), sets);
            (decision.outcome, decision.by)
        })
    }

    /// What `explain` says.
    pub fn explained(&self, question: &Question) -> Answer {
        with_sets(&self.documents, |sets| {
            let explanation = explain(&request(question), sets);
            (explanation.outcome, explanation.stopped_by)
        })
    }

    /// What the compiled programs say.
    pub fn authorized(&self, question: &Question) -> Answer {
        self.programs.authorize(&request(question))
    }
}

fn request(question: &Question) -> Request<'_> {
    Request {
        principal: &question.principal,
        action: &question.action,
        resource: &question.resource,
        resource_account: question.owner.as_ref(),
        context: &question.context,
    }
}

/// The engine's view of the documents.
fn with_sets<T>(documents: &Policies<Document>, ask: impl FnOnce(&PolicySets<'_>) -> T) -> T {
    let sources = documents.map(|document, _| Source {
        name: "generated",
        arn: None,
        attached_to: None,
        document,
    });
    let scps: Vec<&[Source<'_>]> = sources.scps.iter().map(Vec::as_slice).collect();
    let rcps: Vec<&[Source<'_>]> = sources.rcps.iter().map(Vec::as_slice).collect();
    ask(&PolicySets {
        identity: &sources.identity,
        boundary: sources.boundary,
        session: sources.session.as_deref(),
        resource: sources.resource,
        scps: &scps,
        rcps: &rcps,
        endpoint: sources.endpoint,
    })
}
