//! The nodes of a [`Table`](super::Table): a B-tree that copies a path with each change. The keys of a node are one text, so
//! that a copy is a copy of bytes and a count for each row beside it, not a walk over keys all over the memory.

use std::sync::Arc;

/// Rows of a leaf: each is counted when the leaf is copied.
const ROWS_MAX: usize = 32;
/// Nodes under a branch.
const NODES_MAX: usize = 32;

/// Keys in order, side by side.
#[derive(Debug, Clone, Default)]
struct Keys {
    text: String,
    ends: Vec<usize>,
}

impl Keys {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn start(&self, at: usize) -> usize {
        let before = at.checked_sub(1).and_then(|before| self.ends.get(before));
        before.copied().unwrap_or_default()
    }

    fn get(&self, at: usize) -> Option<&str> {
        self.text.get(self.start(at)..*self.ends.get(at)?)
    }

    /// Where a key is, or where it belongs.
    fn search(&self, key: &str) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.get(middle).unwrap_or_default().cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    fn insert(&mut self, at: usize, key: &str) {
        let start = self.start(at);
        self.text.reserve_exact(key.len());
        self.text.insert_str(start, key);
        self.ends.reserve_exact(1);
        self.ends.insert(at, start);
        self.ends.iter_mut().skip(at).for_each(|end| *end += key.len());
    }

    fn remove(&mut self, at: usize) -> String {
        let start = self.start(at);
        let end = self.ends.remove(at);
        let key = self.text.drain(start..end).collect();
        self.ends
            .iter_mut()
            .skip(at)
            .for_each(|later| *later -= end - start);
        key
    }

    fn split_off(&mut self, at: usize) -> Self {
        let start = self.start(at);
        let text = self.text.split_off(start);
        let ends = self.ends.split_off(at);
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
        Self {
            text,
            ends: ends.into_iter().map(|end| end - start).collect(),
        }
    }

    fn append(&mut self, other: &Self) {
        let start = self.text.len();
        self.text.push_str(&other.text);
        self.ends.extend(other.ends.iter().map(|end| start + end));
    }
}

/// A leaf with rows or a branch with nodes. A row is what is copied with its leaf: an [`Arc`], or nothing where the keys say all.
#[derive(Debug, Clone)]
pub struct Node<R> {
    /// Of a leaf one for each row; of a branch one between every two nodes: greater than all in the node before it, not
    /// greater than any in the one after.
    keys: Keys,
    below: Below<R>,
}

#[derive(Debug, Clone)]
enum Below<R> {
    Rows(Vec<R>),
    Nodes(Vec<Arc<Node<R>>>),
}

/// The right part of a node that became too large, and the key between both.
type Split<R> = (String, Arc<Node<R>>);

impl<R> Default for Node<R> {
    fn default() -> Self {
        Self {
            keys: Keys::default(),
            below: Below::Rows(Vec::new()),
        }
    }
}

impl<R: Clone> Node<R> {
    /// Which node under this branch has a key, if any has.
    fn child(&self, key: &str) -> usize {
        match self.keys.search(key) {
            Ok(at) => at + 1,
            Err(at) => at,
        }
    }

    /// The row of a key.
    pub fn get(&self, key: &str) -> Option<&R> {
        let mut node = self;
        loop {
            match &node.below {
                Below::Rows(rows) => return rows.get(node.keys.search(key).ok()?),
                Below::Nodes(nodes) => node = nodes.get(node.child(key))?,
            }
        }
    }

