//! Strings as numbers: each distinct value of a pool is kept once, so that a
//! million reports fit in memory and equal values are equal numbers.

use crate::entities::names;

/// The number of a string in a [`Symbols`].
pub type Symbol = u32;

/// The empty string, which stands for a missing part.
pub const NONE: Symbol = 0;

/// Every distinct string of a pool.
#[derive(Clone, Debug)]
pub struct Symbols {
    /// All strings, end to end.
    text: String,
    /// Where each string ends.
    ends: Vec<usize>,
    /// [`stable_hash`] of each string.
    hashes: Vec<u64>,
    /// Open addressing with linear steps: symbol + 1, 0 where a place is free.
    /// Its length is a power of two and at least twice the number of strings.
    table: Vec<u32>,
}

/// A hash of a string that is the same in every run and on every machine
/// (FNV-1a, 64 bit).
pub fn stable_hash(value: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in value.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

impl Default for Symbols {
    fn default() -> Self {
        let mut symbols =
            Self { text: String::new(), ends: Vec::new(), hashes: Vec::new(), table: vec![0; 1024] };
        symbols.intern("");
        symbols
    }
}

impl Symbols {
    /// How many strings there are, the empty one included.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Never: the empty string is always there.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The place of a string in the table: its own, or the free one it would get.
    fn slot(&self, value: &str, hash: u64) -> usize {
        let mask = self.table.len() - 1;
        // The low bits of FNV are weak; its high bits help.
        let mut at = (hash ^ (hash >> 32)) as usize & mask;
        loop {
            match self.table[at] {
                0 => return at,
                symbol if self.hashes[symbol as usize - 1] == hash && self.get(symbol - 1) == value => {
                    return at;
                }
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// The number of a string, a new one if need be.
    pub fn intern(&mut self, value: &str) -> Symbol {
        let hash = stable_hash(value);
        let at = self.slot(value, hash);
        if self.table[at] != 0 {
            return self.table[at] - 1;
        }
        // Four thousand million distinct values do not fit into memory.
        let symbol = u32::try_from(self.ends.len()).unwrap_or(u32::MAX - 1);
        self.text.push_str(value);
        self.ends.push(self.text.len());
        self.hashes.push(hash);
        self.table[at] = symbol + 1;
        if self.ends.len() * 2 > self.table.len() {
            let mut table = vec![0; self.table.len() * 2];
            std::mem::swap(&mut self.table, &mut table);
            for old in table.into_iter().filter(|old| *old != 0) {
                let mask = self.table.len() - 1;
                let hash = self.hashes[old as usize - 1];
                let mut at = (hash ^ (hash >> 32)) as usize & mask;
                while self.table[at] != 0 {
                    at = (at + 1) & mask;
                }
                self.table[at] = old;
            }
        }
        symbol
    }

    /// The string of a number.
    pub fn get(&self, symbol: Symbol) -> &str {
        let place = symbol as usize;
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.text[start..self.ends[place]]
    }

    /// [`stable_hash`] of the string.
    pub fn hash(&self, symbol: Symbol) -> u64 {
        self.hashes[symbol as usize]
    }

    /// Whether two strings may be one name; see [`names::alike`].
    pub fn alike(&self, a: Symbol, b: Symbol) -> bool {
        let (x, y) = (self.get(a), self.get(b));
        // Letters take one to four bytes: most pairs are ruled out by their lengths.
        if x.is_ascii() && y.is_ascii() && x.len().abs_diff(y.len()) > 2 {
            return false;
        }
        names::alike(x, y)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_empty_string_is_none_and_equal_strings_are_one() {
        let mut symbols = Symbols::default();
        assert_eq!(symbols.intern(""), NONE);
        let a = symbols.intern("smith");
        assert_eq!(symbols.intern("smith"), a);
        assert_ne!(symbols.intern("smyth"), a);
        assert_eq!((symbols.get(a), symbols.hash(a)), ("smith", stable_hash("smith")));
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(values in proptest::collection::vec("\\PC{0,6}", 0..3000)) {
            let mut symbols = Symbols::default();
            let numbers: Vec<Symbol> = values.iter().map(|v| symbols.intern(v)).collect();
            let distinct: std::collections::BTreeSet<&str> =
                values.iter().map(String::as_str).chain([""]).collect();
            prop_assert_eq!(symbols.len(), distinct.len());
            for (value, number) in values.iter().zip(numbers) {
                prop_assert_eq!(symbols.get(number), value);
                prop_assert_eq!(symbols.intern(value), number);
            }
        }
    }
}
