# SPDX-License-Identifier: Apache-2.0
"""The few functions of the system's libbpf (1.1 or newer) that vxnet calls, through ctypes.

    binding           the library itself, what it warns of, its errors
    loading           an object file's programs and maps, into the kernel
    objects           what is in the kernel: programs, maps and type information, by descriptor or id
    rawmap            the elements of a map, one or many, as they lie in memory
    tcx, clsact       programs at the ingress of a device, in two ways
    testrun           a program over one packet, without a device
    ring              the records of a ring buffer

Each file tells ctypes the types of the functions that it calls (`_lib`). Descriptors are plain ints owned by whoever
asked for them. Every failure is a `KernelError` that names the operation; None is returned where "there is none" is an
answer.
"""
