"""Functions that a reader runs in tests of `glitchvae.guard`; some end it."""

import ctypes
import logging
import os
import signal
import time

import numpy as np

from glitchvae.errors import ModelError
from glitchvae.guard import read_apart

_STATE = {"spoilt": False}


class Code:
    def __reduce__(self):
        return os.system, ("true",)


def size(path):
    return path.stat().st_size


def size_by_guard(path):
    return read_apart(size, path)


def arrays(path, samples):
    return np.arange(samples, dtype=np.float64), np.arange(samples, dtype=np.int16)[::-1]


def refuse(path):
    raise ModelError("bad", where=path, expected="a", found=2, remedy="Do it.")


def fail(path):
    raise KeyError("no\nsuch thing")


def warn(path):
    logging.getLogger("glitchvae.tests").warning("%d rows of %s", 3, path)


def crash(path):
    ctypes.string_at(0)


def give_up(path):
    os.abort()


def leave(path):
    os._exit(3)


def loop(path):
    while True:
        pass


def wait(path):
    time.sleep(60)


def take_all_memory(path):
    return np.ones(2**33)


def spoil_the_next(path):
    _STATE["spoilt"] = True


def fails_when_spoilt(path):
    if _STATE["spoilt"]:
        os.kill(os.getpid(), signal.SIGSEGV)
    return "whole"


def send_code(path):
    return Code()
