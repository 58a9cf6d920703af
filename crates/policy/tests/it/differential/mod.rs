//! The engine against the naive evaluator: `decide`, `explain` and the compiled programs must say what the rules say, for
//! every question of every generated world.

pub mod ask;
pub mod shrink;

use std::fmt::Write as _;

use portcullis_policy::PolicyType;

use crate::generate::{self, Dice, QUESTIONS, World};
use crate::naive::{Answer, Question};
use ask::Asked;
use shrink::{Case, shrink};

/// Every how many questions the explanation is asked for too; it takes longer than all the others.
const EXPLAINED: usize = 4;

/// How often each answer was given.
#[derive(Debug, Clone, Default)]
pub struct Tally(Vec<(Answer, u64)>);

impl Tally {
    pub fn cases(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    fn count(&mut self, answer: Answer, times: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == answer) {
            Some((_, count)) => *count += times,
            None => self.0.push((answer, times)),
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (answer, times) in &other.0 {
            self.count(*answer, *times);
        }
    }

    /// How many of a hundred thousand cases were answered so.
    pub fn share(&self, answers: impl Fn(Answer) -> bool) -> u64 {
        let counted = self.0.iter().filter(|(answer, _)| answers(*answer));
        counted.map(|(_, count)| count).sum::<u64>() * 100_000 / self.cases().max(1)
    }

    /// One line an answer, with its share, the most frequent first.
    pub fn lines(&self) -> String {
        let mut counts = self.0.clone();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut lines = String::new();
        for (answer, count) in counts {
            let by = answer.1.map_or("", PolicyType::name);
            let percent = count as f64 * 100.0 / self.cases() as f64;
            writeln!(lines, "{percent:8.3} %  {:?} {by}", answer.0).expect("text");
        }
        lines
    }
}

/// The seed of a run's nth world: one step of the generator apart, so that runs do not overlap.
pub fn world_seed(seed: u64, nth: u64) -> u64 {
    Dice::seed(seed ^ nth.wrapping_mul(0xd134_2543_de82_ef95)).number()
}

/// Asks at least `cases` questions. `Err` is the smallest case that shows a difference, to be read by a person.
pub fn run(seed: u64, cases: u64) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for nth in 0..cases.div_ceil(QUESTIONS as u64) {
        let seed = world_seed(seed, nth);
        let world = generate::world(&mut Dice::seed(seed));
        let answers = check(&world).map_err(|difference| format!("world {seed:#018x}\n{difference}"))?;
        tally.add(&answers);
    }
    Ok(tally)
}

/// Asks every question of a world.
pub fn check(world: &World) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let asked = Asked::read(&world.policies).ok_or_else(|| format!("refused: {:#?}", world.policies))?;
    for (nth, question) in world.questions.iter().enumerate() {
        let expected = asked.naively(question);
        let is_explained = nth % EXPLAINED == 0;
        let agrees = asked.decided(question) == expected
            && asked.authorized(question) == expected
            && (!is_explained || asked.explained(question) == expected);
        if !agrees {
            return Err(report(world, question));
        }
        tally.count(expected, 1);
    }
    Ok(tally)
}

fn report(world: &World, question: &Question) -> String {
    let differs = |case: &Case| {
        Asked::read(&case.policies).is_some_and(|asked| {
            let expected = asked.naively(&case.question);
            asked
                .engine(&case.question)
                .iter()
                .any(|(_, answer)| *answer != expected)
        })
    };
    let case = Case {
        policies: world.policies.clone(),
        question: question.clone(),
    };
    let case = shrink(case, differs);
    let asked = Asked::read(&case.policies).expect("it was read before");
    let mut text = format!("the rules say {:?}\n", asked.naively(&case.question));
    for (door, answer) in asked.engine(&case.question) {
        writeln!(text, "{door} says {answer:?}").expect("text");
    }
    writeln!(text, "{:#?}", case.question).expect("text");
    case.policies
        .map(|policy, kind| writeln!(text, "{kind:?}: {policy:#}").expect("text"));
    text
}
