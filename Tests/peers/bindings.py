"""llama.cpp and its fork ik_llama.cpp behind one face: what their bindings call differently."""

import argparse
import ctypes


class LlamaCpp:
    """llama.cpp by llama-cpp-python."""

    def __init__(self):
        import llama_cpp

        self.api = llama_cpp

    def model_params(self, options: argparse.Namespace):
        """Parameters of a model by `--repack` and `--load`."""
        params = self.api.llama_model_default_params()
        params.use_extra_bufts = options.repack == "on"
        params.load_mode = {
            "read": self.api.LLAMA_LOAD_MODE_NONE, "mmap": self.api.LLAMA_LOAD_MODE_MMAP,
        }[options.load]
        return params

    def context_params(self, options: argparse.Namespace):
        """Parameters of a context by `--flash`."""
        params = self.api.llama_context_default_params()
        params.flash_attn_type = {
            "auto": self.api.LLAMA_FLASH_ATTN_TYPE_AUTO,
            "off": self.api.LLAMA_FLASH_ATTN_TYPE_DISABLED,
            "on": self.api.LLAMA_FLASH_ATTN_TYPE_ENABLED,
        }[options.flash]
        params.no_perf = True
        return params

    def forget(self, context) -> None:
        """Empties the sequences."""
        self.api.llama_memory_clear(self.api.llama_get_memory(context), False)

    def synchronize(self, context) -> None:
        """Waits for the work to end."""
        self.api.llama_synchronize(context)


class IkLlamaCpp(LlamaCpp):
    """ik_llama.cpp by ik-llama-cpp-python, whose plain functions keep their names."""

    def __init__(self):
        from ik_llama_cpp import _ctypes_api

        self.api = _ctypes_api
        self.library = _ctypes_api._lib
        self.library.llama_synchronize.argtypes = [ctypes.c_void_p]
        self.library.llama_synchronize.restype = None

    def model_params(self, options: argparse.Namespace):
        params = self.api.llama_model_default_params()
        params.repack_tensors = options.repack == "on"
        params.use_mmap = options.load == "mmap"
        return params

    def context_params(self, options: argparse.Namespace):
        params = self.api.llama_context_default_params()
        if options.flash != "auto":
            params.flash_attn = options.flash == "on"
        return params

    def forget(self, context) -> None:
        self.api.llama_kv_cache_clear(context)

    def synchronize(self, context) -> None:
        self.library.llama_synchronize(context)


BINDINGS = {"llama": LlamaCpp, "ik": IkLlamaCpp}
