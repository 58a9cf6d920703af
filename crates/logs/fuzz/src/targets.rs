//! The bodies of the fuzz targets. None may panic.

use portcullis_logs::Pattern;

/// A pattern, a zero byte, and a message.
pub fn pattern(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (pattern, message) = text.split_once('\0').unwrap_or((&text, ""));
    if let Ok(read) = Pattern::parse(pattern) {
        assert_eq!(read.text(), pattern, "the text is kept");
        let is_match = read.matches(message);
        assert_eq!(
            read.extract(message).is_some(),
            is_match,
            "what matches has values, if only none"
        );
    }
}
