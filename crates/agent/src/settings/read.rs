//! From a variable's text to its value.

use std::time::Duration;

/// `true` or `false`, in any case.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "t" => Ok(true),
        "false" | "0" | "f" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

/// A duration as Go writes it, such as `1h30m` or `90s`, of at least that many seconds.
pub(super) fn duration(text: &str, seconds_min: u64) -> Result<Duration, String> {
    let read = go_duration(text.trim()).ok_or_else(|| format!("`{text}` is no duration such as 1h30m"))?;
    if read < Duration::from_secs(seconds_min) {
        return Err(format!("`{text}` is less than {seconds_min}s"));
    }
    Ok(read)
}

fn go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_end)?;
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            "us" | "\u{b5}s" => 0.000_001,
            "ns" => 0.000_000_001,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// JSON of that shape.
pub(super) fn json<T: serde::de::DeserializeOwned>(text: &str, shape: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|_| format!("the value is no JSON {shape}"))
}

/// A number.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("`{text}` is no number that can be used"))
}

/// `32768-60999`.
pub(super) fn port_range(text: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("`{text}` is no range of ports such as 32768-60999");
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let (first, last) = (number::<u16>(first), number::<u16>(last));
    match (first, last) {
        (Ok(first), Ok(last)) if 0 < first && first <= last => Ok((first, last)),
        _ => Err(wrong()),
    }
}
