"""Parameters, FLOPs and units of loss, as the literature counts them. Pure functions of numbers or arrays.

Every function works on floats: 6 N D overflows a 64-bit integer from about 1e9 parameters and 2e9 tokens on.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bayescale.flops import dense_flops

#: FLOPs in a petaFLOP/s-day: 1e15 FLOP/s for 86,400 s (Kaplan et al. 2020, footnote 1).
FLOPS_PER_PF_DAY = 8.64e19


def flops_6nd(params: Any, tokens: Any) -> Any:
    """Return the training compute C = 6 N D.

    Two FLOPs for each parameter and token forward, twice that backward (Kaplan et al. 2020, section 2.1).

    Parameters
    ----------
    params : array_like
        N, parameters.
    tokens : array_like
        D, training tokens.

    Returns
    -------
    float or numpy.ndarray
        FLOPs.
    """
    return dense_flops(_float(params), _float(tokens))


def non_embedding_params(n_layer: Any, d_model: Any, d_attn: Any = None, d_ff: Any = None) -> Any:
    """Return a transformer's parameters without embeddings, biases and norms.

    N = 2 d_model n_layer (2 d_attn + d_ff), which is 12 n_layer d_model^2 for d_attn = d_model and
    d_ff = 4 d_model (Kaplan et al. 2020, section 2.1 and Table 1).

    Parameters
    ----------
    n_layer : array_like
        Layers.
    d_model : array_like
        Width of the residual stream.
    d_attn : array_like, optional
        Width of the attention output, heads times head size; `d_model` where absent.
    d_ff : array_like, optional
        Width of the feed-forward layer; 4 `d_model` where absent.

    Returns
    -------
    float or numpy.ndarray
        Parameters.
    """
    n_layer, d_model = _float(n_layer), _float(d_model)
    attention = d_model if d_attn is None else _float(d_attn)
    feed_forward = 4.0 * d_model if d_ff is None else _float(d_ff)
    return 2.0 * d_model * n_layer * (2.0 * attention + feed_forward)


def forward_flops_per_token(params: Any, n_layer: Any, n_ctx: Any, d_attn: Any) -> Any:
    """Return the FLOPs of a forward pass for a token, 2 N + 2 n_layer n_ctx d_attn.

    Kaplan et al. 2020, equation 2.2 and Table 1; N is without embeddings. Training costs three times that.

    Parameters
    ----------
    params : array_like
        N, non-embedding parameters.
    n_layer : array_like
        Layers.
    n_ctx : array_like
        Context length, tokens.
    d_attn : array_like
        Width of the attention output.

    Returns
    -------
    float or numpy.ndarray
        FLOPs per token.
    """
    return 2.0 * _float(params) + 2.0 * _float(n_layer) * _float(n_ctx) * _float(d_attn)


def transformer_training_flops(
    *,
    tokens: Any,
    n_layer: Any,
    d_model: Any,
    d_ff: Any,
    n_heads: Any,
    n_ctx: Any,
    vocab: Any,
    head_size: Any = None,
    ff_matrices: int = 2,
) -> Any:
    """Return the counted FLOPs of training a decoder-only transformer.

    Hoffmann et al. 2022, Appendix F: embeddings, attention (projections, logits, softmax, reduction, output),
    feed-forward layers and logits, with a backward pass of twice the forward one. Embeddings count as a dense
    product with one-hot vectors and no causal saving is made in attention, both as the appendix says. The
    ratios to 6 N D in its Table A4, however, are met to 0.01 by the layers alone, ``vocab=0``, at a context
    of 2,048, and not with the vocabulary's terms.

    Parameters
    ----------
    tokens : array_like
        Training tokens.
    n_layer, d_model, d_ff, n_heads : array_like
        Layers, width, feed-forward width, attention heads.
    n_ctx : array_like
        Sequence length, tokens.
    vocab : array_like
        Size of the vocabulary; 0 leaves embeddings and logits out.
    head_size : array_like, optional
        Size of a head; ``d_model / n_heads`` where absent.
    ff_matrices : int
        Matrices in a feed-forward layer: 2, or 3 where it is gated (SwiGLU).

    Returns
    -------
    float or numpy.ndarray
        FLOPs.
    """
    d_model, n_ctx, n_heads = _float(d_model), _float(n_ctx), _float(n_heads)
    d_attn = d_model if head_size is None else _float(head_size) * n_heads
    # FLOPs for a token: the paper's figures for a sequence, over its length.
    embedding = 2.0 * _float(vocab) * d_model
    projections = 2.0 * 3.0 * d_model * d_attn
    attention_logits = 2.0 * n_ctx * d_attn
    softmax = 3.0 * n_heads * n_ctx
    reduction = 2.0 * n_ctx * d_attn
    output = 2.0 * d_attn * d_model
    feed_forward = 2.0 * ff_matrices * d_model * _float(d_ff)
    layer = projections + attention_logits + softmax + reduction + output + feed_forward
    logits = 2.0 * d_model * _float(vocab)
    forward = embedding + _float(n_layer) * layer + logits
    return 3.0 * forward * _float(tokens)


def deepseek_flops_per_token(n_layer: Any, d_model: Any, n_ctx: Any) -> Any:
    """Return M = 72 n_layer d_model^2 + 12 n_layer d_model n_ctx, non-embedding training FLOPs for a token.

    Bi et al. 2024 (DeepSeek LLM), equation 2: a measure of model size, with C = M D, that counts attention
    and leaves the vocabulary out.

    Parameters
    ----------
    n_layer : array_like
        Layers.
    d_model : array_like
        Width.
    n_ctx : array_like
        Sequence length, tokens.

    Returns
    -------
    float or numpy.ndarray
        FLOPs per token.
    """
    n_layer, d_model = _float(n_layer), _float(d_model)
    return 72.0 * n_layer * d_model**2 + 12.0 * n_layer * d_model * _float(n_ctx)


def pf_days(flops: Any) -> Any:
    """Return FLOPs as petaFLOP/s-days (8.64e19 FLOPs each)."""
    return _float(flops) / FLOPS_PER_PF_DAY


def flops_from_pf_days(days: Any) -> Any:
    """Return petaFLOP/s-days as FLOPs."""
    return _float(days) * FLOPS_PER_PF_DAY


def bits_per_byte(nats_per_token: Any, bytes_per_token: Any) -> Any:
    """Return a loss in bits per byte, which does not depend on the tokenizer.

    Parameters
    ----------
    nats_per_token : array_like
        Loss, nats per token.
    bytes_per_token : array_like
        Mean UTF-8 bytes in a token of the evaluation text.

    Returns
    -------
    float or numpy.ndarray
        Bits per byte.
    """
    return _float(nats_per_token) / (math.log(2.0) * _float(bytes_per_token))


def nats_per_token(bits_per_byte: Any, bytes_per_token: Any) -> Any:
    """Return a loss in nats per token; the inverse of `bits_per_byte`.

    Parameters
    ----------
    bits_per_byte : array_like
        Loss, bits per byte.
    bytes_per_token : array_like
        Mean UTF-8 bytes in a token of the evaluation text.

    Returns
    -------
    float or numpy.ndarray
        Nats per token.
    """
    return _float(bits_per_byte) * math.log(2.0) * _float(bytes_per_token)


def _float(value: Any) -> Any:
    """A float of a scalar, a float64 array of anything else."""
    return float(value) if np.ndim(value) == 0 else np.asarray(value, dtype=np.float64)
