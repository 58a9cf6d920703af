//! Sets of statements: masks while deciding, and sets at rest, small ones as lists.

/// A block holds no more statements: what a decision needs on the stack stays bounded.
pub(super) const STATEMENTS_MAX: usize = 1_024;

/// One bit for each statement of a block of up to 64 times `W` statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mask<const W: usize>([u64; W]);

impl<const W: usize> Mask<W> {
    pub(super) const EMPTY: Self = Self([0; W]);
    pub(super) const FULL: Self = Self([u64::MAX; W]);

    /// The mask of these statements.
    pub(super) fn of(statements: &[u16]) -> Self {
        let mut mask = Self::EMPTY;
        statements.iter().for_each(|statement| mask.insert(*statement));
        mask
    }

    #[inline]
    pub(super) fn has(&self, statement: u16) -> bool {
        let word = self.0.get(usize::from(statement / 64));
        word.is_some_and(|word| word & bit(statement) != 0)
    }

    #[inline]
    pub(super) fn insert(&mut self, statement: u16) {
        if let Some(word) = self.0.get_mut(usize::from(statement / 64)) {
            *word |= bit(statement);
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, statement: u16) {
        if let Some(word) = self.0.get_mut(usize::from(statement / 64)) {
            *word &= !bit(statement);
        }
    }

    #[inline]
    fn turn(&mut self, statement: u16) {
        if let Some(word) = self.0.get_mut(usize::from(statement / 64)) {
            *word ^= bit(statement);
        }
    }

    /// Whether they have a statement in common.
    #[inline]
    pub(super) fn meets(&self, other: &Self) -> bool {
        let common = self.0.iter().zip(&other.0);
        common.fold(0, |all, (word, other)| all | (word & other)) != 0
    }

    /// Changes each word by the word of another mask.
    #[inline]
    fn change(&mut self, other: &Self, by: impl Fn(u64, u64) -> u64) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word = by(*word, *other);
        }
    }

    /// Leaves what is in the other mask, too.
    #[inline]
    pub(super) fn keep(&mut self, other: &Self) {
        self.change(other, |word, other| word & other);
    }

    /// Leaves what is not in the other mask.
    pub(super) fn drop(&mut self, other: &Self) {
        self.change(other, |word, other| word & !other);
    }

    /// Adds what is in the other mask.
    #[inline]
    pub(super) fn join(&mut self, other: &Self) {
        self.change(other, |word, other| word | other);
    }

    /// Turns over what is in the other mask.
    #[inline]
    pub(super) fn toggle(&mut self, other: &Self) {
        self.change(other, |word, other| word ^ other);
    }

    /// A mask of what `each` makes of the words of three others.
    #[inline]
    pub(super) fn from_three(a: &Self, b: &Self, c: &Self, each: impl Fn(u64, u64, u64) -> u64) -> Self {
        let mut mask = Self::EMPTY;
        for (word, ((a, b), c)) in mask.0.iter_mut().zip(a.0.iter().zip(&b.0).zip(&c.0)) {
            *word = each(*a, *b, *c);
        }
        mask
    }

    /// The statements, in order.
    #[inline]
    pub(super) fn members(&self) -> Members<'_> {
        Members {
            words: self.0.iter(),
            rest: 0,
            first: 0u16.wrapping_sub(64),
        }
    }
}

#[inline]
fn bit(statement: u16) -> u64 {
    1 << (statement % 64)
}

/// Walks over a mask.
pub(super) struct Members<'a> {
    words: std::slice::Iter<'a, u64>,
    /// What is left of the current word, and the statement of its first bit.
    rest: u64,
    first: u16,
}

impl Iterator for Members<'_> {
    type Item = u16;

    #[inline]
    fn next(&mut self) -> Option<u16> {
        while self.rest == 0 {
            self.rest = *self.words.next()?;
            self.first = self.first.wrapping_add(64);
        }
        #[expect(clippy::cast_possible_truncation, reason = "a word has 64 bits")]
        let bit = self.rest.trailing_zeros() as u16;
        self.rest &= self.rest.wrapping_sub(1);
        Some(self.first.wrapping_add(bit))
    }
}

