//! Patterns matched as text, without allocation: what stands between the stars is searched for whole where `*` is the only
//! wildcard; otherwise, and where variables are replaced, the pattern is read step by step.

use crate::compiled::facts::{Facts, Key};
use crate::matching::glob::{Piece, Run, Steps, Token, run_of_text, steps_match};
use crate::matching::resource::ArnPlace;
use crate::matching::variable::{self, Part, Template};
use crate::text;

/// Whether a pattern whose only wildcards are stars that match anything matches the whole subject.
pub(super) fn stars_match(pattern: &str, subject: &str) -> bool {
    let (pattern, subject) = (pattern.as_bytes(), subject.as_bytes());
    let is_star = |byte: &u8| *byte == b'*';
    let Some(head) = pattern.iter().position(is_star) else {
        return pattern == subject;
    };
    let after_last = pattern.iter().rposition(is_star).map_or(0, |at| at + 1);
    let tail = pattern.get(after_last..).unwrap_or_default();
    let Some(rest) = pattern.get(..head).and_then(|head| subject.strip_prefix(head)) else {
        return false;
    };
    let Some(mut rest) = rest.strip_suffix(tail) else {
        return false;
    };
    let between = pattern.get(head..after_last).unwrap_or_default();
    for piece in between.split(is_star).filter(|piece| !piece.is_empty()) {
        let Some(after) = find(rest, piece).and_then(|at| rest.get(at + piece.len()..)) else {
            return false;
        };
        rest = after;
    }
    true
}

