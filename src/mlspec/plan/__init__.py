"""From a spec to one plan per environment: overrides, references and defaults resolved, nothing left open."""
