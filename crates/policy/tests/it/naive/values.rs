//! Numbers, dates, addresses and binary values, read by their definitions (R80-R84).

use std::cmp::Ordering;
use std::net::IpAddr;

/// A decimal number of any size: `0.DIGITS` times ten to a power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    negative: bool,
    /// Without zeros at either end; none at all for zero.
    digits: String,
    power: i64,
}

impl Number {
    fn new(negative: bool, whole: &str, fraction: &str, power: i64) -> Self {
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let power = whole.len() as i64 - (all.len() - digits.len()) as i64 + power;
        let digits = digits.trim_end_matches('0');
        Self {
            negative: negative && !digits.is_empty(),
            digits: digits.to_owned(),
            power: if digits.is_empty() { i64::MIN } else { power },
        }
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        let size = |a: &Self, b: &Self| a.power.cmp(&b.power).then_with(|| a.digits.cmp(&b.digits));
        match (self.negative, other.negative) {
            (false, false) => size(self, other),
            (true, true) => size(other, self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// R80: an optional sign, digits with perhaps a point among or beside them, and perhaps an exponent as in JSON (R16).
pub fn number(text: &str) -> Option<Number> {
    let (mantissa, power) = match text.split_once(['e', 'E']) {
        Some((mantissa, power)) => (mantissa, exponent(power)?),
        None => (text, 0),
    };
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_number = digits(&format!("{whole}{fraction}"));
    is_number.then(|| Number::new(mantissa.starts_with('-'), whole, fraction, power))
}

/// Up to a million either way: beyond that a text is no number to anybody.
fn exponent(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let power: i64 = digits(unsigned).then(|| text.parse().ok())??;
    (power.abs() <= 1_000_000).then_some(power)
}

/// An instant in seconds since the epoch (R23, R81): a whole number of seconds, or ISO 8601, of which IAM takes more than
/// the W3C profile: `t` and `z` in lower case, other years than of four digits, months without their zero, the 31st of every
/// month (which runs over into the next), hours alone, no zone. Fractions go down to nanoseconds. Four digits are a year.
pub fn date(text: &str) -> Option<Number> {
    if digits(text) && text.len() != 4 {
        let seconds: i64 = text.parse().ok()?;
        return Some(Number::new(false, &seconds.to_string(), "", 0));
    }
    let text = text.to_ascii_uppercase();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    let (is_negative, day) = match day.strip_prefix('-') {
        Some(day) => (true, day),
        None => (false, day),
    };
    let mut parts = day.split('-');
    let year: i64 = parts
        .next()
        .filter(|year| digits(year) && year.len() <= 9)?
        .parse()
        .ok()?;
    let month = parts.next().map_or(Some(1), |month| whole(month, 12))?;
    let day = parts.next().map_or(Some(1), |day| whole(day, 31))?;
    if month < 1 || day < 1 || parts.next().is_some() {
        return None;
    }
    let (seconds, fraction) = clock(time)?;
    let seconds = days(if is_negative { -year } else { year }, month, day)? * 86_400 + seconds;
    // Before the epoch the fraction counts towards it: -2 and .25 are -1.75.
    if seconds < 0 && fraction.contains(|c| c != '0') {
        let whole = (-seconds - 1).to_string();
        return Some(Number::new(true, &whole, &up_to_one(fraction), 0));
    }
    Some(Number::new(
        seconds < 0,
        &seconds.unsigned_abs().to_string(),
        fraction,
        0,
    ))
}

/// The digits of `1 - 0.FRACTION`, which is not 0.
fn up_to_one(fraction: &str) -> String {
    let significant = fraction.trim_end_matches('0');
    let (last, others) = significant.as_bytes().split_last().expect("it is not 0");
    let complements = others
        .iter()
        .map(|digit| b'9' - digit + b'0')
        .chain([b'9' + 1 - last + b'0']);
    complements.map(char::from).collect()
}

/// One or two digits, at most this.
fn whole(text: &str, most: i64) -> Option<i64> {
    let number = (digits(text) && text.len() <= 2).then(|| text.parse().ok())??;
    (number <= most).then_some(number)
}

/// Days from 1970-01-01; years up to the range of Java's calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(-292_275_054..=292_278_993).contains(&year) {
        return None;
    }
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let of_month = |month: i64| match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let before = year - 1;
    let leap_years = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    Some(before * 365 + leap_years + (1..month).map(of_month).sum::<i64>() + day - 1 - 719_162)
}

/// Hours, perhaps minutes, perhaps seconds with a fraction; then perhaps `Z` or an offset: seconds since midnight UTC, and
/// the digits of the fraction.
fn clock(text: &str) -> Option<(i64, &str)> {
    let (local, offset) = match text.find(['Z', '+', '-']) {
        Some(at) => (&text[..at], offset(&text[at..])?),
        None => (text, 0),
    };
    let mut parts = local.split(':');
    let hours = parts
        .next()
        .filter(|_| !local.is_empty())
        .map_or(Some(0), |hours| whole(hours, 23))?;
    let minutes = parts.next().map_or(Some(0), |minutes| whole(minutes, 59))?;
    let seconds = parts.next().unwrap_or("0");
    let (seconds, fraction) = match seconds.split_once('.') {
        Some((seconds, fraction)) if digits(fraction) && fraction.len() <= 9 => (seconds, fraction),
        Some(_) => return None,
        None => (seconds, ""),
    };
    let seconds = hours * 3600 + minutes * 60 + whole(seconds, 59)? - offset;
    parts.next().is_none().then_some((seconds, fraction))
}

/// `Z`, or hours and perhaps minutes ahead of UTC.
fn offset(text: &str) -> Option<i64> {
    let (sign, offset) = text.split_at(1);
    if sign == "Z" {
        return offset.is_empty().then_some(0);
    }
    let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "00"));
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let seconds = whole(hours, 23)? * 3600 + whole(minutes, 59)? * 60;
    Some(if sign == "+" { seconds } else { -seconds })
}

