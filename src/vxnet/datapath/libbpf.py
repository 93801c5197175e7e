# SPDX-License-Identifier: Apache-2.0
"""The few functions of the system's libbpf (1.1 or newer) that vxnet calls, through ctypes.

Descriptors are plain ints owned by whoever asked for them. Every failure is a `KernelError` that names the operation;
None is returned where "there is none" is an answer.
"""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import contextmanager, nullcontext
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from vxnet.errors import HostError, KernelError, MapFullError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BPF_ANY, BPF_NOEXIST, BPF_EXIST = 0, 1, 2

_TC_INGRESS = 1
_TC_F_REPLACE = 1
_TCX_INGRESS = 46  # enum bpf_attach_type
_TCX_PROGRAMS = 64  # BPF_MPROG_MAX: no device has more
_F_REPLACE = 1 << 2
_LIBBPF_WARN = 0


class TcHook(ctypes.Structure):
    """struct bpf_tc_hook."""

    _fields_ = (("sz", c_size_t), ("ifindex", c_int), ("attach_point", c_int), ("parent", c_uint32), ("pad", c_uint32))


class TcOpts(ctypes.Structure):
    """struct bpf_tc_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("prog_fd", c_int),
        ("flags", c_uint32),
        ("prog_id", c_uint32),
        ("handle", c_uint32),
        ("priority", c_uint32),
        ("pad", c_uint32),
    )


class AttachOpts(ctypes.Structure):
    """struct bpf_prog_attach_opts."""

    _fields_ = (("sz", c_size_t), ("flags", c_uint32), ("replace_prog_fd", c_int))


class QueryOpts(ctypes.Structure):
    """The beginning of struct bpf_prog_query_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("query_flags", c_uint32),
        ("attach_flags", c_uint32),
        ("prog_ids", c_void_p),
        ("prog_cnt", c_uint32),
        ("pad", c_uint32),
        ("prog_attach_flags", c_void_p),
    )


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


class TestRunOpts(ctypes.Structure):
    """struct bpf_test_run_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("data_in", c_void_p),
        ("data_out", c_void_p),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("ctx_in", c_void_p),
        ("ctx_out", c_void_p),
        ("ctx_size_in", c_uint32),
        ("ctx_size_out", c_uint32),
        ("retval", c_uint32),
        ("repeat", c_int),
        ("duration", c_uint32),
        ("flags", c_uint32),
        ("cpu", c_uint32),
        ("batch_size", c_uint32),
    )


_SAMPLE = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)
"""What libbpf calls for each record of a ring buffer: (context, record, its size)."""

_warnings: list[str] = []
_vsnprintf = ctypes.CDLL(None).vsnprintf
_vsnprintf.argtypes = (c_char_p, c_size_t, c_char_p, c_void_p)


def _keep_warning(level: int, form: bytes, arguments: int) -> int:
    """libbpf explains a failed load in words: keep them for the error's message."""
    if level == _LIBBPF_WARN:
        text = ctypes.create_string_buffer(65536)
        _vsnprintf(text, len(text), form, arguments)
        _warnings.append(text.value.decode(errors="replace").strip())
    return 0


_PRINT = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)(_keep_warning)  # libbpf keeps the pointer: so do we


