"""The kernels of OpenBLAS that all who are measured use: those that suit this CPU, whatever the environment says."""
import os


def choose():
    """OpenBLAS 0.3.21 takes kernels for older CPUs where it does not know a newer one (engine/kernels/blas.h); PyTorch and numpy use it too."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        flags = next((line.split() for line in f if line.startswith("flags")), [])
    if "avx512f" in flags and "avx512dq" in flags and "avx512vl" in flags:
        os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"
    else:
        os.environ.pop("OPENBLAS_CORETYPE", None)
