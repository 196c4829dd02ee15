//! Identifiers made uniform, and those that identify nobody refused: a phone
//! of zeros, `UNKNOWN`, a helpline. Each function gives `None` for words that
//! hold no identifier of its kind.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

/// Words that stand in a field when nothing was known.
pub fn is_placeholder(words: &str) -> bool {
    let kept: String = words.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    kept.is_empty()
        || matches!(
            kept.as_str(),
            "unknown"
                | "na"
                | "none"
                | "nil"
                | "null"
                | "nk"
                | "notknown"
                | "notgiven"
                | "refused"
                | "tbc"
                | "tba"
                | "withheld"
                | "private"
                | "privatenumber"
                | "anon"
                | "anonymous"
                | "test"
                | "xxx"
                | "noreply"
        )
        || (kept.chars().count() > 2 && kept.chars().all(|c| c == '0' || c == 'x'))
}

/// A phone number as national digits: `+44 7700 900123` is `07700900123`.
/// Refused: fewer than 9 digits, runs of one digit, test numbers, and numbers
/// that thousands ring (freephone, 03 numbers, short codes).
pub fn phone(words: &str) -> Option<String> {
    let digits: String = words.chars().filter(char::is_ascii_digit).collect();
    let abroad = digits.strip_prefix("0044").or_else(|| digits.strip_prefix("44").filter(|r| r.len() >= 9));
    let national = match abroad {
        Some(rest) => format!("0{}", rest.trim_start_matches('0')),
        None if digits.len() == 10 && digits.starts_with('7') => format!("0{digits}"),
        None => digits,
    };
    if !(10..=13).contains(&national.len()) || !national.starts_with('0') {
        return None;
    }
    let tail: Vec<char> = national.chars().skip(4).collect();
    let one_digit = tail.iter().all(|c| Some(c) == tail.first());
    let counting = national.contains("123456");
    let many_ring = ["03", "080", "084", "087", "09", "0500"].iter().any(|head| national.starts_with(head));
    (!one_digit && !counting && !many_ring).then_some(national)
}

/// An email address in small letters; the addresses of police forces and of
/// machines identify nobody.
pub fn email(words: &str) -> Option<String> {
    let address = words.trim().trim_end_matches(['.', ',']).to_lowercase();
    let (user, host) = address.split_once('@')?;
    let machine =
        ["noreply", "no-reply", "donotreply", "none", "unknown", "test", "na", "n/a", "info", "enquiries"];
    let official =
        host.contains("police") || host.contains("pnn") || host.starts_with("example.") && user == "x";
    (!user.is_empty() && host.contains('.') && !machine.contains(&user) && !official).then_some(address)
}

/// A user name in small letters without its sign.
pub fn handle(words: &str) -> Option<String> {
    let name: String = words
        .trim()
        .trim_start_matches('@')
        .trim_end_matches(['.', ',', ':', ';', '!', '?', '\'', '"'])
        .to_lowercase()
        .split_whitespace()
        .collect();
    let letters = name.chars().filter(|c| c.is_alphanumeric()).count();
    (letters >= 4 && !is_placeholder(&name)).then_some(name)
}

/// Whether a plate, whole or partial, is in the whole form of today:
/// two letters, two digits, three letters.
fn is_current_plate(plate: &str) -> bool {
    let bytes = plate.as_bytes();
    bytes.len() == 7
        && bytes
            .iter()
            .enumerate()
            .all(|(i, b)| if (2..4).contains(&i) { b.is_ascii_digit() } else { b.is_ascii_alphabetic() })
}

/// A number plate in capitals, O and 0, I and 1 set right where the place
/// says which it must be. A partial plate keeps what is there (3 signs at
/// least).
pub fn plate(words: &str) -> Option<String> {
    let kept: String =
        words.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    if !(3..=7).contains(&kept.len()) || is_placeholder(&kept) {
        return None;
    }
    let digit = |c: char| match c {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    };
    let letter = |c: char| match c {
        '0' => 'O',
        '1' => 'I',
        c => c,
    };
    let mended: String = kept
        .chars()
        .enumerate()
        .map(|(i, c)| if (2..4).contains(&i) { digit(c) } else { letter(c) })
        .collect();
    if is_current_plate(&mended) {
        return Some(mended);
    }
    let start_of_plate = kept.len() >= 4
        && mended.bytes().take(2).all(|b| b.is_ascii_alphabetic())
        && mended.bytes().skip(2).take(2).all(|b| b.is_ascii_digit());
    if start_of_plate {
        return Some(mended);
    }
    let letters = kept.chars().filter(char::is_ascii_alphabetic).count();
    // Three letters or more are the end of a plate, or an old form.
    (letters >= 2).then_some(kept)
}