@cache
def _lib() -> ctypes.CDLL:
    try:
        lib = ctypes.CDLL("libbpf.so.1", use_errno=True)
    except OSError as error:
        message = f"libbpf.so.1 cannot be loaded ({error}); install it (Debian: apt-get install libbpf1)"
        raise HostError(message) from error
    lib.libbpf_set_print(_PRINT)
    lib.bpf_object__open_file.restype = c_void_p
    lib.bpf_object__open_file.argtypes = (c_char_p, c_void_p)
    lib.bpf_object__load.argtypes = (c_void_p,)
    lib.bpf_object__close.argtypes = (c_void_p,)
    lib.bpf_object__close.restype = None
    lib.bpf_object__next_map.restype = c_void_p
    lib.bpf_object__next_map.argtypes = (c_void_p, c_void_p)
    lib.bpf_object__next_program.restype = c_void_p
    lib.bpf_object__next_program.argtypes = (c_void_p, c_void_p)
    lib.bpf_map__name.restype = c_char_p
    lib.bpf_program__name.restype = c_char_p
    for name in ("map__name", "map__fd", "map__key_size", "map__value_size", "program__name", "program__fd"):
        getattr(lib, f"bpf_{name}").argtypes = (c_void_p,)
    lib.bpf_map__reuse_fd.argtypes = (c_void_p, c_int)
    lib.bpf_map__set_max_entries.argtypes = (c_void_p, c_uint32)
    lib.bpf_map__max_entries.restype = c_uint32
    lib.bpf_map__max_entries.argtypes = (c_void_p,)
    lib.bpf_map_lookup_elem.argtypes = (c_int, c_void_p, c_void_p)
    lib.bpf_map_update_elem.argtypes = (c_int, c_void_p, c_void_p, c_uint64)
    lib.bpf_map_delete_elem.argtypes = (c_int, c_void_p)
    lib.bpf_map_lookup_batch.argtypes = (c_int, c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_uint32), c_void_p)
    lib.bpf_map_update_batch.argtypes = (c_int, c_void_p, c_void_p, POINTER(c_uint32), c_void_p)
    lib.bpf_map_delete_batch.argtypes = (c_int, c_void_p, POINTER(c_uint32), c_void_p)
    lib.bpf_obj_get_info_by_fd.argtypes = (c_int, c_void_p, POINTER(c_uint32))
    lib.bpf_prog_bind_map.argtypes = (c_int, c_int, c_void_p)
    lib.bpf_prog_get_fd_by_id.argtypes = (c_uint32,)
    lib.bpf_map_get_fd_by_id.argtypes = (c_uint32,)
    lib.bpf_btf_get_fd_by_id.argtypes = (c_uint32,)
    lib.bpf_prog_test_run_opts.argtypes = (c_int, POINTER(TestRunOpts))
    lib.bpf_prog_attach_opts.argtypes = (c_int, c_int, c_int, POINTER(AttachOpts))
    lib.bpf_prog_detach2.argtypes = (c_int, c_int, c_int)
    lib.ring_buffer__new.restype = c_void_p
    lib.ring_buffer__new.argtypes = (c_int, _SAMPLE, c_void_p, c_void_p)
    lib.ring_buffer__free.restype = None
    for name in ("ring_buffer__free", "ring_buffer__consume", "ring_buffer__epoll_fd"):
        getattr(lib, name).argtypes = (c_void_p,)
    lib.bpf_prog_query_opts.argtypes = (c_int, c_int, POINTER(QueryOpts))
    for name in ("bpf_tc_hook_create", "bpf_tc_hook_destroy"):
        getattr(lib, name).argtypes = (POINTER(TcHook),)
    for name in ("bpf_tc_attach", "bpf_tc_detach", "bpf_tc_query"):
        getattr(lib, name).argtypes = (POINTER(TcHook), POINTER(TcOpts))
    return lib


def _failed(what: str, code: int) -> KernelError:
    number = abs(code)
    hint = "; run as root (CAP_BPF, CAP_NET_ADMIN)" if number in {errno.EPERM, errno.EACCES} and os.geteuid() else ""
    return KernelError(f"{what}: {os.strerror(number)}{hint}")


# ---- objects: load programs and maps -------------------------------------------------------------------------------


class Loaded(NamedTuple):
    """Descriptors of what an object file brought into the kernel, by name; they outlive the object."""

    programs: dict[str, int]
    maps: dict[str, int]


