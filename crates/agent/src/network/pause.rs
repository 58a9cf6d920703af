//! The image of the pause container (agent.md 1.2, 4): one tiny static program that sleeps for ever and holds the
//! namespaces its task shares. It is made here, byte by byte, so that a host needs no registry for it.

/// Name of the pause container in its task. It belongs to the agent: nobody is told of it.
pub(crate) const PAUSE_CONTAINER: &str = "~internal~ecs~pause";
/// Repository and tag of its image.
pub(crate) const PAUSE_REPOSITORY: &str = "amazon/amazon-ecs-pause";
pub(crate) const PAUSE_TAG: &str = "portcullis-2";
/// Where the program lies in the image.
pub(crate) const PAUSE_PROGRAM: &str = "/pause";

/// Where the program is loaded: a multiple of the largest page size.
const LOAD_ADDRESS: u64 = 0x40_0000;
const PAGE_MAX: u64 = 0x1_0000;
const FILE_HEADER_BYTES: u16 = 64;
const SEGMENT_HEADER_BYTES: u16 = 56;
const CODE_OFFSET: u64 = FILE_HEADER_BYTES as u64 + SEGMENT_HEADER_BYTES as u64;
const TAR_BLOCK_BYTES: usize = 512;

/// A processor the image can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    fn here() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// ELF's `e_machine`.
    fn number(self) -> u16 {
        match self {
            Self::X86_64 => 62,
            Self::Aarch64 => 183,
        }
    }

    /// Ignores SIGCHLD (17), then waits for a signal, again and again: in pidMode `task` it is the first process of the
    /// namespace, and the kernel itself takes away the children it inherits there. The kernel's `struct sigaction` for that,
    /// four words of which the first is SIG_IGN (1), stands behind the code.
    fn code(self) -> &'static [u8] {
        match self {
            // mov edi, 17; lea rsi, [rip + 28]; xor edx, edx; mov r10d, 8; mov eax, 13 (rt_sigaction); syscall;
            // again: mov eax, 34 (pause); syscall; jmp again; four bytes to the next word
            Self::X86_64 => &[
                0xbf, 17, 0, 0, 0, 0x48, 0x8d, 0x35, 28, 0, 0, 0, 0x31, 0xd2, 0x41, 0xba, 8, 0, 0, 0, 0xb8,
                13, 0, 0, 0, 0x0f, 0x05, 0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7, 0, 0, 0, 0, //
                1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                0,
            ],
            // x0 = 17; adr x1, + 52; x2 = 0; x3 = 8; x8 = 134 (rt_sigaction); svc 0;
            // again: x0..x4 = 0; x8 = 73 (ppoll); svc 0; b again
            Self::Aarch64 => &[
                0x20, 0x02, 0x80, 0xd2, 0xa1, 0x01, 0x00, 0x10, 0x02, 0x00, 0x80, 0xd2, 0x03, 0x01, 0x80,
                0xd2, 0xc8, 0x10, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, //
                0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x80, 0xd2, 0x02, 0x00, 0x80, 0xd2, 0x03, 0x00, 0x80,
                0xd2, 0x04, 0x00, 0x80, 0xd2, 0x28, 0x09, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0xf9, 0xff,
                0xff, 0x17, //
                1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                0,
            ],
        }
    }
}

/// Name of the image, as containers are made from it.
pub(crate) fn pause_image() -> String {
    format!("{PAUSE_REPOSITORY}:{PAUSE_TAG}")
}

/// Whether a pause container can be made on this machine.
pub(crate) fn is_possible() -> bool {
    Machine::here().is_some()
}

/// The image's file tree as a tar archive, for Docker's import; nothing on a processor we have no program for.
pub(crate) fn pause_archive() -> Option<Vec<u8>> {
    Some(archive(&program(Machine::here()?)))
}

