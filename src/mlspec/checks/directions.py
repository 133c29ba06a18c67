"""Which way a metric gets better, as far as its name and its bounds tell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_LESS = (
    "loss logloss error errors err mae mse rmse rmsle mape smape wape mase wer cer ter perplexity brier ece mce hinge entropy fid"
    " crossentropy divergence latency duration fpr fnr eer false toxicity deviance regret"
)
_MORE = (
    "auc auroc auprc rocauc prauc ap map accuracy acc precision recall f f1 fbeta r2 sensitivity specificity tpr tnr ndcg mrr iou miou"
    " dice bleu rouge meteor kappa mcc gini lift likelihood psnr ssim throughput true"
)
"""Words in names of metrics of which less, or more, is better."""
_WORD = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*")


def better(metric: str, rules: Iterable[Any]) -> str:
    """Return whether ``more`` or ``less`` of a metric is better; empty when nothing tells.

    A ``min`` or a ``max`` on the same metric in the same threshold tells, and so do the words of its name; where the two contradict
    each other (a ``max`` on auc that catches a leak), nothing is told.
    """
    told = {key for rule in rules if "metric" in rule and rule["metric"] == metric for key in ("min", "max") if key in rule}
    bound = "" if len(told) != 1 else "more" if "min" in told else "less"
    words = [word.lower() for word in _WORD.findall(metric)]
    known = {form for word in words for form in (word, word.rstrip("0123456789"))}
    less, more = not known.isdisjoint(_LESS.split()), not known.isdisjoint(_MORE.split())
    if less == more:
        return bound
    # Libraries that only know "more is better" turn losses around: neg_log_loss.
    named = "less" if less != (words[0] in ("neg", "negative")) else "more"
    return named if bound in ("", named) else ""
