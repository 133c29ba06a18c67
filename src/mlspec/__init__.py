"""mlspec compiles one reviewed file into the manifests of a machine-learning project."""

__version__ = "0.1.0"