def load(path: str, reuse: dict[str, int], sizes: dict[str, tuple[int, int]], elements: Mapping[str, int]) -> Loaded:
    """Load the object at ``path``, with the maps in ``reuse`` (name to descriptor) in place of new ones.

    New ones hold as many elements as the object says, or as ``elements`` says if that is more. ``sizes`` holds the key
    and value size that Python believes of each map; a difference is a defect of the build.
    """
    lib = _lib()
    _warnings.clear()
    handle = lib.bpf_object__open_file(path.encode(), None)
    if not handle:
        message = f"{path}: cannot be read as an eBPF object; build it with `make setup`"
        raise HostError(message)
    try:
        for pointer in _each(lib.bpf_object__next_map, handle):
            name = lib.bpf_map__name(pointer).decode()
            found = (lib.bpf_map__key_size(pointer), lib.bpf_map__value_size(pointer))
            if name in sizes and found != sizes[name]:
                message = f"{path}: map {name} has sizes {found}, layout.py says {sizes[name]}; run `make setup`"
                raise HostError(message)
            if name in reuse:
                code = lib.bpf_map__reuse_fd(pointer, reuse[name])
            else:
                least = max(elements.get(name, 0), lib.bpf_map__max_entries(pointer))
                code = lib.bpf_map__set_max_entries(pointer, least)
            if code:
                what = f"taking over map {name}" if name in reuse else f"sizing map {name}"
                raise _failed(what, code)
        if code := lib.bpf_object__load(handle):
            if -code == errno.ENOMEM:
                message = (
                    "the kernel has no memory for the eBPF maps and programs; "
                    "free some, or raise the limit of this process's cgroup (systemd: MemoryMax)"
                )
                raise KernelError(message)
            detail = next((line for line in _warnings if "failed" in line), "").replace("\n", " ")[:300]
            what = f"the kernel does not take the eBPF programs ({detail})"
            raise _failed(what, code)
        return Loaded(
            {
                lib.bpf_program__name(p).decode(): os.dup(lib.bpf_program__fd(p))
                for p in _each(lib.bpf_object__next_program, handle)
            },
            {
                lib.bpf_map__name(m).decode(): os.dup(lib.bpf_map__fd(m))
                for m in _each(lib.bpf_object__next_map, handle)
            },
        )
    finally:
        lib.bpf_object__close(handle)


def close(loaded: Loaded) -> None:
    """Give back the descriptors of what was loaded."""
    for fd in (*loaded.programs.values(), *loaded.maps.values()):
        os.close(fd)


def _each(following: Any, handle: int) -> Iterator[int]:  # noqa: ANN401  (a ctypes function has no better type)
    pointer = following(handle, None)
    while pointer:
        yield pointer
        pointer = following(handle, pointer)


# ---- what is in the kernel already ---------------------------------------------------------------------------------


class Program(NamedTuple):
    """An attached program: ``tag`` is the kernel's hash of its instructions."""

    id: int
    name: str
    tag: bytes
    map_ids: tuple[int, ...]


def program_by_id(prog_id: int) -> Program | None:
    """The program ``prog_id``, or None if it is gone."""
    with _program(prog_id) as fd:
        return program(fd) if fd is not None else None


def program(fd: int) -> Program:
    """A loaded program."""
    ids = (c_uint32 * 64)()
    info = ProgInfo(nr_map_ids=len(ids), map_ids=ctypes.addressof(ids))
    _info(fd, info)
    return Program(info.id, info.name.decode(), bytes(info.tag), tuple(ids[: info.nr_map_ids]))


@contextmanager
def _program(prog_id: int) -> Iterator[int | None]:
    """A descriptor of a program for the length of a ``with`` block, or None if it is gone."""
    fd = _lib().bpf_prog_get_fd_by_id(prog_id)
    if fd < 0:
        if -fd != errno.ENOENT:
            what = f"looking at eBPF program {prog_id}"
            raise _failed(what, fd)
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
        raise _failed(what, fd)
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
        raise _failed(what, fd)
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
        raise _failed(what, code)


def bind_map(prog_fd: int, map_fd: int) -> None:
    """Let the program hold the map as long as it lives, whether its instructions use it or not (Linux 5.10)."""
    if code := _lib().bpf_prog_bind_map(prog_fd, map_fd, None):
        what = "tying an eBPF map to a program"
        raise _failed(what, code)


# ---- map elements --------------------------------------------------------------------------------------------------


def map_lookup(fd: int, key: Any, value: Any) -> bool:  # noqa: ANN401  (any ctypes value)
    """Read the element ``key`` into ``value``; False if there is none."""
    code = _lib().bpf_map_lookup_elem(fd, byref(key), byref(value))
    if code == -errno.ENOENT:
        return False
    if code:
        what = "reading an eBPF map"
        raise _failed(what, code)
    return True


def map_update(fd: int, key: Any, value: Any, flags: int = BPF_ANY) -> None:  # noqa: ANN401  (any ctypes value)
    """Write an element. MapFullError if there is no room."""
    if code := _lib().bpf_map_update_elem(fd, byref(key), byref(value), flags):
        raise _not_written(fd, code)


def map_update_batch(fd: int, keys: bytes, values: bytes, count: int) -> None:
    """Write ``count`` elements, one after another. MapFullError if there is no room for all: some are written then."""
    done = c_uint32(count)
    if code := _lib().bpf_map_update_batch(fd, keys, values, byref(done), None):
        raise _not_written(fd, code)


