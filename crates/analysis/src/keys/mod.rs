//! Is there a value of one condition key under which some conditions hold and others do not?

pub(crate) mod addresses;
mod dates;
mod numbers;

use portcullis_policy::syntax::{Condition, Glob, SetOperator, Test, Token};
use portcullis_policy::{Context, Value, elements};

use crate::Cause;
use crate::effort::Effort;
use crate::text::{Demand, Found, find, find_readable, finite, literal, pattern};

/// One condition about a key, without variables.
#[derive(Debug, Clone)]
pub(crate) struct KeyAtom {
    condition: Condition,
    /// Whether it holds when the key is absent.
    absent: bool,
    test: KeyTest,
}

/// What a condition says about one value.
#[derive(Debug, Clone)]
enum KeyTest {
    /// The same whatever the value: Null, and lists without values.
    Presence(bool),
    /// One of the patterns matches; or, negated, none does.
    Texts { globs: Vec<Glob>, negated: bool },
    /// Numbers, dates or addresses are compared.
    Typed(Family),
}

/// Kinds of values with an order or a structure of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Number,
    Date,
    Address,
}

/// What values a key can have at all.
#[derive(Debug, Clone)]
pub(crate) struct Domain {
    pub(crate) absent: bool,
    pub(crate) one: bool,
    pub(crate) many: bool,
    pub(crate) values: Values,
    /// Values that are out of the question.
    pub(crate) excluded: Vec<Glob>,
    /// The value to try first.
    pub(crate) usual: Option<String>,
    /// What it has been given.
    pub(crate) given: Option<Value>,
}

/// What one value of a key can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Values {
    /// Any text.
    Any,
    /// An ARN.
    Arn,
    /// The number of an account: any twelve characters.
    Account,
    /// One of these.
    Listed(Vec<String>),
    /// Any text of this kind.
    Of(Family),
}

impl KeyAtom {
    /// A condition whose values are fixed; `texts` are the patterns of its values after substitution, for operators that
    /// compare text.
    pub(crate) fn new(condition: Condition, texts: Vec<Glob>) -> Self {
        let absent = elements::condition_holds(&condition, &Context::new());
        let negated = condition.operator.negated();
        let test = match condition.operator.test() {
            _ if condition.values.is_empty() => KeyTest::Presence(holds_for(&condition, "x")),
            Test::Null => KeyTest::Presence(holds_for(&condition, "x")),
            Test::Numeric(_) => KeyTest::Typed(Family::Number),
            Test::Date(_) => KeyTest::Typed(Family::Date),
            Test::IpAddress => KeyTest::Typed(Family::Address),
            Test::Arn if negated && texts.iter().any(|glob| !is_arn_pattern(glob)) => KeyTest::Texts {
                // R86: an ARN differs from no value that is none.
                globs: vec![any_arn()],
                negated,
            },
            Test::Arn => KeyTest::Texts {
                globs: texts.iter().filter_map(within_fields).collect(),
                negated,
            },
            // R83: base64 has one spelling for every value; what is not base64 matches nothing.
            Test::Binary => KeyTest::Texts {
                globs: texts
                    .into_iter()
                    .filter(|glob| literal(glob).is_some_and(|text| holds_for(&condition, &text)))
                    .collect(),
                negated,
            },
            Test::StringEquals | Test::StringEqualsIgnoreCase | Test::StringLike | Test::Bool => {
                KeyTest::Texts {
                    globs: texts,
                    negated,
                }
            }
        };
        Self {
            condition,
            absent,
            test,
        }
    }

    /// Whether it holds when the key is absent.
    pub(crate) fn holds_for_absent(&self) -> bool {
        self.absent
    }

    /// The key as this condition spells it.
    pub(crate) fn key(&self) -> &str {
        &self.condition.key
    }

    fn set(&self) -> Option<SetOperator> {
        self.condition.operator.set()
    }

