//! Bytes of a file as text: Unicode by its byte order mark, else UTF-8, else Windows-1252, which is
//! what spreadsheets write without saying so and in which every byte means something.

use encoding_rs::{Encoding, WINDOWS_1252};

pub(super) fn decode(bytes: &[u8]) -> String {
    if let Some((encoding, mark_bytes)) = Encoding::for_bom(bytes) {
        let rest = bytes.get(mark_bytes..).unwrap_or_default();
        return encoding.decode_without_bom_handling(rest).0.into_owned();
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => WINDOWS_1252
            .decode_without_bom_handling(bytes)
            .0
            .into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_encoding_reads_the_same() {
        let utf_16 = |big: bool| {
            let units = "\u{feff}Zoë".encode_utf16();
            units
                .flat_map(|unit| {
                    if big {
                        unit.to_be_bytes()
                    } else {
                        unit.to_le_bytes()
                    }
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(decode("Zoë".as_bytes()), "Zoë");
        assert_eq!(decode("\u{feff}Zoë".as_bytes()), "Zoë");
        assert_eq!(decode(&utf_16(true)), "Zoë");
        assert_eq!(decode(&utf_16(false)), "Zoë");
        assert_eq!(decode(b"Zo\xeb"), "Zoë");
    }
}
