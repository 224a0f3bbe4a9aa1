//! Files that tell how much cpu time a cgroup has used: `cpuacct.usage` of v1, `cpu.stat` of v2.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::uio::pread;

/// The time used so far, in whatever unit the file has.
///
/// # Errors
/// When the cgroup is gone, or the file says something else.
pub(crate) fn read(file: &impl AsFd) -> Result<u64, Errno> {
    let mut text = [0; 64];
    let count = pread(file, &mut text, 0)?;
    parse(text.get(..count).unwrap_or_default()).ok_or(Errno::EBADMSG)
}

fn parse(text: &[u8]) -> Option<u64> {
    let text = text.strip_prefix(b"usage_usec ").unwrap_or(text);
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    let mut digits = digits.map(|byte| u64::from(byte - b'0')).peekable();
    digits.peek()?;
    digits.try_fold(0_u64, |number, digit| number.checked_mul(10)?.checked_add(digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_files_are_read() {
        assert_eq!(parse(b"123456789\n"), Some(123_456_789));
        assert_eq!(parse(b"usage_usec 42\nuser_usec 40\n"), Some(42));
        assert_eq!((parse(b""), parse(b"usage"), parse(b"99999999999999999999999\n")), (None, None, None));
    }
}
