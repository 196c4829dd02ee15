//! Lists of a data file in which an entry may carry a weight, `Smith:14`.

use serde::{Deserialize, Deserializer};

use crate::rng::Rng;

/// Values with weights, from which one is drawn. Never empty.
///
/// In TOML a list of `"value"` or `"value:weight"`; without a number after the
/// last colon the weight is 1 and the colon belongs to the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighted {
    values: Vec<String>,
    /// Sum of the weights up to and with each value.
    sums: Vec<u64>,
}

impl Weighted {
    /// Values with their weights; `None` when there is none to draw.
    pub fn new(entries: Vec<(String, u32)>) -> Option<Weighted> {
        let mut sum = 0;
        let (mut values, mut sums) = (Vec::new(), Vec::new());
        for (value, weight) in entries.into_iter().filter(|(_, weight)| *weight > 0) {
            sum += u64::from(weight);
            values.push(value);
            sums.push(sum);
        }
        (!values.is_empty()).then_some(Weighted { values, sums })
    }

    /// The values, in the order of the file.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// One value, as often as its weight says.
    pub fn draw(&self, rng: &mut Rng) -> &str {
        let total = self.sums.last().copied().unwrap_or(1);
        let at = rng.below(usize::try_from(total).unwrap_or(usize::MAX)) as u64;
        let place = self.sums.partition_point(|sum| *sum <= at);
        self.values.get(place).map_or("", String::as_str)
    }
}

impl<'de> Deserialize<'de> for Weighted {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Weighted, D::Error> {
        let entries = Vec::<String>::deserialize(d)?;
        let parsed = entries.into_iter().map(|entry| match entry.rsplit_once(':') {
            Some((value, weight)) => match weight.parse() {
                Ok(weight) => (value.to_owned(), weight),
                Err(_) => (entry.clone(), 1),
            },
            None => (entry, 1),
        });
        let weighted = Weighted::new(parsed.collect())
            .ok_or_else(|| serde::de::Error::custom("the list is empty, one entry or more is needed"))?;
        match weighted.values.iter().find(|value| value.trim().is_empty()) {
            Some(_) => Err(serde::de::Error::custom("an entry of the list is blank")),
            None => Ok(weighted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        list: Weighted,
    }

    #[test]
    fn weights_are_read_and_kept_to() {
        let file: File = toml::from_str(r#"list = ["a:3", "b: c", "d"]"#).unwrap();
        assert_eq!(file.list.values(), ["a", "b: c", "d"]);
        let mut rng = Rng::new(1, "test");
        let drawn: Vec<&str> = (0..5000).map(|_| file.list.draw(&mut rng)).collect();
        let share = drawn.iter().filter(|v| **v == "a").count() as f64 / 5000.0;
        // Three standard errors of a share of 0.6.
        assert!((share - 0.6).abs() < 0.021, "{share}");
        assert!(drawn.contains(&"d"));
    }

    #[test]
    fn an_empty_list_is_refused() {
        for bad in ["list = []", r#"list = ["a:0"]"#, r#"list = [" "]"#] {
            assert!(toml::from_str::<File>(bad).is_err(), "{bad}");
        }
    }
}
