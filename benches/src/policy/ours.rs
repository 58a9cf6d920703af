//! Our engine on the work.

use std::hint::black_box;

use anyhow::{Result, ensure};
use portcullis_policy::{
    Document, Kind, Outcome, PolicySets, Prepared, Program, Programs, Request, Source, authorize, decide,
    explain,
};

use crate::policy::clock::measure;
use crate::policy::workload::{self, Asked, Case};

/// Nanoseconds of one decision in each form.
pub struct Decisions {
    pub authorize: f64,
    /// Making the prepared request included.
    pub with_prepare: f64,
    /// With a boundary and session policies that hold the same policy.
    pub with_boundary_and_session: f64,
    pub decide: f64,
    pub explain: f64,
}

/// Measures one case; a wrong answer fails the run.
pub fn decisions(count: usize, case: Case) -> Result<Decisions> {
    let document = workload::document(count, case)?;
    let program = Program::compile([&document]);
    let (boundary, session) = (Program::compile([&document]), Program::compile([&document]));
    let asked = Asked::new(case)?;
    let request = asked.request();
    let prepared = Prepared::new(&request);
    let alone = Programs {
        identity: Some(&program),
        ..Programs::default()
    };
    let bounded = Programs {
        boundary: Some(&boundary),
        session: Some(&[&session]),
        ..alone
    };
    let sources = [source(&document)];
    let sets = PolicySets {
        identity: &sources,
        ..PolicySets::default()
    };
    let answers = [
        authorize(&prepared, &alone).outcome,
        authorize(&prepared, &bounded).outcome,
        decide(&request, &sets).outcome,
        explain(&request, &sets).outcome,
    ];
    check(count, case, &answers)?;
    Ok(Decisions {
        authorize: measure(|| authorize(black_box(&prepared), black_box(&alone))),
        with_prepare: measure(|| authorize(&Prepared::new(black_box(&request)), black_box(&alone))),
        with_boundary_and_session: measure(|| authorize(black_box(&prepared), black_box(&bounded))),
        decide: measure(|| decide(black_box(&request), black_box(&sets))),
        explain: measure(|| explain(black_box(&request), black_box(&sets))),
    })
}

fn check(count: usize, case: Case, answers: &[Outcome]) -> Result<()> {
    let expected = case.expected();
    let right = answers.iter().all(|answer| *answer == expected);
    ensure!(right, "{} at {count}: {answers:?}, not {expected:?}", case.name());
    Ok(())
}

fn source(document: &Document) -> Source<'_> {
    Source {
        name: "workload",
        arn: None,
        attached_to: None,
        document,
    }
}

/// What it takes to make a policy ready, and what it then occupies.
pub struct Compiling {
    pub parse_ns: f64,
    pub compile_ns: f64,
    pub memory: usize,
    pub text: usize,
}

/// Measures making the policy of so many statements ready.
pub fn compiling(count: usize) -> Result<Compiling> {
    let text = workload::text(count, Case::Allow)?;
    let document = workload::document(count, Case::Allow)?;
    Ok(Compiling {
        parse_ns: measure(|| Document::parse(black_box(&text), Kind::Identity)),
        compile_ns: measure(|| Program::compile([black_box(&document)])),
        memory: Program::compile([&document]).memory(),
        text: text.len(),
    })
}

/// The loop that callgrind counts: the same decision so many times.
pub fn repeat(what: &str, count: usize, case: Case, times: usize) -> Result<()> {
    let document = workload::document(count, case)?;
    let program = Program::compile([&document]);
    let asked = Asked::new(case)?;
    let request: Request<'_> = asked.request();
    let prepared = Prepared::new(&request);
    let alone = Programs {
        identity: Some(&program),
        ..Programs::default()
    };
    let bounded = Programs {
        boundary: Some(&program),
        session: Some(&[&program]),
        ..alone
    };
    for _ in 0..times {
        match what {
            "prepare" => drop(black_box(Prepared::new(black_box(&request)))),
            "bounded" => drop(black_box(authorize(black_box(&prepared), black_box(&bounded)))),
            _ => drop(black_box(authorize(black_box(&prepared), black_box(&alone)))),
        }
    }
    Ok(())
}
