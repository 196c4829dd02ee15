//! Packed files, unpacked while they are read: gzip and Zstandard, also of
//! several members or frames one after another. What ends too early or fails
//! its checksum is an error of reading, at the place where it is noticed.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::Source;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Unpacks a source that begins like one of the two forms.
pub(super) fn unpack(mut source: impl BufRead + Send + 'static) -> Result<Source> {
    let start = source.fill_buf()?;
    Ok(if start.starts_with(&GZIP) {
        Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(source)))
    } else if start.starts_with(&ZSTANDARD) {
        let frames = Frames { source, decoder: FrameDecoder::new(), open: false };
        Box::new(BufReader::with_capacity(1 << 16, frames))
    } else {
        Box::new(source)
    })
}

/// Frames of Zstandard, end to end.
struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    /// Whether a frame was begun and not ended.
    open: bool,
}

impl<R: BufRead> Frames<R> {
    /// Begins the next frame, past those that hold no data; false at the end.
    fn begin(&mut self) -> Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.open = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let skipped =
                        std::io::copy(&mut self.source.by_ref().take(length), &mut std::io::sink())?;
                    if skipped < length {
                        return Err(Error::from(ErrorKind::UnexpectedEof));
                    }
                }
                Err(err) => return Err(bad(&err)),
            }
        }
        Ok(false)
    }
}

fn bad(err: &FrameDecoderError) -> Error {
    Error::new(ErrorKind::InvalidData, format!("Zstandard: {err}"))
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.open && !self.begin()? {
                return Ok(0);
            }
            while self.decoder.can_collect() < buffer.len() && !self.decoder.is_finished() {
                let wanted = buffer.len() - self.decoder.can_collect();
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBytes(wanted))
                    .map_err(|err| bad(&err))?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.open = false;
            let held = self.decoder.get_checksum_from_data();
            if held.is_some() && held != self.decoder.get_calculated_checksum() {
                return Err(Error::new(ErrorKind::InvalidData, "Zstandard: the checksum is wrong"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    fn unpacked(bytes: Vec<u8>) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        unpack(BufReader::with_capacity(3.max(bytes.len() / 7), Cursor::new(bytes)))?
            .read_to_end(&mut all)?;
        Ok(all)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn zstandard(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn rows() -> Vec<u8> {
        (0..40_000).flat_map(|i| format!("R{i},He was back for the {i}th time.\n").into_bytes()).collect()
    }

    #[test]
    fn both_forms_come_out_as_they_went_in() {
        assert_eq!(unpacked(b"plain".to_vec()).unwrap(), b"plain");
        assert_eq!(unpacked(Vec::new()).unwrap(), b"");
        let rows = rows();
        for pack in [gzip, zstandard] {
            assert!(unpacked(pack(&rows)).unwrap() == rows);
            let two = [pack(&rows), pack(b"end")].concat();
            assert!(unpacked(two).unwrap() == [&rows[..], b"end"].concat());
        }
        // A frame that holds no data is stepped over.
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let all = [zstandard(b"one"), skipped, zstandard(b"two")].concat();
        assert_eq!(unpacked(all).unwrap(), b"onetwo");
    }

    #[test]
    fn what_is_cut_or_altered_is_an_error() {
        let rows = rows();
        for pack in [gzip, zstandard] {
            let whole = pack(&rows);
            assert!(unpacked(whole[..whole.len() / 2].to_vec()).is_err());
            assert!(unpacked(whole[..whole.len() - 2].to_vec()).is_err());
            let mut altered = whole.clone();
            let last = altered.len() - 1;
            altered[last] ^= 1;
            assert!(unpacked(altered).is_err());
        }
    }
}