    fn holds_for(&self, value: &Value) -> bool {
        match (&self.test, value, self.set()) {
            (KeyTest::Presence(holds), _, _) => *holds,
            (_, Value::One(text), _) => self.holds_for_one(text),
            // R89: without set operator nothing matches.
            (_, Value::Many(_), None) => false,
            (_, Value::Many(texts), Some(SetOperator::ForAllValues)) => {
                texts.iter().all(|text| self.holds_for_one(text))
            }
            (_, Value::Many(texts), Some(SetOperator::ForAnyValue)) => {
                texts.iter().any(|text| self.holds_for_one(text))
            }
        }
    }

    fn holds_for_one(&self, value: &str) -> bool {
        match &self.test {
            KeyTest::Presence(holds) => *holds,
            KeyTest::Texts { globs, negated } => globs.iter().any(|glob| glob.matches(value)) != *negated,
            KeyTest::Typed(_) => holds_for(&self.condition, value),
        }
    }
}

/// Whether a condition holds when its key has just this value.
fn holds_for(condition: &Condition, value: &str) -> bool {
    let context: Context = [(condition.key.as_str(), value)].into_iter().collect();
    elements::condition_holds(condition, &context)
}

/// A condition and whether it shall hold.
pub(crate) type Wanted<'a> = (&'a KeyAtom, bool);

