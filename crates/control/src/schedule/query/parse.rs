//! The grammar: `or` of `and` of `not` of comparisons.

use super::compare::{Version, date, pattern};
use super::{InvalidExpression, Node, Order, TextSubject, TextTest};

/// Most patterns of one expression: each costs its compilation (ours).
const PATTERNS_MAX: usize = 20;
/// How deep parentheses and negations may nest.
const DEPTH_MAX: usize = 64;

/// Reads a whole expression.
pub(super) fn expression(text: &str) -> Result<Node, InvalidExpression> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
        patterns: 0,
    };
    let node = parser.or()?;
    parser.skip_spaces();
    if parser.rest().is_empty() {
        Ok(node)
    } else {
        Err(parser.unexpected())
    }
}

struct Parser<'a> {
    text: &'a str,
    /// Where the unread rest begins, in bytes.
    at: usize,
    depth: usize,
    patterns: usize,
}

/// An operator with the words and signs it is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Order(Order),
    Exists { negated: bool },
    In { negated: bool },
    Matches { negated: bool },
}

/// Longer signs stand before the shorter ones they start with.
const OPERATORS: [(&str, Operator); 22] = [
    ("==", Operator::Order(Order::Equal)),
    ("equals", Operator::Order(Order::Equal)),
    ("!=", Operator::Order(Order::NotEqual)),
    ("not_equals", Operator::Order(Order::NotEqual)),
    (">=", Operator::Order(Order::GreaterOrEqual)),
    ("greater_than_equal", Operator::Order(Order::GreaterOrEqual)),
    (">", Operator::Order(Order::Greater)),
    ("greater_than", Operator::Order(Order::Greater)),
    ("<=", Operator::Order(Order::LessOrEqual)),
    ("less_than_equal", Operator::Order(Order::LessOrEqual)),
    ("<", Operator::Order(Order::Less)),
    ("less_than", Operator::Order(Order::Less)),
    ("exists", Operator::Exists { negated: false }),
    ("!exists", Operator::Exists { negated: true }),
    ("not_exists", Operator::Exists { negated: true }),
    ("in", Operator::In { negated: false }),
    ("!in", Operator::In { negated: true }),
    ("not_in", Operator::In { negated: true }),
    ("=~", Operator::Matches { negated: false }),
    ("matches", Operator::Matches { negated: false }),
    ("!~", Operator::Matches { negated: true }),
    ("not_matches", Operator::Matches { negated: true }),
];