/// An ELF file of one segment, readable and executable.
fn program(machine: Machine) -> Vec<u8> {
    let code = machine.code();
    let size = CODE_OFFSET + code.len() as u64;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
    elf.extend([0; 8]);
    let (executable, version) = (2_u16, 1_u32);
    elf.extend(executable.to_le_bytes());
    elf.extend(machine.number().to_le_bytes());
    elf.extend(version.to_le_bytes());
    elf.extend((LOAD_ADDRESS + CODE_OFFSET).to_le_bytes());
    elf.extend(u64::from(FILE_HEADER_BYTES).to_le_bytes());
    let no_sections = 0_u64;
    elf.extend(no_sections.to_le_bytes());
    elf.extend(0_u32.to_le_bytes());
    for half in [FILE_HEADER_BYTES, SEGMENT_HEADER_BYTES, 1, 0, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    let (load, read_execute) = (1_u32, 5_u32);
    elf.extend(load.to_le_bytes());
    elf.extend(read_execute.to_le_bytes());
    for word in [0, LOAD_ADDRESS, LOAD_ADDRESS, size, size, PAGE_MAX] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(code);
    elf
}

/// A ustar archive with the one program.
fn archive(program: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(TAR_BLOCK_BYTES);
    let mut field = |text: String, width: usize| {
        header.extend(text.bytes().chain(std::iter::repeat(0)).take(width));
    };
    field(PAUSE_PROGRAM.trim_start_matches('/').to_owned(), 100);
    field("0000755".to_owned(), 8);
    field("0000000".to_owned(), 8);
    field("0000000".to_owned(), 8);
    field(format!("{:011o}", program.len()), 12);
    field("00000000000".to_owned(), 12);
    // The checksum counts its own field as spaces.
    field(" ".repeat(8), 8);
    field("0".to_owned(), 101);
    field("ustar".to_owned(), 6);
    field("00".to_owned(), 249);
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let checksum = format!("{sum:06o}\0 ");
    let before: Vec<u8> = header.iter().copied().take(148).collect();
    let after = header.iter().copied().skip(156);
    let mut tar: Vec<u8> = before.into_iter().chain(checksum.bytes()).chain(after).collect();
    tar.extend(program);
    let end = tar.len().next_multiple_of(TAR_BLOCK_BYTES) + 2 * TAR_BLOCK_BYTES;
    tar.resize(end, 0);
    tar
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn agent_4_the_pause_program_starts_and_sleeps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pause");
        std::fs::write(&path, program(Machine::here().unwrap())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut sleeping = Command::new(&path).stdin(Stdio::null()).spawn().unwrap();
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", sleeping.id())).unwrap();
        while !state().contains(") S ") {
            std::thread::yield_now();
        }
        assert!(state().contains("(pause)"));
        let status = std::fs::read_to_string(format!("/proc/{}/status", sleeping.id())).unwrap();
        let ignored = status
            .lines()
            .find_map(|line| line.strip_prefix("SigIgn:"))
            .unwrap();
        let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
        assert!(ignored & (1 << 16) != 0, "children it inherits stay: {ignored:x}");
        sleeping.kill().unwrap();
        sleeping.wait().unwrap();
    }

    #[test]
    fn every_machine_has_a_whole_elf_file() {
        for machine in [Machine::X86_64, Machine::Aarch64] {
            let elf = program(machine);
            assert_eq!(elf.len() as u64, CODE_OFFSET + machine.code().len() as u64);
            assert_eq!(elf[18..20], machine.number().to_le_bytes());
        }
    }

    #[test]
    fn tar_reads_the_archive() {
        let folder = tempfile::tempdir().unwrap();
        let mut tar = Command::new("tar")
            .args(["-x", "-C", folder.path().to_str().unwrap()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        tar.stdin
            .take()
            .unwrap()
            .write_all(&pause_archive().unwrap())
            .unwrap();
        assert!(tar.wait().unwrap().success());
        let unpacked = folder.path().join("pause");
        assert_eq!(
            std::fs::read(&unpacked).unwrap(),
            program(Machine::here().unwrap())
        );
        assert_eq!(unpacked.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    }
}