/// Finds a value; `None` stands for the absent key. Absent keys are preferred: they make the simplest request.
pub(crate) fn solve(domain: &Domain, wanted: &[Wanted<'_>], effort: &Effort) -> Found<Option<Value>> {
    if let Some(given) = &domain.given {
        let suits = wanted.iter().all(|(atom, holds)| atom.holds_for(given) == *holds);
        return if suits {
            Found::Yes(Some(given.clone()))
        } else {
            Found::No
        };
    }
    if domain.absent && wanted.iter().all(|(atom, holds)| atom.absent == *holds) {
        return Found::Yes(None);
    }
    let one = if domain.one {
        one_text(domain, wanted, effort).map(|text| Some(Value::One(text)))
    } else {
        Found::No
    };
    one.or_else(|| {
        if domain.many {
            many(domain, wanted, effort).map(|texts| Some(Value::Many(texts)))
        } else {
            Found::No
        }
    })
}

/// Values of a multi-valued key: each must satisfy what is asked of all, and for everything asked of some there is one.
fn many(domain: &Domain, wanted: &[Wanted<'_>], effort: &Effort) -> Found<Vec<String>> {
    let mut of_all: Vec<Wanted<'_>> = Vec::new();
    let mut of_some: Vec<Wanted<'_>> = Vec::new();
    for (atom, holds) in wanted {
        match (&atom.test, atom.set(), *holds) {
            (KeyTest::Presence(present), _, holds) => {
                if *present != holds {
                    return Found::No;
                }
            }
            // R89: without set operator nothing matches.
            (_, None, true) => return Found::No,
            (_, None, false) => {}
            (_, Some(SetOperator::ForAllValues), true) => of_all.push((atom, true)),
            (_, Some(SetOperator::ForAnyValue), false) => of_all.push((atom, false)),
            (_, Some(SetOperator::ForAllValues), false) => of_some.push((atom, false)),
            (_, Some(SetOperator::ForAnyValue), true) => of_some.push((atom, true)),
        }
    }
    if of_some.is_empty() {
        return one_text(domain, &of_all, effort).map(|text| vec![text]);
    }
    let mut values: Vec<String> = Vec::new();
    for one in of_some {
        if values.iter().any(|value| one.0.holds_for_one(value) == one.1) {
            continue;
        }
        let mut together = of_all.clone();
        together.push(one);
        match one_text(domain, &together, effort) {
            Found::Yes(text) => values.push(text),
            Found::No => return Found::No,
            Found::Unknown(cause) => return Found::Unknown(cause),
        }
    }
    Found::Yes(values)
}

/// One text for which all conditions come out as wanted.
fn one_text(domain: &Domain, wanted: &[Wanted<'_>], effort: &Effort) -> Found<String> {
    let excluded = Demand::none_of(&domain.excluded);
    let suits = |text: &String| {
        excluded.is_met_by(text)
            && wanted
                .iter()
                .all(|(atom, holds)| atom.holds_for_one(text) == *holds)
    };
    if let Some(usual) = domain.usual.as_ref().filter(|text| suits(text)) {
        return Found::Yes(usual.clone());
    }
    let families = families(wanted);
    match (&domain.values, families.as_slice()) {
        (Values::Listed(texts), _) => texts
            .iter()
            .find(|text| suits(text))
            .cloned()
            .map_or(Found::No, Found::Yes),
        (Values::Any, []) => text(domain, wanted, &[], effort),
        (Values::Arn, []) => text(domain, wanted, &[any_arn()], effort),
        (Values::Account, []) => {
            let shape = [pattern(&"?".repeat(12))];
            text(domain, wanted, &shape, effort).map(|text| {
                let digits = text.replace(|c: char| !c.is_ascii_digit(), "0");
                if suits(&digits) { digits } else { text }
            })
        }
        (Values::Of(family), families) if families.iter().all(|other| other == family) => {
            let exact = wanted
                .iter()
                .all(|(atom, _)| !matches!(atom.test, KeyTest::Texts { .. }));
            candidates(
                domain,
                *family,
                wanted,
                exact && domain.excluded.is_empty(),
                suits,
            )
        }
        (Values::Any | Values::Arn, [family]) => {
            let exact = domain.values == Values::Any && domain.excluded.is_empty();
            let only_typed = wanted
                .iter()
                .all(|(atom, _)| !matches!(atom.test, KeyTest::Texts { .. }));
            candidates(domain, *family, wanted, exact && only_typed, suits)
        }
        (_, families) => families
            .iter()
            .fold(Found::Unknown(Cause::MixedValues), |found, family| {
                found.or_else(|| candidates(domain, *family, wanted, false, suits))
            }),
    }
}

fn families(wanted: &[Wanted<'_>]) -> Vec<Family> {
    let mut families = Vec::new();
    for (atom, _) in wanted {
        if let KeyTest::Typed(family) = atom.test
            && !families.contains(&family)
        {
            families.push(family);
        }
    }
    families
}

/// Where only text is compared the automata answer; the first answers asked for are the readable ones.
fn text(domain: &Domain, wanted: &[Wanted<'_>], shape: &[Glob], effort: &Effort) -> Found<String> {
    let mut demands = vec![Demand::none_of(&domain.excluded)];
    if !shape.is_empty() {
        demands.push(Demand::one_of(shape));
    }
    for (atom, holds) in wanted {
        match &atom.test {
            KeyTest::Presence(present) if present == holds => {}
            KeyTest::Presence(_) | KeyTest::Typed(_) => return Found::No,
            KeyTest::Texts { globs, negated } => demands.push(Demand {
                globs,
                any: holds != negated,
            }),
        }
    }
    let found = find(&demands, effort);
    if !matches!(found, Found::Yes(_)) {
        return found;
    }
    let readable: &[&str] = if shape.is_empty() {
        &["?*"]
    } else {
        &[
            "arn:aws:?*:us-east-1:123456789012:?*",
            "arn:aws:?*::123456789012:?*",
            "arn:aws:?*",
        ]
    };
    for preferred in readable {
        let preferred = [pattern(preferred)];
        let mut nicer = demands.clone();
        nicer.push(Demand::one_of(&preferred));
        if let Found::Yes(text) = find_readable(&nicer, effort) {
            return Found::Yes(text);
        }
    }
    found
}

/// Tries the values that stand for all others. What is found is right; that nothing is found is a proof if `exact`, or if
/// some condition leaves only values that were tried.
fn candidates(
    domain: &Domain,
    family: Family,
    wanted: &[Wanted<'_>],
    exact: bool,
    suits: impl Fn(&String) -> bool,
) -> Found<String> {
    let mut compared: Vec<&str> = Vec::new();
    let mut listed = Vec::new();
    let mut finite_list = false;
    for (atom, holds) in wanted {
        match &atom.test {
            KeyTest::Typed(_) => {
                compared.extend(atom.condition.values.iter().map(|value| value.text.as_str()))
            }
            KeyTest::Texts { globs, negated } => {
                listed.extend(globs.iter().filter_map(literal));
                finite_list |= finite(&Demand {
                    globs,
                    any: holds != negated,
                })
                .is_some();
            }
            KeyTest::Presence(_) => {}
        }
    }
    compared.extend(listed.iter().map(String::as_str));
    let (mut texts, all) = match family {
        Family::Number => match numbers::candidates(&compared) {
            Some(texts) => (texts, true),
            None => (Vec::new(), false),
        },
        Family::Date => (dates::candidates(&compared), true),
        Family::Address => (addresses::candidates(&compared), true),
    };
    texts.extend(listed.iter().cloned());
    // What is no value of the family fulfils every negated comparison, but only some keys can have it.
    if domain.values != Values::Of(family) {
        texts.push("no-value-of-this-type".to_owned());
    }
    match texts.into_iter().find(suits) {
        Some(text) => Found::Yes(text),
        None if (exact && all) || finite_list => Found::No,
        None => Found::Unknown(Cause::MixedValues),
    }
}

/// Six fields, the first of them `arn`.
fn any_arn() -> Glob {
    let mut tokens: Vec<Token> = "arn:".chars().map(Token::Char).collect();
    for _ in 0..4 {
        tokens.extend([Token::ManyInField, Token::Char(':')]);
    }
    tokens.push(Token::Many);
    Glob::from_tokens(tokens)
}

fn is_arn_pattern(glob: &Glob) -> bool {
    glob.tokens()
        .iter()
        .filter(|token| **token == Token::Char(':'))
        .count()
        >= 5
}

/// An ARN pattern whose wildcards never leave their field (R85); `None` when it matches nothing.
pub(crate) fn within_fields(glob: &Glob) -> Option<Glob> {
    if !is_arn_pattern(glob) {
        return None;
    }
    let first: Vec<Token> = glob
        .tokens()
        .iter()
        .copied()
        .take_while(|token| *token != Token::Char(':'))
        .collect();
    if !Glob::from_tokens(first.clone()).matches("arn") {
        return None;
    }
    let mut colons = 1;
    let mut tokens: Vec<Token> = "arn:".chars().map(Token::Char).collect();
    for token in glob.tokens().iter().skip(first.len() + 1) {
        tokens.push(match token {
            Token::Many if colons < 5 => Token::ManyInField,
            Token::One if colons < 5 => Token::OneInField,
            token => *token,
        });
        colons += usize::from(*token == Token::Char(':'));
    }
    Some(Glob::from_tokens(tokens))
}

/// The patterns of a condition's value for operators that compare text: `parts` are the value's pieces, each with
/// whether it is literal; a literal `None` is any text at all.
pub(crate) fn value_glob(test: Test, parts: &[(Option<String>, bool)]) -> Option<Glob> {
    let mut tokens = Vec::new();
    for (text, literal) in parts {
        match text {
            None => tokens.push(Token::Many),
            Some(text) => tokens.extend(text.chars().map(|c| match (test, c) {
                (Test::StringLike | Test::Arn, '*') if !literal => Token::Many,
                (Test::StringLike | Test::Arn, '?') if !literal => Token::One,
                (Test::StringEqualsIgnoreCase | Test::Bool, c) => Token::Folded(elements::fold(c)),
                (_, c) => Token::Char(c),
            })),
        }
    }
    let glob = Glob::from_tokens(tokens);
    match test {
        // R82: anything but the two words matches nothing.
        Test::Bool if parts.iter().all(|(text, _)| text.is_some()) => ["true", "false"]
            .iter()
            .any(|word| glob.matches(word))
            .then_some(glob),
        Test::Bool => Some(glob),
        _ => Some(glob),
    }
}
