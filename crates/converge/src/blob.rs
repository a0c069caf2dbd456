//! Bytes of a file, in a form that a person can read in a plan or journal and that loses nothing.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The bytes of a file. In JSON a string when they are UTF-8, else `{"hex": "..."}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Repr", into = "Repr")]
#[schemars(with = "Repr")]
pub struct Blob(pub Vec<u8>);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Repr {
    Text(String),
    Hex { hex: String },
}

impl From<Blob> for Repr {
    fn from(blob: Blob) -> Self {
        match String::from_utf8(blob.0) {
            Ok(text) => Self::Text(text),
            Err(e) => Self::Hex { hex: e.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect() },
        }
    }
}

impl From<Repr> for Blob {
    fn from(repr: Repr) -> Self {
        match repr {
            Repr::Text(text) => Self(text.into_bytes()),
            Repr::Hex { hex } => Self(from_hex(&hex)),
        }
    }
}

/// Pairs of hexadecimal digits; anything else ends the bytes. What is cut so does not match its recorded hash.
fn from_hex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    digits.map_while(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({:?})", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::Blob;

    #[test]
    fn any_bytes_survive_json() {
        for bytes in [&b""[..], b"plain\n", &[0xff, 0x00, 0x80, b'\n']] {
            let json = serde_json::to_string(&Blob(bytes.to_vec())).unwrap();
            assert_eq!(serde_json::from_str::<Blob>(&json).unwrap().0, bytes, "{json}");
        }
    }
}
