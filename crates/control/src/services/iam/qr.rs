//! QR codes as PNG pictures: how an authenticator app learns a seed.

use png::{BitDepth, ColorType, Encoder};
use qrcode::{Color, QrCode};

/// Pixels a module is wide.
const SCALE: usize = 4;
/// Modules of white around the code.
const QUIET: usize = 4;
const WHITE: u8 = 255;
const BLACK: u8 = 0;

/// The picture of a text; `None` when the text is too long for a QR code.
pub(super) fn png_of(text: &str) -> Option<Vec<u8>> {
    let code = QrCode::new(text).ok()?;
    let (modules, width) = (code.to_colors(), code.width());
    let side = (width + 2 * QUIET) * SCALE;
    let mut pixels = Vec::with_capacity(side * side);
    for y in 0..side {
        for x in 0..side {
            pixels.push(pixel(&modules, width, x / SCALE, y / SCALE));
        }
    }
    encode(&pixels, u32::try_from(side).ok()?)
}

/// The colour at a module counted from the corner of the picture.
fn pixel(modules: &[Color], width: usize, column: usize, row: usize) -> u8 {
    let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < width);
    let dark = match (inside(column), inside(row)) {
        (Some(column), Some(row)) => modules.get(row * width + column) == Some(&Color::Dark),
        _ => false,
    };
    if dark { BLACK } else { WHITE }
}

fn encode(pixels: &[u8], side: u32) -> Option<Vec<u8>> {
    let mut picture = Vec::new();
    let mut encoder = Encoder::new(&mut picture, side, side);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(pixels).ok()?;
    writer.finish().ok()?;
    Some(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fits_and_the_picture_has_a_white_edge_and_a_dark_finder() {
        let uri = format!(
            "otpauth://totp/richard-roe@123456789012?secret={}",
            "A".repeat(64)
        );
        let picture = png_of(&uri).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&picture))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let side = info.width as usize;
        assert_eq!(info.width, info.height);
        assert_eq!(pixels[0], WHITE);
        let finder = QUIET * SCALE;
        assert_eq!(pixels[finder * side + finder], BLACK);
    }

    #[test]
    fn a_text_too_long_has_no_picture() {
        assert!(png_of(&"x".repeat(10_000)).is_none());
    }
}