/// A whole postcode in capitals, one space before its last three signs; an
/// outward code alone keeps its form.
pub fn postcode(words: &str) -> Option<String> {
    let kept: String =
        words.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    let starts = kept.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    if !starts || !(2..=7).contains(&kept.len()) || !kept.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    if matches!(kept.as_str(), "ZZ99" | "AA11AA" | "ZZ993VZ") {
        return None;
    }
    let inward = kept.len().checked_sub(3).map(|at| kept.split_at(at));
    match inward {
        Some((out, inn)) if kept.len() >= 5 && inn.as_bytes()[0].is_ascii_digit() => {
            Some(format!("{out} {inn}"))
        }
        _ => Some(kept),
    }
}

/// A date of birth as year, month, day: day first, as the country writes it.
pub fn date_of_birth(words: &str) -> Option<String> {
    let numbers: Vec<u32> = words
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty() && part.len() <= 4)
        .filter_map(|part| part.parse().ok())
        .collect();
    let [a, b, c] = numbers.as_slice() else { return None };
    let (year, month, day) = if *a > 31 { (*a, *b, *c) } else { (*c, *b, *a) };
    let year = match year {
        0..=15 => 2000 + year,
        16..=99 => 1900 + year,
        year => year,
    };
    let possible = (1905..=2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    // Clerks write the first of January 1900 and 1970 for a date they do not know.
    (possible && !(month == 1 && day == 1 && matches!(year, 1970 | 1999 | 2000)))
        .then(|| format!("{year:04}-{month:02}-{day:02}"))
}

/// A crime or log number without spaces and signs, at least five signs of
/// which four are digits.
pub fn reference(words: &str) -> Option<String> {
    let kept: String =
        words.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    let digits = kept.chars().filter(char::is_ascii_digit).count();
    let varied = kept.chars().collect::<std::collections::BTreeSet<_>>().len() > 2;
    (kept.len() >= 5 && digits >= 4 && varied).then_some(kept)
}

/// A street with its number where there is one: `125 bryn terrace`,
/// abbreviations written out.
pub fn address(words: &str) -> Option<String> {
    let low = words.to_lowercase();
    let mut parts: Vec<String> = low
        .split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .map(|part| part.replace('\'', ""))
        .filter(|part| !part.is_empty())
        .collect();
    while parts.first().is_some_and(|p| {
        matches!(
            p.as_str(),
            "flat" | "apartment" | "apt" | "no" | "number" | "house" | "at" | "of" | "the" | "unit" | "room"
        )
    }) && parts.len() > 1
    {
        parts.remove(0);
    }
    // A flat's number before the house's: the house is what neighbours know.
    if parts.len() > 2 && starts_with_digit(&parts[0]) && starts_with_digit(&parts[1]) {
        parts.remove(0);
    }
    let number = parts.first().filter(|p| starts_with_digit(p)).cloned();
    let rest: Vec<String> = parts.iter().skip(usize::from(number.is_some())).cloned().collect();
    let mut street: Vec<String> = Vec::new();
    for part in rest {
        let (full, is_end) = match street_word(&part) {
            Some(full) => (full.to_owned(), !street.is_empty()),
            None => (part, false),
        };
        street.push(full);
        if is_end || street.len() == 4 {
            break;
        }
    }
    if street.first().is_some_and(|s| s == "the") && street.len() > 1 {
        street.remove(0);
    }
    let street = street.join(" ");
    let number_ok =
        number.as_ref().is_none_or(|n| n.chars().count() <= 5 && !n.trim_start_matches('0').is_empty());
    match (number, street.is_empty()) {
        _ if is_placeholder(&street) && !street.is_empty() => None,
        (Some(number), false) if number_ok => Some(format!("{number} {street}")),
        (Some(number), true) if number_ok => Some(format!("{number} -")),
        (None, false) => Some(street),
        _ => None,
    }
}

