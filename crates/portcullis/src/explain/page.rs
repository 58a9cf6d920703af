//! The page a person reads.

use std::fmt;

use portcullis_api::iam_toolbox::{Check, Evaluation, GetRequestAuthorizationDetailsOutput};
use portcullis_policy::terminal::{self, Style};
use serde_json::Value;

use super::replay::{Policy, replay};

/// Everything there is to say about one refusal.
pub struct Page<'a> {
    pub details: &'a GetRequestAuthorizationDetailsOutput,
    /// The policies, if the reader may see them.
    pub policies: Option<&'a [Policy]>,
    pub style: Style,
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = |key: &str| self.details.request_context.get(key).and_then(Value::as_str);
        let at = context("aws:CurrentTime").unwrap_or("an unknown time");
        match context("aws:SourceIp") {
            Some(address) => writeln!(f, "refused at {at}, asked from {address}\n")?,
            None => writeln!(f, "refused at {at}\n")?,
        }
        let (allowed, refused): (Vec<_>, Vec<_>) =
            self.details.evaluations.iter().partition(|one| is_allowed(one));
        for (nth, evaluation) in refused.iter().enumerate() {
            if nth > 0 {
                writeln!(f)?;
            }
            self.write_refused(evaluation, f)?;
        }
        if !allowed.is_empty() {
            writeln!(f)?;
        }
        for evaluation in allowed {
            writeln!(f, "ALLOWED  {} on {}", evaluation.action, evaluation.resource)?;
        }
        if refused.iter().any(|evaluation| evaluation.portcullis.is_none()) {
            writeln!(
                f,
                "\nmore is told to callers who may iam:GetRequestAuthorizationDetails"
            )?;
        } else if self.policies.is_none() {
            writeln!(
                f,
                "\nthe policies' text is shown to callers who may iam:GetRequestAuthorizationPolicy"
            )?;
        }
        Ok(())
    }
}

fn is_allowed(evaluation: &Evaluation) -> bool {
    evaluation.evaluated_effect.as_deref() == Some("ALLOW")
}

impl Page<'_> {
    fn principal(&self) -> &str {
        let principal = self.details.request_context.get("principal");
        principal.and_then(Value::as_str).unwrap_or_default()
    }

    fn write_refused(&self, evaluation: &Evaluation, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ours = Ours::of(evaluation);
        let replayed = match (ours.text("rule"), self.policies) {
            (None, Some(policies)) => replay(self.principal(), evaluation, policies),
            _ => None,
        };
        match replayed {
            Some(explanation) => writeln!(f, "{}", terminal::page(&explanation, self.style).trim_end()),
            None => self.write_told(evaluation, &ours, f),
        }
    }

    /// What the server told, without the policies' text.
    fn write_told(
        &self,
        evaluation: &Evaluation,
        ours: &Ours<'_>,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let verdict = match evaluation.evaluated_effect.as_deref() {
            Some("EXPLICIT_DENY") => "DENIED (explicit)",
            Some(_) => "DENIED (implicit)",
            // Of resources elsewhere the server keeps even this to itself.
            None => "ASKED FOR",
        };
        writeln!(f, "{verdict}  {} on {}", evaluation.action, evaluation.resource)?;
        writeln!(f, "  asked by    {}", self.principal())?;
        if let Some(rule) = ours.text("rule") {
            return writeln!(f, "  stopped by  {rule}");
        }
        let checks = evaluation.checks.as_deref().unwrap_or_default();
        let refusing = checks
            .iter()
            .filter_map(|check| refusal(&evaluation.action, check));
        for (nth, refusal) in refusing.enumerate() {
            let title = if nth == 0 { "stopped by" } else { "and by" };
            writeln!(f, "  {title:<11} {refusal}")?;
        }
        if let Some(summary) = ours.text("summary") {
            writeln!(f, "  because     {summary}")?;
        }
        for (nth, step) in ours.texts("toAllow").into_iter().enumerate() {
            let title = if nth == 0 { "to allow it" } else { "and" };
            writeln!(f, "  {title:<11} {step}")?;
        }
        Ok(())
    }
}

/// What a set says that refuses.
fn refusal(action: &str, check: &Check) -> Option<String> {
    let set = match check.check_type.as_str() {
        "RESOURCE" if action.starts_with("sts:") => "role trust policy",
        "SERVICE_CONTROL_POLICY" => "service control policy",
        "RESOURCE_CONTROL_POLICY" => "resource control policy",
        "VPC_ENDPOINT" => "VPC endpoint policy",
        "RESOURCE" => "resource-based policy",
        "PERMISSIONS_BOUNDARY" => "permissions boundary",
        "SESSION" => "session policy",
        _ => "identity-based policy",
    };
    match check.evaluated_effect.as_str() {
        "EXPLICIT_DENY" => Some(format!("an explicit deny in {} {set}", article(set))),
        "IMPLICIT_DENY" => Some(format!("no {set} allows it")),
        _ => None,
    }
}

fn article(set: &str) -> &'static str {
    if set.starts_with('i') { "an" } else { "a" }
}

/// What servers of ours add to an evaluation.
struct Ours<'a>(Option<&'a Value>);

impl<'a> Ours<'a> {
    fn of(evaluation: &'a Evaluation) -> Self {
        Self(evaluation.portcullis.as_ref())
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.0?.get(name)?.as_str()
    }

    fn texts(&self, name: &str) -> Vec<&'a str> {
        let listed = self.0.and_then(|ours| ours.get(name)?.as_array());
        listed.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}
