"""`python -m fuzz [--seconds N] [DECODER …]`: fuzz decoders with atheris, each in a process of its own for N seconds.

Prints executions and findings of each; exit 1 where a decoder broke its contract, with the input in `--folder`.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

_EXECUTIONS: Final = re.compile(r"Done (\d+) runs|stat::number_of_executed_units:\s*(\d+)")
_COVERAGE: Final = re.compile(r"cov: (\d+)")
_FAULT: Final = re.compile(r"=== Uncaught Python exception: ===\n(.*)")
_MAX_LEN: Final = "4096"  # bytes of an input
_GRACE_S: Final = 300
"""To load and instrument the package, on a machine that is busy."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("decoders", nargs="*", metavar="DECODER", help="default: every one")
    parser.add_argument("--seconds", type=int, default=60, help="for each decoder; default: 60")
    parser.add_argument("--folder", type=Path, default=Path(".cache/fuzz"), help="corpus and findings")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        return _fuzz_here(options.decoders[0], options.seconds, options.folder)
    from fuzz.decoders import DECODERS  # noqa: PLC0415  (the processes that fuzz instrument it as they load it)

    if unknown := set(options.decoders) - DECODERS.keys():
        parser.error(f"no decoder {', '.join(sorted(unknown))}; there are: {', '.join(DECODERS)}")
    findings = [name for name in options.decoders or DECODERS if not _fuzz(name, options.seconds, options.folder)]
    print(f"{len(findings)} findings{': ' if findings else ''}{', '.join(findings)}", flush=True)
    return 1 if findings else 0


def _fuzz(name: str, seconds: int, folder: Path) -> bool:
    """Fuzz one decoder in a process of its own; False where it broke its contract."""
    command = [sys.executable, "-m", "fuzz", "--here", "--seconds", str(seconds), "--folder", str(folder), name]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=seconds + _GRACE_S)
    except subprocess.TimeoutExpired:
        print(f"{name:20} did not end within {seconds + _GRACE_S} s", flush=True)
        return False
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    executions = sum(int(one or other) for one, other in _EXECUTIONS.findall(output)[-1:])
    coverage = (_COVERAGE.findall(output) or ["?"])[-1]
    fault = _FAULT.search(output)
    outcome = "no finding" if done.returncode == 0 else f"finding: {fault[1] if fault else output[-2000:]}"
    print(f"{name:20} {executions:>10} executions, {coverage:>5} edges, {outcome}", flush=True)
    return done.returncode == 0


def _fuzz_here(name: str, seconds: int, folder: Path) -> int:
    import atheris  # noqa: PLC0415  (an extra)

    with atheris.instrument_imports(include=["gatewayd", "fuzz.decoders"]):
        from fuzz.decoders import DECODERS  # noqa: PLC0415

    decoder = DECODERS[name]
    findings = folder / "findings"
    findings.mkdir(parents=True, exist_ok=True)
    corpus = folder / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as seeds:
        for number, seed in enumerate(decoder.seeds):
            Path(seeds, str(number)).write_bytes(seed)
        words = Path(seeds, "words")
        words.write_text("".join(f'"{word}"\n' for word in _words(decoder.seeds)))
        arguments = [
            *(f"-max_total_time={seconds}", f"-max_len={_MAX_LEN}", "-print_final_stats=1", "-timeout=10"),
            *("-rss_limit_mb=2048", f"-dict={words}", f"-artifact_prefix={findings}/{name}-"),
        ]
        atheris.Setup([sys.argv[0], *arguments, str(corpus), seeds], decoder.run)
        atheris.Fuzz()
    return 0


def _words(seeds: tuple[bytes, ...]) -> list[str]:
    """What stands in quotes in the valid inputs, as libFuzzer's dictionary has it."""
    found = {word for seed in seeds for word in re.findall(rb'"([A-Za-z_0-9]{2,32})"', seed)}
    return [rf"\x22{word.decode()}\x22" for word in sorted(found)] or ["0"]


if __name__ == "__main__":
    sys.exit(main())