/// Whether the character can be part of a name or word operator.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '\\' | ':')
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Takes a sign, or a word that ends where it ends; spaces before it are passed over.
    fn take(&mut self, token: &str) -> bool {
        self.skip_spaces();
        let Some(after) = self.rest().strip_prefix(token) else {
            return false;
        };
        if token.ends_with(is_word) && after.starts_with(is_word) {
            return false;
        }
        self.at += token.len();
        true
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn unexpected(&self) -> InvalidExpression {
        let position = self.text.get(..self.at).map_or(0, |read| read.chars().count());
        match self.rest().split_whitespace().next() {
            Some(word) => InvalidExpression(format!("unexpected `{word}` at position {position}")),
            None => InvalidExpression("unexpected end".to_owned()),
        }
    }

    fn or(&mut self) -> Result<Node, InvalidExpression> {
        let mut nodes = vec![self.and()?];
        while self.take("||") || self.take("or") {
            nodes.push(self.and()?);
        }
        Ok(only_or(nodes, Node::Any))
    }

    fn and(&mut self) -> Result<Node, InvalidExpression> {
        let mut nodes = vec![self.unary()?];
        while self.take("&&") || self.take("and") {
            nodes.push(self.unary()?);
        }
        Ok(only_or(nodes, Node::All))
    }

    fn unary(&mut self) -> Result<Node, InvalidExpression> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(InvalidExpression(format!("nested deeper than {DEPTH_MAX}")));
        }
        let node = if self.take("!") || self.take("not") {
            Node::Not(Box::new(self.unary()?))
        } else if self.take("(") {
            let node = self.or()?;
            if !self.take(")") {
                return Err(self.unexpected());
            }
            node
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn comparison(&mut self) -> Result<Node, InvalidExpression> {
        self.skip_spaces();
        let start = self.at;
        let subject = self.take_while(is_word);
        let text = match subject {
            "agentConnected" => TextSubject::AgentConnected,
            "ec2InstanceId" => TextSubject::Ec2InstanceId,
            "task:group" => TextSubject::TaskGroup,
            "agentVersion" | "registeredAt" | "runningTasksCount" => return self.ordered(subject),
            _ => match subject.strip_prefix("attribute:").filter(|name| !name.is_empty()) {
                Some(name) => TextSubject::Attribute(name.to_owned()),
                None => {
                    self.at = start;
                    return Err(self.unexpected());
                }
            },
        };
        let is_attribute = matches!(text, TextSubject::Attribute(_));
        let (negated, test) = match self.operator()? {
            Operator::Order(Order::Equal) => (false, TextTest::Equals(self.literal()?)),
            Operator::Order(Order::NotEqual) => (true, TextTest::Equals(self.literal()?)),
            Operator::In { negated } => (negated, TextTest::OneOf(self.list()?)),
            Operator::Matches { negated } => (negated, TextTest::Matches(self.pattern()?)),
            Operator::Exists { negated } if is_attribute => (negated, TextTest::Exists),
            Operator::Order(_) | Operator::Exists { .. } => return Err(unfit(subject)),
        };
        Ok(Node::Text {
            subject: text,
            negated,
            test,
        })
    }

    fn ordered(&mut self, subject: &str) -> Result<Node, InvalidExpression> {
        let Operator::Order(order) = self.operator()? else {
            return Err(unfit(subject));
        };
        let literal = self.literal()?;
        let node = match subject {
            "agentVersion" => Version::parse(&literal).map(|value| Node::Version { order, value }),
            "registeredAt" => date(&literal).map(|value| Node::Time { order, value }),
            _ => literal.parse().ok().map(|value| Node::Number { order, value }),
        };
        node.ok_or_else(|| InvalidExpression(format!("`{literal}` cannot be compared with {subject}")))
    }

    fn operator(&mut self) -> Result<Operator, InvalidExpression> {
        for (token, operator) in OPERATORS {
            if self.take(token) {
                return Ok(operator);
            }
        }
        Err(self.unexpected())
    }

    fn literal(&mut self) -> Result<String, InvalidExpression> {
        self.skip_spaces();
        if self.take("'") {
            let text = self.take_while(|c| c != '\'');
            return if self.take("'") {
                Ok(text.to_owned())
            } else {
                Err(self.unexpected())
            };
        }
        let word = self.take_while(|c| !c.is_whitespace() && !matches!(c, ',' | ']' | ')' | '(' | '\''));
        if word.is_empty() || self.rest().starts_with(['(', '\'']) {
            return Err(self.unexpected());
        }
        Ok(word.to_owned())
    }

    fn list(&mut self) -> Result<Vec<String>, InvalidExpression> {
        if !self.take("[") {
            return Err(self.unexpected());
        }
        let mut list = vec![self.literal()?];
        while self.take(",") {
            list.push(self.literal()?);
        }
        if self.take("]") {
            Ok(list)
        } else {
            Err(self.unexpected())
        }
    }

    fn pattern(&mut self) -> Result<regex::Regex, InvalidExpression> {
        let literal = self.literal()?;
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX {
            return Err(InvalidExpression(format!("more than {PATTERNS_MAX} patterns")));
        }
        pattern(&literal).ok_or_else(|| InvalidExpression(format!("`{literal}` is not a supported pattern")))
    }
}

fn only_or(mut nodes: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Node {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        Some(last) => {
            nodes.push(last);
            join(nodes)
        }
        None => join(nodes),
    }
}

fn unfit(subject: &str) -> InvalidExpression {
    InvalidExpression(format!("the operator cannot be used with {subject}"))
}
