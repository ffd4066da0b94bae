"""Stands in for Coral's edgetpu_compiler 16: its options, what it prints, the files that it leaves. It copies the network.

EDGETPU_FAILURE=<word>[:<operators>] makes it fail as the real one does, where given for networks of that many operators only.
It needs nothing but Python's own library, so that it starts fast.
"""
# ruff: noqa: T201 - printing is what it is for

import argparse
import os
import shutil
import struct
import sys
import time
from collections import Counter
from pathlib import Path

NAMES = {
    3: "CONV_2D",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    17: "MAX_POOL_2D",
    22: "RESHAPE",
    25: "SOFTMAX",
    114: "QUANTIZE",
}
ON_CPU = {"DEQUANTIZE": "Operation is working on an unsupported data type"}


def field(content, table, slot):
    """Where a field of a flatbuffer's table lies; 0 where it is left out."""
    vtable = table - struct.unpack_from("<i", content, table)[0]
    if 4 + 2 * slot >= struct.unpack_from("<H", content, vtable)[0]:
        return 0
    offset = struct.unpack_from("<H", content, vtable + 4 + 2 * slot)[0]
    return table + offset if offset else 0


def number(content, table, slot):
    place = field(content, table, slot)
    return struct.unpack_from("<i", content, place)[0] if place else 0


def tables(content, table, slot):
    start = field(content, table, slot)
    start += struct.unpack_from("<I", content, start)[0]
    places = range(start + 4, start + 4 + 4 * struct.unpack_from("<I", content, start)[0], 4)
    return [place + struct.unpack_from("<I", content, place)[0] for place in places]


def operators(content):
    model = struct.unpack_from("<I", content, 0)[0]
    codes = [number(content, code, 3) for code in tables(content, model, 1)]
    (graph,) = tables(content, model, 2)
    return [NAMES[codes[number(content, operator, 0)]] for operator in tables(content, graph, 3)]


def give_up(word):
    if word == "static":
        print(
            "ERROR: Attempting to use a delegate that only supports static-sized tensors with a graph that has dynamic-sized ones."
        )
        print(
            "Compilation failed: Model failed in Tflite interpreter. Please ensure model can be loaded/run in Tflite interpreter."
        )
        print("Compilation child process completed within timeout period.\nCompilation failed! ")
        sys.exit(1)
    if word == "silent":
        os.abort()
    if word == "hang":
        time.sleep(600)


parser = argparse.ArgumentParser()
parser.add_argument("-s", "--show_operations", action="store_true")
parser.add_argument("-o", "--out_dir", type=Path, default=Path())
parser.add_argument("-t", "--timeout_sec", type=int, default=180)
parser.add_argument("model", type=Path)
asked = parser.parse_args()
print("Edge TPU Compiler version 16.0.384591198")
print(f"Started a compilation timeout timer of {asked.timeout_sec} seconds.")
found = operators(asked.model.read_bytes())
failure, _, only = os.environ.get("EDGETPU_FAILURE", "").partition(":")
failure = "" if only and int(only) != len(found) else failure
give_up(failure)
fates = Counter(
    (name, "Operation not supported" if failure == "cpu" else ON_CPU.get(name, "Mapped to Edge TPU")) for name in found
)
rows = "\n".join(f"{name:<31}{count:<11}{status}" for (name, status), count in sorted(fates.items()))
table = f"Operator                       Count      Status\n\n{rows}\n"
stem = asked.model.stem
shutil.copy(asked.model, asked.out_dir / f"{stem}_edgetpu.tflite")
(asked.out_dir / f"{stem}_edgetpu.log").write_text(
    f"Edge TPU Compiler version 16.0.384591198\nInput: {asked.model}\nOutput: {stem}_edgetpu.tflite\n\n{table}\n"
)
print(f"""
Model compiled successfully in 231 ms.

Input model: {asked.model}
Input size: 787.74KiB
Output model: {stem}_edgetpu.tflite
Output size: 1.23MiB
On-chip memory used for caching model parameters: 1.25MiB
On-chip memory remaining for caching model parameters: 6.50MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: {len(found)}
Operation log: {stem}_edgetpu.log
""")
if asked.show_operations:
    print(table)
print("Compilation child process completed within timeout period.\nCompilation succeeded! ")