/// Where the piece stands first.
fn find(text: &[u8], piece: &[u8]) -> Option<usize> {
    let first = piece.first()?;
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let at = from + rest.iter().position(|byte| byte == first)?;
        if text.get(at..)?.starts_with(piece) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Whether a pattern with `*` and `?` matches the whole subject (R79).
pub(super) fn wildcards_match(pattern: &str, subject: &str) -> bool {
    if pattern.bytes().any(|byte| byte == b'?') {
        steps_match(Plain(Letters::new(&Source::Text(pattern))), subject)
    } else {
        stars_match(pattern, subject)
    }
}

/// Whether an ARN pattern without variables matches a resource in any spelling (R42-R48).
pub(super) fn arn_pattern_matches(pattern: &str, resource: &str) -> bool {
    steps_match(ArnSteps::new(Letters::new(&Source::Text(pattern))), resource)
}

/// A text with its variables found, ready to be replaced.
#[derive(Debug, Clone)]
pub(super) struct Parts(Box<[CompiledPart]>);

#[derive(Debug, Clone)]
enum CompiledPart {
    Text(Box<str>),
    Escaped(&'static str),
    Variable { key: Key, default: Option<Box<str>> },
}

impl Parts {
    pub(super) fn new(template: &Template) -> Self {
        let compiled = template.parts().iter().map(|part| match part {
            Part::Text(text) => CompiledPart::Text(text.as_str().into()),
            Part::Escaped(text) => CompiledPart::Escaped(text),
            Part::Variable { key, default } => CompiledPart::Variable {
                key: Key::new(key),
                default: default.as_deref().map(Into::into),
            },
        });
        Self(compiled.collect())
    }

    /// The parts with their variables replaced; `None` when one has neither value nor default (R57, R58).
    pub(super) fn resolve<'a>(&'a self, facts: Facts<'a>) -> Option<Resolved<'a>> {
        let resolved = Resolved {
            parts: &self.0,
            facts,
        };
        let is_whole = (0..self.0.len()).all(|at| resolved.piece(at).is_some());
        is_whole.then_some(resolved)
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        let of_part = |part: &CompiledPart| match part {
            CompiledPart::Text(text) => text.len(),
            CompiledPart::Escaped(_) => 0,
            CompiledPart::Variable { key, default } => {
                key.memory() + default.as_ref().map_or(0, |text| text.len())
            }
        };
        size_of_val(&*self.0) + self.0.iter().map(of_part).sum::<usize>()
    }
}

/// Parts and what is known of their variables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolved<'a> {
    parts: &'a [CompiledPart],
    facts: Facts<'a>,
}

impl<'a> Resolved<'a> {
    fn piece(self, at: usize) -> Option<Piece<'a>> {
        match self.parts.get(at)? {
            CompiledPart::Text(text) => Some(Piece::pattern(text)),
            CompiledPart::Escaped(text) => Some(Piece::literal(text)),
            CompiledPart::Variable { key, default } => {
                let value = self.facts.entry(key).map(|entry| &entry.value);
                variable::replacement(value, default.as_deref())
            }
        }
    }

    /// Whether this is the text, as it stands.
    pub(super) fn is_text(self, text: &str) -> bool {
        let mut rest = text;
        for at in 0..self.parts.len() {
            match self.piece(at).and_then(|piece| rest.strip_prefix(piece.text)) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }

    /// Whether this is the text without case (R78).
    pub(super) fn is_text_without_case(self, wanted: &str) -> bool {
        self.characters()
            .map(text::fold)
            .eq(wanted.chars().map(text::fold))
    }

    /// Whether this is the text but for the case of ASCII letters.
    pub(super) fn is_text_without_ascii_case(self, wanted: &str) -> bool {
        let small = |c: char| c.to_ascii_lowercase();
        self.characters().map(small).eq(wanted.chars().map(small))
    }

    fn characters(self) -> impl Iterator<Item = char> {
        let pieces = (0..self.parts.len()).filter_map(move |at| self.piece(at));
        pieces.flat_map(|piece| piece.text.chars())
    }

    /// Whether this pattern matches the whole subject (R79).
    pub(super) fn matches(self, subject: &str) -> bool {
        steps_match(Plain(Letters::new(&Source::Resolved(self))), subject)
    }

    /// Whether this ARN pattern matches a resource (R42-R48).
    pub(super) fn matches_resource(self, resource: &str) -> bool {
        steps_match(ArnSteps::new(Letters::new(&Source::Resolved(self))), resource)
    }

    /// Whether this ARN pattern matches an ARN of six fields, field by field (R85); `None` when it has fewer itself.
    pub(super) fn matches_arn(self, asked: &str) -> Option<bool> {
        let source = Source::Resolved(self);
        let mut pattern = Letters::new(&source);
        if colons(pattern) < 5 {
            return None;
        }
        let mut all = true;
        for (field, number) in asked.splitn(6, ':').zip(1..) {
            let steps = OneField {
                letters: pattern,
                is_last: number == 6,
            };
            all = all && steps_match(steps, field);
            pattern = after_colon(pattern);
        }
        Some(all)
    }
}

/// Whether an ARN pattern without variables matches an ARN of six fields, field by field (R85).
pub(super) fn arn_fields_match(pattern: &str, asked: &str) -> bool {
    let fields = pattern.splitn(6, ':').zip(asked.splitn(6, ':'));
    fields
        .into_iter()
        .all(|(wanted, field)| wildcards_match(wanted, field))
}

/// Where the characters of a pattern come from.
#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Text(&'a str),
    Resolved(Resolved<'a>),
}

impl<'a> Source<'a> {
    fn piece(self, at: usize) -> Option<Piece<'a>> {
        match self {
            Self::Text(text) => (at == 0).then(|| Piece::pattern(text)),
            Self::Resolved(resolved) => resolved.piece(at),
        }
    }
}

/// A place in a pattern's text, variables replaced. Small: it is copied at every step.
#[derive(Debug, Clone, Copy)]
struct Letters<'a> {
    source: &'a Source<'a>,
    next_piece: usize,
    rest: &'a str,
    is_literal: bool,
}

impl<'a> Letters<'a> {
    fn new(source: &'a Source<'a>) -> Self {
        Self {
            source,
            next_piece: 0,
            rest: "",
            is_literal: false,
        }
    }