/// A set at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    /// A list in `sparse`.
    Sparse { at: u32, len: u16 },
    /// A mask in `dense`.
    Dense { at: u32 },
}

impl Set {
    #[inline]
    pub(super) fn is_empty(self) -> bool {
        matches!(self, Self::Sparse { len: 0, .. })
    }
}

/// Where sets rest. A set takes the smaller of its two forms, so that many sets of few statements - a pattern or a value
/// that one statement names - stay small however many statements there are.
#[derive(Debug, Clone, Default)]
pub(super) struct Sets<const W: usize> {
    dense: Vec<Mask<W>>,
    sparse: Vec<u16>,
}

impl<const W: usize> Sets<W> {
    /// Puts the set of these statements to rest.
    pub(super) fn add(&mut self, statements: &[u16]) -> Set {
        if size_of_val(statements) < size_of::<Mask<W>>() {
            let at = length(&self.sparse);
            self.sparse.extend_from_slice(statements);
            let len = u16::try_from(statements.len()).unwrap_or(u16::MAX);
            return Set::Sparse { at, len };
        }
        let at = length(&self.dense);
        self.dense.push(Mask::of(statements));
        Set::Dense { at }
    }

    /// Puts a mask to rest.
    pub(super) fn add_mask(&mut self, mask: &Mask<W>) -> Set {
        let statements: Vec<u16> = mask.members().collect();
        self.add(&statements)
    }

    #[inline]
    fn list(&self, at: u32, len: u16) -> &[u16] {
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        let list = self
            .sparse
            .get(from..)
            .and_then(|from| from.get(..usize::from(len)));
        list.unwrap_or_default()
    }

    #[inline]
    fn dense(&self, at: u32) -> &Mask<W> {
        let mask = usize::try_from(at).ok().and_then(|at| self.dense.get(at));
        mask.unwrap_or(const { &Mask::EMPTY })
    }

    /// The mask of a set; a list is written out into `room`, which is empty.
    #[inline]
    pub(super) fn mask<'a>(&'a self, set: Set, room: &'a mut Mask<W>) -> &'a Mask<W> {
        match set {
            Set::Sparse { at, len } => {
                self.list(at, len)
                    .iter()
                    .for_each(|statement| room.insert(*statement));
                room
            }
            Set::Dense { at } => self.dense(at),
        }
    }

    /// Adds a set to a mask.
    #[inline]
    pub(super) fn join(&self, mask: &mut Mask<W>, set: Set) {
        match set {
            Set::Sparse { at, len } => self
                .list(at, len)
                .iter()
                .for_each(|statement| mask.insert(*statement)),
            Set::Dense { at } => mask.join(self.dense(at)),
        }
    }

    /// Turns the statements of a set over in a mask.
    pub(super) fn toggle(&self, mask: &mut Mask<W>, set: Set) {
        match set {
            Set::Sparse { at, len } => self
                .list(at, len)
                .iter()
                .for_each(|statement| mask.turn(*statement)),
            Set::Dense { at } => mask.toggle(self.dense(at)),
        }
    }

    /// Leaves what is in the other mask, in which the statements of a set are turned over.
    #[inline]
    pub(super) fn keep_turned(&self, mask: &mut Mask<W>, other: &Mask<W>, turned: Set) {
        match turned {
            Set::Sparse { at, len } => {
                let list = self.list(at, len);
                let before = *mask;
                mask.keep(other);
                for statement in list {
                    if other.has(*statement) {
                        mask.remove(*statement);
                    } else if before.has(*statement) {
                        mask.insert(*statement);
                    }
                }
            }
            Set::Dense { at } => {
                let turned = self.dense(at);
                for (word, (other, turned)) in mask.0.iter_mut().zip(other.0.iter().zip(&turned.0)) {
                    *word &= other ^ turned;
                }
            }
        }
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        self.dense.capacity() * size_of::<Mask<W>>() + self.sparse.capacity() * size_of::<u16>()
    }
}

/// The length of an arena. Four billion entries would be hundreds of gigabytes of policies; past them nothing is found, and so
/// nothing is granted.
fn length<T>(arena: &[T]) -> u32 {
    u32::try_from(arena.len()).unwrap_or(u32::MAX)
}
