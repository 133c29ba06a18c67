"""The sections `datasets`, `features` and `models`: what is versioned."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from mlspec.spec.model import Item, Model, by_type, optional
from mlspec.spec.scalars import (
    Bool,
    Cron,
    Duration,
    Id,
    Image,
    Line,
    Name,
    Number,
    Ratio,
    RepoPath,
    Scalar,
    SecretName,
    Text,
    Uri,
    Version,
    whole,
)

Format = Literal["parquet", "csv", "json", "jsonl", "avro", "orc", "delta", "iceberg", "webdataset", "tfrecord", "images", "text"]
ColumnType = Literal["string", "integer", "number", "boolean", "category", "date", "timestamp", "bytes", "array"]
Framework = Literal[
    "sklearn",
    "xgboost",
    "lightgbm",
    "catboost",
    "tensorflow",
    "pytorch",
    "onnx",
    "tensorrt",
    "mlflow",
    "huggingface",
    "pmml",
    "paddle",
    "custom",
]
TensorType = Literal[
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64", "bool", "string", "bytes"
]  # fmt: skip


class DataVersion(Model):
    """Exactly one way to pin the content of a dataset."""

    sha256: Line = optional(description="The SHA-256 of the content, 64 hex digits.")
    dvc: RepoPath = optional(description="A .dvc file, relative to the spec.")
    lakefs: Line = optional(description="A lakeFS commit, as repository/branch@commit.")
    delta: Annotated[object, whole(0, 10**15)] = optional(description="The version of a Delta table.")
    iceberg: Scalar = optional(description="The snapshot of an Iceberg table.")
    snapshot: Line = optional(description="The name of a snapshot.")
    git: Line = optional(description="A git revision.")


class Column(Model):
    """What a column holds."""

    type: ColumnType = Field(description="The type of its values.")
    min: Number = optional(description="The smallest allowed value.")
    max: Number = optional(description="The largest allowed value.")
    values: list[Scalar] = optional(min_length=1, description="The only allowed values.")
    nullable: Bool = optional(description="Whether values may be missing (false).")
    unique: Bool = optional(description="Whether every value stands once.")
    pii: Bool = optional(description="Whether it is about an identifiable person.")
    protected: Bool = optional(description="Whether it is a protected attribute.")
    label: Bool = optional(description="Whether it is what the model predicts.")
    key: Bool = optional(description="Whether it identifies the row.")
    description: Text = optional(description="What it means.")


class Refresh(Model):
    """How often new data arrives."""

    schedule: Cron = optional(description="When new data arrives.")
    max_age: Duration = optional(description="How old the data may become.")


class Dataset(Item):
    """A versioned dataset."""

    uri: Uri = Field(description="Where the data lies.")
    format: Format = optional(description="How it is stored.")
    version: DataVersion = optional(description="What pins its content.")
    schema_: dict[Id, Column] = optional(alias="schema", min_length=1, description="Its columns.")
    quality: Id = optional(description="The data threshold that it must pass.")
    refresh: Refresh = optional(description="How often new data arrives.")
    sensitivity: Literal["public", "internal", "confidential", "restricted"] = optional(description="How sensitive it is.")
    retention: Duration = optional(description="How long it is kept.")
    splits: dict[Id, Ratio] = optional(min_length=1, description="Its parts and their shares, 100 % together.")
    description: Text = optional(description="What it is.")


class Feature(Item):
    """A feature view."""

    entity: Id = Field(description="The column that identifies the entity.")
    from_: Annotated[Id, Field(alias="from", description="The dataset it is computed from.")]
    fields: list[Id] = Field(min_length=1, description="Columns of the dataset.")
    ttl: Duration = optional(description="How long a value is valid.")
    online: Bool = optional(description="Whether it is served online (false).")
    transform: list[Text] = optional(min_length=1, description="The command of a container that computes it.")
    image: Image = optional(description="The image of the transform.")


class Tensor(Model):
    """A value with a shape."""

    type: TensorType = Field(description="The type of its elements.")
    shape: list[Annotated[object, whole(-1, 10**9)]] = Field(description="Its dimensions; -1 is any.")


TensorOrType = Annotated[
    Annotated[TensorType, Tag("@scalar")] | Annotated[Tensor, Tag("@map")],
    by_type("expected a type such as float64, or a map {type, shape}"),
]


class Signature(Model):
    """What a model takes and gives."""

    inputs: dict[Line, TensorOrType] = optional(min_length=1, description="What it takes.")
    outputs: dict[Line, TensorOrType] = optional(min_length=1, description="What it gives.")


class Card(Model):
    """The model card."""

    intended_use: Text = optional(description="What the model is for.")
    out_of_scope: Text = optional(description="What it is not for.")
    limitations: Text = optional(description="Where it is weak.")
    ethics: Text = optional(description="What to consider.")
    references: Text = optional(description="Where to read more.")


class TrainedModel(Item):
    """A model version and where its artifact lies."""

    framework: Framework = Field(description="What the artifact was made with.")
    version: Version = Field(description="The version that is served.")
    uri: Uri = Field(description="Where the artifact lies.")
    trained_by: Name = optional(description="The pipeline that registers it.")
    features: list[Id] = optional(min_length=1, description="The feature views it reads.")
    evaluated_on: list[Id] = optional(min_length=1, description="The datasets it was evaluated on.")
    signature: Signature = optional(description="What it takes and gives.")
    hyperparameters: dict[Id, Scalar] = optional(min_length=1, description="What it was trained with.")
    secret: SecretName = optional(description="The secret that opens the artifact's store.")
    card: Card = optional(description="The model card.")
    description: Text = optional(description="What it predicts.")
