"""The meaning of a spec: one function a code, each with its manual page in its docstring."""