def _not_written(fd: int, code: int) -> KernelError:
    info = map_info(fd)
    name = info.name.decode()
    if code in {-errno.E2BIG, -errno.ENOSPC}:  # of a hash map, of a trie
        return MapFullError(name, info.max_entries)
    return _failed(f"writing eBPF map {name}", code)


def map_copy(fd: int, other: int, key_size: int, value_size: int, chunk: int) -> None:
    """Write all elements of a map into another one."""
    for keys, values, count in map_batches(fd, key_size, value_size, chunk):
        map_update_batch(other, keys, values, count)


def map_delete(fd: int, key: Any) -> bool:  # noqa: ANN401  (any ctypes value)
    """Delete an element; False if there was none."""
    code = _lib().bpf_map_delete_elem(fd, byref(key))
    if code == -errno.ENOENT:
        return False
    if code:
        what = "deleting from an eBPF map"
        raise _failed(what, code)
    return True


def map_batches(fd: int, key_size: int, value_size: int, chunk: int) -> Iterator[tuple[bytes, bytes, int]]:
    """All elements, as (keys, values, count) in one piece of memory per system call.

    Each element that was there the whole time is given exactly once; ``chunk`` is the most elements of one call and
    must hold the longest hash bucket.
    """
    lib = _lib()
    position, following = (c_uint8 * 64)(), (c_uint8 * 64)()
    first = True
    while True:
        keys = ctypes.create_string_buffer(key_size * chunk)
        values = ctypes.create_string_buffer(value_size * chunk)
        count = c_uint32(chunk)
        code = lib.bpf_map_lookup_batch(
            fd, None if first else byref(position), byref(following), keys, values, byref(count), None
        )
        if code not in {0, -errno.ENOENT}:
            if code == -errno.ENOSPC:
                chunk *= 2
                continue
            what = "reading an eBPF map"
            raise _failed(what, code)
        if count.value:
            yield keys.raw, values.raw, count.value
        if code:
            return
        position, following, first = following, position, False


@cache
def cpus() -> int:
    """How many values an element of a per-CPU map has: libbpf_num_possible_cpus."""
    return int(_lib().libbpf_num_possible_cpus())


# ---- the ingress of a device: tcx (Linux 6.6) ----------------------------------------------------------------------
#
# libbpf knows tcx from 1.3 on. Older ones pass on what they do not know: a number in the place of a descriptor.


def tcx_query(ifindex: int) -> list[int] | None:
    """The ids of the programs in the order they run, none if there is no such device; None if the kernel has no tcx."""
    ids = (c_uint32 * _TCX_PROGRAMS)()
    options = QueryOpts(sz=ctypes.sizeof(QueryOpts), prog_ids=ctypes.addressof(ids), prog_cnt=len(ids))
    code = _lib().bpf_prog_query_opts(ifindex, _TCX_INGRESS, byref(options))
    if code == -errno.EINVAL:
        return None
    if code == -errno.ENODEV:
        return []
    if code:
        what = f"asking for the programs on device {ifindex}"
        raise _failed(what, code)
    return list(ids[: options.prog_cnt])


def tcx_attach(ifindex: int, prog_fd: int, replaced: int | None) -> None:
    """Attach a program after all that are there, or atomically in the place of the one whose id is ``replaced``."""
    options = AttachOpts(sz=ctypes.sizeof(AttachOpts))
    with _program(replaced) if replaced else nullcontext() as old:
        if old is not None:
            options.flags, options.replace_prog_fd = _F_REPLACE, old
        if code := _lib().bpf_prog_attach_opts(prog_fd, ifindex, _TCX_INGRESS, byref(options)):
            what = f"attaching a program to device {ifindex}"
            raise _failed(what, code)


def tcx_detach(ifindex: int, prog_id: int) -> None:
    """Take a program away, and nothing else; not there, or no device, is fine."""
    with _program(prog_id) as fd:
        code = _lib().bpf_prog_detach2(fd, ifindex, _TCX_INGRESS) if fd is not None else 0
    if code not in {0, -errno.ENOENT, -errno.ENODEV}:
        what = f"detaching the program from device {ifindex}"
        raise _failed(what, code)


# ---- the ingress of a device: a filter of its clsact qdisc ---------------------------------------------------------