    /// The row of a key, to be changed: the path to it is copied if somebody else has it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut R> {
        let child = self.child(key);
        match &mut self.below {
            Below::Rows(rows) => rows.get_mut(self.keys.search(key).ok()?),
            Below::Nodes(nodes) => Arc::make_mut(nodes.get_mut(child)?).get_mut(key),
        }
    }

    /// Adds or replaces a row of the whole tree, whose root this is; returns the row it replaced.
    pub fn insert(&mut self, key: &str, row: R) -> Option<R> {
        let mut before = None;
        if let Some((between, right)) = self.insert_below(key, row, &mut before) {
            let left = std::mem::take(self);
            self.keys.insert(0, &between);
            self.below = Below::Nodes(vec![Arc::new(left), right]);
        }
        before
    }

    fn insert_below(&mut self, key: &str, row: R, before: &mut Option<R>) -> Option<Split<R>> {
        let found = self.keys.search(key);
        match &mut self.below {
            Below::Rows(rows) => match found {
                Ok(at) => *before = Some(std::mem::replace(rows.get_mut(at)?, row)),
                Err(at) => {
                    self.keys.insert(at, key);
                    rows.reserve_exact(1);
                    rows.insert(at, row);
                }
            },
            Below::Nodes(nodes) => {
                let child = found.map_or_else(|at| at, |at| at + 1);
                let node = Arc::make_mut(nodes.get_mut(child)?);
                let (between, right) = node.insert_below(key, row, before)?;
                self.keys.insert(child, &between);
                nodes.insert(child + 1, right);
            }
        }
        self.split()
    }

    fn split(&mut self) -> Option<Split<R>> {
        let half = self.size() / 2;
        let (between, right) = match &mut self.below {
            Below::Rows(rows) if rows.len() > ROWS_MAX => {
                let right = rows.split_off(half);
                rows.shrink_to_fit();
                let keys = self.keys.split_off(half);
                let between = between(self.keys.get(half - 1)?, keys.get(0)?).to_owned();
                (
                    between,
                    Self {
                        keys,
                        below: Below::Rows(right),
                    },
                )
            }
            Below::Nodes(nodes) if nodes.len() > NODES_MAX => {
                let right = nodes.split_off(half);
                nodes.shrink_to_fit();
                let keys = self.keys.split_off(half);
                let between = self.keys.remove(half - 1);
                (
                    between,
                    Self {
                        keys,
                        below: Below::Nodes(right),
                    },
                )
            }
            _ => return None,
        };
        Some((between, Arc::new(right)))
    }

    /// Takes out a row of the whole tree, whose root this is.
    pub fn remove(&mut self, key: &str) {
        self.remove_below(key);
        if let Below::Nodes(nodes) = &mut self.below
            && nodes.len() == 1
            && let Some(only) = nodes.pop()
        {
            *self = Arc::unwrap_or_clone(only);
        }
    }

    fn remove_below(&mut self, key: &str) {
        let child = self.child(key);
        match &mut self.below {
            Below::Rows(rows) => {
                if let Ok(at) = self.keys.search(key) {
                    self.keys.remove(at);
                    rows.remove(at);
                }
            }
            Below::Nodes(nodes) => {
                let Some(node) = nodes.get_mut(child).map(Arc::make_mut) else {
                    return;
                };
                node.remove_below(key);
                if node.is_small() {
                    self.join(child.saturating_sub(1));
                }
            }
        }
    }

    /// Makes one of two neighbours under this branch, or two of like size if that is too large.
    fn join(&mut self, left: usize) {
        let Below::Nodes(nodes) = &mut self.below else {
            return;
        };
        if left + 1 >= nodes.len() {
            return;
        }
        let right = nodes.remove(left + 1);
        let between = self.keys.remove(left);
        let Some(node) = nodes.get_mut(left).map(Arc::make_mut) else {
            return;
        };
        match (&mut node.below, &right.below) {
            (Below::Rows(rows), Below::Rows(more)) => rows.extend_from_slice(more),
            (Below::Nodes(below), Below::Nodes(more)) => {
                node.keys.insert(node.keys.len(), &between);
                below.extend_from_slice(more);
            }
            // All leaves are equally deep.
            _ => return,
        }
        node.keys.append(&right.keys);
        if let Some((between, right)) = node.split() {
            self.keys.insert(left, &between);
            nodes.insert(left + 1, right);
        }
    }

    fn size(&self) -> usize {
        match &self.below {
            Below::Rows(rows) => rows.len(),
            Below::Nodes(nodes) => nodes.len(),
        }
    }

    fn is_small(&self) -> bool {
        match &self.below {
            Below::Rows(rows) => rows.len() < ROWS_MAX / 4,
            Below::Nodes(nodes) => nodes.len() < NODES_MAX / 4,
        }
    }

    /// Whether all leaves are equally deep, no node is too large or too small, and keys stand in order.
    #[cfg(test)]
    pub fn is_in_shape(&self) -> bool {
        fn depth<R: Clone>(node: &Node<R>, low: &str, high: Option<&str>, is_root: bool) -> Option<usize> {
            let keys: Vec<_> = (0..node.keys.len()).filter_map(|at| node.keys.get(at)).collect();
            let in_order = keys.is_sorted_by(|one, next| one < next);
            let within = keys
                .iter()
                .all(|key| *key >= low && high.is_none_or(|high| *key < high));
            if !in_order || !within || (!is_root && node.is_small()) {
                return None;
            }
            match &node.below {
                Below::Rows(rows) => (rows.len() == keys.len() && rows.len() <= ROWS_MAX).then_some(0),
                Below::Nodes(nodes) => {
                    let depths = nodes.iter().enumerate().map(|(at, node)| {
                        let low = at.checked_sub(1).map_or(low, |before| keys[before]);
                        depth(node, low, keys.get(at).copied().or(high), false)
                    });
                    let depths: Option<Vec<_>> = depths.collect();
                    let depths = depths.filter(|all| all.windows(2).all(|two| two[0] == two[1]))?;
                    let fits = nodes.len() == keys.len() + 1 && (2..=NODES_MAX).contains(&nodes.len());
                    fits.then_some(depths[0] + 1)
                }
            }
        }
        depth(self, "", None, true).is_some()
    }

    fn row(&self, at: usize) -> Option<(&str, &R)> {
        match &self.below {
            Below::Rows(rows) => Some((self.keys.get(at)?, rows.get(at)?)),
            Below::Nodes(_) => None,
        }
    }
}

