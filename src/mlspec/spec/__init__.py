"""The shape of mlspec.yaml: pydantic models, one file a section, and how their verdict becomes findings."""