/// A block of addresses: its bits, and how many of them count.
pub struct Network {
    bits: Vec<bool>,
    length: usize,
}

impl Network {
    pub fn contains(&self, address: &[bool]) -> bool {
        self.bits.len() == address.len() && self.bits[..self.length] == address[..self.length]
    }
}

/// An address as its bits; an IPv4 address mapped into IPv6 is an IPv4 address (R84).
pub fn address(text: &str) -> Option<Vec<bool>> {
    Some(bits(text.parse::<IpAddr>().ok()?.to_canonical()))
}

fn bits(address: IpAddr) -> Vec<bool> {
    let bytes = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let bits = |byte: u8| (0..8).rev().map(move |bit| byte >> bit & 1 == 1);
    bytes.into_iter().flat_map(bits).collect()
}

/// An address, or an address with the number of bits that count (R84).
pub fn network(text: &str) -> Option<Network> {
    let Some((base, length)) = text.split_once('/') else {
        let bits = address(text)?;
        return Some(Network {
            length: bits.len(),
            bits,
        });
    };
    let base: IpAddr = base.parse().ok()?;
    let length = (digits(length) && length.len() <= 3).then(|| length.parse::<usize>().ok())??;
    let all = bits(base);
    if length > all.len() {
        return None;
    }
    // A block within the mapped addresses is a block of IPv4.
    match (base.to_canonical(), length.checked_sub(96)) {
        (IpAddr::V4(mapped), Some(length)) if base.is_ipv6() => Some(Network {
            bits: bits(mapped.into()),
            length,
        }),
        _ => Some(Network { bits: all, length }),
    }
}

/// Base64 as its bytes (R83): the standard alphabet, padded.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let unpadded = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - unpadded.len() > 2 {
        return None;
    }
    let mut bits: Vec<bool> = Vec::new();
    for c in unpadded.chars() {
        let value = ALPHABET.find(c)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1 == 1));
    }
    let (whole, rest) = bits.split_at(bits.len() / 8 * 8);
    let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    (rest.len() < 6 && !rest.contains(&true)).then(|| whole.chunks(8).map(byte).collect())
}