/// The shortest text that is greater than `left` and not greater than `right`, which come in this order.
fn between<'a>(left: &str, right: &'a str) -> &'a str {
    let mut others = left.chars();
    let same = right.char_indices().find(|(_, one)| others.next() != Some(*one));
    let end = same.map(|(at, one)| at + one.len_utf8());
    end.and_then(|end| right.get(..end)).unwrap_or(right)
}

/// A place between two rows.
pub struct Cursor<'t, R> {
    /// The branches on the way to the leaf, each with the number of the node taken.
    above: Vec<(&'t [Arc<Node<R>>], usize)>,
    leaf: &'t Node<R>,
    at: usize,
}

impl<'t, R: Clone> Cursor<'t, R> {
    /// Before the first row whose key is not less than `key`.
    pub fn before(root: &'t Node<R>, key: &str) -> Self {
        let mut above = Vec::new();
        let mut leaf = root;
        while let Below::Nodes(nodes) = &leaf.below {
            let at = leaf.child(key);
            let Some(node) = nodes.get(at) else { break };
            above.push((nodes.as_slice(), at));
            leaf = node;
        }
        let at = leaf.keys.search(key).unwrap_or_else(|at| at);
        Self { above, leaf, at }
    }

    /// The row before this place; the place is before it then.
    pub fn previous(&mut self) -> Option<(&'t str, &'t R)> {
        while self.at == 0 {
            let (nodes, at) = self.above.last_mut()?;
            let nodes: &'t [_] = nodes;
            match at.checked_sub(1).and_then(|before| nodes.get(before)) {
                Some(node) => {
                    *at -= 1;
                    self.leaf = node;
                    self.descend(true);
                }
                None => drop(self.above.pop()),
            }
        }
        self.at -= 1;
        self.leaf.row(self.at)
    }

    fn descend(&mut self, to_last: bool) {
        while let Below::Nodes(nodes) = &self.leaf.below {
            let at = if to_last { nodes.len().saturating_sub(1) } else { 0 };
            let Some(node) = nodes.get(at) else { break };
            self.above.push((nodes.as_slice(), at));
            self.leaf = node;
        }
        self.at = if to_last { self.leaf.size() } else { 0 };
    }
}

impl<'t, R: Clone> Iterator for Cursor<'t, R> {
    type Item = (&'t str, &'t R);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.leaf.row(self.at) {
                self.at += 1;
                return Some(row);
            }
            let (nodes, at) = self.above.last_mut()?;
            let nodes: &'t [_] = nodes;
            match nodes.get(*at + 1) {
                Some(node) => {
                    *at += 1;
                    self.leaf = node;
                    self.descend(false);
                }
                None => drop(self.above.pop()),
            }
        }
    }
}
