"""Templates: manifests written in Jinja's syntax, compiled to Python that builds data and never text."""

from mlspec.template.cache import Cache, open_cache
from mlspec.template.compiled import Loader, Template, compile_template
from mlspec.template.runtime import Leaf

__all__ = ["Cache", "Leaf", "Loader", "Template", "compile_template", "open_cache"]
