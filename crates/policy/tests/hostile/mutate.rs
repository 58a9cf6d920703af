//! Small damage to good input.

use crate::generate::Dice;

/// What parsers stumble over.
const PIECES: [&[u8]; 40] = [
    b"${",
    b"}",
    b"${*}",
    b"${?}",
    b"${$}",
    b", '",
    b"'}",
    b"*",
    b"**",
    b"?",
    b":",
    b"::",
    b"/",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\0",
    b"\xff",
    b"\xc3\x84",
    b"\xe2\x84\xaa",
    b"\n",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b"-",
    b"+",
    b".",
    b"e",
    b"0",
    b"9999999999999999999999",
    b"1e999999999999",
    b"T",
    b"Z",
    b"ForAnyValue:",
    b"IfExists",
    b"null",
    b"aws:username",
];

/// An input of the corpus with up to four changes.
pub fn mutated(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = corpus[dice.below(corpus.len())].clone();
    // Long inputs are for the replay; here the damage counts.
    if input.len() > 4_096 {
        let start = dice.below(input.len() - 2_048);
        input = input[start..start + 2_048].to_vec();
    }
    for _ in 0..1 + dice.below(4) {
        change(dice, &mut input, corpus);
    }
    input
}

fn change(dice: &mut Dice, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = dice.below(input.len() + 1);
    let end = (at + 1 + dice.below(8)).min(input.len());
    match dice.below(6) {
        0 => drop(input.drain(at..end)),
        1 => drop(input.splice(at..at, dice.pick(&PIECES).iter().copied())),
        2 => drop(input.splice(at..end, dice.pick(&PIECES).iter().copied())),
        3 => {
            let again = input[at..end].repeat(1 + dice.below(40));
            drop(input.splice(at..at, again));
        }
        4 if at < input.len() => input[at] ^= 1 << dice.below(8),
        _ => {
            let other = &corpus[dice.below(corpus.len())];
            let from = dice.below(other.len() + 1);
            let part = &other[from..(from + dice.below(60)).min(other.len())];
            drop(input.splice(at..end, part.iter().copied()));
        }
    }
}
