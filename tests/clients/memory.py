"""What a process of this machine has in its memory, as `/proc` shows it."""

PIECE = 4 * 1024 * 1024


def readable(pid):
    """Start and end of the stretches that can be read."""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps:
        for line in maps:
            addresses, permissions, *rest = line.split()
            if permissions.startswith("r") and rest[-1] not in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
                start, end = (int(address, 16) for address in addresses.split("-"))
                yield start, end


def found(pid, needles):
    """Which of the texts stand anywhere in the memory of a process."""
    left = {needle for needle in needles}
    overlap = max(map(len, left)) - 1
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end in readable(pid):
            for at in range(start, end, PIECE):
                try:
                    memory.seek(at)
                    piece = memory.read(min(PIECE + overlap, end - at))
                except OSError:  # unmapped since
                    continue
                left = {needle for needle in left if needle not in piece}
    return set(needles) - left