fn starts_with_digit(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

/// What ends a street's name, written out; `None` for another word.
pub fn street_word(word: &str) -> Option<&'static str> {
    Some(match word {
        "street" | "str" | "st" => "street",
        "road" | "rd" => "road",
        "lane" | "ln" => "lane",
        "avenue" | "ave" | "av" => "avenue",
        "close" | "cl" => "close",
        "court" | "crt" | "ct" => "court",
        "drive" | "drv" | "dr" => "drive",
        "gardens" | "gdns" | "gdn" => "gardens",
        "terrace" | "terr" | "tce" | "ter" => "terrace",
        "crescent" | "cres" | "crs" => "crescent",
        "place" | "pl" => "place",
        "grove" | "grv" | "gr" => "grove",
        "mews" | "mws" => "mews",
        "square" | "sq" => "square",
        "way" | "wy" => "way",
        "walk" | "wlk" => "walk",
        "row" => "row",
        "view" | "vw" => "view",
        "rise" => "rise",
        "house" | "hse" => "house",
        "parade" | "pde" => "parade",
        "hill" => "hill",
        "yard" => "yard",
        "bank" => "bank",
        "side" => "side",
        "reach" => "reach",
        _ => return None,
    })
}

/// Makes and models of cars, and colours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vehicles {
    /// A make and what it is also called.
    makes: BTreeMap<String, Vec<String>>,
    /// A model and its make.
    models: BTreeMap<String, String>,
    /// A colour and what it is also called.
    colours: BTreeMap<String, Vec<String>>,
}

struct Cars {
    makes: BTreeMap<String, String>,
    models: BTreeMap<String, String>,
    colours: BTreeMap<String, String>,
}

fn cars() -> &'static Cars {
    static CARS: OnceLock<Cars> = OnceLock::new();
    CARS.get_or_init(|| {
        // The tests read the table, so that it cannot be broken here.
        let table: Vehicles = toml::from_str(include_str!("vehicles.toml")).unwrap_or(Vehicles {
            makes: BTreeMap::new(),
            models: BTreeMap::new(),
            colours: BTreeMap::new(),
        });
        let turn = |names: BTreeMap<String, Vec<String>>| {
            let mut turned = BTreeMap::new();
            for (name, others) in names {
                for other in others {
                    turned.insert(other, name.clone());
                }
                turned.insert(name.clone(), name);
            }
            turned
        };
        Cars { makes: turn(table.makes), models: table.models, colours: turn(table.colours) }
    })
}

/// A vehicle as colour, make and model, `-` for what is missing:
/// `black|bmw|-`. `None` when neither make nor model is known.
pub fn vehicle(words: &str) -> Option<String> {
    let cars = cars();
    let low = words.to_lowercase();
    let parts: Vec<&str> =
        low.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let colour = parts.iter().find_map(|part| cars.colours.get(*part));
    let mut make = parts.iter().find_map(|part| cars.makes.get(*part)).cloned();
    let model = parts.iter().enumerate().find_map(|(i, part)| {
        let pair = parts.get(i + 1).map(|next| format!("{part} {next}"));
        let known = pair
            .and_then(|pair| cars.models.get_key_value(&pair))
            .or_else(|| cars.models.get_key_value(*part));
        known.map(|(model, of)| (model.clone(), of.clone()))
    });
    if make.is_none() {
        make = model.as_ref().map(|(_, of)| of.clone());
    }
    if make.is_none() && model.is_none() {
        return None;
    }
    let part = |part: Option<&String>| part.cloned().unwrap_or_else(|| "-".to_owned());
    Some(format!("{}|{}|{}", part(colour), part(make.as_ref()), part(model.as_ref().map(|(model, _)| model))))
}

/// Whether a word in small letters names a make or a model of car.
pub fn is_car_word(word: &str) -> bool {
    cars().makes.contains_key(word) || cars().models.contains_key(word)
}

