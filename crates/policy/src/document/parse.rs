//! From text to statements: the grammar. Every failure here is the same error to the caller (R2).

use crate::document::{
    ActionList, ActionPattern, Condition, ConditionValue, Effect, Kind, Malformed, PrincipalElement,
    PrincipalEntry, PrincipalKind, ResourceList, ResourcePattern, Statement, Version,
};
use crate::json::{self, Json, Member, Node};
use crate::matching::action::ActionForm;
use crate::matching::glob::{Glob, Piece};
use crate::matching::operator::{Operator, Test};
use crate::matching::resource::ResourceForm;
use crate::matching::variable::Template;
use crate::{Span, open_points, text};

/// A document whose grammar is right; the checks come later.
pub(super) struct Draft {
    /// `None` when the document names no version.
    pub(super) version: Option<Version>,
    pub(super) id: Option<String>,
    pub(super) statements: Vec<DraftStatement>,
}

/// A statement with what only the checks need.
pub(super) struct DraftStatement {
    pub(super) statement: Statement,
    /// Whether Effect is spelt `Allow` or `Deny` exactly (R10).
    pub(super) effect_is_exact: bool,
}

type Parsed<T> = Result<T, Malformed>;

/// Reads the grammar of a document.
pub(super) fn read(text: &str, kind: Kind) -> Parsed<Draft> {
    if !text.chars().all(may_occur) {
        return Err(Malformed::Syntax);
    }
    let root = json::parse(text).map_err(|_| open_points::r3_error())?;
    let (mut version, mut id, mut statements) = (None, None, None);
    for member in object(&root)? {
        match member.key.as_str() {
            "Version" => version = Some(read_version(string(&member.node)?)?),
            "Id" => id = Some(string(&member.node)?.to_owned()),
            "Statement" => statements = Some(&member.node),
            _ => return Err(Malformed::Syntax),
        }
    }
    let scope = Scope {
        kind,
        variables: version == Some(Version::V2012),
    };
    let statements = match statements.map(|node| (node, &node.value)) {
        Some((node, Json::Object(_))) => vec![scope.statement(node)?],
        Some((_, Json::Array(items))) if !items.is_empty() => items
            .iter()
            .map(|item| scope.statement(item))
            .collect::<Parsed<_>>()?,
        _ => return Err(Malformed::Syntax),
    };
    Ok(Draft {
        version,
        id,
        statements,
    })
}

/// R1.
fn may_occur(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')
}

fn read_version(text: &str) -> Parsed<Version> {
    match text {
        "2012-10-17" => Ok(Version::V2012),
        "2008-10-17" => Ok(Version::V2008),
        _ => Err(Malformed::Syntax),
    }
}

fn object(node: &Node) -> Parsed<&[Member]> {
    match &node.value {
        Json::Object(members) => Ok(members),
        _ => Err(Malformed::Syntax),
    }
}

fn string(node: &Node) -> Parsed<&str> {
    match &node.value {
        Json::String(text) => Ok(text),
        _ => Err(Malformed::Syntax),
    }
}

/// One value or a flat list of values (R15).
fn one_or_many(node: &Node) -> &[Node] {
    match &node.value {
        Json::Array(items) => items,
        _ => std::slice::from_ref(node),
    }
}

fn strings(node: &Node) -> Parsed<Vec<(&str, &Node)>> {
    one_or_many(node)
        .iter()
        .map(|item| Ok((string(item)?, item)))
        .collect()
}

/// Sets an element once; of a pair such as Action and NotAction only one may occur (R9).
fn set_once<T>(slot: &mut Option<T>, value: T) -> Parsed<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed::Syntax),
    }
}

/// What the statements of one document share.
struct Scope {
    kind: Kind,
    /// Whether policy variables are replaced (R51).
    variables: bool,
}

impl Scope {
    fn statement(&self, node: &Node) -> Parsed<DraftStatement> {
        let (mut sid, mut effect, mut principal, mut action, mut resource) = (None, None, None, None, None);
        let mut conditions = Vec::new();
        for Member { key, node, .. } in object(node)? {
            match key.as_str() {
                "Sid" => sid = Some(string(node)?.to_owned()),
                "Effect" => effect = Some(read_effect(string(node)?)?),
                "Principal" => set_once(&mut principal, read_principal(node, false)?)?,
                "NotPrincipal" => set_once(&mut principal, read_principal(node, true)?)?,
                "Action" => set_once(&mut action, read_actions(node, false)?)?,
                "NotAction" => set_once(&mut action, read_actions(node, true)?)?,
                "Resource" => set_once(&mut resource, self.resources(node, false)?)?,
                "NotResource" => set_once(&mut resource, self.resources(node, true)?)?,
                "Condition" => conditions = self.conditions(node)?,
                _ => return Err(Malformed::Syntax),
            }
        }
        let (effect, effect_is_exact) = effect.ok_or(Malformed::Syntax)?;
        // A statement without actions does not survive the checks (R12).
        let action = action.unwrap_or(ActionList {
            negated: false,
            patterns: Vec::new(),
        });
        let statement = Statement {
            sid,
            effect,
            span: node.span,
            principal,
            action,
            resource,
            conditions,
        };
        Ok(DraftStatement {
            statement,
            effect_is_exact,
        })
    }

