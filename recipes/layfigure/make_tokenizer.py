"""The tokenizer of the embedded base model: one token for each word of the vocabulary, bytes for anything else.

python -m recipes.layfigure.make_tokenizer --work WORK
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from dressform.layfigure.captions import WORDS

MAX_LENGTH = 64
TOKENS = sorted(WORDS.union("glasses hat bag wearing a woman doll".split()))
"""The words of captions, and some that none says."""


def build() -> CLIPTokenizer:
    """A CLIPTokenizer whose merges make each vocabulary word one token; any other text falls back to bytes."""
    core = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=4096, min_frequency=1, end_of_word_suffix="</w>", initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(TOKENS, trainer)
    import json

    merges = [tuple(m) for m in json.loads(core.to_str())["model"]["merges"]]
    symbols = alphabet + [a + "</w>" for a in alphabet] + ["".join(m) for m in merges]
    vocab = {s: i for i, s in enumerate(dict.fromkeys(symbols))}
    for special in ("<|startoftext|>", "<|endoftext|>"):
        vocab[special] = len(vocab)
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=MAX_LENGTH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    args = parser.parse_args()
    tokenizer = build()
    tokenizer.save_pretrained(args.work / "tokenizer")
    print(len(tokenizer), "tokens")


if __name__ == "__main__":
    main()
