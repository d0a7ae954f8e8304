"""Thin builders in Python: a node, sizes and a name come in; the layer's node over parameters named after it goes out."""
from __future__ import annotations

from symgrad.layers.convolutions import avg_pool, conv1d, conv2d, conv_transpose1d, conv_transpose2d, global_avg_pool, global_max_pool, max_pool
from symgrad.layers.family import Repeated, repeat
from symgrad.layers.linear import dense, embedding, residual
from symgrad.layers.losses import bce, bce_logits, contrastive, cross_entropy, cross_entropy_logits, hinge, huber, infonce, kl, l1, l2, mae, mse
from symgrad.layers.norms import batch_norm, dropout, group_norm, instance_norm, layer_norm, rms_norm
from symgrad.layers.recurrent import Recurrence, gru, lstm, rnn
from symgrad.layers.transformer import attention, causal_mask, multihead_attention, padding_mask, positional_encoding, transformer_block

__all__ = [
    "Recurrence", "Repeated", "attention", "avg_pool", "batch_norm", "bce", "bce_logits", "causal_mask", "contrastive", "conv1d", "conv2d",
    "conv_transpose1d", "conv_transpose2d", "cross_entropy", "cross_entropy_logits", "dense", "dropout", "embedding", "global_avg_pool",
    "global_max_pool", "group_norm", "gru", "hinge", "huber", "infonce", "instance_norm", "kl", "l1", "l2", "layer_norm", "lstm", "mae",
    "max_pool", "mse", "multihead_attention", "padding_mask", "positional_encoding", "repeat", "residual", "rms_norm", "rnn", "transformer_block",
]