    fn resources(&self, node: &Node, negated: bool) -> Parsed<ResourceList> {
        let pattern = |(text, item): (&str, &Node)| ResourcePattern {
            text: text.to_owned(),
            form: ResourceForm::parse(text, self.variables, self.kind),
            span: item.span,
        };
        Ok(ResourceList {
            negated,
            patterns: strings(node)?.into_iter().map(pattern).collect(),
        })
    }

    fn conditions(&self, node: &Node) -> Parsed<Vec<Condition>> {
        let mut conditions = Vec::new();
        for block in object(node)? {
            let keys = object(&block.node)?;
            refuse_same_keys(keys)?;
            match self.operator(&block.key) {
                Some(operator) => {
                    for member in keys {
                        conditions.push(self.condition(operator, member)?);
                    }
                }
                // R22: IAM lets an unknown operator pass when its block is empty; it imposes nothing (R30).
                None if keys.is_empty() => {}
                None => return Err(Malformed::Syntax),
            }
        }
        Ok(conditions)
    }

    fn operator(&self, name: &str) -> Option<Operator> {
        if open_points::r22_operator_names_have_case(self.kind) {
            Operator::parse(name)
        } else {
            Operator::parse_without_case(name)
        }
    }

    fn condition(&self, operator: Operator, member: &Member) -> Parsed<Condition> {
        let value = |item: &Node| Ok(self.value(operator.test(), scalar(item)?, item.span));
        let values = one_or_many(&member.node)
            .iter()
            .map(value)
            .collect::<Parsed<_>>()?;
        Ok(Condition {
            operator,
            key: member.key.clone(),
            key_span: member.key_span,
            values,
        })
    }

    fn value(&self, test: Test, text: String, span: Span) -> ConditionValue {
        let takes_variables = match test {
            Test::StringEquals | Test::StringEqualsIgnoreCase | Test::StringLike | Test::Arn => true,
            Test::Bool => open_points::r52_bool_takes_variables(),
            Test::Numeric(_) | Test::Date(_) | Test::Binary | Test::IpAddress | Test::Null => false,
        };
        let template = if self.variables && takes_variables {
            Template::parse(&text)
        } else {
            Template::literal(&text)
        };
        let has_wildcards = matches!(test, Test::StringLike | Test::Arn);
        let glob = template
            .fixed()
            .filter(|_| has_wildcards)
            .map(|text| Glob::new(&[Piece::pattern(text)]));
        ConditionValue {
            text,
            template,
            glob,
            span,
        }
    }
}

fn read_effect(word: &str) -> Parsed<(Effect, bool)> {
    match word {
        "Allow" => Ok((Effect::Allow, true)),
        "Deny" => Ok((Effect::Deny, true)),
        word if word.eq_ignore_ascii_case("allow") => Ok((Effect::Allow, false)),
        word if word.eq_ignore_ascii_case("deny") => Ok((Effect::Deny, false)),
        _ => Err(Malformed::Syntax),
    }
}

fn read_actions(node: &Node, negated: bool) -> Parsed<ActionList> {
    let pattern = |(text, item): (&str, &Node)| ActionPattern {
        text: text.to_owned(),
        form: ActionForm::parse(text),
        span: item.span,
    };
    Ok(ActionList {
        negated,
        patterns: strings(node)?.into_iter().map(pattern).collect(),
    })
}

fn read_principal(node: &Node, negated: bool) -> Parsed<PrincipalElement> {
    if matches!(&node.value, Json::String(text) if text == "*") {
        let everyone = PrincipalEntry {
            kind: PrincipalKind::Aws,
            value: "*".to_owned(),
            span: node.span,
        };
        return Ok(PrincipalElement {
            negated,
            entries: vec![everyone],
        });
    }
    let mut entries = Vec::new();
    for Member { key, node, .. } in object(node)? {
        let kind = match key.as_str() {
            "AWS" => PrincipalKind::Aws,
            "Service" => PrincipalKind::Service,
            "Federated" => PrincipalKind::Federated,
            "CanonicalUser" => PrincipalKind::CanonicalUser,
            _ => return Err(Malformed::Syntax),
        };
        for (value, item) in strings(node)? {
            entries.push(PrincipalEntry {
                kind,
                value: value.to_owned(),
                span: item.span,
            });
        }
    }
    Ok(PrincipalElement { negated, entries })
}

/// R3: keys of one operator that differ only in case are duplicates.
fn refuse_same_keys(keys: &[Member]) -> Parsed<()> {
    let mut sorted: Vec<&str> = keys.iter().map(|member| member.key.as_str()).collect();
    sorted.sort_by(|a, b| text::compare(a, b));
    let has_same = sorted
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if text::same(a, b)));
    if has_same {
        Err(open_points::r3_error())
    } else {
        Ok(())
    }
}

/// R16: strings, numbers and booleans; not null.
fn scalar(node: &Node) -> Parsed<String> {
    match &node.value {
        Json::String(text) | Json::Number(text) => Ok(text.clone()),
        Json::Bool(value) => Ok(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => Err(Malformed::Syntax),
    }
}