    /// The next character, whether it is literal (R54), and the place after it.
    fn next(mut self) -> Option<(char, bool, Self)> {
        loop {
            let mut rest = self.rest.chars();
            if let Some(c) = rest.next() {
                self.rest = rest.as_str();
                return Some((c, self.is_literal, self));
            }
            let piece = self.source.piece(self.next_piece)?;
            self.next_piece += 1;
            self.rest = piece.text;
            self.is_literal = piece.literal;
        }
    }

    /// Reads what is left of this piece's text, up to its first star (R54).
    fn run(mut self, subject: &str) -> Option<Run<Self>> {
        if self.rest.is_empty() || (!self.is_literal && self.rest.starts_with('*')) {
            return None;
        }
        let Some((read, bytes)) = run_of_text(self.rest, self.is_literal, subject) else {
            return Some(Run::Differs);
        };
        self.rest = self.rest.get(read..)?;
        Some(Run::Fits { bytes, after: self })
    }
}

fn colons(mut letters: Letters<'_>) -> usize {
    let mut count = 0;
    while let Some((c, _, after)) = letters.next() {
        count += usize::from(c == ':');
        letters = after;
    }
    count
}

fn after_colon(mut letters: Letters<'_>) -> Letters<'_> {
    while let Some((c, _, after)) = letters.next() {
        letters = after;
        if c == ':' {
            break;
        }
    }
    letters
}

fn plain_token(c: char, is_literal: bool) -> Token {
    match c {
        '*' if !is_literal => Token::Many,
        '?' if !is_literal => Token::One,
        c => Token::Char(c),
    }
}

/// A pattern whose wildcards match anything.
#[derive(Debug, Clone, Copy)]
struct Plain<'a>(Letters<'a>);

impl Steps for Plain<'_> {
    fn step(self) -> Option<(Token, Self)> {
        let (c, is_literal, after) = self.0.next()?;
        Some((plain_token(c, is_literal), Self(after)))
    }

    fn run(self, subject: &str) -> Option<Run<Self>> {
        self.0.run(subject).map(|run| run.map(Self))
    }
}

/// A field of an ARN pattern: it ends at the next colon, unless it is the last.
#[derive(Debug, Clone, Copy)]
struct OneField<'a> {
    letters: Letters<'a>,
    is_last: bool,
}

impl Steps for OneField<'_> {
    fn step(self) -> Option<(Token, Self)> {
        let (c, is_literal, letters) = self.letters.next()?;
        if c == ':' && !self.is_last {
            return None;
        }
        Some((plain_token(c, is_literal), Self { letters, ..self }))
    }

    fn run(self, subject: &str) -> Option<Run<Self>> {
        let run = self.is_last.then(|| self.letters.run(subject)).flatten()?;
        Some(run.map(|letters| Self { letters, ..self }))
    }
}

/// An ARN pattern for resources (R42-R48).
#[derive(Debug, Clone, Copy)]
struct ArnSteps<'a> {
    letters: Letters<'a>,
    place: ArnPlace,
}

impl<'a> ArnSteps<'a> {
    fn new(letters: Letters<'a>) -> Self {
        Self {
            letters,
            place: ArnPlace::START,
        }
    }
}

impl Steps for ArnSteps<'_> {
    fn step(self) -> Option<(Token, Self)> {
        let (c, is_literal, letters) = self.letters.next()?;
        let ends_field = || letters.next().is_none_or(|(next, _, _)| next == ':');
        let (token, place) = self.place.token(c, is_literal, c == '*' && ends_field());
        Some((token, Self { letters, place }))
    }

    fn run(self, subject: &str) -> Option<Run<Self>> {
        let run = self
            .place
            .is_plain()
            .then(|| self.letters.run(subject))
            .flatten()?;
        Some(run.map(|letters| Self { letters, ..self }))
    }
}