def clsact_attach(ifindex: int, prog_fd: int, handle: int, priority: int, *, replace: bool) -> bool:
    """Attach a program at this place; False if there is a filter already, and it is not to be replaced (atomically)."""
    lib = _lib()
    hook = TcHook(sz=ctypes.sizeof(TcHook), ifindex=ifindex, attach_point=_TC_INGRESS)
    _warnings.clear()
    if (code := lib.bpf_tc_hook_create(byref(hook))) not in {0, -errno.EEXIST}:
        what = f"adding clsact to device {ifindex}"
        raise _failed(what, code)
    flags = _TC_F_REPLACE if replace else 0
    options = TcOpts(sz=ctypes.sizeof(TcOpts), prog_fd=prog_fd, flags=flags, handle=handle, priority=priority)
    code = lib.bpf_tc_attach(byref(hook), byref(options))
    if code == -errno.EEXIST and not replace:
        return False
    if code:
        what = f"attaching a program to device {ifindex}"
        raise _failed(what, code)
    return True


def clsact_query(ifindex: int, handle: int, priority: int) -> int | None:
    """The id of the program attached at this place, or None."""
    hook = TcHook(sz=ctypes.sizeof(TcHook), ifindex=ifindex, attach_point=_TC_INGRESS)
    options = TcOpts(sz=ctypes.sizeof(TcOpts), handle=handle, priority=priority)
    code = _lib().bpf_tc_query(byref(hook), byref(options))
    if code in {-errno.ENOENT, -errno.EINVAL, -errno.ENODEV}:
        return None
    if code:
        what = f"asking for the program on device {ifindex}"
        raise _failed(what, code)
    return int(options.prog_id)


def clsact_detach(ifindex: int, handle: int, priority: int) -> None:
    """Take the program at this place away, and nothing else; nothing there, or no device, is fine."""
    hook = TcHook(sz=ctypes.sizeof(TcHook), ifindex=ifindex, attach_point=_TC_INGRESS)
    options = TcOpts(sz=ctypes.sizeof(TcOpts), handle=handle, priority=priority)
    code = _lib().bpf_tc_detach(byref(hook), byref(options))
    if code not in {0, -errno.ENOENT, -errno.EINVAL, -errno.ENODEV}:
        what = f"detaching the program from device {ifindex}"
        raise _failed(what, code)


# ---- test runs -----------------------------------------------------------------------------------------------------


def test_run(prog_fd: int, packet: bytes, context: bytes = b"", *, repeat: int = 1) -> tuple[int, bytes, int]:
    """Run a program over ``packet`` without a device (BPF_PROG_TEST_RUN): (action, packet afterwards, ns per run)."""
    out = ctypes.create_string_buffer(len(packet) + 512)
    data = ctypes.create_string_buffer(packet, len(packet))
    ctx = ctypes.create_string_buffer(context, len(context))
    options = TestRunOpts(
        sz=ctypes.sizeof(TestRunOpts),
        data_in=ctypes.addressof(data),
        data_size_in=len(packet),
        data_out=ctypes.addressof(out),
        data_size_out=len(out),
        ctx_in=ctypes.addressof(ctx) if context else None,
        ctx_size_in=len(context),
        repeat=repeat,
    )
    if code := _lib().bpf_prog_test_run_opts(prog_fd, byref(options)):
        what = "test run of a program"
        raise _failed(what, code)
    return options.retval, out.raw[: options.data_size_out], options.duration


class Ring:
    """A ring buffer (BPF_MAP_TYPE_RINGBUF) as its one reader has it."""

    def __init__(self, map_fd: int) -> None:
        """Map it into memory. KernelError if the kernel does not let us."""
        self._taken: list[bytes] = []
        self._keep = _SAMPLE(self._one)  # as long as libbpf may call it
        self._ring = _lib().ring_buffer__new(map_fd, self._keep, None, None)
        if not self._ring:
            what = "opening a ring buffer"
            raise _failed(what, -ctypes.get_errno())

    def _one(self, _: int, data: int, size: int) -> int:
        self._taken.append(ctypes.string_at(data, size))
        return 0

    def fileno(self) -> int:
        """Return a descriptor that is readable when there is something."""
        return int(_lib().ring_buffer__epoll_fd(self._ring))

    def take(self) -> list[bytes]:
        """Return all records that are there, and make room for others."""
        if (code := _lib().ring_buffer__consume(self._ring)) < 0:
            what = "reading a ring buffer"
            raise _failed(what, code)
        taken, self._taken = self._taken, []
        return taken

    def close(self) -> None:
        """Let go of it."""
        _lib().ring_buffer__free(self._ring)
