//! How long hostile input takes: `cargo xtask bench hostile`. What the tests throw at the engine, each input with the time
//! it takes and the memory it needs; the worst of each kind is printed, and one beyond the limits fails the run.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "it is made of tests"
)]
#![expect(dead_code, reason = "the tests use the rest")]

#[path = "../tests/it/differential/mod.rs"]
mod differential;
#[path = "../tests/it/generate/mod.rs"]
mod generate;
#[path = "../tests/hostile/inputs.rs"]
mod inputs;
#[path = "../tests/hostile/mutate.rs"]
mod mutate;
#[path = "../tests/it/naive/mod.rs"]
mod naive;
#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use differential::ask::Asked;
use peak_alloc::PeakAlloc;
use portcullis_policy::{Document, Kind, Program};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const TIME_LIMIT: Duration = Duration::from_millis(100);
const MEMORY_LIMIT: usize = 64 << 20;

/// Another program may have had the processor: what took too long is tried again before it counts.
const TRIES: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mutations, seed] = arguments.as_slice() else {
        eprintln!("usage: hostile MUTATIONS SEED");
        return ExitCode::FAILURE;
    };
    let (Ok(mutations), Ok(seed)) = (mutations.parse(), seed.parse()) else {
        eprintln!("MUTATIONS and SEED are whole numbers");
        return ExitCode::FAILURE;
    };
    // The first call reads the reference; that is no input's doing.
    let _read = naive::reference::applies("ecs:RunTask", "ecs:cluster");
    println!("| input | inputs | slowest, ms | most memory, KiB |\n| --- | --- | --- | --- |");
    let mut is_bounded = true;
    for (name, target) in targets::TARGETS {
        let mut worst = Worst::default();
        inputs::each(name, mutations, seed, |input| worst.run(input, || target(input)));
        is_bounded &= worst.report(&format!("fuzz target `{name}`, with the naive evaluator"));
    }
    for (about, text) in inputs::large_documents() {
        is_bounded &= large(about, &text, "arn:aws:s3:::bucket7/x");
    }
    is_bounded &= large(
        "10,000 statements",
        &inputs::many_statements(10_000),
        "arn:aws:s3:::bucket7/x",
    );
    let long = format!("arn:aws:ec2:us-east-1:111122223333:{}b", "a".repeat(2_000));
    for (about, text, _) in inputs::hard_to_compile() {
        is_bounded &= large(about, &text, &long);
    }
    for (about, text, resource) in inputs::backtracking() {
        is_bounded &= large(about, &text, &resource);
    }
    if is_bounded {
        println!("\nno input takes longer than 100 ms or needs more than 64 MiB");
        ExitCode::SUCCESS
    } else {
        println!("\ninputs beyond 100 ms or 64 MiB: see above");
        ExitCode::FAILURE
    }
}

type Door = fn(&Asked, &naive::Question) -> naive::Answer;

/// One document through every door: read and compiled, then asked.
fn large(about: &str, text: &str, resource: &str) -> bool {
    let action = if resource.contains(":ec2:") {
        "ec2:DescribeInstances"
    } else {
        "s3:GetObject"
    };
    let mut policies = naive::Policies::none();
    policies.identity = vec![serde_json::from_str(text).expect("JSON")];
    let question = targets::question(action, resource, &[("k", resource)]);
    let mut reading = Worst::default();
    reading.run(text.as_bytes(), || drop(Document::parse(text, Kind::Identity)));
    let document = Document::parse(text, Kind::Identity).expect("a policy that is taken");
    let mut compiling = Worst::default();
    compiling.run(text.as_bytes(), || drop(Program::compile([&document])));
    let asked = Asked::read(&policies).expect("a policy that is taken");
    let doors: [(&str, Door); 3] = [
        ("decide", Asked::decided),
        ("explain", Asked::explained),
        ("authorize", Asked::authorized),
    ];
    let mut is_bounded =
        reading.report(&format!("{about}: parse")) & compiling.report(&format!("{about}: compile"));
    for (door, ask) in doors {
        let mut worst = Worst::default();
        worst.run(text.as_bytes(), || {
            ask(&asked, &question);
        });
        is_bounded &= worst.report(&format!("{about}: {door}"));
    }
    is_bounded
}

/// The longest that one input took, and the most memory it needed.
#[derive(Default)]
struct Worst {
    inputs: usize,
    time: Duration,
    memory: usize,
    /// The beginning of an input beyond the limits.
    beyond: Option<String>,
}

impl Worst {
    fn run(&mut self, input: &[u8], mut call: impl FnMut()) {
        let (mut time, memory) = measured(&mut call);
        for _ in 1..TRIES {
            if time <= TIME_LIMIT {
                break;
            }
            time = time.min(measured(&mut call).0);
        }
        if time > TIME_LIMIT || memory > MEMORY_LIMIT {
            let shown = String::from_utf8_lossy(&input[..input.len().min(300)]).into_owned();
            self.beyond = Some(shown);
        }
        self.inputs += 1;
        self.time = self.time.max(time);
        self.memory = self.memory.max(memory);
    }

    /// Prints the line of this kind of input; whether it stayed within the limits.
    fn report(&self, about: &str) -> bool {
        let ms = self.time.as_secs_f64() * 1_000.0;
        println!("| {about} | {} | {ms:.2} | {} |", self.inputs, self.memory >> 10);
        if let Some(input) = &self.beyond {
            println!("\nbeyond the limits: {input}\n");
        }
        self.beyond.is_none()
    }
}

fn measured(call: &mut impl FnMut()) -> (Duration, usize) {
    MEMORY.reset_peak_usage();
    let (before, start) = (MEMORY.current_usage(), Instant::now());
    call();
    (start.elapsed(), MEMORY.peak_usage().saturating_sub(before))
}