/// Whether a word in small letters names a colour.
pub fn is_colour(word: &str) -> bool {
    cars().colours.contains_key(word)
}

/// A named place or employer in small letters without its article.
pub fn place(words: &str) -> Option<String> {
    let low = words.to_lowercase();
    let kept: Vec<String> = low
        .split(|c: char| !(c.is_alphanumeric() || c == '&' || c == '\''))
        .map(|part| part.replace('\'', ""))
        .filter(|part| {
            !part.is_empty()
                && !matches!(part.as_str(), "the" | "a" | "an" | "at" | "our" | "her" | "his" | "local")
        })
        .collect();
    let value = kept.join(" ");
    (value.chars().count() >= 3 && !is_placeholder(&value)).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn phones_in_every_form_are_one() {
        for words in ["07700 900123", "+44 7700 900123", "0044 7700900123", "(07700) 900-123", "7700900123"] {
            assert_eq!(phone(words).as_deref(), Some("07700900123"), "{words}");
        }
        for words in [
            "07000 000000",
            "0000-000000",
            "UNKNOWN",
            "N/A",
            "",
            "999",
            "0808 2000 247",
            "01234 567890",
            "0300 123 4567",
        ] {
            assert_eq!(phone(words), None, "{words}");
        }
    }

    #[test]
    fn plates_are_mended_by_place() {
        assert_eq!(plate("bd51 smr").as_deref(), Some("BD51SMR"));
        assert_eq!(plate("BDS1 SMR").as_deref(), Some("BDS1SMR"));
        assert_eq!(plate("NSO6 0AB").as_deref(), Some("NS06OAB"));
        assert_eq!(plate("UF55 R").as_deref(), Some("UF55R"));
        assert_eq!(plate("XKP").as_deref(), Some("XKP"));
        for words in ["", "12", "UNKNOWN", "N/A", "12345", "000"] {
            assert_eq!(plate(words), None, "{words}");
        }
    }

    #[test]
    fn addresses_are_written_out() {
        assert_eq!(address("125 Bryn Tce").as_deref(), Some("125 bryn terrace"));
        assert_eq!(address("Flat 2, 14 Mill Ln").as_deref(), Some("14 mill lane"));
        assert_eq!(address("the crescent").as_deref(), Some("crescent"));
        assert_eq!(address("Number 55").as_deref(), Some("55 -"));
        assert_eq!(address("N/A"), Some("n a".to_owned()).filter(|v| !is_placeholder(v)));
        assert_eq!(address(""), None);
    }

    #[test]
    fn vehicles_are_colour_make_model() {
        assert_eq!(vehicle("a black BMW").as_deref(), Some("black|bmw|-"));
        assert_eq!(vehicle("grey Corsa").as_deref(), Some("grey|vauxhall|corsa"));
        assert_eq!(vehicle("VW Golf").as_deref(), Some("-|volkswagen|golf"));
        assert_eq!(vehicle("his bike"), None);
    }

    #[test]
    fn other_values() {
        assert_eq!(postcode("ns4 7ab").as_deref(), Some("NS4 7AB"));
        assert_eq!(postcode("12"), None);
        assert_eq!(date_of_birth("3/4/85").as_deref(), Some("1985-04-03"));
        assert_eq!(date_of_birth("1985-04-03").as_deref(), Some("1985-04-03"));
        assert_eq!(date_of_birth("01/01/1970"), None);
        assert_eq!(email("Dan.P@Mail.com.").as_deref(), Some("dan.p@mail.com"));
        assert_eq!(email("desk@northshire.police.uk"), None);
        assert_eq!(handle("@lads_on_tour").as_deref(), Some("lads_on_tour"));
        assert_eq!(reference("NS/44120/23").as_deref(), Some("NS4412023"));
        assert_eq!(reference("000000"), None);
        assert_eq!(place("the Railway").as_deref(), Some("railway"));
    }

    proptest! {
        #[test]
        fn no_words_break_a_value(words in "\\PC{0,40}") {
            for value in [phone, email, handle, plate, postcode, date_of_birth, reference, address, vehicle, place] {
                if let Some(value) = value(&words) {
                    prop_assert!(!value.is_empty());
                }
            }
        }
    }
}
