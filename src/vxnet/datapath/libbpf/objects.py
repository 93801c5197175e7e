# SPDX-License-Identifier: Apache-2.0
"""What is in the kernel already: programs, maps and type information (BTF), by descriptor or id."""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char, c_int, c_uint8, c_uint32, c_uint64, c_void_p
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from vxnet.datapath.libbpf.binding import failed, library

if TYPE_CHECKING:
    from collections.abc import Iterator


class ProgInfo(ctypes.Structure):
    """The beginning of struct bpf_prog_info."""

    _fields_ = (
        ("type", c_uint32),
        ("id", c_uint32),
        ("tag", c_uint8 * 8),
        ("jited_prog_len", c_uint32),
        ("xlated_prog_len", c_uint32),
        ("jited_prog_insns", c_uint64),
        ("xlated_prog_insns", c_uint64),
        ("load_time", c_uint64),
        ("created_by_uid", c_uint32),
        ("nr_map_ids", c_uint32),
        ("map_ids", c_uint64),
        ("name", c_char * 16),
    )


class MapInfo(ctypes.Structure):
    """The beginning of struct bpf_map_info."""

    _fields_ = (
        ("type", c_uint32),
        ("id", c_uint32),
        ("key_size", c_uint32),
        ("value_size", c_uint32),
        ("max_entries", c_uint32),
        ("map_flags", c_uint32),
        ("name", c_char * 16),
        ("ifindex", c_uint32),
        ("btf_vmlinux_value_type_id", c_uint32),
        ("netns_dev", c_uint64),
        ("netns_ino", c_uint64),
        ("btf_id", c_uint32),
        ("btf_key_type_id", c_uint32),
        ("btf_value_type_id", c_uint32),
    )


class BtfInfo(ctypes.Structure):
    """The beginning of struct bpf_btf_info."""

    _fields_ = (("btf", c_uint64), ("btf_size", c_uint32), ("id", c_uint32))


@cache
def _lib() -> ctypes.CDLL:
    lib = library()
    lib.bpf_obj_get_info_by_fd.argtypes = (c_int, c_void_p, POINTER(c_uint32))
    lib.bpf_prog_get_fd_by_id.argtypes = (c_uint32,)
    lib.bpf_map_get_fd_by_id.argtypes = (c_uint32,)
    lib.bpf_btf_get_fd_by_id.argtypes = (c_uint32,)
    return lib


class Program(NamedTuple):
    """An attached program: ``tag`` is the kernel's hash of its instructions."""

    id: int
    name: str
    tag: bytes
    map_ids: tuple[int, ...]


def program_by_id(prog_id: int) -> Program | None:
    """The program ``prog_id``, or None if it is gone."""
    with opened_program(prog_id) as fd:
        return program(fd) if fd is not None else None


def program(fd: int) -> Program:
    """A loaded program."""
    ids = (c_uint32 * 64)()
    info = ProgInfo(nr_map_ids=len(ids), map_ids=ctypes.addressof(ids))
    _info(fd, info)
    return Program(info.id, info.name.decode(), bytes(info.tag), tuple(ids[: info.nr_map_ids]))


@contextmanager
def opened_program(prog_id: int) -> Iterator[int | None]:
    """A descriptor of a program for the length of a ``with`` block, or None if it is gone."""
    fd = _lib().bpf_prog_get_fd_by_id(prog_id)
    if fd < 0:
        if -fd != errno.ENOENT:
            what = f"looking at eBPF program {prog_id}"
            raise failed(what, fd)
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


def map_by_id(map_id: int) -> tuple[str, int] | None:
    """(name, descriptor) of the map ``map_id``, or None if it is gone. The caller closes the descriptor."""
    fd = _lib().bpf_map_get_fd_by_id(map_id)
    if fd < 0:
        if -fd == errno.ENOENT:
            return None
        what = f"looking at eBPF map {map_id}"
        raise failed(what, fd)
    return map_info(fd).name.decode(), fd


def map_info(fd: int) -> MapInfo:
    """Type, id, sizes and name of a map."""
    info = MapInfo()
    _info(fd, info)
    return info


def btf(btf_id: int) -> bytes:
    """Type information that was loaded with maps, as it is in the object file's section .BTF."""
    fd = _lib().bpf_btf_get_fd_by_id(btf_id)
    if fd < 0:
        what = f"looking at type information {btf_id}"
        raise failed(what, fd)
    try:
        info = BtfInfo()
        _info(fd, info)
        raw = ctypes.create_string_buffer(info.btf_size)
        info = BtfInfo(btf=ctypes.addressof(raw), btf_size=len(raw))
        _info(fd, info)
    finally:
        os.close(fd)
    return raw.raw


def _info(fd: int, info: ctypes.Structure) -> None:
    size = c_uint32(ctypes.sizeof(info))
    if code := _lib().bpf_obj_get_info_by_fd(fd, byref(info), byref(size)):
        what = "reading eBPF object information"
        raise failed(what, code)
