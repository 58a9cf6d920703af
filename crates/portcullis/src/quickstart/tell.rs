//! How the story is told: step by step for people, or as JSON for machines.

use std::io::Write as _;

use serde::Serialize;

/// What one step of the story showed.
#[derive(Debug, Serialize)]
pub struct Step {
    /// The act it belongs to, 1 to 6.
    pub act: u8,
    /// What was asked, in a line.
    pub asked: String,
    /// What the server replied, in AWS's own words.
    pub reply: String,
    /// Why it was decided so; ours, never on the AWS wire.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Whether this is what had to happen.
    pub expected: bool,
}

/// The teller.
#[derive(Debug)]
pub struct Tale {
    json: bool,
    act: u8,
    steps: Vec<Step>,
}

impl Tale {
    /// A tale for machines or for people.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            act: 0,
            steps: Vec::new(),
        }
    }

    /// Opens the next act.
    pub fn act(&mut self, title: &str) {
        self.act += 1;
        self.say(&format!("\n{}. {title}", self.act));
    }

    /// A remark beside the story.
    pub fn note(&self, text: &str) {
        self.say(&format!("   {text}"));
    }

    /// Says that something is going on; goes to standard error so that it never mixes with the story.
    pub fn progress(&self, text: &str) {
        let mut out = std::io::stderr().lock();
        // Progress that cannot be shown is no failure of the story.
        let _ = writeln!(out, "   ... {text}");
    }

    /// Tells one step.
    pub fn step(
        &mut self,
        asked: impl Into<String>,
        reply: impl Into<String>,
        why: impl Into<String>,
        expected: bool,
    ) {
        let step = Step {
            act: self.act,
            asked: asked.into(),
            reply: reply.into(),
            why: why.into(),
            expected,
        };
        let mark = if expected { "ok" } else { "UNEXPECTED" };
        self.say(&format!("   > {}", step.asked));
        self.say(&indent("     reply: ", &without_pointer(&step.reply)));
        if !step.why.is_empty() {
            self.say(&indent("     why:   ", &step.why));
        }
        self.say(&format!("     [{mark}]"));
        self.steps.push(step);
    }

    /// Whether everything was as it had to be.
    pub fn is_happy(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(|step| step.expected)
    }

    /// Ends the story.
    pub fn end(&self) -> anyhow::Result<()> {
        if self.json {
            let whole = serde_json::json!({ "ok": self.is_happy(), "steps": self.steps });
            crate::say(&serde_json::to_string_pretty(&whole)?);
        } else if self.is_happy() {
            crate::say(&format!("\nAll {} steps went as expected.", self.steps.len()));
        } else {
            let wrong = self.steps.iter().filter(|step| !step.expected).count();
            crate::say(&format!(
                "\n{wrong} of {} steps did not go as expected; they are marked UNEXPECTED.",
                self.steps.len()
            ));
        }
        Ok(())
    }

    fn say(&self, text: &str) {
        if !self.json {
            crate::say(text);
        }
    }
}

/// A refusal without the words that point to its details (R174), which stand right below it; only their id stays.
fn without_pointer(reply: &str) -> String {
    match (reply.split_once(". Go to https://"), reply.rsplit_once(' ')) {
        (Some((refusal, _)), Some((_, id))) => format!("{refusal} [{id}]"),
        _ => reply.to_owned(),
    }
}

/// Puts a label before the first line and blanks of its width before the others.
fn indent(label: &str, text: &str) -> String {
    let blank = format!("\n{}", " ".repeat(label.len()));
    format!("{label}{}", text.trim_end().replace('\n', &blank))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unexpected_step_spoils_the_tale_and_an_empty_one_is_none() {
        let mut tale = Tale::new(true);
        assert!(!tale.is_happy());
        tale.step("a", "b", "", true);
        assert!(tale.is_happy());
        tale.step("a", "b", "", false);
        assert!(!tale.is_happy());
    }

    #[test]
    fn r174_of_the_pointer_to_the_details_only_the_id_is_shown() {
        let refusal =
            portcullis_policy::with_authorization_id("User: u is not authorized", "us-east-1", "0abc");
        assert_eq!(without_pointer(&refusal), "User: u is not authorized [0abc]");
        assert_eq!(without_pointer("allowed"), "allowed");
    }

    #[test]
    fn further_lines_stand_under_the_first() {
        assert_eq!(indent("why: ", "one\ntwo\n"), "why: one\n     two");
    }
}
